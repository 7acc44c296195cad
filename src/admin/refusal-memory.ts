/**
 * Remembers the last refusals of this process, and what report-only routes would have refused: `admin.console`.
 *
 * A request pays for a small object. Every text is made when somebody asks. What is kept is copied out of the head and
 * bounded: a part of a string keeps all of it in memory, and what a caller sent as a secret is not kept at all.
 *
 * Attack: a flood of one kind of refusal pushes out those that somebody looks for. So when the memory is full, it
 * forgets the oldest record of the code that has the most, and of requests that were refused for overload it keeps one
 * a second, as the log does.
 */
import { Buffer } from 'node:buffer'
import { createHmac } from 'node:crypto'
import { canonicalAddress } from '../downstream/client-address.ts'
import type { Denial, DenialCode } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import { evidenceText } from '../lib/evidence-text.ts'
import { randomHex } from '../lib/random-hex.ts'
import { redactPath } from '../lib/redact-path.ts'
import { thinned } from '../lib/thinned.ts'
import type { JsonObject } from '../types.ts'
import { type Caller, explainLine } from './explain-line.ts'
import { MOST_RECORDS, type RecentPart, type RecentQuestion, type RecentRefusal, readUpTo } from './recent.ts'

export interface RefusalMemory {
  /** Remembers a request that is over, if it was refused or would have been. */
  ended(exchange: Exchange, status: number | undefined): void
  /** Remembers what was refused below HTTP, where no request is. */
  broken(denial: Denial, requestId: string): void
  /** @param subjectKey makes hashes of subjects; all processes of a gateway are asked with the same */
  part(question: RecentQuestion, subjectKey: string): RecentPart
}

interface RefusalMemoryOptions {
  /** How many records there are at most. */
  readonly entries: number
  readonly subjects: 'hash' | 'plain' | 'none'
  readonly clock: Pick<Clock, 'nowMs'>
}

const SHED_INTERVAL_MS = 1_000
const MOST_EVIDENCE_CHARS = 2_000
/** A part of a subject stands for all of it. */
const MOST_SUBJECT_CHARS = 256
const SUBJECT_HASH_DIGITS = 12

export function refusalMemory({ entries, subjects, clock }: RefusalMemoryOptions): RefusalMemory {
  const source = randomHex(4)
  const sheds = thinned(SHED_INTERVAL_MS)
  const byCode = new Map<DenialCode, Queue>()
  /** The queue with the most records, as far as that was looked at. */
  let longest: Queue | undefined
  let last = 0
  let count = 0

  function keep(kept: Kept): void {
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

  return {
    ended(exchange, status) {
      const { facts, findings, denial } = exchange
      const why = denial ?? findings.reported
      if (why === undefined) return
      const nowMs = clock.nowMs()
      if (why.code === 'overloaded' && sheds(nowMs) === undefined) return
      const { principal, route, endpoint } = findings
      keep({
        number: ++last,
        timeMs: nowMs,
        requestId: exchange.requestId,
        isReport: denial === undefined,
        code: why.code,
        status,
        method: facts.method,
        host: findings.host,
        path: keptPath(facts.target),
        route: (route ?? endpoint)?.id,
        isEndpoint: endpoint !== undefined,
        provider: principal?.provider ?? why.provider,
        subject: subjects === 'none' ? undefined : keptSubject(principal?.claims.sub),
        caller: principal && (CALLERS[callerIndex(exchange)] as Caller),
        client: facts.peer.address,
        evidence: keptEvidence(why.evidence),
        next: undefined,
      })
    },
    broken({ code, spec, evidence }, requestId) {
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
        client: undefined,
        evidence: keptEvidence(evidence),
        next: undefined,
      })
    },
    part({ after, request }, subjectKey) {
      const from = readUpTo(after).get(source)
      const found: Kept[] = []
      for (const queue of byCode.values())
        for (let kept = queue.oldest; kept !== undefined; kept = kept.next)
          if (kept.number > (from ?? 0) && (request === undefined || kept.requestId === request)) found.push(kept)
      found.sort((a, b) => a.number - b.number)
      const isForward = readUpTo(after).size > 0
      const told = isForward ? found.slice(0, MOST_RECORDS) : found.slice(-MOST_RECORDS)
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

interface Kept {
  readonly number: number
  readonly timeMs: number
  readonly requestId: string
  readonly isReport: boolean
  readonly code: DenialCode
  readonly status: number | undefined
  readonly method: string
  readonly host: string
  readonly path: string
  /** Id of the route or of the endpoint, since either would keep a policy that is not in force any more. */
  readonly route: string | undefined
  readonly isEndpoint: boolean
  readonly provider: string | undefined
  readonly subject: string | undefined
  readonly caller: Caller | undefined
  readonly client: string | undefined
  /** As JSON. */
  readonly evidence: string | undefined
  next: Kept | undefined
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

function longestOf(queues: Iterable<Queue>): Queue | undefined {
  let longest: Queue | undefined
  for (const each of queues) if (longest === undefined || each.length > longest.length) longest = each
  return longest
}

function keptPath(target: string): string {
  const path = redactPath(target)
  return path === target ? path : copied(path)
}

function keptSubject(subject: unknown): string | undefined {
  if (typeof subject !== 'string') return undefined
  return subject.length <= MOST_SUBJECT_CHARS ? subject : copied(subject.slice(0, MOST_SUBJECT_CHARS))
}

/** One text is the smallest copy. */
function keptEvidence(evidence: Denial['evidence']): string | undefined {
  if (evidence === undefined) return undefined
  const text = JSON.stringify(evidence)
  return text.length <= MOST_EVIDENCE_CHARS ? text : JSON.stringify({ cut: text.slice(0, MOST_EVIDENCE_CHARS) })
}

/** A part of a string would keep the whole string in memory. */
function copied(text: string): string {
  return Buffer.from(text).toString()
}

function refusalOf(kept: Kept, nameOf: (subject: string) => string): RecentRefusal {
  const { code, method, path, host, route, isEndpoint, caller, subject, client } = kept
  const evidence = kept.evidence === undefined ? undefined : (JSON.parse(kept.evidence) as JsonObject)
  return {
    time: new Date(kept.timeMs).toISOString(),
    request_id: kept.requestId,
    decision: kept.isReport ? 'report' : 'deny',
    code,
    status: kept.status,
    method,
    host,
    path,
    route,
    provider: kept.provider,
    subject: subject === undefined ? undefined : evidenceText(nameOf(subject)),
    client: client === undefined ? undefined : canonicalAddress(client),
    evidence,
    explain: explainLine({ code, method, path, host, caller, evidence, isEndpoint }),
  }
}

function hashed(subject: string, key: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(subject).digest('hex').slice(0, SUBJECT_HASH_DIGITS)
}
