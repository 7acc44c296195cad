/**
 * The two ends of a request that an application has received, in the form in which everything else here knows them: as
 * Node's own objects over HTTP/1.1, and as a stream over HTTP/2.
 *
 * The application answers what passes. So what is said of an answer here is what became of it, whoever has sent it.
 */
import { type IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Http2ServerRequest, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import { Http2Request } from '../downstream/http2-request.ts'
import { Http2Response } from '../downstream/http2-response.ts'
import { dropUnreadMessage } from '../downstream/unread-body.ts'
import { SWITCHING_PROTOCOLS } from '../errors.ts'
import type { ClientRequest, ClientResponse, HeaderRecord } from '../exchange.ts'
import type { Peer, RequestFacts } from '../types.ts'

const NO_BYTES = Buffer.alloc(0)
/** A status line can carry any three digits. */
const HIGHEST_STATUS = 999

/** A request over HTTP/1.1. Its head stays as it is, since the application's own hooks look at it to the end. */
export class MessageRequest implements ClientRequest {
  readonly #raw: IncomingMessage
  readonly #facts: RequestFacts

  constructor(raw: IncomingMessage, peer: Peer) {
    this.#raw = raw
    this.#facts = {
      method: raw.method ?? '',
      target: raw.url ?? '',
      httpVersion: raw.httpVersion,
      rawHeaders: raw.rawHeaders,
      peer,
      hasBody: undefined,
      headBytes: 0,
    }
  }

  get socket(): Socket {
    return this.#raw.socket
  }

  get body(): IncomingMessage {
    return this.#raw
  }

  get complete(): boolean {
    return this.#raw.complete
  }

  get failure(): Error | null {
    return this.#raw.socket.errored
  }

  facts(): RequestFacts {
    return this.#facts
  }

  dropRest(): void {
    this.dropAll()
  }

  dropAll(): void {
    // A request of `inject` has come over no connection: what stands for a socket there has no more than an address.
    if (typeof this.#raw.socket.destroy === 'function') dropUnreadMessage(this.#raw)
  }
}

/** A response over HTTP/1.1. */
export class MessageResponse implements ClientResponse {
  protected readonly raw: ServerResponse
  readonly upgrade: 'websocket' | null = null
  readonly highestStatus = HIGHEST_STATUS
  readonly takesTrailers = false

  constructor(raw: ServerResponse) {
    this.raw = raw
  }

  get statusCode(): number {
    return this.raw.statusCode
  }

  set statusCode(status: number) {
    this.raw.statusCode = status
  }

  get shouldKeepAlive(): boolean {
    return this.raw.shouldKeepAlive
  }

  set shouldKeepAlive(isKept: boolean) {
    this.raw.shouldKeepAlive = isKept
  }

  get headersSent(): boolean {
    return this.raw.headersSent
  }

  get writableFinished(): boolean {
    return this.raw.writableFinished
  }

  on(event: 'close' | 'drain', listener: () => void): this {
    this.raw.on(event, listener)
    return this
  }

  once(event: 'close' | 'drain', listener: () => void): this {
    this.raw.once(event, listener)
    return this
  }

  writeContinue(): void {
    this.raw.writeContinue()
  }

  sendHead(status: number, headers: readonly string[] | HeaderRecord): void {
    this.raw.writeHead(status, headers as string[] | OutgoingHttpHeaders)
  }

  write(chunk: Buffer): boolean {
    return this.raw.write(chunk)
  }

  end(text?: string): unknown {
    return this.raw.end(text)
  }

  refuse(status: number, headers: HeaderRecord, body: string): void {
    this.sendHead(status, headers)
    this.end(body)
  }

  endWithTrailers(chunk: Buffer): void {
    this.raw.end(chunk)
  }

  abort(): void {
    this.raw.destroy()
  }

  takeEarlyBytes(): Buffer {
    return NO_BYTES
  }
}

/**
 * The response to a request for an upgrade or a tunnel, of which Node gives the bare socket. The socket is not touched
 * before there is an answer of our own, because whoever takes it over has to find it as Node has left it.
 */
export class BareResponse extends MessageResponse {
  readonly #socket: Socket
  readonly #ignore = (): void => {}
  override readonly upgrade = 'websocket'

  constructor(request: IncomingMessage, socket: Socket) {
    super(new ServerResponse(request))
    this.#socket = socket
    this.raw.shouldKeepAlive = false
    // A client that resets its connection would end the process, since nobody else listens for errors.
    socket.on('error', this.#ignore)
  }

  override on(event: 'close' | 'drain', listener: () => void): this {
    this.#socket.on(event, listener)
    return this
  }

  override sendHead(status: number, headers: readonly string[] | HeaderRecord): void {
    this.raw.assignSocket(this.#socket)
    this.raw.on('finish', () => this.#socket.destroySoon())
    super.sendHead(status, headers)
  }

  /** Leaves the socket to the application. */
  letGo(): void {
    this.statusCode = SWITCHING_PROTOCOLS
    this.#socket.off('error', this.#ignore)
  }
}

/** A request over HTTP/2, of Node's compatibility layer. */
export class StreamRequest extends Http2Request {
  readonly #peer: Peer

  constructor(raw: Http2ServerRequest, socket: Socket, peer: Peer) {
    super(raw.stream as ServerHttp2Stream, socket, raw.rawHeaders)
    this.#peer = peer
  }

  override facts(): RequestFacts {
    return { ...super.facts(), peer: this.#peer }
  }
}

/** A response over HTTP/2, which the application sends with Node's compatibility layer, or the guard by itself. */
export class StreamResponse extends Http2Response {
  override get headersSent(): boolean {
    return super.headersSent || this.stream.headersSent
  }

  override get writableFinished(): boolean {
    const { stream } = this
    return super.writableFinished || (stream.headersSent && stream.writableFinished)
  }

  /** Notes what the application has answered, once it has. */
  noteStatus(): void {
    const status = this.stream.sentHeaders?.[':status']
    if (typeof status === 'number') this.statusCode = status
  }
}
