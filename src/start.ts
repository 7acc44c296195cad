/**
 * Configuration file → running gateway: load, build what outlives a policy, compile, listen.
 *
 * Nothing listens before the whole configuration is known to be good. A key server that is down does not keep the gateway
 * from starting: requests that need its keys are answered with 503 until it is back.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { admin } from './admin/admin.ts'
import { statusOf } from './admin/status.ts'
import { compilePolicy } from './config/compile.ts'
import { keySourceDefinition } from './config/key-source.ts'
import { loadConfigFile } from './config/load.ts'
import type { Address, Config } from './config/schema.ts'
import { type Upstream, upstreamPool } from './forward/upstream.ts'
import { gateway } from './gateway.ts'
import type { KeySetRegistry } from './keys/registry.ts'
import type { Clock } from './lib/clock.ts'
import type { Policy } from './policy.ts'
import { policyStore } from './policy-store.ts'
import { services } from './services.ts'
import type { Log } from './telemetry/log.ts'
import type { KeySet } from './types.ts'

export interface StartOptions {
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly log: (level: Config['log']['level']) => Log
  readonly version: string
  readonly nodeVersion: string
}

export interface RunningGateway {
  /** `http://127.0.0.1:8080`, or `unix:/path`. */
  readonly url: string
  /** Undefined when the configuration has no `admin`. */
  readonly adminUrl: string | undefined
  readonly routes: Policy['routes']
  readonly config: Config
  /** Ends at once; drops what is under way. */
  close(): Promise<void>
}

/**
 * @throws {ConfigError} the configuration is bad, with every problem
 * @throws {Error} an address cannot be listened on
 */
export async function start(options: StartOptions): Promise<RunningGateway> {
  const config = loadConfigFile(options.file, options.env)
  const log = options.log(config.log.level)
  const shared = services({ ...options, log, tokenCacheEntries: config.tokenCache.entries })
  for (const provider of Object.keys(config.providers)) shared.metrics.initProvider(provider)
  const keySets = keySetsOf(config, shared.keySets)
  const upstreams = upstreamsOf(config)
  const hash = createHash('sha256').update(JSON.stringify(config)).digest('hex').slice(0, 12)
  const policies = policyStore(compilePolicy(config, hash, { keySets, upstreams }, shared))
  shared.metrics.policyInForce(hash)

  const apps: FastifyInstance[] = []
  const close = async (): Promise<void> => {
    await Promise.all(apps.map(closeNow))
    await Promise.all([shared.keySets.close(), ...[...upstreams.values()].map(upstream => upstream.close())])
  }
  try {
    const app = await gateway({
      policies,
      server: serverOptions(config),
      clock: shared.clock,
      metrics: shared.metrics,
      log,
    })
    apps.push(app)
    let adminUrl: string | undefined
    if (config.admin !== undefined) {
      const adminApp = admin({
        status: () => statusOf({ version: options.version, policy: policies.current, nowMs: shared.clock.nowMs() }),
        metricsText: () => {
          shared.metrics.tokenCacheEntries.set(shared.tokenCache.size)
          for (const { id, keySet } of policies.current.providers) shared.metrics.showKeySet(id, keySet.status())
          return shared.metrics.registry.metrics()
        },
        metricsContentType: shared.metrics.registry.contentType,
      })
      apps.push(adminApp)
      adminUrl = await listen(adminApp, config.admin.listen, 'http')
    }
    const url = await listen(app, config.listen.address, config.listen.tls === undefined ? 'http' : 'https')
    log.info({ url, admin: adminUrl, config: options.file, hash, routes: config.routes.length }, 'listening')
    return { url, adminUrl, routes: policies.current.routes, config, close }
  } catch (error) {
    await close()
    throw error
  }
}

function keySetsOf(config: Config, registry: KeySetRegistry): ReadonlyMap<string, KeySet> {
  return new Map(
    Object.entries(config.providers).map(([provider, { issuer, keys }]) => {
      const { keySet } = registry.acquire({ provider, issuer, source: keySourceDefinition(keys) })
      return [provider, keySet]
    }),
  )
}

function upstreamsOf(config: Config): ReadonlyMap<string, Upstream> {
  return new Map(
    Object.entries(config.upstreams).map(([id, { url, timeouts, tls }]) => [
      id,
      upstreamPool({
        id,
        ...url,
        connectTimeoutMs: timeouts.connect,
        headersTimeoutMs: timeouts.headers,
        idleTimeoutMs: timeouts.idle,
        ca: textOf(tls?.caFile),
        cert: textOf(tls?.certFile),
        key: textOf(tls?.keyFile),
        serverName: tls?.serverName,
      }),
    ]),
  )
}

function serverOptions({ limits, listen: { tls } }: Config) {
  return {
    limits: {
      headerBytes: limits.headerBytes,
      headersTimeoutMs: limits.headersTimeout,
      connections: limits.connections,
    },
    ...(tls !== undefined && {
      tls: {
        cert: readFileSync(tls.certFile, 'utf8'),
        key: readFileSync(tls.keyFile, 'utf8'),
        ...(tls.clientCaFile !== undefined && { clientCa: readFileSync(tls.clientCaFile, 'utf8') }),
      },
    }),
  }
}

function textOf(file: string | undefined): string | undefined {
  return file === undefined ? undefined : readFileSync(file, 'utf8')
}

async function listen(app: FastifyInstance, address: Address, scheme: 'http' | 'https'): Promise<string> {
  if ('socketPath' in address) {
    await app.listen({ path: address.socketPath })
    return `unix:${address.socketPath}`
  }
  await app.listen({ ...address })
  const { port } = app.server.address() as AddressInfo
  return `${scheme}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`
}

function closeNow(app: FastifyInstance): Promise<void> {
  const closed = app.close()
  app.server.closeAllConnections()
  return closed
}
