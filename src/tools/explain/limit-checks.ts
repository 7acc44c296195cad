/**
 * Shows the limits of a route: how much they let through, whose quota this caller spends, and who counts.
 *
 * A tool begins with limits that nobody has spent of, so a single request is always within them.
 */
import { claimReader } from '../../claim-reader.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { clientAddressReader, trustedProxies } from '../../downstream/client-address.ts'
import { type KeyPart, networkOf } from '../../limit/limit-key.ts'
import type { Principal, RequestFacts } from '../../types.ts'
import { chosenRate, limitName, limitText, seenClaim } from '../text/limit-text.ts'
import type { ExplainedCheck } from './explained-check.ts'

interface Counted {
  readonly request: RequestFacts
  /** Undefined for an anonymous caller. */
  readonly principal: Principal | undefined
  /** Whether the request got past all that is judged before it is counted. */
  readonly isReached: boolean
}

export function limitChecks(
  { rateLimits: ids = [], id: route }: RouteConfig,
  config: Config,
  { request, principal, isReached }: Counted,
): readonly ExplainedCheck[] {
  return ids.flatMap((id): readonly ExplainedCheck[] => {
    const limit = config.rateLimits[id]
    if (limit === undefined) return []
    const chosen = chosenRate(limit, principal?.claims)
    const wanted = limitText(limit, chosen)
    const check = limitName(id)
    if (!isReached) return [{ check, result: 'skipped', wanted, saw: 'nothing: only what may pass is counted' }]
    const claim = 'claim' in limit.rate ? [{ claim: limit.rate.claim }] : []
    const parts = [...limit.key, ...claim.filter(each => !limit.key.some(part => isClaim(part, each.claim)))]
    const saw = parts.map(part => seenPart(part, { config, request, principal, route })).join('; ')
    return [{ check, result: 'ok', wanted, saw }]
  })
}

function isClaim(part: KeyPart, claim: string): boolean {
  return typeof part === 'object' && part.claim === claim
}

interface Seen extends Omit<Counted, 'isReached'> {
  readonly config: Config
  readonly route: string
}

function seenPart(part: KeyPart, { config, request, principal, route }: Seen): string {
  switch (part) {
    case 'route':
      return `route is ${route}`
    case 'provider':
      return `provider is ${principal?.provider ?? 'missing'}`
    case 'client': {
      const address = clientAddressReader(trustedProxies(config.listen?.trustedProxies ?? []))(request)
      return `client is ${address === undefined ? 'missing' : networkOf(address)}`
    }
    default:
      return seenClaim(`claims.${part.claim}`, principal && claimReader(part.claim)(principal.claims))
  }
}
