/**
 * Requires that the token is meant for one of a route's own audiences, on top of its provider's.
 * The provider's are judged with the token, unless they count on some routes only.
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
    if (!audiences.some(audience => isAccepted.has(audience))) throw mismatch(accepted)
  }
}

/**
 * Refuses a token whose audience counts on other routes only. A token without an audience passes: its provider takes it
 * only where the server that was asked about it judges audiences itself.
 *
 * @param byProvider the audiences that count here, of each provider whose tokens are taken for further ones elsewhere
 */
export function requireOwnAudience(byProvider: ReadonlyMap<string, readonly string[]>): Authorizer {
  const accepted = new Map([...byProvider].map(([id, audiences]) => [id, new Set(audiences)]))
  return ({ provider, audiences }) => {
    const own = accepted.get(provider)
    if (own === undefined || audiences.length === 0 || audiences.some(audience => own.has(audience))) return
    throw mismatch([...own])
  }
}

function mismatch(accepted: readonly string[]): Denial {
  return new Denial('audience_mismatch', { evidence: { requirement: 'audiences', accepted } })
}
