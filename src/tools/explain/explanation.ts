/**
 * Explains one decision: the route and what else could have matched, each check with what it wanted and saw, what
 * happens to the headers, and the answer.
 *
 * Everything in it comes from the stages that serve traffic. `decide` stops at the first refusal; the remaining
 * requirements are asked all the same, so that one look shows all that is missing. An explanation holds no credential
 * and no signature.
 */
import {
  audienceRequirements,
  type Requirement,
  type RequirementContext,
  requirementContext,
  requirementsUnder,
} from '../../config/requirements.ts'
import { CALLER_KEYS, type CallerKey } from '../../config/schema/route-keys.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { isSaidByProxies } from '../../decision/asked-facts.ts'
import type { Caller } from '../../decision/callers.ts'
import { refusalFor } from '../../decision/no.ts'
import { Denial, type DenialCode } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { MaybePromise } from '../../lib/maybe-promise.ts'
import type { Findings, Policy, Route } from '../../policy.ts'
import { type RefusalWriter, refusalResponse } from '../../refusal/response.ts'
import { isNavigation } from '../../route/navigation.ts'
import type { Preflight } from '../../route/preflight.ts'
import type { Answer, Claims, Principal, RequestFacts } from '../../types.ts'
import { type AskedPreflight, headersRefused, preflightIn } from '../engine/asked-preflight.ts'
import { fromBrowser } from '../engine/browser-request.ts'
import type { Trial } from '../engine/trial.ts'
import { type AskedOf, requirementName, sawText, wantedText } from '../text/requirement-text.ts'
import { shown } from '../text/shown.ts'
import { callChecks } from './call-checks.ts'
import { askedMethod, type Candidate, othersOf, shapeOf } from './candidates.ts'
import { denialText } from './denial-text.ts'
import { exchangedToken } from './exchanged-token.ts'
import type { CheckResult, ExplainedCheck } from './explained-check.ts'
import { type HeaderLine, headerChanges, linesOf } from './header-changes.ts'
import { limitChecks } from './limit-checks.ts'
import { isOfPage, pageChecks, preflightChecks } from './page-checks.ts'
import { sessionChecks } from './session-checks.ts'
import { tokenChecks } from './token-checks.ts'

export interface Explanation {
  /** The proxy that forwards what may pass; undefined where the gateway does. */
  readonly askedBy: Caller | undefined
  readonly request: { readonly method: string; readonly target: string }
  /**
   * What a browser asks for a page, which the route of the real request answers; undefined for any other request.
   * `refusedHeaders` are those that the answer does not name, so that the browser sends nothing.
   */
  readonly preflight: (AskedPreflight & { readonly refusedHeaders: readonly string[] }) | undefined
  readonly route: (Omit<Candidate, 'why'> & Pick<RouteConfig, 'access' | 'mode'>) | undefined
  /**
   * The path fits these routes, too, but they were not taken; the most specific one comes first. Those that it would
   * fit without a semicolon, doubled slashes or needless encoding come last.
   */
  readonly others: readonly Candidate[]
  readonly params: Readonly<Record<string, string>>
  readonly checks: readonly ExplainedCheck[]
  readonly decision: 'allow' | DenialCode
  /** The refusal that a report-only route reported in place of making it. */
  readonly reported: DenialCode | undefined
  /** These claims were filled in, because a token needs them. */
  readonly filledIn: Claims
  readonly headers: { readonly removed: readonly HeaderLine[]; readonly added: readonly HeaderLine[] } | undefined
  /** What the answer of the service gets of us, whatever it is. */
  readonly addedToAnswer: readonly HeaderLine[]
  readonly forwardedTo: string | undefined
  /** The endpoint of the gateway's own that answers; its id is that of its metrics. */
  readonly answeredBy: Omit<Candidate, 'why'> | undefined
  /** What the gateway answers itself: a refusal, or what it says in place of the service. */
  readonly response:
    | { readonly status: number; readonly headers: readonly HeaderLine[]; readonly body: string }
    | undefined
  /** What a browser hears in place of that, when it is about to show the page in a tab; undefined for the same. */
  readonly responseToTab: Explanation['response']
}

interface ExplanationDeps {
  readonly config: Config
  readonly policy: Policy
  readonly request: RequestFacts
  readonly trial: Trial
  /** The tool that the body calls; undefined for one that calls none, and where no body is judged. */
  readonly tool: string | undefined
  /** The proxy whose question it is; undefined for a request to the gateway. */
  readonly caller: Caller | undefined
  readonly filledIn: Claims
  /** What says who is calling. */
  readonly brings: 'session' | 'token'
  readonly clock: Clock
}

export async function explanation(deps: ExplanationDeps): Promise<Explanation> {
  const { config, policy, request, trial, filledIn } = deps
  const { findings, denial } = trial
  const { route, endpoint } = findings
  const routeConfig = config.routes.find(({ id }) => id === route?.id)
  const path = findings.path || (request.target.split('?', 1)[0] ?? '')
  const preflight = preflightIn(request, trial)
  // Where there is nothing to forward to, nobody but a proxy can have asked.
  const askedBy = deps.caller ?? (Object.keys(config.upstreams).length === 0 ? config.decide?.caller : undefined)
  const refusal = deps.caller === undefined ? refusalResponse : refusalFor(deps.caller)
  return shown({
    askedBy,
    request: { method: request.method, target: shownTarget(request.target, policy) },
    preflight: preflight && { ...preflight, refusedHeaders: headersRefused(preflight, trial) },
    route: route && { ...shapeOf(route), access: route.access, mode: route.mode },
    others: othersOf(policy, path, route ?? endpoint, askedMethod(request, trial, policy)),
    params: route === undefined ? {} : Object.fromEntries(policy.matcher.params(route, findings.path)),
    checks: [
      requestCheck(trial, preflight),
      ...(route === undefined || routeConfig === undefined ? [] : await routeChecks(deps, route, routeConfig)),
    ],
    decision: denial?.code ?? 'allow',
    reported: findings.reported?.code,
    filledIn,
    headers:
      trial.upstreamHeaders &&
      addedBesides(
        headerChanges(request.rawHeaders, trial.upstreamHeaders, {
          policy,
          tokenHeader: config.identity.token?.header,
        }),
        exchangedToken(trial, config),
        askedBy,
      ),
    addedToAnswer: trial.upstreamHeaders === undefined ? [] : linesOf(findings.responseLines).map(answerLine),
    forwardedTo:
      trial.upstreamHeaders !== undefined && askedBy === undefined
        ? route && `${route.upstream.id} (${route.upstream.origin})`
        : undefined,
    answeredBy: endpoint && shapeOf(endpoint),
    response:
      denial === undefined ? trial.answer && answered(trial.answer) : responseOf(denial, request, findings, refusal),
    responseToTab: deps.caller === undefined ? denial && responseToTab(denial, request, findings) : undefined,
  })
}

/** A yes says who is calling. What a proxy says of its client, it says to the service by itself. */
function addedBesides(
  { removed, added }: NonNullable<Explanation['headers']>,
  exchanged: readonly HeaderLine[],
  askedBy: Caller | undefined,
) {
  const said = askedBy === undefined ? added : added.filter(({ name }) => !isSaidByProxies(name))
  return { removed, added: [...said, ...exchanged] }
}

/** Returns the way to the login, where a person is sent there and the request is none by which a page is opened. */
function responseToTab(denial: Denial, request: RequestFacts, findings: Findings): Explanation['response'] {
  if (findings.route?.challenge.login?.isForNavigations !== true || isNavigation(request)) return undefined
  const opened = fromBrowser(request, { cookie: undefined, site: 'none', origin: undefined, mode: 'navigate' })
  if (!isNavigation(opened)) return undefined
  const answer = responseOf(denial, opened, findings)
  return answer?.status === 302 ? answer : undefined
}

/** Says where a browser is sent in place of the page; undefined where it is sent nowhere. */
export function redirectOf({ denial, findings }: Trial, request: RequestFacts): string | undefined {
  const answer = denial && responseOf(denial, request, findings)
  return answer?.headers.find(({ name }) => name === 'location')?.value
}

/** Tells of head, path and route, which are judged before anybody asks who is calling. */
function requestCheck(
  { findings: { route, endpoint, path }, denial }: Trial,
  preflight: Preflight | undefined,
): ExplainedCheck {
  const wanted = 'an unambiguous request that a route takes'
  if (endpoint !== undefined) return { check: 'request', result: 'ok', wanted, saw: `${path}, answered by the gateway` }
  const meant = preflight === undefined ? '' : `, of a preflight for ${preflight.method}`
  if (route !== undefined) return { check: 'request', result: 'ok', wanted, saw: `${path}${meant}` }
  return { check: 'request', result: 'fails', wanted, saw: denial === undefined ? '' : denialText(denial) }
}

async function routeChecks(
  deps: ExplanationDeps,
  route: Route,
  routeConfig: RouteConfig,
): Promise<readonly ExplainedCheck[]> {
  const { trial, request, policy } = deps
  const { denial, findings } = trial
  const preflight = preflightIn(request, trial)
  if (preflight !== undefined) return preflightChecks(preflight, trial)
  const pages = pageChecks(request, trial, policy)
  const isPublic = route.access === 'public'
  const isDecidedByPage = isOfPage(denial ?? findings.reported, request)
  const limits = (isReached: boolean) =>
    limitChecks(routeConfig, deps.config, { request, principal: findings.principal, isReached })
  if (isDecidedByPage || (isPublic && denial === undefined)) {
    const wanted = isPublic ? 'nothing: the route is public' : 'nothing of a request that its origin decides about'
    return [...pages, { check: 'token', result: 'skipped', wanted, saw: 'not looked at' }, ...limits(!isDecidedByPage)]
  }
  if (isPublic && denial !== undefined)
    return [
      ...pages,
      { check: 'limits', result: 'fails', wanted: 'a request within the limits', saw: denialText(denial) },
    ]
  const ofKey = async (key: CallerKey) => CHECKS[key](deps, route, routeConfig)
  const checks = (await Promise.all(CALLER_KEYS.filter(isBeforeLimits).map(ofKey))).flat()
  const calls = (await Promise.all(CALLER_KEYS.filter(key => !isBeforeLimits(key)).map(ofKey))).flat()
  const identity = [...checks, ...calls].every(isMet) ? identityChecks(trial) : []
  return [...pages, ...checks, ...limits([...checks, ...identity].every(isMet)), ...calls, ...identity]
}

/** A call is judged by its body, which is read when the request has been counted. */
function isBeforeLimits(key: CallerKey): boolean {
  return key !== 'mcp'
}

function isMet({ result }: ExplainedCheck): boolean {
  return result !== 'fails'
}

/** What is shown of each key that asks something of the caller. */
const CHECKS: Readonly<
  Record<
    CallerKey,
    (deps: ExplanationDeps, route: Route, config: RouteConfig) => MaybePromise<readonly ExplainedCheck[]>
  >
> = {
  // The check of the token says whether one was found in the places of the route.
  credentials: () => [],
  providers: ({ trial, config, request, brings }, route, routeConfig) => [
    ...(brings === 'session' ? sessionChecks(trial, request, routeConfig, config) : []),
    ...tokenChecks(trial, route, routeConfig, config, brings),
  ],
  // That a token is for the resource is one with the audiences.
  resource: () => [],
  audiences: async (deps, _route, { audiences, resource }) => {
    const checks = await requirementChecks(deps, audienceRequirements({ audiences, resource }, contextOf(deps)))
    if (resource === undefined) return checks
    return checks.map(check => ({ ...check, wanted: `${check.wanted}, by resource ${resource}` }))
  },
  require: (deps, _route, { require, path }) =>
    requirementChecks(deps, requirementsUnder({ require, path }, contextOf(deps))),
  mcp: ({ trial, request, tool }, _route, routeConfig) => callChecks(trial, request, routeConfig, tool),
}

function contextOf({ config, clock }: ExplanationDeps): RequirementContext {
  return requirementContext(config, clock)
}

async function requirementChecks(
  { trial: { findings }, request }: ExplanationDeps,
  requirements: readonly Requirement[],
): Promise<readonly ExplainedCheck[]> {
  const { principal } = findings
  const unmet =
    principal === undefined ? [] : await unmetOf(requirements, principal, { facts: request, path: findings.path })
  return requirements.map(requirement =>
    requirementCheck(requirement, unmet.includes(requirement) ? 'fails' : 'ok', {
      principal,
      facts: request,
      path: findings.path,
    }),
  )
}

/** Tells of a caller who passes every check but whose claims do not fit the headers for the upstream. */
function identityChecks({ findings: { principal }, denial }: Trial): readonly ExplainedCheck[] {
  if (denial?.spec.stage !== 'identity' || principal === undefined) return []
  return [{ check: 'identity', result: 'fails', wanted: 'claims that fit the headers', saw: denialText(denial) }]
}

function requirementCheck(
  requirement: Requirement,
  result: CheckResult,
  { principal, facts, path }: AskedOf & { readonly principal: Principal | undefined },
): ExplainedCheck {
  const check = requirementName(requirement)
  const wanted = wantedText(requirement)
  if (principal === undefined) return { check, result: 'skipped', wanted, saw: 'nobody to ask it of' }
  return { check, result, wanted, saw: sawText(requirement, principal, { facts, path }) }
}

/** Asks each requirement by itself, where a decision stops at the first that refuses. */
export async function unmetOf(
  requirements: readonly Requirement[],
  principal: Principal,
  asked: AskedOf,
): Promise<readonly Requirement[]> {
  const held = await Promise.all(requirements.map(requirement => holds(requirement, principal, asked)))
  return requirements.filter((_, index) => held[index] === false)
}

async function holds({ authorize }: Requirement, principal: Principal, { facts, path }: AskedOf): Promise<boolean> {
  try {
    await authorize(principal, facts, path)
    return true
  } catch (error) {
    if (error instanceof Denial) return false
    throw error
  }
}

/** Leaves tokens out that stand in the query. */
function shownTarget(target: string, { tokenPlaces }: Policy): string {
  const query = target.indexOf('?')
  if (tokenPlaces === undefined || query === -1) return target
  return target.slice(0, query) + tokenPlaces.withoutParameters(target.slice(query))
}

/** What stands for a value that is another with each answer. */
const ANSWER_VALUES: Readonly<Record<string, string>> = {
  'content-length': '(depends on the request id)',
  'dpop-nonce': '(another from time to time)',
}

function responseOf(
  denial: Denial,
  request: RequestFacts,
  findings: Findings,
  refusal: RefusalWriter = refusalResponse,
): Explanation['response'] {
  const { status, headers, body } = refusal(denial, request, findings, '(made for each request)')
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value].flat().map(each => answerLine({ name, value: String(each) })),
  )
  return { status, headers: lines, body }
}

function answered({ status, headers, body }: Answer): Explanation['response'] {
  return { status, headers: linesOf(headers).map(answerLine), body }
}

function answerLine({ name, value }: HeaderLine): HeaderLine {
  return { name, value: ANSWER_VALUES[name.toLowerCase()] ?? value }
}
