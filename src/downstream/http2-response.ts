/**
 * The response on a stream of HTTP/2, with the part of Node's `ServerResponse` that the gateway uses.
 *
 * RFC 9113 §8.1 (messages), §8.2.2 (fields of a connection). The head leaves with the first byte of the body, or with
 * the end. So an answer without a body is a single frame that is also the end: gRPC's Trailers-Only responses depend on
 * it.
 */
import {
  constants,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from 'node:http2'
import { HIGHEST_STATUS, RESET_CONTENT } from '../errors.ts'
import type { ClientResponse, HeaderRecord } from '../exchange.ts'

/** No response has these fields over HTTP/2, where it shares its connection with others. */
const OF_A_CONNECTION: ReadonlySet<string> = new Set(['connection', 'keep-alive', 'transfer-encoding'])

const NO_BYTES = Buffer.alloc(0)
const NO_ERROR = constants.NGHTTP2_NO_ERROR

/** Counts the bytes that it was given, as a socket does: `stalled-peers.ts` sees by that what a client has taken. */
type CountedStream = ServerHttp2Stream & { bytesWritten: number }

export class Http2Response implements ClientResponse {
  readonly stream: CountedStream
  statusCode = 200
  shouldKeepAlive = true
  /** RFC 8441 would allow an upgrade, but hardly any client asks for one. */
  readonly upgrade = null
  /** A higher status makes Node's http2 throw where nobody would catch it. */
  readonly highestStatus = HIGHEST_STATUS
  readonly takesTrailers = true
  #head: string[] | undefined
  #isEnded = false
  #hasClosed = false

  constructor(stream: ServerHttp2Stream) {
    this.stream = Object.assign(stream, { bytesWritten: 0 })
    // A stream that is reset would end the process, since nobody else listens for errors.
    stream.on('error', () => {})
    stream.once('close', () => {
      this.#hasClosed = true
    })
  }

  get headersSent(): boolean {
    return this.#head !== undefined
  }

  get writableFinished(): boolean {
    const { stream } = this
    if (!this.#isEnded || stream.writableFinished) return this.#isEnded
    // Of a short answer Node may close the stream in good order before it says that all of it is out.
    const isAllOut = stream.writableEnded && stream.writableLength === 0
    return isAllOut && stream.destroyed && !stream.aborted && stream.errored === null && stream.rstCode === NO_ERROR
  }

  on(event: 'close' | 'drain', listener: () => void): this {
    // A request that was held back may begin after its stream has closed. Whoever waits for that must still hear of it.
    if (event === 'close' && this.#hasClosed) queueMicrotask(listener)
    else this.stream.on(event, listener)
    return this
  }

  once(event: 'close' | 'drain', listener: () => void): this {
    this.stream.once(event, listener)
    return this
  }

  writeContinue(): void {
    if (this.#isOpen && !this.stream.headersSent) this.stream.additionalHeaders({ ':status': 100 })
  }

  sendHead(status: number, headers: readonly string[] | HeaderRecord): void {
    this.statusCode = status
    const lines = isFlat(headers) ? headers : Object.entries(headers).flatMap(linesOf)
    this.#head = [':status', String(status)]
    for (let i = 0; i < lines.length; i += 2) {
      const name = (lines[i] as string).toLowerCase()
      if (OF_A_CONNECTION.has(name)) continue
      // RFC 9110 §15.3.6: a 205 has no content, and Node sends none. A length of more would make it malformed.
      const value = status === RESET_CONTENT && name === 'content-length' ? '0' : (lines[i + 1] as string)
      this.#head.push(name, value)
    }
  }

  /** Sends the head, too, if it is not out yet. */
  write(chunk: Buffer): boolean {
    this.#respond({ waitForTrailers: true })
    if (chunk.length === 0 || !this.#takesBody) return true
    this.stream.bytesWritten += chunk.length
    return this.stream.write(chunk)
  }

  end(text = ''): this {
    this.#finish(Buffer.from(text), {})
    return this
  }

  refuse(status: number, headers: HeaderRecord, body: string): void {
    if (this.#takesNow(body.length)) {
      this.sendHead(status, headers)
      this.end(body)
      return
    }
    // A length that no body follows would make the answer malformed (RFC 9113 §8.1.1).
    const { 'content-type': _type, 'content-length': _length, ...others } = headers
    this.sendHead(status, others)
    this.end()
  }

  endWithTrailers(chunk: Buffer, trailers: OutgoingHttpHeaders): void {
    this.#finish(chunk, trailers)
  }

  takeEarlyBytes(): Buffer {
    return NO_BYTES
  }

  /**
   * RFC 9113 §8.1: a reset tells the client that the answer is incomplete.
   *
   * Attack on integrity: Node's `stream.close(code)` ends the body in good order before it resets, and so does
   * `destroy()` without an error. A client would then take a cut answer for a whole one.
   */
  abort(): void {
    this.stream.destroy(new Error('the answer was cut short'))
  }

  get #isOpen(): boolean {
    return !this.stream.destroyed && !this.stream.closed
  }

  /** Is false for HEAD, 204, 205 and 304, where Node ends the stream together with the head. */
  get #takesBody(): boolean {
    return this.#isOpen && !this.stream.writableEnded
  }

  /**
   * Is true when so many bytes can leave now. Attack: a client that keeps its windows closed asks for what it is
   * refused, and every refusal stays here. Node does not tell the window of a stream, but a stream on which nothing was
   * sent has that of the client's settings, unless the client has widened it.
   */
  #takesNow(bytes: number): boolean {
    const { session } = this.stream
    if (bytes === 0 || session === undefined || session.destroyed) return true
    const { initialWindowSize = 0 } = session.remoteSettings
    return bytes <= Math.min(initialWindowSize, session.state.remoteWindowSize ?? 0)
  }

  #respond(options: ServerStreamResponseOptions): void {
    if (!this.#isOpen || this.stream.headersSent || this.#head === undefined) return
    this.stream.respond(this.#head, options)
  }

  #finish(chunk: Buffer, trailers: OutgoingHttpHeaders): void {
    if (this.#isEnded) return
    this.#isEnded = true
    const { stream } = this
    stream.once('wantTrailers', () => stream.sendTrailers(trailers))
    const hasTrailers = Object.keys(trailers).length > 0
    // When there are no trailers, the last frame of the body is also the end of the stream.
    this.#respond({ endStream: chunk.length === 0 && !hasTrailers, waitForTrailers: hasTrailers })
    if (!this.#takesBody) return
    stream.bytesWritten += chunk.length
    stream.end(chunk)
  }
}

function linesOf([name, value]: readonly [string, HeaderRecord[string]]): readonly string[] {
  return [value].flat().flatMap(each => [name, String(each)])
}

function isFlat(headers: readonly string[] | HeaderRecord): headers is readonly string[] {
  return Array.isArray(headers)
}
