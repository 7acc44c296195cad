/**
 * Decides whether a request may pass: head → path and route → credential → principal → identity → requirements.
 *
 * Each step is a stage of its own that throws a {@link Denial}; this file is their order. It knows no socket, so the
 * gateway can ask it, and so can every command that explains or tests a policy. It returns a promise only when a key, a
 * slow signature or a requirement has to be waited for.
 *
 * The caller brings the {@link Findings} that this file, and no other, fills. They are needed even when nothing is
 * returned: a refusal is counted for its route, and a client may leave while its keys are fetched.
 */
import { extractCredential } from './authenticate/extract.ts'
import { checkHead } from './downstream/head.ts'
import { Denial } from './errors.ts'
import { andThen, type MaybePromise } from './lib/maybe-promise.ts'
import type { Decision, Findings, Policy, Route, Undecided } from './policy.ts'
import type { Answer, Principal, RequestFacts, WantedBody } from './types.ts'

/**
 * @param findings filled on the way; what is returned is the same object
 * @throws {Denial} the request is refused
 */
export function decide(facts: RequestFacts, policy: Policy, findings: Undecided): MaybePromise<Decision> {
  const { host, bodyBytes } = checkHead(facts, policy.limits)
  findings.host = host
  policy.checkClientCertificate?.(facts)
  findings.bodyBytes = bodyBytes
  const { route: target, path, query } = policy.matcher.resolve(facts.method, facts.target, host)
  findings.path = path
  findings.query = policy.tokenPlaces === undefined ? query : policy.tokenPlaces.withoutParameters(query)
  if (target.kind === 'endpoint') {
    findings.endpoint = target
    checkBodyLength(findings, policy)
    return andThen(target.respond(facts), answer =>
      'mostBytes' in answer ? bodyWanted(findings, answer) : responded(findings, answer),
    )
  }
  findings.route = target
  checkBodyLength(findings, policy)
  if (target.access === 'public') return forwarded(findings)
  try {
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
  if (credential?.place === 'query') findings.hasQueryToken = true
  if (credential !== undefined) return route.authenticate(credential, facts, findings)
  if (route.access === 'optional') return undefined
  throw new Denial('token_missing')
}

/** Lets a caller pass who meets the requirements, or who is anonymous where that is allowed. */
function admit(
  facts: RequestFacts,
  { identity }: Policy,
  findings: Undecided,
  route: Route,
  principal: Principal | undefined,
): MaybePromise<Decision> {
  if (principal === undefined) return forwarded(findings)
  findings.principal = principal
  // These lines come before the requirements, so that a report-only route passes the identity on in any case.
  findings.identityLines = identity.lines(principal)
  try {
    const allowed = route.authorize(principal, facts)
    if (allowed instanceof Promise)
      return allowed.then(
        () => forwarded(findings),
        (error: unknown) => tolerate(findings, route, error),
      )
  } catch (error) {
    return tolerate(findings, route, error)
  }
  return forwarded(findings)
}

/** On a report-only route a refusal is noted and the request passes, unless a limit of size or a bug is the reason. */
function tolerate(findings: Undecided, route: Route, error: unknown): Decision {
  if (route.mode === 'enforce' || !(error instanceof Denial) || error.spec.reportable !== true) throw error
  findings.reported = error
  route.metrics.reportDenial(error.code)
  return forwarded(findings)
}

/** Call it when the findings have their route. */
function forwarded(findings: Undecided): Decision {
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
