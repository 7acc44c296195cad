/** Runs the gateway itself, from source or from a bundle, with everything on that a user runs in production. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeCacheFile } from '../../../src/revocation/cache-file.ts'
import { fingerprint } from '../../../src/revocation/fingerprint.ts'
import { revocationTable } from '../../../src/revocation/table.ts'
import { freePort, type Place, type StartedChild, start } from '../processes.ts'
import { AUDIENCE, ISSUER, SCOPE } from '../tokens.ts'
import { type Peer, type RunningPeer, type Site, scratch, whenListening } from './peer.ts'

/** The gateway that is measured: `src/main.ts`, a bundle, or another checkout to compare with. */
export interface Target {
  readonly label: string
  readonly file: string
  readonly nodeArgs: readonly string[]
}

export interface OursOptions {
  readonly target: Target
  readonly access?: 'all' | 'off'
  /** One route is the production configuration; more are added before it, each with a scope of its own. */
  readonly routes?: number
  readonly providers?: number
  /** How many tokens of others are revoked; left out, the gateway does not look at revocations. */
  readonly revoked?: number
  /** Where traces go, and of how many requests; left out, none are made. */
  readonly traces?: { readonly endpoint: string; readonly sample: string }
  /** A limit that counts all requests, by the caller, in a store; left out, there is none. */
  readonly limit?: { readonly id: string; readonly store: string; readonly rate: string; readonly burst: number }
  /** Sections in place of those of the production configuration, by name. */
  readonly sections?: Readonly<Record<string, object | number>>
  /** What these listeners have besides their addresses. */
  readonly listen?: object
  readonly admin?: object
  /** What the route of the load has besides. */
  readonly route?: object
  readonly env?: Readonly<Record<string, string>>
  readonly name?: string
  readonly place?: Place
  /** Where the log goes; left out, to a file of its own. */
  readonly logFile?: string
  /** Flags for Node besides the target's. */
  readonly nodeArgs?: readonly string[]
}

export interface RunningGateway extends RunningPeer {
  readonly adminUrl: string
}

/** Everything but the process, for whoever wants to time its start. */
export interface Launch {
  readonly port: number
  readonly adminUrl: string
  spawn(): StartedChild
}

export interface OursPeer extends Peer {
  prepare(site: Site): Promise<Launch>
  start(site: Site): Promise<RunningGateway>
}

export function ours(options: OursOptions): OursPeer {
  const { target, access = 'off', nodeArgs = [] } = options
  const name = options.name ?? `${target.label}${access === 'all' ? ', access log on' : ''}`
  const prepare = async (site: Site): Promise<Launch> => {
    const [port, adminPort, folder] = [await freePort(), await freePort(), scratch('ours')]
    const file = join(folder, 'sallyport.yaml')
    // The file may hold JSON, since JSON is YAML.
    if (options.revoked !== undefined) await writeRevoked(options.revoked, folder)
    writeFileSync(file, JSON.stringify(configuration(options, site, port, adminPort)))
    return {
      port,
      adminUrl: `http://127.0.0.1:${adminPort}`,
      spawn: () =>
        start(process.execPath, [...target.nodeArgs, ...nodeArgs, target.file, 'run', '-c', file], {
          place: options.place ?? 'gateway',
          stdoutFile: options.logFile ?? join(folder, 'log'),
          env: { NODE_ENV: 'production', ...options.env },
        }),
    }
  }
  return {
    name,
    isGuard: true,
    prepare,
    async start(site) {
      const launch = await prepare(site)
      const child = launch.spawn()
      const url = `${'tls' in (options.listen ?? {}) ? 'https' : 'http'}://127.0.0.1:${launch.port}`
      await whenListening(url, child)
      return { name, isGuard: true, url, adminUrl: launch.adminUrl, pid: child.pid, stop: child.stop }
    },
  }
}

const SECRET = 'secret'
const CACHE = 'revocations'

/** Writes what a gateway would have kept that knows so many revocations. */
async function writeRevoked(count: number, folder: string): Promise<void> {
  const table = revocationTable(count)
  const nowMs = Date.now()
  const until = Math.floor(nowMs / 1000) + 86_400
  for (let index = 0; index < count; index += 1) {
    const print = fingerprint({ issuer: ISSUER, kind: 'sub', value: `revoked-${index}` })
    table.add({ fingerprint: print, before: until, until }, 0)
  }
  await writeCacheFile(
    join(folder, CACHE),
    { writtenMs: nowMs, provedMs: undefined, remote: undefined },
    table.packed(),
  )
  writeFileSync(join(folder, SECRET), 'x'.repeat(32), { mode: 0o600 })
}

function configuration(options: OursOptions, site: Site, port: number, adminPort: number): object {
  const { access = 'off', routes = 1, providers = 1, revoked, traces, limit } = options
  const { sections = {}, route = {}, listen = {}, admin = {} } = options
  const provider = (issuer: string): object => ({
    type: 'jwt',
    issuer,
    audiences: [AUDIENCE],
    algorithms: ['RS256', 'ES256', 'EdDSA'],
    ...(revoked === undefined ? {} : { maxLifetime: '24h' }),
    keys: { jwksUri: site.jwksUri },
  })
  const require = { scopes: [SCOPE] }
  return {
    listen: { address: `127.0.0.1:${port}`, ...listen },
    admin: { listen: `127.0.0.1:${adminPort}`, ...admin },
    providers: Object.fromEntries([
      ...Array.from({ length: providers - 1 }, (_, at) => [`other-${at}`, provider(`https://other-${at}.example/`)]),
      ['main', provider(ISSUER)],
    ]),
    upstreams: { app: site.upstreamUrl },
    limits: { bodyBytes: '200MiB' },
    ...(revoked === undefined
      ? {}
      : { revocation: { api: { tokenFile: SECRET }, cacheFile: CACHE, entries: revoked } }),
    ...(traces === undefined ? {} : { traces }),
    ...(limit === undefined ? {} : limitSections(limit)),
    log: { level: 'info', access },
    routes: [
      { id: 'health', path: '/healthz', methods: ['GET'], access: 'public' },
      {
        ...{ id: 'orders', path: '/orders/**', methods: ['GET', 'POST'], require },
        ...(limit === undefined ? {} : { rateLimits: [limit.id] }),
        ...route,
      },
      ...Array.from({ length: routes - 1 }, (_, at) => ({ id: `orders-${at}`, path: `/orders/many/${at}`, require })),
    ],
    ...sections,
  }
}

function limitSections({ id, store, rate, burst }: NonNullable<OursOptions['limit']>): object {
  return { store: { url: store }, rateLimits: { [id]: { rate, burst, key: ['claims.iss'], store: true } } }
}
