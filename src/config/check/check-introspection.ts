/**
 * Judges what the settings of a provider of `type: introspection` mean together: whether credentials of ours stay
 * secret on their way, and whether each setting has an effect.
 *
 * RFC 7662 §4 (TLS is required), RFC 9701 §5.
 */
import { issuerTemplate } from '../../issuer-template.ts'
import { hasUserInfo } from '../schema/address.ts'
import type { ProviderConfigs } from '../schema/by-provider-type.ts'
import { decryptionFindings } from './check-decryption.ts'
import { keysFindings, urlFindings } from './check-keys.ts'
import type { Finding, Path } from './findings.ts'

type Introspection = ProviderConfigs['introspection']

export function introspectionFindings(
  provider: Introspection,
  path: Path,
  workers: number | undefined,
): readonly Finding[] {
  const { keys, response } = provider
  return [
    ...issuerFindings(provider, path),
    ...endpointFindings(provider, path),
    ...(response === 'jwt' && keys !== undefined ? keysFindings({ ...provider, keys }, path) : []),
    ...decryptionFindings(provider.decryption, path),
    ...unusedFindings(provider, path),
    ...clientFindings(provider, path),
    ...prefixFindings(provider, path),
    ...concurrencyFindings(provider, path, workers ?? 1),
  ]
}

function issuerFindings({ issuer, endpoint }: Introspection, path: Path): readonly Finding[] {
  const at = [...path, 'issuer']
  if (issuerTemplate(issuer) !== undefined || issuer.includes('*')) {
    const message = 'is compared byte for byte: one server answers for one issuer; make a provider of each'
    return [{ path: at, message }]
  }
  // Where it is discovered, it is judged as the URL that it is then.
  if (endpoint === undefined || !hasUserInfo(issuer)) return []
  return [{ path: at, message: 'carries credentials; leave out the part before `@`' }]
}

/** Refuses `http:` to other machines: credentials of ours go there, and whoever is on the way could answer. */
function endpointFindings(provider: Introspection, path: Path): readonly Finding[] {
  const { issuer, endpoint } = provider
  if (endpoint !== undefined) return urlFindings(endpoint, provider, [...path, 'endpoint'], TO_TRUST)
  const remedy = ', because its metadata is discovered there; or give `endpoint`'
  return urlFindings(issuer, provider, [...path, 'issuer'], TO_TRUST).map(finding => ({
    ...finding,
    message: finding.message + remedy,
  }))
}

const TO_TRUST = '`allowInsecureHttp: true` beside it'

function unusedFindings({ response, keys, decryption, cache }: Introspection, path: Path): readonly Finding[] {
  const unused: Array<readonly [key: Path, reason: string]> = []
  if (response === 'json') {
    if (keys !== undefined) unused.push([['keys'], 'with `response: json`, where nothing is signed'])
    if (decryption !== undefined) unused.push([['decryption'], 'with `response: json`, where nothing is encrypted'])
  }
  if (cache.ttl === 0 && cache.maxStale > 0)
    unused.push([['cache', 'maxStale'], 'with `ttl: 0s`, which asks for no old answers'])
  return unused.map(([key, reason]) => ({
    path: [...path, ...key],
    message: `has no effect ${reason}; leave it out`,
    at: 'key',
  }))
}

/** A signed answer names the client that it is for. */
function clientFindings({ response, client }: Introspection, path: Path): readonly Finding[] {
  if (response === 'json' || client.id !== undefined) return []
  const message = 'is missing; with `response: jwt` an answer names the client that asked'
  return [{ path: [...path, 'client', 'id'], message }]
}

function prefixFindings({ tokens: { prefixes } }: Introspection, path: Path): readonly Finding[] {
  return prefixes.flatMap((prefix, index): readonly Finding[] => {
    const covering = prefixes.find(
      (other, at) => at !== index && prefix.startsWith(other) && (other !== prefix || at < index),
    )
    if (covering === undefined) return []
    const message = `is covered by \`${covering}\` already; leave it out`
    return [{ path: [...path, 'tokens', 'prefixes', index], message }]
  })
}

/** One of them is kept for tokens that were active before. */
const LEAST_OF_A_WORKER = 2

/** Refuses a bound that could only be kept by a worker that never asks. */
function concurrencyFindings({ concurrency }: Introspection, path: Path, workers: number): readonly Finding[] {
  const least = LEAST_OF_A_WORKER * workers
  if (concurrency >= least) return []
  const message = `is too small for ${workers} workers, of which each needs ${LEAST_OF_A_WORKER} (default 32); write at least ${least}, or fewer \`workers\``
  return [{ path: [...path, 'concurrency'], message }]
}
