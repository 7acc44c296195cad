/**
 * Judges where the keys of a provider come from: whether one source is named, whether they arrive over a connection
 * that can be trusted, and whether each setting has an effect.
 *
 * OpenID Connect Discovery 1.0 §3 (issuer), RFC 9700 §4.
 */
import { issuerTemplate } from '../../issuer-template.ts'
import { isLoopback } from '../../lib/loopback.ts'
import { httpUrl } from '../schema/address.ts'
import { KEY_SOURCES } from '../schema/keys-schema.ts'
import type { KeysConfig } from '../schema/schema.ts'
import type { Finding, Path } from './findings.ts'

interface Keyed {
  readonly issuer: string
  readonly keys: KeysConfig
}

/** @param path of the provider */
export function keysFindings(provider: Keyed, path: Path): readonly Finding[] {
  return [
    ...sourceFindings(provider, path),
    ...unusedFindings(provider.keys, path),
    ...timingFindings(provider.keys, [...path, 'keys']),
  ]
}

function sourceFindings({ issuer, keys }: Keyed, path: Path): readonly Finding[] {
  const [, ...further] = sources(keys)
  if (further.length > 0)
    return further.map(source => ({
      path: [...path, 'keys', source],
      message: `is a second key source; keep one of ${KEY_SOURCES.join(', ')}`,
      at: 'key',
    }))
  if (keys.jwksUri !== undefined) return urlFindings(keys.jwksUri, keys, [...path, 'keys', 'jwksUri'])
  if (sources(keys).length > 0 || issuerTemplate(issuer) !== undefined) return []
  const remedy =
    ', because its metadata is discovered there; or give `keys.jwksUri`, `jwksFile`, `jwks` or `secretFile`'
  return urlFindings(issuer, keys, [...path, 'issuer']).map(finding => ({
    ...finding,
    message: /^[$%]/.test(issuer) ? finding.message : finding.message + remedy,
  }))
}

export function sources(keys: KeysConfig): readonly (typeof KEY_SOURCES)[number][] {
  return KEY_SOURCES.filter(source => keys[source] !== undefined)
}

/** Refuses `http:` to other machines: whoever can change what is on the way can put in keys of their own. */
export function urlFindings(
  text: string,
  { allowInsecureHttp }: Pick<KeysConfig, 'allowInsecureHttp'>,
  path: Path,
  toTrust = '`keys.allowInsecureHttp: true`',
): readonly Finding[] {
  try {
    const url = httpUrl(text)
    if (url.protocol === 'https:' || isLoopback(url) || allowInsecureHttp) return []
    return [{ path, message: `must be an \`https:\` URL (or set ${toTrust} to trust the network)` }]
  } catch (error) {
    if (error instanceof SyntaxError) return [{ path, message: error.message }]
    throw error
  }
}

/** Refuses settings of a fetch where nothing is fetched: they are a slip, and some look safer than they are. */
function unusedFindings(keys: KeysConfig, path: Path): readonly Finding[] {
  const [source] = sources(keys)
  const isFetched = source === undefined || source === 'jwksUri'
  const fetchOnly = (['caFile', 'cacheFile', 'bearerFile', 'hosts'] as const).filter(key => keys[key] !== undefined)
  const unused = isFetched ? fetchOnly.filter(key => key === 'hosts' && source !== undefined) : fetchOnly
  return unused.map(key => ({
    path: [...path, 'keys', key],
    message: `has no effect with \`${source}\`; leave it out`,
    at: 'key',
  }))
}

/** @param path of the block that says how keys are fetched */
export function timingFindings(
  { refresh, maxStale }: Pick<KeysConfig, 'refresh' | 'maxStale'>,
  path: Path,
): readonly Finding[] {
  if (maxStale >= refresh) return []
  const message = 'must not be shorter than `refresh` (default `5m`): keys would expire before they are fetched again'
  return [{ path: [...path, 'maxStale'], message }]
}
