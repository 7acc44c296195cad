/**
 * Makes one upstream: the connections to the service behind the gateway, in the version of HTTP that it speaks.
 *
 * RFC 9113 §3.2, §3.3 (how HTTP/2 starts). `http:` is HTTP/1.1, `h2c:` is HTTP/2 without TLS, and over `https:` the
 * service chooses. WebSocket handshakes always go over HTTP/1.1.
 */
import type { Scheduler } from '../lib/scheduler.ts'
import type { Upstream, UpstreamConnections } from './connections.ts'
import { type Connect, type ConnectorOptions, connector } from './connector.ts'
import { http1Upstream } from './http1.ts'
import { http2Upstream } from './http2.ts'
import { negotiatedUpstream } from './negotiated.ts'
import { retriedConnect } from './retried-connect.ts'
import { timedUpstream } from './timed.ts'
import { whereabouts } from './whereabouts.ts'

export interface UpstreamOptions extends ConnectorOptions {
  /** The label in logs and status. */
  readonly id: string
  /** HTTP/2 is spoken without asking; an `https:` origin is asked. */
  readonly isHttp2?: true | undefined
  /** The longest time from the end of the request to the head of the response. */
  readonly headersTimeoutMs: number
  /** The longest silence inside a response body. */
  readonly idleTimeoutMs: number
  /** The most connections at a time. */
  readonly maxConnections: number
  /** The longest time that a connection of HTTP/1.1 stays without a request. */
  readonly keepAliveMs: number
  /** The longest head of an answer. */
  readonly maxHeadBytes: number
  /** For how long a connection that was refused is tried again; 0 is not at all. */
  readonly connectRetryMs: number
}

/** An upstream as its owner has it. */
interface UpstreamPool extends Upstream, UpstreamConnections {}

export function upstreamPool(options: UpstreamOptions, scheduler: Scheduler): UpstreamPool {
  const { id, headersTimeoutMs, idleTimeoutMs } = options
  return {
    id,
    origin: shownOrigin(options),
    headersTimeoutMs,
    ...timedUpstream(connections(options, scheduler), { scheduler, idleTimeoutMs }),
  }
}

/** @returns the origin as it is written in the configuration */
export function shownOrigin({
  origin,
  socketPath,
  isHttp2,
}: Pick<UpstreamOptions, 'origin' | 'socketPath' | 'isHttp2'>): string {
  if (socketPath !== undefined) return `unix:${socketPath}`
  return isHttp2 === true ? origin.replace(/^http:/, 'h2c:') : origin
}

function connections(options: UpstreamOptions, scheduler: Scheduler): UpstreamConnections {
  const shared = { ...options, scheduler, whereabouts: whereabouts(options, scheduler) }
  const http1 = (connect: Connect) => http1Upstream({ ...shared, connect })
  const http2 = (connect: Connect) => http2Upstream({ ...shared, connect })
  const retry = { retryMs: options.connectRetryMs, scheduler }
  const connectHttp1 = retriedConnect(connector(options, 'http1', scheduler), retry)
  if (options.isHttp2 === true) return http2(connectHttp1)
  if (options.origin.startsWith('http:')) return http1(connectHttp1)
  const connectEither = retriedConnect(connector(options, 'either', scheduler), retry)
  return negotiatedUpstream({ http1, http2, connectHttp1, connectEither })
}
