/**
 * Fetches one JSON document over HTTP(S), with every bound a hostile or broken server calls for.
 *
 * RFC 9110 §8.8.3 and §13.1.2 (ETag, If-None-Match), §15.4 (redirects: refused, they would move trust to another host),
 * RFC 9111 §5.2 (Cache-Control is handed on, not judged here).
 * One connection per document, closed afterwards: a fetch every few minutes gains nothing from a kept one, and the CA
 * file is read afresh each time. No cookies, no retry: the caller has a schedule.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import type { Egress } from '../../egress/egress.ts'
import { FetchFailure } from './fetch-failure.ts'
import { hardenedRequest, place } from './hardened-request.ts'
import { readBearerToken, readLocalFile } from './local-file.ts'
import type { TraceRequest } from './request-trace.ts'

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
  readonly trace?: TraceRequest | undefined
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
  const { url, etag, caFile, bearerFile, maxBytes, egress, trace, signal } = request
  const ca = caFile === undefined ? undefined : readLocalFile(caFile, 'caFile').toString('utf8')
  const bearer = bearerFile === undefined ? undefined : readBearerToken(bearerFile, 'bearerFile')
  const headers = requestHeaders(etag, bearer)
  const answer = await hardenedRequest({ method: 'GET', url, headers, tls: { ca }, maxBytes, egress, trace, signal })
  checkStatus(answer.status, request)
  const freshness = { cacheControl: answer.headers['cache-control'], ageSeconds: ageSeconds(answer.headers) }
  return answer.body === undefined
    ? { json: undefined, etag, ...freshness }
    : { json: { value: parseJson(answer.body, url) }, etag: usableEtag(answer.headers.etag), ...freshness }
}

function requestHeaders(etag: string | undefined, bearer: string | undefined): OutgoingHttpHeaders {
  return {
    // A list: Kubernetes serves its keys as jwk-set+json only, and answers 406 to anything else.
    accept: 'application/json, application/jwk-set+json',
    'accept-encoding': 'gzip',
    'user-agent': 'sallyport',
    ...(etag === undefined ? {} : { 'if-none-match': etag }),
    ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
  }
}

function checkStatus(status: number, { url, etag }: DocumentRequest): void {
  if (status === 200 || (status === 304 && etag !== undefined)) return
  // 304 is in the 3xx range, but sent to an unconditional request it is a wrong status, not a redirect.
  if (status >= 300 && status < 400 && status !== 304) {
    throw new FetchFailure('redirect', `${place(url)} answered with a redirect (${status}), which is not followed`)
  }
  throw new FetchFailure('http_status', `${place(url)} answered ${status}`)
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
