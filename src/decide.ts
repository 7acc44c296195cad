/**
 * Decides whether a request may pass: head → path and route → credential → principal → identity → requirements →
 * limits.
 *
 * Each step is a stage of its own that throws a {@link Denial}; this file is their order. It knows no socket, so the
 * gateway can ask it, and so can every command that explains or tests a policy. It returns a promise only when a key, a
 * slow signature, a requirement or an exact limit has to be waited for.
 *
 * The caller brings the {@link Findings} that this file, and no other, fills. They are needed even when nothing is
 * returned: a refusal is counted for its route, and a client may leave while its keys are fetched.
 */
import { extractCredential } from './authenticate/extract.ts'
import { checkHead } from './downstream/head.ts'
import { Denial } from './errors.ts'
import { andThen, type MaybePromise } from './lib/maybe-promise.ts'
import type { CallJudge } from './mcp/call-judge.ts'
import type { Decision, Endpoint, Findings, ForwardDecision, JudgedBody, Policy, Route, Undecided } from './policy.ts'
import { askedBy, type Cors, checkOrigin, VARY } from './route/cors.ts'
import { type Preflight, preflightLines, preflightOf, preflightRoute } from './route/preflight.ts'
import type { Answer, OwnRoutes, Principal, RequestFacts, WantedBody } from './types.ts'

/**
 * @param findings filled on the way; what is returned is the same object
 * @throws {Denial} the request is refused
 */
export function decide(facts: RequestFacts, policy: Policy, findings: Undecided): MaybePromise<Decision> {
  const { host, bodyBytes } = checkHead(facts, policy.limits)
  findings.host = host
  policy.checkClientCertificate?.(facts)
  findings.bodyBytes = bodyBytes
  const preflight = policy.answersPreflights && facts.method === 'OPTIONS' ? preflightOf(facts.rawHeaders) : undefined
  const { matcher } = policy
  const found =
    preflight === undefined
      ? matcher.resolve(facts.method, facts.target, host)
      : preflightRoute<Route | Endpoint>(preflight, {
          resolve: method => matcher.resolve(method, facts.target, host),
          corsOf,
        })
  const { route: target, path, query } = found
  findings.path = path
  findings.query = policy.tokenPlaces === undefined ? query : policy.tokenPlaces.withoutParameters(query)
  if (target.kind === 'endpoint') {
    findings.endpoint = target
    checkBodyLength(findings, policy)
    return andThen(target.respond(facts, ownRoutes(policy, host), findings), answer =>
      'mostBytes' in answer ? bodyWanted(findings, answer) : responded(findings, answer),
    )
  }
  findings.route = target
  if (preflight !== undefined && hasCors(target)) return answerPreflight(preflight, findings, target, policy)
  const { cors } = target
  const asking = cors && askedBy(facts.rawHeaders)
  if (cors !== undefined && asking !== undefined) findings.responseLines = cors.answerLines(asking)
  checkBodyLength(findings, policy)
  try {
    if (cors !== undefined) checkOrigin(cors, asking?.origin)
    if (target.access === 'public') return pass(facts, findings, target)
    const principal = authenticate(facts, policy, findings, target, query)
    return principal instanceof Promise
      ? principal.then(
          found => admit(facts, policy, findings, target, found),
          (error: unknown) => tolerate(findings, target, error),
        )
      : admit(facts, policy, findings, target, principal)
  } catch (error) {
    return tolerate(findings, target, error)
  }
}

function hasCors(route: Route): route is Route & { readonly cors: Cors } {
  return route.cors !== undefined
}

function corsOf(target: Route | Endpoint | undefined): Cors | undefined {
  return target?.kind === 'route' ? target.cors : undefined
}

/** Lets a page read the refusal of a request that nobody has decided about, if the route of that lets it. */
export function letPageRead(facts: RequestFacts, policy: Policy, findings: Undecided): void {
  if (!policy.answersPreflights) return
  try {
    const { host } = checkHead(facts, policy.limits)
    const cors = corsOf(policy.matcher.resolve(facts.method, facts.target, host).route)
    if (cors !== undefined) findings.responseLines = cors.answerLines(askedBy(facts.rawHeaders))
  } catch (error) {
    if (!(error instanceof Denial)) throw error
  }
}

/**
 * Answers a preflight, which never reaches the service, and looks at no token.
 *
 * @throws {Denial} `cors_refused`
 */
function answerPreflight(
  preflight: Preflight,
  findings: Undecided,
  { cors, metrics }: Route & { readonly cors: Cors },
  { matcher }: Policy,
): Decision {
  try {
    const headers = preflightLines(preflight, cors, method => corsOf(matcher.match(method, findings.path)))
    metrics.answeredPreflight('allowed')
    return responded(findings, { status: 204, headers, body: '' })
  } catch (error) {
    metrics.answeredPreflight('refused')
    findings.responseLines = VARY
    throw error
  }
}

/** @returns undefined for an anonymous caller of an `optional` route */
function authenticate(
  facts: RequestFacts,
  { credentialRules }: Policy,
  findings: Undecided,
  route: Route,
  query: string,
): MaybePromise<Principal | undefined> {
  const { readCredential } = route
  const credential =
    readCredential === undefined ? extractCredential(facts.rawHeaders, credentialRules) : readCredential(facts, query)
  if (credential?.place === 'query') findings.isPrivate = true
  if (credential !== undefined) return route.authenticate(credential, facts, findings)
  const { session } = route
  return session === undefined
    ? nobody(route)
    : andThen(session.authenticate(facts, findings), of => of ?? nobody(route))
}

/** @throws {Denial} `token_missing` */
function nobody({ access }: Route): undefined {
  if (access === 'optional') return undefined
  throw new Denial('token_missing')
}

/** What our own endpoints may ask about routes: a login returns to a page of the policy that it began under. */
function ownRoutes({ matcher }: Policy, host: string): OwnRoutes {
  return {
    asked(target, method = 'GET') {
      try {
        const { route } = matcher.resolve(method, target, host)
        return route.kind === 'route' ? route.challenge : undefined
      } catch (error) {
        if (error instanceof Denial) return undefined
        throw error
      }
    },
  }
}

/** Lets a caller pass who meets the requirements, or who is anonymous where that is allowed. */
function admit(
  facts: RequestFacts,
  { identity }: Policy,
  findings: Undecided,
  route: Route,
  principal: Principal | undefined,
): MaybePromise<Decision> {
  if (principal === undefined) return pass(facts, findings, route)
  findings.principal = principal
  // These lines come before the requirements, so that a report-only route passes the identity on in any case.
  const lines = identity.lines(principal)
  findings.identityLines = route.session === undefined ? lines : route.session.linesFor(principal, lines)
  try {
    const allowed = route.authorize(principal, facts, findings.path)
    if (allowed instanceof Promise)
      return allowed.then(
        () => pass(facts, findings, route),
        (error: unknown) => fail(facts, findings, route, error),
      )
  } catch (error) {
    return fail(facts, findings, route, error)
  }
  return pass(facts, findings, route)
}

/** Counts a request that may pass, and goes on if that is within the limits of its route. */
function pass(facts: RequestFacts, findings: Undecided, route: Route): MaybePromise<Decision> {
  const { limits } = route
  if (limits === undefined) return passOn(facts, findings, route)
  try {
    const taken = limits.take(findings.principal, facts, findings)
    if (taken instanceof Promise)
      return taken.then(
        () => passOn(facts, findings, route),
        (error: unknown) => tolerate(findings, route, error),
      )
  } catch (error) {
    return tolerate(findings, route, error)
  }
  return passOn(facts, findings, route)
}

/**
 * Forwards a request, unless its body has to be judged first.
 *
 * @param lacking the scope that the caller does not have, where that is the only requirement it has failed until now
 */
function passOn(facts: RequestFacts, findings: Undecided, route: Route, lacking?: Denial): Decision {
  const { calls } = route
  if (calls === undefined) return forwarded(findings)
  try {
    if (calls.judgesBodyOf(facts, findings.bodyBytes)) return bodyJudged(facts, findings, { route, calls, lacking })
    if (lacking !== undefined) throw lacking
    return forwarded(findings)
  } catch (error) {
    return tolerate(findings, route, error)
  }
}

/** Refuses a request, unless its body says which further scopes the caller will need: it should ask for all at once. */
function fail(facts: RequestFacts, findings: Undecided, route: Route, problem: unknown): Decision {
  const error = afterStepUp(findings, route, problem)
  if (route.calls === undefined || !(error instanceof Denial) || error.code !== 'scope_missing')
    return tolerate(findings, route, error)
  return passOn(facts, findings, route, error)
}

function afterStepUp({ principal }: Findings, { session, challenge }: Route, error: unknown): unknown {
  if (session === undefined || principal === undefined) return error
  if (!(error instanceof Denial) || error.code !== 'step_up_required') return error
  return session.stepUpRefusal(principal, error, challenge)
}

interface Judged {
  readonly route: Route
  readonly calls: CallJudge
  /** What the route misses already. */
  readonly lacking: Denial | undefined
}

function bodyJudged(facts: RequestFacts, findings: Undecided, { route, calls, lacking }: Judged): Decision {
  checkLength(findings, calls.maxBytes)
  findings.kind = 'judge'
  findings.answer = {
    mostBytes: calls.maxBytes,
    judge(body) {
      try {
        calls.judge(body, facts, { principal: findings.principal, lacking })
        return forwarded(findings)
      } catch (error) {
        return tolerate(findings, route, error)
      }
    },
  }
  return findings as Undecided & { readonly kind: 'judge'; readonly route: Route; readonly answer: JudgedBody }
}

/** On a report-only route a refusal is noted and the request passes, unless a limit of size or a bug is the reason. */
function tolerate(findings: Undecided, route: Route, error: unknown): ForwardDecision {
  if (route.mode === 'enforce' || !(error instanceof Denial) || error.spec.reportable !== true) throw error
  findings.reported = error
  route.metrics.reportDenial(error.code)
  return forwarded(findings)
}

/** Call it when the findings have their route. */
function forwarded(findings: Undecided): ForwardDecision {
  findings.kind = 'forward'
  return findings as Undecided & { readonly kind: 'forward'; readonly route: Route }
}

function responded(findings: Undecided, answer: Answer): Decision {
  findings.kind = 'respond'
  findings.answer = answer
  return findings as Undecided & { readonly kind: 'respond'; readonly answer: Answer }
}

function bodyWanted(findings: Undecided, wanted: WantedBody): Decision {
  checkLength(findings, wanted.mostBytes)
  findings.kind = 'read'
  findings.answer = wanted
  return findings as Undecided & { readonly kind: 'read'; readonly answer: WantedBody }
}

function checkBodyLength(findings: Findings, { limits }: Policy): void {
  checkLength(findings, limits.bodyBytes)
}

function checkLength({ bodyBytes }: Findings, mostBytes: number): void {
  if (bodyBytes !== undefined && bodyBytes > mostBytes) {
    throw new Denial('body_too_large', { evidence: { limit_bytes: mostBytes } })
  }
}
