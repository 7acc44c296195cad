/**
 * Explains one decision: the route and what else could have matched, each check with what it wanted and saw, what
 * happens to the headers, and the answer. Everything in it comes from the stages that serve traffic; where `decide` stops
 * at the first refusal, the remaining requirements are asked all the same, so one look shows all that is missing.
 *
 * Carries no credential and no signature.
 */

import { type Requirement, requirementsOf } from '../../config/requirements.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { Denial, type DenialCode } from '../../errors.ts'
import type { Policy, Route } from '../../policy.ts'
import { challenge, problem } from '../../refusal/challenge.ts'
import { REALM } from '../../refusal/refuse.ts'
import { takesMethod } from '../../route/methods.ts'
import type { Claims, Principal } from '../../types.ts'
import type { Trial, TrialRequest } from '../engine/trial.ts'
import { requirementName, sawText, wantedText } from '../text/requirement-text.ts'
import { shown, shownHeaderValue } from '../text/shown.ts'

export type CheckResult = 'ok' | 'fails' | 'skipped'

export interface ExplainedCheck {
  readonly check: string
  readonly result: CheckResult
  readonly wanted: string
  readonly saw: string
}

export interface Candidate {
  readonly id: string
  readonly path: string
  readonly methods: readonly string[] | undefined
  /** Why it is not the route. */
  readonly why: string
}

export interface HeaderLine {
  readonly name: string
  readonly value: string
}

export interface Explanation {
  readonly request: { readonly method: string; readonly target: string }
  readonly route: (Omit<Candidate, 'why'> & Pick<RouteConfig, 'access' | 'mode'>) | undefined
  /** Routes whose path fits but that were not taken; most specific first. */
  readonly others: readonly Candidate[]
  readonly params: Readonly<Record<string, string>>
  readonly checks: readonly ExplainedCheck[]
  readonly decision: 'allow' | DenialCode
  /** What a report-only route would have refused. */
  readonly reported: DenialCode | undefined
  /** Claims that were filled in, because a token needs them. */
  readonly filledIn: Claims
  readonly headers: { readonly removed: readonly HeaderLine[]; readonly added: readonly HeaderLine[] } | undefined
  readonly forwardedTo: string | undefined
  readonly response:
    | { readonly status: number; readonly headers: readonly HeaderLine[]; readonly body: string }
    | undefined
}

export interface ExplanationParts {
  readonly config: Config
  readonly policy: Policy
  readonly request: TrialRequest
  readonly trial: Trial
  readonly filledIn: Claims
}

export function explanation({ config, policy, request, trial, filledIn }: ExplanationParts): Explanation {
  const { exchange, denial } = trial
  const { route } = exchange
  const routeConfig = config.routes.find(({ id }) => id === route?.id)
  const path = exchange.path || (request.target.split('?', 1)[0] ?? '')
  return shown({
    request: { method: request.method, target: request.target },
    route: route && { ...shapeOf(route), access: route.access, mode: route.mode },
    others: policy.matcher
      .candidates(path)
      .filter(({ id }) => id !== route?.id)
      .map(other => ({ ...shapeOf(other), why: whyNot(other, route, request.method) })),
    params:
      route === undefined
        ? {}
        : Object.fromEntries(policy.matcher.resolve(request.method, request.target, exchange.host).params),
    checks: [
      requestCheck(trial),
      ...(route === undefined || routeConfig === undefined ? [] : routeChecks(trial, route, routeConfig, config)),
    ],
    decision: denial?.code ?? 'allow',
    reported: exchange.reported?.code,
    filledIn,
    headers: trial.upstreamHeaders && headerChanges(request.rawHeaders, trial.upstreamHeaders),
    forwardedTo: denial === undefined ? route && `${route.upstream.id} (${route.upstream.origin})` : undefined,
    response: denial && responseOf(denial, route),
  })
}

function shapeOf({ id, path, methods }: Route): Omit<Candidate, 'why'> {
  return { id, path, methods: methods === undefined ? undefined : [...methods] }
}

function whyNot(other: Route, route: Route | undefined, method: string): string {
  if (!takesMethod(other.methods, method)) return `does not take ${method}`
  return route === undefined ? 'the path is refused before a route is chosen' : `is less specific than ${route.path}`
}

/** Head, path and route: what is judged before anybody asks who is calling. */
function requestCheck({ exchange: { route, path }, denial }: Trial): ExplainedCheck {
  const wanted = 'an unambiguous request that a route takes'
  if (route !== undefined) return { check: 'request', result: 'ok', wanted, saw: path }
  return { check: 'request', result: 'fails', wanted, saw: denial === undefined ? '' : denialText(denial) }
}

function routeChecks(trial: Trial, route: Route, routeConfig: RouteConfig, config: Config): readonly ExplainedCheck[] {
  const { exchange, denial } = trial
  if (route.access === 'public')
    return denial === undefined
      ? [{ check: 'token', result: 'skipped', wanted: 'nothing: the route is public', saw: 'not looked at' }]
      : [{ check: 'limits', result: 'fails', wanted: 'a request within the limits', saw: denialText(denial) }]
  const { principal } = exchange
  const requirements = requirementsOf(routeConfig)
  return [
    tokenCheck(trial, route, routeConfig, config),
    ...requirements.map(requirement => requirementCheck(requirement, principal)),
    ...identityChecks(trial, requirements),
  ]
}

/** A caller may pass every check and still be one that no header can tell the upstream of. */
function identityChecks({ exchange, denial }: Trial, requirements: readonly Requirement[]): readonly ExplainedCheck[] {
  const { principal } = exchange
  if (denial === undefined || principal === undefined) return []
  if (requirements.some(requirement => !holds(requirement, principal))) return []
  return [{ check: 'identity', result: 'fails', wanted: 'claims that fit the headers', saw: denialText(denial) }]
}

function tokenCheck(
  { exchange, denial }: Trial,
  route: Route,
  { providers }: RouteConfig,
  config: Config,
): ExplainedCheck {
  const accepted = providers ?? Object.keys(config.providers)
  const wanted = `${route.access === 'optional' ? 'none, or a' : 'a'} valid token of ${accepted.join(' or ')}`
  const { principal } = exchange
  if (principal !== undefined) return { check: 'token', result: 'ok', wanted, saw: `valid, of ${principal.provider}` }
  const refusal = denial ?? exchange.reported
  if (refusal === undefined) return { check: 'token', result: 'ok', wanted, saw: 'none' }
  return { check: 'token', result: 'fails', wanted, saw: denialText(refusal) }
}

function requirementCheck(requirement: Requirement, principal: Principal | undefined): ExplainedCheck {
  const check = requirementName(requirement)
  const wanted = wantedText(requirement)
  if (principal === undefined) return { check, result: 'skipped', wanted, saw: 'nobody to ask it of' }
  return { check, result: holds(requirement, principal) ? 'ok' : 'fails', wanted, saw: sawText(requirement, principal) }
}

export function holds({ authorize }: Requirement, principal: Principal): boolean {
  try {
    authorize(principal)
    return true
  } catch (error) {
    if (error instanceof Denial) return false
    throw error
  }
}

/** What every refusal of a token says of it; of interest only after its reason. */
const OF_ANY_TOKEN: ReadonlySet<string> = new Set(['alg', 'kid', 'iss'])

/** The code and what was found, as the log would show it. */
export function denialText({ code, evidence = {} }: Denial): string {
  const present = Object.entries(evidence).filter(([, value]) => value !== undefined)
  const found = present.toSorted(([a], [b]) => Number(OF_ANY_TOKEN.has(a)) - Number(OF_ANY_TOKEN.has(b)))
  const texts = found.map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return texts.length === 0 ? code : `${code} (${texts.join(', ')})`
}

const MADE_PER_REQUEST: ReadonlySet<string> = new Set(['x-request-id', 'traceparent'])

/** Compares lines, not names: a name that arrives and leaves with another value is removed and added. */
function headerChanges(before: readonly string[], after: readonly string[]) {
  const sent = linesOf(before)
  const forwarded = linesOf(after)
  const isIn = (line: HeaderLine, lines: readonly HeaderLine[]) =>
    lines.some(({ name, value }) => name === line.name && value === line.value)
  const printable = ({ name, value }: HeaderLine): HeaderLine => ({ name, value: shownHeaderValue(name, value) })
  return {
    removed: sent.filter(line => !isIn(line, forwarded)).map(printable),
    added: forwarded
      .filter(line => !isIn(line, sent))
      .map(line =>
        MADE_PER_REQUEST.has(line.name.toLowerCase()) ? { ...line, value: '(made for each request)' } : printable(line),
      ),
  }
}

export function linesOf(flat: readonly string[]): readonly HeaderLine[] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [{ name, value: flat[index + 1] ?? '' }] : []))
}

function responseOf(denial: Denial, route: Route | undefined): Explanation['response'] {
  const { code, spec, retryAfterSeconds } = denial
  const wwwAuthenticate = challenge(code, { realm: REALM, scope: route?.challengeScope })
  return {
    status: spec.status,
    headers: [
      { name: 'Content-Type', value: 'application/problem+json' },
      ...(wwwAuthenticate === undefined ? [] : [{ name: 'WWW-Authenticate', value: wwwAuthenticate }]),
      ...(retryAfterSeconds === undefined ? [] : [{ name: 'Retry-After', value: String(retryAfterSeconds) }]),
    ],
    body: problem(code, '(made for each request)'),
  }
}
