/** `providers.*.keys` → where the key engine gets the keys. The schema has made sure that at most one source is named. */

import type { KeysConfig } from '../config/schema/schema.ts'
import type { KeySourceDefinition } from '../keys/registry.ts'

export function keySourceDefinition(keys: KeysConfig): KeySourceDefinition {
  if (keys.jwks !== undefined) return { type: 'jwks', document: keys.jwks }
  if (keys.jwksFile !== undefined) return { type: 'jwksFile', path: keys.jwksFile }
  if (keys.secretFile !== undefined) return { type: 'secretFile', path: keys.secretFile }
  const fetch = {
    refreshMs: keys.refresh,
    maxStaleMs: keys.maxStale,
    cooldownMs: keys.cooldown,
    timeoutMs: keys.timeout,
    maxBytes: keys.maxBytes,
    caFile: keys.caFile,
    bearerFile: keys.bearerFile,
    cacheFile: keys.cacheFile,
  }
  if (keys.jwksUri !== undefined) return { type: 'jwksUri', url: keys.jwksUri, ...fetch }
  return { type: 'discovery', hosts: keys.hosts ?? [], allowInsecureHttp: keys.allowInsecureHttp, ...fetch }
}
