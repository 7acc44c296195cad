/**
 * Requires granted scopes: `requireScopes` every one of a list, `requireAnyScope` at least one of it.
 *
 * RFC 6749 §3.3 (scopes are compared as they are, case-sensitive, in any order), RFC 6750 §3.1 (`insufficient_scope`).
 *
 * It knows no hierarchy: `orders` does not include `orders:read`.
 */
import { Denial } from '../errors.ts'
import type { Authorizer } from '../types.ts'

/** Refuses with `scope_missing`, which names the scopes that are missing. */
export function requireScopes(required: readonly string[]): Authorizer {
  return ({ scopes }) => {
    if (required.every(scope => scopes.has(scope))) return
    const missing = required.filter(scope => !scopes.has(scope))
    throw new Denial('scope_missing', { evidence: { requirement: 'scopes', missing } })
  }
}

/** Refuses with `scope_missing`, which names all scopes that would have helped; an empty list refuses everyone. */
export function requireAnyScope(accepted: readonly string[]): Authorizer {
  return ({ scopes }) => {
    if (accepted.some(scope => scopes.has(scope))) return
    throw new Denial('scope_missing', { evidence: { requirement: 'anyScope', missing: accepted } })
  }
}
