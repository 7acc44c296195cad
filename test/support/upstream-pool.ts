/** The connections to a service by themselves, past the gateway. */

import { type UpstreamDeps, type UpstreamOptions, type UpstreamPool, upstreamPool } from '../../src/forward/upstream.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'

const SYSTEM: UpstreamDeps = { clock: systemClock, scheduler: systemScheduler }

/** No timeout is short enough to end anything unless `change` says so. */
export function testPool(origin: string, change: Partial<UpstreamOptions> = {}, deps = SYSTEM): UpstreamPool {
  return upstreamPool(
    { id: 'app', origin, connectTimeoutMs: 20_000, headersTimeoutMs: 20_000, idleTimeoutMs: 20_000, ...change },
    deps,
  )
}
