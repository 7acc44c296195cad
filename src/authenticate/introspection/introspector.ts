/**
 * Answers what is known about a token: from memory while that is in force, else by a question to the server.
 *
 * RFC 7662 §4 (why answers are remembered for a short time only). An answer is in force from when its question was
 * sent, because the server may have looked at any time after. Tokens in use are asked about ahead of time, so that
 * their requests do not wait. While the server does not answer, `maxStaleMs` says for how long the last answer serves
 * beyond its time; it never overrides a token that the server called inactive.
 *
 * `rejected` and `open` are counted for each request, everything else for each question. This file does not judge what
 * an answer says: the verifier does so on every use, `exp` included.
 */
import { hash } from 'node:crypto'
import { Denial } from '../../errors.ts'
import { place } from '../../keys/fetch/hardened-request.ts'
import { type Deadline, deadline } from '../../lib/deadline.ts'
import { andThen, type MaybePromise } from '../../lib/maybe-promise.ts'
import type { Claims, IntrospectionStatus, Tenure } from '../../types.ts'
import type { ActiveAnswer, IntrospectionAnswer, Introspector } from './answer.ts'
import type { HeardInactive } from './heard-inactive.ts'
import { ASK_AHEAD_BACKOFF_MS, HeldAnswer, KnownToken } from './known-token.ts'
import {
  failureOf,
  type Outcome,
  type Question,
  Questions,
  type QuestionsOptions,
  stopped,
  timedOut,
} from './questions.ts'
import { StreamTenure, type TenureDeps } from './stream-tenure.ts'
import { type TokenMemory, tokenMemory } from './token-memory.ts'

interface IntrospectorOptions extends QuestionsOptions {
  /** How long an active answer is in force; with 0 every request asks. */
  readonly ttlMs: number
  readonly inactiveTtlMs: number
  /** Whether tokens in use are asked about before their time is over. Open streams always are. */
  readonly refreshAhead: boolean
  /** How long the last active answer serves beyond its time while no new one is to be had. */
  readonly maxStaleMs: number
  /** Most tokens that are remembered, of the active and of the inactive. */
  readonly entries: number
  /** What streams hear, whichever introspector of their provider heard it. */
  readonly heard: HeardInactive
}

/** Streams look once a second whether they may go on, or later where the process is busy. */
const LONGEST_BETWEEN_LOOKS_MS = 5_000

/** How long after a failure it is looked again for where questions go: 1, 2, 4 … 30 s. */
const FIRST_RETRY_MS = 1_000
const LONGEST_RETRY_MS = 30_000

export function introspector(options: IntrospectorOptions): Introspector {
  return new RememberingIntrospector(options)
}

class RememberingIntrospector implements Introspector {
  readonly #options: IntrospectorOptions
  readonly #memory: TokenMemory
  readonly #questions: Questions
  readonly #tenureDeps: TenureDeps
  #discovery: Promise<void> | undefined
  #discoveryLimit: Deadline | undefined
  #cancelDiscovery = (): void => {}
  #isClosed = false
  /** When a stream last looked whether it may go on. */
  #lastLookMs = Number.NEGATIVE_INFINITY
  #cancelRetirement = (): void => {}
  readonly #closed = Promise.withResolvers<void>()

  constructor(options: IntrospectorOptions) {
    const { clock, ttlMs, maxStaleMs, timeoutMs, onResult } = options
    this.#options = options
    this.#memory = tokenMemory(options)
    this.#questions = new Questions(options, {
      take: (question, answer, askedAtMs) => this.#take(question, answer, askedAtMs),
    })
    this.#tenureDeps = {
      ttlMs,
      maxStaleMs,
      timeoutMs,
      looks: () => {
        this.#lastLookMs = clock.monotonicMs()
        return this.#lastLookMs
      },
      newest: (answer, nowMs) => this.#newest(answer, nowMs),
      askAgain: (answer, nowMs) => this.#askAhead(answer, nowMs),
      isUnderWay: key => this.#questions.isUnderWay(key),
      onOpen: () => onResult('open', undefined),
    }
  }

  about(token: string): MaybePromise<ActiveAnswer> {
    const nowMs = this.#options.clock.monotonicMs()
    const key = hash('sha256', token, 'binary')
    const known = this.#memory.known(key)
    const last = lastActive(known)
    if (last !== undefined && this.#holds(last, nowMs)) return last
    if (this.#memory.isInactive(key, nowMs)) throw new Denial('token_inactive')
    return andThen(this.#questions.ask({ key, token, known }), outcome => this.#settle(outcome, last))
  }

  stillHolds(answer: ActiveAnswer): boolean {
    return answer instanceof HeldAnswer && this.#holds(answer, this.#options.clock.monotonicMs())
  }

  tenureOf(answer: ActiveAnswer, isGood: (claims: Claims) => boolean): Tenure {
    if (!(answer instanceof HeldAnswer)) throw new TypeError('the answer is none of this introspector')
    return new StreamTenure(answer, isGood, this.#tenureDeps)
  }

  status(): IntrospectionStatus {
    const { endpoint } = this.#options.server
    return {
      endpoint: endpoint === undefined ? undefined : place(endpoint),
      ...this.#questions.status(),
      activeTokens: this.#memory.activeTokens,
      inactiveTokens: this.#memory.inactiveTokens,
    }
  }

  ready(): Promise<void> {
    this.#discovery ??= this.#discover(FIRST_RETRY_MS)
    return this.#discovery
  }

  retire(): Promise<void> {
    const { clock, scheduler } = this.#options
    const lookAgain = (): void => {
      if (clock.monotonicMs() - this.#lastLookMs >= LONGEST_BETWEEN_LOOKS_MS) void this.close()
      else this.#cancelRetirement = scheduler.after(LONGEST_BETWEEN_LOOKS_MS, lookAgain)
    }
    lookAgain()
    return this.#closed.promise
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelRetirement()
    this.#cancelDiscovery()
    this.#discoveryLimit?.end(stopped())
    await Promise.all([this.#questions.close(), this.#discovery])
    this.#options.server.close()
    this.#closed.resolve()
  }

  #holds(answer: HeldAnswer, nowMs: number): boolean {
    if (nowMs >= answer.holdsUntilMs) return false
    if (nowMs >= answer.askAheadAtMs && this.#options.refreshAhead) this.#askAhead(answer, nowMs)
    return true
  }

  #askAhead(answer: HeldAnswer, nowMs: number): void {
    if (nowMs < answer.askAheadAtMs) return
    answer.askAheadAtMs = Number.POSITIVE_INFINITY
    const { known, token } = answer
    const outcome = this.#questions.ask({ key: known.key, token, known })
    if (outcome instanceof Promise) void outcome.then(() => this.#askedInVain(answer))
    else this.#askedInVain(answer)
  }

  /** What this says of an answer that was renewed does not matter: nobody asks about that again. */
  #askedInVain(answer: HeldAnswer): void {
    answer.hasAskedInVain = true
    answer.askAheadAtMs = this.#options.clock.monotonicMs() + ASK_AHEAD_BACKOFF_MS
  }

  #take({ key, token, known }: Question, answer: IntrospectionAnswer, askedAtMs: number): HeldAnswer | 'inactive' {
    if (answer.active) {
      const owner = this.#memory.known(key) ?? known ?? new KnownToken(key, token)
      return this.#memory.setActive(owner, answer.claims, askedAtMs)
    }
    this.#memory.setInactive(key, known, this.#options.clock.monotonicMs())
    return 'inactive'
  }

  #settle(outcome: Outcome, last: HeldAnswer | undefined): HeldAnswer {
    if (outcome instanceof HeldAnswer) return outcome
    if (outcome === 'inactive') throw new Denial('token_inactive')
    const { clock, maxStaleMs, onResult } = this.#options
    const newest = lastActive(last?.known)
    if (newest !== undefined && clock.monotonicMs() < newest.untilMs + maxStaleMs) {
      onResult('open', undefined)
      return newest
    }
    if (outcome.kind === 'refused') onResult('rejected', undefined)
    const { reason, retryAfterSeconds, cause } = outcome
    throw new Denial('introspection_unavailable', { evidence: { reason }, retryAfterSeconds, cause })
  }

  #newest({ known }: HeldAnswer, nowMs: number): HeldAnswer | 'inactive' | undefined {
    if (this.#memory.wasInactive(known.key, nowMs)) return 'inactive'
    return lastActive(this.#memory.known(known.key))
  }

  /**
   * A question discovers by itself, too. But a gateway that is not ready gets no requests, and so has no questions: it
   * tries again until it knows whom to ask.
   */
  async #discover(retryMs: number): Promise<void> {
    const { scheduler, server, timeoutMs } = this.#options
    this.#discoveryLimit = deadline(scheduler, timeoutMs, timedOut(timeoutMs))
    try {
      await this.#discoveryLimit.run(signal => server.discover(signal))
    } catch (error) {
      if (this.#isClosed) return
      this.#questions.noteFailure(failureOf(error).message)
      this.#cancelDiscovery = scheduler.after(retryMs, () => {
        this.#discovery = this.#discover(Math.min(retryMs * 2, LONGEST_RETRY_MS))
      })
    }
  }
}

function lastActive(known: KnownToken | undefined): HeldAnswer | undefined {
  return known?.said instanceof HeldAnswer ? known.said : undefined
}
