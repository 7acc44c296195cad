/**
 * Holds every pool of upstream connections in use, so that a reload which does not change an upstream keeps its pool.
 *
 * An upstream is the same when all that defines it is the same, the content of its certificate files included. Each
 * policy leases its upstreams and releases them when it is replaced. A pool that nobody leases lives on for a short
 * while, since requests that began under the old policy may still come to it; then it takes no more, the requests
 * that run on it finish, however long they take, and its connections close.
 */
import { createHash } from 'node:crypto'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'
import type { Upstream } from './connections.ts'
import { type UpstreamOptions, type UpstreamPool, upstreamPool } from './pool.ts'

export interface UpstreamLease {
  readonly upstream: Upstream
  /** Call once. */
  release(): void
}

export interface UpstreamRegistry {
  acquire(options: UpstreamOptions): UpstreamLease
  /** Ends every pool at once; requests that still run fail. */
  close(): Promise<void>
}

/** Longer than a request takes to be judged. */
const LINGER_MS = 60_000

interface Entry {
  readonly pool: UpstreamPool
  leases: number
  cancelEnd: Cancel
}

export function upstreamRegistry(scheduler: Scheduler): UpstreamRegistry {
  const entries = new Map<string, Entry>()
  const ending = new Set<UpstreamPool>()

  const end = (identity: string, { pool }: Entry): void => {
    entries.delete(identity)
    ending.add(pool)
    const ended = () => ending.delete(pool)
    pool.drain().then(ended, ended)
  }
  const release = (identity: string, entry: Entry): void => {
    entry.leases -= 1
    if (entry.leases === 0) entry.cancelEnd = scheduler.after(LINGER_MS, () => end(identity, entry))
  }

  return {
    acquire(options) {
      const identity = identityOf(options)
      const entry = entries.get(identity) ?? { pool: upstreamPool(options, scheduler), leases: 0, cancelEnd: () => {} }
      entries.set(identity, entry)
      entry.cancelEnd()
      entry.leases += 1
      let isReleased = false
      return {
        upstream: entry.pool,
        release() {
          if (!isReleased) release(identity, entry)
          isReleased = true
        },
      }
    },
    async close() {
      for (const { cancelEnd } of entries.values()) cancelEnd()
      const pools = [...ending, ...[...entries.values()].map(({ pool }) => pool)]
      entries.clear()
      await Promise.all(pools.map(pool => pool.close()))
    },
  }
}

/** A digest, since the options hold a private key. What is undefined is not there. */
function identityOf(options: UpstreamOptions): string {
  const members = Object.entries(options).filter(([, value]) => value !== undefined)
  const sorted = members.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}
