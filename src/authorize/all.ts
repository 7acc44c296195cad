/** Joins a route's requirements: each must hold, in the order given, and the first that does not is the refusal. */
import type { Authorizer } from '../types.ts'

/** Without requirements, every verified caller passes. */
export function all(...authorizers: readonly Authorizer[]): Authorizer {
  const [first = () => {}, ...others] = authorizers
  if (others.length === 0) return first
  return principal => {
    for (const authorize of authorizers) authorize(principal)
  }
}
