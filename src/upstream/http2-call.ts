/**
 * Carries one request on a connection of HTTP/2: its body up, the answer down, both with back-pressure.
 *
 * RFC 9113 §8.1 (messages). An answer counts as whole only when a frame said so: END_STREAM. A request that is given up
 * is reset, never ended, or the service would take half a body for a whole one.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, constants } from 'node:http2'
import { Denial, HIGHEST_STATUS, LOWEST_STATUS } from '../errors.ts'
import { onEndStream } from '../node/end-stream.ts'
import {
  MAX_INTERIM_ANSWERS,
  type UpstreamBody,
  type UpstreamCall,
  type UpstreamHandler,
  type UpstreamRequest,
} from './connections.ts'
import { UpstreamFailure } from './failure.ts'
import { requestHead, withoutPseudo } from './http2-head.ts'

interface Http2CallOptions {
  readonly session: ClientHttp2Session
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  /** Is called when a request was given up for want of an answer, or of the rest of it: the other end may be gone. */
  readonly onSilence: () => void
  /** Is called once, whatever became of the request. */
  readonly onEnd: () => void
  /** Is called instead of the handler if the service refused the stream unseen, and nothing of a body is gone. */
  readonly onRefused: (() => void) | undefined
}

const { NGHTTP2_REFUSED_STREAM } = constants

export function http2Call(options: Http2CallOptions): void {
  new Http2Call(options).start()
}

class Http2Call implements UpstreamCall {
  readonly #options: Http2CallOptions
  /** Resets the stream with CANCEL; an error given to `destroy` would say INTERNAL_ERROR. */
  readonly #cancel = new AbortController()
  #stream: ClientHttp2Stream | undefined
  #rawTrailers: readonly string[] = []
  #hasAnswer = false
  #interimAnswers = 0
  /** END_STREAM has come, while what went before it may still wait to be read. */
  #isWhole = false
  #isOver = false
  #isAborted = false
  isPaused = false

  constructor(options: Http2CallOptions) {
    this.#options = options
  }

  start(): void {
    const { session, origin, request, handler } = this.#options
    handler.onStart(this)
    if (this.#isOver) return
    const body = request.body
    let stream: ClientHttp2Stream
    try {
      stream = session.request(requestHead(request, origin, session), {
        endStream: body === null,
        signal: this.#cancel.signal,
      })
    } catch (error) {
      this.#fail(error as Error)
      return
    }
    this.#stream = stream
    onEndStream(stream, () => {
      this.#isWhole = true
    })
    stream.on('response', (_headers, _flags, rawHeaders) => this.#onHead(rawHeaders))
    stream.on('headers', (_headers, _flags, rawHeaders) => this.#onHead(rawHeaders))
    stream.on('data', (chunk: Buffer) => this.#onData(chunk))
    stream.on('trailers', (_trailers, _flags, rawTrailers) => {
      this.#rawTrailers = rawTrailers
    })
    stream.on('end', () => this.#onEnd())
    stream.on('error', error => this.#onReset(error))
    stream.on('close', () => this.#onReset(new UpstreamFailure('ANSWER_CUT', 'closed before the answer was complete')))
    if (body !== null) this.#send(body, stream)
  }

  abort(reason: Error): void {
    if (this.#isOver) return
    this.#fail(reason)
    if (this.#stream !== undefined && (!this.#hasAnswer || isBodyTimeout(reason))) this.#options.onSilence()
  }

  pause(): void {
    this.isPaused = true
    this.#stream?.pause()
  }

  resume(): void {
    this.isPaused = false
    this.#stream?.resume()
  }

  #send(body: UpstreamBody, stream: ClientHttp2Stream): void {
    body.on('data', (chunk: Buffer) => {
      if (!stream.write(chunk)) body.pause()
    })
    stream.on('drain', () => body.resume())
    body.on('end', () => stream.end())
    body.on('error', error => this.#fail(error))
    body.resume()
  }

  #onHead(received: readonly string[]): void {
    if (this.#isOver) return
    const statusCode = Number(received[received.indexOf(':status') + 1])
    // A lower status would pass for an interim response; a higher one is nothing that Node can send over HTTP/2.
    if (statusCode < LOWEST_STATUS || statusCode > HIGHEST_STATUS) {
      this.#fail(new Denial('upstream_unreachable', { evidence: { reason: 'no status of HTTP', status: statusCode } }))
      return
    }
    const rawHeaders = withoutPseudo(received)
    this.#hasAnswer = statusCode >= 200
    if (!this.#hasAnswer) this.#interimAnswers += 1
    if (this.#interimAnswers > MAX_INTERIM_ANSWERS) {
      this.#fail(new UpstreamFailure('ANSWER_MALFORMED', 'too many interim answers'))
      return
    }
    this.#tell(() => this.#options.handler.onHead(statusCode, rawHeaders))
  }

  #onData(chunk: Buffer): void {
    if (this.#isOver) return
    this.#tell(() => this.#options.handler.onData(chunk))
  }

  #onEnd(): void {
    if (this.#isOver || !this.#isWhole || !this.#hasAnswer) return
    const { handler } = this.#options
    this.#isOver = true
    this.#letGo()
    try {
      handler.onEnd(this.#rawTrailers)
    } catch (error) {
      handler.onError(error as Error)
    }
  }

  #onReset(error: Error): void {
    if (this.#isOver) return
    const { request, onRefused, onEnd } = this.#options
    const isUnseen = this.#stream?.rstCode === NGHTTP2_REFUSED_STREAM && !this.#hasAnswer && request.body === null
    if (!isUnseen || onRefused === undefined) {
      this.#fail(error)
      return
    }
    this.#isOver = true
    onRefused()
    onEnd()
  }

  /** Whatever the handler throws is a reason to give the request up. */
  #tell(what: () => void): void {
    try {
      what()
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isAborted = true
    this.#letGo()
    this.#options.handler.onError(error)
  }

  /**
   * The service has nothing more to read, or nothing more to say. It comes before the handler hears of the end, which
   * lets the client's body go on, past us.
   */
  #letGo(): void {
    const body = this.#options.request.body
    const stream = this.#stream
    if (stream !== undefined && !stream.destroyed && (this.#isAborted || !stream.writableFinished)) this.#cancel.abort()
    body?.on('error', () => {})
    body?.destroy()
    this.#options.onEnd()
  }
}

function isBodyTimeout(error: Error): boolean {
  return error instanceof UpstreamFailure && error.code === 'BODY_TIMEOUT'
}
