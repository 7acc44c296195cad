/** Turns what introspectors report into metrics, and each change of a breaker into one log line. */
import type { IntrospectionObserver } from '../authenticate/introspection/registry.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'

/** Which tokens nobody is asked about. */
const TOKENS = { known: 'active before', stranger: 'not active before' } as const

export function introspectionEvents(metrics: Metrics, log: Log): IntrospectionObserver {
  return {
    asked: metrics.introspected,
    breakerChanged({ provider, lane, from, to, reason }) {
      // A probe tells nobody anything: what comes of it does.
      if (to === 'probing') return
      log[to === 'closed' ? 'info' : 'error'](
        { provider, tokens: TOKENS[lane], from, to, reason },
        to === 'closed'
          ? 'the introspection endpoint answers again'
          : 'the introspection endpoint is left alone for now',
      )
    },
  }
}
