/** Tells a page whose session it has, and when that ends: never a token. */
import { Denial } from '../errors.ts'
import type { Responder } from '../types.ts'
import { cookieIn, type EndpointOptions, methodRefusal } from './endpoint.ts'
import { preflightAnswer, readableBy } from './page-access.ts'
import { sessionUseByOrigin } from './request-origin.ts'
import { addLines } from './response-lines.ts'
import type { SessionLifetime } from './session-times.ts'

export function sessionResponder(options: EndpointOptions & { readonly lifetime: SessionLifetime }): Responder {
  const { provider, sessions, origins, lifetime } = options
  return async (facts, _routes, notes) => {
    addLines(notes, readableBy(facts, origins))
    if (facts.method === 'OPTIONS') return preflightAnswer('GET')
    if (facts.method !== 'GET' && facts.method !== 'HEAD') return methodRefusal('GET, HEAD')
    const cookie = cookieIn(facts, sessions)
    if (cookie === undefined || sessionUseByOrigin(facts, origins).verdict !== 'yes')
      throw new Denial('token_missing', { provider })
    const { record, use } = await sessions.look(cookie)
    const seconds = (ms: number): number => Math.floor(ms / 1_000)
    return {
      status: 200,
      headers: ['Content-Type', 'application/json', 'Cache-Control', 'no-store'],
      body: JSON.stringify({
        sub: record.subject,
        loggedInAt: seconds(record.createdAtMs),
        idleEndsAt: seconds(use.lastUsedAtMs + lifetime.idleMs),
        endsAt: seconds(record.createdAtMs + lifetime.absoluteMs),
        tokenExpiresAt: seconds(record.tokens.expiresAtMs),
      }),
    }
  }
}
