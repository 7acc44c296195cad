/**
 * Requires roles: `requireRoles` every one of a list, `requireAnyRole` at least one of it.
 *
 * RFC 9068 §2.2.3.1 (roles as a claim); the provider's `rolesClaim` says which claim they come from.
 *
 * A missing role is `claim_forbidden` and not a matter of scope: no new token of the same caller would help, so the
 * client is not sent to fetch one. It knows no hierarchy.
 */
import { Denial } from '../errors.ts'
import type { Authorizer } from '../types.ts'

/** Refuses with `claim_forbidden`, which names the roles that are missing. */
export function requireRoles(required: readonly string[]): Authorizer {
  return ({ roles }) => {
    if (required.every(role => roles.has(role))) return
    const missing = required.filter(role => !roles.has(role))
    throw new Denial('claim_forbidden', { evidence: { requirement: 'roles', missing } })
  }
}

/** Refuses with `claim_forbidden`, which names all roles that would have helped; an empty list refuses everyone. */
export function requireAnyRole(accepted: readonly string[]): Authorizer {
  return ({ roles }) => {
    if (accepted.some(role => roles.has(role))) return
    throw new Denial('claim_forbidden', { evidence: { requirement: 'anyRole', missing: accepted } })
  }
}
