/** The command `sallyport revoke` takes tokens back before they expire: by the store, or else by the gateway here. */
import { readFileSync } from 'node:fs'
import { problemText } from '../config/check/findings.ts'
import { loadConfigFile } from '../config/read/load.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config } from '../config/schema/schema.ts'
import { takesIssuer } from '../config/schema/tenants.ts'
import { issuerTemplate } from '../issuer-template.ts'
import { systemClock } from '../lib/clock.ts'
import { fileFailureText } from '../lib/failure-text.ts'
import { secretsIn } from '../lib/secrets.ts'
import {
  entryOfPeople,
  REVOCATION_KINDS,
  type RevocationEntry,
  type RevocationSubject,
  subjectText,
  type WrittenEntry,
  withTimes,
} from '../revocation/entry.ts'
import { callable } from '../tools/admin/addresses.ts'
import { AdminCallError } from '../tools/admin/ask.ts'
import { entryText } from '../tools/engine/revoking-entries.ts'
import { callAdmin } from '../tools/revocation/admin-call.ts'
import { entriesOfFile, writtenEntry } from '../tools/revocation/sourced-entries.ts'
import { withDistances } from '../tools/text/moments.ts'
import { shown } from '../tools/text/shown.ts'
import { parsedArguments } from './arguments.ts'
import { type Command, type ExitCode, RuntimeError, UsageError } from './command.ts'
import { configFile } from './config-file.ts'
import { withRevocationStream } from './revocation-stream.ts'

export const revokeCommand: Command = {
  help: `Usage: sallyport revoke (--sub V | --sid V | --client V | --jti V | --all) [--issuer I] [--before T] [--until T]
                        [--reason R] [--wait N] [--undo] [-c FILE] [--json]

Takes tokens back before they expire, and ends the streams that they have opened. The entry goes to the store, from
where every gateway has it within a second; without \`revocation.store\`, to the gateway on this machine
(\`revocation.api\`).

  --sub V             all tokens of a subject: "sign this user out now"
  --sid V             all tokens of a session
  --client V          all tokens of a client (client_id, else azp)
  --jti V             the one token with this jti
  --all               all tokens of the issuer
  --issuer I          iss of the tokens; may be left out when the configuration has one issuer
  --before T          only tokens issued up to then; else up to now, so that a new login is not meant
  --until T           when the entry may be forgotten; else when \`revocation.keep\` is over
  --reason R          a note for people
  --wait N            fail unless N replicas of the store have the entry within 5 seconds
  --undo              take back what was told about the same; an entry of \`revocation.file\` stays
  -c, --config FILE   configuration file; else $SALLYPORT_CONFIG, else ./sallyport.yaml
  --json              what was done as JSON

T is a time like 2026-01-01T00:00:00Z, or whole seconds since the epoch.

Exit codes: 0 done; 1 the store or the gateway is out of reach, refuses, or has too few replicas; 2 bad configuration
or usage.

Examples:
  sallyport revoke --sub alice --reason 'laptop stolen'
  sallyport revoke --issuer https://auth.example.com/ --jti 6f1c --wait 1
  sallyport revoke --sub alice --undo
`,
  async run(args, io) {
    const { values, positionals } = parsedArguments('revoke', args, {
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        issuer: { type: 'string' },
        jti: { type: 'string' },
        sub: { type: 'string' },
        sid: { type: 'string' },
        client: { type: 'string' },
        all: { type: 'boolean' },
        before: { type: 'string' },
        until: { type: 'string' },
        reason: { type: 'string' },
        wait: { type: 'string' },
        undo: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    })
    if (positionals.length > 0) throw new UsageError('revoke takes options only, as in: sallyport revoke --sub alice')
    const verb = values.undo === true ? 'undo' : 'revoke'
    if (verb === 'undo' && [values.before, values.until, values.reason].some(each => each !== undefined))
      throw new UsageError(
        '--undo takes back whatever was told about the same; leave --before, --until and --reason out',
      )
    const replicas = replicasIn(values.wait)
    const config = loadConfigFile(configFile(values.config, io.env), io.env)
    const written = entryIn({ ...values, issuer: checkedIssuer(config, values.issuer) })
    const nowSeconds = Math.floor(systemClock.nowMs() / 1000)
    const entry = withTimes(written, nowSeconds, (config.revocation?.keep ?? 0) / 1000)
    if (entry.until < nowSeconds) throw new UsageError('--until is past, so that the entry would never be in force')
    const order: Order = { verb, entry, written, replicas }
    const done = config.revocation?.store === undefined ? await byApi(order, config) : await byStore(order, config)
    const text = values.json === true ? `${JSON.stringify(jsonOf(order, done), undefined, 2)}\n` : textOf(order, done)
    io.stdout(text)
    return exitCode(order, done)
  },
}

interface Order {
  readonly verb: 'revoke' | 'undo'
  /** With its times filled in. */
  readonly entry: RevocationEntry
  readonly written: WrittenEntry
  /** How many replicas have to have it; undefined: nobody asks. */
  readonly replicas: number | undefined
}

interface Done {
  readonly by: 'store' | 'api'
  /** As the admin API says it; what is written to the store is `written`. */
  readonly result: string
  /** Every gateway that reads the store, or the processes of one. */
  readonly scope: 'fleet' | 'process'
  readonly id: string | undefined
  /** How many replicas have it; undefined where nobody asked. */
  readonly replicas: number | undefined
  /** The entry stands in `revocation.file`, too, which the admin API leaves alone. */
  readonly isInFile: boolean
}

const WAIT_MS = 5_000

async function byStore({ verb, entry, replicas }: Order, config: Config): Promise<Done> {
  return withRevocationStream(config, async stream => {
    if (stream === undefined) throw new UsageError(NOWHERE)
    const id = await stream.write(verb === 'undo' ? { do: 'undo', subject: entry } : { do: 'revoke', entry })
    const confirmed = replicas === undefined ? undefined : await stream.wait(replicas, WAIT_MS)
    const isInFile = verb === 'undo' && entriesOfFile(config).some(each => isSame(each, entry))
    return { by: 'store', result: 'written', scope: 'fleet', id, replicas: confirmed, isInFile }
  })
}

function isSame(one: RevocationSubject, other: RevocationSubject): boolean {
  return one.kind === other.kind && one.value === other.value && one.issuer === other.issuer
}

const NOWHERE =
  'the configuration names nobody to tell; add `store` with `revocation.store` to tell every gateway, or `revocation.api` with `admin` for the one on this machine'

/** @throws {UsageError} the configuration has no API, or none that may be called @throws {RuntimeError} it says no */
async function byApi({ verb, entry, written, replicas }: Order, { revocation, admin }: Config): Promise<Done> {
  if (revocation?.api === undefined || admin === undefined) throw new UsageError(NOWHERE)
  if (replicas !== undefined)
    throw new UsageError('--wait counts replicas of the store, and there is no `revocation.store`')
  const address = callable(admin.listen.address)
  if (address === undefined)
    throw new UsageError('`admin.listen` is no loopback address, to which alone the secret may go; run this elsewhere')
  // The gateway fills in the times by its own clock.
  const { before, until, reason } = written
  const said = { ...writtenEntry(entry), before, until, reason }
  const { status, body } = await called({
    method: verb === 'undo' ? 'DELETE' : 'POST',
    address,
    secret: firstSecret(revocation.api.tokenFile),
    entry: said,
  })
  const answer = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {}
  if (status !== 200 && status !== 202)
    throw new RuntimeError(
      `the gateway answers ${status}: ${shown(String(answer.error ?? 'it serves no /-/revocations; is it this configuration that runs?'))}`,
    )
  return {
    by: 'api',
    result: String(answer.result),
    scope: answer.scope === 'fleet' ? 'fleet' : 'process',
    id: typeof answer.id === 'string' ? answer.id : undefined,
    replicas: undefined,
    isInFile: answer.inForceByFile === true,
  }
}

async function called(call: Parameters<typeof callAdmin>[0]): ReturnType<typeof callAdmin> {
  try {
    return await callAdmin(call)
  } catch (error) {
    throw error instanceof AdminCallError ? new RuntimeError(error.message) : error
  }
}

function firstSecret(file: string): string {
  try {
    const [secret] = secretsIn(readFileSync(file))
    if (secret !== undefined) return secret.toString('latin1')
  } catch (error) {
    throw new UsageError(`\`revocation.api.tokenFile\` cannot be read: ${fileFailureText(error)}`)
  }
  throw new UsageError('`revocation.api.tokenFile` is empty')
}

function entryIn(values: Readonly<Record<string, string | boolean | undefined>>): WrittenEntry {
  const names = ['issuer', ...REVOCATION_KINDS, 'before', 'until', 'reason']
  const given = names.flatMap(name => {
    const value = values[name]
    if (value === undefined) return []
    const isNumber = (name === 'before' || name === 'until') && /^\d+$/.test(String(value))
    return [[name, isNumber ? Number(value) : value] as const]
  })
  const kinds = REVOCATION_KINDS.filter(kind => values[kind] !== undefined)
  if (kinds.length !== 1)
    throw new UsageError('say what is revoked by exactly one of --sub, --sid, --client, --jti and --all')
  const parsed = entryOfPeople.safeParse(Object.fromEntries(given), { error: problemText })
  if (parsed.success) return parsed.data
  throw new UsageError(parsed.error.issues.map(({ path, message }) => `--${path.join('.')} ${message}`).join('\n'))
}

/** Refuses an issuer whose tokens no provider takes: a slip would revoke nobody, and say that it did. */
function checkedIssuer({ providers }: Config, given: string | undefined): string {
  const taken = Object.values(providers).map(provider => providerTraits(provider).issuers)
  // Where people log in, and what judges their tokens, are two providers of one issuer.
  const issuers = [...new Set(taken.map(({ issuer }) => issuer))]
  const known = issuers.join(', ')
  if (given === undefined) {
    const [only, ...others] = issuers
    if (only === undefined) throw new UsageError('the configuration has no providers')
    if (others.length === 0 && issuerTemplate(only) === undefined) return only
    throw new UsageError(`name the issuer of the tokens with --issuer; there are ${known}`)
  }
  const isTaken = taken.some(each => {
    const values = issuerTemplate(each.issuer)?.valuesIn(given)
    return takesIssuer(each, { ...values, iss: given })
  })
  if (!isTaken) throw new UsageError(`no provider takes tokens of the issuer "${shown(given)}"; there are ${known}`)
  return given
}

function replicasIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d?$/.test(text)) throw new UsageError('--wait takes a number of replicas, from 1 to 99')
  return Number(text)
}

function isLacking({ replicas: wanted }: Order, { replicas: had }: Done): boolean {
  return wanted !== undefined && (had ?? 0) < wanted
}

const REFUSED: ReadonlySet<string> = new Set(['full', 'expired'])

function exitCode(order: Order, done: Done): ExitCode {
  return isLacking(order, done) || REFUSED.has(done.result) ? 1 : 0
}

function jsonOf({ verb, entry }: Order, { by, result, scope, id, replicas }: Done) {
  return shown({ do: verb, by, result, scope, id, replicas, entry: writtenEntry(entry) })
}

function textOf(order: Order, done: Done): string {
  const { verb, entry, replicas: wanted } = order
  const { by, result, scope, id, replicas, isInFile } = done
  const lines = [
    shown(
      verb === 'undo'
        ? `${isInFile ? 'undone' : 'no longer revoked'}: ${subjectText(entry)}`
        : `revoked: ${withDistances(entryText(entry), systemClock.nowMs())}`,
    ),
    by === 'store' ? `written to the store as ${id}` : `the gateway here says: ${shown(result)}`,
    scope === 'fleet' ? 'every gateway that reads the store has it within a second' : 'no other gateway hears of it',
    ...(isInFile ? ['it stands in `revocation.file`, too, and stays revoked; take it out there'] : []),
    ...(wanted === undefined ? [] : [`${replicas} of ${wanted} replicas have it`]),
    ...(isLacking(order, done) ? ['a failover now could lose it; run the command again once they are back'] : []),
  ]
  return `${lines.join('\n')}\n`
}
