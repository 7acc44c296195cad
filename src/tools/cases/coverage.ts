/**
 * Measures what a set of test cases would notice: for each route, whether somebody gets in, whether a stranger is kept
 * out, and, for each requirement, whether a caller who lacks that one thing and nothing else is refused. Tools and
 * pages count alike: each line that judges a call, and a preflight that is allowed and one that is refused. Of a limit,
 * a refusal counts at each rate that it has.
 *
 * An item that is covered stands for a line of the policy: taking that line out would fail a test. Only cases that
 * passed count.
 */

import { corsRules } from '../../config/cors.ts'
import {
  audienceRequirements,
  type Requirement,
  type RequirementContext,
  requirementContext,
  requirementsUnder,
} from '../../config/requirements.ts'
import { acceptedProviders, isLogin } from '../../config/schema/accepted.ts'
import { CALLER_KEYS, type CallerKey } from '../../config/schema/route-keys.ts'
import type { Config, RateLimitConfig, RouteConfig } from '../../config/schema/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { CorsRules } from '../../route/cors.ts'
import { takesSessions } from '../engine/browser-request.ts'
import { lineOf, OTHERS } from '../engine/tool-call.ts'
import { sourcesOf } from '../text/credential-text.ts'
import { burstOf, type ChosenRate, limitItem, ratesOf } from '../text/limit-text.ts'
import { requirementName } from '../text/requirement-text.ts'
import { MOST_REPEATS } from './case-schema.ts'
import type { CaseResult } from './run-cases.ts'

interface CoverageItem {
  /** It is in words: `allowed`, `refused without a token`, `refused without scopes orders:read`. */
  readonly item: string
  readonly state: 'covered' | 'untested'
}

interface RouteCoverage {
  readonly route: string
  readonly cases: number
  readonly allowed: number
  readonly refused: number
  readonly items: readonly CoverageItem[]
}

export interface Coverage {
  readonly routes: readonly RouteCoverage[]
  readonly covered: number
  readonly total: number
  /** The figure is rounded down, so that 100 means all. */
  readonly percent: number
}

export function coverage(config: Config, results: readonly CaseResult[], clock: Clock): Coverage {
  const context = requirementContext(config, clock)
  const byRoute = config.routes.map(route => routeCoverage(route, results, config, context))
  const items = byRoute.flatMap(route => route.items)
  const covered = items.filter(({ state }) => state === 'covered').length
  return {
    routes: byRoute,
    covered,
    total: items.length,
    percent: Math.floor((100 * covered) / Math.max(1, items.length)),
  }
}

function routeCoverage(
  route: RouteConfig,
  results: readonly CaseResult[],
  config: Config,
  context: RequirementContext,
): RouteCoverage {
  const cases = results.filter(result => result.route === route.id)
  const counting = cases.filter(({ mismatches }) => mismatches.length === 0)
  const itemOf =
    (counted: readonly CaseResult[]): MakeItem =>
    (name, isCase) => ({ item: name, state: counted.some(isCase) ? 'covered' : 'untested' })
  const byKind = Map.groupBy(counting, ({ preflight }) => (preflight === undefined ? 'requests' : 'preflights'))
  const item = itemOf(byKind.get('requests') ?? [])
  const ofPreflights = itemOf(byKind.get('preflights') ?? [])
  return {
    route: route.id,
    cases: cases.length,
    allowed: cases.filter(({ decision }) => decision === 'allow').length,
    refused: cases.filter(({ decision }) => decision !== 'allow').length,
    items: [
      ...accessItems(route, config, item),
      ...loginItems(route, item),
      ...CALLER_KEYS.flatMap(key => ITEMS[key](route, item, context)),
      ...limitItems(route, config, item),
      ...pageItems(corsRules(route, config, sourcesOf(route, config)), item, ofPreflights),
    ],
  }
}

/** What there is to cover of each key that asks something of the caller. */
const ITEMS: Readonly<
  Record<CallerKey, (route: RouteConfig, item: MakeItem, context: RequirementContext) => readonly CoverageItem[]>
> = {
  // Where tokens come from, and whose are accepted, shows where a caller is let in.
  credentials: () => [],
  providers: () => [],
  resource: () => [],
  // That tokens of a resource are for no other route is not said by any line of the others.
  audiences: ({ audiences, resource }, item, context) =>
    (audiences ?? resource) === undefined
      ? []
      : audienceRequirements({ audiences, resource }, context).flatMap(each => requirementItems(each, item)),
  require: ({ require, path }, item, context) =>
    requirementsUnder({ require, path }, context).flatMap(each => requirementItems(each, item)),
  mcp: callItems,
}

type MakeItem = (name: string, isCase: (result: CaseResult) => boolean) => CoverageItem

function accessItems(route: RouteConfig, config: Config, item: MakeItem): readonly CoverageItem[] {
  const isAllowed = ({ decision }: CaseResult): boolean => decision === 'allow'
  switch (route.access) {
    case 'public':
      return [item('allowed', isAllowed)]
    case 'optional':
      return [
        item('allowed without a token', result => isAllowed(result) && result.caller === 'anonymous'),
        ...callerItems(route, config).map(({ who, isCase }) =>
          item(`allowed with ${who}`, result => isAllowed(result) && result.caller === 'verified' && isCase(result)),
        ),
      ]
    case 'required':
      return [
        ...callerItems(route, config).map(({ who, isCase }, _, { length }) =>
          item(
            length === 1 ? 'allowed' : `allowed with ${who}`,
            result => isAllowed(result) && result.caller === 'verified' && result.unmet.length === 0 && isCase(result),
          ),
        ),
        item('refused without a token', result => isNoticed(result) && result.caller === 'anonymous'),
      ]
  }
}

interface CallerItem {
  readonly who: string
  readonly isCase: (result: CaseResult) => boolean
}

/** Lists what brings somebody in, each of which a line of the policy takes. */
function callerItems(route: RouteConfig, config: Config): readonly CallerItem[] {
  const accepted = acceptedProviders(config, route)
  const takesTokens = accepted.length === 0 || accepted.some(id => !isLogin(config.providers[id]))
  return [
    ...(takesTokens ? [{ who: 'a token', isCase: ({ test }: CaseResult) => test.session === undefined }] : []),
    ...(takesSessions(route, config)
      ? [{ who: 'a session', isCase: ({ test }: CaseResult) => test.session !== undefined }]
      : []),
  ]
}

/** That people are sent to log in shows only to a case that says where. */
function loginItems({ anonymous }: RouteConfig, item: MakeItem): readonly CoverageItem[] {
  if (anonymous !== 'login') return []
  return [item('sent to the login', ({ test, decision }) => test.location !== undefined && decision !== 'allow')]
}

/**
 * A tool that asks for no more than its route is shown by a call that is allowed. Where `*` has a line, no tool is left
 * for `others`.
 */
function callItems({ access, mcp, require }: RouteConfig, item: MakeItem): readonly CoverageItem[] {
  if (mcp?.tools === undefined || access === 'public') return []
  const isAllowed = (line: string) =>
    item(`allowed ${line}`, ({ decision, calledBy }) => decision === 'allow' && calledBy === line)
  const ofTools = Object.entries(mcp.tools).flatMap(([tool, { scopes = [] }]) => {
    const line = lineOf(tool)
    const own = scopes.filter(scope => require?.scopes?.includes(scope) !== true)
    if (own.length === 0) return [isAllowed(line)]
    return own.map(scope =>
      item(
        `refused without ${line} ${scope}`,
        result => isNoticed(result) && isOnly(result.unmet, line) && isOnly(result.missing, `${line} ${scope}`),
      ),
    )
  })
  if (mcp.tools['*'] !== undefined) return ofTools
  const ofOthers =
    mcp.others === 'allow'
      ? isAllowed(OTHERS)
      : item(`refused by ${OTHERS}`, result => isNoticed(result) && isOnly(result.unmet, OTHERS))
  return [...ofTools, ofOthers]
}

/**
 * What one caller can never use up, because another limit of the route always refuses him first, is left out, since a
 * case has one caller; and so is what is more than a case can send.
 */
function limitItems({ rateLimits: ids = [] }: RouteConfig, { rateLimits }: Config, item: MakeItem) {
  const limits = ids.flatMap(id => {
    const limit = rateLimits[id]
    return limit === undefined ? [] : [{ id, limit }]
  })
  return limits.flatMap(({ id, limit }) =>
    ratesOf(limit)
      .filter(chosen => burstOf(limit, chosen) < MOST_REPEATS)
      .filter(chosen => limits.every(other => burstOf(limit, chosen) <= mostAtOnce(other.limit, limit, chosen)))
      .map(chosen => {
        const name = limitItem(id, limit, chosen)
        return item(`refused by ${name}`, result => isNoticed(result) && result.limitedBy.includes(name))
      }),
  )
}

/** How much another limit lets through at once for a caller who has this rate of a limit. */
function mostAtOnce(other: RateLimitConfig, limit: RateLimitConfig, { value }: ChosenRate): number {
  const isOfSameClaim = 'claim' in other.rate && 'claim' in limit.rate && other.rate.claim === limit.rate.claim
  const rates = ratesOf(other)
  const own = isOfSameClaim ? rates.filter(each => each.value === value) : []
  return Math.max(...(own.length > 0 ? own : rates).map(each => burstOf(other, each)))
}

/** Where any origin may ask, none is refused. */
function pageItems(rules: CorsRules | undefined, item: MakeItem, ofPreflights: MakeItem): readonly CoverageItem[] {
  if (rules === undefined) return []
  const { origins, enforceOrigin } = rules
  return [
    ofPreflights('preflight allowed', ({ preflight }) => preflight === 'allowed'),
    ...(origins.includes('*') ? [] : [ofPreflights('preflight refused', ({ preflight }) => preflight === 'refused')]),
    ...(enforceOrigin
      ? [item('refused for its origin', ({ decision, test }) => [decision, test.reported].includes('origin_forbidden'))]
      : []),
  ]
}

/** Makes one item of a requirement as a whole, or one of each value where every single value is asked for. */
function requirementItems(requirement: Requirement, item: MakeItem): readonly CoverageItem[] {
  const name = requirementName(requirement)
  switch (requirement.kind) {
    case 'scopes':
    case 'roles':
      return requirement.wanted.map(each =>
        item(
          `refused without ${name} ${each}`,
          result => isNoticed(result) && isOnly(result.unmet, name) && isOnly(result.missing, `${name} ${each}`),
        ),
      )
    case 'anyScope':
    case 'anyRole':
    case 'audiences':
    case 'proof':
    case 'claim':
    case 'acr':
    case 'authAge':
    case 'tokenAge':
    case 'when':
      return [item(`refused without ${name}`, result => isNoticed(result) && isOnly(result.unmet, name))]
  }
}

/** On a report-only route a refusal shows only to a case that asks for it. */
function isNoticed({ decision, test }: CaseResult): boolean {
  return decision !== 'allow' || test.reported !== undefined
}

function isOnly(names: readonly string[], name: string): boolean {
  return names.length === 1 && names[0] === name
}
