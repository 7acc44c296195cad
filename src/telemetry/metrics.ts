/**
 * Every metric of the gateway on one screen.
 *
 * Labels come from configuration and closed lists only; nothing of a request becomes a label. Series of closed lists
 * start at 0, so that `rate()` sees the first event. Children are bound once per route, not looked up per request.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { DENIAL_CODES, type DenialCode } from '../errors.ts'
import type { KeySetStatus } from '../types.ts'

export type RequestCode = 'ok' | DenialCode

/** What one request adds to its route's series. Durations in seconds. */
export interface RequestOutcome {
  readonly method: string
  readonly code: RequestCode
  /** Status sent to the client; undefined when the connection went away before a response. */
  readonly status: number | undefined
  readonly durationSeconds: number
  /** Time in the gateway itself, the upstream's share taken out. */
  readonly overheadSeconds: number
  /** Undefined when the upstream was not asked. */
  readonly upstreamSeconds: number | undefined
}

/** What of a route decides which series it can have. */
export interface RouteKind {
  /** Undefined when it takes all. */
  readonly methods?: Iterable<string> | undefined
  readonly access: 'required' | 'optional' | 'public'
  readonly mode: 'enforce' | 'report'
}

/** The bound series of one route. */
export interface RouteMetrics {
  observe(outcome: RequestOutcome): void
  /** A report-only route let a request pass that would have been refused. */
  reportDenial(code: DenialCode): void
}

export type Metrics = ReturnType<typeof createMetrics>

/** Requests that matched no route. Parentheses keep it apart from every route id. */
export const NO_ROUTE = '(none)'

const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const OVERHEAD_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1]
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
/** Any other method is one label, so that a client cannot make series. */
const METHOD_LABELS = [...METHODS, 'OTHER']
const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'] as const
const RELOAD_RESULTS = ['success', 'failure'] as const

export interface MetricsOptions {
  /** For `build_info`. */
  readonly version: string
  readonly node: string
  /** Closed lists of the label `result`. */
  readonly cacheResults: readonly string[]
  readonly fetchResults: readonly string[]
}

export function createMetrics({ version, node, cacheResults, fetchResults }: MetricsOptions) {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })

  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Counter({ name: `sallyport_${name}`, help, labelNames: [...labelNames], registers })
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[] = []) =>
    new Gauge({ name: `sallyport_${name}`, help, labelNames: [...labelNames], registers })
  const histogram = <L extends string>(name: string, help: string, buckets: number[], labelNames: readonly L[]) =>
    new Histogram({ name: `sallyport_${name}`, help, buckets, labelNames: [...labelNames], registers })

  const requests = counter('requests_total', 'Requests by decision: ok or the refusal code.', [
    'route',
    'method',
    'code',
  ])
  const responses = counter('responses_total', 'Responses sent, by status class.', ['route', 'status_class'])
  const reports = counter('report_denials_total', 'Requests a report-only route would have refused.', ['route', 'code'])
  const duration = histogram(
    'request_duration_seconds',
    'From the request head to the end of the response.',
    DURATION_BUCKETS,
    ['route'],
  )
  const overhead = histogram('overhead_duration_seconds', 'Time the gateway itself added.', OVERHEAD_BUCKETS, ['route'])
  const tokenCache = counter('token_cache_total', 'Look-ups of verified tokens.', ['provider', 'result'])
  const jwksFetches = counter('jwks_fetches_total', 'Attempts to fetch keys.', ['provider', 'result'])
  const jwksFetchDuration = histogram('jwks_fetch_duration_seconds', 'Duration of key fetches.', DURATION_BUCKETS, [
    'provider',
  ])
  const jwksKeys = gauge('jwks_keys', 'Usable keys held.', ['provider'])
  const jwksLastSuccess = gauge('jwks_last_success_timestamp_seconds', 'When keys were last fetched.', ['provider'])
  const jwksUnknownKid = counter('jwks_unknown_kid_total', 'Tokens that named a key nobody knows.', ['provider'])
  const configReloads = counter('config_reloads_total', 'Attempts to put a configuration in force.', ['result'])
  const configLastReloadSuccessful = gauge('config_last_reload_successful', '1 when the last attempt succeeded.')
  const configInfo = gauge('config_info', 'The configuration in force.', ['hash'])
  const upstream = histogram(
    'upstream_duration_seconds',
    'From asking the upstream to the end of its answer.',
    DURATION_BUCKETS,
    ['route'],
  )

  /** Binds a route's series and starts them at 0. */
  function bind(route: string, { methods, refusals, reports: reported }: ClosedLists): RouteMetrics {
    for (const method of methods) for (const code of ['ok', ...refusals]) requests.inc({ route, method, code }, 0)
    for (const code of reported) reports.inc({ route, code }, 0)
    for (const statusClass of STATUS_CLASSES) responses.inc({ route, status_class: statusClass }, 0)
    for (const each of [duration, overhead, upstream]) each.zero({ route })
    const [routeDuration, routeOverhead, routeUpstream] = [duration, overhead, upstream].map(each =>
      each.labels({ route }),
    )
    const requestChildren = new Map<string, { inc(): void }>()
    const responseChildren = STATUS_CLASSES.map(statusClass => responses.labels({ route, status_class: statusClass }))
    return {
      observe(outcome) {
        const method = methodLabel(outcome.method)
        const key = `${method} ${outcome.code}`
        let child = requestChildren.get(key)
        if (child === undefined) {
          child = requests.labels({ route, method, code: outcome.code })
          requestChildren.set(key, child)
        }
        child.inc()
        if (outcome.status !== undefined) responseChildren[Math.floor(outcome.status / 100) - 2]?.inc()
        routeDuration?.observe(outcome.durationSeconds)
        routeOverhead?.observe(outcome.overheadSeconds)
        if (outcome.upstreamSeconds !== undefined) routeUpstream?.observe(outcome.upstreamSeconds)
      },
      reportDenial: code => reports.inc({ route, code }),
    }
  }

  for (const result of RELOAD_RESULTS) configReloads.inc({ result }, 0)
  gauge('build_info', 'What is running.', ['version', 'node']).set({ version, node }, 1)

  return {
    registry,
    /** The series of a route of the policy. */
    forRoute: (route: string, kind: RouteKind) => bind(route, closedLists(kind)),
    /** Requests that match no route, or are refused before matching. */
    unmatched: bind(NO_ROUTE, { methods: METHOD_LABELS, refusals: UNMATCHED_CODES, reports: [] }),
    inFlight: gauge('requests_in_flight', 'Requests being handled.'),
    tokenCache,
    tokenCacheEntries: gauge('token_cache_entries', 'Verified tokens held.'),
    jwksFetches,
    jwksFetchDuration,
    jwksUnknownKid,

    /** Notes which configuration is in force. */
    policyInForce(hash: string): void {
      configInfo.reset()
      configInfo.set({ hash }, 1)
      configLastReloadSuccessful.set(1)
    },

    /** Shows the key set of a provider as it is now. */
    showKeySet(provider: string, { usable, keys, lastSuccessSeconds }: KeySetStatus): void {
      jwksKeys.set({ provider }, usable ? keys.length : 0)
      if (lastSuccessSeconds !== undefined) jwksLastSuccess.set({ provider }, lastSuccessSeconds)
    },

    /** Starts the series of a provider at 0. */
    initProvider(provider: string): void {
      for (const result of cacheResults) tokenCache.inc({ provider, result }, 0)
      for (const result of fetchResults) jwksFetches.inc({ provider, result }, 0)
      jwksUnknownKid.inc({ provider }, 0)
      jwksFetchDuration.zero({ provider })
    },
  }
}

interface ClosedLists {
  readonly methods: Iterable<string>
  readonly refusals: readonly DenialCode[]
  readonly reports: readonly DenialCode[]
}

/** Refusals that can come before a route is chosen. */
const UNMATCHED_CODES = [
  'path_invalid',
  'host_invalid',
  'request_malformed',
  'request_timeout',
  'headers_too_large',
  'route_unknown',
  'overloaded',
  'internal',
] as const satisfies readonly DenialCode[]

const ONLY_UNMATCHED: ReadonlySet<DenialCode> = new Set([
  'path_invalid',
  'host_invalid',
  'headers_too_large',
  'route_unknown',
])

/** Refusals of a route whatever the caller's token: they do not need one. */
const TOKENLESS: ReadonlySet<DenialCode> = new Set([
  'request_malformed',
  'body_too_large',
  'request_timeout',
  'overloaded',
  'draining',
  'upstream_unreachable',
  'upstream_timeout',
  'internal',
])

/** A public route never looks at a token, and a report-only one refuses nobody for it. */
function closedLists({ methods, access, mode }: RouteKind): ClosedLists {
  const all = DENIAL_CODES.filter(code => !ONLY_UNMATCHED.has(code))
  const reportable = all.filter(code => (!TOKENLESS.has(code) || code === 'request_malformed') && code !== LIMIT)
  const lists = { methods: methods === undefined ? METHOD_LABELS : methodLabels(methods), reports: [] }
  if (access === 'public') return { ...lists, refusals: [...TOKENLESS] }
  if (mode === 'enforce') return { ...lists, refusals: all }
  return { ...lists, refusals: [...TOKENLESS, LIMIT], reports: reportable }
}

/** A limit, which report-only routes keep. */
const LIMIT = 'identity_too_large'

/** GET covers HEAD. */
function methodLabels(methods: Iterable<string>): Iterable<string> {
  const labels = new Set([...methods].map(methodLabel))
  return labels.has('GET') ? labels.add('HEAD') : labels
}

function methodLabel(method: string): string {
  return METHODS.has(method) ? method : 'OTHER'
}
