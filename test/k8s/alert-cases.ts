/**
 * When each alert fires and when it does not, as series for `promtool test rules`: one sample a minute, `0+2x30` for 0
 * and thirty more, each greater by 2.
 */

/** Series and the minute in which to look. */
interface Course {
  readonly at: number
  readonly series: Readonly<Record<string, string>>
}

interface AlertCase {
  readonly alert: string
  /** Labels of the alert, without its severity. */
  readonly labels: Readonly<Record<string, string>>
  readonly fires: readonly Course[]
  readonly quiet: readonly Course[]
}

const NAMESPACE = { namespace: 'shop' }
const POD = { ...NAMESPACE, pod: 'orders-7c9d8f5b6-x2x4z' }
const PROVIDER = { ...POD, provider: 'main' }
const ROUTE = { ...POD, route: 'list' }
const UPSTREAM = { ...POD, upstream: 'app' }
const LIMIT = { ...POD, limit: 'per-tenant' }
const WORKLOAD = { ...NAMESPACE, workload: 'orders' }

const ONCE = '0 0 1 1 1'
const NEVER = '1x4'

/** @returns a series of a metric of the gateway */
function series(metric: string, labels: Readonly<Record<string, string>>): string {
  const text = Object.entries(labels).map(([name, value]) => `${name}="${value}"`)
  return `${metric.startsWith('up') ? '' : 'sallyport_'}${metric}{${text}}`
}

/** A counter of a provider that fires when a result goes on, and not when another does. */
function onResult(
  alert: string,
  metric: string,
  fires: Readonly<Record<string, string>>,
  quiet: Readonly<Record<string, string>>,
  { labels = PROVIDER, at = 12, values = '0+1x40' }: Partial<AlertCase & { at: number; values: string }> = {},
): AlertCase {
  const still = { [series(metric, { ...PROVIDER, ...fires })]: '7x40' }
  return {
    alert,
    labels,
    fires: [{ at, series: { [series(metric, { ...PROVIDER, ...fires })]: values } }],
    quiet: [{ at, series: { ...still, [series(metric, { ...PROVIDER, ...quiet })]: values } }],
  }
}

/** A state that is good or bad. */
function onState(
  alert: string,
  metric: string,
  labels: Readonly<Record<string, string>>,
  [bad, good]: readonly [bad: number, good: number],
): AlertCase {
  const course = (value: number) => ({ at: 4, series: { [series(metric, labels)]: `${value}x10` } })
  return { alert, labels, fires: [course(bad)], quiet: [course(good)] }
}

/** A counter of which a single event counts, and an old one does not. */
function onEvent(
  alert: string,
  metric: string,
  labels: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>> = {},
): AlertCase {
  const course = (values: string) => ({ at: 4, series: { [series(metric, { ...labels, ...more })]: values } })
  return { alert, labels, fires: [course(ONCE)], quiet: [course(NEVER)] }
}

/** A refusal code of the whole gateway that goes on. */
function onCode(alert: string, code: string, labels: Readonly<Record<string, string>>): AlertCase {
  const course = (each: string) => ({
    at: 12,
    series: { [series('refusals_total', { ...POD, code: each })]: '0+1x20' },
  })
  return { alert, labels, fires: [course(code)], quiet: [course('token_expired'), course('draining')] }
}

function logins(at: number, results: Readonly<Record<string, string>>): Course {
  const counts = { begun: '0x60', ok: '0x60', failed: '0x60', unavailable: '0x60', ...results }
  const entries = Object.entries(counts)
  return {
    at,
    series: Object.fromEntries(
      entries.map(([result, values]) => [series('logins_total', { ...PROVIDER, result }), values]),
    ),
  }
}

/** Counters of a route or a provider by one label. */
function shares(
  at: number,
  metric: string,
  label: string,
  owner: Readonly<Record<string, string>>,
  values: Readonly<Record<string, string>>,
): Course {
  const entries = Object.entries(values)
  return {
    at,
    series: Object.fromEntries(
      entries.map(([value, counts]) => [series(metric, { ...owner, [label]: value }), counts]),
    ),
  }
}

/** Ten thousand requests a minute to a workload, some of which fail or are slow. */
function traffic(at: number, { failures = '0x240', fast = '0+10000x240', code = 'internal' }): Course {
  return {
    at,
    series: {
      [series('refusals_total', { ...WORKLOAD, code })]: failures,
      [series('overhead_duration_seconds_count', WORKLOAD)]: '0+10000x240',
      [series('overhead_duration_seconds_bucket', { ...WORKLOAD, le: '0.01' })]: fast,
    },
  }
}

const hashes = (at: number, [one, other]: readonly [string, string]): Course => ({
  at,
  series: {
    [series('config_info', { ...POD, container: 'sallyport', hash: one })]: '1x40',
    [series('config_info', { ...POD, pod: 'orders-7c9d8f5b6-9q8pl', container: 'sallyport', hash: other })]: '1x40',
  },
})

const LOGINS = { ...NAMESPACE, provider: 'main' }
const BY_ROUTE = { ...NAMESPACE, route: 'list' }

export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: 'SallyportErrorBudgetBurnsFast',
    labels: WORKLOAD,
    fires: [
      // 1.5 % are more than 14.4 times the budget, and 0.7 % more than six times.
      traffic(10, { failures: '0+150x240' }),
      traffic(10, { failures: '0+70x240' }),
      traffic(10, { failures: '0+70x240', code: 'keys_unavailable' }),
    ],
    quiet: [
      traffic(10, { failures: '0+50x240' }),
      // It is over: the short windows have seen no failure.
      traffic(120, { failures: '0+150x60 9000x180' }),
      traffic(10, { failures: '0+5000x240', code: 'token_expired' }),
      traffic(10, { failures: '0+5000x240', code: 'upstream_unreachable' }),
      traffic(10, { failures: '0+5000x240', code: 'draining' }),
    ],
  },
  {
    alert: 'SallyportErrorBudgetBurnsSlowly',
    labels: WORKLOAD,
    fires: [traffic(30, { failures: '0+31x240' }), traffic(30, { failures: '0+11x240' })],
    quiet: [traffic(30, { failures: '0+9x240' }), traffic(30, { failures: '0+5000x240', code: 'scope_missing' })],
  },
  {
    alert: 'SallyportLatencyBudgetBurnsFast',
    labels: WORKLOAD,
    // 15 % are more than 14.4 times what may be slow, and 7 % more than six times.
    fires: [traffic(10, { fast: '0+8500x240' }), traffic(10, { fast: '0+9300x240' })],
    quiet: [traffic(10, { fast: '0+9500x240' })],
  },
  {
    alert: 'SallyportLatencyBudgetBurnsSlowly',
    labels: WORKLOAD,
    fires: [traffic(30, { fast: '0+9690x240' }), traffic(30, { fast: '0+9890x240' })],
    quiet: [traffic(30, { fast: '0+9910x240' })],
  },

  onState('SallyportDown', 'up', { ...POD, job: 'sallyport' }, [0, 1]),
  onState('SallyportNoKeys', 'jwks_keys', PROVIDER, [0, 2]),
  {
    alert: 'SallyportKeysStale',
    labels: PROVIDER,
    fires: [{ at: 40, series: { [series('jwks_last_success_timestamp_seconds', PROVIDER)]: '0x60' } }],
    quiet: [{ at: 40, series: { [series('jwks_last_success_timestamp_seconds', PROVIDER)]: '0+60x60' } }],
  },
  onResult(
    'SallyportIntrospectionFailing',
    'introspections_total',
    { result: 'timeout' },
    { result: 'rejected' },
    { labels: { ...PROVIDER, result: 'timeout' } },
  ),
  onState('SallyportIntrospectionLeftAlone', 'introspection_breaker', PROVIDER, [2, 1]),
  {
    alert: 'SallyportIntrospectionCrowded',
    labels: PROVIDER,
    fires: [crowded('0x20')],
    quiet: [crowded('2x20')],
  },
  onResult('SallyportIntrospectionOpen', 'introspections_total', { result: 'open' }, { result: 'active' }),
  onResult(
    'SallyportDecryptionFailing',
    'decryptions_total',
    { result: 'failed' },
    { result: 'refused' },
    { values: '0+10x40' },
  ),
  onCode('SallyportCannotJudge', 'keys_unavailable', { ...POD, code: 'keys_unavailable' }),
  onState('SallyportRevocationStale', 'revocation_fresh', POD, [0, 1]),
  onEvent('SallyportRevocationHistoryLost', 'revocation_history_lost_total', POD),
  onResult(
    'SallyportProofMemoryFull',
    'proofs_total',
    { kind: 'dpop', result: 'overloaded' },
    { kind: 'dpop', result: 'valid' },
  ),
  onResult(
    'SallyportProofsReplayed',
    'proofs_total',
    { kind: 'dpop', result: 'replayed' },
    { kind: 'dpop', result: 'valid' },
    { at: 25, values: '0+120x40' },
  ),
  onResult(
    'SallyportProofsJudgedLocally',
    'proofs_total',
    { kind: 'dpop', result: 'valid_local' },
    { kind: 'dpop', result: 'valid' },
  ),
  onEvent('SallyportSessionReused', 'sessions_ended_total', PROVIDER, { reason: 'reused' }),
  onResult(
    'SallyportSessionRefreshFailing',
    'session_refreshes_total',
    { result: 'timeout' },
    { result: 'refused' },
    { labels: { ...PROVIDER, result: 'timeout' } },
  ),
  onResult('SallyportLoginsUnavailable', 'logins_total', { result: 'unavailable' }, { result: 'failed' }),
  {
    alert: 'SallyportLoginsFailing',
    labels: LOGINS,
    fires: [
      logins(40, { begun: '0+4x60', failed: '0+3x60', ok: '0+1x60' }),
      // A single one that fails, where nobody else comes.
      logins(35, { begun: '0x10 1x50', failed: '0x10 1x50' }),
    ],
    quiet: [logins(40, { begun: '0+4x60', failed: '0+1x60', ok: '0+3x60' }), logins(40, { begun: '0+1x60' })],
  },
  {
    alert: 'SallyportLoginsStranded',
    labels: LOGINS,
    fires: [logins(50, { begun: '0+1x60' })],
    quiet: [logins(50, { begun: '0+1x60', ok: '0+1x60' }), logins(50, { begun: '0x20 1x40' })],
  },
  onEvent('SallyportSessionsEvicted', 'sessions_ended_total', PROVIDER, { reason: 'evicted' }),
  {
    alert: 'SallyportAuditLost',
    labels: POD,
    // A pod whose file cannot be written drops records before long, and is told of once.
    fires: [audit('0x10', '0x10'), audit('1x10', ONCE), audit('0x10', ONCE)],
    quiet: [audit('1x10', '7x10')],
  },
  onState('SallyportSigningKeysUnreadable', 'signing_keys_up', POD, [0, 1]),
  {
    alert: 'SallyportExchangeFailing',
    labels: UPSTREAM,
    fires: [shares(12, 'exchange_total', 'result', UPSTREAM, { ok: '0+9x40', unavailable: '0+1x40' })],
    quiet: [shares(12, 'exchange_total', 'result', UPSTREAM, { ok: '0+9x40', refused: '0+9x40', unavailable: '7x40' })],
  },
  onState('SallyportConfigRejected', 'config_last_reload_successful', POD, [0, 1]),
  {
    alert: 'SallyportConfigDiffers',
    labels: { ...NAMESPACE, container: 'sallyport', replicaset: 'orders-7c9d8f5b6' },
    fires: [hashes(20, ['aaaa', 'bbbb'])],
    quiet: [hashes(20, ['aaaa', 'aaaa'])],
  },
  {
    alert: 'SallyportUpstreamFailing',
    labels: ROUTE,
    fires: [
      shares(15, 'requests_total', 'code', { ...ROUTE, method: 'GET' }, { upstream_timeout: '0+1x40', ok: '0+10x40' }),
    ],
    quiet: [
      shares(15, 'requests_total', 'code', { ...ROUTE, method: 'GET' }, { upstream_timeout: '0+1x40', ok: '0+99x40' }),
    ],
  },
  onCode('SallyportProxyUntrusted', 'caller_untrusted', POD),
  onCode('SallyportServiceUnauthorized', 'upstream_unauthorized', POD),
  onEvent('SallyportInternalErrors', 'refusals_total', POD, { code: 'internal' }),
  {
    alert: 'SallyportSlow',
    labels: POD,
    fires: [
      shares(25, 'overhead_duration_seconds_bucket', 'le', POD, {
        '0.05': '0+90x40',
        '0.1': '0+100x40',
        '+Inf': '0+100x40',
      }),
    ],
    quiet: [
      shares(25, 'overhead_duration_seconds_bucket', 'le', POD, {
        '0.05': '0+100x40',
        '0.1': '0+100x40',
        '+Inf': '0+100x40',
      }),
    ],
  },
  {
    alert: 'SallyportUnknownKeys',
    labels: PROVIDER,
    fires: [{ at: 25, series: { [series('jwks_unknown_kid_total', PROVIDER)]: '0+120x40' } }],
    quiet: [{ at: 25, series: { [series('jwks_unknown_kid_total', PROVIDER)]: '0+30x40' } }],
  },
  {
    alert: 'SallyportMostRefused',
    labels: BY_ROUTE,
    fires: [shares(40, 'responses_total', 'status_class', ROUTE, { '4xx': '0+120x60', '2xx': '0+60x60' })],
    quiet: [
      shares(40, 'responses_total', 'status_class', ROUTE, { '4xx': '0+60x60', '2xx': '0+120x60' }),
      // All of few say nothing.
      shares(40, 'responses_total', 'status_class', ROUTE, { '4xx': '0+30x60', '2xx': '0x60' }),
    ],
  },
  {
    alert: 'SallyportPreflightsRefused',
    labels: BY_ROUTE,
    fires: [shares(40, 'cors_preflights_total', 'result', ROUTE, { refused: '0+12x60', allowed: '0+3x60' })],
    quiet: [
      shares(40, 'cors_preflights_total', 'result', ROUTE, { refused: '0+12x60', allowed: '0+13x60' }),
      shares(40, 'cors_preflights_total', 'result', ROUTE, { refused: '0+3x60', allowed: '0x60' }),
    ],
  },
  {
    alert: 'SallyportToolsUnlisted',
    labels: BY_ROUTE,
    fires: [tools('other', '0+10x60')],
    quiet: [tools('other', '0+1000x60'), tools('orders.list', '0+1x60')],
  },
  {
    alert: 'SallyportConditionErrors',
    labels: BY_ROUTE,
    fires: [shares(40, 'conditions_total', 'outcome', ROUTE, { error: '0+1x60', true: '0+60x60' })],
    quiet: [
      shares(40, 'conditions_total', 'outcome', ROUTE, { error: '3x60', true: '0+60x60' }),
      // A caller for whom it is false is none of the author's business.
      shares(40, 'conditions_total', 'outcome', ROUTE, { error: '0x60', false: '0+60x60' }),
    ],
  },
  {
    alert: 'SallyportLimitsNotShared',
    labels: LIMIT,
    fires: [shares(12, 'rate_limit_syncs_total', 'result', LIMIT, { ok: '0+9x40', error: '0+1x40' })],
    quiet: [shares(12, 'rate_limit_syncs_total', 'result', LIMIT, { ok: '0+9x40', error: '7x40' })],
  },
  {
    alert: 'SallyportLimitKeysEvicted',
    labels: LIMIT,
    fires: [{ at: 40, series: { [series('rate_limit_evictions_total', LIMIT)]: '0+20x60' } }],
    quiet: [
      { at: 40, series: { [series('rate_limit_evictions_total', LIMIT)]: '900x60' } },
      // A few in an hour are no trouble.
      { at: 40, series: { [series('rate_limit_evictions_total', LIMIT)]: '0+1x60' } },
    ],
  },
  {
    alert: 'SallyportTraceSpansLost',
    labels: { ...POD, result: 'failed' },
    fires: [shares(40, 'trace_spans_total', 'result', POD, { exported: '0+9x60', failed: '0+1x60' })],
    quiet: [shares(40, 'trace_spans_total', 'result', POD, { exported: '0+9x60', failed: '3x60' })],
  },
]

function crowded(breaker: string): Course {
  return {
    at: 12,
    series: {
      [series('introspections_total', { ...PROVIDER, result: 'rejected' })]: '0+1x20',
      [series('introspection_breaker', PROVIDER)]: breaker,
    },
  }
}

/** One call in a minute of a tool that is refused, among others that are not. */
function tools(tool: string, others: string): Course {
  return {
    at: 40,
    series: {
      [series('mcp_requests_total', { ...ROUTE, tool, code: 'claim_forbidden' })]: '0+1x60',
      [series('mcp_requests_total', { ...ROUTE, tool: 'orders.list', code: 'ok' })]: others,
    },
  }
}

function audit(up: string, dropped: string): Course {
  return {
    at: 4,
    series: {
      [series('audit_up', { ...POD, container: 'sallyport' })]: up,
      [series('audit_records_total', { ...POD, container: 'sallyport', result: 'dropped' })]: dropped,
    },
  }
}
