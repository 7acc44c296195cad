/**
 * Puts a changed configuration in force while requests run: load, compile, warm new key sets, swap, release the old.
 *
 * It is all or nothing. Until the swap nothing of the new configuration is in force, and no request sees a part of it,
 * since each reads the policy once, when it begins. Whatever fails leaves the old configuration in force, and one log
 * line tells every problem. Of a rejected file nothing is kept but digests. Where the new configuration means the same,
 * key sets, verified tokens, upstream connections and metrics live on.
 *
 * A reload does not open, close or move listeners. A file that changes what they are made of needs a restart, and is
 * rejected as a whole. A file whose key server is down is not rejected, since a restart would be no better.
 */
import type { Server } from 'node:http'
import type { ReadFile } from '../config/check/file-judges.ts'
import { pathText } from '../config/check/report.ts'
import type { Environment } from '../config/read/environment.ts'
import { areUnchanged, type FileContents, notedReads } from '../config/read/file-contents.ts'
import { type ConfigUse, loadConfigFile } from '../config/read/load.ts'
import { isLogin } from '../config/schema/accepted.ts'
import { clientFiles, providerTraits } from '../config/schema/provider-traits.ts'
import type { Config } from '../config/schema/schema.ts'
import { changeServer } from '../downstream/server.ts'
import { ConfigError } from '../errors.ts'
import { settledWithin } from '../lib/settled-within.ts'
import type { PolicyStore } from '../policy-store.ts'
import { type Prepared, prepare } from './prepare.ts'
import type { Services } from './services.ts'
import { rejectWhatNeedsRestart, startSettings } from './start-settings.ts'

/** What causes a reload: a file that changed, the operator, or the application that is guarded. */
type ReloadTrigger = 'change' | 'SIGHUP' | 'application'

interface ReloaderOptions {
  readonly file: string
  readonly env: Environment
  /** How files are read, as the first configuration was. */
  readonly readFile: ReadFile | undefined
  /** What the file is loaded for; undefined: for a gateway. */
  readonly use: ConfigUse | undefined
  /** Is told how each attempt ends, in place of the log. */
  readonly observer: ReloadObserver | undefined
  /** Changes the form of the log's lines. */
  readonly setLogFormat: ((format: Config['log']['format']) => void) | undefined
  /** The configuration in force when the process starts, and what its files held when it was loaded. */
  readonly first: Prepared
  readonly firstContents: FileContents
  readonly policies: PolicyStore
  /** The servers of the traffic, which get the new limits and certificates. */
  readonly servers: () => Iterable<Server>
  readonly services: Services
}

/** Hears how a reload ended, where people read along. */
export interface ReloadObserver {
  reloaded(before: Config, inForce: Config): void
  /** What is wrong with the new configuration; the old one stays in force. */
  rejected(error: unknown): void
}

/** A file that was not put in force. */
interface RejectedConfig {
  readonly atMs: number
  readonly trigger: ReloadTrigger
  readonly problems: readonly string[]
}

export interface Reloader {
  readonly inForce: Prepared
  /** Milliseconds since the epoch. */
  readonly inForceSinceMs: number
  /** What the last attempt has met; undefined when it has succeeded. */
  readonly lastRejected: RejectedConfig | undefined
  /** The files that the last attempt read: a change of one of them is a reason to load again. */
  files(): Iterable<string>
  /**
   * `change` loads only when a file has changed since the last attempt, whether that succeeded or not; the others
   * always load. Attempts are made one at a time, in order. It resolves when its attempt is over, and never rejects.
   */
  reload(trigger: ReloadTrigger): Promise<void>
  /** From here on nothing is put in force. */
  close(): void
}

/** Together with the time to notice a change, this stays well below the two seconds in which it is to be in force. */
const LONGEST_WARM_UP_MS = 1_000
/** So many problems are kept to be shown; the log has them all. */
const MOST_SHOWN_PROBLEMS = 20

export function reloader(options: ReloaderOptions): Reloader {
  const { file, env, readFile, policies, servers, services } = options
  const { log, metrics, tokenCache, replays, revocations, revocationPeers, revocationStreams } = services
  const started = startSettings(options.first.config)
  let inForce = options.first
  let inForceSinceMs = services.clock.nowMs()
  let lastRejected: RejectedConfig | undefined
  let contents = withoutFreshReads(options.firstContents, inForce.config)
  /** The configuration before: its series are still being scraped, and its last requests still end. */
  let before: Config | undefined
  let last = Promise.resolve()
  let isClosed = false

  const attempt = async (trigger: ReloadTrigger): Promise<void> => {
    if (isClosed || (trigger === 'change' && areUnchanged(contents, readFile))) return
    const reads = notedReads(readFile)
    contents = reads.contents
    let next: Prepared | undefined
    try {
      const config = loadConfigFile(file, env, reads.readFile, options.use)
      rejectWhatNeedsRestart(file, started, config)
      next = prepare(config, services)
      await settledWithin(services.scheduler, LONGEST_WARM_UP_MS, next.providersTried())
      if (isClosed) next.release()
      else putInForce(next, trigger)
    } catch (error) {
      next?.release()
      metrics.reloadFailed()
      const problems = problemsOf(error)
      lastRejected = { atMs: services.clock.nowMs(), trigger, problems: problems.slice(0, MOST_SHOWN_PROBLEMS) }
      if (options.observer === undefined)
        log.error({ trigger, config: file, problems }, 'configuration rejected, the old one stays')
      else options.observer.rejected(error)
    } finally {
      contents = withoutFreshReads(reads.contents, inForce.config)
    }
  }

  function putInForce(next: Prepared, trigger: ReloadTrigger): void {
    const { config, hash, policy } = next
    // The only step that can fail comes first.
    for (const server of servers()) changeServer(server, next.server)
    for (const [id, provider] of Object.entries(config.providers)) metrics.initProvider(id, providerTraits(provider))
    policies.swap(policy)
    revocations.configure(next.revocation)
    revocationPeers.writer = next.stream?.writer
    revocationStreams.follow(next.stream)
    next.takeOver()
    log.level = config.log.level
    options.setLogFormat?.(config.log.format)
    tokenCache.resize(config.tokenCache.entries)
    if (config.dpop !== undefined) replays.resize(config.dpop.replay.entries)
    if (before !== undefined) forgetSeries(before, [inForce.config, config], metrics)
    before = inForce.config
    const replaced = inForce
    inForce = next
    inForceSinceMs = services.clock.nowMs()
    lastRejected = undefined
    replaced.release()
    metrics.policyInForce(hash)
    metrics.reloadSucceeded()
    const told = {
      trigger,
      config: file,
      includes: config.include?.length,
      hash,
      previous: replaced.hash,
      routes: config.routes.length,
    }
    if (options.observer === undefined) log.info(told, 'configuration reloaded')
    else options.observer.reloaded(replaced.config, config)
  }

  return {
    get inForce() {
      return inForce
    },
    get inForceSinceMs() {
      return inForceSinceMs
    },
    get lastRejected() {
      return lastRejected
    },
    files: () => contents.keys(),
    async reload(trigger) {
      last = last.then(() => attempt(trigger))
      await last
    },
    close() {
      isClosed = true
    },
  }
}

/**
 * Leaves out tokens for key servers: they are read with every fetch and change every hour, which is no new
 * configuration.
 */
function withoutFreshReads(contents: FileContents, { egress, providers, upstreams }: Config): FileContents {
  const ofProviders = Object.values(providers).flatMap(provider => providerTraits(provider).filesReadAnew)
  const ofUpstreams = Object.values(upstreams).flatMap(({ exchange }) =>
    exchange === undefined ? [] : clientFiles(exchange.client.auth, exchange.client),
  )
  const fresh = new Set([...ofProviders, ...ofUpstreams, egress?.credentialsFile])
  return new Map([...contents].filter(([path]) => !fresh.has(path)))
}

function problemsOf(error: unknown): readonly string[] {
  if (!(error instanceof ConfigError)) return [error instanceof Error ? error.message : String(error)]
  return error.problems.map(({ path, message, line, column, file }) =>
    [
      ...(line === undefined ? [] : [`${file === undefined ? '' : `${file}:`}${line}:${column}`]),
      ...(path.length === 0 ? [] : [`${pathText(path)}:`]),
      message,
    ].join(' '),
  )
}

/** Drops the series of routes and providers that neither this configuration nor the one before it has. */
function forgetSeries(before: Config, still: readonly Config[], metrics: Services['metrics']): void {
  const routes = new Set(still.flatMap(config => config.routes.map(({ id }) => id)))
  const providers = new Set(still.flatMap(config => Object.keys(config.providers)))
  for (const { id } of before.routes) if (!routes.has(id)) metrics.forgetRoute(id)
  for (const id of Object.keys(before.providers)) if (!providers.has(id)) metrics.forgetProvider(id)
  // A provider may go on under its name and log nobody in any more.
  const logins = new Set(still.flatMap(loginsOf))
  for (const id of loginsOf(before)) if (!logins.has(id)) metrics.forgetSessions(id)
}

function loginsOf({ providers }: Config): readonly string[] {
  return Object.keys(providers).filter(id => isLogin(providers[id]))
}
