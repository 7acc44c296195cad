/** Says in words what a limit lets through, and whose quota a caller spends. */
import { claimReader } from '../../claim-reader.ts'
import { partText } from '../../config/schema/rate-limit-schema.ts'
import type { RateLimitConfig } from '../../config/schema/schema.ts'
import { defaultBurst, type Rate, rateText } from '../../limit/rate.ts'
import type { Claims, JsonValue } from '../../types.ts'

/** Names a limit as the file does: `rateLimits.per-tenant`. */
export function limitName(id: string): string {
  return `rateLimits.${id}`
}

/** Says who shares a quota: `claims.tenant and route`. */
export function keyText({ key }: Pick<RateLimitConfig, 'key'>): string {
  return key.map(partText).join(' and ')
}

/** One rate of a limit, and the value of the claim that chooses it; undefined for the one of all others. */
export interface ChosenRate {
  readonly rate: Rate
  readonly value: string | undefined
}

/** All rates of a limit. */
export function ratesOf({ rate }: Pick<RateLimitConfig, 'rate'>): readonly ChosenRate[] {
  if (!('claim' in rate)) return [{ rate, value: undefined }]
  const byValue = Object.entries(rate.values).map(([value, each]) => ({ rate: each, value }))
  return [...byValue, { rate: rate.default, value: undefined }]
}

/** How many requests may come at once at this rate. */
export function burstOf({ burst }: Pick<RateLimitConfig, 'burst'>, { rate }: Pick<ChosenRate, 'rate'>): number {
  return burst ?? defaultBurst(rate)
}

/** Finds the rate of a caller, and names the claim that chose it. @param claims undefined for anonymous callers */
export function chosenRate({ rate }: Pick<RateLimitConfig, 'rate'>, claims: Claims | undefined): ChosenRate {
  if (!('claim' in rate)) return { rate, value: undefined }
  const seen = claims && claimReader(rate.claim)(claims)
  const value = seen === undefined || typeof seen === 'object' ? undefined : String(seen)
  const own = value !== undefined && Object.hasOwn(rate.values, value) ? rate.values[value] : undefined
  return own === undefined ? { rate: rate.default, value: undefined } : { rate: own, value }
}

/** Names a rate that a claim chooses: `plan gold`, `another plan`; empty where the limit has one rate. */
export function choiceText({ rate }: Pick<RateLimitConfig, 'rate'>, { value }: Pick<ChosenRate, 'value'>): string {
  if (!('claim' in rate)) return ''
  return value === undefined ? `another ${rate.claim}` : `${rate.claim} ${value}`
}

/** Names a limit with what chooses its rate: `rateLimits.per-caller (plan gold)`. */
export function limitItem(id: string, limit: RateLimitConfig, chosen: Pick<ChosenRate, 'value'>): string {
  const choice = choiceText(limit, chosen)
  return `${limitName(id)}${choice === '' ? '' : ` (${choice})`}`
}

/** `at most 100/s, 200 at once, by one claims.tenant, in each gateway` */
export function limitText(limit: RateLimitConfig, chosen: ChosenRate): string {
  const choice = choiceText(limit, chosen)
  const most = `at most ${rateText(chosen.rate)}, ${burstOf(limit, chosen)} at once, by one ${keyText(limit)}`
  return `${most}${choice === '' ? '' : ` with ${choice}`}, ${sharingText(limit)}`
}

function sharingText({ store, exact }: RateLimitConfig): string {
  if (!store) return 'in each gateway'
  return exact ? 'in all gateways together, exactly' : 'in all gateways together'
}

/** `claims.tenant is "acme"`; of a claim that is not there, that all who lack it share what it makes. */
export function seenClaim(name: string, value: JsonValue | undefined): string {
  return value === undefined || value === null
    ? `${name} is missing: all callers without it share one quota`
    : `${name} is ${JSON.stringify(value)}`
}
