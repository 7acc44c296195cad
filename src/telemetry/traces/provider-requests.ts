/**
 * Makes traces of the requests that the gateway sends to providers: for keys, for metadata, about tokens, for logins.
 *
 * Each is a trace of its own, with one CLIENT span, which the provider may continue. One answer serves many requests,
 * so it belongs to none of theirs. The place is told without its query.
 */
import type { TraceRequest } from '../../keys/fetch/request-trace.ts'
import type { Clock } from '../../lib/clock.ts'
import { newIds, sampler, TRACE_ID_DIGITS } from './sampling.ts'
import type { FinishedSpan, SpanSink } from './span.ts'

interface TracesInForce {
  readonly sample: number
  readonly sink: SpanSink
}

export interface ProviderTraces {
  /** Undefined: no traces are made. */
  follow(traces: TracesInForce | undefined): void
  /** @param provider its id in the configuration */
  of(provider: string): TraceRequest
}

export function providerTraces(clock: Clock): ProviderTraces {
  let inForce: { readonly isSampled: (ids: string) => boolean; readonly sink: SpanSink } | undefined
  return {
    follow(traces) {
      inForce = traces && { isSampled: sampler(traces.sample), sink: traces.sink }
    },
    of: provider => (method, url) => {
      if (inForce === undefined) return undefined
      const { isSampled, sink } = inForce
      const ids = newIds()
      const [traceId, spanId] = [ids.slice(0, TRACE_ID_DIGITS), ids.slice(TRACE_ID_DIGITS)]
      if (!isSampled(ids)) return { traceparent: `00-${traceId}-${spanId}-00`, ended() {} }
      const startedMs = clock.monotonicMs()
      return {
        traceparent: `00-${traceId}-${spanId}-01`,
        ended(outcome) {
          const endedMs = clock.monotonicMs()
          const epochMs = clock.nowMs() - endedMs
          const isError = typeof outcome === 'string' || outcome >= 400
          const span: FinishedSpan = {
            name: method,
            kind: 'client',
            traceId,
            spanId,
            flags: 1,
            tracestate: undefined,
            parentSpanId: undefined,
            parent: undefined,
            link: undefined,
            startMs: epochMs + startedMs,
            endMs: epochMs + endedMs,
            isError,
            attributes: {
              'http.request.method': method,
              'url.full': `${url.origin}${url.pathname}`,
              'server.address': url.hostname,
              'server.port': Number(url.port) || (url.protocol === 'https:' ? 443 : 80),
              'sallyport.provider': provider,
              ...(typeof outcome === 'number' ? { 'http.response.status_code': outcome } : {}),
              ...(isError ? { 'error.type': String(outcome) } : {}),
            },
          }
          sink.add({ spanCount: 1, addTo: spans => void spans.push(span) })
        },
      }
    },
  }
}
