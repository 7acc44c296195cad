/**
 * Lists what a route asks of a verified caller: each line of `require` and the route's own audiences, by name and with
 * its judge. The policy joins the judges; what explains a decision asks each of them by itself.
 *
 * A judge keeps no state. Routes that ask for the same share their judges, a reload makes them anew, and `explain` asks
 * them once more after the decision.
 */
import { type AcrOrders, acceptedAcrs, requireAcr } from '../authorize/acr.ts'
import { type AgeKind, type AgeRules, requireAge, seenAge } from '../authorize/age.ts'
import { all } from '../authorize/all.ts'
import { requireAudience, requireOwnAudience } from '../authorize/audience.ts'
import { type ClaimRequirement, requireClaim } from '../authorize/claims.ts'
import { activations, requireCondition } from '../authorize/condition.ts'
import { type RequiredProof, requireProof } from '../authorize/proof.ts'
import { requireAnyRole, requireRoles } from '../authorize/roles.ts'
import { requireAnyScope, requireScopes } from '../authorize/scopes.ts'
import { comparisonsOf, type ShownComparison } from '../condition/comparisons.ts'
import { type Condition, readCondition } from '../condition/condition.ts'
import type { Clock } from '../lib/clock.ts'
import { parameterReader } from '../route/match.ts'
import { parameterNames } from '../route/pattern.ts'
import type { Authorizer, Principal, RequestFacts } from '../types.ts'
import { narrowedAudiences } from './resources.ts'
import type { ConditionConfig } from './schema/condition-schema.ts'
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
  | {
      readonly kind: 'when'
      readonly name: string
      readonly condition: Condition
      /** What the condition compared, and with which values. */
      readonly shown: (principal: Principal, facts: RequestFacts, path: string) => readonly ShownComparison[]
    }
) & { readonly authorize: Authorizer }

/** What judges have to know besides what the route asks: the time, and what is said of the provider of a caller. */
export interface RequirementContext extends AgeRules {
  readonly acrOrders: AcrOrders
  readonly resources: Config['resources']
  /** How paths are compared. */
  readonly letterCase: 'heeded' | 'ignored'
  /** The audiences of providers whose tokens are taken for those of resources, too. */
  readonly narrowed: ReadonlyMap<string, readonly string[]>
}

export function requirementContext(
  config: Pick<Config, 'providers' | 'routes' | 'resources' | 'paths'>,
  clock: Clock,
): RequirementContext {
  const { providers, resources } = config
  const traits = Object.entries(providers).map(([id, provider]) => ({ id, ...providerTraits(provider) }))
  return {
    clock,
    resources,
    letterCase: config.paths.ignoreCase ? 'ignored' : 'heeded',
    narrowed: narrowedAudiences(config),
    tolerancesMs: new Map(traits.map(({ id, clockToleranceMs }) => [id, clockToleranceMs])),
    acrOrders: new Map(traits.flatMap(({ id, acrOrder }) => (acrOrder === undefined ? [] : [[id, acrOrder]]))),
  }
}

export type WhatIsAsked = Pick<RouteConfig, 'audiences' | 'require' | 'resource'> & {
  /** Of the route, where its parameters are asked about. */
  readonly path?: string | undefined
}

/** What is written under each key of `require`. */
type Wanted = { readonly [K in keyof RequireConfig]-?: NonNullable<RequireConfig[K]> }
type Written = { readonly [K in keyof Wanted]?: Wanted[K] | undefined }

/** What each key of `require` asks for, in the order in which it is judged. A key without an entry does not compile. */
const LINES: {
  readonly [K in keyof Wanted]: (wanted: Wanted[K], context: RequirementContext, path: string) => readonly Requirement[]
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
  when: conditionRequirements,
}

function conditionRequirements(
  wanted: readonly ConditionConfig[],
  { clock, letterCase }: RequirementContext,
  path: string,
): readonly Requirement[] {
  const parameters = parameterNames(path)
  const paramsOf = parameterReader({ path, methods: undefined }, { letterCase })
  const read = wanted.map(({ name, text }) => {
    const condition = readCondition(text, { parameters })
    // Conditions were read when the file was loaded, so a problem is a bug.
    if ('message' in condition) throw new Error(`the condition ${text} ${condition.message}`)
    return { name, condition }
  })
  const ofPlaces = read.reduce((sum, { condition }) => sum + condition.places, 0)
  return read.map(({ name, condition }) => {
    const rules = { name, condition, paramsOf, clock, ofPlaces }
    return {
      kind: 'when',
      name,
      condition,
      shown: (principal, facts, at) => comparisonsOf(condition.tree, activations(rules)(principal, facts, at)),
      authorize: requireCondition(rules),
    }
  })
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
export function requirementsOf(asked: WhatIsAsked, context: RequirementContext): readonly Requirement[] {
  return [...audienceRequirements(asked, context), ...requirementsUnder(asked, context)]
}

/** @returns one at most: whom the token is for is asked once, whatever it is that asks for it */
export function audienceRequirements(
  { audiences, resource }: Pick<WhatIsAsked, 'audiences' | 'resource'>,
  { resources, narrowed }: RequirementContext,
): readonly Requirement[] {
  const url = resource === undefined ? undefined : resources[resource]?.url
  const ofResource = url === undefined ? [] : [url]
  const wanted = [...ofResource, ...(audiences ?? [])]
  const own = new Map([...narrowed].map(([id, ofProvider]) => [id, [...ofProvider, ...ofResource]]))
  if (wanted.length > 0)
    return [{ kind: 'audiences', wanted, authorize: all(requireOwnAudience(own), requireAudience(wanted)) }]
  if (own.size === 0) return []
  return [{ kind: 'audiences', wanted: [...new Set([...own.values()].flat())], authorize: requireOwnAudience(own) }]
}

export function requirementsUnder(
  { require = {}, path = '/' }: Pick<WhatIsAsked, 'require' | 'path'>,
  context: RequirementContext,
): readonly Requirement[] {
  const keys = Object.keys(LINES) as ReadonlyArray<keyof Wanted>
  return keys.flatMap(key => requirementsOfKey(key, require, { context, path }))
}

function requirementsOfKey<K extends keyof Wanted>(
  key: K,
  require: Written,
  { context, path }: { readonly context: RequirementContext; readonly path: string },
): readonly Requirement[] {
  const wanted: Wanted[K] | undefined = require[key]
  return wanted === undefined ? [] : LINES[key](wanted, context, path)
}
