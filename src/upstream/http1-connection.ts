/**
 * Is one connection to a service that speaks HTTP/1.1: requests use it one after the other.
 *
 * It is used again only when the answer before ended cleanly, in a later turn of the loop, and nothing came meanwhile:
 * bytes that nobody asked for would be taken for the answer to the next request (GHSA-35p6-xmwp-9g52).
 */
import type { Socket } from 'node:net'
import { AnswerParser } from './answer-parser.ts'
import { UpstreamFailure } from './failure.ts'
import type { Http1Call } from './http1-call.ts'

interface ConnectionOptions {
  readonly socket: Socket
  /** The service, as `Host` names it. */
  readonly authority: string
  readonly maxHeadBytes: number
  /** It may carry another request, once this turn of the loop is over. */
  readonly onFree: (connection: Http1Connection) => void
  /** It is closed, or belongs to somebody else. Called once. */
  readonly onGone: (connection: Http1Connection) => void
  /** Its socket belongs to somebody else from now on. */
  readonly onDetached: (socket: Socket) => void
}

export class Http1Connection {
  readonly socket: Socket
  readonly authority: string
  readonly remoteAddress: string | undefined
  readonly parser: AnswerParser
  readonly #options: ConnectionOptions
  #call: Http1Call | undefined
  #calls = 0
  /** Something of the present answer has come. */
  hasBytes = false
  isGone = false
  /** For how long it has been without a request. */
  idleMs = 0

  constructor(options: ConnectionOptions) {
    const { socket, authority, maxHeadBytes } = options
    this.authority = authority
    this.remoteAddress = socket.remoteAddress
    this.socket = socket
    this.parser = new AnswerParser(maxHeadBytes)
    this.#options = options
    socket
      .on('data', this.#onBytes)
      .on('end', this.#onFin)
      .on('error', this.#onLost)
      .on('close', this.#onClose)
      .on('drain', this.#onDrain)
  }

  /** Is true if a request before the present one has used it. */
  get isReused(): boolean {
    return this.#calls > 1
  }

  carry(call: Http1Call): void {
    this.#call = call
    this.#calls += 1
    this.hasBytes = false
    this.idleMs = 0
    call.start(this)
    // Whoever was told of the start may have given the request up, before anything was sent.
    if (!call.isOver || this.#call !== call) return
    this.#calls -= 1
    this.release()
  }

  /** The answer is over; the connection is free unless its service or its parser says otherwise. */
  release(): void {
    const { socket } = this
    this.#call = undefined
    // The next request would wait behind the rest of this one, which the service may never read; or, where a write has
    // failed, for ever.
    if (!this.parser.isReusable || !socket.writable || socket.writableLength > 0) {
      this.discard()
      return
    }
    if (socket.isPaused()) socket.resume()
    this.#options.onFree(this)
  }

  /** Ends it at once, with the request on it. */
  end(error: Error): void {
    const call = this.#call
    if (call === undefined) this.discard()
    else call.fail(error)
  }

  discard(): void {
    this.#call = undefined
    this.socket.destroy()
    this.#leave()
  }

  /** Hands the socket over as if nobody had read from it, but for what was the answer. */
  detach(rest: Buffer): Socket {
    const { socket } = this
    this.#call = undefined
    socket
      .off('data', this.#onBytes)
      .off('end', this.#onFin)
      .off('error', this.#onLost)
      .off('close', this.#onClose)
      .off('drain', this.#onDrain)
      .pause()
    if (rest.length > 0) socket.unshift(rest)
    this.#options.onDetached(socket)
    this.#leave()
    return socket
  }

  readonly #onBytes = (bytes: Buffer): void => {
    const call = this.#call
    // Attack: what comes before the request has left would pass for its answer.
    if (call?.isHeld === true) {
      this.#onLost(new UpstreamFailure('ANSWER_MALFORMED', 'bytes before the request'))
      return
    }
    this.hasBytes = true
    try {
      this.parser.read(bytes)
    } catch (error) {
      if (call === undefined || call.isOver) this.discard()
      else call.fail(error as Error)
    }
  }

  readonly #onFin = (): void => {
    try {
      this.parser.end()
    } catch (error) {
      // Its place has to be free before its request asks for another.
      this.#onLost(error as Error)
    }
    if (!this.isGone) this.discard()
  }

  readonly #onClose = (): void =>
    this.#onLost(new UpstreamFailure('ANSWER_CUT', 'the connection ended before the answer did'))

  readonly #onDrain = (): void => this.#call?.onDrain()

  readonly #onLost = (error: Error): void => {
    const call = this.#call
    this.#call = undefined
    this.#leave()
    call?.onLost(error)
    this.socket.destroy()
  }

  #leave(): void {
    if (this.isGone) return
    this.isGone = true
    this.#options.onGone(this)
  }
}
