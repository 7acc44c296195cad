/**
 * Runs test cases against a policy and says of each what did not come as expected.
 *
 * Claims are signed by a stand-in key (`stand-in.ts`) and go through everything a real token goes through.
 */

import type { NamedFiles } from '../../config/read/load.ts'
import { type Requirement, requirementContext, requirementsOf } from '../../config/requirements.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import type { Denial } from '../../errors.ts'
import type { Services } from '../../run/services.ts'
import type { Principal, RequestFacts } from '../../types.ts'
import { headersRefused, preflightIn } from '../engine/asked-preflight.ts'
import { putInForce } from '../engine/known-revocations.ts'
import { type StandIn, standIn } from '../engine/stand-in.ts'
import { askedOfCall, bodyOf, isJudged, missingForCall, withJsonBody } from '../engine/tool-call.ts'
import { type Trial, trial } from '../engine/trial.ts'
import { denialText } from '../explain/denial-text.ts'
import { redirectOf, unmetOf } from '../explain/explanation.ts'
import { sourcesOf } from '../text/credential-text.ts'
import { chosenRate, limitItem } from '../text/limit-text.ts'
import { requirementName } from '../text/requirement-text.ts'
import { shown } from '../text/shown.ts'
import type { CaseClock } from './case-clock.ts'
import type { TestCase } from './case-file.ts'
import { type Mismatch, mismatches, withoutEffect } from './mismatches.ts'
import { asOfBrowser, boundClaims, entriesOf, requestWith, sessionOf, tokenOf, withToken } from './sent-request.ts'

export interface CaseResult {
  readonly test: TestCase
  readonly decision: string
  /** The reason of the refusal, as the log would show it; undefined when nothing was refused or reported. */
  readonly reason: string | undefined
  readonly mismatches: readonly Mismatch[]
  /** The id of the route that took the request; undefined when none did. */
  readonly route: string | undefined
  /** Whether the request came without a token, with one that was not accepted, or from a verified caller. */
  readonly caller: 'anonymous' | 'rejected' | 'verified'
  /** The requirements of the route that the caller does not meet, each as {@link requirementName} says it. */
  readonly unmet: readonly string[]
  /** The single scopes and roles that the caller lacks, each as `scopes orders:read`. */
  readonly missing: readonly string[]
  /** What came of a preflight: `unnamed`, if the answer leaves out a header that the page wants to send. */
  readonly preflight: 'allowed' | 'refused' | 'unnamed' | undefined
  /** The line of the route that has judged the call of a tool, as `mcp.tools.orders.delete`. */
  readonly calledBy: string | undefined
  /** The limits that refused it, with what chose their rates, as {@link limitItem} says it. */
  readonly limitedBy: readonly string[]
  /** Which of several requests was the first that a limit refused; undefined where none was. */
  readonly firstRefused: number | undefined
}

/** @param clock is the one of `services` */
export async function runCases(
  config: Config,
  cases: readonly TestCase[],
  services: Services,
  namedFiles: NamedFiles,
  clock: CaseClock,
): Promise<readonly CaseResult[]> {
  const deps: CaseDeps = { config, services, namedFiles, trusted: standIn(config, services) }
  const results: CaseResult[] = []
  for (const test of cases) {
    clock.begin(test.now)
    results.push(await runCase(test, deps))
  }
  clock.end()
  return results
}

interface CaseDeps {
  readonly config: Config
  readonly services: Services
  readonly namedFiles: NamedFiles
  readonly trusted: StandIn
}

async function runCase(test: TestCase, deps: CaseDeps): Promise<CaseResult> {
  const { config, services, namedFiles } = deps
  const { policy, prover } = deps.trusted
  const { proof } = test
  const plain = requestWith(test, config)
  const claims = await boundClaims(test, prover)
  const path = plain.target.split('?', 1)[0] ?? ''
  const expectedRoute = policy.matcher.match(plain.method, path)
  const routeConfig = config.routes.find(({ id }) => id === expectedRoute?.id)
  const isCall = isJudged(expectedRoute, plain)
  const request = isCall ? withJsonBody(plain) : plain
  const signed = claims && (await tokenOf(test, claims, routeConfig, deps.trusted))
  const session = await sessionOf(test, routeConfig, deps.trusted, expectedRoute)
  const sent = asOfBrowser(test, request, { cookie: session?.cookie, route: routeConfig, config })
  const facts =
    signed === undefined ? sent : await withToken(sent, signed.token, sourcesOf(routeConfig, config), { proof, prover })
  const further = entriesOf(test, (signed ?? session)?.issuer, config, services)
  putInForce(services.revocations, config, { namedFiles, further, state: test.revocation ?? 'fresh' })
  const { tried, count } = await repeated(test, () =>
    trial(policy, facts, isCall && test.message ? bodyOf(test.message) : undefined),
  )
  const { findings, denial, upstreamHeaders } = tried
  const { principal, reported, route } = findings
  const refusal = denial ?? reported
  const preflight = preflightResult(facts, tried)
  const outcome = {
    decision: preflight?.decision ?? denial?.code ?? 'allow',
    reported: reported?.code,
    route: route?.id,
    headers: upstreamHeaders,
    location: redirectOf(tried, facts),
  }
  const caller =
    principal !== undefined
      ? 'verified'
      : refusal === undefined || refusal.code === 'token_missing'
        ? 'anonymous'
        : 'rejected'
  const context = requirementContext(config, services.clock)
  const requirements = routeConfig === undefined || principal === undefined ? [] : requirementsOf(routeConfig, context)
  const unmet = principal === undefined ? [] : await unmetOf(requirements, principal, { facts, path: findings.path })
  const isAsked = principal !== undefined || (caller === 'anonymous' && routeConfig?.access === 'optional')
  const call = isCall && isAsked ? callResult(test, routeConfig, principal) : undefined
  const found = { hasRoute: route !== undefined, isPreflight: preflight !== undefined, isCall }
  return {
    test,
    decision: outcome.decision,
    reason: shown(refusal === undefined ? preflight?.reason : denialText(refusal)),
    mismatches: shown([...withoutEffect(test, config, routeConfig, found), ...mismatches(test, outcome)]),
    route: route?.id,
    caller,
    unmet: [...unmet.map(requirementName), ...(call?.unmet ?? [])],
    missing: [
      ...(principal === undefined ? [] : unmet.flatMap(requirement => missingValues(requirement, principal))),
      ...(call?.missing ?? []),
    ],
    preflight: preflight?.result,
    calledBy: call?.line,
    limitedBy: limitItems(refusal, principal, config),
    firstRefused: refusal?.code === 'rate_limited' ? count : undefined,
  }
}

/**
 * Puts the request as often as the case says, at one instant. Nothing is paid back meanwhile, so once one is refused,
 * all that would follow are.
 */
async function repeated({ repeat = 1 }: TestCase, send: () => Promise<Trial>) {
  let tried = await send()
  let count = 1
  while (count < repeat && tried.denial === undefined && tried.findings.reported === undefined) {
    tried = await send()
    count += 1
  }
  return { tried, count }
}

function limitItems(
  refusal: Denial | undefined,
  principal: Principal | undefined,
  { rateLimits }: Config,
): readonly string[] {
  // Callers are not told of a limit with `headers: off`; the evidence names all.
  const ids = refusal?.code === 'rate_limited' ? refusal.evidence?.limits : undefined
  return Object.entries(rateLimits)
    .filter(([id]) => Array.isArray(ids) && ids.includes(id))
    .map(([id, limit]) => limitItem(id, limit, chosenRate(limit, principal?.claims)))
}

interface PreflightResult {
  readonly result: NonNullable<CaseResult['preflight']>
  readonly decision: string
  readonly reason: string | undefined
}

/**
 * For a header that the answer leaves out a browser refuses, and not the gateway. For whoever says in a case what a
 * page may send it is all one.
 */
function preflightResult(facts: RequestFacts, tried: Trial): PreflightResult | undefined {
  const preflight = preflightIn(facts, tried)
  if (preflight === undefined) return undefined
  const { denial } = tried
  if (denial !== undefined) return { result: 'refused', decision: denial.code, reason: undefined }
  const unnamed = headersRefused(preflight, tried)
  if (unnamed.length === 0) return { result: 'allowed', decision: 'allow', reason: undefined }
  return { result: 'unnamed', decision: 'cors_refused', reason: `the answer does not name ${unnamed.join(', ')}` }
}

/** Says which line judges the call, and what of it is not met. Call it for somebody who gets as far as that. */
function callResult({ message }: TestCase, route: RouteConfig | undefined, principal: Principal | undefined) {
  if (message?.tool === undefined || route?.mcp === undefined) return undefined
  const asked = askedOfCall(route.mcp, message.tool)
  const { line, scopes } = asked
  const missing = missingForCall(asked, principal)
  return {
    line,
    unmet: scopes === undefined || missing.length > 0 ? [line] : [],
    missing: missing.map(scope => `${line} ${scope}`),
  }
}

function missingValues(requirement: Requirement, principal: Principal): readonly string[] {
  const { kind } = requirement
  switch (kind) {
    case 'scopes':
    case 'roles':
      return requirement.wanted.filter(each => !principal[kind].has(each)).map(each => `${kind} ${each}`)
    case 'anyScope':
    case 'anyRole':
    case 'audiences':
    case 'proof':
    case 'claim':
    case 'acr':
    case 'authAge':
    case 'tokenAge':
    case 'when':
      return []
  }
}
