/** Counts what becomes of revocations, and tells in the log of each change of state and of events that are refused. */
import type { Clock } from '../lib/clock.ts'
import { thinned } from '../lib/thinned.ts'
import type { OnEventRefused } from '../revocation/event-answers.ts'
import type { RevocationSource, RevocationState, RevocationStatus } from '../revocation/revocations.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'

interface RevocationEvents {
  onEvent(source: RevocationSource, result: Parameters<Metrics['revocationTold']>[1]): void
  onState(state: RevocationState, status: RevocationStatus): void
}

export function revocationEvents(metrics: Metrics, log: Log): RevocationEvents {
  return {
    onEvent: metrics.revocationTold,
    onState(state, { lastSuccessSeconds, lastError }) {
      const members = {
        state,
        last_success: lastSuccessSeconds === undefined ? undefined : new Date(lastSuccessSeconds * 1000).toISOString(),
      }
      if (state === 'fresh') log.info(members, 'revocations are up to date')
      else log.warn({ ...members, reason: lastError }, 'revocations may be missing')
    },
  }
}

const REFUSED_INTERVAL_MS = 1_000

/** One line a second at most, because anybody can send what is refused. */
export function eventRefusals(log: Log, clock: Clock): OnEventRefused {
  const lines = { logout: thinned(REFUSED_INTERVAL_MS), signals: thinned(REFUSED_INTERVAL_MS) }
  return (source, provider, reason) => {
    const suppressed = lines[source](clock.monotonicMs())
    if (suppressed === undefined) return
    log.warn(
      { source, provider, reason, suppressed: suppressed === 0 ? undefined : suppressed },
      source === 'logout' ? 'a logout token was not taken' : 'a security event was not taken',
    )
  }
}
