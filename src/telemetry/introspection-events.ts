/** Turns what introspectors report into metrics, and each change of a breaker into one log line. */
import type { IntrospectionObserver } from '../authenticate/introspection/registry.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'

export function introspectionEvents(metrics: Metrics, log: Log): IntrospectionObserver {
  return {
    asked: metrics.introspected,
    breakerChanged({ provider, from, to, reason }) {
      // A probe tells nobody anything: what comes of it does.
      if (to === 'probing') return
      log[to === 'closed' ? 'info' : 'error'](
        { provider, from, to, reason },
        to === 'closed'
          ? 'the introspection endpoint answers again'
          : 'the introspection endpoint is left alone for now',
      )
    },
  }
}
