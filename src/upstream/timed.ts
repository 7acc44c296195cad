/**
 * Bounds how long a service may take to begin its answer, and how long it may be silent between two parts of it.
 *
 * Time runs only while it is the service's turn: not while the client still sends, nor while it takes nothing of the
 * answer; those have limits of their own. All requests are looked at together every quarter of a second, so a timeout
 * comes up to half a second late. Looks are counted, not time: a process that was stopped for a while finds the answers
 * that came meanwhile only after its first look. A timer for each request would leave objects behind for up to a
 * second, all of which the garbage collector's young generation then has to copy.
 */
import type { Socket } from 'node:net'
import type { Enrolled } from '../lib/roster.ts'
import { type Rounds, rounds } from '../lib/rounds.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type {
  UpstreamBody,
  UpstreamCall,
  UpstreamConnections,
  UpstreamHandler,
  UpstreamRequest,
} from './connections.ts'
import { UpstreamFailure } from './failure.ts'

interface TimedUpstreamOptions {
  readonly scheduler: Scheduler
  /** The longest silence inside an answer. */
  readonly idleTimeoutMs: number
}

const ROUND_MS = 250

export function timedUpstream(untimed: UpstreamConnections, options: TimedUpstreamOptions): UpstreamConnections {
  const { scheduler, idleTimeoutMs } = options
  const running = rounds<TimedRequest>({
    scheduler,
    intervalMs: () => ROUND_MS,
    visit: request => request.check(idleTimeoutMs),
  })
  return {
    dispatch: (request, handler) => untimed.dispatch(request, new TimedRequest(request, handler, running)),
    drain: untimed.drain,
    close: untimed.close,
  }
}

/** Passes on what the handler is told, and notes that something came. */
class TimedRequest implements UpstreamHandler, Enrolled {
  readonly #headersTimeoutMs: number
  readonly #running: Rounds<TimedRequest>
  #body: UpstreamBody | null
  #handler: UpstreamHandler | undefined
  #call: UpstreamCall | undefined
  #hasAnswer = false
  #parts = 0
  /** The amount that had passed at the last look, and for how long it has been the same. */
  #seen = -1
  #silentMs = 0
  slot = -1

  constructor({ headersTimeoutMs, body }: UpstreamRequest, handler: UpstreamHandler, running: Rounds<TimedRequest>) {
    this.#headersTimeoutMs = headersTimeoutMs
    this.#body = body
    this.#handler = handler
    this.#running = running
  }

  /** Is called once a round. */
  check(idleTimeoutMs: number): void {
    const passed = this.#parts + (this.#body?.receivedBytes ?? 0)
    if (passed !== this.#seen || !this.#isServicesTurn()) {
      this.#seen = passed
      this.#silentMs = 0
      return
    }
    this.#silentMs += ROUND_MS
    if (this.#silentMs < (this.#hasAnswer ? idleTimeoutMs : this.#headersTimeoutMs)) return
    this.#running.delete(this)
    this.#call?.abort(
      this.#hasAnswer
        ? new UpstreamFailure('BODY_TIMEOUT', 'silence inside the answer')
        : new UpstreamFailure('HEADERS_TIMEOUT', 'no answer in time'),
    )
  }

  #isServicesTurn(): boolean {
    if (this.#hasAnswer) return this.#call?.isPaused === false
    const body = this.#body
    return body === null || body.readableEnded || body.isPaused()
  }

  onQueued(call: UpstreamCall): void {
    this.#handler?.onQueued?.(call)
  }

  onStart(call: UpstreamCall): void {
    this.#call = call
    this.#running.add(this)
    this.#handler?.onStart(call)
  }

  /** An interim answer buys no time. */
  onHead(statusCode: number, rawHeaders: readonly string[]): void {
    if (statusCode >= 200) {
      this.#parts += 1
      this.#hasAnswer = true
    }
    this.#handler?.onHead(statusCode, rawHeaders)
  }

  onData(chunk: Buffer): void {
    this.#parts += 1
    this.#handler?.onData(chunk)
  }

  onEnd(rawTrailers: readonly string[]): void {
    this.#running.delete(this)
    this.#handler?.onEnd(rawTrailers)
    this.#letGo()
  }

  onUpgrade(rawHeaders: readonly string[], socket: Socket): void {
    this.#running.delete(this)
    this.#handler?.onUpgrade(rawHeaders, socket)
    this.#letGo()
  }

  onError(error: Error): void {
    this.#running.delete(this)
    this.#handler?.onError(error)
    this.#letGo()
  }

  /**
   * Drops what belongs to the request, so that nothing that still knows this object keeps it. It is called after the
   * handler was told, since what the handler throws at the end of an answer comes back to it as an error.
   */
  #letGo(): void {
    this.#handler = undefined
    this.#body = null
  }
}
