/**
 * A request over HTTP/2, with its head put into the form of HTTP/1.1, so that the same code judges both.
 *
 * RFC 9113 §8.3.1 (pseudo-header fields), §8.2.1 (field validity), §8.2.3 (cookies in several lines). Node's http2 has
 * already refused what no head of HTTP/2 may have: fields of a connection, upper-case names, a length that is not that
 * of the body. A field whose name is no token, or whose value has CR, LF, NUL or another control character, should make
 * the request malformed, too; nghttp2 drops it, and Node has no way to hear of that. So it is as if the client had not
 * sent it. Trailers of a request are dropped.
 */
import { METHODS } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { ClientRequest } from '../exchange.ts'
import { fieldValue, hasOuterBlanks } from '../lib/field-lines.ts'
import type { RequestFacts } from '../types.ts'
import { peerOf } from './peer.ts'
import { dropUnreadStream, endRefusedStream } from './unread-body.ts'

const KNOWN_METHODS: ReadonlySet<string> = new Set(METHODS)
/**
 * Stands in for every method that the parser of HTTP/1.1 does not know, because CONNECT is refused on every path. Over
 * HTTP/2 any token can be a method, and Fastify's router would never answer a request whose method it does not know.
 */
const REFUSED_METHOD = 'CONNECT'

export class Http2Request implements ClientRequest {
  readonly stream: ServerHttp2Stream
  readonly socket: Socket
  /** It is not `2.0`, because a request line of HTTP/1.1 can claim that. */
  readonly httpVersion = '2'
  readonly httpVersionMajor = 2
  readonly method: string
  /** Fastify writes it, so it is not readonly. */
  url: string
  /** Flat names and values, `Host` among them; no pseudo-header fields. */
  rawHeaders: readonly string[]
  /** Bytes of the head as HTTP/1.1 counts them. */
  readonly headBytes: number
  /** Fastify expects it to be there. The gateway reads {@link rawHeaders} only. */
  readonly headers = Object.freeze({})

  /** @param received flat names and values as Node's `stream` event gives them */
  constructor(stream: ServerHttp2Stream, socket: Socket, received: readonly string[]) {
    this.stream = stream
    this.socket = socket
    // Attack on integrity: when a client resets its stream with NO_ERROR, Node ends the body as if it were whole. The
    // body of a stream that is destroyed with an error has no end.
    stream.once('aborted', () => stream.destroy(new Error('the client gave its request up')))
    const { pseudo, lines } = separated(received)
    const method = pseudo.get(':method') ?? ''
    this.method = KNOWN_METHODS.has(method) ? method : REFUSED_METHOD
    this.url = pseudo.get(':path') ?? ''
    this.rawHeaders = withHost(lines, pseudo.get(':authority'))
    this.headBytes =
      this.method.length + this.url.length + this.rawHeaders.reduce((sum, part) => sum + part.length + 2, 0)
  }

  get body(): ServerHttp2Stream {
    return this.stream
  }

  get failure(): Error | null {
    return this.stream.errored
  }

  facts(): RequestFacts {
    return {
      method: this.method,
      target: this.url,
      httpVersion: this.httpVersion,
      rawHeaders: this.rawHeaders,
      peer: peerOf(this.socket),
      hasBody: !this.stream.endAfterHeaders,
      headBytes: this.headBytes,
    }
  }

  dropRest(): void {
    dropUnreadStream(this.stream)
  }

  dropAll(): void {
    this.rawHeaders = []
    this.url = ''
    endRefusedStream(this.stream)
  }

  get complete(): boolean {
    return this.stream.endAfterHeaders || this.stream.readableEnded
  }
}

function separated(received: readonly string[]) {
  const pseudo = new Map<string, string>()
  const lines: string[] = []
  let cookieAt = -1
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] as string
    const value = received[i + 1] as string
    if (name.startsWith(':')) pseudo.set(name, value)
    // Joined to others, a value with blanks around it would no longer be seen as such.
    else if (name === 'cookie' && cookieAt !== -1 && !hasOuterBlanks(value)) lines[cookieAt] += `; ${value}`
    else {
      if (name === 'cookie') cookieAt = lines.length + 1
      lines.push(name, value)
    }
  }
  return { pseudo, lines }
}

/**
 * Makes the `Host` line that HTTP/1.1 would have of `:authority`. A client may send the same value in both (RFC 9113
 * §8.3.1). When the two differ, the head gets two `Host` lines, and `head.ts` refuses it for that.
 */
function withHost(lines: readonly string[], authority: string | undefined): readonly string[] {
  if (authority === undefined || fieldValue(lines, 'host') === authority) return lines
  return ['host', authority, ...lines]
}
