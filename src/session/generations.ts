/**
 * The rule by which a session's cookie rotates, and by which a copy of an old cookie is found out.
 *
 * Each refresh makes it possible to hand out one generation more, but the browser is always led to the very next after
 * the one that it has sent, and only when the turn before is over. So at most two cookies are under way at a time, and
 * however late an answer comes and however often answers are lost, a browser on its own never falls back to a cookie
 * that is refused. A cookie before the newest passes for the grace, because requests that had it may be under way.
 */
import type { SessionUse } from './session.ts'

/**
 * - `current`: it passes, and the browser keeps its cookie.
 * - `older`: it passes, and the answer carries the cookie of the generation `next`.
 * - `unknown`: it is of a refresh that the record at hand does not know, which is an old copy.
 * - `reused`: the browser has gone on without it, so two have it.
 */
type CookieStanding =
  | { readonly kind: 'current' | 'unknown' | 'reused' }
  | { readonly kind: 'older'; readonly next: number }

const CURRENT: CookieStanding = { kind: 'current' }
const UNKNOWN: CookieStanding = { kind: 'unknown' }
const REUSED: CookieStanding = { kind: 'reused' }

/**
 * @param generation of the record
 * @param sent of the cookie
 * @param graceMs for how long a request or an answer may be under way
 */
export function standingOf(
  generation: number,
  use: SessionUse,
  sent: number,
  nowMs: number,
  graceMs: number,
): CookieStanding {
  if (sent > generation) return UNKNOWN
  if (sent > use.seen) return CURRENT
  const turnMs = nowMs - use.seenAtMs
  if (sent < use.seen) {
    return sent >= use.seenBefore && turnMs < graceMs ? { kind: 'older', next: use.seen } : REUSED
  }
  // Answers to those with an older cookie lead to this one until the grace ends, and are under way for as long again.
  return sent < generation && turnMs >= 2 * graceMs ? { kind: 'older', next: sent + 1 } : CURRENT
}

/**
 * Notes that a cookie has passed.
 *
 * @returns the same object when it is none that nobody has sent before
 */
export function noted(use: SessionUse, sent: number, nowMs: number): SessionUse {
  if (sent <= use.seen) return use
  // A process that has missed a turn still knows that it was the one before.
  return { ...use, seen: sent, seenAtMs: nowMs, seenBefore: sent - 1 }
}
