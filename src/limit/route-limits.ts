/**
 * Counts the requests of a route against its limits: all of them take it, or none.
 *
 * It comes after the requirements, so that nobody spends the quota of another one with a token that does not count. The
 * limits of this process are asked first and take the request at once; those that are exact ask the ledger then, and
 * what was taken is given back when they refuse.
 */
import type { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Principal, RequestFacts } from '../types.ts'
import { ledgerName } from './debits.ts'
import { limitMet, limitUnknown } from './limit-denial.ts'
import { limitLines } from './limit-lines.ts'
import { waitMs } from './pace.ts'
import type { FindSpender, RateLimit, Spender } from './rate-limit.ts'

export interface RouteLimits {
  /**
   * Takes one request.
   *
   * @param notes get the lines that tell the caller what is left
   * @throws {Denial} `rate_limited`, `rate_limit_unavailable`
   */
  take(principal: Principal | undefined, facts: RequestFacts, notes: LimitNotes): MaybePromise<void>
}

interface LimitNotes {
  responseLines: readonly string[]
}

interface RouteLimitsOptions {
  readonly route: string
  readonly limits: readonly RateLimit[]
  readonly clientAddress: (facts: Pick<RequestFacts, 'peer' | 'rawHeaders'>) => string | undefined
  /** What a refusal counts as. */
  readonly refused: 'limited' | 'reported'
  readonly clock: Pick<Clock, 'monotonicMs'>
}

export function routeLimits({ route, limits, clientAddress, refused, clock }: RouteLimitsOptions): RouteLimits {
  const finds = limits.map(limit => limit.forRoute(route, clientAddress))
  const hasExact = limits.some(({ definition }) => definition.exact)
  const linesOf = limitLines()
  /** Of the request that is looked at: an array for each request would cost as much as counting it. */
  const found: Spender[] = []

  function tell(parts: readonly Spender[], nowMs: number, notes: LimitNotes): void {
    const lines = linesOf(parts, nowMs)
    if (lines.length === 0) return
    notes.responseLines = notes.responseLines.length === 0 ? lines : [...notes.responseLines, ...lines]
  }

  function passed(parts: readonly Spender[], nowMs: number, notes: LimitNotes): void {
    for (const { limit } of parts) limit.observed('ok')
    tell(parts, nowMs, notes)
  }

  function unavailable(away: readonly Spender[]): Denial {
    for (const { limit } of away) limit.observed('unavailable')
    return limitUnknown(away.map(({ limit }) => limit))
  }

  function limited(over: readonly Spender[], nowMs: number): Denial {
    for (const { limit } of over) limit.observed(refused)
    return limitMet(over, nowMs)
  }

  /** Says why a request does not pass, to its caller as well. */
  function refusal(parts: readonly Spender[], nowMs: number, notes: LimitNotes): Denial {
    tell(parts, nowMs, notes)
    const away = parts.filter(isUnavailable)
    return away.length > 0
      ? unavailable(away)
      : limited(
          parts.filter(part => waitOf(part, nowMs) > 0),
          nowMs,
        )
  }

  /** @param parts those that are not exact have taken the request already */
  async function takeExact(parts: readonly Spender[], notes: LimitNotes): Promise<void> {
    const asking = parts.filter(({ limit }) => limit.definition.exact)
    // Answers to several requests may come at once, so what each caller is told is kept as this one has found it.
    let seen = parts
    const answer = await ask(asking, clock, () => {
      seen = parts.map(asItIs)
    })
    const nowMs = clock.monotonicMs()
    const over = asking.filter(part => waitOf(part, nowMs) > 0)
    if (answer === 'taken') return passed(seen, nowMs, notes)
    const away = answer === 'unknown' ? asking.filter(({ limit }) => limit.definition.onFailure === 'refuse') : []
    if (answer === 'unknown' && away.length === 0 && over.length === 0) {
      // The ledger may have entered it and only the answer is lost, so it is told what all of it comes to.
      for (const { limit } of asking) limit.debits?.wasAway(nowMs)
      for (const part of asking) spend(part, nowMs)
      return passed(parts, nowMs, notes)
    }
    for (const part of parts) if (!part.limit.definition.exact) giveBack(part, nowMs)
    tell(seen, nowMs, notes)
    // Time has gone on since the ledger looked, so that none of them may be over its limit any more.
    throw away.length > 0 ? unavailable(away) : limited(over.length > 0 ? over : asking, nowMs)
  }

  return {
    take(principal, facts, notes) {
      const nowMs = clock.monotonicMs()
      let isWithin = true
      for (let at = 0; at < finds.length; at += 1) {
        const part = (finds[at] as FindSpender)(principal, facts, nowMs)
        found[at] = part
        part.bucket.wasUsed = true
        // What the ledger has said of an exact limit holds until then: nobody can spend before.
        if (waitOf(part, nowMs) > 0 || isUnavailable(part)) isWithin = false
      }
      if (!isWithin) throw refusal(found, nowMs, notes)
      if (hasExact && found.some(asksLedger)) {
        for (const part of found) if (!part.limit.definition.exact) spend(part, nowMs)
        return takeExact([...found], notes)
      }
      for (const part of found) spend(part, nowMs)
      return passed(found, nowMs, notes)
    },
  }
}

function isUnavailable({ limit }: Spender): boolean {
  return limit.definition.onFailure === 'refuse' && limit.ledger?.isUp() === false
}

/** While the ledger is away, a limit that is exact counts like the others. */
function asksLedger({ limit }: Spender): boolean {
  return limit.definition.exact && limit.ledger?.isUp() === true
}

/** Asks the ledger to spend for all of them, or none. `unknown`: it does not answer. */
async function ask(
  asking: readonly Spender[],
  clock: Pick<Clock, 'monotonicMs'>,
  onAnswered: () => void,
): Promise<'taken' | 'refused' | 'unknown'> {
  try {
    const takings = asking.map(({ limit, bucket, pace }) => ({
      name: ledgerName(limit.definition.id, bucket),
      spentMs: pace.intervalMs,
      burst: pace.burst,
    }))
    const answer = await asking[0]?.limit.ledger?.take(takings)
    if (answer === undefined) return 'unknown'
    const nowMs = clock.monotonicMs()
    for (const [index, part] of asking.entries())
      learn(part, answer.isWithin ? part.pace.intervalMs : 0, nowMs + (answer.aheadMs[index] ?? 0))
    onAnswered()
    return answer.isWithin ? 'taken' : 'refused'
  } catch {
    return 'unknown'
  }
}

/** What was spent while the ledger was away, and is not told yet, is not in its answer. */
function learn({ bucket }: Spender, spentMs: number, answeredMs: number): void {
  const { owedMs, paidUntilMs } = bucket
  bucket.paidUntilMs = owedMs === 0 ? answeredMs : Math.max(paidUntilMs + spentMs, answeredMs)
}

function asItIs(part: Spender): Spender {
  return { ...part, bucket: { ...part.bucket } }
}

function waitOf({ bucket, pace }: Spender, nowMs: number): number {
  return waitMs(pace, bucket.paidUntilMs - nowMs)
}

function spend({ limit, bucket, pace }: Spender, nowMs: number): void {
  bucket.paidUntilMs = Math.max(bucket.paidUntilMs, nowMs) + pace.intervalMs
  limit.debits?.add(bucket, pace.intervalMs, nowMs)
}

/** Undoes {@link spend}. */
function giveBack({ limit, bucket, pace }: Spender, nowMs: number): void {
  bucket.paidUntilMs -= pace.intervalMs
  limit.debits?.add(bucket, -pace.intervalMs, nowMs)
}
