/**
 * Fetches a provider's JWK Set from where it is: a fixed URL, or the one that its discovery document names.
 *
 * One call is one attempt; everything in it shares the caller's deadline.
 */
import type { Egress } from '../egress/egress.ts'
import { viaProxy } from '../egress/no-proxy.ts'
import { type FetchedDocument, fetchDocument } from './fetch/fetch-document.ts'
import type { TraceRequest } from './fetch/request-trace.ts'

/** The result of an attempt: the set's document, or the news that it has not changed. */
export interface FetchedSet extends FetchedDocument {
  readonly url: string
}

/** The set in force, which makes the request conditional. */
export interface KnownSet {
  readonly url: string
  readonly etag: string | undefined
}

export interface KeySource {
  /** @throws {FetchFailure} or the reason of `signal` */
  fetch(known: KnownSet | undefined, signal: AbortSignal): Promise<FetchedSet>
  /** @returns whether a set from this URL may be used; a cache file is held against it */
  accepts(url: string): boolean
  /** The proxy that the first of its documents comes through, for whoever tells why nothing came. */
  readonly proxy: string | undefined
}

/** Says how documents are fetched: the set, and the discovery document before it. */
export interface FetchLimits {
  readonly maxBytes: number
  readonly caFile?: string | undefined
  readonly bearerFile?: string | undefined
  readonly egress?: Egress | undefined
  readonly trace?: TraceRequest | undefined
}

export function urlKeySource(url: string, limits: FetchLimits): KeySource {
  return {
    fetch: (known, signal) => fetchSet(url, known, limits, signal),
    accepts: candidate => candidate === url,
    proxy: proxyFor(url, limits),
  }
}

export function proxyFor(url: string, { egress }: FetchLimits): string | undefined {
  return egress !== undefined && viaProxy(new URL(url), egress.noProxy) ? egress.proxy : undefined
}

/** Asks conditionally only when the set in force came from the same URL: a validator means nothing elsewhere. */
export async function fetchSet(
  url: string,
  known: KnownSet | undefined,
  { maxBytes, caFile, bearerFile, egress, trace }: FetchLimits,
  signal: AbortSignal,
): Promise<FetchedSet> {
  const etag = known?.url === url ? known.etag : undefined
  return { url, ...(await fetchDocument({ url, etag, maxBytes, caFile, bearerFile, egress, trace, signal })) }
}
