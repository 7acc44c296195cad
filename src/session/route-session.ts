/**
 * Finds out who a route's caller is by the cookie of a session: the session's access token is judged as if it had come
 * in `Authorization`.
 *
 * The token passes through everything that any token passes through, with each request: so a key that is withdrawn, a
 * revocation and a reload count for sessions, too.
 */
import { Denial } from '../errors.ts'
import { andThen, type MaybePromise } from '../lib/maybe-promise.ts'
import type { Route, RouteSession } from '../policy.ts'
import type { Authenticator, Authorizer, Principal, RequestFacts, RequestNotes, Tenure } from '../types.ts'
import { sessionCookieIn, sessionCookieLine } from './cookie-lines.ts'
import { wasJustAsked } from './just-asked.ts'
import type { LiveSession } from './live-session.ts'
import { type OriginRules, sessionUseByOrigin } from './request-origin.ts'
import { addLines } from './response-lines.ts'
import type { SessionTokens } from './session.ts'
import { isOver } from './session-over.ts'
import type { FoundSession, Sessions } from './sessions.ts'
import { streamTenures } from './stream-tenure.ts'

interface RouteSessionOptions {
  readonly provider: string
  readonly sessions: Sessions
  readonly origins: OriginRules
  /** Judges access tokens, or the principal that an ID token makes. */
  readonly authenticate: Authenticator
  readonly access: Route['access']
  /** Whether the service is to have the access token, as if the browser had sent it (`identity.forwardToken`). */
  readonly forwardsToken: boolean
  /** How old the route lets tokens be (`require.tokenAge`); infinite where it does not ask. */
  readonly mostTokenAgeMs: number
  readonly authorize: Authorizer
  /** Whether that depends on the request, too, and not on the caller alone. */
  readonly readsRequest: boolean
  /** Undefined: the access token says who it is. */
  readonly principalOf: ((session: LiveSession) => Principal) | undefined
  readonly nowMs: () => number
}

export function routeSession(options: RouteSessionOptions): RouteSession {
  const {
    provider,
    sessions,
    origins,
    access,
    authenticate,
    principalOf,
    mostTokenAgeMs,
    forwardsToken,
    nowMs,
    readsRequest,
  } = options
  const tenureOf = streamTenures(options)
  const sessionOf = new WeakMap<Principal, LiveSession>()
  /** Sessions that were given the same token share its principal, and nothing that is made of it here. */
  const ofSession = new WeakMap<LiveSession, { readonly of: Principal; readonly as: Principal }>()

  /** Streams live as long as the session, whichever access token let them in. */
  function asOfSession(session: LiveSession, of: Principal, facts: RequestFacts, { path }: RequestNotes): Principal {
    if (readsRequest) {
      const made = withTenure(of, tenureOf(session, { facts, path }))
      sessionOf.set(made, session)
      return made
    }
    const known = ofSession.get(session)
    if (known?.of === of) return known.as
    const made = withTenure(of, tenureOf(session))
    ofSession.set(session, { of, as: made })
    sessionOf.set(made, session)
    return made
  }

  function judge(found: FoundSession, facts: RequestFacts, notes: RequestNotes): MaybePromise<Principal> {
    const { session, cookie } = found
    notes.isPrivate = true
    const { tokens } = session.record
    const set = (principal: Principal): Principal => {
      if (cookie !== undefined) addLines(notes, ['Set-Cookie', sessionCookieLine(cookie), ...NOT_STORED])
      return principal
    }
    const refreshed = (error: unknown): Promise<Principal> =>
      refreshedPrincipal(session, { tokens, error }, facts, notes)
    if (nowMs() - tokens.receivedAtMs >= mostTokenAgeMs) {
      // If there is none to be had that is young enough, the route says so.
      return sessions
        .refreshed(session, tokens)
        .then(() => principalFor(session, facts, notes))
        .catch(refreshed)
        .then(set)
    }
    try {
      const principal = principalFor(session, facts, notes)
      return principal instanceof Promise ? principal.catch(refreshed).then(set) : set(principal)
    } catch (error) {
      return refreshed(error).then(set)
    }
  }

  function principalFor(session: LiveSession, facts: RequestFacts, notes: RequestNotes): MaybePromise<Principal> {
    const { accessToken: token } = session.record.tokens
    const judged = principalOf?.(session)
    return andThen(authenticate({ token, scheme: 'Bearer', place: 'session', judged }, facts, notes), principal =>
      asOfSession(session, principal, facts, notes),
    )
  }

  /**
   * A new token may have what the refused one lacks: a key that is still there, or life. If it has not, the caller
   * hears why, and a page is sent to log in, which shows whether the provider has anything better to give.
   */
  async function refreshedPrincipal(
    session: LiveSession,
    { tokens, error }: { readonly tokens: SessionTokens; readonly error: unknown },
    facts: RequestFacts,
    notes: RequestNotes,
  ): Promise<Principal> {
    if (!isRefusalOfToken(error)) throw error
    await sessions.replaceTokens(session, tokens, error)
    try {
      return await principalFor(session, facts, notes)
    } catch (again) {
      if (isRefusalOfToken(again)) await sessions.replaceTokens(session, session.record.tokens, again)
      throw again
    }
  }

  /** Whoever may be nobody is nobody when the session is over. */
  function unlessNeeded(error: unknown): undefined {
    if (!isOver(error) || access === 'required') throw error
  }

  return {
    authenticate(facts, notes) {
      const value = sessionCookieIn(facts.rawHeaders)
      const cookie = value === undefined ? undefined : sessions.readCookie(value)
      if (cookie === undefined) return undefined
      const verdict = sessionUseByOrigin(facts, origins)
      if (verdict.verdict === 'ignored') {
        if (access !== 'required') return undefined
        const reason = 'the session of the browser counts for pages of this site alone'
        throw new Denial('token_missing', { evidence: { reason, ...verdict.evidence } })
      }
      if (verdict.verdict === 'forbidden')
        throw new Denial('csrf_rejected', { provider, evidence: { ...verdict.evidence } })
      try {
        const principal = andThen(sessions.use(cookie), found => judge(found, facts, notes))
        return principal instanceof Promise ? principal.catch(unlessNeeded) : principal
      } catch (error) {
        return unlessNeeded(error)
      }
    },
    linesFor(principal, identityLines) {
      const token = forwardsToken ? sessionOf.get(principal)?.record.tokens.accessToken : undefined
      return token === undefined ? identityLines : [...identityLines, 'Authorization', `Bearer ${token}`]
    },
    tokenOf: principal => sessionOf.get(principal)?.record.tokens.accessToken,
    stepUpRefusal(principal, refusal, challenge) {
      const record = sessionOf.get(principal)?.record
      if (record === undefined) return refusal
      const evidence = refusal.evidence ?? {}
      if (!wasJustAsked(record, challenge, nowMs()))
        return new Denial(refusal.code, { provider, evidence, loginHelps: true })
      return new Denial('step_up_failed', { provider, evidence })
    },
  }
}

function isRefusalOfToken(error: unknown): error is Denial {
  return error instanceof Denial && error.spec.status === 401
}

/** An answer with a cookie is nobody else's. */
const NOT_STORED = ['Cache-Control', 'no-store']

function withTenure(of: Principal, tenure: Tenure): Principal {
  return Object.freeze({ ...of, validUntilMs: Number.POSITIVE_INFINITY, tenure })
}
