/** Measures what becomes of requests, for each route by itself. */
import { DENIAL_CODES } from '../errors.ts'
import type { RouteMetrics, StaleDecision, StreamEnd } from '../types.ts'
import {
  CALL_SERIES,
  callSeries,
  PREFLIGHT_RESULTS,
  REPORT_SERIES,
  REQUEST_SERIES,
  type RouteKind,
  type RouteSeries,
  reportSeries,
  requestSeries,
  routeSeries,
  UNMATCHED_SERIES,
} from './route-series.ts'
import { DURATION_BUCKETS, type Series } from './series.ts'

/** The label of requests that matched no route; the parentheses keep it apart from every route id. */
const NO_ROUTE = '(none)'

const OVERHEAD_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1]
const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'].map(statusClass => ({ status_class: statusClass }))
const STREAM_ENDS = Object.keys({
  expired: true,
  revoked: true,
  inactive: true,
  unconfirmed: true,
  forbidden: true,
  stalled: true,
  idle: true,
  shutdown: true,
} satisfies Record<StreamEnd, true>)
const STREAM_SERIES = STREAM_ENDS.map(reason => ({ reason }))
const STALE_DECISIONS = Object.keys({
  allowed: true,
  exempt: true,
  refused: true,
} satisfies Record<StaleDecision, true>)
const STALE_SERIES = STALE_DECISIONS.map(decision => ({ decision }))

export function routeMetrics({ tally, partedTally, histogram, overall }: Series) {
  const requests = tally(
    'requests_total',
    'Requests by decision: ok or the refusal code.',
    ['route', 'method', 'code'],
    REQUEST_SERIES,
  )
  const refusals = overall(
    'refusals_total',
    'Refusals by code, of all routes together.',
    DENIAL_CODES.map(code => ({ code })),
  )
  const responses = tally(
    'responses_total',
    'Responses sent, by status class.',
    ['route', 'status_class'],
    STATUS_CLASSES,
  )
  const reports = tally(
    'report_denials_total',
    'Requests a report-only route would have refused.',
    ['route', 'code'],
    REPORT_SERIES,
  )
  const streamsClosed = tally(
    'streams_closed_total',
    'Streams and tunnels that the gateway ended.',
    ['route', 'reason'],
    STREAM_SERIES,
  )
  const staleDecisions = tally(
    'revocation_stale_decisions_total',
    'Decisions made while revocations may have been missing.',
    ['route', 'decision'],
    STALE_SERIES,
  )
  const preflights = tally(
    'cors_preflights_total',
    'Preflights of browsers that the gateway answered.',
    ['route', 'result'],
    PREFLIGHT_RESULTS.map(result => ({ result })),
  )
  const calls = partedTally(
    'mcp_requests_total',
    'Calls of tools, and bodies that are no message, by decision: ok or the refusal code.',
    { owner: 'route', part: 'tool', labelNames: ['code'] },
    CALL_SERIES,
  )
  const duration = histogram(
    'request_duration_seconds',
    'From the request head to the end of the response.',
    DURATION_BUCKETS,
    'route',
  )
  const overhead = histogram('overhead_duration_seconds', 'Time the gateway itself added.', OVERHEAD_BUCKETS, 'route')
  const upstream = histogram(
    'upstream_duration_seconds',
    'From asking the upstream to the end of its answer.',
    DURATION_BUCKETS,
    'route',
  )

  /** Binds a route's series and starts them at 0; those that it has already go on. */
  function bind(route: string, listed: RouteSeries): RouteMetrics {
    const requestTally = requests.of(route, listed.requests)
    const responseTally = responses.of(route, STATUS_CLASSES.keys())
    const reportTally = reports.of(route, listed.reports)
    const streamTally = streamsClosed.of(route, STREAM_ENDS.keys())
    const staleTally = staleDecisions.of(route, [])
    const preflightTally = preflights.of(route, listed.preflights)
    const callTallies = new Map(listed.tools.map(tool => [tool, calls.ofPart(route, tool, [callSeries('ok')])]))
    const [durations, overheads, upstreams] = [duration.of(route), overhead.of(route), upstream.of(route)]
    return {
      observe({ method, code, status, durationSeconds, overheadSeconds, upstreamSeconds }) {
        requestTally.add(requestSeries(method, code))
        if (code !== 'ok') refusals.add(DENIAL_CODES.indexOf(code))
        if (status !== undefined) responseTally.add(Math.floor(status / 100) - 2)
        durations.observe(durationSeconds)
        overheads.observe(overheadSeconds)
        if (upstreamSeconds !== undefined) upstreams.observe(upstreamSeconds)
      },
      reportDenial: code => reportTally.add(reportSeries(code)),
      streamClosed: reason => streamTally.add(STREAM_ENDS.indexOf(reason)),
      answeredPreflight: result => preflightTally.add(PREFLIGHT_RESULTS.indexOf(result)),
      calledTool: (tool, code) => callTallies.get(tool)?.add(callSeries(code)),
      decidedStale: decision => staleTally.add(STALE_DECISIONS.indexOf(decision)),
    }
  }

  return {
    /** Binds the series of a route of the policy. */
    forRoute: (route: string, kind: RouteKind) => bind(route, routeSeries(kind)),
    /** Counts requests that match no route, or are refused before they are matched. */
    unmatched: bind(NO_ROUTE, UNMATCHED_SERIES),
    /** Drops the series of a route that no policy has any more. */
    forgetRoute(route: string): void {
      const counts = [requests, responses, reports, streamsClosed, staleDecisions, preflights, calls]
      for (const each of [...counts, duration, overhead, upstream]) each.forget(route)
    },
  }
}
