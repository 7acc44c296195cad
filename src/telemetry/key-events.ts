/** Turns what key sets report into metrics, and each change of state into one log line. */
import type { KeySetObserver } from '../keys/key-set-events.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'

export function keyEvents(metrics: Metrics, log: Log): KeySetObserver {
  return {
    fetched({ provider, result, durationSeconds }) {
      metrics.keysFetched(provider, result, durationSeconds)
    },
    unknownKey({ provider }) {
      metrics.keyUnknown(provider)
    },
    stateChanged({ provider, from, to, keys, skipped, reason }) {
      const level = to === 'fresh' ? 'info' : to === 'unavailable' ? 'error' : 'warn'
      log[level]({ provider, from, to, keys, skipped, reason }, 'keys changed state')
    },
    cacheFile({ provider, outcome, reason }) {
      log[outcome === 'loaded' ? 'info' : 'warn']({ provider, outcome, reason }, 'key cache file')
    },
  }
}
