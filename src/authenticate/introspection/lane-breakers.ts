/**
 * Keeps a breaker for each lane, so that those who make up tokens can stop the questions of nobody but strangers.
 *
 * Attack: somebody makes up tokens for which the server has no answer but an error, as some servers and the firewalls
 * in front of them have, or for which it takes too long, and goes on, so that every probe is theirs. With one breaker
 * for all that would keep out everybody whose token has to be asked about again. So what comes of questions about
 * strangers' tokens never stops those about tokens that were active before. What fails for the latter counts for all,
 * and an answer about them, or one that calls any token active, shows whoever is stopped that the server is back.
 *
 * Callers with a new token are strangers, too. So a failure that may be due to the token does not count while the
 * server calls other tokens active, and never where it blames the question (4xx).
 */

import { Breaker, type BreakerState, type BreakerTicket } from '../../lib/breaker.ts'
import type { Clock } from '../../lib/clock.ts'
import type { IntrospectionStatus } from '../../types.ts'
import type { QuestionFailure } from './answer.ts'
import type { Lane } from './question-queue.ts'

export type BreakerListener = (lane: Lane, from: BreakerState, to: BreakerState, reason: string) => void

interface LaneBreakersOptions {
  readonly clock: Clock
  readonly onChange: BreakerListener
}

/** In which time of each breaker a question was sent. */
export type BreakerTickets = Readonly<Record<Lane, BreakerTicket>>

/** How long an answer that calls a token active shows that the server works. */
const WORKS_MS = 10_000

export class LaneBreakers {
  readonly #clock: Clock
  readonly #breakers: Readonly<Record<Lane, Breaker>>
  /** When the server last called a token active. */
  #lastActiveMs = Number.NEGATIVE_INFINITY

  constructor({ clock, onChange }: LaneBreakersOptions) {
    this.#clock = clock
    const breakerOf = (lane: Lane): Breaker =>
      new Breaker({ clock, onChange: (from, to, reason) => onChange(lane, from, to, reason) })
    this.#breakers = { known: breakerOf('known'), stranger: breakerOf('stranger') }
  }

  of(lane: Lane): Breaker {
    return this.#breakers[lane]
  }

  /** Call when a question that the breaker of its lane admits is sent. */
  sent(lane: Lane): BreakerTickets {
    const { known, stranger } = this.#breakers
    const ticket = this.#breakers[lane].sent()
    return { known: known.ticket, stranger: stranger.ticket, [lane]: ticket }
  }

  /** That a token is not active can be said without looking, by a firewall as well, so of strangers it says little. */
  succeeded(lane: Lane, tickets: BreakerTickets, said: 'active' | 'inactive'): void {
    if (said === 'active') this.#lastActiveMs = this.#clock.monotonicMs()
    this.#breakers.stranger.succeeded(tickets.stranger)
    if (lane === 'known' || said === 'active') this.#breakers.known.succeeded(tickets.known)
  }

  failed(lane: Lane, tickets: BreakerTickets, failure: QuestionFailure): void {
    const { known, stranger } = this.#breakers
    if (lane === 'known') known.failed(tickets.known, failure)
    const isProbe = stranger.state === 'probing'
    if (lane === 'stranger' && (this.#isDueToToken(failure) || (isProbe && failure.blames !== 'server')))
      stranger.toldNothing(tickets.stranger, failure.message)
    else stranger.failed(tickets.stranger, failure)
  }

  /** Tells of the lane that is worse off. */
  status(): Pick<IntrospectionStatus, 'breaker' | 'nextTrySeconds'> {
    const { known, stranger } = this.#breakers
    const shown = SEVERITY[stranger.state] > SEVERITY[known.state] ? stranger : known
    return { breaker: shown.state, nextTrySeconds: shown.nextTrySeconds }
  }

  #isDueToToken({ blames, retryAfterSeconds }: QuestionFailure): boolean {
    if (retryAfterSeconds !== undefined) return false
    if (blames === 'question') return true
    return blames === 'either' && this.#clock.monotonicMs() - this.#lastActiveMs < WORKS_MS
  }
}

const SEVERITY: Readonly<Record<BreakerState, number>> = { closed: 0, probing: 1, open: 2 }
