/**
 * Tells a caller what is left of his quotas, in fields of the answer.
 *
 * RateLimit header fields for HTTP (draft-ietf-httpapi-ratelimit-headers-11): `RateLimit-Policy` says how much there is
 * in which time, and `RateLimit` what remains now, and in how many seconds all of it is there again. The names are
 * those of the configuration, which need no escapes.
 *
 * A cache may keep an answer, if its service lets it. The fields say then what was left of somebody else, and clients
 * ignore them on what comes from a cache. `Cache-Control` stays as it is: `private` would end the caching of all that
 * is counted, since hardly any cache takes it for single fields (RFC 9111 §5.2.2.7).
 */
import { type Pace, remaining } from './pace.ts'
import type { RateLimit, Spender } from './rate-limit.ts'

/** What a request spends of one limit. */
export type LimitPart = Omit<Spender, 'limit'> & { readonly limit: Pick<RateLimit, 'definition'> }

/** @returns flat names and values; none where every limit is silent */
export function limitLines(parts: readonly LimitPart[], nowMs: number): readonly string[] {
  const told = parts.filter(({ limit }) => limit.definition.headers === 'on')
  if (told.length === 0) return []
  const policies = told.map(({ limit, pace }) => `"${limit.definition.id}";${policyOf(pace)}`)
  const rests = told.map(({ limit, pace, bucket }) => {
    const aheadMs = Math.max(0, bucket.paidUntilMs - nowMs)
    return `"${limit.definition.id}";r=${remaining(pace, aheadMs)};t=${Math.ceil(aheadMs / 1_000)}`
  })
  return ['RateLimit-Policy', policies.join(', '), 'RateLimit', rests.join(', ')]
}

function policyOf({ burst, toleranceMs }: Pace): string {
  return `q=${burst};w=${Math.max(1, Math.ceil(toleranceMs / 1_000))}`
}
