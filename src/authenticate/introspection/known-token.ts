/**
 * What is remembered of a token that a server called active: its last answer, and until when that is in force.
 *
 * The memory, the requests and the streams share one {@link KnownToken}. An answer points to its token, and the token
 * only to its newest answer, so that whoever still has an old answer does not keep all that came after it.
 */
import type { Claims } from '../../types.ts'
import type { ActiveAnswer } from './answer.ts'

/** From this part of its time on an answer is renewed. */
const ASK_AHEAD_FROM = 0.8

/** How long an attempt to renew an answer is not repeated after it failed. */
export const ASK_AHEAD_BACKOFF_MS = 500

export class KnownToken {
  /** SHA-256 of the whole token. */
  readonly key: string
  readonly token: string
  /** What the server said last. `inactive` is final; a token that is active again is another {@link KnownToken}. */
  said: HeldAnswer | 'inactive' | undefined
  /** Whether the server had no answer when it was asked last, and that may be due to the token. */
  isDoubtful = false

  constructor(key: string, token: string) {
    this.key = key
    this.token = token
  }
}

/** All times are monotonic milliseconds. */
export class HeldAnswer implements ActiveAnswer {
  readonly token: string
  readonly claims: Claims
  readonly known: KnownToken
  /** When the question was sent. */
  readonly askedAtMs: number
  /** When the time of the answer is over, whatever becomes of it before. */
  readonly untilMs: number
  /** The same as `untilMs` while this is the answer that the memory has, and before all times from then on. */
  holdsUntilMs: number
  /** When a new answer is asked for ahead of time; infinite while that is being done. */
  askAheadAtMs: number
  /** Whether an attempt to renew it came to nothing. */
  hasAskedInVain = false

  constructor(known: KnownToken, claims: Claims, { askedAtMs, ttlMs }: { askedAtMs: number; ttlMs: number }) {
    this.token = known.token
    this.claims = claims
    this.known = known
    this.askedAtMs = askedAtMs
    this.untilMs = askedAtMs + ttlMs
    this.holdsUntilMs = this.untilMs
    this.askAheadAtMs = askedAtMs + ttlMs * ASK_AHEAD_FROM
  }
}
