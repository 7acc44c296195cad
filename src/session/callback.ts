/**
 * Ends a login: takes the browser back from the provider, redeems its code, and begins the session.
 *
 * OpenID Connect Core 1.0 §3.1.2.5–3.1.3.7, RFC 9207. A login counts only in the browser that began it, since only that
 * has the cookie of its state. Every login begins a session of a new id, whatever cookie the browser had before.
 */
import { Denial } from '../errors.ts'
import type { TokenAnswer } from '../oauth/token-answer.ts'
import type { RequestFacts, RequestNotes, Responder } from '../types.ts'
import { type LoginCookie, loginCookiesIn, noLoginCookieLine, sessionCookieLine } from './cookie-lines.ts'
import { type EndpointOptions, liveSessionOf, loginRefusal, methodRefusal, queryOf, redirect } from './endpoint.ts'
import type { LiveSession } from './live-session.ts'
import { loginRedemptions } from './login-redemptions.ts'
import type { Login, LoginStates } from './login-state.ts'
import { addLines } from './response-lines.ts'
import type { LoginClaim, SessionRecord } from './session.ts'
import { newSessionId } from './session-keys.ts'

interface CallbackOptions extends EndpointOptions {
  /** That of the endpoints. */
  readonly path: string
  readonly states: LoginStates
  /** Takes the right to redeem the code of a login; undefined where another process has it. */
  readonly claim: (state: string) => Promise<LoginClaim | undefined>
  /**
   * Makes the first record of a session, when the ID token is verified and the access token is accepted.
   *
   * @throws {Denial} it is not
   */
  readonly recordOf: (answer: TokenAnswer, login: Login, facts: RequestFacts) => Promise<SessionRecord>
}

/** What a login has come to: `again` is one that a revocation of the very second of its tokens is about, too. */
type Outcome = LiveSession | 'again' | 'elsewhere'

export function callbackResponder(options: CallbackOptions): Responder {
  const { provider, publicUrl, path, sessions, client, states, recordOf, claim, clock, scheduler, onLogin } = options
  const redemptions = loginRedemptions<Outcome>({ provider, monotonicMs: clock.monotonicMs })
  /** Refusals of logins that cannot be tried again, because their codes were redeemed. */
  const spent = new WeakSet<Denial>()

  async function redeemed(facts: RequestFacts, login: Login, parameters: URLSearchParams): Promise<Outcome> {
    // A store that is away must not cost the code.
    const replaced = await liveSessionOf(facts, sessions)
    const claimed = await claim(login.state)
    if (claimed === undefined) return 'elsewhere'
    const answer = await client.redeem({ ...login, parameters }).catch(async (error: unknown) => {
      if (loginRefusal(error, provider, 'return').spec.status >= 500) await claimed.giveBack()
      throw error
    })
    try {
      const record = await recordOf(answer, login, facts)
      const revoked = sessions.revocationOf(record)
      if (revoked !== undefined)
        throw new Denial('token_revoked', { provider, evidence: { ...revoked, iat: record.loginAtSeconds } })
      return await sessions.begin(newSessionId(), record, replaced)
    } catch (error) {
      if (answer.refreshToken !== undefined) client.revoke(answer.refreshToken).catch(() => {})
      if (isOfThisSecond(error, clock.nowMs())) return 'again'
      const refusal = loginRefusal(error, provider, 'return')
      spent.add(refusal)
      throw refusal
    }
  }

  async function begun(facts: RequestFacts, login: Login, parameters: URLSearchParams): Promise<Outcome> {
    try {
      const outcome = await redeemed(facts, login, parameters)
      if (typeof outcome !== 'string') onLogin('ok')
      if (outcome === 'again') await new Promise<void>(resolve => scheduler.after(SECOND_MS, resolve))
      return outcome
    } catch (error) {
      const refusal = loginRefusal(error, provider, 'return')
      onLogin(refusal.spec.status >= 500 ? 'unavailable' : 'failed', refusal)
      throw refusal
    }
  }

  /** The login is over when its code was redeemed, and may be tried again when nobody could tell. */
  async function outcomeOf(facts: RequestFacts, login: Login, parameters: URLSearchParams, notes: RequestNotes) {
    const over = (): void => addLines(notes, ['Set-Cookie', noLoginCookieLine(login.label)])
    try {
      const outcome = await redemptions.once(login.state, () => begun(facts, login, parameters))
      over()
      return outcome
    } catch (error) {
      if (error instanceof Denial && (error.spec.status < 500 || spent.has(error))) over()
      throw error
    }
  }

  return async (facts, routes, notes) => {
    if (facts.method !== 'GET') return methodRefusal('GET')
    const parameters = queryOf(facts)
    const state = parameters.get('state') ?? ''
    const cookies = loginCookiesIn(facts.rawHeaders)
    const login = states.find(cookies, state, clock.nowMs())
    if (login === undefined) {
      // Another tab has finished a login, and this one's has been forgotten over it.
      if ((await liveSessionOf(facts, sessions)) !== undefined) return redirect(303, `${publicUrl}/`)
      const refusal = new Denial('login_failed', { provider, evidence: { reason: whyUnknown(cookies, state) } })
      // Strangers come without a cookie.
      if (cookies.length > 0) onLogin('failed', refusal)
      throw refusal
    }
    const outcome = await outcomeOf(facts, login, parameters, notes)
    // A reload may have taken the page away.
    const returnTo = routes.asked(login.returnTo) === undefined ? '/' : login.returnTo
    if (outcome === 'again') return redirect(303, `${path}/login?return=${encodeURIComponent(returnTo)}`)
    // Who comes back later may have logged out meanwhile.
    const isHere = outcome !== 'elsewhere' && outcome.end === undefined
    const lines = !isHere ? [] : ['Set-Cookie', sessionCookieLine(sessions.firstCookie(outcome))]
    return redirect(303, publicUrl + returnTo, lines)
  }
}

const SECOND_MS = 1_000

/**
 * Tokens have whole seconds, so one that is issued right after a revocation looks as if it was issued before. That is
 * over in a moment: a login that is refused later is refused.
 */
function isOfThisSecond(error: unknown, nowMs: number): boolean {
  if (!(error instanceof Denial) || error.code !== 'token_revoked') return false
  const { before, iat } = error.evidence ?? {}
  return typeof before === 'number' && before === iat && Math.abs(nowMs / 1_000 - before) <= RECENT_SECONDS
}

const RECENT_SECONDS = 3

function whyUnknown(cookies: readonly LoginCookie[], state: string): string {
  if (!cookies.some(({ label }) => state.startsWith(label))) return 'the browser has no cookie of this login'
  return 'the cookie of this login is too old, or was sealed under a key that is not in `keyFiles`'
}
