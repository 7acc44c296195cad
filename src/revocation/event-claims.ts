/**
 * Judges the claims that every signed event has: who it is for, when it was issued, its id, and its events.
 *
 * RFC 8417 §2.2 (SET claims), OpenID Connect Back-Channel Logout 1.0 §2.4 (a logout token is a SET, too). Issuer and
 * signature are judged before.
 */
import type { Claims, JsonObject, JsonValue, SignedStatement } from '../types.ts'
import { entryOfPrograms, type RevocationSubject, type WrittenEntry } from './entry.ts'

/** Why an event is refused: in the words of RFC 8935 §2.4, and for the log. */
export class EventRefusal extends Error {
  override readonly name = 'EventRefusal'
  readonly code: 'invalid_request' | 'invalid_audience'

  constructor(reason: string, code: EventRefusal['code'] = 'invalid_request') {
    super(reason)
    this.code = code
  }
}

interface EventClaims {
  /** An id that no other event of any issuer has. */
  readonly id: string
  readonly issuedAtSeconds: number
  readonly events: JsonObject
}

interface EventRules {
  readonly audience: string
  readonly clockToleranceSeconds: number
  readonly nowSeconds: number
}

/** The end of the year 9999. Later times are mistakes: one in milliseconds would be past the year 50,000. */
const LATEST_SECONDS = 253_402_300_799
const LONGEST_ID = 1024

/** @throws {EventRefusal} */
export function eventClaims({ issuer, claims }: SignedStatement, rules: EventRules): EventClaims {
  const { audience, clockToleranceSeconds, nowSeconds } = rules
  const { aud, jti, iat, events } = claims
  if (aud !== audience && !(Array.isArray(aud) && aud.includes(audience)))
    throw new EventRefusal('aud does not name us', 'invalid_audience')
  if (!isSeconds(iat)) throw new EventRefusal('iat is no time in seconds')
  if (iat > nowSeconds + clockToleranceSeconds) throw new EventRefusal('iat is in the future')
  if (typeof jti !== 'string' || jti === '' || jti.length > LONGEST_ID) throw new EventRefusal('jti is no id')
  if (!isObject(events) || Object.keys(events).length === 0) throw new EventRefusal('events is no object with events')
  return { id: `${issuer.length}:${issuer}${jti}`, issuedAtSeconds: iat, events }
}

export function isSeconds(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && value >= 0 && value <= LATEST_SECONDS
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @throws {EventRefusal} the claim is there, and is no text */
export function optionalText(claims: Claims, name: string): string | undefined {
  const value = claims[name]
  if (value !== undefined && (typeof value !== 'string' || value === '')) throw new EventRefusal(`${name} is no text`)
  return value
}

/** Makes the entry that an event is about, by the one schema of all entries. @throws {EventRefusal} */
export function entryOf(
  { issuer, kind, value }: RevocationSubject,
  beforeSeconds: number,
  reason: string,
): WrittenEntry {
  const read = entryOfPrograms.safeParse({ issuer, [kind]: value, before: Math.floor(beforeSeconds), reason })
  if (!read.success) throw new EventRefusal(`${kind} is nothing that can be revoked`)
  return read.data
}
