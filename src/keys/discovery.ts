/**
 * Finds a provider's JWK Set through its metadata document.
 *
 * OpenID Connect Discovery 1.0 §3, RFC 8414 §2 (`jwks_uri`). How the document is found, and on which hosts the keys may
 * be, is said in `oauth/metadata.ts`. Nothing else of the document is read here.
 */

import { addressProblem, type FoundMetadata, findMetadata, type Metadata } from '../oauth/metadata.ts'
import { FetchFailure } from './fetch/fetch-failure.ts'
import { type FetchLimits, fetchSet, type KeySource, proxyFor } from './key-source.ts'

interface DiscoveryOptions extends FetchLimits {
  readonly issuer: string
  /** Further hosts that may serve the keys: `host` for any port, or `host:port`. */
  readonly hosts: readonly string[]
  readonly allowInsecureHttp: boolean
}

export function discoveryKeySource(options: DiscoveryOptions): KeySource {
  let found: FoundMetadata<string> | undefined
  return {
    async fetch(known, signal) {
      found = await findMetadata(options, metadata => acceptedUri(metadata, options), found, signal)
      return fetchSet(found.content, known, options, signal)
    },
    accepts: url => jwksUriProblem(url, options) === undefined,
    proxy: proxyFor(options.issuer, options),
  }
}

function acceptedUri({ jwks_uri: jwksUri }: Metadata, options: DiscoveryOptions): string {
  if (typeof jwksUri !== 'string') throw new FetchFailure('invalid', 'the discovery document has no jwks_uri')
  const problem = jwksUriProblem(jwksUri, options)
  if (problem !== undefined) throw new FetchFailure('invalid', `the jwks_uri of the discovery document ${problem}`)
  return jwksUri
}

function jwksUriProblem(jwksUri: string, { issuer, hosts, allowInsecureHttp }: DiscoveryOptions): string | undefined {
  const elsewhere = 'is on a host that is neither the issuer’s nor listed in keys.hosts'
  return addressProblem(jwksUri, { issuer, hosts, allowInsecureHttp, elsewhere })
}
