/**
 * Reads where a provider's keys come from: from `providers.*.keys`, or from the `bundle` of a trust domain. At most one
 * source is named there, since `check-keys.ts` and `check-spiffe.ts` refuse more.
 */
import type { ProviderConfigs } from '../config/schema/by-provider-type.ts'
import { KEY_SOURCES } from '../config/schema/keys-schema.ts'
import type { EgressConfig, KeysConfig } from '../config/schema/schema.ts'
import type { FetchDefinition, KeySourceDefinition } from '../keys/registry.ts'

type SourceName = (typeof KEY_SOURCES)[number]

/** What each source that can be named means; a name without an entry does not compile. */
const DEFINITIONS: {
  readonly [S in SourceName]: (
    named: NonNullable<KeysConfig[S]>,
    keys: KeysConfig,
    egress: EgressConfig | undefined,
  ) => KeySourceDefinition
} = {
  jwks: document => ({ type: 'jwks', document }),
  jwksFile: path => ({ type: 'jwksFile', path }),
  secretFile: path => ({ type: 'secretFile', path }),
  jwksUri: (url, keys, egress) => ({ type: 'jwksUri', url, ...fetchDefinition(keys, egress) }),
}

/** @param egress the proxy for what is fetched */
export function keySourceDefinition(keys: KeysConfig, egress: EgressConfig | undefined): KeySourceDefinition {
  for (const source of KEY_SOURCES) {
    const definition = namedDefinition(source, keys, egress)
    if (definition !== undefined) return definition
  }
  return {
    type: 'discovery',
    hosts: keys.hosts ?? [],
    allowInsecureHttp: keys.allowInsecureHttp,
    ...fetchDefinition(keys, egress),
  }
}

/** @param egress the proxy for what is fetched */
export function bundleSourceDefinition(
  bundle: ProviderConfigs['spiffe']['bundle'],
  egress: EgressConfig | undefined,
): KeySourceDefinition {
  const { url, file } = bundle
  if (url !== undefined) return { type: 'bundleUrl', url, ...fetchDefinition(bundle, egress) }
  if (file !== undefined) return { type: 'bundleFile', path: file }
  // `check-spiffe.ts` refuses that, so it is a bug.
  throw new Error('no place of the bundle is named')
}

function namedDefinition<S extends SourceName>(
  source: S,
  keys: KeysConfig,
  egress: EgressConfig | undefined,
): KeySourceDefinition | undefined {
  const named: KeysConfig[S] = keys[source]
  return named === undefined ? undefined : DEFINITIONS[source](named, keys, egress)
}

type FetchConfig = Omit<KeysConfig, SourceName | 'hosts' | 'allowInsecureHttp'>

function fetchDefinition(keys: FetchConfig, egress: EgressConfig | undefined): FetchDefinition {
  return {
    refreshMs: keys.refresh,
    maxStaleMs: keys.maxStale,
    cooldownMs: keys.cooldown,
    timeoutMs: keys.timeout,
    maxBytes: keys.maxBytes,
    caFile: keys.caFile,
    bearerFile: keys.bearerFile,
    cacheFile: keys.cacheFile,
    egress,
  }
}
