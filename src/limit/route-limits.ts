/**
 * Counts the requests of a route against its limits: all of them take it, or none.
 *
 * It comes after the requirements, so that nobody spends the quota of another one with a token that does not count. The
 * limits of this process are asked first and take the request at once; those that are exact ask the ledger then, and
 * what was taken is given back when they refuse.
 */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Principal, RequestFacts } from '../types.ts'
import { nameOf } from './debits.ts'
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

/** A limit, and who spends of it. */
interface Part extends Spender {
  readonly limit: RateLimit
}

export function routeLimits({ route, limits, clientAddress, refused, clock }: RouteLimitsOptions): RouteLimits {
  const counted = limits.map(limit => ({ limit, find: limit.forRoute(route, clientAddress) }))
  const hasExact = limits.some(({ definition }) => definition.exact)

  const spenders = (principal: Principal | undefined, facts: RequestFacts, nowMs: number): readonly Part[] =>
    counted.map(({ limit, find }: { limit: RateLimit; find: FindSpender }) => {
      const { bucket, pace } = find(principal, facts, nowMs)
      bucket.wasUsed = true
      return { limit, bucket, pace }
    })

  const tell = (parts: readonly Part[], nowMs: number, notes: LimitNotes): void => {
    const lines = limitLines(parts, nowMs)
    if (lines.length > 0) notes.responseLines = [...notes.responseLines, ...lines]
  }

  /** @throws {Denial} one of them is not within its limit */
  const check = (parts: readonly Part[], nowMs: number): void => {
    const away = parts.filter(({ limit }) => limit.definition.onFailure === 'refuse' && limit.ledger?.isUp() === false)
    if (away.length > 0) throw unavailable(away)
    const over = parts.filter(part => !asksLedger(part) && waitOf(part, nowMs) > 0)
    if (over.length > 0) throw limited(over, nowMs)
  }

  function unavailable(away: readonly Part[]): Denial {
    for (const { limit } of away) limit.observed('unavailable')
    return limitUnknown(away.map(({ limit }) => limit))
  }

  function limited(over: readonly Part[], nowMs: number): Denial {
    for (const { limit } of over) limit.observed(refused)
    return limitMet(over, nowMs)
  }

  async function takeExact(parts: readonly Part[], notes: LimitNotes): Promise<void> {
    const asking = parts.filter(asksLedger)
    const ledger = asking[0]?.limit.ledger
    try {
      const takings = asking.map(({ limit, bucket, pace }) => ({
        name: nameOf(limit.definition.id, bucket),
        spentMs: pace.intervalMs,
        toleranceMs: pace.toleranceMs,
      }))
      const answer = await ledger?.take(takings)
      const nowMs = clock.monotonicMs()
      for (const [index, { bucket }] of asking.entries()) bucket.paidUntilMs = nowMs + (answer?.aheadMs[index] ?? 0)
      if (answer?.isWithin === false) {
        const over = asking.filter(part => waitOf(part, nowMs) > 0)
        throw limited(over.length === 0 ? asking : over, nowMs)
      }
    } catch (error) {
      if (!(error instanceof Denial)) return withoutLedger(parts, asking, notes)
      giveBack(parts)
      tell(parts, clock.monotonicMs(), notes)
      throw error
    }
    passed(parts, clock.monotonicMs(), notes)
  }

  /** The ledger does not answer: each limit says what becomes of the request then. */
  function withoutLedger(parts: readonly Part[], asking: readonly Part[], notes: LimitNotes): void {
    const nowMs = clock.monotonicMs()
    try {
      const refusing = asking.filter(({ limit }) => limit.definition.onFailure === 'refuse')
      if (refusing.length > 0) throw unavailable(refusing)
      const over = asking.filter(part => waitOf(part, nowMs) > 0)
      if (over.length > 0) throw limited(over, nowMs)
    } catch (error) {
      giveBack(parts)
      tell(parts, nowMs, notes)
      throw error
    }
    for (const part of asking) spend(part, nowMs)
    passed(parts, nowMs, notes)
  }

  function passed(parts: readonly Part[], nowMs: number, notes: LimitNotes): void {
    for (const { limit } of parts) limit.observed('ok')
    tell(parts, nowMs, notes)
  }

  return {
    take(principal, facts, notes) {
      const nowMs = clock.monotonicMs()
      const parts = spenders(principal, facts, nowMs)
      try {
        check(parts, nowMs)
      } catch (error) {
        tell(parts, nowMs, notes)
        throw error
      }
      for (const part of parts) if (!asksLedger(part)) spend(part, nowMs)
      return hasExact && parts.some(asksLedger) ? takeExact(parts, notes) : passed(parts, nowMs, notes)
    },
  }
}

/** While the ledger is away, a limit that is exact counts like the others. */
function asksLedger({ limit }: Part): boolean {
  return limit.definition.exact && limit.ledger?.isUp() === true
}

function waitOf({ bucket, pace }: Spender, nowMs: number): number {
  return waitMs(pace, bucket.paidUntilMs - nowMs)
}

function spend({ limit, bucket, pace }: Part, nowMs: number): void {
  bucket.paidUntilMs = Math.max(bucket.paidUntilMs, nowMs) + pace.intervalMs
  if (limit.debits === undefined) return
  bucket.owedMs += pace.intervalMs
  limit.debits.add(bucket, pace)
}

/** Undoes {@link spend} of the limits that did not ask the ledger. */
function giveBack(parts: readonly Part[]): void {
  for (const part of parts) {
    if (part.limit.definition.exact) continue
    part.bucket.paidUntilMs -= part.pace.intervalMs
    if (part.limit.debits === undefined) continue
    part.bucket.owedMs -= part.pace.intervalMs
    part.limit.debits.add(part.bucket, part.pace)
  }
}
