/** The connections to a service by themselves, past the gateway. */

import { type UpstreamOptions, type UpstreamPool, upstreamPool } from '../../src/forward/upstream.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'

/** No timeout is short enough to end anything unless `change` says so. */
export function testPool(
  origin: string,
  change: Partial<UpstreamOptions> = {},
  scheduler = systemScheduler,
): UpstreamPool {
  return upstreamPool(
    { id: 'app', origin, connectTimeoutMs: 20_000, headersTimeoutMs: 20_000, idleTimeoutMs: 20_000, ...change },
    scheduler,
  )
}
