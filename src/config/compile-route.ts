/**
 * Compiles a route: what it holds are its providers, its upstream and its limits, and not their ids.
 *
 * What is off leaves no trace in it.
 */
import { conditionOutcome } from '../authorize/condition.ts'
import { clientAddressReader } from '../downstream/client-address.ts'
import type { Clock } from '../lib/clock.ts'
import { andThen } from '../lib/maybe-promise.ts'
import type { RateLimit } from '../limit/rate-limit.ts'
import { type RouteLimits, routeLimits } from '../limit/route-limits.ts'
import { callJudge } from '../mcp/call-judge.ts'
import type { Route } from '../policy.ts'
import type { Authorizer, RouteMetrics } from '../types.ts'
import { NO_UPSTREAM } from '../upstream/connections.ts'
import { askedOf } from './asked.ts'
import { believedProxies } from './believed-proxies.ts'
import { corsRules } from './cors.ts'
import { readerOf, routeSources } from './credential-sources.ts'
import { type HeaderWriters, handlingOfAuthorization } from './header-writers.ts'
import { named } from './named.ts'
import { notingToken, notingTokenOfSession } from './noted-token.ts'
import type { PolicyParts } from './policy-parts.ts'
import { challengeOf } from './route-challenge.ts'
import { sessionProvider } from './schema/accepted.ts'
import type { Config, RouteConfig, StreamsConfig } from './schema/schema.ts'
import type { Judges } from './shared-judges.ts'

export function compileRoute(
  route: RouteConfig,
  config: Config,
  judges: Judges & { readonly headers: HeaderWriters },
  { upstreams, issuedTokens, routeMetrics, mode, layers, sessions, limits, clock }: PolicyParts,
): Route {
  const { id, path, methods, pathAllow, access, require, providers, audiences, resource, timeout, ...others } = route
  const {
    upstream: upstreamId,
    mode: written,
    streams: own,
    credentials,
    passAuthorization,
    revocation,
    cors: _,
    mcp,
    rateLimits,
    anonymous: _anonymous,
    ...unread
  } = others
  // A key that has no effect must not pass for one that protects: a new one does not compile until it is read here.
  unread satisfies Readonly<Record<string, never>>
  const servedBy = upstreamId ?? onlyKey(upstreams)
  const upstream = Object.keys(config.upstreams).length === 0 ? NO_UPSTREAM : named(upstreams, servedBy)
  const issued = issuedTokens?.get(servedBy)
  const effective = mode ?? written
  const { streams } = config
  const sources = routeSources({ credentials }, config)
  const rules = corsRules(route, config, sources)
  const login = sessions.get(sessionProvider(config, route) ?? '')
  const metrics = routeMetrics(id, { ...route, answersPreflights: rules !== undefined })
  const checks = layers({ revocation, metrics })
  const asking = judges.authorizer({ audiences, require, resource, ...(require?.when !== undefined && { path }) })
  // Nobody is judged on a public route, and two providers of one issuer are told apart by the other routes.
  const authenticate = judges.authenticator({ providers: access === 'public' ? [] : providers })(checks)
  const authorize = require?.when === undefined ? asking.authorize : countedConditions(asking.authorize, metrics)
  const session = login?.forRoute({
    checks,
    // A stream that is judged once more is no request, so nothing is counted.
    authorize: asking.authorize,
    readsRequest: asking.readsRequest,
    access,
    mostTokenAgeMs: require?.tokenAge ?? Number.POSITIVE_INFINITY,
    forwardsToken: config.identity.forwardToken !== false,
  })
  return Object.freeze({
    kind: 'route' as const,
    id,
    path,
    methods: methods === undefined ? undefined : new Set<string>(methods),
    pathAllow: new Set(pathAllow),
    asks: askedOf(route),
    access,
    mode: effective,
    authenticate: issued === undefined ? authenticate : notingToken(authenticate, issued),
    readCredential: readerOf(sources, config),
    session: session === undefined || issued === undefined ? session : notingTokenOfSession(session, issued),
    authorize,
    limits: limitsOf(rateLimits, { limits, config, clock, route: id, mode: effective }),
    challenge: challengeOf(route, config, sources, login?.path),
    cors: rules && judges.cors(rules),
    calls: callJudgeOf(route, metrics),
    hidesUnauthorized: mcp !== undefined,
    requestHeaders: judges.headers(
      issued === undefined ? handlingOfAuthorization({ access, passAuthorization }, config, sources) : 'drop',
    ),
    issuedTokens: issued,
    upstream,
    headersTimeoutMs: timeout ?? upstream.headersTimeoutMs,
    streamGraceMs: streamGraceMs({ mode: effective, streams: own }, streams),
    tunnelIdleTimeoutMs: own?.idleTimeout ?? streams.idleTimeout,
    metrics,
  })
}

interface LimitsOptions {
  readonly limits: ReadonlyMap<string, RateLimit>
  readonly config: Config
  readonly clock: Clock
  readonly route: string
  readonly mode: Route['mode']
}

function limitsOf(
  ids: readonly string[] | undefined,
  { limits, config, clock, route, mode }: LimitsOptions,
): RouteLimits | undefined {
  if (ids === undefined) return undefined
  return routeLimits({
    route,
    limits: ids.map(id => named(limits, id)),
    clientAddress: clientAddressReader(believedProxies(config)),
    refused: mode === 'report' ? 'reported' : 'limited',
    clock,
  })
}

/** Counts what the conditions of a route say, whoever shares them. */
function countedConditions(authorize: Authorizer, { judgedConditions }: RouteMetrics): Authorizer {
  const refused = (error: unknown): never => {
    const outcome = conditionOutcome(error)
    if (outcome !== undefined) judgedConditions(outcome)
    throw error
  }
  return (principal, facts, path) => {
    try {
      return andThen(authorize(principal, facts, path), () => judgedConditions('true'), refused)
    } catch (error) {
      return refused(error)
    }
  }
}

/** Infinite where streams are kept. A report-only route ends none: it refuses nothing for a token. */
function streamGraceMs({ mode, streams }: Pick<RouteConfig, 'mode' | 'streams'>, general: StreamsConfig): number {
  const onExpiry = streams?.onExpiry ?? general.onExpiry
  if (onExpiry === 'keep' || mode === 'report') return Number.POSITIVE_INFINITY
  return streams?.grace ?? general.grace
}

function callJudgeOf({ mcp, require }: Pick<RouteConfig, 'mcp' | 'require'>, metrics: RouteMetrics) {
  if (mcp?.tools === undefined) return undefined
  return callJudge({
    tools: mcp.tools,
    others: mcp.others,
    maxBytes: mcp.maxBody,
    routeScopes: { all: require?.scopes ?? [], any: require?.anyScope ?? [] },
    onCall: metrics.calledTool,
  })
}

function onlyKey(map: ReadonlyMap<string, unknown>): string {
  const [key] = map.keys()
  return key ?? ''
}
