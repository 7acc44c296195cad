/**
 * Configuration file → running gateway: load, build what outlives a policy, prepare, listen, watch the file.
 *
 * Nothing listens before the whole configuration is known to be good. A key server that is down does not keep the gateway
 * from starting: requests that need its keys are answered with 503 until it is back.
 */
import type { AddressInfo } from 'node:net'
import { resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { admin } from './admin/admin.ts'
import { type AppProbe, appProbes } from './admin/app-probes.ts'
import { statusOf } from './admin/status.ts'
import { notedReads } from './config/file-contents.ts'
import { loadConfigFile } from './config/load.ts'
import { type Prepared, prepare } from './config/prepare.ts'
import { type Reloader, reloader } from './config/reload.ts'
import type { Address, Config } from './config/schema.ts'
import { fileWatch } from './config/watch.ts'
import { type Drain, drain } from './drain.ts'
import type { Upstream } from './forward/upstream.ts'
import { gateway } from './gateway.ts'
import type { Clock } from './lib/clock.ts'
import { type LoopMeter, loopMeter } from './lib/loop-meter.ts'
import { overloadGate } from './overload.ts'
import type { Policy } from './policy.ts'
import { type PolicyStore, policyStore } from './policy-store.ts'
import { type Services, services } from './services.ts'
import type { Log } from './telemetry/log.ts'

export interface StartOptions {
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  /** Default: the event loop of this process. */
  readonly meter?: LoopMeter | undefined
  /** Draws who is refused under overload. Default: `Math.random`. */
  readonly random?: (() => number) | undefined
  readonly log: (level: Config['log']['level']) => Log
  readonly version: string
  readonly nodeVersion: string
  /** `report`: every route only reports, whatever the configuration says. */
  readonly mode?: 'report' | undefined
}

export interface RunningGateway {
  /** `http://127.0.0.1:8080`, or `unix:/path`. */
  readonly url: string
  /** Undefined when the configuration has no `admin`. */
  readonly adminUrl: string | undefined
  /** In force when it was started. */
  readonly routes: Policy['routes']
  readonly config: Config
  /** Loads the file anew, changed or not. Resolves when that is over, well or badly; the log says which. */
  reload(): Promise<void>
  /** Finishes what is under way, for a while at most; {@link RunningGateway.close} is still to be called. */
  drain(): Promise<void>
  /** Ends at once; drops what is under way. */
  close(): Promise<void>
}

/**
 * @throws {ConfigError} the configuration is bad, with every problem
 * @throws {Error} an address cannot be listened on
 */
export async function start(options: StartOptions): Promise<RunningGateway> {
  const { file, env } = options
  const reads = notedReads()
  const config = loadConfigFile(file, env, reads.readFile)
  const log = options.log(config.log.level)
  const shared = services({ ...options, log, tokenCacheEntries: config.tokenCache.entries })
  for (const provider of Object.keys(config.providers)) shared.metrics.initProvider(provider)
  const first = prepare(config, shared)
  const policies = policyStore(first.policy)
  shared.metrics.policyInForce(first.hash)

  const draining = drain({ ...shared, timeoutMs: () => reloads.inForce.config.drain.timeout })
  const { servers } = draining
  const reloads = reloader({ file, env, first, firstContents: reads.contents, policies, servers, services: shared })
  const watching = watchFiles(file, reloads, shared)

  const overload = overloadGate({
    ...shared,
    meter: options.meter ?? loopMeter(),
    random: options.random ?? Math.random,
  })

  const apps: FastifyInstance[] = []
  const close = async (): Promise<void> => {
    watching.close()
    reloads.close()
    overload.close()
    await Promise.all(apps.map(closeNow))
    await Promise.all([shared.keySets.close(), shared.upstreams.close()])
  }
  try {
    const app = await gateway({ ...shared, policies, server: first.server, drain: draining, overload })
    apps.push(app)
    let adminUrl: string | undefined
    if (config.admin !== undefined) {
      const adminApp = adminOf({ version: options.version, config, policies, reloads, drain: draining, shared })
      apps.push(adminApp)
      adminUrl = await listen(adminApp, config.admin.listen, 'http')
    }
    const url = await listen(app, config.listen.address, config.listen.tls === undefined ? 'http' : 'https')
    watching.follow()
    log.info({ url, admin: adminUrl, config: file, hash: first.hash, routes: config.routes.length }, 'listening')
    return {
      url,
      adminUrl,
      routes: first.policy.routes,
      config,
      reload: () => reloads.reload('SIGHUP'),
      drain: () => draining.finish('signal'),
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function watchFiles(file: string, reloads: Reloader, { scheduler, log }: Services) {
  const watching = fileWatch({
    files: () => [resolve(file), ...reloads.files()],
    // A reload may name other files.
    onStir: () => void reloads.reload('change').then(() => watching.follow()),
    onUnwatchable: (folder, reason) =>
      log.warn({ folder, reason }, 'cannot watch a folder, changes in it are found within a minute'),
    scheduler,
  })
  return watching
}

interface AdminParts {
  readonly version: string
  readonly config: Config
  readonly policies: PolicyStore
  readonly reloads: Reloader
  readonly drain: Drain
  readonly shared: Services
}

function adminOf({ version, config, policies, reloads, drain, shared }: AdminParts): FastifyInstance {
  const { metrics, tokenCache, clock } = shared
  return admin({
    status: () => statusOf({ version, policy: policies.current, isDraining: drain.isDraining, nowMs: clock.nowMs() }),
    metricsText: () => {
      metrics.tokenCacheEntries.set(tokenCache.size)
      for (const { id, keySet } of policies.current.providers) metrics.showKeySet(id, keySet.status())
      return metrics.registry.metrics()
    },
    metricsContentType: metrics.registry.contentType,
    appProbes: appProbes(probesOf(config), id => probedUpstream(id, reloads.inForce)),
    drain: () => drain.begin('admin'),
  })
}

/** A probe that names no upstream means the only one. */
function probesOf({ admin: listener, upstreams }: Config): readonly AppProbe[] {
  const [only = ''] = Object.keys(upstreams)
  return (listener?.appProbes ?? []).map(({ path, upstream = only }) => ({ path, upstream }))
}

/** A probe that names no upstream means the only one, whatever a reload has called it. */
function probedUpstream(id: string, { upstreams }: Prepared): Upstream | undefined {
  const [first] = upstreams.values()
  return upstreams.get(id) ?? (upstreams.size === 1 ? first : undefined)
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
