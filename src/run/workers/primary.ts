/**
 * Runs several gateways on one listener: starts the workers, replaces those that end, and speaks for all of them.
 *
 * Each worker accepts connections by itself, on the port of all of them. Where the system has no such ports, and on a
 * Unix socket, the primary accepts them and hands them out in turn. It never sees a request. It owns what there must be
 * only one of: the signals, and the admin listener with the sums of what the workers count. It does not reload anything
 * itself: each worker watches the files, and a worker that starts later loads them as they are at that time.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { admin } from '../../admin/admin.ts'
import type { Config } from '../../config/schema/schema.ts'
import { ConfigError } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import type { Log } from '../../telemetry/log.ts'
import { tellIgnoredProxy } from '../ignored-proxy.ts'
import { closeNow } from '../listening.ts'
import { freeListenPath, listenAs, sharedPort } from '../named-listening.ts'
import { startSettings } from '../start-settings.ts'
import { setSocketMode } from '../unix-socket.ts'
import { type Ending, type Member, member } from './member.ts'
import type { Listening, Order } from './messages.ts'
import { operator } from './operator.ts'
import { sharedLimits } from './shared-limits.ts'
import { sharedRevocations } from './shared-revocations.ts'
import { totals } from './totals.ts'

export interface PrimaryOptions {
  /** Name of the configuration file, for the log. The workers find the file as this process did. */
  readonly file: string
  readonly config: Config
  readonly env: NodeJS.ProcessEnv
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly log: Log
  readonly version: string
}

export interface Primary {
  /**
   * Resolves when every worker listens.
   *
   * @throws {ConfigError} a worker finds the configuration bad; all of them have been ended
   * @throws {Error} an address cannot be listened on; all of them have been ended
   */
  start(): Promise<void>
  /** Has every worker load the configuration anew. */
  reload(): void
  /** Lets requests under way end, up to `drain.timeout`, and ends the workers. */
  stop(): Promise<void>
  /** Ends the workers at once. */
  kill(): void
}

const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 10_000
/** A worker that has lived for so long does not end for the reason for which the one before it did. */
const LONG_LIFE_MS = 60_000

export function primary({ file, config, env, clock, scheduler, log, version }: PrimaryOptions): Primary {
  const settings = startSettings(config)
  const members = new Set<Member>()
  const sums = totals<Member>()
  const startedMs = clock.nowMs()
  const shared = sharedRevocations(clock)
  const limits = sharedLimits(clock)
  const stopping = new AbortController()
  const posts: Array<Promise<void>> = []
  let isDraining = false
  let besidePort: number | undefined

  /** @param role the first one keeps the cache file of revocations, and so does whoever takes its place */
  function startWorker(role: number): Member {
    const started = member({
      part: { settings, besidePort },
      scheduler,
      onLastMetrics: sums.heard,
      onJoin: joining => void shared.join(joining, role === 0),
      onRevoked: shared.told,
      onSpent: limits.spent,
    })
    members.add(started)
    void started.begun.then(begun => begun && isDraining && started.order('drain'))
    return started
  }

  /** Replaces a worker that ends, again and again, until the gateway stops. */
  async function keep(first: Member, role: number): Promise<void> {
    let present = first
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const keptMs = clock.monotonicMs()
      const ending = await present.ended
      members.delete(present)
      shared.gone(present)
      void sums.gone(present)
      if (stopping.signal.aborted) return
      if (clock.monotonicMs() - keptMs > LONG_LIFE_MS) pauseMs = FIRST_PAUSE_MS
      log.error({ worker: present.pid, ...told(ending), pause_ms: pauseMs }, 'a worker ended, another takes its place')
      await pause(pauseMs, undefined, { signal: stopping.signal }).catch(() => {})
      if (stopping.signal.aborted) return
      present = startWorker(role)
      void present.begun.then(tellOf(present))
    }
  }

  function tellOf({ pid }: Member) {
    return (begun: Listening | undefined): void => {
      if (begun !== undefined) log.info({ worker: pid, url: begun.url, hash: begun.hash }, 'a worker took its place')
    }
  }

  const orderAll = (order: Order['order']): void => {
    for (const each of members) each.order(order)
  }
  const drain = (): void => {
    isDraining = true
    orderAll('drain')
  }
  const kill = (): void => {
    stopping.abort()
    for (const each of members) each.kill()
  }

  let operatorApp: ReturnType<typeof admin> | undefined

  async function begin(): Promise<void> {
    tellIgnoredProxy(config, env, log)
    let adminUrl: string | undefined
    if (config.admin !== undefined) {
      operatorApp = admin(
        await operator({
          config,
          version,
          startedMs,
          clock,
          scheduler,
          members,
          sums,
          shared,
          isDraining: () => isDraining,
          drain,
        }),
      )
      adminUrl = await listenAs('admin.listen', operatorApp, config.admin.listen, 'http')
    }
    const { listen } = config
    if (listen !== undefined && 'socketPath' in listen.address) {
      await freeListenPath(listen)
      // This process opens the socket when a worker asks for it, and again when all of them have ended.
      setSocketMode(listen.mode)
    }
    besidePort = listen && (await sharedPort(listen))
    const first = Array.from({ length: config.workers }, (_, role) => startWorker(role))
    const [begun] = await Promise.all(first.map(startOf))
    posts.push(...first.map(keep))
    const { url, hash, routes } = begun ?? {}
    const includes = config.include?.length
    log.info({ url, admin: adminUrl, config: file, includes, hash, routes, workers: config.workers }, 'listening')
  }

  return {
    async start() {
      try {
        await begin()
      } catch (error) {
        kill()
        if (operatorApp !== undefined) await closeNow(operatorApp)
        throw error
      }
    },
    reload: () => orderAll('reload'),
    async stop() {
      stopping.abort()
      isDraining = true
      orderAll('stop')
      const going = [...members]
      void Promise.all(going.map(({ closed }) => closed)).then(() => {
        for (const each of going) each.inform({ news: 'stopped' })
      })
      await Promise.all(posts)
      if (operatorApp !== undefined) await closeNow(operatorApp)
    },
    kill,
  }
}

/** @throws {Error} the worker ended before it listened */
async function startOf({ begun, ended, pid }: Member): Promise<Listening> {
  const listening = await begun
  if (listening !== undefined) return listening
  const { code, signal, failure } = await ended
  const text = failure?.text ?? `worker ${pid} ended with ${signal ?? code} before it listened`
  if (failure?.isConfig === true) throw new ConfigError([], text)
  // With a code, the message is printed without a stack, like a failure of the system.
  throw Object.assign(new Error(text), { code: 'ERR_WORKER' })
}

function told({ code, signal, failure }: Ending): Readonly<Record<string, unknown>> {
  return { code: code ?? undefined, signal: signal ?? undefined, reason: failure?.text }
}
