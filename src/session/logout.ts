/**
 * Ends a session because its user wants that: here, at the provider, and wherever else it counts.
 *
 * RP-Initiated Logout 1.0 §2, RFC 7009. The refresh token is revoked first. If that takes too long, the session ends
 * all the same, and the token with the grant at the provider.
 */
import { Denial } from '../errors.ts'
import { fieldValue, listMembers } from '../lib/field-lines.ts'
import { showsPage } from '../route/navigation.ts'
import type { Answer, RequestFacts, Responder } from '../types.ts'
import { noSessionCookieLine, sessionCookieIn } from './cookie-lines.ts'
import { type EndpointOptions, liveSessionOf, methodRefusal, redirect } from './endpoint.ts'
import type { LiveSession } from './live-session.ts'
import { preflightAnswer, readableBy } from './page-access.ts'
import { sessionUseByOrigin } from './request-origin.ts'
import { addLines } from './response-lines.ts'

interface LogoutOptions extends EndpointOptions {
  /** Resolves when the provider has revoked the refresh token, or that has taken too long. */
  readonly revoked: (session: LiveSession) => Promise<void>
}

/** A link ends no session, since any page could have one. Whoever follows it is asked. */
function question(): Answer {
  return {
    status: 405,
    headers: [
      ...['Allow', 'POST', 'Cache-Control', 'no-store', 'Content-Type', 'text/html; charset=utf-8'],
      ...['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"],
    ],
    body: `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sign out</title>
<h1>Sign out</h1>
<form method="post"><button>Sign out</button></form>
</html>
`,
  }
}

/** A form is answered for people, and a script for itself. */
function isPage({ rawHeaders }: RequestFacts): boolean {
  const mode = fieldValue(rawHeaders, 'sec-fetch-mode')
  return mode === undefined ? listMembers(rawHeaders, 'accept').includes('text/html') : mode === 'navigate'
}

export function logoutResponder(options: LogoutOptions): Responder {
  const { provider, publicUrl, afterLogout, sessions, client, origins } = options
  const returnTo = publicUrl + afterLogout

  function answered(facts: RequestFacts, session: LiveSession | undefined): Answer {
    const idToken = session?.record.tokens.idToken
    const location = (idToken === undefined ? undefined : client.endSessionUrl({ idToken, returnTo })) ?? returnTo
    // Attack: a page of another site, whose request has no cookie, would have the browser forget it.
    const lines = sessionCookieIn(facts.rawHeaders) === undefined ? [] : ['Set-Cookie', noSessionCookieLine()]
    if (isPage(facts)) return redirect(303, location, lines)
    return {
      status: 200,
      headers: ['Content-Type', 'application/json', 'Cache-Control', 'no-store', ...lines],
      body: JSON.stringify({ endSession: location }),
    }
  }

  return async (facts, _routes, notes) => {
    addLines(notes, readableBy(facts, origins))
    if (facts.method === 'OPTIONS') return preflightAnswer('POST')
    if (facts.method === 'GET' && showsPage(facts)) return question()
    if (facts.method !== 'POST') return methodRefusal('POST')
    if (sessionCookieIn(facts.rawHeaders) === undefined) return answered(facts, undefined)
    const verdict = sessionUseByOrigin(facts, origins)
    if (verdict.verdict !== 'yes') throw new Denial('csrf_rejected', { provider, evidence: { ...verdict.evidence } })
    const session = await liveSessionOf(facts, sessions)
    if (session !== undefined) {
      await options.revoked(session)
      sessions.end(session, 'logout')
    }
    return answered(facts, session)
  }
}
