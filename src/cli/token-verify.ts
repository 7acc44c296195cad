/** The command `sallyport token verify` shows what the gateway makes of a token, check by check. */
import { loadConfigFile } from '../config/read/load.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config } from '../config/schema/schema.ts'
import { issuersOf } from '../config/schema/tenants.ts'
import { issuerTemplate } from '../issuer-template.ts'
import { systemClock } from '../lib/clock.ts'
import type { Paint } from '../lib/paint.ts'
import { closeToolServices, toolServices } from '../tools/engine/tool-policy.ts'
import { momentOf, withDistances } from '../tools/text/moments.ts'
import { columns } from '../tools/text/table.ts'
import { RivalServers, type VerifiedToken, verifiedToken } from '../tools/token/verified-token.ts'
import { parsedArguments } from './arguments.ts'
import { type CommandIo, type ExitCode, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { tokenText } from './inputs.ts'
import { checkedProvider } from './provider-option.ts'
import { verifyInternal } from './token-verify-internal.ts'

export async function verify(args: readonly string[], io: CommandIo): Promise<ExitCode> {
  const { values, positionals } = parsedArguments('token verify', args, {
    allowPositionals: true,
    options: {
      config: { type: 'string', short: 'c' },
      provider: { type: 'string' },
      json: { type: 'boolean' },
      internal: { type: 'boolean' },
      admin: { type: 'string' },
    },
  })
  const [given, ...more] = positionals
  if (given === undefined || more.length > 0)
    throw new UsageError('token verify takes one token; - reads standard input')
  const token = tokenText(given, io)
  if (values.internal === true) {
    if (values.provider !== undefined)
      throw new UsageError('--provider has no effect with --internal: the gateway itself signed the token')
    return verifyInternal(token, values, io)
  }
  if (values.admin !== undefined) throw new UsageError('--admin is for --internal: name it, too, or leave --admin out')
  const config = loadConfigFile(configFile(values.config, io.env), io.env)
  const provider = checkedProvider(config, values.provider)
  if (provider === undefined) refuseTwins(namedIssuers(config))
  const services = toolServices({ ...io, clock: systemClock })
  const verified = await verifiedToken(token, config, provider, services)
    .catch(refuseRivals)
    .finally(() => closeToolServices(services))
  io.stdout(
    values.json === true
      ? `${JSON.stringify(verified, undefined, 2)}\n`
      : text(verified, io.paint, systemClock.nowMs()),
  )
  return verified.verdict === 'valid' ? 0 : 1
}

/** Lists every spelling of every issuer. A template is left out: the tenants tell whose token one is. */
function namedIssuers({ providers }: Config): ReadonlyArray<readonly [string, string]> {
  return Object.entries(providers).flatMap(([id, provider]) => {
    const { takesJwts } = providerTraits(provider)
    if (takesJwts === undefined || issuerTemplate(takesJwts.issuer) !== undefined) return []
    return issuersOf(takesJwts).map(issuer => [issuer, id] as const)
  })
}

/** Refuses providers with the same issuer. A route names the one it means; here the user has to. */
function refuseTwins(issuers: ReadonlyArray<readonly [issuer: string, id: string]>): void {
  for (const [issuer, twins] of Map.groupBy(issuers, ([each]) => each)) {
    const ids = twins.map(([, id]) => id).join(', ')
    if (twins.length > 1)
      throw new UsageError(`the providers ${ids} all have the issuer ${issuer}; name one with --provider`)
  }
}

/** Refuses to choose among servers: here the user has to. */
function refuseRivals(error: unknown): never {
  if (!(error instanceof RivalServers)) throw error
  const ids = error.providers.join(', ')
  throw new UsageError(`the providers ${ids} would all be asked about it; name one with --provider`)
}

function text(
  { checks, reason, remedy, revokedBy = [], answer, caller }: VerifiedToken,
  paint: Paint,
  nowMs: number,
): string {
  const marks = {
    ok: paint('green', 'ok'),
    fails: paint('red', 'fails'),
    'not reached': paint('dim', 'not reached'),
    'with each request': paint('dim', 'with each request'),
  }
  const lines = columns(checks.map(({ check, result }) => [`  ${check}`, marks[result]]))
  const outcome =
    caller === undefined
      ? [
          `${paint('red', 'refused')}: ${withDistances(reason ?? '', nowMs)}`,
          ...revokedBy.map(entry => `revoked by: ${withDistances(entry, nowMs)}`),
          ...(remedy === undefined ? [] : [remedy]),
        ]
      : [
          `${paint('green', 'valid')}: a token of the provider ${caller.provider}`,
          ...columns([
            ['  subject', typeof caller.claims.sub === 'string' ? caller.claims.sub : 'none'],
            ['  scopes', caller.scopes.join(' ') || 'none'],
            ['  roles', caller.roles.join(' ') || 'none'],
            ...(caller.isForAllRoutes ? [] : [['  routes', routesText(caller.routes)]]),
            ...expiry(caller, nowMs),
            ...boundTo(caller),
          ]),
        ]
  return `${[...lines, '', ...answerLines(answer), ...outcome].join('\n')}\n`
}

function expiry({ claims }: NonNullable<VerifiedToken['caller']>, nowMs: number): ReadonlyArray<readonly string[]> {
  const moment = momentOf('exp', claims.exp)
  return moment === undefined ? [] : [['  expires', withDistances(moment, nowMs)]]
}

/** Says what a token is good for that is not meant for all routes. */
function routesText(routes: readonly string[]): string {
  return routes.length === 0
    ? 'none: each asks for another audience'
    : `by its audience it counts only on ${routes.join(', ')}`
}

function answerLines(answer: VerifiedToken['answer']): readonly string[] {
  if (answer === undefined) return []
  return [
    'The server’s answer',
    ...columns(Object.entries(answer).map(([name, value]) => [`  ${name}`, JSON.stringify(value)])),
    '',
  ]
}

function boundTo({ confirmation }: NonNullable<VerifiedToken['caller']>): ReadonlyArray<readonly string[]> {
  const { jkt, certificateThumbprint } = confirmation ?? {}
  return [
    ...(jkt === undefined ? [] : [['  bound to', `the key ${jkt} (cnf.jkt): each request needs a proof`]]),
    ...(certificateThumbprint === undefined
      ? []
      : [['  bound to', `the certificate ${certificateThumbprint} (cnf.x5t#S256): each request needs it`]]),
  ]
}
