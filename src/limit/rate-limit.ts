/**
 * One limit of the configuration: what each key of it has spent, and how fast its callers may go.
 *
 * It outlives a policy: a reload that changes nothing about it leaves every caller where he was. What is counted by the
 * principal alone hangs on the principal, whose token is remembered, so that a request looks up nothing else.
 */
import { type ClaimReader, claimReader } from '../claim-reader.ts'
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Principal, RequestFacts } from '../types.ts'
import { type Bucket, buckets } from './buckets.ts'
import { type Debits, debits } from './debits.ts'
import type { Ledger } from './ledger.ts'
import { type KeyPart, keyReader } from './limit-key.ts'
import { type Pace, pace } from './pace.ts'
import type { Rate } from './rate.ts'

/** A limit as it is configured. */
export interface LimitDefinition {
  readonly id: string
  /** One rate for all, or one by the value of a claim. */
  readonly rate:
    | Rate
    | {
        readonly claim: string
        readonly values: Readonly<Record<string, Rate>>
        readonly default: Rate
      }
  /** Undefined: one second's worth. */
  readonly burst: number | undefined
  readonly key: readonly KeyPart[]
  readonly entries: number
  /** Whether every request asks the ledger. */
  readonly exact: boolean
  /** What becomes of requests while the ledger is away. */
  readonly onFailure: 'local' | 'refuse'
  readonly headers: 'on' | 'off'
  /** How often the ledger is told what was spent. */
  readonly syncMs: number
}

export type LimitResult = 'ok' | 'limited' | 'reported' | 'unavailable'
export type SyncResult = 'ok' | 'error'

export interface LimitObserver {
  decided(limit: string, result: LimitResult): void
  evicted(limit: string): void
  synced(limit: string, result: SyncResult, durationMs: number): void
}

/** Who spends of a limit: a key with the pace of the caller. */
export interface Spender {
  readonly limit: RateLimit
  readonly bucket: Bucket
  readonly pace: Pace
}

export interface RateLimit {
  readonly definition: LimitDefinition
  /** Undefined where no other process counts. */
  readonly ledger: Ledger | undefined
  readonly debits: Debits | undefined
  /** Finds who spends, for the requests to one route. */
  forRoute(route: string, clientAddress: ClientAddress): FindSpender
  observed(result: LimitResult): void
  /** How many keys are held. */
  readonly keys: number
  /** Tells the ledger what it has not been told yet. */
  close(): Promise<void>
}

type ClientAddress = (facts: Pick<RequestFacts, 'peer' | 'rawHeaders'>) => string | undefined
export type FindSpender = (principal: Principal | undefined, facts: RequestFacts, nowMs: number) => Spender

interface RateLimitOptions {
  readonly clock: Clock
  readonly observer: LimitObserver
  /** What tells the ledger, where there is one. */
  readonly shared: { readonly ledger: Ledger; readonly scheduler: Scheduler } | undefined
}

export function rateLimit(definition: LimitDefinition, { clock, observer, shared }: RateLimitOptions): RateLimit {
  const { id, key, entries, burst } = definition
  const held = buckets({ most: entries, onEvicted: () => observer.evicted(id) })
  const paceOf = paces(definition.rate, burst)
  const told =
    shared && debits({ ...shared, clock, definition, onSynced: (result, ms) => observer.synced(id, result, ms) })
  const limit: RateLimit = {
    definition,
    ledger: shared?.ledger,
    debits: told,
    forRoute(route, clientAddress) {
      const reader = keyReader({ parts: key, route, clientAddress })
      const known = new WeakMap<Principal, Spender>()
      const find = (principal: Principal | undefined, facts: RequestFacts, nowMs: number): Spender => ({
        limit,
        bucket: held.of(reader.read(principal, facts), nowMs),
        pace: paceOf(principal),
      })
      if (!reader.isOfPrincipal) return find
      return (principal, facts, nowMs) => {
        if (principal === undefined) return find(principal, facts, nowMs)
        const spender = known.get(principal)
        if (spender?.bucket.isHeld === true) return spender
        const found = find(principal, facts, nowMs)
        known.set(principal, found)
        return found
      }
    },
    observed: result => observer.decided(id, result),
    get keys() {
      return held.size
    },
    async close() {
      await told?.close()
    },
  }
  return limit
}

/** @returns the pace of a caller, by a claim where the limit asks for one */
function paces(rate: LimitDefinition['rate'], burst: number | undefined): (principal: Principal | undefined) => Pace {
  if (!('claim' in rate)) {
    const only = pace(rate, burst)
    return () => only
  }
  const read: ClaimReader = claimReader(rate.claim)
  const otherwise = pace(rate.default, burst)
  const byValue = new Map(Object.entries(rate.values).map(([value, each]) => [value, pace(each, burst)]))
  return principal => {
    const value = principal && read(principal.claims)
    return (value === undefined || typeof value === 'object' ? undefined : byValue.get(String(value))) ?? otherwise
  }
}
