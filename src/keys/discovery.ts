/**
 * Finds a provider's JWK Set through its metadata document.
 *
 * OpenID Connect Discovery 1.0 §4 (path appended to the issuer), then RFC 8414 §3.1 and §5 (path inserted after the
 * host); §3.3 of the latter: the document's `issuer` must equal ours, byte for byte.
 *
 * `jwks_uri` is followed only on the issuer's host or one that the operator listed: whoever can change the document for
 * a moment must not move the keys to a host of their own. It must be https, or http to loopback, as in the
 * configuration. Nothing else of the document is read; what it says about algorithms and endpoints is ignored.
 */

import { isLoopback } from '../lib/loopback.ts'
import { fetchDocument } from './fetch/fetch-document.ts'
import { FetchFailure } from './fetch/fetch-failure.ts'
import { type FetchLimits, fetchSet, type KeySource, proxyFor } from './key-source.ts'

interface DiscoveryOptions extends FetchLimits {
  readonly issuer: string
  /** Further hosts that may serve the keys: `host` for any port, or `host:port`. */
  readonly hosts: readonly string[]
  readonly allowInsecureHttp: boolean
}

/** The document that was accepted last. */
interface Found {
  readonly documentUrl: string
  readonly etag: string | undefined
  readonly jwksUri: string
}

export function discoveryKeySource(options: DiscoveryOptions): KeySource {
  let found: Found | undefined
  return {
    async fetch(known, signal) {
      found = await discover(options, found, signal)
      return fetchSet(found.jwksUri, known, options, signal)
    },
    accepts: url => jwksUriProblem(url, options) === undefined,
    proxy: proxyFor(options.issuer, options),
  }
}

/** Asks the place that answered last first: another may answer only while that one is away. */
async function discover(options: DiscoveryOptions, found: Found | undefined, signal: AbortSignal): Promise<Found> {
  const failures: FetchFailure[] = []
  for (const documentUrl of new Set([...(found ? [found.documentUrl] : []), ...documentUrls(options.issuer)])) {
    const known = found?.documentUrl === documentUrl ? found : undefined
    try {
      const document = await fetchDocument({
        url: documentUrl,
        etag: known?.etag,
        maxBytes: options.maxBytes,
        caFile: options.caFile,
        bearerFile: options.bearerFile,
        egress: options.egress,
        signal,
      })
      const isUnchanged = known !== undefined && document.json === undefined
      const jwksUri = isUnchanged ? known.jwksUri : acceptedUri(document.json?.value, options)
      return { documentUrl, etag: document.etag, jwksUri }
    } catch (error) {
      if (signal.aborted || !(error instanceof FetchFailure) || !isElsewhere(error)) throw error
      failures.push(error)
    }
  }
  // A document that is there and wrong says more than one that is not there.
  throw failures.find(({ result }) => result === 'invalid') ?? failures[0] ?? new FetchFailure('invalid', 'no document')
}

/**
 * @returns the places to look, the most common first. A trailing slash of the issuer is dropped
 * (Discovery §4.1, RFC 8414 §3.1).
 */
export function documentUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
  ]
}

/**
 * A server answers for a document that it does not have with an error, a redirect to a login page, or that page itself.
 */
function isElsewhere({ result }: FetchFailure): boolean {
  return result === 'http_status' || result === 'redirect' || result === 'invalid'
}

function acceptedUri(document: unknown, options: DiscoveryOptions): string {
  const metadata = typeof document === 'object' && document !== null ? document : {}
  const { issuer, jwks_uri: jwksUri } = metadata as { readonly issuer?: unknown; readonly jwks_uri?: unknown }
  if (issuer !== options.issuer) {
    throw new FetchFailure('invalid', `the discovery document is not about the issuer ${options.issuer}`)
  }
  if (typeof jwksUri !== 'string') throw new FetchFailure('invalid', 'the discovery document has no jwks_uri')
  const problem = jwksUriProblem(jwksUri, options)
  if (problem !== undefined) throw new FetchFailure('invalid', `the jwks_uri of the discovery document ${problem}`)
  return jwksUri
}

/** A longer one does not belong into status and log lines, where it appears. */
const LONGEST_URL = 2_048

function jwksUriProblem(jwksUri: string, { issuer, hosts, allowInsecureHttp }: DiscoveryOptions): string | undefined {
  if (jwksUri.length > LONGEST_URL) return `is longer than ${LONGEST_URL} characters`
  const url = URL.parse(jwksUri)
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return 'is not an http(s) URL'
  if (url.username !== '' || url.password !== '') return 'carries credentials'
  if (url.protocol === 'http:' && !allowInsecureHttp && !isLoopback(url)) return 'is not https'
  const isListed = url.hostname === new URL(issuer).hostname || hosts.some(entry => isHost(entry, url))
  return isListed ? undefined : 'is on a host that is neither the issuer’s nor listed in keys.hosts'
}

function isHost(entry: string, { hostname, port, protocol }: URL): boolean {
  const effectivePort = port || (protocol === 'https:' ? '443' : '80')
  const lower = entry.toLowerCase()
  return lower === hostname || lower === `${hostname}:${effectivePort}`
}
