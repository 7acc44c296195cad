/**
 * Fetches one JSON document over HTTP(S), with every bound a hostile or broken server calls for.
 *
 * RFC 9110 §8.8.3 and §13.1.2 (ETag, If-None-Match), §15.4 (redirects: refused, they would move trust to another host),
 * RFC 9111 §5.2 (Cache-Control is handed on, not judged here).
 * One connection per document, closed afterwards: a fetch every few minutes gains nothing from a kept one, and the CA
 * file is read afresh each time. `node:https` because its `signal` also ends a connection that is still being made;
 * undici lets such a socket linger. It goes through a proxy only where it is given one, whatever the environment says.
 * No cookies, no retry: the caller has a schedule.
 */
import http, { type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import https from 'node:https'
import type { Socket } from 'node:net'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { type Egress, EgressFailure } from '../../egress/egress.ts'
import { viaProxy } from '../../egress/no-proxy.ts'
import { tunnelTo } from '../../egress/tunnel.ts'
import { connectionFailureText } from '../../lib/connection-failure.ts'
import { codeOf } from '../../lib/failure-text.ts'
import { readTrustedFile, unreadableText } from '../../lib/trusted-file.ts'
import { FetchFailure } from './fetch-failure.ts'

interface DocumentRequest {
  readonly url: string
  /** Validator of the document in hand; makes the request conditional. */
  readonly etag: string | undefined
  /** Bound on the body as sent and again as decompressed. */
  readonly maxBytes: number
  /** PEM certificates that replace the system's roots. */
  readonly caFile: string | undefined
  /** Holds the bearer token to send; read for each request because such tokens rotate. */
  readonly bearerFile: string | undefined
  /** The proxy to go through, unless the URL is one of its exceptions. */
  readonly egress: Egress | undefined
  /** Ends the fetch at any stage. Its reason is what is thrown. */
  readonly signal: AbortSignal
}

export interface FetchedDocument {
  /** The parsed JSON; undefined when it has not changed since `etag`. */
  readonly json: { readonly value: unknown } | undefined
  readonly etag: string | undefined
  readonly cacheControl: string | undefined
  /** Time the answer has spent in caches on its way (RFC 9111 §5.1). */
  readonly ageSeconds: number
}

/** @throws {FetchFailure} the fetch failed; or the reason of `signal` */
export async function fetchDocument(request: DocumentRequest): Promise<FetchedDocument> {
  const { signal, url, maxBytes } = request
  const ca = readLocalFile(request.caFile, 'caFile')
  const bearer = readLocalFile(request.bearerFile, 'bearerFile')?.trim()
  if (bearer !== undefined && !/^[\x21-\x7e]+$/.test(bearer)) {
    throw new FetchFailure('local_file', 'bearerFile does not hold a token')
  }
  const proxied = request.egress !== undefined && viaProxy(new URL(url), request.egress.noProxy)
  const egress = proxied ? request.egress : undefined
  let tunnel: Socket | undefined
  try {
    signal.throwIfAborted()
    tunnel = egress && (await tunnelTo(new URL(url), egress, { ca, signal }))
    const response = await get(url, { ca, signal, headers: requestHeaders(request.etag, bearer) }, tunnel)
    try {
      checkStatus(response, request)
      const { headers } = response
      const isUnchanged = response.statusCode === 304
      const json = isUnchanged ? undefined : { value: parseJson(await readBody(response, maxBytes), url) }
      const freshness = { cacheControl: headers['cache-control'], ageSeconds: ageSeconds(headers) }
      return { json, etag: isUnchanged ? request.etag : usableEtag(headers.etag), ...freshness }
    } finally {
      response.destroy()
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason
    throw error instanceof FetchFailure ? error : connectionFailure(error, url, egress)
  } finally {
    tunnel?.destroy()
  }
}

/** A small file that is there is read at once, and nothing else is read: see `lib/trusted-file.ts`. */
function readLocalFile(path: string | undefined, option: string): string | undefined {
  if (path === undefined) return undefined
  try {
    return readTrustedFile(path).toString('utf8')
  } catch (error) {
    throw new FetchFailure('local_file', `${option} ${unreadableText(error)}`)
  }
}

function requestHeaders(etag: string | undefined, bearer: string | undefined): http.OutgoingHttpHeaders {
  return {
    // A list: Kubernetes serves its keys as jwk-set+json only, and answers 406 to anything else.
    accept: 'application/json, application/jwk-set+json',
    'accept-encoding': 'gzip',
    'user-agent': 'sallyport',
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
    ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
  }
}

const MOST_HEADER_BYTES = 16 * 1024

function get(
  url: string,
  options: { ca: string | undefined; signal: AbortSignal; headers: http.OutgoingHttpHeaders },
  tunnel: Socket | undefined,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const [{ get: send }, defaultPort] = url.startsWith('https:') ? [https, 443] : [http, 80]
  // Without an agent, a request takes the socket that it is given, closes it afterwards, and knows no port of its own,
  // which `Host` would then name.
  const way = tunnel === undefined ? { agent: false } : { createConnection: () => tunnel, defaultPort }
  send(url, { ...options, ...way, maxHeaderSize: MOST_HEADER_BYTES }, resolve).on('error', reject)
  return promise
}

function checkStatus(response: IncomingMessage, { url, etag }: DocumentRequest): void {
  const status = response.statusCode ?? 0
  if (status === 200 || (status === 304 && etag !== undefined)) return
  // 304 is in the 3xx range, but sent to an unconditional request it is a wrong status, not a redirect.
  if (status >= 300 && status < 400 && status !== 304) {
    throw new FetchFailure('redirect', `${place(url)} answered with a redirect (${status}), which is not followed`)
  }
  throw new FetchFailure('http_status', `${place(url)} answered ${status}`)
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

function parseJson(body: Buffer, url: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    // The parser's message quotes the body, so it is dropped.
    throw new FetchFailure('invalid', `${place(url)} did not answer with JSON`)
  }
}

/** A validator is sent back as it came, so it must fit a header; a huge one is not worth keeping. */
function usableEtag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^[\x21-\x7e]{1,512}$/.test(etag) ? etag : undefined
}

function ageSeconds({ age }: IncomingHttpHeaders): number {
  return age !== undefined && /^\d{1,9}$/.test(age) ? Number(age) : 0
}

/** Without the query, which may hold what is nobody's business. */
function place(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

function connectionFailure(error: unknown, url: string, egress: Egress | undefined): FetchFailure {
  if (error instanceof EgressFailure)
    return error.fault === 'file'
      ? new FetchFailure('local_file', error.message)
      : new FetchFailure('connect_error', `${place(url)} could not be fetched: ${error.message}`)
  const way = egress === undefined ? '' : ` through the proxy ${egress.proxy}`
  return new FetchFailure('connect_error', `${place(url)} could not be fetched${way}: ${connectionFailureText(error)}`)
}
