/**
 * Starts a gateway from a configuration file: loads it, makes what outlives a policy, prepares, listens, and watches
 * the file.
 *
 * Nothing listens before the whole configuration is known to be good. A key server that is down does not keep the
 * gateway from starting: requests that need its keys are answered with 503 until it is back.
 */
import { resolve } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { admin } from '../admin/admin.ts'
import type { ReadFile } from '../config/check/file-judges.ts'
import { type FileContents, notedReads } from '../config/read/file-contents.ts'
import { loadConfigFile } from '../config/read/load.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config } from '../config/schema/schema.ts'
import { type Acceptor, drain } from '../downstream/drain.ts'
import { overloadGate } from '../downstream/overload.ts'
import { gateway } from '../gateway.ts'
import type { Clock } from '../lib/clock.ts'
import { type LoopMeter, loopMeter } from '../lib/loop-meter.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { dropConnectionsOverLimit } from '../node/server-limits.ts'
import type { Policy } from '../policy.ts'
import { policyStore } from '../policy-store.ts'
import type { Log } from '../telemetry/log.ts'
import { exposition, familiesOf } from '../telemetry/metrics/exposition.ts'
import { refusalsOf, shownConsole } from './console.ts'
import { tellIgnoredProxy } from './ignored-proxy.ts'
import { listedPaths } from './listed-paths.ts'
import { closeNow } from './listening.ts'
import { listenAs } from './named-listening.ts'
import { type Operations, operations } from './operations.ts'
import { prepare } from './prepare.ts'
import { type Reloader, reloader } from './reload.ts'
import { revocationCache } from './revocation-cache.ts'
import type { RevocationPeers } from './revocation-peers.ts'
import { gatewayServices, type Services } from './services.ts'
import { rejectWhatNeedsRestart, type StartSettings } from './start-settings.ts'
import { fileWatch } from './watch.ts'

export interface StartOptions {
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  /** The system's unless another is given. */
  readonly scheduler?: Scheduler | undefined
  /** Measures the event loop; left out, that of this process. */
  readonly meter?: LoopMeter | undefined
  /** Draws who is refused under overload; left out, `Math.random` does. */
  readonly random?: (() => number) | undefined
  readonly log: (level: Config['log']['level']) => Log
  /** Runs a task when the process ends, however that comes about. Left out, nobody does. */
  readonly atExit?: ((task: () => void) => void) | undefined
  /** Called before the first line is written, and when a reload is put in force. */
  readonly setLogFormat?: ((format: Config['log']['format']) => void) | undefined
  readonly version: string
  readonly nodeVersion: string
  /** `report`: every route only reports, whatever the configuration says. */
  readonly mode?: 'report' | undefined
  /** Reads the files. Left out, they have to be ones that nobody else may write. */
  readonly readFile?: ReadFile | undefined
  /** What the file said, when it has been loaded already. */
  readonly loaded?: Loaded | undefined
  /**
   * Makes this process one of several that share the listener: these settings must be those of its own configuration.
   * It has no admin listener, and the primary says when all of them listen.
   */
  readonly workerOf?: StartSettings | undefined
  /** The process that hands a worker its connections. */
  readonly acceptor?: Acceptor | undefined
  /** The other workers, which hear of what is revoked here, and tell what was revoked there. */
  readonly peers?: RevocationPeers | undefined
}

interface Loaded {
  readonly config: Config
  /** Digests of every file that was read. */
  readonly contents: FileContents
}

export interface RunningGateway {
  /** `http://127.0.0.1:8080`, or `unix:/path`. */
  readonly url: string
  /** Undefined when the configuration has no `admin`. */
  readonly adminUrl: string | undefined
  /** Says which configuration was in force when it was started. */
  readonly hash: string
  readonly routes: Policy['routes']
  readonly config: Config
  /** What its admin listener offers, or would offer if it had one. */
  readonly operations: Operations
  /** Loads the file again, changed or not. It resolves when that has succeeded or failed; the log says which. */
  reload(): Promise<void>
  /** Lets requests under way end, up to `drain.timeout`; {@link RunningGateway.close} is still to be called. */
  drain(): Promise<void>
  /** Ends at once, and drops requests under way. */
  close(): Promise<void>
}

/** @throws {ConfigError} the configuration is bad, with every problem */
export function load(file: string, env: StartOptions['env'], readFile?: ReadFile): Loaded {
  const reads = notedReads(readFile)
  return { config: loadConfigFile(file, env, reads.readFile), contents: reads.contents }
}

/**
 * @throws {ConfigError} the configuration is bad, with every problem
 * @throws {Error} an address cannot be listened on
 */
export async function start(options: StartOptions): Promise<RunningGateway> {
  const { file, env, workerOf } = options
  const { config, contents } = options.loaded ?? load(file, env, options.readFile)
  if (workerOf !== undefined) rejectWhatNeedsRestart(file, workerOf, config)
  options.setLogFormat?.(config.log.format)
  const log = options.log(config.log.level)
  // Of several workers, the primary tells it for all.
  if (workerOf === undefined) tellIgnoredProxy(config, env, log)
  const services = gatewayServices({ ...options, log, tokenCacheEntries: config.tokenCache.entries })
  for (const [id, provider] of Object.entries(config.providers))
    services.metrics.initProvider(id, providerTraits(provider))
  options.atExit?.(services.audits.flushNow)
  // Keys are fetched as soon as their providers are prepared.
  const early = config.traces && services.traces.acquire(config.traces)
  early?.follow()
  early?.release()
  const first = prepare(config, services)
  const policies = policyStore(first.policy)
  services.revocations.configure(first.revocation)
  if (config.dpop !== undefined) services.replays.resize(config.dpop.replay.entries)
  services.revocationPeers.writer = first.stream?.writer
  services.metrics.policyInForce(first.hash)

  const draining = drain({
    ...services,
    acceptor: options.acceptor,
    timeoutMs: () => reloads.inForce.config.drain.timeout,
  })
  const { servers } = draining
  const reloads = reloader({
    file,
    env,
    readFile: options.readFile,
    setLogFormat: options.setLogFormat,
    first,
    firstContents: contents,
    policies,
    servers,
    services,
  })
  const watching = watchFiles(file, reloads, services)

  const overload = overloadGate({
    ...services,
    meter: options.meter ?? loopMeter(),
    random: options.random ?? Math.random,
  })

  const cache = revocationCache(services, () => reloads.inForce)
  const apps: FastifyInstance[] = []
  const close = async (): Promise<void> => {
    watching.close()
    reloads.close()
    overload.close()
    services.revocations.close()
    await Promise.all(apps.map(closeNow))
    await Promise.all([
      services.keySets.close(),
      services.introspectors.close(),
      services.upstreams.close(),
      services.revocationStreams.close(),
      services.sharedReplays.close(),
      cache.close(),
    ])
    // What the last requests and streams leave behind is on record.
    await services.audits.close()
    // By now all requests have ended, and so have their spans.
    await services.traces.close()
  }
  try {
    await cache.load()
    if (options.peers !== undefined) services.revocationPeers.tellSiblings = options.peers.tell
    const { keepsCache } = (await options.peers?.join(services.revocations)) ?? { keepsCache: true }
    if (keepsCache) cache.keep()
    // The stream says what of a cache file was undone since, so it is read after that.
    services.revocationStreams.follow(first.stream)
    first.takeOver()
    const refusals = await refusalsOf(config, services)
    const app = await gateway({ ...services, policies, server: first.server, drain: draining, overload, refusals })
    apps.push(app)
    const { version } = options
    const operator = operations({ version, config, policies, reloads, drain: draining, services, refusals })
    let adminUrl: string | undefined
    if (config.admin !== undefined && workerOf === undefined) {
      const adminApp = await adminOf(operator, config.admin, () => reloads.inForce.config, services)
      apps.push(adminApp)
      adminUrl = await listenAs('admin.listen', adminApp, config.admin.listen, 'http')
    }
    const scheme = config.listen.tls === undefined ? 'http' : 'https'
    const url = await listenAs('listen', app, config.listen, scheme, workerOf === undefined ? 'own' : 'shared')
    for (const server of servers) dropConnectionsOverLimit(server)
    watching.follow()
    const { hash } = first
    if (workerOf === undefined)
      log.info({ url, admin: adminUrl, config: file, hash, routes: config.routes.length }, 'listening')
    return {
      url,
      adminUrl,
      hash,
      routes: first.policy.routes,
      config,
      operations: operator,
      reload() {
        services.audits.reopen()
        return reloads.reload('SIGHUP')
      },
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
    // A reload may read other files.
    onChange: () => void reloads.reload('change').then(() => watching.follow()),
    onUnwatchable: (folder, reason) =>
      log.warn({ folder, reason }, 'cannot watch a folder, changes in it are found within a minute'),
    scheduler,
  })
  return watching
}

async function adminOf(
  operator: Operations,
  { hosts, console: shown }: NonNullable<Config['admin']>,
  inForce: () => Config,
  { clock, scheduler }: Services,
): Promise<FastifyInstance> {
  const { status, metrics, appProbes, drain, revocations, recent } = operator
  return admin({
    status,
    metricsText: () => exposition(familiesOf(metrics())),
    metricsContentType: metrics().contentType,
    appProbes,
    hosts,
    drain,
    revocations,
    listed: () => listedPaths(inForce()),
    console:
      shown &&
      (await shownConsole(shown, {
        clock,
        scheduler,
        status,
        families: () => familiesOf(metrics()),
        parts: (...asked) => [recent?.(...asked)],
      })),
  })
}
