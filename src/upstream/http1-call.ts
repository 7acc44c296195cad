/**
 * Carries one request on a connection of HTTP/1.1: its head and body up, the answer down, both with back-pressure.
 *
 * RFC 9112 §9.3 (persistence), §9.5 (an answer may come before the request is over), RFC 9110 §7.8 (upgrade), §9.2.2
 * (idempotent methods).
 */
import type { Socket } from 'node:net'
import { readsNoMore, readsOn } from '../node/reads-on.ts'
import type { AnswerParser, AnswerReader } from './answer-parser.ts'
import type { UpstreamCall, UpstreamHandler, UpstreamRequest } from './connections.ts'
import { Http1Upload } from './http1-upload.ts'
import { READS_BODIES, requestText } from './request-text.ts'

/** RFC 9110 §9.2.1: these ask for nothing that could happen twice. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The connection, as a request on it sees it. */
interface Carrier {
  readonly socket: Socket
  readonly parser: AnswerParser
  /** The service, as `Host` names it. */
  readonly authority: string
  /** A request before this one has used it. */
  readonly isReused: boolean
  /** Something of the answer has come. */
  readonly hasBytes: boolean
  /** Lets others use it. */
  release(): void
  /** Ends it. */
  discard(): void
  /** Hands the socket over as if nobody had read from it, but for what was the answer. */
  detach(rest: Buffer): Socket
}

interface CallOptions {
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  /** Is asked when a connection that was used before failed without a byte; the request is to be sent again. */
  readonly onStale: (call: Http1Call) => void
  /** Is told when it is over while it waits for a connection. */
  readonly onGivenUp: (call: Http1Call) => void
}

export class Http1Call implements UpstreamCall, AnswerReader {
  readonly request: UpstreamRequest
  readonly #handler: UpstreamHandler
  readonly #onStale: (call: Http1Call) => void
  readonly #onGivenUp: (call: Http1Call) => void
  #connection: Carrier | undefined
  #upload: Http1Upload | undefined
  #writeError: Error | undefined
  #isQueued = false
  #isStarted = false
  #isSecondTry = false
  isOver = false
  isPaused = false

  constructor({ request, handler, onStale, onGivenUp }: CallOptions) {
    this.request = request
    this.#handler = handler
    this.#onStale = onStale
    this.#onGivenUp = onGivenUp
  }

  /**
   * The connection carries nothing after it. Attack: a service that does not read the body of a GET takes its bytes for
   * the next request of the connection, and that one nobody has judged (RFC 9112 §11.2).
   */
  get isLast(): boolean {
    const { body, method, upgrade } = this.request
    return upgrade !== null || (body !== null && !READS_BODIES.has(method))
  }

  /** The service cannot have anything to say to it yet. */
  get isHeld(): boolean {
    return this.#upload?.isHeld === true
  }

  /** No connection that was used before will do. */
  get needsFresh(): boolean {
    return this.#isSecondTry || this.isLast
  }

  /** Is true if it may be sent once more, when a connection turns out to be gone. */
  get isRepeatable(): boolean {
    const { body, method, upgrade } = this.request
    return body === null && upgrade === null && SAFE.has(method)
  }

  /** Has to wait for a connection. */
  queue(): void {
    this.#isQueued = true
    this.#handler.onQueued?.(this)
  }

  start(connection: Carrier): void {
    this.#isQueued = false
    const { request } = this
    const { body } = request
    const { socket } = connection
    // Whoever waits to be sent once more may have been given up meanwhile.
    if (this.isOver) return
    try {
      if (!this.#isStarted) {
        this.#isStarted = true
        this.#handler.onStart(this)
        if (this.isOver) return
      }
      this.#connection = connection
      const { text, framing } = requestText(request, connection.authority, this.isLast ? 'close' : 'keep-alive')
      connection.parser.expect(request, this)
      if (body === null) {
        socket.write(text, 'latin1')
        return
      }
      this.#upload = new Http1Upload({ socket, body, framing, sender: this })
      socket.write(text, 'latin1')
      readsOn(socket, this)
      this.#upload.start()
    } catch (error) {
      this.fail(error as Error)
    }
  }

  onDrain(): void {
    this.#upload?.onDrain()
  }

  /** The service takes no more, but may have answered. */
  onFailedWrite(error: Error): void {
    this.#writeError = error
    this.#upload?.stop()
  }

  pause(): void {
    this.isPaused = true
    if (!this.isOver) this.#connection?.socket.pause()
  }

  resume(): void {
    this.isPaused = false
    if (!this.isOver) this.#connection?.socket.resume()
  }

  abort(reason: Error): void {
    this.fail(reason)
  }

  /** The connection is gone, or what came on it is no answer. */
  onLost(error: Error): void {
    if (this.isOver) return
    const connection = this.#connection
    const isStale = connection?.isReused === true && !connection.hasBytes
    if (isStale && (this.isRepeatable || this.isHeld) && !this.#isSecondTry) {
      this.#isSecondTry = true
      this.#connection = undefined
      this.#upload?.leave()
      this.#upload = undefined
      this.#onStale(this)
      return
    }
    this.fail(this.#writeError ?? error)
  }

  /** The service has nothing more to read, and nothing more to say that anybody wants. */
  fail(error: Error): void {
    if (this.isOver) return
    this.isOver = true
    this.#stopUpload()
    this.#connection?.discard()
    this.#connection = undefined
    if (this.#isQueued) this.#onGivenUp(this)
    this.#handler.onError(error)
  }

  onInterim(statusCode: number, rawHeaders: readonly string[]): void {
    this.#handler.onHead(statusCode, rawHeaders)
  }

  onHead(statusCode: number, rawHeaders: readonly string[]): void {
    this.#handler.onHead(statusCode, rawHeaders)
  }

  onBody(bytes: Buffer): void {
    if (!this.isOver) this.#handler.onData(bytes)
  }

  onEnd(rawTrailers: readonly string[]): void {
    if (this.isOver) return
    this.isOver = true
    const connection = this.#connection
    const isSent = this.#upload === undefined || this.#upload.isWhole
    this.#stopUpload()
    this.#connection = undefined
    if (isSent && !this.isLast) connection?.release()
    else connection?.discard()
    try {
      this.#handler.onEnd(rawTrailers)
    } catch (error) {
      this.#handler.onError(error as Error)
    }
  }

  onSwitch(rawHeaders: readonly string[], rest: Buffer): void {
    const connection = this.#connection
    if (this.isOver || connection === undefined) return
    this.isOver = true
    this.#connection = undefined
    const socket = connection.detach(rest)
    try {
      this.#handler.onUpgrade(rawHeaders, socket)
    } catch (error) {
      socket.on('error', () => {}).destroy()
      this.#handler.onError(error as Error)
    }
  }

  /** Comes before the handler hears of the end: it lets the client's body go on, past us. */
  #stopUpload(): void {
    const { body } = this.request
    if (this.#upload !== undefined) {
      this.#upload.stop()
      if (this.#connection !== undefined) readsNoMore(this.#connection.socket)
    } else if (body !== null) {
      body.on('error', () => {})
      body.destroy()
    }
  }
}
