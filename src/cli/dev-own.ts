/**
 * Starts the gateway in front of somebody's own service, with the embedded issuer for the providers of their file.
 *
 * The file is read once before anything starts, so that a mistake in it is told at once; without one, the smallest
 * policy that makes sense is written to a temporary folder, or to where `--save` says.
 */
import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { ConfigUse } from '../config/read/load.ts'
import { readAnyFile } from '../config/read/own-file.ts'
import type { Config } from '../config/schema/schema.ts'
import { sessionPath } from '../config/schema/session-paths.ts'
import { freePort } from '../demo/loopback.ts'
import { ConfigError } from '../errors.ts'
import { systemClock } from '../lib/clock.ts'
import { fileFailureText } from '../lib/failure-text.ts'
import { load } from '../run/engine.ts'
import type { DevParts, StandInNote } from '../tools/dev/dev-parts.ts'
import { devStarter } from '../tools/dev/dev-starter.ts'
import { algorithmOf, type DevTokens, devTokens, EDITOR, loginsIn } from '../tools/dev/dev-tokens.ts'
import { stoodIn } from '../tools/dev/overlay.ts'
import { routeChanges } from '../tools/dev/route-changes.ts'
import { loginClientId } from '../tools/dev/stood-in-providers.ts'
import { silentUpstreams } from '../tools/dev/upstream-answers.ts'
import type { Claims } from '../types.ts'
import { type CommandIo, RuntimeError, UsageError } from './command.ts'
import { ownScreen, ownTokenLines } from './dev-own-report.ts'
import { PORTS, type Ports } from './dev-ports.ts'
import { type DevRun, demoServers, privateFile, readySoon, type Started, temporaryFolder } from './dev-running.ts'
import { startGateway } from './run.ts'

export interface OwnService {
  readonly ports: Ports
  /** URLs by the id of their upstream; the empty id is the only one. */
  readonly upstreams: ReadonlyMap<string, string>
  readonly config: string | undefined
  /** Where the policy is to be written that is made without a file. */
  readonly save: string | undefined
  readonly claims: Claims
  readonly scope: string | undefined
}

/** Stands for the issuer while the file is read for the first time. */
const NOT_YET = 'http://127.0.0.1:1'

/** @throws {ConfigError} the file is bad @throws {Error} a port is taken; what has started is in `started` */
export async function startOwn(own: OwnService, io: CommandIo, started: Started): Promise<DevRun> {
  const { startIssuer } = await demoServers()
  const folder = temporaryFolder(io)
  const file = own.config ?? writtenStarter(own, folder)
  const secret = randomBytes(32).toString('base64url')
  const parts: DevParts = {
    issuerUrl: NOT_YET,
    gatewayPort: own.ports.gateway,
    adminPort: own.ports.admin,
    upstreams: own.upstreams,
    secretFile: privateFile(folder, 'secret', secret),
    sessionKeyFile: privateFile(folder, 'session-key', randomBytes(32).toString('base64url')),
  }
  const first = load(
    file,
    io.env,
    readAnyFile,
    development(value => stoodIn(value, parts).value),
  ).config
  rejectStrangeUpstreams(own.upstreams, first)
  const written =
    first.listen !== undefined && 'port' in first.listen.address ? first.listen.address.port : PORTS.gateway.port
  const gatewayPort = written === 0 ? await freePort() : written

  let inForce = first
  let notes: readonly StandInNote[] = []
  const tokens = devTokens({ config: () => inForce, claims: own.claims, scope: own.scope, clock: systemClock })
  const issuer = started.add(
    await startIssuer({
      port: own.ports.issuer ?? PORTS.issuer.port,
      clientSecret: secret,
      logins: logins(first, tokens, gatewayPort),
      tokens: (name, query, { sign }) => tokens.token(name, query, sign),
      introspected: tokens.introspected,
      hint: `${EDITOR} is given all that the routes ask for, everybody else a name and the scopes of the login.`,
      onError: error => io.stdout(`issuer: ${error.stack ?? error}\n`),
    }),
  )
  const offered = { ...parts, issuerUrl: issuer.issuer, gatewayPort }
  const gateway = started.add(
    await startGateway(file, io.env, io, {
      readFile: readAnyFile,
      use: development(value => {
        const stood = stoodIn(value, offered)
        notes = stood.notes
        return stood.value
      }),
      observer: {
        reloaded(before, after) {
          inForce = after
          const changes = routeChanges(before, after)
          const what = changes === undefined ? 'the routes are the same' : `routes ${changes}`
          io.stdout(`${io.paint('green', 'reloaded')}: the file is in force; ${what}\n`)
        },
        rejected(error) {
          const text = error instanceof ConfigError || error instanceof Error ? error.message : String(error)
          io.stdout(`${io.paint('red', 'not in force')}: the policy of before goes on\n${text}\n`)
        },
      },
    }),
  )
  inForce = gateway.config
  await readySoon(gateway)
  return {
    gateway,
    tokenLines: ownTokenLines(gateway.config, issuer.issuer),
    screen: ownScreen({
      gateway,
      issuerUrl: issuer.issuer,
      file: own.config === undefined && own.save === undefined ? undefined : resolve(file),
      notes,
      silent: await silentUpstreams(gateway.config),
      columns: io.columns(),
    }),
    close: () => started.close(),
  }
}

/** What of the file cannot be had on this machine is stood in for; nothing of it is out of place. */
function development(filledIn: ConfigUse['filledIn']): ConfigUse {
  return { filledIn, findings: () => [] }
}

function writtenStarter({ upstreams, save }: OwnService, folder: string): string {
  const text = devStarter(upstreams.get('') ?? '')
  if (save === undefined) return privateFile(folder, 'sallyport.yaml', text)
  if (existsSync(save))
    throw new UsageError(`${save} is there already: use it with -c ${save}, or save to another file`)
  try {
    writeFileSync(save, text, { flag: 'wx', mode: 0o644 })
  } catch (error) {
    throw new RuntimeError(`${save} cannot be written: ${fileFailureText(error)}`)
  }
  return save
}

function rejectStrangeUpstreams(named: ReadonlyMap<string, string>, { upstreams }: Config): void {
  const ids = Object.keys(upstreams)
  for (const [id, url] of named) {
    if (id === '' && ids.length > 1)
      throw new UsageError(
        `the file has several upstreams: write --upstream ${ids[0]}=${url} (there are ${ids.join(', ')})`,
      )
    if (id !== '' && !ids.includes(id))
      throw new UsageError(
        `the file has no upstream "${id}": there ${ids.length === 1 ? 'is' : 'are'} ${ids.join(', ')}`,
      )
  }
}

/** What the embedded issuer has to know of each provider of sessions. */
function logins(config: Config, tokens: DevTokens, gatewayPort: number) {
  return loginsIn(config).flatMap(id => {
    const provider = config.providers[id]
    if (provider?.type !== 'session') return []
    const origin = `${provider.publicUrl.replace(/:\d+$/, '')}:${gatewayPort}`
    const judge = config.providers[provider.principal]
    const most = judge === undefined || judge.type === 'session' ? undefined : judge.maxLifetime
    return {
      clientId: loginClientId(id),
      redirectUri: origin + sessionPath(provider, 'callback'),
      afterLogout: origin + provider.afterLogout,
      scopes: provider.scopes,
      algorithm: algorithmOf(config, provider.principal),
      tokenSeconds: Math.floor(Math.min(3_600_000, most ?? 3_600_000) / 1_000),
      acrs: [...new Set(config.routes.flatMap(({ require }) => require?.acr ?? []))],
      accessClaims: (account: string, scope: string) => tokens.loginClaims(id, account, scope),
      idClaims: (account: string) => {
        const {
          iss: _iss,
          aud: _aud,
          iat: _iat,
          exp: _exp,
          scope: _scope,
          ...claims
        } = tokens.loginClaims(id, account, '')
        return claims
      },
    }
  })
}
