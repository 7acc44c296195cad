/**
 * Decides whether a request may pass: head → path and route → credential → principal → requirements → identity.
 *
 * Each step is a stage of its own that throws a {@link Denial}; this file is their order. It answers synchronously unless
 * a token's key or a slow signature has to be waited for.
 */

import { extractCredential } from './authenticate/extract.ts'
import { checkHead, type RawHead } from './downstream/head.ts'
import { Denial } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Route } from './policy.ts'
import { pathInvalid } from './route/target.ts'
import type { Principal, RequestFacts } from './types.ts'

/**
 * @returns the route to forward to, once everything holds
 * @throws {Denial}
 */
export function decide(exchange: Exchange): Route | Promise<Route> {
  const { raw, policy } = exchange
  const { method = '' } = raw
  const head = checkHead(raw, policy.limits)
  // Only HTTP/1.1 has other forms of a target (RFC 9113 §8.3.1).
  if (raw.httpVersion === '2' && !exchange.target.startsWith('/')) throw pathInvalid('target_form')
  exchange.host = head.host
  exchange.bodyBytes = head.bodyBytes
  const match = policy.matcher.resolve(method, exchange.target, head.host)
  const { route } = match
  exchange.route = route
  exchange.path = match.path
  exchange.query = match.query
  checkBodyLength(exchange)
  if (route.access === 'public') return route
  try {
    const principal = authenticate(exchange, route)
    return principal instanceof Promise
      ? principal.then(
          found => admit(exchange, route, found),
          (error: unknown) => tolerate(exchange, route, error),
        )
      : admit(exchange, route, principal)
  } catch (error) {
    return tolerate(exchange, route, error)
  }
}

/** @returns undefined for an anonymous caller of an `optional` route */
function authenticate(exchange: Exchange, route: Route): Principal | undefined | Promise<Principal> {
  const { raw, policy } = exchange
  const credential = extractCredential(raw.rawHeaders, policy.limits.tokenBytes)
  if (credential !== undefined) return route.authenticate(credential, factsOf(exchange))
  if (route.access === 'optional') return undefined
  throw new Denial('token_missing')
}

function factsOf({ raw, target, peer }: Exchange): RequestFacts {
  const { method = '', httpVersion, rawHeaders, hasBody, headBytes = 0 }: RawHead = raw
  return { method, target, httpVersion, rawHeaders, peer, hasBody, headBytes }
}

/** The caller is known, or is anonymous where that is allowed. */
function admit(exchange: Exchange, route: Route, principal: Principal | undefined): Route {
  if (principal === undefined) return route
  exchange.principal = principal
  // Before the requirements, so that a report-only route passes the identity on whatever it would have decided.
  exchange.identityLines = exchange.policy.identity.lines(principal)
  try {
    route.authorize(principal)
  } catch (error) {
    return tolerate(exchange, route, error)
  }
  return route
}

/** On a report-only route a refusal is noted and the request passes. Limits and bugs refuse there, too. */
function tolerate(exchange: Exchange, route: Route, error: unknown): Route {
  if (route.mode === 'enforce' || !(error instanceof Denial) || error.code === 'identity_too_large') throw error
  exchange.reported = error
  route.metrics.reportDenial(error.code)
  return route
}

function checkBodyLength({ bodyBytes, policy }: Exchange): void {
  if (bodyBytes !== undefined && bodyBytes > policy.limits.bodyBytes) {
    throw new Denial('body_too_large', { evidence: { limit_bytes: policy.limits.bodyBytes } })
  }
}
