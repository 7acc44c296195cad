/**
 * Lists what a route asks of a verified caller: each line of `require` and the route's own audiences, by name and with
 * its judge. The policy joins the judges; what explains a decision asks each of them by itself.
 *
 * A judge keeps no state. Routes that ask for the same share their judges, a reload makes them anew, and `explain` asks
 * them once more after the decision.
 */
import { type AcrOrders, acceptedAcrs, requireAcr } from '../authorize/acr.ts'
import { type AgeKind, type AgeRules, requireAge, seenAge } from '../authorize/age.ts'
import { requireAudience } from '../authorize/audience.ts'
import { type ClaimRequirement, requireClaim } from '../authorize/claims.ts'
import { type RequiredProof, requireProof } from '../authorize/proof.ts'
import { requireAnyRole, requireRoles } from '../authorize/roles.ts'
import { requireAnyScope, requireScopes } from '../authorize/scopes.ts'
import type { Clock } from '../lib/clock.ts'
import type { Authorizer, Principal } from '../types.ts'
import { providerTraits } from './schema/provider-traits.ts'
import type { Config, RequireConfig, RouteConfig } from './schema/schema.ts'

export type Requirement = (
  | {
      readonly kind: 'audiences' | 'scopes' | 'anyScope' | 'roles' | 'anyRole'
      readonly wanted: readonly string[]
    }
  | { readonly kind: 'proof'; readonly wanted: RequiredProof }
  | {
      readonly kind: 'claim'
      /** The claim's name, or a JSON Pointer. */
      readonly claim: string
      readonly wanted: ClaimRequirement
    }
  | {
      readonly kind: 'acr'
      readonly wanted: readonly string[]
      /** Whether a provider says that other values are stronger, and so will do, too. */
      readonly isOrdered: boolean
    }
  | {
      readonly kind: AgeKind
      /** Milliseconds. */
      readonly wanted: number
      /** Says in words how old it is by now. */
      readonly seen: (principal: Principal) => string
    }
) & { readonly authorize: Authorizer }

/** What judges have to know besides what the route asks: the time, and what is said of the provider of a caller. */
export interface RequirementContext extends AgeRules {
  readonly acrOrders: AcrOrders
}

export function requirementContext({ providers }: Pick<Config, 'providers'>, clock: Clock): RequirementContext {
  const traits = Object.entries(providers).map(([id, provider]) => ({ id, ...providerTraits(provider) }))
  return {
    clock,
    tolerancesMs: new Map(traits.map(({ id, clockToleranceMs }) => [id, clockToleranceMs])),
    acrOrders: new Map(traits.flatMap(({ id, acrOrder }) => (acrOrder === undefined ? [] : [[id, acrOrder]]))),
  }
}

type WhatIsAsked = Pick<RouteConfig, 'audiences' | 'require'>

/** What is written under each key of `require`. */
type Wanted = { readonly [K in keyof RequireConfig]-?: NonNullable<RequireConfig[K]> }
type Written = { readonly [K in keyof Wanted]?: Wanted[K] | undefined }

/** What each key of `require` asks for, in the order in which it is judged. A key without an entry does not compile. */
const LINES: {
  readonly [K in keyof Wanted]: (wanted: Wanted[K], context: RequirementContext) => readonly Requirement[]
} = {
  proof: wanted => [{ kind: 'proof', wanted, authorize: requireProof(wanted) }],
  scopes: wanted => [{ kind: 'scopes', wanted, authorize: requireScopes(wanted) }],
  anyScope: wanted => [{ kind: 'anyScope', wanted, authorize: requireAnyScope(wanted) }],
  roles: wanted => [{ kind: 'roles', wanted, authorize: requireRoles(wanted) }],
  anyRole: wanted => [{ kind: 'anyRole', wanted, authorize: requireAnyRole(wanted) }],
  claims: wanted =>
    Object.entries(wanted).map(([claim, each]) => ({
      kind: 'claim',
      claim,
      wanted: each,
      authorize: requireClaim(claim, each),
    })),
  acr: (wanted, { acrOrders }) => [
    {
      kind: 'acr',
      wanted,
      isOrdered: [...acrOrders.values()].some(order => acceptedAcrs(wanted, order).length > wanted.length),
      authorize: requireAcr(wanted, acrOrders),
    },
  ],
  authAge: (wanted, context) => [ageRequirement('authAge', wanted, context)],
  tokenAge: (wanted, context) => [ageRequirement('tokenAge', wanted, context)],
}

function ageRequirement(kind: AgeKind, wanted: number, rules: AgeRules): Requirement {
  return {
    kind,
    wanted,
    seen: principal => seenAge(kind, principal, rules),
    authorize: requireAge(kind, wanted, rules),
  }
}

/** @returns the requirements in the order in which they are judged */
export function requirementsOf(
  { audiences, require = {} }: WhatIsAsked,
  context: RequirementContext,
): readonly Requirement[] {
  const ofAudiences: readonly Requirement[] =
    audiences === undefined ? [] : [{ kind: 'audiences', wanted: audiences, authorize: requireAudience(audiences) }]
  const keys = Object.keys(LINES) as ReadonlyArray<keyof Wanted>
  return [...ofAudiences, ...keys.flatMap(key => requirementsUnder(key, require, context))]
}

function requirementsUnder<K extends keyof Wanted>(
  key: K,
  require: Written,
  context: RequirementContext,
): readonly Requirement[] {
  const wanted: Wanted[K] | undefined = require[key]
  return wanted === undefined ? [] : LINES[key](wanted, context)
}
