/**
 * Bounds how long a service may take to begin its answer, and how long it may be silent between two parts of it.
 *
 * Time runs only while it is the service's turn: not while the client still sends, nor while it takes nothing of the
 * answer; those have limits of their own. All requests are looked at together every quarter of a second, so a timeout
 * comes up to half a second late. Looks are counted, not time: a process that was stopped for a while finds the answers
 * that came meanwhile only after its first look. undici's own timers would leave objects of every request behind for up
 * to a second, all of which the garbage collector's young generation then has to copy.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { type Dispatcher, errors } from 'undici'
import type { Enrolled } from '../lib/roster.ts'
import { type Rounds, rounds } from '../lib/rounds.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { UpstreamBody, UpstreamConnections, UpstreamRequest } from './connections.ts'

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
class TimedRequest implements Dispatcher.DispatchHandler, Enrolled {
  readonly #headersTimeoutMs: number
  readonly #running: Rounds<TimedRequest>
  #body: UpstreamBody | null
  #handler: Dispatcher.DispatchHandler | undefined
  #controller: Dispatcher.DispatchController | undefined
  #hasAnswer = false
  #parts = 0
  /** The amount that had passed at the last look, and for how long it has been the same. */
  #seen = -1
  #silentMs = 0
  slot = -1

  constructor(
    { headersTimeoutMs, body }: UpstreamRequest,
    handler: Dispatcher.DispatchHandler,
    running: Rounds<TimedRequest>,
  ) {
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
    this.#controller?.abort(this.#hasAnswer ? new errors.BodyTimeoutError() : new errors.HeadersTimeoutError())
  }

  #isServicesTurn(): boolean {
    if (this.#hasAnswer) return this.#controller?.paused === false
    const body = this.#body
    return body === null || body.readableEnded || body.isPaused()
  }

  onRequestStart(controller: Dispatcher.DispatchController, context: unknown): void {
    this.#controller = controller
    this.#running.add(this)
    this.#handler?.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#running.delete(this)
    this.#handler?.onRequestUpgrade?.(controller, statusCode, headers, socket)
    this.#letGo()
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    this.#parts += 1
    this.#hasAnswer = statusCode >= 200
    this.#handler?.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#parts += 1
    this.#handler?.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    this.#running.delete(this)
    this.#handler?.onResponseEnd?.(controller, trailers)
    this.#letGo()
  }

  onResponseError(controller: Dispatcher.DispatchController, error: Error): void {
    this.#running.delete(this)
    this.#handler?.onResponseError?.(controller, error)
    this.#letGo()
  }

  /**
   * Drops what belongs to the request: undici ties one that has a body to a function that V8 allocates as old, where it
   * stays until the next full collection, with all that can be reached from it. It is called after the handler was
   * told, since what the handler throws at the end of an answer comes back to it as an error.
   */
  #letGo(): void {
    this.#handler = undefined
    this.#body = null
  }
}
