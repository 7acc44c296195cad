/** Says what running parts a policy is made of. They are made by whoever starts the gateway, and outlive the policy. */
import type { DecrypterOf } from '../authenticate/decryption.ts'
import type { RouteLayers } from '../authenticate/layers.ts'
import type { TokenCache } from '../authenticate/token-cache.ts'
import type { TokenVerifier } from '../authenticate/verifier.ts'
import type { HeaderWriter } from '../forward/request-headers.ts'
import type { Clock } from '../lib/clock.ts'
import type { RateLimit } from '../limit/rate-limit.ts'
import type { Endpoint, Policy, Route, RouteSession } from '../policy.ts'
import type { InternalTokensOptions } from '../signing/internal-token.ts'
import type { RouteKind } from '../telemetry/metrics/route-series.ts'
import type { SpanSink } from '../telemetry/traces/span.ts'
import type { IssuedTokens } from '../token-exchange/issued-tokens.ts'
import type { Authorizer, RouteMetrics } from '../types.ts'
import type { Upstream } from '../upstream/connections.ts'

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
export interface PolicyParts {
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
