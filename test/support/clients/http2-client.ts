/** A client of HTTP/2, over TLS or without it: whole answers, answers piece by piece, and how each of them ended. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { SecureContextOptions } from 'node:tls'

export interface Http2Reply {
  readonly status: number
  /** Flat names and values, without pseudo-header fields. */
  readonly rawHeaders: readonly string[]
  /** Lower-cased names; lines of one name joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  readonly trailers: ReadonlyMap<string, string>
  readonly body: string
  /** Statuses of interim responses, in order. */
  readonly interim: readonly number[]
  /** True when the service's side of the stream ended in good order: what a client takes for a whole answer. */
  readonly complete: boolean
  /** RFC 9113 §7: 0 without an error. */
  readonly errorCode: number
}

export interface Http2Call {
  readonly stream: ClientHttp2Stream
  /** The status, once the head is there; undefined when the stream ended without one. */
  readonly status: Promise<number | undefined>
  /** All of the body so far. */
  received(): string
  /** Resolves once the body so far matches. Rejects when the stream closes first. */
  until(pattern: RegExp): Promise<string>
  /** The end, whatever it was. Never rejects. */
  readonly ended: Promise<Http2Reply>
}

export interface Http2Client {
  readonly session: ClientHttp2Session
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>
  /** @param head flat names and values, pseudo-header fields first */
  open(head: readonly string[], body: 'follows' | 'none'): Http2Call
  /** Sends a request, whose head is its end when there is no body (latin1). */
  send(head: readonly string[], body?: string | Buffer): Promise<Http2Reply>
  /** One request and its answer. */
  request(path: string, init?: Http2RequestInit): Promise<Http2Reply>
  destroy(): void
}

export interface Http2RequestInit {
  readonly method?: string
  readonly authority?: string
  /** Flat names and values. */
  readonly lines?: readonly string[]
  readonly body?: string | Buffer
}

export interface Http2ClientOptions extends SecureContextOptions {
  /** What the client offers (RFC 9113 §6.5.2); Node's defaults when left out. */
  readonly initialWindowSize?: number
}

/** @param ca PEM text of the authority that the server's certificate comes from; undefined without TLS */
export function http2Client(
  url: string,
  ca: string | undefined,
  { initialWindowSize, ...tls }: Http2ClientOptions = {},
): Http2Client {
  const session = connect(url.replace('127.0.0.1', 'localhost'), {
    ca,
    ...tls,
    strictSingleValueFields: false,
    peerMaxConcurrentStreams: 1_000,
    settings: initialWindowSize === undefined ? {} : { initialWindowSize },
  } as Parameters<typeof connect>[1])
  session.on('error', () => {})
  const closed = new Promise<void>(resolve => session.once('close', () => resolve()))

  const start = (head: readonly string[], endStream: boolean): Http2Call => {
    const stream = session.request([...head], { endStream })
    return follow(stream)
  }
  const send: Http2Client['send'] = async (head, body = '') => {
    const call = start(head, body.length === 0)
    if (body.length > 0) call.stream.end(body, 'latin1')
    return await call.ended
  }
  return {
    session,
    closed,
    open: (head, body) => start(head, body === 'none'),
    send,
    request: (path, { method = 'GET', authority = 'app.example', lines = [], body } = {}) =>
      send(requestHead(method, path, authority, lines), body),
    destroy: () => session.destroy(),
  }
}

export function requestHead(
  method: string,
  path: string,
  authority = 'app.example',
  lines: readonly string[] = [],
): string[] {
  return [':method', method, ':scheme', 'https', ':authority', authority, ':path', path, ...lines]
}

function follow(stream: ClientHttp2Stream): Http2Call {
  let body = ''
  let rawHeaders: readonly string[] = []
  let trailers: readonly string[] = []
  let status: number | undefined
  let isWhole = false
  const interim: number[] = []
  const head = Promise.withResolvers<number | undefined>()
  stream.setEncoding('latin1')
  stream.on('response', (headers, _flags, raw) => {
    status = headers[':status']
    rawHeaders = raw
    head.resolve(status)
  })
  stream.on('headers', headers => interim.push(headers[':status'] ?? 0))
  stream.on('trailers', (_headers, _flags, raw) => {
    trailers = raw
  })
  stream.on('data', (text: string) => {
    body += text
  })
  stream.on('end', () => {
    // Node also ends the stream when it is reset with CANCEL. Only the code tells the two apart.
    isWhole = stream.rstCode === constants.NGHTTP2_NO_ERROR && status !== undefined
  })
  stream.on('error', () => {})
  const closed = new Promise<void>(resolve => stream.once('close', () => resolve()))
  const ended = closed.then((): Http2Reply => {
    head.resolve(status)
    const errorCode = stream.rstCode ?? constants.NGHTTP2_NO_ERROR
    return {
      status: status ?? 0,
      rawHeaders: pairs(rawHeaders).flat(),
      headers: fields(rawHeaders),
      trailers: fields(trailers),
      body,
      interim,
      complete: isWhole && errorCode === constants.NGHTTP2_NO_ERROR && stream.errored === null,
      errorCode,
    }
  })
  return {
    stream,
    status: head.promise,
    ended,
    received: () => body,
    async until(pattern) {
      const tooSoon = ended.then(reply => {
        throw new Error(`the stream closed with ${reply.errorCode} after ${reply.status}: ${body}`)
      })
      tooSoon.catch(() => {})
      while (!pattern.test(body)) await Promise.race([new Promise(resolve => stream.once('data', resolve)), tooSoon])
      return body
    },
  }
}

function pairs(raw: readonly string[]): ReadonlyArray<readonly [string, string]> {
  return raw.flatMap((name, i) => (i % 2 === 0 && !name.startsWith(':') ? [[name, raw[i + 1] as string] as const] : []))
}

function fields(raw: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const [name, value] of pairs(raw)) {
    const before = found.get(name)
    found.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return found
}
