/**
 * What a route asks of a verified caller, as a list: each line of `require` and the route's own audiences, by name and
 * with its judge. The policy joins the judges; what explains a decision asks each of them by itself.
 */
import { requireAudience } from '../authorize/audience.ts'
import { type ClaimRequirement, requireClaim } from '../authorize/claims.ts'
import { requireAnyRole, requireRoles } from '../authorize/roles.ts'
import { requireAnyScope, requireScopes } from '../authorize/scopes.ts'
import type { Authorizer } from '../types.ts'
import type { RouteConfig } from './schema/schema.ts'

export type Requirement = (
  | {
      readonly kind: 'audiences' | 'scopes' | 'anyScope' | 'roles' | 'anyRole'
      readonly wanted: readonly string[]
    }
  | {
      readonly kind: 'claim'
      /** The claim's name, or a JSON Pointer. */
      readonly claim: string
      readonly wanted: ClaimRequirement
    }
) & { readonly authorize: Authorizer }

type WhatIsAsked = Pick<RouteConfig, 'audiences' | 'require'>

/** In the order in which they are judged. */
export function requirementsOf({ audiences, require = {} }: WhatIsAsked): readonly Requirement[] {
  const { scopes, anyScope, roles, anyRole, claims = {} } = require
  return [
    ...(audiences ? [{ kind: 'audiences', wanted: audiences, authorize: requireAudience(audiences) } as const] : []),
    ...(scopes ? [{ kind: 'scopes', wanted: scopes, authorize: requireScopes(scopes) } as const] : []),
    ...(anyScope ? [{ kind: 'anyScope', wanted: anyScope, authorize: requireAnyScope(anyScope) } as const] : []),
    ...(roles ? [{ kind: 'roles', wanted: roles, authorize: requireRoles(roles) } as const] : []),
    ...(anyRole ? [{ kind: 'anyRole', wanted: anyRole, authorize: requireAnyRole(anyRole) } as const] : []),
    ...Object.entries(claims).map(([claim, wanted]) => ({
      kind: 'claim' as const,
      claim,
      wanted,
      authorize: requireClaim(claim, wanted),
    })),
  ]
}
