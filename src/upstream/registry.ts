/**
 * Holds every pool of upstream connections in use, so that a reload which does not change an upstream keeps its pool.
 *
 * An upstream is the same when all that defines it is the same, the content of its certificate files included. Each
 * policy leases its upstreams and releases them when it is replaced. A pool that nobody leases lives on for a short
 * while, since requests that began under the old policy may still come to it; then it takes no more, the requests
 * that run on it finish, however long they take, and its connections close.
 */
import { createHash } from 'node:crypto'
import { type Leases, leases } from '../lib/leases.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Upstream } from './connections.ts'
import { type UpstreamOptions, upstreamPool } from './pool.ts'

/** Closing it ends every pool at once, and requests that still run fail. */
export type UpstreamRegistry = Leases<UpstreamOptions, Upstream>

/** Longer than a request takes to be judged. */
const LINGER_MS = 60_000

export function upstreamRegistry(scheduler: Scheduler): UpstreamRegistry {
  return leases({
    identityOf,
    make: (options: UpstreamOptions) => upstreamPool(options, scheduler),
    end: pool => pool.drain(),
    endNow: pool => pool.close(),
    lingerMs: LINGER_MS,
    scheduler,
  })
}

/** A digest, since the options hold a private key. What is undefined is not there. */
function identityOf(options: UpstreamOptions): string {
  const members = Object.entries(options).filter(([, value]) => value !== undefined)
  const sorted = members.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex')
}
