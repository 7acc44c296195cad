/**
 * Says for how long a stream may go on that was let in by an answer about its token.
 *
 * The token is asked about again before the time of its answer is over, and the newest answer counts, whoever asked for
 * it. Where answers are good for less than a second, streams are asked about every second. A stream needs nothing from
 * the memory: when that has forgotten its token, the tenure goes on with the answer that it has.
 *
 * Requests with the same token may share a tenure, so whatever ends it ends it for all, and for good.
 */
import type { Claims, Tenure } from '../../types.ts'
import type { HeldAnswer } from './known-token.ts'

/** Streams are looked at once a second, so no answer is asked for more often. */
const SHORTEST_TTL_MS = 1_000

const ASK_AGAIN_FROM = 0.8

export interface TenureDeps {
  readonly ttlMs: number
  readonly maxStaleMs: number
  /** The longest time that a question takes. */
  readonly timeoutMs: number
  /** Call for each look of a stream. @returns the time */
  readonly looks: () => number
  /** What is known about the token by now, from whoever asked. */
  readonly newest: (answer: HeldAnswer, nowMs: number) => HeldAnswer | 'inactive' | undefined
  /** Asks again, unless that is being done or failed a moment ago. */
  readonly askAgain: (answer: HeldAnswer, nowMs: number) => void
  readonly isUnderWay: (key: string) => boolean
  /** Called when nothing but `maxStale` keeps it, once for each time that an answer would have been in force. */
  readonly onOpen: () => void
}

export class StreamTenure implements Tenure {
  readonly #deps: TenureDeps
  readonly #isGood: (claims: Claims) => boolean
  /** The newest answer that was judged. */
  #answer: HeldAnswer
  #end: 'inactive' | 'unconfirmed' | undefined
  /** Until when a question under way is waited for once the time of the answer is over. */
  #waitUntilMs = Number.POSITIVE_INFINITY
  #nextOpenMs = Number.NEGATIVE_INFINITY

  constructor(answer: HeldAnswer, isGood: (claims: Claims) => boolean, deps: TenureDeps) {
    this.#answer = answer
    this.#isGood = isGood
    this.#deps = deps
  }

  endedBy(): 'inactive' | 'unconfirmed' | undefined {
    if (this.#end === undefined) this.#look(this.#deps.looks())
    return this.#end
  }

  #look(now: number): void {
    const { ttlMs, maxStaleMs, newest } = this.#deps
    const inForceMs = Math.max(ttlMs, SHORTEST_TTL_MS)
    const askAgainMs = inForceMs * ASK_AGAIN_FROM
    this.#follow(this.#answer.known.said)
    this.#follow(newest(this.#answer, now))
    const ageMs = this.#ageMs(now)
    if (this.#end !== undefined || ageMs < askAgainMs) return
    if (ageMs >= inForceMs + maxStaleMs) {
      this.#waitForLastQuestion(now)
      return
    }
    this.#deps.askAgain(this.#answer, now)
    if (ageMs >= inForceMs) this.#goOnStale(now, inForceMs)
  }

  /** Others may ask in vain again and again, so the wait has an end whatever is under way. */
  #waitForLastQuestion(now: number): void {
    const { timeoutMs, askAgain, isUnderWay } = this.#deps
    if (!this.#answer.hasAskedInVain) askAgain(this.#answer, now)
    this.#waitUntilMs = Math.min(this.#waitUntilMs, now + timeoutMs)
    if (now >= this.#waitUntilMs || !isUnderWay(this.#answer.known.key)) this.#end = 'unconfirmed'
  }

  /** The first question may still be answered. After that, a further one under way does not keep the stream. */
  #goOnStale(now: number, inForceMs: number): void {
    const { hasAskedInVain, known } = this.#answer
    if (now < this.#nextOpenMs || (!hasAskedInVain && this.#deps.isUnderWay(known.key))) return
    this.#nextOpenMs = now + inForceMs
    this.#deps.onOpen()
  }

  #ageMs(now: number): number {
    return now - this.#answer.askedAtMs
  }

  #follow(said: HeldAnswer | 'inactive' | undefined): void {
    if (said === undefined || said === this.#answer || this.#end !== undefined) return
    if (said === 'inactive' || !this.#judges(said.claims)) {
      this.#end = 'inactive'
      return
    }
    this.#answer = said
    this.#waitUntilMs = Number.POSITIVE_INFINITY
  }

  /** A judge that fails has not found the claims good. */
  #judges(claims: Claims): boolean {
    try {
      return this.#isGood(claims)
    } catch {
      return false
    }
  }
}
