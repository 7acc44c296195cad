/**
 * Refuses a request that a limit does not let pass: says which limits those are, and when the next request is within
 * them.
 *
 * Quota Exceeded (draft-ietf-httpapi-ratelimit-headers-11, `violated-policies`), RFC 6585 §4 (429). The record has the
 * pace that the caller was held to, since a claim may have chosen it. It has no keys, because they are made of what is
 * known about people; the line of a request says who has sent it.
 */
import { Denial } from '../errors.ts'
import type { LimitPart } from './limit-lines.ts'
import { waitMs } from './pace.ts'
import { rateText } from './rate.ts'
import type { RateLimit } from './rate-limit.ts'

/** @param over what was met, one or more */
export function limitMet(over: readonly LimitPart[], nowMs: number): Denial {
  const retryAfterMs = Math.max(...over.map(({ pace, bucket }) => waitMs(pace, bucket.paidUntilMs - nowMs)))
  return new Denial('rate_limited', {
    evidence: {
      limits: over.map(({ limit }) => limit.definition.id),
      rates: over.map(({ pace }) => rateText(pace.rate)),
      bursts: over.map(({ pace }) => pace.burst),
      retry_after_ms: Math.ceil(retryAfterMs),
    },
    retryAfterMs,
    // A limit that is silent is in the log alone.
    violatedPolicies: over.flatMap(({ limit: { definition } }) => (definition.headers === 'on' ? [definition.id] : [])),
  })
}

/** @param away those that may not count without the store, and cannot reach it */
export function limitUnknown(away: ReadonlyArray<Pick<RateLimit, 'definition' | 'ledger'>>): Denial {
  const failures = away.map(({ ledger }) => ledger?.status().lastError)
  const [lastError] = failures.filter(failure => failure !== undefined)
  return new Denial('rate_limit_unavailable', {
    evidence: {
      limits: away.map(({ definition }) => definition.id),
      reason: lastError === undefined ? 'the store cannot be reached' : `the store ${lastError}`,
    },
  })
}
