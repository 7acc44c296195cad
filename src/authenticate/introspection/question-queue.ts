/**
 * Bounds how many questions are under way at a time, and how many wait for that.
 *
 * There are two lanes, so that somebody who makes up tokens cannot keep those out whose tokens are good. Questions
 * about tokens that were never seen active may be half of those under way, and wait in a line of their own. The others
 * may be all of them, and go first.
 */

/** `known`: the token was active when it was last asked about. */
export const LANES = ['known', 'stranger'] as const
export type Lane = (typeof LANES)[number]

/** One question's place. */
export interface QueuedQuestion {
  readonly lane: Lane
  /** Called when it no longer has to wait. */
  begin(): void
  /** Called when nobody waits any longer. */
  dismiss(): void
}

interface QuestionQueueOptions {
  /** Most questions under way. */
  readonly concurrency: number
  /** Most questions that wait, in each lane. */
  readonly queue: number
}

export class QuestionQueue {
  readonly #most: Readonly<Record<Lane, number>>
  readonly #longestLine: number
  readonly #underWay: Record<Lane, number> = { known: 0, stranger: 0 }
  readonly #waiting: Readonly<Record<Lane, QueuedQuestion[]>> = { known: [], stranger: [] }

  constructor({ concurrency, queue }: QuestionQueueOptions) {
    this.#most = { known: concurrency, stranger: Math.max(1, Math.floor(concurrency / 2)) }
    this.#longestLine = queue
  }

  get inFlight(): number {
    return this.#underWay.known + this.#underWay.stranger
  }

  get queued(): number {
    return this.#waiting.known.length + this.#waiting.stranger.length
  }

  /** Whether a question of this lane would begin at once. */
  isFree(lane: Lane): boolean {
    return this.inFlight < this.#most.known && this.#underWay[lane] < this.#most[lane]
  }

  /** What `begins` must be ended with {@link finished}; for what `waits` that is so once `begin` has been called. */
  enter(question: QueuedQuestion): 'begins' | 'waits' | 'full' {
    const { lane } = question
    if (this.isFree(lane)) {
      this.#underWay[lane] += 1
      return 'begins'
    }
    if (this.#waiting[lane].length >= this.#longestLine) return 'full'
    this.#waiting[lane].push(question)
    return 'waits'
  }

  /** Takes a question that waits out of its line. */
  abandon(question: QueuedQuestion): void {
    const line = this.#waiting[question.lane]
    const index = line.indexOf(question)
    if (index >= 0) line.splice(index, 1)
  }

  /** Lets those begin for whom there is a place now. */
  finished({ lane }: QueuedQuestion): void {
    this.#underWay[lane] -= 1
    for (const next of LANES) {
      while (this.isFree(next)) {
        const question = this.#waiting[next].shift()
        if (question === undefined) break
        this.#underWay[next] += 1
        question.begin()
      }
    }
  }

  /** Sends away all who wait in this lane. */
  dismiss(lane: Lane): void {
    for (const question of this.#waiting[lane].splice(0)) question.dismiss()
  }
}
