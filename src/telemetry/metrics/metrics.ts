/**
 * Makes every metric of the gateway.
 *
 * Labels come from configuration and closed lists only; nothing of a request becomes a label. Series of closed lists
 * start at 0, so that `rate()` sees the first event. Where a list is multiplied by routes and methods, only what is
 * likely to happen starts at 0, and the rest is shown from its first event: thousands of routes would have millions of
 * series otherwise. What every request counts is a tally, bound once per route.
 */
import { Gauge, Registry } from 'prom-client'
import { TRACE_SPAN_RESULTS, type TraceSpanResult } from '../traces/span-queue.ts'
import { auditMetrics } from './audit-metrics.ts'
import { decisionMetrics } from './decision-metrics.ts'
import { exchangeMetrics } from './exchange-metrics.ts'
import { limitMetrics } from './limit-metrics.ts'
import { collectProcessMetrics } from './process-metrics.ts'
import { type ProviderResults, providerMetrics } from './provider-metrics.ts'
import { revocationMetrics } from './revocation-metrics.ts'
import { routeMetrics } from './route-metrics.ts'
import { seriesIn } from './series.ts'
import { sessionMetrics } from './session-metrics.ts'
import { signingMetrics } from './signing-metrics.ts'
import { storeMetrics } from './store-metrics.ts'

export type Metrics = ReturnType<typeof createMetrics>

const RELOAD_RESULTS = ['success', 'failure'] as const

interface MetricsOptions extends ProviderResults {
  /** The version that `build_info` shows. */
  readonly version: string
  readonly node: string
}

export function createMetrics({ version, node, ...results }: MetricsOptions) {
  const registry = new Registry()
  const series = seriesIn(registry)
  const { gauge, overall } = series
  let inFlight = 0
  collectProcessMetrics(registry)

  const ofRoutes = routeMetrics(series)
  const ofProviders = providerMetrics(series, results)
  const ofRevocations = revocationMetrics(series)
  const ofStore = storeMetrics(series)
  const ofSessions = sessionMetrics(series)
  const ofAudit = auditMetrics(series)
  const ofDecisions = decisionMetrics(series)
  const ofLimits = limitMetrics(registry, series)
  const ofSigning = signingMetrics(series)
  const ofExchanges = exchangeMetrics(series)
  const reloads = overall(
    'config_reloads_total',
    'Attempts to put a configuration in force. On failure the old one stays: see the log for each problem and its line.',
    RELOAD_RESULTS.map(result => ({ result })),
  )
  const traceSpans = overall(
    'trace_spans_total',
    'Spans by result. failed: the collector is away or refuses; dropped: it is too slow, or traces.sample is too high.',
    TRACE_SPAN_RESULTS.map(result => ({ result })),
  )
  const configLastReloadSuccessful = gauge(
    'config_last_reload_successful',
    '0: the file was refused and the old policy is in force; a restart would fail. Run sallyport check on it.',
    'min',
  )
  const configInfo = gauge(
    'config_info',
    'Its hash names the configuration in force. Pods that should decide alike must show the same one.',
    'first',
    ['hash'],
  )

  new Gauge({
    name: 'sallyport_requests_in_flight',
    help: 'Requests being handled, streams too. Near limits.requests, new ones soon get 503 overloaded.',
    registers: [registry],
    collect() {
      this.set(inFlight)
    },
  })
  gauge('build_info', 'Always 1. Compare version between pods to see how far a rollout is.', 'first', [
    'version',
    'node',
  ]).set({ version, node }, 1)

  return {
    registry,
    ...ofRoutes,
    ...ofProviders,
    ...ofRevocations,
    ...ofStore,
    ...ofSessions,
    ...ofAudit,
    ...ofDecisions,
    ...ofLimits,
    ...ofSigning,
    ...ofExchanges,
    inFlight: {
      begun(): void {
        inFlight++
      },
      ended(): void {
        inFlight--
      },
    },
    proofReplayEntries: gauge(
      'proof_replay_entries',
      'DPoP proofs remembered, so that none is used twice. At dpop.replay.entries callers get 503: raise it.',
      'sum',
    ),
    tokenCacheEntries: gauge(
      'token_cache_entries',
      'Verified tokens held. At tokenCache.entries old ones make room; with many misses, raise it if memory allows.',
      'sum',
    ),

    /** Notes which configuration is in force. */
    policyInForce(hash: string): void {
      configInfo.reset()
      configInfo.set({ hash }, 1)
      configLastReloadSuccessful.set(1)
    },
    /** @param spans how many of them */
    spansSent(result: TraceSpanResult, spans: number): void {
      traceSpans.add(TRACE_SPAN_RESULTS.indexOf(result), spans)
    },
    reloadSucceeded(): void {
      reloads.add(RELOAD_RESULTS.indexOf('success'))
    },
    /** The configuration in force stays. */
    reloadFailed(): void {
      reloads.add(RELOAD_RESULTS.indexOf('failure'))
      configLastReloadSuccessful.set(0)
    },
  }
}
