/**
 * Begins a login: sends a page to the provider, and gives the browser what it needs to come back.
 *
 * OpenID Connect Core 1.0 §3.1.2.1. Only navigations begin one, so that requests of scripts pile up no cookies. Where
 * the browser goes afterwards is one of our own request targets, sealed in its cookie.
 */
import { Denial } from '../errors.ts'
import { isNavigation } from '../route/navigation.ts'
import type { AskedOfLogin, OwnRoutes, RequestFacts, Responder } from '../types.ts'
import { loginCookieLine, loginCookiesIn, noLoginCookieLine } from './cookie-lines.ts'
import { type EndpointOptions, loginRefusal, methodRefusal, queryOf, redirect, usedSessionOf } from './endpoint.ts'
import { wasJustAsked } from './just-asked.ts'
import type { LiveSession } from './live-session.ts'
import { LOGIN_SECONDS, type LoginStates } from './login-state.ts'
import { returnTarget } from './return-target.ts'

interface LoginOptions extends EndpointOptions {
  readonly states: LoginStates
  /** Whether a route would take the access token of a session. */
  readonly isAccepted: (session: LiveSession, facts: RequestFacts) => Promise<boolean>
}

export function loginResponder(options: LoginOptions): Responder {
  const { provider, publicUrl, sessions, client, states, isAccepted, clock, onLogin } = options

  /** Whoever has a session whose token is refused, or whose login is too weak, gets another. */
  async function isEnough(live: LiveSession, asked: AskedOfLogin | undefined, facts: RequestFacts): Promise<boolean> {
    const asksMore = asked?.acrValues !== undefined || asked?.maxAgeSeconds !== undefined
    if (asksMore && !wasJustAsked(live.record, asked, clock.nowMs())) return false
    return await isAccepted(live, facts)
  }

  return async (facts, routes) => {
    if (facts.method !== 'GET') return methodRefusal('GET')
    if (!isNavigation(facts)) throw new Denial('token_missing', { provider })
    const query = queryOf(facts)
    const written = returnTarget(query.get('return') ?? undefined)
    const ofReturn = routes.asked(written)
    const returnTo = ofReturn === undefined ? '/' : written
    const asked = askedFor(query.get('for'), routes) ?? ofReturn
    const live = await usedSessionOf(facts, sessions)
    if (live !== undefined && (await isEnough(live, asked, facts))) return redirect(302, publicUrl + returnTo)
    const login = states.begin({ returnTo, asked }, loginCookiesIn(facts.rawHeaders), clock.nowMs())
    try {
      const location = await client.authorizationUrl(login)
      onLogin('begun')
      const cleared = login.superseded.map(noLoginCookieLine)
      const set = loginCookieLine(login.cookie, LOGIN_SECONDS)
      return redirect(
        302,
        location,
        [...cleared, set].flatMap(line => ['Set-Cookie', line]),
      )
    } catch (error) {
      const refusal = loginRefusal(error, provider, 'begin')
      onLogin('unavailable', refusal)
      throw refusal
    }
  }
}

/** A script is told for which request a login was too weak: `POST /payments/1`. */
function askedFor(request: string | null, routes: OwnRoutes): AskedOfLogin | undefined {
  const [method, target, ...others] = request?.split(' ') ?? []
  if (method === undefined || target === undefined || others.length > 0) return undefined
  return routes.asked(returnTarget(target), method)
}
