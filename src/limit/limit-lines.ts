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

/** What was told last of one limit and a rest of it: most callers have as much left as others had a moment before. */
interface Told {
  readonly pace: Pace
  readonly rest: number
  readonly seconds: number
  readonly lines: readonly string[]
}

const TOLD = 64

/** @returns tells flat names and values; none where every limit is silent */
export function limitLines(): (parts: readonly LimitPart[], nowMs: number) => readonly string[] {
  const toldOnes: Told[] = []

  const linesOfOne = ({ limit, pace, bucket }: LimitPart, nowMs: number): readonly string[] => {
    const aheadMs = Math.max(0, bucket.paidUntilMs - nowMs)
    const rest = remaining(pace, aheadMs)
    const seconds = Math.ceil(aheadMs / 1_000)
    const known = toldOnes[rest % TOLD]
    if (known?.pace === pace && known.rest === rest && known.seconds === seconds) return known.lines
    const { id } = limit.definition
    const lines = ['RateLimit-Policy', `"${id}";${policyOf(pace)}`, 'RateLimit', `"${id}";r=${rest};t=${seconds}`]
    toldOnes[rest % TOLD] = { pace, rest, seconds, lines }
    return lines
  }

  return (parts, nowMs) => {
    const [first] = parts
    if (parts.length === 1 && first !== undefined)
      return first.limit.definition.headers === 'off' ? [] : linesOfOne(first, nowMs)
    const each = parts.filter(({ limit }) => limit.definition.headers === 'on').map(part => linesOfOne(part, nowMs))
    if (each.length === 0) return []
    const joined = (at: number): string => each.map(lines => lines[at]).join(', ')
    return ['RateLimit-Policy', joined(1), 'RateLimit', joined(3)]
  }
}

function policyOf({ burst, toleranceMs }: Pace): string {
  return `q=${burst};w=${Math.max(1, Math.ceil(toleranceMs / 1_000))}`
}
