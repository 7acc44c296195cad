/**
 * Sends one request over HTTP(S) and reads the whole answer, with every bound a hostile or broken server calls for.
 *
 * RFC 9110 §15.4 (redirects are handed on, never followed: they would move trust to another host), §8.4 (gzip).
 * By default it makes one connection per request and closes it afterwards. `node:https` because its `signal` also ends
 * a connection that is still being made; undici lets such a socket linger. It goes through a proxy only where it is
 * given one, whatever the environment says. It has no cookies, and no timer: `signal` ends it at every stage.
 * Nothing is sent twice, but for one case: a kept connection may have been closed by the server just as a request was
 * sent on it, so a request that got no byte of an answer there is sent once more, on a new connection.
 */
import http, { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Egress, EgressFailure } from '../../egress/egress.ts'
import { viaProxy } from '../../egress/no-proxy.ts'
import { tunnelTo } from '../../egress/tunnel.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'
import { codeOf } from '../../lib/failure-text.ts'
import { FetchFailure } from './fetch-failure.ts'
import type { KeptConnections, TlsMaterial } from './kept-connections.ts'
import type { TraceRequest } from './request-trace.ts'

interface RequestParts {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers: http.OutgoingHttpHeaders
  readonly body?: string | undefined
  readonly tls: TlsMaterial
  /** Bound on the body as sent and again as decompressed. */
  readonly maxBytes: number
  /** Answers of these statuses have their bodies read. Default: 200 alone. */
  readonly readBodyOf?: ReadonlySet<number> | undefined
  /** The proxy to go through, unless the URL is one of its exceptions. */
  readonly egress: Egress | undefined
  /** Connections are taken from here; without it, and through a proxy, each request has one of its own. */
  readonly kept?: KeptConnections | undefined
  /** Begins a trace for the request, which the other end may continue. */
  readonly trace?: TraceRequest | undefined
  /** Ends the request at any stage. Its reason is what is thrown. */
  readonly signal: AbortSignal
}

interface WholeAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Undefined where the status says nothing of what the body is for: there, it is not even read. */
  readonly body: Buffer | undefined
}

const ONLY_200: ReadonlySet<number> = new Set([200])

/** @throws {FetchFailure} there is no whole answer; or the reason of `signal` */
export async function hardenedRequest(request: RequestParts): Promise<WholeAnswer> {
  const traced = request.trace?.(request.method, new URL(request.url))
  if (traced === undefined) return untracedRequest(request)
  const headers = { ...request.headers, traceparent: traced.traceparent }
  try {
    const answer = await untracedRequest({ ...request, headers })
    traced.ended(answer.status)
    return answer
  } catch (error) {
    traced.ended(request.signal.aborted ? 'timeout' : error instanceof FetchFailure ? error.result : 'error')
    throw error
  }
}

async function untracedRequest(request: RequestParts): Promise<WholeAnswer> {
  const { signal, url, tls } = request
  const proxied = request.egress !== undefined && viaProxy(new URL(url), request.egress.noProxy)
  const egress = proxied ? request.egress : undefined
  let tunnel: Socket | undefined
  try {
    signal.throwIfAborted()
    tunnel = egress && (await tunnelTo(new URL(url), egress, { ...tls, signal }))
    const response = await answered(request, tunnel)
    try {
      const { statusCode: status = 0, headers } = response
      const isRead = (request.readBodyOf ?? ONLY_200).has(status)
      return { status, headers, body: isRead ? await readBody(response, request.maxBytes) : undefined }
    } finally {
      response.destroy()
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error instanceof FetchFailure ? error : connectionFailure(error, request, egress)
  } finally {
    tunnel?.destroy()
  }
}

/** Without the query, which may hold what is nobody's business. */
export function place(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

async function answered(request: RequestParts, tunnel: Socket | undefined): Promise<IncomingMessage> {
  // Without an agent, a request takes the socket that it is given, closes it afterwards, and knows no port of its own,
  // which `Host` would then name.
  if (tunnel !== undefined) {
    const defaultPort = isHttps(request) ? 443 : 80
    return await send(request, { createConnection: () => tunnel, defaultPort }).response
  }
  const alone = { ...request.tls, agent: false } as const
  if (request.kept === undefined) return await send(request, alone).response
  const first = send(request, { agent: request.kept.agentFor(new URL(request.url).protocol, request.tls) })
  try {
    return await first.response
  } catch (error) {
    if (request.signal.aborted || !first.isUnheard()) throw error
    return await send(request, alone).response
  }
}

interface Sent {
  readonly response: Promise<IncomingMessage>
  /** Whether it went out on a connection that was used before, and no byte came back. */
  isUnheard(): boolean
}

const MOST_HEADER_BYTES = 16 * 1024

function send(request: RequestParts, way: https.RequestOptions): Sent {
  const { url, method, headers, body, signal } = request
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
  const options = { ...way, method, headers: { ...headers, ...length }, signal, maxHeaderSize: MOST_HEADER_BYTES }
  const sent: ClientRequest = (isHttps(request) ? https : http).request(url, options, resolve)
  let bytesBefore = 0
  sent.on('socket', socket => {
    bytesBefore = socket.bytesRead
  })
  // A server that switches to another protocol sends no answer any more.
  sent.on('upgrade', ({ statusCode }, socket) => {
    socket.destroy()
    reject(new FetchFailure('http_status', `${place(url)} answered ${statusCode}`))
  })
  sent.on('error', reject).end(body)
  return { response: promise, isUnheard: () => sent.reusedSocket && sent.socket?.bytesRead === bytesBefore }
}

function isHttps({ url }: RequestParts): boolean {
  return url.startsWith('https:')
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBytes) throw tooLarge(maxBytes)
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks)
  const encoding = response.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
  if (encoding === 'identity' || encoding === '') return body
  if (encoding !== 'gzip') throw new FetchFailure('invalid', 'the body has a content encoding we did not ask for')
  return decompress(body, maxBytes)
}

async function decompress(body: Buffer, maxBytes: number): Promise<Buffer> {
  try {
    return await promisify(gunzip)(body, { maxOutputLength: maxBytes })
  } catch (error) {
    if (codeOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes)
    throw new FetchFailure('invalid', 'the body is not valid gzip')
  }
}

function tooLarge(maxBytes: number): FetchFailure {
  return new FetchFailure('too_large', `the body is larger than ${maxBytes} bytes`)
}

function connectionFailure(error: unknown, { url, method }: RequestParts, egress: Egress | undefined): FetchFailure {
  const what = `${place(url)} could not be ${method === 'GET' ? 'fetched' : 'asked'}`
  if (error instanceof EgressFailure)
    return error.fault === 'file'
      ? new FetchFailure('local_file', error.message)
      : new FetchFailure('connect_error', `${what}: ${error.message}`)
  const way = egress === undefined ? '' : ` through the proxy ${egress.proxy}`
  return new FetchFailure('connect_error', `${what}${way}: ${connectionFailureText(error)}`)
}
