/**
 * Finds what is legal in a configuration but doubtful: each warning names the place, what may go wrong and the remedy.
 *
 * A warning is a guess about intent, so it has a code by which it can be ignored. What is certainly wrong is an error,
 * which the loader reports.
 */
import type { Path } from '../../config/check/findings.ts'
import { askedCertificate, certificateSource } from '../../config/schema/certificate-source.ts'
import { providerTraits } from '../../config/schema/provider-traits.ts'
import { keysGotAround } from '../../config/schema/route-keys.ts'
import type { Config, RouteConfig } from '../../config/schema/schema.ts'
import { tenantsOf } from '../../config/schema/tenants.ts'
import { crossesNetworkOpenly } from '../../config/schema/traces-schema.ts'
import { isLoopback } from '../../lib/loopback.ts'
import type { Policy } from '../../policy.ts'
import { reachedBy, witnessPaths } from '../engine/reach.ts'
import { dottedClaims } from './dotted-claims.ts'
import { doubtfulConditions } from './doubtful-conditions.ts'
import { doubtfulDecisions } from './doubtful-decisions.ts'
import { doubtfulExchange } from './doubtful-exchange.ts'
import { doubtfulInternalToken } from './doubtful-internal-token.ts'
import { longAnswers } from './doubtful-introspection.ts'
import { doubtfulLimits } from './doubtful-limits.ts'
import { doubtfulOrigins, missingHeaders } from './doubtful-origins.ts'
import { proofUrlsInClear, replayPerProcess } from './doubtful-proofs.ts'
import {
  audiencesNotTold,
  otherToolsAllowed,
  resourcesElsewhere,
  resourcesInClear,
  resourcesWithoutIssuer,
  tokensForwardedToTools,
} from './doubtful-resources.ts'
import { blindToRevocations, revokedHereOnly } from './doubtful-revocation.ts'
import { doubtfulSessionRoutes } from './doubtful-session-routes.ts'
import { doubtfulSessions } from './doubtful-sessions.ts'
import { placeholders } from './placeholders.ts'
import { misspelledScopes } from './similar-scopes.ts'
import { trustedSpellings } from './trusted-spellings.ts'

export const WARNING_CODES = [
  'route-unreachable',
  'public-below-protected',
  'optional-with-require',
  'scope-misspelled',
  'lifetime-long',
  'token-forwarded',
  'token-in-query',
  'spelling-trusted',
  'claim-dotted',
  'placeholder',
  'cache-unwritable',
  'tenants-any',
  'proxy-in-clear',
  'client-cert-in-clear',
  'revocation-blind',
  'revocation-local-only',
  'replay-per-process',
  'proof-url-in-clear',
  'introspection-ttl',
  'introspection-stale',
  'cors-origin-in-clear',
  'cors-wildcard-wide',
  'cors-header-missing',
  'resource-in-clear',
  'resource-without-issuer',
  'resource-elsewhere',
  'resource-audience-untold',
  'mcp-others-allowed',
  'mcp-token-forwarded',
  'session-unused',
  'session-memory',
  'session-no-refresh',
  'session-issuer-differs',
  'session-resource-refused',
  'session-page-missing',
  'session-logout-logs-in',
  'session-scope-unasked',
  'session-cors-unlisted',
  'secret-writable',
  'secret-blanks',
  'issuer-slash',
  'session-scope-unlisted',
  'traces-in-clear',
  'traces-path-missing',
  'route-taken-over',
  'condition-claim-missing',
  'condition-never-holds',
  'condition-slash',
  'limit-unused',
  'limit-burst',
  'limit-shared',
  'limit-claim-missing',
  'limit-client',
  'limit-idle',
  'decide-open',
  'decide-unreachable',
  'decide-preflight',
  'endpoint-unserved',
  'internal-token-long',
  'signing-key-readable',
  'signing-keys-per-process',
  'exchange-untargeted',
  'exchange-in-clear',
  'exchange-foreign',
] as const

export type WarningCode = (typeof WARNING_CODES)[number]

export interface Warning {
  readonly code: WarningCode
  readonly path: Path
  readonly message: string
}

const HOUR_MS = 60 * 60 * 1000
const DAY_MS = 24 * HOUR_MS

/** Finds all but those that need the network or files. @param policy compiled from `config` */
export function warnings(config: Config, policy: Policy): readonly Warning[] {
  return [
    ...unreachableRoutes(config, policy),
    ...publicBelowProtected(config),
    ...optionalWithRequire(config),
    ...misspelledScopes(config),
    ...longLifetimes(config),
    ...forwardedTokens(config),
    ...queryTokens(config),
    ...dottedClaims(config),
    ...placeholders(config),
    ...anyTenants(config),
    ...trustedSpellings(config, policy),
    ...proxyInClear(config),
    ...certificatesInClear(config),
    ...blindToRevocations(config),
    ...revokedHereOnly(config),
    ...replayPerProcess(config),
    ...proofUrlsInClear(config),
    ...longAnswers(config),
    ...doubtfulExchange(config),
    ...doubtfulOrigins(config),
    ...missingHeaders(config),
    ...resourcesInClear(config),
    ...resourcesWithoutIssuer(config),
    ...resourcesElsewhere(config, policy),
    ...audiencesNotTold(config),
    ...otherToolsAllowed(config),
    ...tokensForwardedToTools(config),
    ...doubtfulSessions(config, policy),
    ...doubtfulSessionRoutes(config),
    ...tracesInClear(config),
    ...tracesPathMissing(config),
    ...doubtfulConditions(config),
    ...doubtfulLimits(config),
    ...doubtfulDecisions(config, policy),
    ...doubtfulInternalToken(config),
  ]
}

function unreachableRoutes({ routes }: Config, policy: Policy): readonly Warning[] {
  const paths = witnessPaths(routes.map(({ path }) => path))
  return routes.flatMap((route, index) => {
    if (reachedBy(policy.matcher, route, paths).length > 0) return []
    const message =
      'takes no request: more specific routes, or others that a lax server would read it as, take them all; remove it or change one of the paths'
    return [{ code: 'route-unreachable' as const, path: ['routes', index, 'path'], message }]
  })
}

/** Leaves out `/**`, which protects everything: a route that is public beside it is meant to be public. */
function publicBelowProtected({ routes }: Config): readonly Warning[] {
  const prefixes = routes.filter(({ path, access }) => path.endsWith('/**') && path !== '/**' && access === 'required')
  return routes.flatMap((route, index) => {
    if (route.access !== 'public') return []
    const around = prefixes.find(({ path }) => isBelow(route.path, path))
    if (around === undefined) return []
    const message = `is public below \`${around.path}\` (route \`${around.id}\`), which asks for a token; make sure that nothing here needs one`
    return [{ code: 'public-below-protected' as const, path: ['routes', index, 'access'], message }]
  })
}

function isBelow(path: string, subtree: string): boolean {
  const prefix = subtree.slice(0, -'/**'.length).split('/')
  const segments = path.split('/')
  return (
    segments.length >= prefix.length &&
    prefix.every((segment, depth) => segment.startsWith(':') || segment === segments[depth])
  )
}

function optionalWithRequire({ routes }: Config): readonly Warning[] {
  const message = 'holds for callers who send a token only: leaving it out gets around it; use `access: required`'
  return routes.flatMap((route, index) =>
    keysGotAround(route).map(key => ({
      code: 'optional-with-require' as const,
      path: ['routes', index, key],
      message,
    })),
  )
}

/** Where nobody can revoke a token, its lifetime is how long a thief has it. */
function longLifetimes({ providers, revocation }: Config): readonly Warning[] {
  return Object.entries(providers).flatMap(([id, provider]) => {
    const { maxLifetime, logsIn } = providerTraits(provider)
    // What is said of sessions is about people, and not about thieves.
    if (
      logsIn !== undefined ||
      maxLifetime === undefined ||
      maxLifetime <= (revocation === undefined ? HOUR_MS : DAY_MS)
    )
      return []
    const message =
      maxLifetime > DAY_MS
        ? 'lets a stolen token work for more than a day; access tokens usually live minutes to hours'
        : 'lets a stolen token work for more than an hour, and nobody can revoke it; lower it, or add the section `revocation`'
    return [{ code: 'lifetime-long' as const, path: ['providers', id, 'maxLifetime'], message }]
  })
}

/** Anybody can own a tenant, be its administrator, and give every role in it to themselves. */
function anyTenants({ providers, routes }: Config): readonly Warning[] {
  return Object.entries(providers).flatMap(([id, provider]) => {
    const { takesJwts } = providerTraits(provider)
    if (takesJwts === undefined) return []
    const open = Object.entries(tenantsOf(takesJwts) ?? {}).flatMap(([claim, values]) =>
      values === 'any' ? [claim] : [],
    )
    if (open.length === 0) return []
    const path = ['providers', id, 'tenants', ...(takesJwts.tenants === 'any' ? [] : open.slice(0, 1))]
    const asking = routes.find(
      ({ access, providers: accepted, require }) =>
        access !== 'public' &&
        (accepted?.includes(id) ?? true) &&
        (require?.roles !== undefined || require?.anyRole !== undefined),
    )
    const message =
      asking === undefined
        ? 'takes the tokens of every tenant, and anybody can own one; list the tenants that are meant'
        : `lets everybody pass route \`${asking.id}\` in spite of its roles: anybody can own a tenant, and gives out its roles; list the tenants that are meant`
    return [{ code: 'tenants-any' as const, path, message }]
  })
}

function proxyInClear({ egress }: Config): readonly Warning[] {
  if (egress?.credentialsFile === undefined) return []
  const url = new URL(egress.proxy)
  if (url.protocol === 'https:' || isLoopback(url)) return []
  const message = 'is sent to the proxy unencrypted, so that everybody on the way can read it; use an `https:` proxy'
  return [{ code: 'proxy-in-clear', path: ['egress', 'credentialsFile'], message }]
}

function tracesInClear({ traces }: Config): readonly Warning[] {
  if (traces?.endpoint === undefined || !crossesNetworkOpenly(traces.endpoint)) return []
  const message =
    'is `http:` on another machine: who is on the way can read who calls what, and the headers; use `https:`, or a collector beside the gateway'
  return [{ code: 'traces-in-clear', path: ['traces', 'endpoint'], message }]
}

/** `OTEL_EXPORTER_OTLP_ENDPOINT` goes without a path, and what is known from there is written here. */
function tracesPathMissing({ traces }: Config): readonly Warning[] {
  if (traces?.endpoint === undefined || new URL(traces.endpoint).pathname !== '/') return []
  const message = 'has no path, and is asked as it is written; collectors take spans at `/v1/traces`'
  return [{ code: 'traces-path-missing', path: ['traces', 'endpoint'], message }]
}

/** Who is on the way, or has the address of the proxy, can name any certificate. */
function certificatesInClear({ listen, clientCertificate }: Config): readonly Warning[] {
  if (listen === undefined || certificateSource(listen, clientCertificate)?.from !== 'header') return []
  if (listen.trustedProxies.some(isEverybody)) {
    const message = 'believes everybody who can reach the gateway; list the addresses of the proxies alone'
    return [{ code: 'client-cert-in-clear', path: ['listen', 'trustedProxies'], message }]
  }
  if (askedCertificate(listen.tls) === 'required' || listen.trustedProxies.every(isOfThisMachine)) return []
  const message =
    'believes proxies on other machines, which do not prove who they are; ask them for certificates by `listen.tls.clientCaFile`'
  return [{ code: 'client-cert-in-clear', path: ['clientCertificate', 'from'], message }]
}

function isEverybody(proxy: string): boolean {
  return /\/0+$/.test(proxy)
}

function isOfThisMachine(proxy: string): boolean {
  return /^(?:unix:|127\.[\d.]+(?:\/(?:[89]|[12]\d|3[0-2]))?|::1(?:\/128)?)$/.test(proxy)
}

function forwardedTokens({ identity, upstreams }: Config): readonly Warning[] {
  if (!identity.forwardToken) return []
  const remote = Object.entries(upstreams).filter(
    ([, { url }]) => url.socketPath === undefined && !isLoopback(new URL(url.origin)),
  )
  if (remote.length === 0) return []
  const names = remote.map(([id]) => `\`${id}\``).join(', ')
  const message = `hands the caller’s token to ${names} on another machine, where it can be used again; identity headers usually suffice`
  return [{ code: 'token-forwarded', path: ['identity', 'forwardToken'], message }]
}

function queryTokens({ credentials = [], routes }: Config): readonly Warning[] {
  const places: ReadonlyArray<readonly [Path, NonNullable<RouteConfig['credentials']>]> = [
    [['credentials'], credentials],
    ...routes.map(({ credentials: own = [] }, index) => [['routes', index, 'credentials'], own] as const),
  ]
  const message =
    'lets tokens stand in URLs, which browsers, proxies and logs keep; use it where a header cannot be sent, with short-lived tokens'
  return places.flatMap(([path, sources]) =>
    sources.flatMap((source, index) =>
      typeof source === 'object' && 'query' in source
        ? [{ code: 'token-in-query' as const, path: [...path, index], message }]
        : [],
    ),
  )
}
