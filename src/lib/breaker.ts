/**
 * Stops asking a server that does not answer, and tries again with one question at a time.
 *
 * It opens after five failures in a row, when more than half of at least 20 questions within 10 s failed, and when the
 * server says for how long it wants to be left alone. It stays open for 1, 2, 4 … 30 s, then one question, the probe,
 * decides: an answer closes it, a failure opens it for the next longer time.
 *
 * What comes of a question that was sent before the last change decides nothing, because it tells of another time: an
 * answer that was on its way when the server went down must not open the doors to it again, and a failure from before
 * must not undo what the probe found out. Only a `Retry-After` that comes while the breaker is open prolongs that. The
 * answer itself is as good as any other, and whoever waits for it gets it.
 */
import type { Clock } from './clock.ts'

export type BreakerState = 'closed' | 'open' | 'probing'

/** Why there was no answer. */
interface BreakerFailure {
  readonly message: string
  /** What the server asked for with `Retry-After`. */
  readonly retryAfterSeconds: number | undefined
}

interface BreakerOptions {
  readonly clock: Clock
  readonly onChange: (from: BreakerState, to: BreakerState, reason: string) => void
}

const FAILURES_IN_A_ROW = 5
const WINDOW_SECONDS = 10
const WINDOW_LEAST_QUESTIONS = 20
const LONGEST_OPEN_SECONDS = 30
const LONGEST_RETRY_AFTER_SECONDS = 60

const SOON_MS = 1_000

/** Says in which time a question was sent. */
export type BreakerTicket = number

export class Breaker {
  readonly #clock: Clock
  readonly #onChange: BreakerOptions['onChange']
  #state: BreakerState = 'closed'
  /** Grows with each change of the state. */
  #age = 0
  #untilMs = 0
  /** How often it opened since it was closed. */
  #openings = 0
  #failuresInARow = 0
  #window = new OutcomeWindow()

  constructor({ clock, onChange }: BreakerOptions) {
    this.#clock = clock
    this.#onChange = onChange
  }

  get state(): BreakerState {
    return this.#state
  }

  /** Whether a question may be sent now. */
  get admits(): boolean {
    return this.#state === 'closed' || (this.#state === 'open' && this.#clock.monotonicMs() >= this.#untilMs)
  }

  /** Seconds until the next question is tried, at least 1. */
  get retryAfterSeconds(): number {
    return this.#state === 'closed' ? 1 : Math.max(1, Math.ceil((this.#untilMs - this.#clock.monotonicMs()) / 1_000))
  }

  /** Seconds since the epoch; undefined while it is closed. */
  get nextTrySeconds(): number | undefined {
    if (this.#state === 'closed') return undefined
    return (this.#clock.nowMs() + this.#untilMs - this.#clock.monotonicMs()) / 1_000
  }

  /** Says in which time a question is sent that is no probe of this breaker, and yet shows how the server is doing. */
  get ticket(): BreakerTicket {
    return this.#age
  }

  /** Call when a question that it {@link admits} is sent: in an open breaker that is the probe. */
  sent(): BreakerTicket {
    if (this.#state === 'open') this.#become('probing', 'it is time to ask again')
    return this.#age
  }

  succeeded(ticket: BreakerTicket): void {
    if (ticket !== this.#age) return
    this.#failuresInARow = 0
    if (this.#state === 'closed') {
      this.#window.add('ok', this.#clock.monotonicMs())
      return
    }
    this.#openings = 0
    this.#window = new OutcomeWindow()
    this.#become('closed', 'the server answers again')
  }

  /** What came of a question tells nothing about the server. If it was the probe, the next one is sent soon. */
  toldNothing(ticket: BreakerTicket, reason: string): void {
    if (ticket !== this.#age || this.#state !== 'probing') return
    this.#untilMs = this.#clock.monotonicMs() + SOON_MS
    this.#become('open', reason)
  }

  failed(ticket: BreakerTicket, failure: BreakerFailure): void {
    const nowMs = this.#clock.monotonicMs()
    const askedForSeconds = retryAfterSecondsOf(failure)
    if (ticket !== this.#age) {
      if (this.#state !== 'open' || askedForSeconds === undefined) return
      this.#untilMs = Math.max(this.#untilMs, nowMs + askedForSeconds * 1_000)
      return
    }
    this.#failuresInARow += 1
    this.#window.add('failed', nowMs)
    const opens =
      this.#state === 'probing' ||
      askedForSeconds !== undefined ||
      this.#failuresInARow >= FAILURES_IN_A_ROW ||
      this.#window.isMostlyFailed(nowMs)
    if (opens) this.#open(askedForSeconds ?? Math.min(2 ** this.#openings, LONGEST_OPEN_SECONDS), failure.message)
  }

  #open(seconds: number, reason: string): void {
    this.#openings += 1
    this.#failuresInARow = 0
    this.#window = new OutcomeWindow()
    this.#untilMs = this.#clock.monotonicMs() + seconds * 1_000
    this.#become('open', reason)
  }

  #become(state: BreakerState, reason: string): void {
    const from = this.#state
    this.#state = state
    this.#age += 1
    this.#onChange(from, state, reason)
  }
}

/** @returns what the server asked for, in bounds: a server that is wrong about it must not be left alone for hours */
export function retryAfterSecondsOf({
  retryAfterSeconds,
}: Pick<BreakerFailure, 'retryAfterSeconds'>): number | undefined {
  if (retryAfterSeconds === undefined || Number.isNaN(retryAfterSeconds)) return undefined
  return Math.min(Math.max(1, Math.ceil(retryAfterSeconds)), LONGEST_RETRY_AFTER_SECONDS)
}

/** Counts outcomes by the second, so that a busy server costs no more memory than an idle one. */
class OutcomeWindow {
  readonly #seconds = Array.from({ length: WINDOW_SECONDS }, () => ({ second: -1, all: 0, failed: 0 }))

  add(outcome: 'ok' | 'failed', nowMs: number): void {
    const second = Math.floor(nowMs / 1_000)
    const index = second % WINDOW_SECONDS
    const counts = this.#seconds[index]
    const current = counts?.second === second ? counts : { second, all: 0, failed: 0 }
    current.all += 1
    if (outcome === 'failed') current.failed += 1
    this.#seconds[index] = current
  }

  isMostlyFailed(nowMs: number): boolean {
    const oldest = Math.floor(nowMs / 1_000) - WINDOW_SECONDS
    const recent = this.#seconds.filter(({ second }) => second > oldest)
    const all = recent.reduce((sum, each) => sum + each.all, 0)
    const failed = recent.reduce((sum, each) => sum + each.failed, 0)
    return all >= WINDOW_LEAST_QUESTIONS && failed * 2 > all
  }
}
