/** What the endpoints of a session provider share: where they are, what they answer, and how they fail. */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { AuthorizationClient } from '../oauth/authorization-client.ts'
import { OAuthFailure } from '../oauth/oauth-failure.ts'
import type { Answer, LoginResult, RequestFacts } from '../types.ts'
import { sessionCookieIn } from './cookie-lines.ts'
import type { LiveSession } from './live-session.ts'
import type { OriginRules } from './request-origin.ts'
import type { ReadCookie } from './session.ts'
import { isOver } from './session-over.ts'
import type { Sessions } from './sessions.ts'

export interface EndpointOptions {
  readonly provider: string
  /** The origin by which browsers find the gateway. */
  readonly publicUrl: string
  readonly afterLogout: string
  readonly sessions: Sessions
  readonly client: AuthorizationClient
  readonly origins: OriginRules
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** @param refusal why it did not succeed */
  readonly onLogin: (result: LoginResult, refusal?: Denial) => void
}

/** @param lines further lines, such as cookies */
export function redirect(status: 302 | 303, location: string, lines: readonly string[] = []): Answer {
  return { status, headers: ['Location', location, 'Cache-Control', 'no-store', ...lines], body: '' }
}

export function methodRefusal(allow: string): Answer {
  return { status: 405, headers: ['Allow', allow, 'Cache-Control', 'no-store'], body: '' }
}

export function queryOf({ target }: RequestFacts): URLSearchParams {
  const at = target.indexOf('?')
  return new URLSearchParams(at === -1 ? '' : target.slice(at + 1))
}

export function cookieIn({ rawHeaders }: RequestFacts, sessions: Sessions): ReadCookie | undefined {
  const value = sessionCookieIn(rawHeaders)
  return value === undefined ? undefined : sessions.readCookie(value)
}

/** @returns undefined without a session that lives @throws {Denial} `session_store_unavailable`: nobody can tell */
export function liveSessionOf(facts: RequestFacts, sessions: Sessions): Promise<LiveSession | undefined> {
  return unlessOver(facts, sessions, cookie => sessions.look(cookie))
}

/** The same, with tokens that count. @throws {Denial} `login_unavailable`, too */
export function usedSessionOf(facts: RequestFacts, sessions: Sessions): Promise<LiveSession | undefined> {
  return unlessOver(facts, sessions, async cookie => (await sessions.use(cookie)).session)
}

async function unlessOver(
  facts: RequestFacts,
  sessions: Sessions,
  find: (cookie: ReadCookie) => MaybePromise<LiveSession>,
): Promise<LiveSession | undefined> {
  const cookie = cookieIn(facts, sessions)
  if (cookie === undefined) return undefined
  try {
    return await find(cookie)
  } catch (error) {
    if (!isOver(error)) throw error
    return undefined
  }
}

/** What the provider says when it is the gateway that it does not know: nothing that who logs in can mend. */
const OURS: ReadonlySet<string | undefined> = new Set(['invalid_client', 'unauthorized_client'])

/** @param step in which the provider failed us */
export function loginRefusal(error: unknown, provider: string, step: 'begin' | 'return'): Denial {
  if (error instanceof Denial) {
    if (error.code === 'session_store_unavailable' || error.spec.stage === 'session') return error
    // What cannot be judged at the moment is no fault of the login.
    const code = error.spec.status >= 500 ? 'login_unavailable' : 'login_failed'
    const { code: refused, provider: judgedBy } = error
    return new Denial(code, { provider, evidence: { refused, judged_by: judgedBy, ...error.evidence } })
  }
  if (!(error instanceof OAuthFailure)) throw error
  const { kind, code, message, retryAfterSeconds, cause } = error
  // Before anybody has logged in, whatever is wrong is a matter between the provider and us.
  const isOurs = step === 'begin' || kind === 'unavailable' || OURS.has(code)
  return new Denial(isOurs ? 'login_unavailable' : 'login_failed', {
    provider,
    evidence: { reason: message, error: code },
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    ...(cause !== undefined && { cause }),
  })
}
