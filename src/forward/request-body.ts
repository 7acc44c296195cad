/**
 * The body of a request on its way upstream: bounded in size and in silence, with back-pressure.
 *
 * It stands between the socket and undici so that a failing upstream destroys this stream and not the client's socket,
 * which still has to carry the refusal. It holds no bytes: what the socket's own stream buffers need not be buffered again.
 */
import { type Readable, Stream } from 'node:stream'
import { ClientGone } from '../downstream/receive.ts'
import { Denial } from '../errors.ts'

export interface RequestBodyOptions {
  readonly maxBytes: number
  /** Longest time without a byte while we are ready to take one, until the answer begins. */
  readonly idleTimeoutMs: number
  /** Once the answer flows, a silent client is one that has nothing to say, and the service decides how long it listens. */
  readonly isAnswered: () => boolean
  /** Called once, before the first byte is asked for: the moment for `100 Continue`. */
  readonly onFirstRead: () => void
}

/** Emits `data`, then `end`; or `error`; at last `close`. Nothing before the first `resume`. */
export class RequestBody extends Stream {
  /** Until it is destroyed: undici's hold on a body outlives the request, see `timed-upstream.ts`. */
  #upload: { readonly source: Readable; readonly options: RequestBodyOptions } | undefined
  #started = false
  #isPaused = false
  #silence: NodeJS.Timeout | undefined
  receivedBytes = 0
  readableEnded = false

  constructor(source: Readable, options: RequestBodyOptions) {
    super()
    this.#upload = { source, options }
  }

  get destroyed(): boolean {
    return this.#upload === undefined
  }

  isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    this.#isPaused = true
    this.#upload?.source.pause()
  }

  resume(): void {
    if (this.#upload === undefined) return
    const { source, options } = this.#upload
    this.#isPaused = false
    if (!this.#started) {
      this.#started = true
      options.onFirstRead()
      // Over HTTP/2 a body may turn out empty before anybody listens. Whoever resumes does not expect its end at once.
      if (source.readableEnded) queueMicrotask(this.#onEnd)
      else source.on('data', this.#onData).on('end', this.#onEnd).on('error', this.#onGone).on('close', this.#onGone)
    }
    if (source.readableEnded) return
    this.#silence = this.#silence?.refresh() ?? setTimeout(this.#onSilence, options.idleTimeoutMs)
    source.resume()
  }

  destroy(error?: Error): void {
    if (this.#upload === undefined) return
    const { source } = this.#upload
    this.#upload = undefined
    this.#stopWatch()
    source.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onGone).off('close', this.#onGone)
    // An unhandled 'error' of the abandoned request must not end the process.
    source.on('error', () => {})
    source.pause()
    queueMicrotask(() => {
      // Nobody listens any more when the answer came before the end of the request.
      if (error !== undefined && this.listenerCount('error') > 0) this.emit('error', error)
      this.emit('close')
    })
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#upload === undefined) return
    const { maxBytes } = this.#upload.options
    this.receivedBytes += chunk.length
    if (this.receivedBytes > maxBytes) {
      this.destroy(new Denial('body_too_large', { evidence: { limit_bytes: maxBytes } }))
      return
    }
    this.#silence?.refresh()
    this.emit('data', chunk)
  }

  readonly #onEnd = (): void => {
    if (this.#upload === undefined) return
    // Node ends a stream of HTTP/2 that was reset without an error as if it were whole.
    if (this.#upload.source.closed) {
      this.destroy(new ClientGone('the client gave its request up'))
      return
    }
    this.#stopWatch()
    this.readableEnded = true
    this.emit('end')
  }

  readonly #onGone = (): void => {
    if (this.#upload?.source.readableEnded === false) this.destroy(new ClientGone('the client closed its connection'))
  }

  readonly #onSilence = (): void => {
    if (this.#upload === undefined) return
    const { isAnswered, idleTimeoutMs } = this.#upload.options
    // Not our turn to complain while we take nothing ourselves.
    if (this.#isPaused || isAnswered()) this.#silence?.refresh()
    else this.destroy(new Denial('request_timeout', { evidence: { limit_ms: idleTimeoutMs } }))
  }

  #stopWatch(): void {
    clearTimeout(this.#silence)
    this.#silence = undefined
  }
}
