/**
 * Makes what an application sees of a principal, once for each.
 *
 * Attack by mistake: all requests with one token share a principal, and an application that adds a scope to it would
 * add it for every later request. So what it gets is a copy, frozen through and through.
 */
import { keeper } from '../lib/keeper.ts'
import type { Principal as Verified } from '../types.ts'
import type { Claims, Principal } from './api.ts'

const views = keeper<Principal>()

export function principalView(principal: Verified | undefined): Principal | null {
  if (principal === undefined) return null
  const known = views.get(principal)
  if (known !== undefined) return known
  const { provider, claims, scopes, roles, audiences, expiresAtSeconds } = principal
  const view: Principal = Object.freeze({
    provider,
    claims: deepFrozen(structuredClone(claims)) as Claims,
    scopes: frozenSet(scopes),
    roles: frozenSet(roles),
    audiences: Object.freeze([...audiences]),
    expiresAtSeconds,
  })
  views.set(principal, view)
  return view
}

function deepFrozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) deepFrozen(member)
  return Object.freeze(value)
}

/** `Object.freeze` leaves the entries of a Set open. */
function frozenSet(entries: ReadonlySet<string>): ReadonlySet<string> {
  const refuse = (): never => {
    throw new TypeError('request.principal cannot be changed: all requests with this token share it')
  }
  const refused = { value: refuse }
  return Object.freeze(Object.defineProperties(new Set(entries), { add: refused, delete: refused, clear: refused }))
}
