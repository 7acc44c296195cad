/**
 * Requires how the caller has logged in, by the claim `acr`.
 *
 * RFC 9470 §3 (step-up), §6.1 and OpenID Connect Core §2 (`acr`, which is compared byte for byte). Only its issuer
 * knows which value is the stronger one of two, so a provider without `acrOrder` has no stronger ones.
 */
import { Denial } from '../errors.ts'
import type { Authorizer, Claims } from '../types.ts'

/** The `acrOrder` of each provider that has one, by its id: the weakest value comes first. */
export type AcrOrders = ReadonlyMap<string, readonly string[]>

const MAX_SHOWN = 200

/** Refuses with `step_up_required`, which names the values that the route lists. */
export function requireAcr(wanted: readonly string[], orders: AcrOrders): Authorizer {
  const listed: ReadonlySet<string> = new Set(wanted)
  const byProvider = new Map([...orders].map(([id, order]) => [id, new Set(acceptedAcrs(wanted, order))]))
  return ({ provider, claims }) => {
    const { acr } = claims
    if (typeof acr === 'string' && (byProvider.get(provider) ?? listed).has(acr)) return
    throw new Denial('step_up_required', { evidence: { requirement: 'acr', wanted, seen: seenAcr(claims) } })
  }
}

/** @returns the values that are wanted, and those that stand above the lowest of them */
export function acceptedAcrs(wanted: readonly string[], order: readonly string[] = []): readonly string[] {
  const lowest = order.findIndex(value => wanted.includes(value))
  return lowest === -1 ? wanted : [...new Set([...wanted, ...order.slice(lowest)])]
}

/** Says which `acr` a token has, for people. */
export function seenAcr({ acr }: Claims): string {
  if (acr === undefined || acr === null) return 'none'
  return typeof acr === 'string' ? acr.slice(0, MAX_SHOWN) : 'no text'
}
