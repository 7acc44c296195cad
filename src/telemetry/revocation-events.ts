/** Counts what becomes of revocations, and tells of each change of state in one log line. */
import type { RevocationSource, RevocationState, RevocationStatus } from '../revocation/revocations.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

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
