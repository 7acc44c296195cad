/**
 * Holds the requests that have no connection yet, in the order in which they came, and turns away who waits too long.
 *
 * Those for whom a connection is on the way do not count: its opening has a time of its own.
 */
import { Denial } from '../errors.ts'
import type { Scheduler } from '../lib/scheduler.ts'

interface WaitingRoomOptions<T> {
  readonly upstream: string
  readonly scheduler: Scheduler
  readonly maxConnections: number
  readonly maxWaitMs: number
  /** Returns how many of the first have a connection on the way. */
  readonly expected: () => number
  readonly refuse: (waiting: T, error: Denial) => void
}

interface WaitingRoom<T> {
  readonly size: number
  enter(waiting: T): void
  /** Is served before all others. */
  enterFirst(waiting: T): void
  /** Returns who has so many others before it, and leaves it where it is. */
  at(index: number): T | undefined
  /** Takes the first, or the first that will do. */
  next(willDo?: (waiting: T) => boolean): T | undefined
  /** Goes without having been served. */
  leave(waiting: T): void
  /** Takes all. */
  clear(): readonly T[]
}

const ROUND_MS = 250

export function waitingRoom<T>(options: WaitingRoomOptions<T>): WaitingRoom<T> {
  const { scheduler, maxConnections, maxWaitMs } = options
  const waiting: { readonly who: T; waitedMs: number }[] = []
  let isWatched = false

  function watch(): void {
    if (isWatched || waiting.length <= options.expected()) return
    isWatched = true
    scheduler.after(ROUND_MS, round)
  }

  function round(): void {
    isWatched = false
    for (const each of waiting.slice(options.expected())) {
      each.waitedMs += ROUND_MS
      if (each.waitedMs < maxWaitMs) continue
      waiting.splice(waiting.indexOf(each), 1)
      const evidence = {
        upstream: options.upstream,
        reason: 'all connections to the service are in use',
        connections: maxConnections,
        waited_ms: each.waitedMs,
      }
      options.refuse(each.who, new Denial('overloaded', { evidence }))
    }
    watch()
  }

  return {
    get size() {
      return waiting.length
    },
    enter(who) {
      waiting.push({ who, waitedMs: 0 })
      // Whoever opens connections does so after this, and may change what is expected.
      queueMicrotask(watch)
    },
    enterFirst(who) {
      waiting.unshift({ who, waitedMs: 0 })
      queueMicrotask(watch)
    },
    at: index => waiting[index]?.who,
    next(willDo) {
      const at = willDo === undefined ? 0 : waiting.findIndex(({ who }) => willDo(who))
      return at === -1 ? undefined : waiting.splice(at, 1)[0]?.who
    },
    leave(who) {
      const at = waiting.findIndex(each => each.who === who)
      if (at !== -1) waiting.splice(at, 1)
    },
    clear: () => waiting.splice(0).map(({ who }) => who),
  }
}
