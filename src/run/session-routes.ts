/**
 * Makes what routes need of a provider of sessions: how the session of a request is found, and how it is judged.
 *
 * The gateway and every command that tries a policy call this, so that a session is judged the same in both.
 */
import { type LayeredAuthenticator, layeredAuthenticator, layeredJudged } from '../authenticate/authenticator.ts'
import type { TokenVerifier } from '../authenticate/verifier.ts'
import type { SessionRoutes } from '../config/policy-parts.ts'
import type { ProviderConfigs } from '../config/schema/by-provider-type.ts'
import { idPrincipals } from '../session/id-principals.ts'
import type { OriginRules } from '../session/request-origin.ts'
import { routeSession } from '../session/route-session.ts'
import type { SessionLifetime } from '../session/session-times.ts'
import type { Sessions } from '../session/sessions.ts'
import type { Services } from './services.ts'

type SessionConfig = ProviderConfigs['session']

/** Returns what judges the access tokens of sessions, or passes on whom the ID token names. */
export function layeredFor(
  { principal }: SessionConfig,
  verifiers: ReadonlyMap<string, TokenVerifier>,
  { tokenCache, decrypterOf, clock }: Pick<Services, 'tokenCache' | 'decrypterOf' | 'clock'>,
): LayeredAuthenticator {
  if (principal === 'idToken') return layeredJudged
  const verifier = verifiers.get(principal)
  // Names were checked when the file was loaded, so a missing one is a bug.
  if (verifier === undefined) throw new Error(`nothing is called ${principal}`)
  return layeredAuthenticator({ verifiers: [verifier], tokenCache, decrypterOf, monotonicMs: clock.monotonicMs })
}

interface SessionRoutesOptions {
  readonly provider: string
  readonly config: SessionConfig
  readonly sessions: Sessions
  /** What {@link layeredFor} has returned. */
  readonly layered: LayeredAuthenticator
  readonly nowMs: () => number
}

export function sessionRoutes({ provider, config, sessions, layered, nowMs }: SessionRoutesOptions): SessionRoutes {
  const origins = originRulesOf(config)
  const principalOf = idPrincipalsOf(provider, config)
  return {
    path: config.paths,
    forRoute: ({ checks, ...ofRoute }) =>
      routeSession({
        provider,
        sessions,
        origins,
        authenticate: layered(checks),
        ...ofRoute,
        principalOf,
        nowMs,
      }),
  }
}

/** Returns what makes principals of ID tokens; undefined where access tokens say who somebody is. */
export function idPrincipalsOf(provider: string, { principal, client, clockTolerance }: SessionConfig) {
  if (principal !== 'idToken') return undefined
  return idPrincipals({ provider, clientId: client.id, clockToleranceSeconds: clockTolerance / 1_000 })
}

export function originRulesOf({ publicUrl, allowOrigins }: SessionConfig): OriginRules {
  return { publicOrigin: publicUrl, allowOrigins: new Set(allowOrigins) }
}

export function lifetimeOf({ lifetime }: SessionConfig): SessionLifetime {
  return {
    idleMs: lifetime.idle,
    absoluteMs: lifetime.absolute,
    refreshBeforeMs: lifetime.refreshBefore,
    graceMs: lifetime.grace,
  }
}
