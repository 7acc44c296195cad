/** Measures what becomes of requests, for each route by itself. */
import { DENIAL_CODES } from '../../errors.ts'
import type { RouteMetrics, StaleDecision, StreamEnd } from '../../types.ts'
import {
  CALL_SERIES,
  CONDITION_OUTCOMES,
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
    'Requests by decision: ok or the refusal code. For alerts on one code take sallyport_refusals_total, which starts at 0.',
    ['route', 'method', 'code'],
    REQUEST_SERIES,
  )
  const refusals = overall(
    'refusals_total',
    'Refusals by code, every code from the start. 5xx codes but draining and upstream_* are failures of the gateway.',
    DENIAL_CODES.map(code => ({ code })),
  )
  const responses = tally(
    'responses_total',
    "Responses sent, the service's own included. Many 5xx here and few refusals: the service fails, not the gateway.",
    ['route', 'status_class'],
    STATUS_CLASSES,
  )
  const reports = tally(
    'report_denials_total',
    'Requests that mode: report let pass. Mend callers or policy until only true refusals are left, then enforce.',
    ['route', 'code'],
    REPORT_SERIES,
  )
  const streamsClosed = tally(
    'streams_closed_total',
    'Streams that the gateway ended. expired, revoked: clients must reconnect with a new token; stalled: they read nothing.',
    ['route', 'reason'],
    STREAM_SERIES,
  )
  const staleDecisions = tally(
    'revocation_stale_decisions_total',
    'Decisions made while revocations may have been missing. allowed: revoked tokens may have passed; refused: callers got 503.',
    ['route', 'decision'],
    STALE_SERIES,
  )
  const preflights = tally(
    'cors_preflights_total',
    'Preflights answered. refused: add the origin to cors.origins if the page is yours; the log has it in seen.',
    ['route', 'result'],
    PREFLIGHT_RESULTS.map(result => ({ result })),
  )
  const conditions = tally(
    'conditions_total',
    'Requests by what the conditions of require.when say. error: the expression asks for what the token lacks; mend it, the log has the key.',
    ['route', 'outcome'],
    CONDITION_OUTCOMES.map(outcome => ({ outcome })),
  )
  const calls = partedTally(
    'mcp_requests_total',
    'MCP calls by tool and decision. other with claim_forbidden: list the new tool in mcp.tools, or see who tries.',
    { owner: 'route', part: 'tool', labelNames: ['code'] },
    CALL_SERIES,
  )
  const duration = histogram(
    'request_duration_seconds',
    'From request head to the end of the response, streams too. High while overhead is low: the service or the client is slow.',
    DURATION_BUCKETS,
    'route',
  )
  const overhead = histogram(
    'overhead_duration_seconds',
    'Time the gateway itself added. Above a few ms: it lacks CPU, or waits for keys, introspection or the store.',
    OVERHEAD_BUCKETS,
    'route',
  )
  const upstream = histogram(
    'upstream_duration_seconds',
    'From asking the service to the end of its answer. High: look at the service, not at the gateway.',
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
    const conditionTally = conditions.of(route, listed.conditions)
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
      judgedConditions: outcome => conditionTally.add(CONDITION_OUTCOMES.indexOf(outcome)),
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
      const counts = [requests, responses, reports, streamsClosed, staleDecisions, preflights, conditions, calls]
      for (const each of [...counts, duration, overhead, upstream]) each.forget(route)
    },
  }
}
