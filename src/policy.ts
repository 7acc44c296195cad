/**
 * The compiled policy: everything a request needs to be judged and forwarded, frozen, with nothing left to look up by
 * name. Made by `config/compile.ts`; nothing on the request path sees the configuration as written.
 */

import type { RequestHeaders } from './forward/request-headers.ts'
import type { Identity } from './identity/header-lines.ts'
import type { Matcher } from './route/match.ts'
import type { PathAllowance } from './route/target.ts'
import type { RouteMetrics } from './telemetry/metrics.ts'
import type { Authenticator, Authorizer, ProviderHealth } from './types.ts'
import type { Upstream } from './upstream/pool.ts'

export interface Route {
  readonly id: string
  /** The pattern as written. */
  readonly path: string
  /** Undefined takes every method. GET stands for HEAD, too. */
  readonly methods: ReadonlySet<string> | undefined
  readonly pathAllow: ReadonlySet<PathAllowance>
  readonly access: 'required' | 'optional' | 'public'
  /** `report` decides and counts, but lets the request pass. */
  readonly mode: 'enforce' | 'report'
  /** Judges credentials against the route's providers; not called on public routes. */
  readonly authenticate: Authenticator
  readonly authorize: Authorizer
  /** For the challenge (RFC 6750 §3): the scopes the route asks for, space-separated. */
  readonly challengeScope: string | undefined
  readonly upstream: Upstream
  /** From the end of the request to the head of the response. */
  readonly headersTimeoutMs: number
  /** How long a stream may outlive its token; infinite where it is kept. */
  readonly streamGraceMs: number
  /** How long a tunnel may be silent. */
  readonly tunnelIdleTimeoutMs: number
  readonly metrics: RouteMetrics
}

export interface Provider {
  readonly id: string
  readonly issuer: string
  health(): ProviderHealth
}

/** Limits judged per request; those of the socket are the server's. Sizes in bytes. */
export interface RequestLimits {
  readonly tokenBytes: number
  readonly maxHeaders: number
  readonly maxHeadBytes: number
  readonly bodyBytes: number
  readonly bodyIdleTimeoutMs: number
}

export interface Policy {
  /** SHA-256 of the configuration as it was read, first 12 hex digits. */
  readonly hash: string
  readonly routes: readonly Route[]
  readonly providers: readonly Provider[]
  readonly matcher: Matcher<Route>
  readonly identity: Identity
  /** What the upstream gets of a request's headers. */
  readonly requestHeaders: RequestHeaders
  readonly limits: RequestLimits
  /** Which requests the access log shows. */
  readonly accessLog: 'all' | 'denied' | 'off'
}
