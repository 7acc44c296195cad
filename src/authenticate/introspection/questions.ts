/**
 * Sends questions about tokens: one at a time for each token, within the bounds of the queue, the timeout and the
 * breaker, and counts what became of each.
 *
 * A question that is not sent is refused. It says nothing about the server, so no breaker learns of it.
 */
import { place } from '../../keys/fetch/hardened-request.ts'
import { retryAfterSecondsOf } from '../../lib/breaker.ts'
import type { Clock } from '../../lib/clock.ts'
import { type Deadline, deadline } from '../../lib/deadline.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import type { IntrospectionResult } from '../../types.ts'
import { type AnsweringServer, type IntrospectionAnswer, QuestionFailure } from './answer.ts'
import type { HeldAnswer, KnownToken } from './known-token.ts'
import { type BreakerListener, type BreakerTickets, LaneBreakers } from './lane-breakers.ts'
import { LANES, type Lane, QuestionQueue, type QueuedQuestion } from './question-queue.ts'

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
  readonly lane: Lane
  readonly tickets: BreakerTickets
}

interface Flight {
  readonly outcome: Promise<Outcome>
  /** There from when the question is sent. */
  deadline: Deadline | undefined
}

export class Questions {
  readonly #options: QuestionsOptions
  readonly #take: QuestionsDeps['take']
  readonly #queue: QuestionQueue
  readonly #breakers: LaneBreakers
  readonly #flights = new Map<string, Flight>()
  #lastSuccessSeconds: number | undefined
  #lastFailureSeconds: number | undefined
  #lastError: string | undefined
  #isClosed = false

  constructor(options: QuestionsOptions, { take }: QuestionsDeps) {
    const { clock, onBreaker } = options
    this.#options = options
    this.#take = take
    this.#queue = new QuestionQueue(options)
    this.#breakers = new LaneBreakers({ clock, onChange: (...change) => onBreaker?.(...change) })
  }

  /** Shares the question about this token that is under way. @returns no promise when it is refused at once */
  ask(question: Question): Outcome | Promise<Outcome> {
    const flight = this.#flights.get(question.key)
    if (flight !== undefined) return flight.outcome
    if (this.#isClosed) return this.#refused(laneOf(question), 'the gateway stopped asking this server')
    const lane = laneOf(question)
    const breaker = this.#breakers.of(lane)
    if (!breaker.admits) return this.#refused(lane, this.#whyOpen())
    // A probe that waited in a line would keep the breaker open, and the line would be that of a server that is away.
    if (breaker.state !== 'closed' && !this.#queue.isFree(lane)) return this.#refused(lane, this.#whyOpen())
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
      ...this.#breakers.status(),
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
    for (const lane of LANES) this.#queue.dismiss(lane)
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
        if (clock.monotonicMs() >= dueMs) end(this.#refused(lane, waitedTooLong))
        else void this.#send(question, flight, dueMs).then(end)
      },
      dismiss: () => {
        cancelWait()
        land(this.#refused(lane, this.#isClosed ? stopped().message : this.#whyOpen()))
      },
    }
    const place = this.#queue.enter(queued)
    if (place === 'full') return this.#refused(lane, 'too many questions wait for the server')
    this.#flights.set(question.key, flight)
    if (place === 'begins') queued.begin()
    else {
      cancelWait = scheduler.after(timeoutMs, () => {
        this.#queue.abandon(queued)
        land(this.#refused(lane, waitedTooLong))
      })
    }
    return promise
  }

  async #send(question: Question, flight: Flight, dueMs: number): Promise<Outcome> {
    const { clock, scheduler, server, timeoutMs } = this.#options
    const askedAtMs = clock.monotonicMs()
    const lane = laneOf(question)
    const sent: Sent = { askedAtMs, lane, tickets: this.#breakers.sent(lane) }
    flight.deadline = deadline(scheduler, dueMs - askedAtMs, timedOut(timeoutMs, server.endpoint))
    const answer = await flight.deadline.run(signal => server.ask(question.token, signal)).catch(failureOf)
    if (answer instanceof QuestionFailure) return this.#failed(question, answer, sent)
    return this.#answered(question, answer, sent)
  }

  #answered(question: Question, answer: IntrospectionAnswer, { askedAtMs, lane, tickets }: Sent): Outcome {
    const { clock, onResult } = this.#options
    this.#lastSuccessSeconds = clock.nowMs() / 1_000
    this.#lastError = undefined
    if (question.known !== undefined) question.known.isDoubtful = false
    this.#breakers.succeeded(lane, tickets, answer.active ? 'active' : 'inactive')
    onResult(answer.active ? 'active' : 'inactive', (clock.monotonicMs() - askedAtMs) / 1_000)
    return this.#take(question, answer, askedAtMs)
  }

  #failed({ known }: Question, failure: QuestionFailure, { askedAtMs, lane, tickets }: Sent): Unanswered {
    const { clock, onResult } = this.#options
    // What we break off ourselves says nothing about the server.
    if (this.#isClosed) return this.#refused(lane, failure.message)
    this.noteFailure(failure.message)
    this.#breakers.failed(lane, tickets, failure)
    if (known !== undefined && failure.blames !== 'server') known.isDoubtful = true
    for (const each of LANES) if (this.#breakers.of(each).state === 'open') this.#queue.dismiss(each)
    onResult(failure.result, (clock.monotonicMs() - askedAtMs) / 1_000)
    return {
      kind: 'failed',
      reason: failure.message,
      retryAfterSeconds: Math.max(this.#breakers.of(lane).retryAfterSeconds, retryAfterSecondsOf(failure) ?? 1),
      cause: failure.cause,
    }
  }

  #refused(lane: Lane, reason: string): Unanswered {
    const { retryAfterSeconds } = this.#breakers.of(lane)
    return { kind: 'refused', reason, retryAfterSeconds, cause: undefined }
  }

  #whyOpen(): string {
    return `the server is not asked for now: ${this.#lastError ?? 'it did not answer'}`
  }
}

/**
 * Attack: a token that has expired is used again and again, for which the server has no answer but an error. It is a
 * stranger's after the first of them.
 */
function laneOf({ known }: Question): Lane {
  return known === undefined || known.isDoubtful ? 'stranger' : 'known'
}

export function stopped(): QuestionFailure {
  return new QuestionFailure('error', 'the gateway stopped asking this server')
}

/** @param endpoint undefined: it is not discovered yet */
export function timedOut(timeoutMs: number, endpoint?: string): QuestionFailure {
  const from = endpoint === undefined ? '' : ` from ${place(endpoint)}`
  return new QuestionFailure('timeout', `no complete answer${from} within ${timeoutMs} ms`)
}

export function failureOf(error: unknown): QuestionFailure {
  if (error instanceof QuestionFailure) return error
  return new QuestionFailure('error', 'asking failed in a way that was not foreseen', { cause: error })
}
