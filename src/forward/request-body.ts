/**
 * Passes the body of a request upstream, with back-pressure; it limits the size of the body and the client's silences.
 *
 * It stands between the client's socket and whoever sends to the service, so that a failing upstream destroys this
 * stream and not the socket, which still has to carry the refusal. It buffers nothing, because the socket's own stream
 * does that already.
 */
import { type Readable, Stream } from 'node:stream'
import { ClientGone } from '../downstream/receive.ts'
import { Denial } from '../errors.ts'

interface RequestBodyOptions {
  readonly maxBytes: number
  /** Longest time without a byte while the gateway is ready to take one, until the answer begins. */
  readonly idleTimeoutMs: number
  /** After the answer has begun, a client may be silent, and the service decides how long it listens. */
  readonly isAnswered: () => boolean
  /** Told of all bytes that come, where somebody counts them. */
  readonly counter?: { bytesIn: number } | undefined
  /** Called once, before the first byte is asked for: this is the moment to send `100 Continue`. */
  readonly onFirstRead: () => void
}

/** Emits `data`, then `end` or `error`, and last `close`. It emits nothing before the first `resume`. */
export class RequestBody extends Stream {
  /**
   * It is let go when the body is destroyed, since whoever sends it may keep the body longer than that.
   */
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
      // Over HTTP/2 a body may have ended, empty, before anybody listens. The end must not come while `resume` runs.
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
    this.#leave(source)
    source.pause()
    queueMicrotask(() => {
      // When the answer came before the end of the request, nobody listens any more.
      if (error !== undefined && this.listenerCount('error') > 0) this.emit('error', error)
      this.emit('close')
    })
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#upload === undefined) return
    const { maxBytes, counter } = this.#upload.options
    this.receivedBytes += chunk.length
    if (counter !== undefined) counter.bytesIn += chunk.length
    if (this.receivedBytes > maxBytes) {
      this.destroy(new Denial('body_too_large', { evidence: { limit_bytes: maxBytes } }))
      return
    }
    this.#silence?.refresh()
    this.emit('data', chunk)
  }

  readonly #onEnd = (): void => {
    if (this.#upload === undefined) return
    // When a stream of HTTP/2 is reset without an error, Node ends its body as if it were whole.
    if (this.#upload.source.closed) {
      this.destroy(new ClientGone('the client gave its request up'))
      return
    }
    this.#stopWatch()
    // A request lives as long as its answer, and would keep all that listens to this stream.
    this.#leave(this.#upload.source)
    this.readableEnded = true
    this.emit('end')
  }

  readonly #onGone = (): void => {
    if (this.#upload?.source.readableEnded === false) this.destroy(new ClientGone('the client closed its connection'))
  }

  readonly #onSilence = (): void => {
    if (this.#upload === undefined) return
    const { isAnswered, idleTimeoutMs } = this.#upload.options
    // The client cannot send while the gateway takes nothing, and need not send once it is answered.
    if (this.#isPaused || isAnswered()) this.#silence?.refresh()
    else this.destroy(new Denial('request_timeout', { evidence: { limit_ms: idleTimeoutMs } }))
  }

  #leave(source: Readable): void {
    source.off('data', this.#onData).off('end', this.#onEnd).off('error', this.#onGone).off('close', this.#onGone)
    // An error of a request that nobody listens to any more must not end the process.
    source.on('error', ignore)
  }

  #stopWatch(): void {
    clearTimeout(this.#silence)
    this.#silence = undefined
  }
}

/** It refers to nothing, as a function literal would to all that its neighbours refer to. */
function ignore(): void {}
