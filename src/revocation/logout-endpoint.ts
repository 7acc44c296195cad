/**
 * Takes logout tokens from a provider: `POST` of a form with `logout_token`.
 *
 * OpenID Connect Back-Channel Logout 1.0 §2.5 (request), §2.8 (response). Whoever may send is shown by the signature
 * alone, so anybody can ask. Providers mostly do not try again, so a logout is in force here before it is answered,
 * whether the store has heard of it or hears of it later.
 */
import type { Answer, Responder } from '../types.ts'
import { withTimes } from './entry.ts'
import {
  comeAgain,
  type EventEndpointOptions,
  emptyAnswer,
  failureOf,
  jsonAnswer,
  MOST_EVENT_BYTES,
  methodRefusal,
  typeRefusal,
} from './event-answers.ts'
import { EventRefusal } from './event-claims.ts'
import { type LogoutRules, logoutOf } from './logout-token.ts'

export function logoutResponder(options: EventEndpointOptions & LogoutRules): Responder {
  const { provider, events, keepSeconds, clock, revoker, revocations, onRefused } = options
  const { logoutIds } = options.memory
  const { clockToleranceSeconds } = events

  const logOut = async (body: Buffer): Promise<Answer> => {
    const event = await events.verify(tokenIn(body))
    const nowSeconds = clock.nowMs() / 1000
    const { id, entry } = logoutOf(event, options, { clockToleranceSeconds, nowSeconds })
    if (logoutIds.has(id)) throw new EventRefusal('it was used before')
    logoutIds.add(id)
    try {
      const { result } = await revoker.revoke(withTimes(entry, Math.floor(nowSeconds), keepSeconds), 'logout')
      if (result !== 'full') return emptyAnswer(200)
    } catch {
      // What could not be written for others is in force here. The provider may bring the same token again.
    }
    logoutIds.delete(id)
    return later('it cannot be kept')
  }

  const later = (reason: string, seconds?: number): Answer => {
    onRefused('logout', provider, reason)
    return comeAgain(seconds)
  }

  const answer = (body: Buffer): Promise<Answer> =>
    logOut(body).catch((error: unknown) => {
      const { code, reason, retryAfterSeconds } = failureOf(error)
      if (code === 'later') return later(reason, retryAfterSeconds)
      revocations.invalid('logout')
      onRefused('logout', provider, reason)
      return jsonAnswer(400, { error: 'invalid_request', error_description: 'The logout token is not accepted' })
    })

  return facts =>
    methodRefusal(facts) ??
    typeRefusal(facts, 'application/x-www-form-urlencoded') ?? { mostBytes: MOST_EVENT_BYTES, answer }
}

/** A form has one member that counts. Attack: to read tens of thousands of them holds up everybody else. */
const MOST_MEMBERS = 16
const AMPERSAND = 0x26

function tokenIn(body: Buffer): string {
  let members = 1
  for (const byte of body)
    if (byte === AMPERSAND && ++members > MOST_MEMBERS) throw new EventRefusal('the form is long')
  const [token, ...others] = new URLSearchParams(body.toString('latin1')).getAll('logout_token')
  if (token === undefined || others.length > 0) throw new EventRefusal('the form has not exactly one logout_token')
  return token
}
