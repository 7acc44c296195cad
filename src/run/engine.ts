/**
 * Puts a configuration file in force, and keeps it there: what a gateway has in common with a guard in front of an
 * application's own routes.
 *
 * It loads the file, makes what outlives a policy, prepares, follows changes of the file, and gives everything back at
 * the end. It listens nowhere and decides nothing: who has the requests asks the policy in force.
 */
import type { Server } from 'node:http'
import { resolve } from 'node:path'
import type { ReadFile } from '../config/check/file-judges.ts'
import { type FileContents, notedReads } from '../config/read/file-contents.ts'
import { type ConfigUse, loadConfigFile } from '../config/read/load.ts'
import { providerTraits } from '../config/schema/provider-traits.ts'
import type { Config } from '../config/schema/schema.ts'
import type { HeaderWriter } from '../forward/request-headers.ts'
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { type PolicyStore, policyStore } from '../policy-store.ts'
import type { Log } from '../telemetry/log.ts'
import { tellIgnoredProxy } from './ignored-proxy.ts'
import type { LimitSiblings } from './limit-siblings.ts'
import { type Prepared, prepare } from './prepare.ts'
import { type Reloader, type ReloadObserver, reloader } from './reload.ts'
import { revocationCache } from './revocation-cache.ts'
import type { RevocationPeers } from './revocation-peers.ts'
import { gatewayServices, type Services } from './services.ts'
import { rejectWhatNeedsRestart, type StartSettings } from './start-settings.ts'
import { fileWatch } from './watch.ts'

export interface EngineOptions {
  readonly file: string
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  /** The system's unless another is given. */
  readonly scheduler?: Scheduler | undefined
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
  /** What the file is loaded for. Left out: for a gateway. */
  readonly use?: ConfigUse | undefined
  /** Is told how reloads end, in place of the log. */
  readonly observer?: ReloadObserver | undefined
  /** Makes what the service reads of a request's headers. Left out: the lines of a gateway. */
  readonly requestHeaders?: HeaderWriter | undefined
  /** What the file said, when it has been loaded already. */
  readonly loaded?: Loaded | undefined
  /**
   * Makes this process one of several that share the listener: these settings must be those of its own configuration.
   * It has no admin listener, and the primary says when all of them listen.
   */
  readonly workerOf?: StartSettings | undefined
  /** The other processes that share the listener, which count with this one. Left out: there are none. */
  readonly limitSiblings?: LimitSiblings | undefined
}

interface Loaded {
  readonly config: Config
  /** Digests of every file that was read. */
  readonly contents: FileContents
}

interface Engine {
  /** The configuration that it was started with. */
  readonly config: Config
  readonly first: Prepared
  readonly services: Services
  readonly policies: PolicyStore
  readonly reloads: Reloader
  /** Takes what is shared with others, and lets the configuration be felt. Call it once, before the first request. */
  begin(peers?: RevocationPeers): Promise<void>
  /** Watches the files from here on. */
  follow(): void
  /** From here on nothing else is put in force. Requests may still be under way. */
  stop(): void
  /** Gives everything back, when all requests have ended. */
  close(): Promise<void>
}

/** @throws {ConfigError} the configuration is bad, with every problem */
export function load(file: string, env: EngineOptions['env'], readFile?: ReadFile, use?: ConfigUse): Loaded {
  const reads = notedReads(readFile)
  return { config: loadConfigFile(file, env, reads.readFile, use), contents: reads.contents }
}

/**
 * @param servers those of the traffic, which get the limits and certificates of a changed configuration
 * @throws {ConfigError} the configuration is bad, with every problem
 */
export function engine(options: EngineOptions, servers: () => Iterable<Server>): Engine {
  const { file, env, workerOf } = options
  const { config, contents } = options.loaded ?? load(file, env, options.readFile, options.use)
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

  const reloads = reloader({
    file,
    env,
    readFile: options.readFile,
    use: options.use,
    observer: options.observer,
    setLogFormat: options.setLogFormat,
    first,
    firstContents: contents,
    policies,
    servers,
    services,
  })
  const watching = watchFiles(file, reloads, services)
  const cache = revocationCache(services, () => reloads.inForce)
  return {
    config,
    first,
    services,
    policies,
    reloads,
    async begin(peers) {
      await cache.load()
      if (peers !== undefined) services.revocationPeers.tellSiblings = peers.tell
      const { keepsCache } = (await peers?.join(services.revocations)) ?? { keepsCache: true }
      if (keepsCache) cache.keep()
      // The stream says what of a cache file was undone since, so it is read after that.
      services.revocationStreams.follow(first.stream)
      first.takeOver()
    },
    follow: watching.follow,
    stop() {
      watching.close()
      reloads.close()
      services.revocations.close()
    },
    async close() {
      await Promise.all([
        services.keySets.close(),
        services.introspectors.close(),
        services.upstreams.close(),
        services.revocationStreams.close(),
        services.sharedReplays.close(),
        services.rateLimits.close(),
        services.signing.close(),
        services.exchanges.close(),
        cache.close(),
      ])
      // What the last requests and streams leave behind is on record.
      await services.audits.close()
      // By now all requests have ended, and so have their spans.
      await services.traces.close()
    },
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
