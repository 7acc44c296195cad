/** Makes the endpoints of a provider of sessions: login, callback, logout and session. */
import type { ProviderConfigs } from '../config/schema/by-provider-type.ts'
import { SESSION_ENDPOINTS, type SessionEndpoint, sessionPath } from '../config/schema/session-paths.ts'
import { Denial } from '../errors.ts'
import { deadline } from '../lib/deadline.ts'
import type { AuthorizationClient } from '../oauth/authorization-client.ts'
import { OAuthFailure } from '../oauth/oauth-failure.ts'
import type { Endpoint, RouteChallenge } from '../policy.ts'
import { callbackResponder } from '../session/callback.ts'
import type { EndpointOptions } from '../session/endpoint.ts'
import type { LiveSession } from '../session/live-session.ts'
import { loginResponder } from '../session/login.ts'
import { LOGIN_SECONDS, loginStates } from '../session/login-state.ts'
import { logoutResponder } from '../session/logout.ts'
import type { LoginClaim, SessionKeys, SharedSessions } from '../session/session.ts'
import { sessionResponder } from '../session/session-answer.ts'
import type { SessionRecords } from '../session/session-records.ts'
import type { Sessions } from '../session/sessions.ts'
import type { LoginResult, Responder, RouteMetrics } from '../types.ts'
import type { Services } from './services.ts'
import { lifetimeOf, originRulesOf } from './session-routes.ts'

interface SessionEndpointsOptions {
  readonly provider: string
  readonly config: ProviderConfigs['session']
  readonly services: Pick<Services, 'clock' | 'scheduler' | 'log'>
  readonly metrics: RouteMetrics
  readonly sessions: Sessions
  readonly keys: SessionKeys
  readonly shared: SharedSessions | undefined
  readonly client: AuthorizationClient
  readonly records: SessionRecords
  readonly onLogin: (result: LoginResult, refusal?: Denial) => void
}

/** The label of what all of them count. */
export const SESSION_LABEL = '(session)'

/** A logout waits no longer for the provider. */
const REVOKE_MS = 2_000
/** No code is redeemed later than its login's cookie counts. */
const CLAIM_MS = LOGIN_SECONDS * 1_000

/** Nobody else has to do with logins whose sessions are those of this process. */
const NOBODY_ELSE: LoginClaim = { giveBack: async () => {} }

export function sessionEndpoints(options: SessionEndpointsOptions): readonly Endpoint[] {
  const { provider, config, metrics } = options
  const responders = respondersOf(options)
  const challenge = challengeOf(config.paths)
  return SESSION_ENDPOINTS.map(name =>
    Object.freeze({
      kind: 'endpoint' as const,
      id: SESSION_LABEL,
      path: sessionPath(config, name),
      methods: undefined,
      respond: responders[name],
      challenge,
      metrics,
    }),
  )

  function respondersOf({ services, sessions, keys, client, records, onLogin }: SessionEndpointsOptions) {
    const { clock, scheduler } = services
    const shared: EndpointOptions = {
      provider,
      publicUrl: config.publicUrl,
      afterLogout: config.afterLogout,
      sessions,
      client,
      origins: originRulesOf(config),
      clock,
      scheduler,
      onLogin,
    }
    const states = loginStates(keys)
    return {
      login: loginResponder({
        ...shared,
        states,
        isAccepted: ({ record }, facts) => records.isAccepted(record.tokens, facts),
      }),
      callback: callbackResponder({
        ...shared,
        path: config.paths,
        states,
        claim,
        recordOf: (answer, { asked }, facts) => records.recordOf(answer, asked, facts),
      }),
      logout: logoutResponder({ ...shared, revoked }),
      session: sessionResponder({ ...shared, lifetime: lifetimeOf(config) }),
    } satisfies Record<SessionEndpoint, Responder>
  }

  async function claim(state: string): Promise<LoginClaim | undefined> {
    if (options.shared === undefined) return NOBODY_ELSE
    try {
      return await options.shared.claim(state, CLAIM_MS)
    } catch (error) {
      const reason = error instanceof Error ? `the store ${error.message}` : undefined
      throw new Denial('session_store_unavailable', { provider, evidence: { reason } })
    }
  }

  async function revoked({ record: { tokens } }: LiveSession): Promise<void> {
    const { refreshToken } = tokens
    const { scheduler, log } = options.services
    if (refreshToken === undefined) return
    const late = new OAuthFailure('unavailable', `the provider did not answer within ${REVOKE_MS} ms`)
    try {
      await deadline(scheduler, REVOKE_MS, late).run(signal => options.client.revoke(refreshToken, signal))
    } catch (error) {
      const reason = error instanceof Error ? error.message : undefined
      log.warn({ provider, reason }, 'the refresh token of a session that ended was not revoked')
    }
  }
}

/** Our own pages take a session, and no token. */
function challengeOf(path: string): RouteChallenge {
  return {
    scope: undefined,
    acrValues: undefined,
    maxAgeSeconds: undefined,
    proofAlgorithms: undefined,
    takesBearer: false,
    takesTokens: false,
    login: { path, isForNavigations: false },
    resourceMetadata: undefined,
  }
}
