/** Counts what rate limits let through and refuse, how many keys they hold, and how well they are shared. */
import { Gauge, type Registry } from 'prom-client'
import type { LimitObserver, LimitResult, SyncResult } from '../../limit/rate-limit.ts'
import { LAG_BUCKETS, type Series } from './series.ts'
import type { Tally } from './tally.ts'

const LIMIT_RESULTS = ['ok', 'limited', 'reported', 'unavailable'] as const satisfies readonly LimitResult[]
const SYNC_RESULTS = ['ok', 'error'] as const satisfies readonly SyncResult[]

interface Held {
  readonly keys: number
}

/** What one limit counts, bound once. */
interface Counts {
  readonly decisions: Tally
  readonly evictions: Tally
  readonly syncs: Tally
  /** Undefined where there is nobody to tell. */
  readonly durations: { observe(seconds: number): void } | undefined
}

type Shares = 'shares' | 'alone'

interface LimitMetrics extends LimitObserver {
  /** Shows how many keys a limit holds. @param shares whether it tells others what it counts */
  held(limit: string, table: Held, shares: Shares): void
  /** The series of a limit go with the last of its tables: a reload makes one before the old one ends. */
  ended(limit: string, table: Held): void
}

export function limitMetrics(registry: Registry, { tally, histogram }: Series): { readonly limits: LimitMetrics } {
  const tables = new Map<string, Map<Held, Shares>>()
  const bound = new Map<string, Counts>()
  const decisions = tally(
    'rate_limit_decisions_total',
    'Requests counted by a limit. limited: 429; reported: a report-only route let it pass; unavailable: 503, no store.',
    ['limit', 'result'],
    LIMIT_RESULTS.map(result => ({ result })),
  )
  const evictions = tally(
    'rate_limit_evictions_total',
    'Keys that made room before they had paid, and may begin anew. Raise entries of the limit if memory allows.',
    ['limit'],
    [{}],
  )
  const syncs = tally(
    'rate_limit_syncs_total',
    'Attempts to tell the others what was spent. On error each process counts for itself, or refuses: see onFailure.',
    ['limit', 'result'],
    SYNC_RESULTS.map(result => ({ result })),
  )
  const durations = histogram(
    'rate_limit_sync_duration_seconds',
    'Time of telling the others what was spent. No request waits for it; the longer it is, the more is let through.',
    LAG_BUCKETS,
    'limit',
  )
  new Gauge({
    name: 'sallyport_rate_limit_keys',
    help: 'Keys that a limit holds, over all processes. At entries in one of them, they make room for each other.',
    labelNames: ['limit'],
    aggregator: 'sum',
    registers: [registry],
    collect() {
      this.reset()
      for (const [limit, held] of tables) this.set({ limit }, sumOfKeys(held.keys()))
    },
  })

  return {
    limits: {
      decided: (limit, result) => bound.get(limit)?.decisions.add(LIMIT_RESULTS.indexOf(result)),
      evicted: limit => bound.get(limit)?.evictions.add(0),
      synced(limit, result, durationMs) {
        const counts = bound.get(limit)
        counts?.syncs.add(SYNC_RESULTS.indexOf(result))
        if (result === 'ok') counts?.durations?.observe(durationMs / 1_000)
      },
      held(limit, table, shares) {
        tables.set(limit, (tables.get(limit) ?? new Map()).set(table, shares))
        bound.set(limit, {
          decisions: decisions.of(limit, LIMIT_RESULTS.keys()),
          evictions: evictions.of(limit, [0]),
          syncs: syncs.of(limit, shares === 'shares' ? SYNC_RESULTS.keys() : []),
          durations: shares === 'shares' ? durations.of(limit) : bound.get(limit)?.durations,
        })
      },
      ended(limit, table) {
        const held = tables.get(limit)
        held?.delete(table)
        const left = [...(held?.values() ?? [])]
        if (!left.includes('shares')) for (const each of [syncs, durations]) each.forget(limit)
        if (left.length > 0) return
        tables.delete(limit)
        bound.delete(limit)
        for (const each of [decisions, evictions]) each.forget(limit)
      },
    },
  }
}

function sumOfKeys(held: Iterable<Held>): number {
  let sum = 0
  for (const { keys } of held) sum += keys
  return sum
}
