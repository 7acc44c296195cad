/**
 * Says how a service behind the gateway looks to whoever sends requests to it, whatever version of HTTP it speaks.
 *
 * `pool.ts` makes one of these from the files beside it, each of which is one of these itself and knows one thing: a
 * version of HTTP, how to find out which, or how long to wait.
 */
import type { EventEmitter } from 'node:events'
import type { Dispatcher } from 'undici'

/** Emits `data`, `end`, `error` and `close` as a stream does, from the first `resume` on. */
export interface UpstreamBody extends EventEmitter {
  /** The bytes that have come until now. */
  readonly receivedBytes: number
  readonly readableEnded: boolean
  isPaused(): boolean
  pause(): unknown
  resume(): unknown
  destroy(error?: Error): unknown
}

export interface UpstreamRequest {
  readonly path: string
  readonly method: Dispatcher.HttpMethod
  /** Flat names and values. */
  readonly headers: string[]
  readonly body: UpstreamBody | null
  /** The longest time from the end of the request to the head of the response. */
  readonly headersTimeoutMs: number
  readonly upgrade: 'websocket' | null
}

/** A thing that requests can be sent over. */
export interface UpstreamConnections {
  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void
  /** Takes no more requests; resolves when those that run have ended and the connections are closed. */
  drain(): Promise<void>
  /** Destroys the connections, so that requests which still run fail. */
  close(): Promise<void>
}

export interface Upstream {
  readonly id: string
  /** The origin as people read it. */
  readonly origin: string
  readonly headersTimeoutMs: number
  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void
  /** Destroys the connections, so that requests which still run fail. */
  close(): Promise<void>
}
