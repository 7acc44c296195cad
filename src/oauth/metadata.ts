/**
 * Finds the metadata document of an authorization server, and says which of the addresses in it may be used.
 *
 * OpenID Connect Discovery 1.0 §4 (path appended to the issuer), then RFC 8414 §3.1 and §5 (path inserted after the
 * host); §3.3 of the latter: the document's `issuer` must equal ours, byte for byte.
 *
 * An address is used only on the issuer's host or one that the operator listed: whoever can change the document for
 * a moment must not move keys or questions to a host of their own. It must be https, or http to loopback, as in the
 * configuration. What the document says about algorithms is ignored.
 */
import type { Egress } from '../egress/egress.ts'
import { fetchDocument } from '../keys/fetch/fetch-document.ts'
import { FetchFailure } from '../keys/fetch/fetch-failure.ts'
import type { TraceRequest } from '../keys/fetch/request-trace.ts'
import { isLoopback } from '../lib/loopback.ts'

interface MetadataOptions {
  readonly issuer: string
  readonly maxBytes: number
  readonly caFile?: string | undefined
  readonly bearerFile?: string | undefined
  readonly egress?: Egress | undefined
  readonly trace?: TraceRequest | undefined
}

/** The document that was accepted last, and what was read of it. */
export interface FoundMetadata<T> {
  readonly documentUrl: string
  readonly etag: string | undefined
  readonly content: T
}

export type Metadata = Readonly<Record<string, unknown>>

/**
 * Asks the place that answered last first: another may answer only while that one is away.
 *
 * @param read takes what is needed from a document that is about our issuer; it throws {@link FetchFailure} `invalid`
 * @throws {FetchFailure} no place has a good document; or the reason of `signal`
 */
export async function findMetadata<T>(
  options: MetadataOptions,
  read: (metadata: Metadata) => T,
  found: FoundMetadata<T> | undefined,
  signal: AbortSignal,
): Promise<FoundMetadata<T>> {
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
        trace: options.trace,
        signal,
      })
      const isUnchanged = known !== undefined && document.json === undefined
      const content = isUnchanged ? known.content : read(metadataOf(document.json?.value, options.issuer))
      return { documentUrl, etag: document.etag, content }
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

function metadataOf(document: unknown, expectedIssuer: string): Metadata {
  const metadata = typeof document === 'object' && document !== null ? (document as Metadata) : {}
  const { issuer } = metadata
  if (issuer === expectedIssuer) return metadata
  throw new FetchFailure('invalid', `the discovery document is not about the issuer ${expectedIssuer}`)
}

interface AddressRules {
  readonly issuer: string
  /** Further hosts that may be used: `host` for any port, or `host:port`. */
  readonly hosts: readonly string[]
  readonly allowInsecureHttp: boolean
  /** Ends a sentence about an address on another host: what it is not, or what to do. */
  readonly elsewhere: string
}

/** A longer one does not belong into status and log lines, where it appears. */
const LONGEST_URL = 2_048

/** @returns what is wrong with an address of the document, as the end of a sentence; undefined: it may be used */
export function addressProblem(
  address: string,
  { issuer, hosts, allowInsecureHttp, elsewhere }: AddressRules,
): string | undefined {
  if (address.length > LONGEST_URL) return `is longer than ${LONGEST_URL} characters`
  const url = URL.parse(address)
  if (url === null || !['https:', 'http:'].includes(url.protocol)) return 'is not an http(s) URL'
  if (url.username !== '' || url.password !== '') return 'carries credentials'
  if (url.protocol === 'http:' && !allowInsecureHttp && !isLoopback(url)) return 'is not https'
  const isListed = url.hostname === new URL(issuer).hostname || hosts.some(entry => isHost(entry, url))
  return isListed ? undefined : elsewhere
}

function isHost(entry: string, { hostname, port, protocol }: URL): boolean {
  const effectivePort = port || (protocol === 'https:' ? '443' : '80')
  const lower = entry.toLowerCase()
  return lower === hostname || lower === `${hostname}:${effectivePort}`
}

/** Whether a client shows a certificate, for which servers may have addresses of their own. */
export type ShownBy = 'certificate' | 'other'

/**
 * RFC 8705 §5 (`mtls_endpoint_aliases`)
 *
 * @param name a member of the document, such as `token_endpoint`
 * @returns undefined: the document has no such address
 * @throws {FetchFailure} `invalid`: it has one that must not be used
 */
export function addressIn(
  metadata: Metadata,
  name: string,
  { client, ...rules }: AddressRules & { readonly client: ShownBy },
): string | undefined {
  const { mtls_endpoint_aliases: aliases } = metadata
  const isAliased = client === 'certificate' && typeof aliases === 'object' && aliases !== null
  const address = (isAliased ? (aliases as Metadata)[name] : undefined) ?? metadata[name]
  if (typeof address !== 'string') return undefined
  const problem = addressProblem(address, rules)
  if (problem === undefined) return address
  throw new FetchFailure('invalid', `the ${name} of the discovery document ${problem}`)
}
