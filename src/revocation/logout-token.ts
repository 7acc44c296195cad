/**
 * Judges a logout token, and says what it revokes.
 *
 * OpenID Connect Back-Channel Logout 1.0 §2.4 (claims) and §2.6 (validation). The same `sid` may come back with the
 * next login (Keycloak does that), so what is revoked was issued up to the token's own time.
 */
import type { SignedStatement } from '../types.ts'
import type { WrittenEntry } from './entry.ts'
import { EventRefusal, entryOf, eventClaims, isObject, isSeconds, optionalText } from './event-claims.ts'

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** An older token is refused, so that its id need not be remembered for longer. Providers send them at once. */
export const LONGEST_LIFE_SECONDS = 600

/** Issuers that do not type their tokens say nothing, or `JWT`; then it is the event that tells them apart. */
const TYPES: ReadonlySet<string | undefined> = new Set(['logout+jwt', 'jwt', undefined])

export interface LogoutRules {
  /** Our `client_id` at the provider. */
  readonly clientId: string
  /** `subject`: a token with both `sid` and `sub` is about everything of the subject. */
  readonly covers: 'session' | 'subject'
}

interface Logout {
  /** An id that no other event has. */
  readonly id: string
  readonly entry: WrittenEntry
}

/** @throws {EventRefusal} it is no valid logout token for us */
export function logoutOf(
  event: SignedStatement,
  { clientId, covers }: LogoutRules,
  clock: { readonly clockToleranceSeconds: number; readonly nowSeconds: number },
): Logout {
  const { type, issuer, claims } = event
  const { clockToleranceSeconds: tolerance, nowSeconds } = clock
  if (!TYPES.has(type)) throw new EventRefusal('typ is not logout+jwt')
  const { id, issuedAtSeconds, events } = eventClaims(event, { audience: clientId, ...clock })
  const { exp } = claims
  if (!isSeconds(exp)) throw new EventRefusal('exp is no time in seconds')
  if (nowSeconds >= exp + tolerance) throw new EventRefusal('it has expired')
  if (nowSeconds >= issuedAtSeconds + LONGEST_LIFE_SECONDS + tolerance) throw new EventRefusal('it is too old')
  // An ID token has a nonce, so nobody can pass one off as a logout token (§2.4).
  if (Object.hasOwn(claims, 'nonce')) throw new EventRefusal('it has a nonce')
  if (!Object.hasOwn(events, LOGOUT_EVENT) || !isObject(events[LOGOUT_EVENT]))
    throw new EventRefusal('events has no logout')
  const sid = optionalText(claims, 'sid')
  const sub = optionalText(claims, 'sub')
  const reason = 'back-channel logout'
  if (sub !== undefined && (covers === 'subject' || sid === undefined))
    return { id, entry: entryOf({ issuer, kind: 'sub', value: sub }, issuedAtSeconds, reason) }
  if (sid === undefined) throw new EventRefusal('it has neither sid nor sub')
  return { id, entry: entryOf({ issuer, kind: 'sid', value: sid }, issuedAtSeconds, reason) }
}
