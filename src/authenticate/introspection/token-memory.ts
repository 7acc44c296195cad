/**
 * Remembers what a server said about tokens: those that were active, and those that were not, each kind for itself.
 *
 * Strangers can make up as many tokens as they like, and all of those are inactive. So they push out one another, and
 * never a token that somebody works with. A token that was active stays known when the time of its answer is over,
 * because its caller goes before strangers when it is asked about again.
 */
import { LRUCache } from 'lru-cache'
import type { Claims } from '../../types.ts'
import type { HeardInactive } from './heard-inactive.ts'
import { HeldAnswer, type KnownToken } from './known-token.ts'

interface TokenMemoryOptions {
  /** Most tokens of each kind. */
  readonly entries: number
  /** How long an active answer is in force, from when it was asked for. */
  readonly ttlMs: number
  /** How long an inactive answer is in force, from when it came. */
  readonly inactiveTtlMs: number
  readonly heard: HeardInactive
}

export interface TokenMemory {
  readonly activeTokens: number
  readonly inactiveTokens: number
  /** The token, when it was active when it was last asked about. */
  known(key: string): KnownToken | undefined
  isInactive(key: string, nowMs: number): boolean
  /** Whether it was called inactive, and not active since, within the time in which every stream looks. */
  wasInactive(key: string, nowMs: number): boolean
  /** Puts a new answer in the place of the one before. @param known says of which token it is */
  setActive(known: KnownToken, claims: Claims, askedAtMs: number): HeldAnswer
  /** @param known the token, where others still rely on an answer about it */
  setInactive(key: string, known: KnownToken | undefined, nowMs: number): void
}

/** Weight that a token may have on average; when tokens are heavier, fewer are remembered. */
const AVERAGE_ENTRY_BYTES = 8 * 1024

export function tokenMemory({ entries, ttlMs, inactiveTtlMs, heard }: TokenMemoryOptions): TokenMemory {
  const maxSize = entries * AVERAGE_ENTRY_BYTES
  const active = new LRUCache<string, HeldAnswer>({
    max: entries,
    maxSize,
    sizeCalculation: answer => Math.min(weightBytes(answer), maxSize),
    // An answer that could not be taken back any more must not be relied on either.
    dispose: answer => {
      answer.holdsUntilMs = Number.NEGATIVE_INFINITY
    },
  })
  /** Until when each is in force. */
  const inactive = new LRUCache<string, number>({ max: entries })

  return {
    get activeTokens() {
      return active.size
    },
    get inactiveTokens() {
      return inactive.size
    },
    known: key => active.get(key)?.known,
    isInactive(key, nowMs) {
      const untilMs = inactive.get(key)
      if (untilMs === undefined) return false
      if (nowMs < untilMs) return true
      inactive.delete(key)
      return false
    },
    wasInactive: (key, nowMs) => heard.within(key, nowMs),
    setActive(known, claims, askedAtMs) {
      const answer = new HeldAnswer(known, claims, { askedAtMs, ttlMs })
      known.said = answer
      inactive.delete(known.key)
      heard.forget(known.key)
      active.set(known.key, answer)
      return answer
    },
    setInactive(key, known, nowMs) {
      const remembered = active.peek(key)?.known
      for (const each of [known, remembered]) if (each !== undefined) each.said = 'inactive'
      active.delete(key)
      heard.note(key, nowMs)
      if (inactiveTtlMs > 0) inactive.set(key, nowMs + inactiveTtlMs)
    },
  }
}

/** What claims weigh whose text cannot be made, because they are nested too deep. */
const UNKNOWN_CLAIMS_BYTES = 128 * 1024

/** The claims are as large as their text, at least; see `token-cache.ts` for what a token weighs. */
function weightBytes({ token, claims }: HeldAnswer): number {
  return 1024 + token.length * 3 + claimsBytes(claims)
}

function claimsBytes(claims: Claims): number {
  try {
    return JSON.stringify(claims).length * 2
  } catch {
    return UNKNOWN_CLAIMS_BYTES
  }
}
