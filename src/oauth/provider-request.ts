/**
 * Sends the requests that oauth4webapi makes, over our hardened request, and judges the status of the answer.
 *
 * RFC 6749 §5.2 (errors in JSON). The library sees good answers only: it reads no error of an answer that also has a
 * challenge, takes media types in lower case alone, and takes JSON with a member twice. Nothing is ever sent twice,
 * and there are no kept connections, on which that could happen: a refresh token that is redeemed a second time may
 * end its grant.
 */
import type { ClientAuth, CustomFetchOptions } from 'oauth4webapi'
import type { Egress } from '../egress/egress.ts'
import { hardenedRequest, place } from '../keys/fetch/hardened-request.ts'
import type { TlsMaterial } from '../keys/fetch/kept-connections.ts'
import { readLocalFile } from '../keys/fetch/local-file.ts'
import type { TraceRequest } from '../keys/fetch/request-trace.ts'
import type { Clock } from '../lib/clock.ts'
import { retryAfterSeconds } from '../lib/retry-after.ts'
import { parseStrictJson } from '../lib/strict-json.ts'
import { type ClientCredentials, clientAuthentication } from './client-authentication.ts'
import { OAuthFailure, refusal } from './oauth-failure.ts'

export interface ProviderRequestsOptions {
  readonly issuer: string
  readonly client: ClientCredentials
  readonly clock: Clock
  readonly egress?: Egress | undefined
  readonly caFile?: string | undefined
  readonly trace?: TraceRequest | undefined
}

interface ExpectedAnswer {
  readonly status: 200 | 201
  /** What the body of a good answer is. */
  readonly body: 'json' | 'nothing'
  readonly signal: AbortSignal
}

/** What one call of the library needs. It throws `OAuthFailure`, `FetchFailure`, or the reason of the signal. */
interface ProviderRequest {
  readonly authenticate: ClientAuth
  readonly fetch: (url: string, options: CustomFetchOptions<'POST', URLSearchParams>) => Promise<Response>
}

const MOST_ANSWER_BYTES = 64 * 1024
const MOST_JSON_DEPTH = 32
/** Statuses of good answers, and those by which an endpoint says what is wrong. */
const READ: ReadonlySet<number> = new Set([200, 201, 400, 401, 403])
/** Timeouts and limits; 5xx says the same. */
const COME_AGAIN: ReadonlySet<number> = new Set([408, 425, 429])

export function providerRequests(options: ProviderRequestsOptions): (expected: ExpectedAnswer) => ProviderRequest {
  const { clock, egress, caFile, trace } = options
  const authentication = clientAuthentication(options)
  return expected => {
    let shown: TlsMaterial = {}
    return {
      async authenticate(_server, _client, form, headers) {
        const proof = await authentication.proveIn(form)
        for (const [name, value] of Object.entries(proof.headers)) headers.set(name, value)
        shown = proof.tls
      },
      async fetch(url, { body, headers }) {
        const ca = caFile === undefined ? undefined : readLocalFile(caFile, 'caFile').toString('utf8')
        const answer = await hardenedRequest({
          method: 'POST',
          url,
          headers: {
            ...headers,
            'content-type': 'application/x-www-form-urlencoded',
            'accept-encoding': 'identity',
            'user-agent': 'sallyport',
          },
          body: body.toString(),
          tls: { ca, ...shown },
          maxBytes: MOST_ANSWER_BYTES,
          readBodyOf: READ,
          egress,
          trace,
          signal: expected.signal,
        })
        return judged(answer, { ...expected, place: place(url), nowMs: clock.nowMs() })
      },
    }
  }
}

type Answer = Awaited<ReturnType<typeof hardenedRequest>>

interface Expected extends ExpectedAnswer {
  readonly place: string
  readonly nowMs: number
}

function judged({ status, headers, body }: Answer, expected: Expected): Response {
  const { place: where } = expected
  if (status >= 500 || COME_AGAIN.has(status)) {
    const seconds = retryAfterSeconds(status, headers, expected.nowMs)
    throw new OAuthFailure('unavailable', `${where} answered ${status}`, { retryAfterSeconds: seconds })
  }
  const isJson = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json'
  if (status !== expected.status) {
    const error = isJson && status >= 400 && body !== undefined ? errorIn(body) : undefined
    if (error !== undefined) throw refusal(error, where)
    const what = status >= 300 && status < 400 ? `with a redirect (${status}), which is not followed` : String(status)
    throw new OAuthFailure('invalid', `${where} answered ${what}`)
  }
  if (expected.body === 'nothing') return new Response(null, { status })
  if (!isJson || body === undefined) throw new OAuthFailure('invalid', `${where} did not answer with application/json`)
  if (jsonIn(body) === undefined) throw new OAuthFailure('invalid', `${where} did not answer with good JSON`)
  return new Response(body.toString('utf8'), { status, headers: { 'content-type': 'application/json' } })
}

function errorIn(body: Buffer): string | undefined {
  const value = jsonIn(body)
  const error = typeof value === 'object' && value !== null && 'error' in value ? value.error : undefined
  return typeof error === 'string' && error !== '' ? error : undefined
}

/** @returns undefined for what is no JSON, which a value of it never is */
function jsonIn(body: Buffer): unknown {
  try {
    return parseStrictJson(body, MOST_JSON_DEPTH)
  } catch {
    return undefined
  }
}
