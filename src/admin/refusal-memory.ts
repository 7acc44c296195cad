/**
 * Remembers the last refusals of this process, and what report-only routes would have refused: `admin.console`.
 *
 * A request pays for a small object. Within a second, what is still remembered by then is settled: it is copied out of
 * the head and bounded, since a part of a string keeps all of it in memory, and what a caller sent as a secret goes.
 * In a flood most records are forgotten before that. All other texts are made when somebody asks.
 *
 * Attack: a flood of one kind of refusal pushes out those that somebody looks for. So when the memory is full, it
 * forgets the oldest record of the code that has the most, and of requests that were refused for overload it keeps one
 * a second, as the log does.
 */
import { createHmac } from 'node:crypto'
import type { Denial, DenialCode } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import { randomHex } from '../lib/random-hex.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { thinned } from '../lib/thinned.ts'
import type { Sender } from '../types.ts'
import type { Caller } from './explain-line.ts'
import { type Kept, refusalOf, type Subjects, settle } from './kept-refusal.ts'
import { MOST_RECORDS, type RecentPart, type RecentQuestion, readUpTo } from './recent.ts'

export interface RefusalMemory {
  /** Remembers a request that is over, if it was refused or would have been. */
  ended(exchange: Exchange, sender: Sender, status: number | undefined): void
  /** Remembers what was refused below HTTP, where no request is. */
  broken(denial: Denial, requestId: string, client: string | undefined): void
  /** @param subjectKey makes hashes of subjects; all processes of a gateway are asked with the same */
  part(question: RecentQuestion, subjectKey: string): RecentPart
}

interface RefusalMemoryOptions {
  /** How many records there are at most. */
  readonly entries: number
  readonly subjects: Subjects
  readonly clock: Pick<Clock, 'nowMs'>
  readonly scheduler: Scheduler
}

const SHED_INTERVAL_MS = 1_000
const SETTLE_MS = 1_000
const SUBJECT_HASH_DIGITS = 12

export function refusalMemory({ entries, subjects, clock, scheduler }: RefusalMemoryOptions): RefusalMemory {
  const source = randomHex(4)
  const sheds = thinned(SHED_INTERVAL_MS)
  const byCode = new Map<DenialCode, Queue>()
  /** The queue with the most records, as far as that was looked at. */
  let longest: Queue | undefined
  let last = 0
  let count = 0
  let isSettling = false

  function settleAll(): void {
    isSettling = false
    for (const queue of byCode.values())
      for (let kept = queue.oldest; kept !== undefined; kept = kept.next) settle(kept, subjects)
  }

  function keep(kept: Kept): void {
    if (!isSettling) {
      isSettling = true
      scheduler.after(SETTLE_MS, settleAll)
    }
    let queue = byCode.get(kept.code)
    if (queue === undefined) {
      queue = new Queue()
      byCode.set(kept.code, queue)
    }
    if (count === entries) {
      // A flood is the longest already, so that nobody has to look.
      if (longest !== queue) longest = longestOf(byCode.values())
      longest?.forgetOldest()
    } else count++
    queue.add(kept)
    if (longest === undefined || queue.length > longest.length) longest = queue
  }

  function remember(exchange: Exchange, { client, traceId }: Sender, status: number | undefined, why: Denial): void {
    const nowMs = clock.nowMs()
    if (why.code === 'overloaded' && sheds(exchange.startedMs) === undefined) return
    const { facts, findings } = exchange
    const { principal, route, endpoint } = findings
    keep({
      number: ++last,
      timeMs: nowMs,
      requestId: exchange.requestId,
      isReport: why === findings.reported,
      code: why.code,
      status,
      method: facts.method,
      host: findings.host,
      path: facts.target,
      route: (route ?? endpoint)?.id,
      isEndpoint: endpoint !== undefined,
      provider: principal?.provider ?? why.provider,
      subject: principal?.claims.sub,
      caller: principal && (CALLERS[callerIndex(exchange)] as Caller),
      client,
      traceId,
      evidence: why.evidence,
      isSettled: false,
      next: undefined,
    })
  }

  return {
    ended(exchange, sender, status) {
      const { denial, findings } = exchange
      // A request that was let pass may have failed later on.
      if (findings.reported !== undefined) remember(exchange, sender, status, findings.reported)
      if (denial !== undefined) remember(exchange, sender, status, denial)
    },
    broken({ code, spec, evidence }, requestId, client) {
      keep({
        number: ++last,
        timeMs: clock.nowMs(),
        requestId,
        isReport: false,
        code,
        status: spec.status,
        method: '',
        host: '',
        path: '',
        route: undefined,
        isEndpoint: false,
        provider: undefined,
        subject: undefined,
        caller: undefined,
        client,
        traceId: undefined,
        evidence,
        isSettled: false,
        next: undefined,
      })
    },
    part({ after, request }, subjectKey) {
      const read = readUpTo(after)
      const from = read.get(source) ?? 0
      // A stream asks twice a second, and mostly there is nothing new.
      if (from === last) return { source, last, records: [] }
      const found: Kept[] = []
      for (const queue of byCode.values())
        for (let kept = queue.oldest; kept !== undefined; kept = kept.next)
          if (kept.number > from && (request === undefined || kept.requestId === request)) found.push(kept)
      found.sort((a, b) => a.number - b.number)
      const isForward = read.size > 0
      const told = isForward ? found.slice(0, MOST_RECORDS) : found.slice(-MOST_RECORDS)
      for (const kept of told) settle(kept, subjects)
      const nameOf = (subject: string): string => (subjects === 'plain' ? subject : hashed(subject, subjectKey))
      return {
        source,
        last: isForward && told.length < found.length ? (told.at(-1)?.number ?? last) : last,
        records: told.map(kept => ({ number: kept.number, refusal: refusalOf(kept, nameOf) })),
      }
    },
  }
}

/** Somebody who was known, in the eight ways in which that changes how a request is asked once more. */
const CALLERS: readonly Caller[] = Array.from({ length: 8 }, (_, index) => ({
  isSession: (index & 1) !== 0,
  needsProof: (index & 2) !== 0,
  needsCertificate: (index & 4) !== 0,
}))

function callerIndex({ findings: { principal, route } }: Exchange): number {
  if (principal === undefined) return 0
  // Sessions end otherwise than by the time of their tokens.
  const isSession =
    route?.session !== undefined &&
    principal.tenure !== undefined &&
    principal.validUntilMs === Number.POSITIVE_INFINITY
  const { confirmation } = principal
  return (
    (isSession ? 1 : 0) |
    (confirmation?.jkt === undefined ? 0 : 2) |
    (confirmation?.certificateThumbprint === undefined ? 0 : 4)
  )
}

/** The records of one code, the oldest first. */
class Queue {
  oldest: Kept | undefined
  length = 0
  #newest: Kept | undefined

  add(kept: Kept): void {
    if (this.#newest === undefined) this.oldest = kept
    else this.#newest.next = kept
    this.#newest = kept
    this.length++
  }

  forgetOldest(): void {
    const gone = this.oldest
    if (gone === undefined) return
    this.oldest = gone.next
    // An old object that refers to a younger one makes the collector keep that.
    gone.next = undefined
    if (this.oldest === undefined) this.#newest = undefined
    this.length--
  }
}

/** Of several that are as long, the one with the oldest record. */
function longestOf(queues: Iterable<Queue>): Queue | undefined {
  let longest: Queue | undefined
  for (const each of queues) {
    const { length, oldest } = each
    const isLonger = longest === undefined || length > longest.length
    if (isLonger || (length === longest?.length && isOlder(oldest, longest.oldest))) longest = each
  }
  return longest
}

function isOlder(one: Kept | undefined, other: Kept | undefined): boolean {
  return one !== undefined && other !== undefined && one.number < other.number
}

function hashed(subject: string, key: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(subject).digest('hex').slice(0, SUBJECT_HASH_DIGITS)
}
