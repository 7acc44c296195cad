/**
 * Makes, of the policy in force, the one that is asked for other proxies: it refuses what takes more than a yes or no.
 *
 * Bodies are not read for a decision, nobody is sent to a login by one, no token is issued for one, and the gateway's
 * own endpoints answer on its traffic listener alone. Such a route or endpoint is found as ever, so that no other one
 * takes its place.
 */
import { Denial } from '../errors.ts'
import type { Endpoint, Policy, Route } from '../policy.ts'

/** Returns the same object for the same policy. */
export function decidedPolicies(): (policy: Policy) => Policy {
  const made = new WeakMap<Policy, Policy>()
  return policy => {
    const known = made.get(policy)
    if (known !== undefined) return known
    const decided = decidedPolicy(policy)
    made.set(policy, decided)
    return decided
  }
}

export function decidedPolicy(policy: Policy): Policy {
  const { matcher } = policy
  const others = new Map<Route | Endpoint, Route | Endpoint>(
    policy.routes.flatMap(route => {
      const reason = reasonOf(route)
      return reason === undefined ? [] : [[route, refusing(route, reason)] as const]
    }),
  )
  return Object.freeze({
    ...policy,
    matcher: {
      ...matcher,
      resolve(method, target, host) {
        const found = matcher.resolve(method, target, host)
        if (found.route.kind === 'endpoint') return { ...found, route: unanswered(found.route) }
        const other = others.get(found.route)
        return other === undefined ? found : { ...found, route: other }
      },
      match(method, path) {
        const found = matcher.match(method, path)
        return found === undefined ? undefined : (others.get(found) ?? found)
      },
    } satisfies Policy['matcher'],
  })
}

/** @returns undefined for a route that a yes or no is enough for */
function reasonOf({ calls, challenge, issuedTokens }: Route): string | undefined {
  if (calls !== undefined) return 'calls of tools are judged by bodies'
  if (issuedTokens !== undefined) return 'the service gets a token that is issued for the caller'
  return challenge.login?.isForNavigations === true ? 'callers without a session are sent to log in' : undefined
}

/** It refuses everybody, before it looks at a token and whatever its mode is. */
function refusing(route: Route, reason: string): Route {
  return Object.freeze({
    ...route,
    access: 'required' as const,
    mode: 'enforce' as const,
    readCredential: (): never => {
      throw new Denial('route_undecidable', { evidence: { reason } })
    },
    cors: undefined,
    session: undefined,
    limits: undefined,
    calls: undefined,
    issuedTokens: undefined,
    challenge: { ...route.challenge, login: undefined },
  })
}

function unanswered(endpoint: Endpoint): Endpoint {
  return {
    ...endpoint,
    respond: (): never => {
      throw new Denial('route_undecidable', { evidence: { reason: 'the gateway answers there by itself' } })
    },
  }
}
