/**
 * Makes every metric of the gateway, on one screen.
 *
 * Labels come from configuration and closed lists only; nothing of a request becomes a label. Series of closed lists
 * start at 0, so that `rate()` sees the first event. Where a list is multiplied by routes and methods, only what is
 * likely to happen starts at 0, and the rest is shown from its first event: thousands of routes would have millions of
 * series otherwise. What every request counts is a tally, bound once per route.
 */
import { type Aggregator, Gauge, Registry } from 'prom-client'
import { DENIAL_CODES } from '../errors.ts'
import type { Labels } from '../node/registered-metric.ts'
import { REVOCATION_KINDS, type RevocationKind } from '../revocation/entry.ts'
import {
  REVOCATION_RESULTS,
  REVOCATION_SOURCES,
  type RevocationResult,
  type RevocationSource,
  type RevocationStatus,
} from '../revocation/revocations.ts'
import type {
  DecryptionResult,
  IntrospectionResult,
  IntrospectionStatus,
  ProofKind,
  ProofResult,
  ProviderHealth,
  RouteMetrics,
  StaleDecision,
  StreamEnd,
} from '../types.ts'
import { collectProcessMetrics } from './process-metrics.ts'
import {
  REPORT_SERIES,
  REQUEST_SERIES,
  type RouteKind,
  type RouteSeries,
  reportSeries,
  requestSeries,
  routeSeries,
  UNMATCHED_SERIES,
} from './route-series.ts'
import { type Tally, tallyCounter, tallyHistogram } from './tally.ts'

export type Metrics = ReturnType<typeof createMetrics>

/** The label of requests that matched no route; the parentheses keep it apart from every route id. */
const NO_ROUTE = '(none)'

const DURATION_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const OVERHEAD_BUCKETS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1]
/** Commands whose time is shown. A blocking read is none of them: it waits on purpose. */
const STORE_COMMANDS: ReadonlySet<string> = new Set(['SET', 'XADD', 'XINFO', 'XRANGE'])
const LAG_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const STATUS_CLASSES = ['2xx', '3xx', '4xx', '5xx'].map(statusClass => ({ status_class: statusClass }))
const STREAM_ENDS = Object.keys({
  expired: true,
  revoked: true,
  inactive: true,
  unconfirmed: true,
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
const PROOF_KINDS = Object.keys({ dpop: true, certificate: true } satisfies Record<ProofKind, true>)
const PROOF_RESULTS = Object.keys({
  valid: true,
  valid_local: true,
  required: true,
  invalid: true,
  nonce_required: true,
  mismatch: true,
  replayed: true,
  overloaded: true,
  unavailable: true,
} satisfies Record<ProofResult, true>)
const PROOF_SERIES = PROOF_KINDS.flatMap(kind => PROOF_RESULTS.map(result => ({ kind, result })))

/** @returns the index of its series: those of one kind follow one another */
function proofSeries(kind: ProofKind, result: ProofResult): number {
  return PROOF_KINDS.indexOf(kind) * PROOF_RESULTS.length + PROOF_RESULTS.indexOf(result)
}

const INTROSPECTION_RESULTS = Object.keys({
  active: true,
  inactive: true,
  timeout: true,
  unauthorized: true,
  error: true,
  invalid: true,
  rejected: true,
  open: true,
} satisfies Record<IntrospectionResult, true>)
const DECRYPTION_RESULTS = Object.keys({
  ok: true,
  refused: true,
  failed: true,
  overloaded: true,
} satisfies Record<DecryptionResult, true>)
/** What the gauge shows for each state of a breaker. */
const BREAKER_VALUES: Readonly<Record<IntrospectionStatus['breaker'], number>> = { closed: 0, probing: 1, open: 2 }

const RELOAD_RESULTS = ['success', 'failure'] as const

/** What a provider is measured by. */
interface MeasuredProvider {
  readonly verifiesBy: ProviderHealth['kind']
  /** Undefined for a provider that opens nothing. */
  readonly decryption?: object | undefined
}

type Owner = 'route' | 'provider'
type OwnLabels = readonly [owner: Owner, ...others: string[]]

/** The counts of one provider. */
interface ProviderTallies {
  readonly cache: Tally
  /** Undefined for a provider that has no keys. */
  readonly keys: KeyTallies | undefined
  /** Undefined for a provider that asks nobody about tokens. */
  readonly introspection: IntrospectionTallies | undefined
}

interface IntrospectionTallies {
  readonly results: Tally
  readonly durations: { observe(seconds: number): void }
}

interface KeyTallies {
  readonly fetches: Tally
  readonly fetchDurations: { observe(seconds: number): void }
  readonly unknownKeys: Tally
}

interface MetricsOptions {
  /** The version that `build_info` shows. */
  readonly version: string
  readonly node: string
  /** The closed list of the label `result`, for each metric that has one. */
  readonly cacheResults: readonly string[]
  readonly fetchResults: readonly string[]
}

export function createMetrics({ version, node, cacheResults, fetchResults }: MetricsOptions) {
  const registry = new Registry()
  const registers = [registry]
  const providers = new Map<string, ProviderTallies>()
  let inFlight = 0
  collectProcessMetrics(registry)

  /** @param aggregator says what several processes show together */
  const gauge = <L extends string>(name: string, help: string, aggregator: Aggregator, labelNames: readonly L[] = []) =>
    new Gauge({ name: `sallyport_${name}`, help, aggregator, labelNames: [...labelNames], registers })
  const tally = (name: string, help: string, [owner, ...labelNames]: OwnLabels, cells: readonly Labels[]) =>
    tallyCounter({ name: `sallyport_${name}`, help, owner, labelNames, cells, registry })
  const histogram = (name: string, help: string, bounds: readonly number[], owner: Owner) =>
    tallyHistogram({ name: `sallyport_${name}`, help, owner, bounds, registry })
  /** @returns the counts of a closed list that starts at 0 and belongs to the whole gateway */
  const overall = (name: string, help: string, label: string, values: readonly string[]): Tally => {
    const cells = values.map(value => ({ [label]: value }))
    const counter = tallyCounter({ name: `sallyport_${name}`, help, labelNames: [label], cells, registry })
    return counter.of('', values.keys())
  }

  const overallPairs = (name: string, help: string, cells: ReadonlyArray<Readonly<Record<string, string>>>): Tally =>
    tallyCounter({
      name: `sallyport_${name}`,
      help,
      labelNames: Object.keys(cells[0] ?? {}),
      cells,
      registry,
    }).of('', cells.keys())

  const requests = tally(
    'requests_total',
    'Requests by decision: ok or the refusal code.',
    ['route', 'method', 'code'],
    REQUEST_SERIES,
  )
  const refusals = overall('refusals_total', 'Refusals by code, of all routes together.', 'code', DENIAL_CODES)
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
  const tokenCache = tally(
    'token_cache_total',
    'Look-ups of verified tokens.',
    ['provider', 'result'],
    cacheResults.map(result => ({ result })),
  )
  const jwksFetches = tally(
    'jwks_fetches_total',
    'Attempts to fetch keys.',
    ['provider', 'result'],
    fetchResults.map(result => ({ result })),
  )
  const jwksFetchDuration = histogram(
    'jwks_fetch_duration_seconds',
    'Duration of key fetches.',
    DURATION_BUCKETS,
    'provider',
  )
  // Of several processes the lowest value is shown: callers of that process are the ones that are refused.
  const jwksKeys = gauge('jwks_keys', 'Usable keys held.', 'min', ['provider'])
  const jwksLastSuccess = gauge('jwks_last_success_timestamp_seconds', 'When keys were last fetched.', 'min', [
    'provider',
  ])
  const jwksUnknownKid = tally('jwks_unknown_kid_total', 'Tokens that named a key nobody knows.', ['provider'], [{}])
  const introspections = tally(
    'introspections_total',
    'Questions about tokens, by what became of them.',
    ['provider', 'result'],
    INTROSPECTION_RESULTS.map(result => ({ result })),
  )
  const introspectionDuration = histogram(
    'introspection_duration_seconds',
    'Duration of questions about tokens.',
    DURATION_BUCKETS,
    'provider',
  )
  const introspectionsInFlight = gauge('introspection_in_flight', 'Questions about tokens under way.', 'sum', [
    'provider',
  ])
  const introspectionBreaker = gauge(
    'introspection_breaker',
    '0 when the server is asked, 1 when one question tries whether it is back, 2 when it is left alone.',
    'max',
    ['provider'],
  )
  const decryptions = tally(
    'decryptions_total',
    'Encrypted tokens, by what became of them.',
    ['provider', 'result'],
    DECRYPTION_RESULTS.map(result => ({ result })),
  )
  const revocationEvents = overallPairs(
    'revocation_events_total',
    'Revocations that arrived, by source and by what became of them.',
    REVOCATION_SOURCES.flatMap(source => REVOCATION_RESULTS.map(result => ({ source, result }))),
  )
  const blindTokens = tally(
    'revocation_blind_tokens_total',
    'Tokens without a claim, so that they cannot be revoked by it.',
    ['provider', 'claim'],
    REVOCATION_KINDS.map(claim => ({ claim })),
  )
  // They are made with the first proof, since most gateways judge none.
  const proofs = tally(
    'proofs_total',
    'Proofs of possession that were judged.',
    ['provider', 'kind', 'result'],
    PROOF_SERIES,
  )
  // Of several processes the one that knows least is shown.
  const revocationEntries = gauge('revocation_entries', 'Revocations in force.', 'min', ['kind'])
  const revocationFresh = gauge('revocation_fresh', '1 when no revocation is missing.', 'min')
  const revocationLastSuccess = gauge(
    'revocation_last_success_timestamp_seconds',
    'When the store last showed that no revocation is missing.',
    'min',
    ['source'],
  )
  const revocationLag = tallyHistogram({
    name: 'sallyport_revocation_lag_seconds',
    help: 'From the moment when a revocation was written to the store until it was in force here.',
    bounds: LAG_BUCKETS,
    owner: 'source',
    registry,
  }).of('store')
  const historyLost = tallyCounter({
    name: 'sallyport_revocation_history_lost_total',
    help: 'Times when the store had lost revocations.',
    labelNames: [],
    cells: [{}],
    registry,
  }).of('', [0])
  // Without revocations, nobody has to be alarmed that some are missing.
  revocationFresh.remove()
  const storeUp = gauge('store_up', '1 when the store can be used.', 'min')
  const storeUses = new Map<object, boolean>()
  storeUp.remove()
  const storeDurations = tallyHistogram({
    name: 'sallyport_store_command_duration_seconds',
    help: 'Duration of commands to the store.',
    bounds: LAG_BUCKETS,
    owner: 'command',
    registry,
  })
  const reloads = overall('config_reloads_total', 'Attempts to put a configuration in force.', 'result', RELOAD_RESULTS)
  const configLastReloadSuccessful = gauge('config_last_reload_successful', '1 when the last attempt succeeded.', 'min')
  const configInfo = gauge('config_info', 'The configuration in force.', 'first', ['hash'])

  const keyTallies: Readonly<Record<ProviderHealth['kind'], (provider: string) => KeyTallies | undefined>> = {
    introspection: () => undefined,
    keys: provider => ({
      fetches: jwksFetches.of(provider, fetchResults.keys()),
      fetchDurations: jwksFetchDuration.of(provider),
      unknownKeys: jwksUnknownKid.of(provider, [0]),
    }),
    keyless: () => undefined,
  }

  /** Binds a route's series and starts them at 0; those that it has already go on. */
  function bind(route: string, listed: RouteSeries): RouteMetrics {
    const requestTally = requests.of(route, listed.requests)
    const responseTally = responses.of(route, STATUS_CLASSES.keys())
    const reportTally = reports.of(route, listed.reports)
    const streamTally = streamsClosed.of(route, STREAM_ENDS.keys())
    const staleTally = staleDecisions.of(route, [])
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
      decidedStale: decision => staleTally.add(STALE_DECISIONS.indexOf(decision)),
    }
  }

  new Gauge({
    name: 'sallyport_requests_in_flight',
    help: 'Requests being handled.',
    registers,
    collect() {
      this.set(inFlight)
    },
  })
  gauge('build_info', 'What is running.', 'first', ['version', 'node']).set({ version, node }, 1)

  return {
    registry,
    /** Binds the series of a route of the policy. */
    forRoute: (route: string, kind: RouteKind) => bind(route, routeSeries(kind)),
    /** Counts requests that match no route, or are refused before they are matched. */
    unmatched: bind(NO_ROUTE, UNMATCHED_SERIES),
    inFlight: {
      begun(): void {
        inFlight++
      },
      ended(): void {
        inFlight--
      },
    },
    /** A token whose provider is known was looked up. */
    tokenLookedUp(provider: string, result: string): void {
      providers.get(provider)?.cache.add(cacheResults.indexOf(result))
    },
    /** A proof of possession was judged, or is missing. */
    proofJudged(provider: string, kind: ProofKind, result: ProofResult): void {
      proofs.of(provider, []).add(proofSeries(kind, result))
    },
    proofReplayEntries: gauge('proof_replay_entries', 'Proofs that are remembered, so that none is used twice.', 'sum'),
    tokenCacheEntries: gauge('token_cache_entries', 'Verified tokens held.', 'sum'),
    /** An attempt to fetch the keys of a provider is over. */
    keysFetched(provider: string, result: string, durationSeconds: number): void {
      const tallies = providers.get(provider)?.keys
      tallies?.fetches.add(fetchResults.indexOf(result))
      tallies?.fetchDurations.observe(durationSeconds)
    },
    /** A token named a key that its provider does not publish. */
    keyUnknown(provider: string): void {
      providers.get(provider)?.keys?.unknownKeys.add(0)
    },

    /** A question about a token is over, or was not asked. @param durationSeconds undefined when nobody was asked */
    introspected(provider: string, result: IntrospectionResult, durationSeconds: number | undefined): void {
      const tallies = providers.get(provider)?.introspection
      tallies?.results.add(INTROSPECTION_RESULTS.indexOf(result))
      if (durationSeconds !== undefined) tallies?.durations.observe(durationSeconds)
    },
    /** An encrypted token was decrypted, or was not. */
    decrypted(provider: string, result: DecryptionResult): void {
      decryptions.of(provider, []).add(DECRYPTION_RESULTS.indexOf(result))
    },

    /** Something was told about revocations. */
    revocationTold(source: RevocationSource, result: RevocationResult): void {
      revocationEvents.add(
        REVOCATION_SOURCES.indexOf(source) * REVOCATION_RESULTS.length + REVOCATION_RESULTS.indexOf(result),
      )
    },
    /** A token lacks a claim that it could be revoked by. */
    revocationBlind(provider: string, claim: RevocationKind): void {
      blindTokens.of(provider, []).add(REVOCATION_KINDS.indexOf(claim))
    },
    /** Shows what is known of revocations now; undefined: the configuration asks for none. */
    showRevocations(status: RevocationStatus | undefined): void {
      if (status === undefined) {
        for (const each of [revocationEntries, revocationLastSuccess]) each.reset()
        revocationFresh.remove()
        return
      }
      const { entries, state, lastSuccessSeconds } = status
      for (const kind of REVOCATION_KINDS) revocationEntries.set({ kind }, entries[kind])
      revocationFresh.set(state === 'fresh' ? 1 : 0)
      if (lastSuccessSeconds !== undefined) revocationLastSuccess.set({ source: 'store' }, lastSuccessSeconds)
    },

    /** Whether a use of the store works; undefined: there is no such use any more. @param use any object of its own */
    storeUp(use: object, isUp: boolean | undefined): void {
      if (isUp === undefined) storeUses.delete(use)
      else storeUses.set(use, isUp)
      if (storeUses.size === 0) storeUp.remove()
      else storeUp.set([...storeUses.values()].every(Boolean) ? 1 : 0)
    },
    /** The store has answered a command. */
    storeAnswered(command: string, seconds: number): void {
      if (STORE_COMMANDS.has(command)) storeDurations.of(command).observe(seconds)
    },
    /** A revocation came from the store. */
    revocationArrived(seconds: number): void {
      revocationLag.observe(seconds)
    },
    revocationHistoryLost(): void {
      historyLost.add(0)
    },

    /** Notes which configuration is in force. */
    policyInForce(hash: string): void {
      configInfo.reset()
      configInfo.set({ hash }, 1)
      configLastReloadSuccessful.set(1)
    },
    reloadSucceeded(): void {
      reloads.add(RELOAD_RESULTS.indexOf('success'))
    },
    /** The configuration in force stays. */
    reloadFailed(): void {
      reloads.add(RELOAD_RESULTS.indexOf('failure'))
      configLastReloadSuccessful.set(0)
    },

    /** Shows how a provider is doing now. */
    showProvider(provider: string, health: ProviderHealth): void {
      if (health.kind === 'introspection') {
        const { inFlight: questions, breaker } = health.introspection
        introspectionsInFlight.set({ provider }, questions)
        introspectionBreaker.set({ provider }, BREAKER_VALUES[breaker])
      }
      if (health.kind !== 'keys') return
      const { keys, lastSuccessSeconds } = health.keySet
      jwksKeys.set({ provider }, health.usable ? keys.length : 0)
      if (lastSuccessSeconds !== undefined) jwksLastSuccess.set({ provider }, lastSuccessSeconds)
    },

    /** Starts the series of a provider at 0. One without keys has no series of keys. */
    initProvider(provider: string, { verifiesBy, decryption }: MeasuredProvider): void {
      if (decryption !== undefined) decryptions.of(provider, DECRYPTION_RESULTS.keys())
      providers.set(provider, {
        cache: tokenCache.of(provider, cacheResults.keys()),
        keys: keyTallies[verifiesBy](provider),
        introspection:
          verifiesBy === 'introspection'
            ? {
                results: introspections.of(provider, INTROSPECTION_RESULTS.keys()),
                durations: introspectionDuration.of(provider),
              }
            : undefined,
      })
    },

    /** Drops the series of a route that no policy has any more. */
    forgetRoute(route: string): void {
      for (const each of [requests, responses, reports, streamsClosed, staleDecisions, duration, overhead, upstream])
        each.forget(route)
    },

    /** Drops the series of a provider that no policy has any more. */
    forgetProvider(provider: string): void {
      providers.delete(provider)
      for (const each of [
        tokenCache,
        jwksFetches,
        jwksFetchDuration,
        jwksUnknownKid,
        blindTokens,
        proofs,
        introspections,
        introspectionDuration,
        decryptions,
      ])
        each.forget(provider)
      for (const each of [jwksKeys, jwksLastSuccess, introspectionsInFlight, introspectionBreaker])
        each.remove({ provider })
    },
  }
}
