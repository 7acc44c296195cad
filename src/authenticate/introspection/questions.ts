/**
 * Sends questions about tokens: one at a time for each token, within the bounds of the queue, the timeout and the
 * breaker, and counts what became of each.
 *
 * A question that is not sent is refused. It says nothing about the server, so the breaker does not learn of it.
 */
import type { Clock } from '../../lib/clock.ts'
import { type Deadline, deadline } from '../../lib/deadline.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import type { IntrospectionResult } from '../../types.ts'
import { type AnsweringServer, type IntrospectionAnswer, QuestionFailure } from './answer.ts'
import { Breaker, type BreakerListener, type BreakerTicket, retryAfterSecondsOf } from './breaker.ts'
import type { HeldAnswer, KnownToken } from './known-token.ts'
import { QuestionQueue, type QueuedQuestion } from './question-queue.ts'

export interface QuestionsOptions {
  readonly server: AnsweringServer
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** The longest time from the request to the answer, waiting included. */
  readonly timeoutMs: number
  /** Most questions under way. */
  readonly concurrency: number
  /** Most questions that wait: as many about tokens that were seen active, and as many about others. */
  readonly queue: number
  /** Called once for each question that was sent, with how long the answer took. */
  readonly onResult: (result: IntrospectionResult, durationSeconds: number | undefined) => void
  readonly onBreaker?: BreakerListener
}

interface QuestionsDeps {
  /** Takes in what the server said, before anybody who waits for it goes on. */
  readonly take: (question: Question, answer: IntrospectionAnswer, askedAtMs: number) => HeldAnswer | 'inactive'
}

export interface Question {
  /** SHA-256 of the whole token. */
  readonly key: string
  readonly token: string
  /** Undefined for a token that was not active when it was last asked about, or never was. */
  readonly known: KnownToken | undefined
}

/** Why there is no answer. */
interface Unanswered {
  /** `refused`: the question was not sent. */
  readonly kind: 'failed' | 'refused'
  readonly reason: string
  readonly retryAfterSeconds: number
  readonly cause: unknown
}

export type Outcome = HeldAnswer | 'inactive' | Unanswered

interface Sent {
  readonly askedAtMs: number
  readonly ticket: BreakerTicket
}

interface Flight {
  readonly outcome: Promise<Outcome>
  /** There from when the question is sent. */
  deadline: Deadline | undefined
}

/** How long an answer about a token that was active before shows that the server works. */
const WORKS_MS = 10_000

export class Questions {
  readonly #options: QuestionsOptions
  readonly #take: QuestionsDeps['take']
  readonly #queue: QuestionQueue
  readonly #breaker: Breaker
  readonly #flights = new Map<string, Flight>()
  #lastSuccessSeconds: number | undefined
  #lastFailureSeconds: number | undefined
  #lastError: string | undefined
  /** When the server last answered a question about a token that was active before. */
  #lastKnownAnswerMs = Number.NEGATIVE_INFINITY
  #isClosed = false

  constructor(options: QuestionsOptions, { take }: QuestionsDeps) {
    const { clock, onBreaker } = options
    this.#options = options
    this.#take = take
    this.#queue = new QuestionQueue(options)
    this.#breaker = new Breaker({ clock, onChange: (from, to, reason) => onBreaker?.(from, to, reason) })
  }

  /** Shares the question about this token that is under way. @returns no promise when it is refused at once */
  ask(question: Question): Outcome | Promise<Outcome> {
    const flight = this.#flights.get(question.key)
    if (flight !== undefined) return flight.outcome
    if (this.#isClosed) return this.#refused('the gateway stopped asking this server')
    if (!this.#breaker.admits) return this.#refused(this.#whyOpen())
    const lane = question.known === undefined ? 'stranger' : 'known'
    // A probe that waited in a line would keep the breaker open, and the line would be that of a server that is away.
    if (this.#breaker.state !== 'closed' && !this.#queue.isFree(lane)) return this.#refused(this.#whyOpen())
    return this.#begin(question, lane)
  }

  isUnderWay(key: string): boolean {
    return this.#flights.has(key)
  }

  /** Notes a failure that was none of a question, for the status. */
  noteFailure(message: string): void {
    this.#lastFailureSeconds = this.#options.clock.nowMs() / 1_000
    this.#lastError = message
  }

  status() {
    return {
      breaker: this.#breaker.state,
      nextTrySeconds: this.#breaker.nextTrySeconds,
      lastSuccessSeconds: this.#lastSuccessSeconds,
      lastFailureSeconds: this.#lastFailureSeconds,
      lastError: this.#lastError,
      inFlight: this.#queue.inFlight,
      queued: this.#queue.queued,
    }
  }

  /** Refuses all that wait, ends all that are under way, and resolves when that is done. */
  async close(): Promise<void> {
    this.#isClosed = true
    const flights = [...this.#flights.values()]
    this.#queue.dismissAll()
    for (const flight of flights) flight.deadline?.end(stopped())
    await Promise.all(flights.map(({ outcome }) => outcome))
  }

  #begin(question: Question, lane: QueuedQuestion['lane']): Outcome | Promise<Outcome> {
    const { clock, scheduler, timeoutMs } = this.#options
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    const flight: Flight = { outcome: promise, deadline: undefined }
    const dueMs = clock.monotonicMs() + timeoutMs
    let cancelWait = (): void => {}
    const land = (outcome: Outcome): void => {
      this.#flights.delete(question.key)
      resolve(outcome)
    }
    const end = (outcome: Outcome): void => {
      land(outcome)
      this.#queue.finished(queued)
    }
    const waitedTooLong = `the question waited for ${timeoutMs} ms, and was not sent`
    const queued: QueuedQuestion = {
      lane,
      begin: () => {
        cancelWait()
        if (clock.monotonicMs() >= dueMs) end(this.#refused(waitedTooLong))
        else void this.#send(question, flight, dueMs).then(end)
      },
      dismiss: () => {
        cancelWait()
        land(this.#refused(this.#isClosed ? stopped().message : this.#whyOpen()))
      },
    }
    const place = this.#queue.enter(queued)
    if (place === 'full') return this.#refused('too many questions wait for the server')
    this.#flights.set(question.key, flight)
    if (place === 'begins') queued.begin()
    else {
      cancelWait = scheduler.after(timeoutMs, () => {
        this.#queue.abandon(queued)
        land(this.#refused(waitedTooLong))
      })
    }
    return promise
  }

  async #send(question: Question, flight: Flight, dueMs: number): Promise<Outcome> {
    const { clock, scheduler, server, timeoutMs } = this.#options
    const askedAtMs = clock.monotonicMs()
    const sent: Sent = { askedAtMs, ticket: this.#breaker.sent() }
    flight.deadline = deadline(scheduler, dueMs - askedAtMs, timedOut(timeoutMs))
    const answer = await flight.deadline.run(signal => server.ask(question.token, signal)).catch(failureOf)
    if (answer instanceof QuestionFailure) return this.#failed(question, answer, sent)
    return this.#answered(question, answer, sent)
  }

  #answered(question: Question, answer: IntrospectionAnswer, { askedAtMs, ticket }: Sent): Outcome {
    const { clock, onResult } = this.#options
    this.#lastSuccessSeconds = clock.nowMs() / 1_000
    this.#lastError = undefined
    if (question.known !== undefined) this.#lastKnownAnswerMs = clock.monotonicMs()
    this.#breaker.succeeded(ticket)
    onResult(answer.active ? 'active' : 'inactive', (clock.monotonicMs() - askedAtMs) / 1_000)
    return this.#take(question, answer, askedAtMs)
  }

  #failed(question: Question, failure: QuestionFailure, { askedAtMs, ticket }: Sent): Unanswered {
    const { clock, onResult } = this.#options
    // What we break off ourselves says nothing about the server.
    if (this.#isClosed) return this.#refused(failure.message)
    this.noteFailure(failure.message)
    if (!this.#isDueToToken(question, failure)) this.#breaker.failed(ticket, failure)
    if (this.#breaker.state === 'open') this.#queue.dismissAll()
    onResult(failure.result, (clock.monotonicMs() - askedAtMs) / 1_000)
    return {
      kind: 'failed',
      reason: failure.message,
      retryAfterSeconds: Math.max(this.#breaker.retryAfterSeconds, retryAfterSecondsOf(failure) ?? 1),
      cause: failure.cause,
    }
  }

  /**
   * Attack: somebody makes up tokens that the server answers with an error, as some servers do for what is no token of
   * theirs. That must not keep those out who have one. While the server answers as it should about tokens that were
   * active before, such an error says nothing about the server.
   */
  #isDueToToken({ known }: Question, { isAnswered }: QuestionFailure): boolean {
    const { clock } = this.#options
    return (
      isAnswered &&
      known === undefined &&
      this.#breaker.state === 'closed' &&
      clock.monotonicMs() - this.#lastKnownAnswerMs < WORKS_MS
    )
  }

  #refused(reason: string): Unanswered {
    return { kind: 'refused', reason, retryAfterSeconds: this.#breaker.retryAfterSeconds, cause: undefined }
  }

  #whyOpen(): string {
    return `the server is not asked for now: ${this.#lastError ?? 'it did not answer'}`
  }
}

export function stopped(): QuestionFailure {
  return new QuestionFailure('error', 'the gateway stopped asking this server')
}

export function timedOut(timeoutMs: number): QuestionFailure {
  return new QuestionFailure('timeout', `no complete answer within ${timeoutMs} ms`)
}

export function failureOf(error: unknown): QuestionFailure {
  if (error instanceof QuestionFailure) return error
  return new QuestionFailure('error', 'asking failed in a way that was not foreseen', { cause: error })
}
