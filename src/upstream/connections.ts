/**
 * Says how a service behind the gateway looks to whoever sends requests to it, whatever version of HTTP it speaks.
 *
 * `pool.ts` makes one of these from the files beside it, each of which is one of these itself and knows one thing: a
 * version of HTTP, how to find out which, or how long to wait.
 */
import type { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'

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
  readonly method: string
  /** Flat names and values, one character per octet. */
  readonly headers: readonly string[]
  readonly body: UpstreamBody | null
  /** The longest time from the end of the request to the head of the response. */
  readonly headersTimeoutMs: number
  readonly upgrade: 'websocket' | null
  /** It does not wait while all connections are in use, or a busy service would pass for a dead one. */
  readonly isProbe?: true
}

/** A request under way, for whoever has sent it. */
export interface UpstreamCall {
  readonly isPaused: boolean
  /** Stops the answer's body; what has arrived may still be handed on. */
  pause(): void
  resume(): void
  /** Gives the request up: the handler is told this reason, unless it was told of an end before. */
  abort(reason: Error): void
}

/**
 * Is told what becomes of a request. After `onQueued`, if it has to wait, and `onStart` come any number of interim
 * heads, one head, parts of the body and the end; or `onUpgrade`. An error may come in place of any of them, also of
 * `onStart`, and then nothing more comes. What a handler throws gives the request up, and comes back to it as the
 * error; so does what it throws at the end.
 */
export interface UpstreamHandler {
  /** The request has no connection yet. It may be given up from now on. */
  onQueued?(call: UpstreamCall): void
  /** The request is about to be sent. Over HTTP/2 it is called again, with another call, if it is sent once more. */
  onStart(call: UpstreamCall): void
  /**
   * @param statusCode below 200 for an interim answer
   * @param rawHeaders flat names and values, one character per octet
   */
  onHead(statusCode: number, rawHeaders: readonly string[]): void
  /** @param chunk belongs to the handler */
  onData(chunk: Buffer): void
  /** @param rawTrailers flat names and values */
  onEnd(rawTrailers: readonly string[]): void
  /**
   * The service has agreed to another protocol.
   *
   * @param socket has no listeners, and what has arrived already is still to be read
   */
  onUpgrade(rawHeaders: readonly string[], socket: Socket): void
  onError(error: Error): void
}

/** RFC 9110 §15.2: interim answers are few, and a flood of them is a fault of the service. */
export const MAX_INTERIM_ANSWERS = 32

/** A thing that requests can be sent over. */
export interface UpstreamConnections {
  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void
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
  dispatch(request: UpstreamRequest, handler: UpstreamHandler): void
  /** Destroys the connections, so that requests which still run fail. */
  close(): Promise<void>
}

/** Stands where nothing is forwarded, since somebody else does that. */
export const NO_UPSTREAM: Upstream = {
  id: '(none)',
  origin: '',
  headersTimeoutMs: 0,
  dispatch(_, handler) {
    handler.onError(new Error('a request was forwarded, and there is no upstream'))
  },
  async close() {},
}
