/**
 * Requires that something is not long ago: `requireAuthAge` the login (`auth_time`), `requireTokenAge` the issue of the
 * token (`iat`).
 *
 * RFC 9470 §3 (`max_age`), OpenID Connect Core §2 (`auth_time`), RFC 7519 §4.1.6 (`iat`). A refresh makes a new token
 * and is no login, so `iat` never stands in for `auth_time`. The answer changes while the verdict on the token is
 * remembered, so it is asked with every request.
 */
import { Denial, type DenialCode } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { Authorizer, JsonValue, Principal } from '../types.ts'

export interface AgeRules {
  readonly clock: Clock
  /** By how many milliseconds the clock of a provider may be off ours, by its id; none for one that is not listed. */
  readonly tolerancesMs: ReadonlyMap<string, number>
}

/** What can have an age, by the requirement that asks for it. */
const AGES = {
  authAge: { claim: 'auth_time', code: 'step_up_required' },
  tokenAge: { claim: 'iat', code: 'token_too_old' },
} as const satisfies Record<string, { readonly claim: string; readonly code: DenialCode }>
export type AgeKind = keyof typeof AGES

/**
 * Refuses with `step_up_required` for a login, and with `token_too_old` for a token.
 *
 * @param maxMs how many milliseconds ago it may be at most, apart from the tolerance for the provider's clock
 */
export function requireAge(kind: AgeKind, maxMs: number, rules: AgeRules): Authorizer {
  const { code } = AGES[kind]
  return principal => {
    const age = ageMs(kind, principal, rules)
    if (typeof age === 'number' && age <= maxMs + toleranceMs(principal, rules)) return
    throw new Denial(code, { evidence: { requirement: kind, wanted: secondsText(maxMs), seen: shownAge(age) } })
  }
}

/** Says how old the login or the token of a caller is, or why nobody can tell. */
export function seenAge(kind: AgeKind, principal: Principal, rules: AgeRules): string {
  return shownAge(ageMs(kind, principal, rules))
}

/** Writes a duration of the configuration as the claims have their times: in seconds. */
export function secondsText(ms: number): string {
  return `${ms / 1000}s`
}

type NoAge = 'none' | 'no time' | 'in the future'

function ageMs(kind: AgeKind, principal: Principal, rules: AgeRules): number | NoAge {
  const value: JsonValue | undefined = principal.claims[AGES[kind].claim]
  if (value === undefined || value === null) return 'none'
  // The comparison is negated, so that NaN fails, too.
  if (typeof value !== 'number' || !(value >= 0)) return 'no time'
  const age = rules.clock.nowMs() - value * 1000
  return age < -toleranceMs(principal, rules) ? 'in the future' : age
}

function toleranceMs({ provider }: Principal, { tolerancesMs }: AgeRules): number {
  return tolerancesMs.get(provider) ?? 0
}

function shownAge(age: number | NoAge): string {
  return typeof age === 'number' ? secondsText(Math.max(0, Math.floor(age / 1000)) * 1000) : age
}
