/**
 * Compiles a configuration to a frozen policy.
 *
 * Names are resolved here, once: a route of the policy holds its providers and its upstream, and not their ids. This
 * file also asks which parts the configuration has, so what is off leaves no trace in the policy.
 */
import { isDeepStrictEqual } from 'node:util'
import { type LayeredAuthenticator, layeredAuthenticator } from '../authenticate/authenticator.ts'
import { credentialReader, tokenPlaces } from '../authenticate/credential-places.ts'
import type { DecrypterOf } from '../authenticate/decryption.ts'
import type { RouteLayers } from '../authenticate/layers.ts'
import type { TokenCache } from '../authenticate/token-cache.ts'
import type { TokenVerifier } from '../authenticate/verifier.ts'
import { all } from '../authorize/all.ts'
import { conditionOutcome } from '../authorize/condition.ts'
import { clientAddressReader, trustedProxies } from '../downstream/client-address.ts'
import { type AuthorizationHandling, type HeaderWriter, requestHeaders } from '../forward/request-headers.ts'
import {
  compileIdentity,
  DEFAULT_IDENTITY_HEADERS,
  type IdentityHeader,
  identityHeader,
  type TokenHeader,
} from '../identity/header-lines.ts'
import type { Clock } from '../lib/clock.ts'
import { andThen } from '../lib/maybe-promise.ts'
import type { RateLimit } from '../limit/rate-limit.ts'
import { type RouteLimits, routeLimits } from '../limit/route-limits.ts'
import { callJudge } from '../mcp/call-judge.ts'
import type { Endpoint, Policy, RequestHeaders, Route, RouteChallenge, RouteSession } from '../policy.ts'
import { type Cors, type CorsRules, cors } from '../route/cors.ts'
import { compileMatcher } from '../route/match.ts'
import { isOwnSetCookie, withoutOwnCookies } from '../session/cookie-lines.ts'
import { callerClaim, type InternalTokensOptions, internalTokens } from '../signing/internal-token.ts'
import type { RouteKind } from '../telemetry/metrics/route-series.ts'
import { requestTraces } from '../telemetry/traces/request-traces.ts'
import type { SpanSink } from '../telemetry/traces/span.ts'
import type { IssuedTokens } from '../token-exchange/issued-tokens.ts'
import type {
  Authenticator,
  Authorizer,
  CredentialRules,
  CredentialSource,
  RouteMetrics,
  TokenPlaces,
} from '../types.ts'
import { NO_UPSTREAM, type Upstream } from '../upstream/connections.ts'
import { askedOf } from './asked.ts'
import { corsRules } from './cors.ts'
import { requirementContext, requirementsOf, type WhatIsAsked } from './requirements.ts'
import { acceptedProviders, hasSessions, isIssuerConfigured, isLogin, sessionProvider } from './schema/accepted.ts'
import { certificateSource } from './schema/certificate-source.ts'
import { metadataUrl } from './schema/metadata-path.ts'
import { providerTraits } from './schema/provider-traits.ts'
import type { Config, RequireConfig, RouteConfig, StreamsConfig } from './schema/schema.ts'

/** What routes need of a provider of sessions. */
export interface SessionRoutes {
  /** Where people log in. */
  readonly path: string
  forRoute(route: {
    /** Those of each request. */
    readonly checks: ReturnType<RouteLayers>
    readonly authorize: Authorizer
    readonly readsRequest: boolean
    readonly access: Route['access']
    readonly mostTokenAgeMs: number
    readonly forwardsToken: boolean
  }): RouteSession
}

/** The running parts that a policy is made of; they outlive it. */
interface PolicyParts {
  /** What judges the tokens of each provider, by its id. */
  readonly verifiers: ReadonlyMap<string, TokenVerifier>
  /** The upstreams by their ids. */
  readonly upstreams: ReadonlyMap<string, Upstream>
  /** What has tokens issued for an upstream, by its id; not there for one that asks for none. */
  readonly issuedTokens?: ReadonlyMap<string, IssuedTokens> | undefined
  /** The limits by their ids. */
  readonly limits: ReadonlyMap<string, RateLimit>
  readonly tokenCache: TokenCache
  readonly decrypterOf: DecrypterOf
  /** Says how old a login or a token is. */
  readonly clock: Clock
  /** Gives the checks of every request to a route that brings a token, around the token cache. */
  readonly layers: RouteLayers
  /** Whether the token of a principal is revoked by now; undefined where nobody can know. */
  readonly isRevoked: Policy['isRevoked']
  /** The providers of sessions, by their ids. */
  readonly sessions: ReadonlyMap<string, SessionRoutes>
  /** Judges the header in which a proxy names the client's certificate; undefined where none does. */
  readonly checkClientCertificate: Policy['checkClientCertificate']
  /** What the gateway answers itself on the traffic listener. */
  readonly endpoints: readonly Endpoint[]
  /** Takes the spans of requests; undefined where the configuration asks for no traces. */
  readonly spans: SpanSink | undefined
  /** Signs the tokens of `identity.token`; undefined where the configuration asks for none. */
  readonly signing?: Pick<InternalTokensOptions, 'ring' | 'onSigned'> | undefined
  /** Gives the series of a route. */
  readonly routeMetrics: (route: string, kind: RouteKind) => RouteMetrics
  /** `report`: every route only reports, whatever the configuration says. */
  readonly mode: 'report' | undefined
  /** Makes what the service reads of a request's headers. Left out: the lines of a gateway. */
  readonly requestHeaders?: HeaderWriter | undefined
}

/** @param hash says which configuration is in force */
export function compilePolicy(config: Config, hash: string, parts: PolicyParts): Policy {
  const { reserved, maxBytes } = config.identity
  const headersOf = { headers: identityHeaders(config), token: tokenHeader(config, parts) }
  const identity = compileIdentity({ ...headersOf, reserved, maxBytes })
  const judges = sharedJudges(config, parts)
  const places = tokenPlaces(credentialSources(config))
  const isManaged =
    places === undefined ? identity.isManaged : (name: string) => identity.isManaged(name) || places.isHeader(name)
  const headers = headerWriters(config, { isManaged, places, writer: parts.requestHeaders ?? requestHeaders })
  const routes = config.routes.map(route => compileRoute(route, config, { ...judges, headers }, parts))
  return Object.freeze({
    hash,
    routes,
    providers: Object.entries(config.providers).map(([id, provider]) => {
      const verifier = named(parts.verifiers, id)
      return {
        id,
        issuer: providerTraits(provider).issuers.issuer,
        health: () => verifier.health(),
        decryptionKeys: verifier.decryption?.keys.map(({ kid }) => kid),
      }
    }),
    matcher: compileMatcher<Route | Endpoint>([...parts.endpoints, ...routes], {
      letterCase: config.paths.ignoreCase ? 'ignored' : 'heeded',
    }),
    answersPreflights: routes.some(({ cors }) => cors !== undefined),
    identity,
    managedNames: [...identity.names, ...(places?.headers ?? [])],
    isManaged,
    credentialRules: credentialRules(config),
    traces: tracesOf(config, parts),
    tokenPlaces: places,
    checkClientCertificate: parts.checkClientCertificate,
    limits: {
      maxHeaders: config.limits.headers,
      maxHeadBytes: config.limits.headerBytes,
      bodyBytes: config.limits.bodyBytes,
      bodyIdleTimeoutMs: config.limits.bodyIdleTimeout,
      requests: equalShare(config.limits.requests, config.workers),
    },
    clientAddress: clientAddressReader(trustedProxies(believed(config))),
    accessLog: config.log.access,
    isRevoked: parts.isRevoked,
    isOwnCookie: hasSessions(config) ? isOwnSetCookie : undefined,
  })
}

/** Whose forwarding headers are believed. */
function believed({ listen }: Config): readonly string[] {
  return listen?.trustedProxies ?? []
}

function tracesOf(config: Config, { spans }: PolicyParts): Policy['traces'] {
  const { traces } = config
  if (traces === undefined || spans === undefined) return undefined
  const trusts = trustedProxies(believed(config))
  return requestTraces({
    sample: traces.sample,
    trustsParent: { always: () => true, proxies: trusts, never: () => false }[traces.trustParent],
    clientOf: clientAddressReader(trusts),
    sink: spans,
  })
}

/** @returns the part of a limit that each of several processes gets: they take connections in turn */
export function equalShare(limit: number, workers: number): number {
  return Math.ceil(limit / workers)
}

function identityHeaders({ identity: { headers } }: Config): readonly IdentityHeader[] {
  if (headers === undefined) return DEFAULT_IDENTITY_HEADERS
  return Object.entries(headers).map(([name, { claim, join }]) => identityHeader(name, claim, join))
}

function tokenHeader({ identity: { token } }: Config, { signing, clock }: PolicyParts): TokenHeader | undefined {
  if (token === undefined || signing === undefined) return undefined
  const { header: name, issuer, audience, lifetime: lifetimeMs } = token
  const claims = Object.entries(token.claims).map(([claim, from]) => [claim, callerClaim(from)] as const)
  return { name, tokens: internalTokens({ issuer, audience, lifetimeMs, claims, clock, ...signing }) }
}

/** Every place that the file names for a token, on whichever route. */
function credentialSources({ credentials = [], routes }: Config): readonly CredentialSource[] {
  return [...credentials, ...routes.flatMap(route => route.credentials ?? [])]
}

/** Makes the headers for an upstream; routes that treat `Authorization` alike share one, and so what it remembers. */
type HeaderWriters = (authorization: AuthorizationHandling) => RequestHeaders

interface WriterParts {
  readonly isManaged: (name: string) => boolean
  readonly places: TokenPlaces | undefined
  readonly writer: HeaderWriter
}

function headerWriters(config: Config, { isManaged, places, writer }: WriterParts): HeaderWriters {
  const trusts = trustedProxies(believed(config))
  const certificates = certificateSource(config.listen, config.clientCertificate)
  return remembered(authorization =>
    writer({
      isManaged,
      authorization,
      trusts,
      certificate:
        certificates?.from === 'header' ? { name: certificates.header.name, forward: certificates.forward } : undefined,
      withoutProtocols: places?.hasProtocols === true ? places.withoutProtocols : undefined,
      withoutCookies: hasSessions(config) ? withoutOwnCookies : undefined,
    }),
  )
}

/** A token that was not looked at must not pass for the one that was, so a route that does not read it drops it. */
function handlingOfAuthorization(
  { access, passAuthorization }: Pick<RouteConfig, 'access' | 'passAuthorization'>,
  { identity }: Config,
  sources: readonly CredentialSource[],
): AuthorizationHandling {
  if (passAuthorization) return 'unjudged'
  const { forwardToken } = identity
  if (forwardToken === false || (access !== 'public' && !sources.includes('authorization'))) return 'drop'
  // Nobody has judged the proof on a public route, so that its token does not become one that needs none.
  return forwardToken === true || access === 'public' ? 'pass' : 'asBearer'
}

const ONLY_AUTHORIZATION: readonly CredentialSource[] = ['authorization']

function compileRoute(
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
  const sources = credentials ?? config.credentials ?? ONLY_AUTHORIZATION
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
    readCredential: isDeepStrictEqual(sources, ONLY_AUTHORIZATION)
      ? undefined
      : credentialReader(sources, credentialRules(config)),
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

/** Keeps the token that a caller brought, for as long as there are claims of it. */
function notingToken(authenticate: Authenticator, issued: IssuedTokens): Authenticator {
  return (credential, facts, notes) =>
    andThen(authenticate(credential, facts, notes), principal => {
      issued.brought(principal, credential.token)
      return principal
    })
}

function notingTokenOfSession(session: RouteSession, issued: IssuedTokens): RouteSession {
  return {
    ...session,
    authenticate: (facts, notes) =>
      andThen(session.authenticate(facts, notes), principal => {
        const token = principal && session.tokenOf(principal)
        if (principal !== undefined && token !== undefined) issued.brought(principal, token)
        return principal
      }),
  }
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
    clientAddress: clientAddressReader(trustedProxies(believed(config))),
    refused: mode === 'report' ? 'reported' : 'limited',
    clock,
  })
}

interface Asking {
  readonly authorize: Authorizer
  /** Whether it depends on the request, and not on the caller alone. */
  readonly readsRequest: boolean
}

/** What judges callers. Routes that ask for the same share it, so that a thousand of them fit the processor's cache. */
interface Judges {
  authenticator(asked: Pick<RouteConfig, 'providers'>): LayeredAuthenticator
  authorizer(asked: WhatIsAsked): Asking
  cors(rules: CorsRules): Cors
}

function sharedJudges(config: Config, { verifiers, tokenCache, decrypterOf, clock }: PolicyParts): Judges {
  const context = requirementContext(config, clock)
  const every = acceptedProviders(config, {})
  const authenticator = remembered((ids: readonly string[]) =>
    layeredAuthenticator({
      verifiers: ids.map(id => named(verifiers, id)),
      tokenCache,
      decrypterOf,
      isIssuerConfigured: claims => isIssuerConfigured(config, claims),
      monotonicMs: config.traces === undefined ? undefined : clock.monotonicMs,
    }),
  )
  const authorizer = remembered((asked: WhatIsAsked): Asking => {
    const requirements = requirementsOf(asked, context)
    return {
      authorize: all(...requirements.map(({ authorize }) => authorize)),
      readsRequest: requirements.some(each => each.kind === 'when' && !each.condition.reads.isOfPrincipal),
    }
  })
  return {
    authenticator: ({ providers = every }) => authenticator(providers),
    authorizer,
    cors: remembered(cors),
  }
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

/** Returns the same object for arguments that are equal as JSON. */
function remembered<A, T>(make: (argument: A) => T): (argument: A) => T {
  const made = new Map<string, T>()
  return argument => {
    const key = JSON.stringify(argument)
    const known = made.get(key) ?? make(argument)
    made.set(key, known)
    return known
  }
}

/** Infinite where streams are kept. A report-only route ends none: it refuses nothing for a token. */
function streamGraceMs({ mode, streams }: Pick<RouteConfig, 'mode' | 'streams'>, general: StreamsConfig): number {
  const onExpiry = streams?.onExpiry ?? general.onExpiry
  if (onExpiry === 'keep' || mode === 'report') return Number.POSITIVE_INFINITY
  return streams?.grace ?? general.grace
}

function credentialRules({ limits, dpop }: Config): CredentialRules {
  return { tokenBytes: limits.tokenBytes, takesProofs: dpop !== undefined }
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

function challengeOf(
  { require, resource, providers, anonymous }: RouteConfig,
  { dpop, resources, providers: all }: Config,
  sources: readonly CredentialSource[],
  login: string | undefined,
): RouteChallenge {
  return Object.freeze({
    scope: challengeScope(require),
    acrValues: require?.acr?.join(' '),
    // Whoever logged in that many whole seconds ago gets in.
    maxAgeSeconds: require?.authAge === undefined ? undefined : Math.floor(require.authAge / 1000),
    // Scheme DPoP comes in `Authorization` alone.
    proofAlgorithms: sources.includes('authorization') ? dpop?.algorithms.join(' ') : undefined,
    takesBearer: require?.proof !== 'dpop',
    takesTokens: providers?.some(id => !isLogin(all[id])) ?? true,
    login: login === undefined ? undefined : { path: login, isForNavigations: anonymous === 'login' },
    resourceMetadata:
      resource === undefined ? undefined : metadataUrl(named(new Map(Object.entries(resources)), resource)),
  })
}

/** RFC 6750 §3: the scopes needed to get in. Of several alternatives the first is a way in. */
function challengeScope(require: RequireConfig | undefined): string | undefined {
  const scopes = [...(require?.scopes ?? []), ...(require?.anyScope?.slice(0, 1) ?? [])]
  return scopes.length === 0 ? undefined : scopes.join(' ')
}

/** Names were checked when the file was loaded, so a missing one is a bug. */
function named<T>(map: ReadonlyMap<string, T>, id: string): T {
  const value = map.get(id)
  if (value === undefined) throw new Error(`nothing is called ${id}`)
  return value
}

function onlyKey(map: ReadonlyMap<string, unknown>): string {
  const [key] = map.keys()
  return key ?? ''
}
