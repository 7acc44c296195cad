/**
 * Requires that the token is meant for one of a route's own audiences, on top of its provider's.
 *
 * RFC 7519 §4.1.3, RFC 8707 §2 (one token, one resource), RFC 9700 §2.3. Audiences are compared
 * byte for byte; no URL is normalised.
 */
import { Denial } from '../errors.ts'
import type { Authorizer } from '../types.ts'

/** Refuses with `audience_mismatch`; an empty list refuses everyone. */
export function requireAudience(accepted: readonly string[]): Authorizer {
  const isAccepted = new Set(accepted)
  return ({ audiences }) => {
    if (audiences.some(audience => isAccepted.has(audience))) return
    throw new Denial('audience_mismatch', { evidence: { requirement: 'audiences', accepted } })
  }
}
