/** Measures revocations: those that arrived, those in force, and whether any is missing. */
import { REVOCATION_KINDS } from '../../revocation/entry.ts'
import {
  REVOCATION_RESULTS,
  REVOCATION_SOURCES,
  type RevocationResult,
  type RevocationSource,
  type RevocationStatus,
} from '../../revocation/revocations.ts'
import { LAG_BUCKETS, type Series } from './series.ts'

export function revocationMetrics({ histogram, gauge, overall }: Series) {
  const revocationEvents = overall(
    'revocation_events_total',
    'Revocations that arrived. invalid: the sender errs, see the log; full: no room, so they are not in force.',
    REVOCATION_SOURCES.flatMap(source => REVOCATION_RESULTS.map(result => ({ source, result }))),
  )
  // Of several processes the one that knows least is shown.
  const revocationEntries = gauge(
    'revocation_entries',
    'Revocations in force by kind. Pods that differ for minutes have not heard of the same ones: look at fresh.',
    'min',
    ['kind'],
  )
  const revocationFresh = gauge(
    'revocation_fresh',
    '0: revocations may be missing, and whenStale decides who gets in. Bring the store back; see /-/status.',
    'min',
  )
  const revocationLastSuccess = gauge(
    'revocation_last_success_timestamp_seconds',
    'When the store last showed that no revocation is missing. Seconds ago is right; older: it cannot be read.',
    'min',
    ['source'],
  )
  const revocationLag = histogram(
    'revocation_lag_seconds',
    'From writing a revocation to the store until it is in force here. Seconds mean a slow store or clocks that differ.',
    LAG_BUCKETS,
    'source',
  ).of('store')
  const historyLost = overall(
    'revocation_history_lost_total',
    'Times the store had lost revocations. New pods may not know them: revoke again what was revoked lately.',
    [{}],
  )
  // Without revocations, nobody has to be alarmed that some are missing.
  revocationFresh.remove()

  return {
    /** Something was told about revocations. */
    revocationTold(source: RevocationSource, result: RevocationResult): void {
      revocationEvents.add(
        REVOCATION_SOURCES.indexOf(source) * REVOCATION_RESULTS.length + REVOCATION_RESULTS.indexOf(result),
      )
    },
    /** Shows what is known of revocations now; undefined: the configuration asks for none. */
    showRevocations(status: RevocationStatus | undefined): void {
      if (status === undefined) {
        for (const each of [revocationEntries, revocationLastSuccess]) each.reset()
        revocationFresh.remove()
        return
      }
      const { entries, state, lastSuccessSeconds } = status
      for (const kind of REVOCATION_KINDS) revocationEntries.set({ kind }, entries[kind])
      revocationFresh.set(state === 'fresh' ? 1 : 0)
      if (lastSuccessSeconds !== undefined) revocationLastSuccess.set({ source: 'store' }, lastSuccessSeconds)
    },

    /** A revocation came from the store. */
    revocationArrived(seconds: number): void {
      revocationLag.observe(seconds)
    },
    revocationHistoryLost(): void {
      historyLost.add(0)
    },
  }
}
