/** Counts the tokens that are issued for callers, by the upstream that they are for. */
import { EXCHANGE_RESULTS, type ExchangeResult } from '../../token-exchange/issued-tokens.ts'
import { DURATION_BUCKETS, type Series } from './series.ts'
import type { Tally } from './tally.ts'

/** What one upstream counts, bound once. */
interface Counts {
  readonly results: Tally
  readonly durations: { observe(seconds: number): void }
}

interface ExchangeMetrics {
  exchanged(upstream: string, result: ExchangeResult, durationSeconds: number): void
  /** Shows the series of an upstream. @param keeper what has its tokens issued */
  held(upstream: string, keeper: object): void
  /** The series go with the last keeper: a reload makes one before the old one ends. */
  ended(upstream: string, keeper: object): void
}

export function exchangeMetrics({ tally, histogram }: Series): { readonly exchanges: ExchangeMetrics } {
  const keepers = new Map<string, Set<object>>()
  const bound = new Map<string, Counts>()
  const results = tally(
    'exchange_total',
    'Tokens asked for in place of those of callers. refused: 403; unavailable: 503, see exchange in /-/status.',
    ['upstream', 'result'],
    EXCHANGE_RESULTS.map(result => ({ result })),
  )
  const durations = histogram(
    'exchange_duration_seconds',
    'Time of one exchange, for which the first request of a caller waits. Near exchange.timeout: the server is slow.',
    DURATION_BUCKETS,
    'upstream',
  )
  return {
    exchanges: {
      exchanged(upstream, result, durationSeconds) {
        const counts = bound.get(upstream)
        counts?.results.add(EXCHANGE_RESULTS.indexOf(result))
        counts?.durations.observe(durationSeconds)
      },
      held(upstream, keeper) {
        keepers.set(upstream, (keepers.get(upstream) ?? new Set()).add(keeper))
        bound.set(upstream, {
          results: results.of(upstream, EXCHANGE_RESULTS.keys()),
          durations: durations.of(upstream),
        })
      },
      ended(upstream, keeper) {
        const left = keepers.get(upstream)
        left?.delete(keeper)
        if (left === undefined || left.size > 0) return
        keepers.delete(upstream)
        bound.delete(upstream)
        for (const each of [results, durations]) each.forget(upstream)
      },
    },
  }
}
