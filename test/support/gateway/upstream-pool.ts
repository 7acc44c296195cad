/** Connects to a service without a gateway between. */
import type { Readable } from 'node:stream'
import { RequestBody } from '../../../src/forward/request-body.ts'
import { systemScheduler } from '../../../src/lib/scheduler.ts'
import { type UpstreamOptions, upstreamPool } from '../../../src/upstream/pool.ts'

/** No timeout is short enough to end anything unless `change` says so. */
export function testPool(
  origin: string,
  change: Partial<UpstreamOptions> = {},
  scheduler = systemScheduler,
): ReturnType<typeof upstreamPool> {
  return upstreamPool(testUpstream(origin, change), scheduler)
}

/** The options of an upstream whose limits nothing reaches, unless `change` says so. */
export function testUpstream(origin: string, change: Partial<UpstreamOptions> = {}): UpstreamOptions {
  return {
    id: 'app',
    origin,
    connectTimeoutMs: 20_000,
    headersTimeoutMs: 20_000,
    idleTimeoutMs: 20_000,
    maxConnections: 1024,
    keepAliveMs: 4_000,
    maxHeadBytes: 64 * 1024,
    connectRetryMs: 0,
    ...change,
  }
}

/** No client is too slow, and no body too large. */
export function unlimitedBody(source: Readable): RequestBody {
  return new RequestBody(source, {
    maxBytes: Number.POSITIVE_INFINITY,
    idleTimeoutMs: 60_000,
    isAnswered: () => false,
    onFirstRead: () => {},
  })
}
