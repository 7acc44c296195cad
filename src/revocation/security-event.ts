/**
 * Judges a security event token, and says what it revokes.
 *
 * RFC 8417 (SET), RFC 9493 (subject identifiers), OpenID CAEP 1.0 (session-revoked, credential-change), OpenID RISC 1.0
 * (account-disabled, account-purged), OpenID SSF 1.0 (verification). Older transmitters name the subject inside the
 * event, or by `sub` alone. A SET has no `exp`: it says what has happened, and that stays true.
 */
import type { JsonObject, JsonValue, SignedStatement, StatementVerifier } from '../types.ts'
import type { RevocationSubject, WrittenEntry } from './entry.ts'
import { EventRefusal, entryOf, eventClaims, isObject, isSeconds, optionalText } from './event-claims.ts'

const CAEP = 'https://schemas.openid.net/secevent/caep/event-type/'
const RISC = 'https://schemas.openid.net/secevent/risc/event-type/'

/** What each event ends: the session that it names, else the subject's; or all of the subject. */
const ENDS: ReadonlyMap<string, 'session' | 'subject'> = new Map([
  [`${CAEP}session-revoked`, 'session'],
  [`${CAEP}credential-change`, 'subject'],
  [`${RISC}account-disabled`, 'subject'],
  [`${RISC}account-purged`, 'subject'],
])

/** A credential that was added takes nothing away. */
const CREDENTIAL_LOST: ReadonlySet<JsonValue | undefined> = new Set(['revoke', 'update', 'delete'])

interface SecurityEvent {
  /** An id that no other event has. */
  readonly id: string
  /** Empty for events without effect here: other events, and subjects of other issuers. */
  readonly entries: readonly WrittenEntry[]
}

interface SecurityEventRules {
  readonly audience: string
  readonly nowSeconds: number
  readonly verifier: Pick<StatementVerifier, 'isIssuer' | 'clockToleranceSeconds'>
}

/** @throws {EventRefusal} it is no valid security event token for us */
export function securityEventOf(
  signed: SignedStatement,
  { audience, nowSeconds, verifier }: SecurityEventRules,
): SecurityEvent {
  if (signed.type !== 'secevent+jwt') throw new EventRefusal('typ is not secevent+jwt')
  const { clockToleranceSeconds } = verifier
  const { id, issuedAtSeconds, events } = eventClaims(signed, { audience, clockToleranceSeconds, nowSeconds })
  const isOurs = (issuer: JsonValue | undefined): boolean =>
    issuer === signed.issuer || (typeof issuer === 'string' && verifier.isIssuer(issuer))
  const entries = Object.entries(events).flatMap(([uri, event]) => {
    if (!isObject(event)) throw new EventRefusal('an event is no object')
    const ends = ENDS.get(uri)
    if (ends === undefined) return []
    if (uri.endsWith('/credential-change') && !CREDENTIAL_LOST.has(event.change_type)) return []
    const found = subjectOf(signed, event, ends, isOurs)
    const reason = uri.slice(uri.lastIndexOf('/') + 1)
    return found === undefined ? [] : [entryOf(found, happenedAt(signed, event, issuedAtSeconds), reason)]
  })
  return { id, entries }
}

/** No event happens after its token was issued, so a later time is a mistake, such as one in milliseconds. */
function happenedAt({ claims }: SignedStatement, event: JsonObject, issuedAtSeconds: number): number {
  const written = [event.event_timestamp, claims.toe].find(time => typeof time === 'number' && time > 0)
  return isSeconds(written) ? Math.min(written, issuedAtSeconds) : issuedAtSeconds
}

type IsOurs = (issuer: JsonValue | undefined) => boolean

/** @returns undefined for a subject of another issuer, and for one that no token names */
function subjectOf(
  { issuer, claims }: SignedStatement,
  event: JsonObject,
  ends: 'session' | 'subject',
  isOurs: IsOurs,
): RevocationSubject | undefined {
  const identifier = claims.sub_id ?? event.subject
  if (identifier === undefined) {
    const sub = optionalText(claims, 'sub')
    if (sub === undefined) throw new EventRefusal('it has no subject')
    return { issuer, kind: 'sub', value: sub }
  }
  if (!isObject(identifier)) throw new EventRefusal('the subject is no object')
  // Subjects in parts had no format of their own in drafts of CAEP.
  const isComplex = formatOf(identifier) === 'complex' || (formatOf(identifier) === undefined && !hasId(identifier))
  const session = isComplex ? identifier.session : undefined
  if (ends === 'session' && session !== undefined) return named('sid', session, issuer, isOurs)
  const user = isComplex ? identifier.user : identifier
  return user === undefined ? undefined : named('sub', user, issuer, isOurs)
}

function hasId({ sub, id }: JsonObject): boolean {
  return sub !== undefined || id !== undefined
}

/** RISC had `subject_type` with a hyphen (`iss-sub`) before RFC 9493 named it `format`. */
function formatOf({ format, subject_type: type }: JsonObject): string | undefined {
  const written = format ?? type
  return typeof written === 'string' ? written.replaceAll('-', '_') : undefined
}

function named(
  kind: 'sid' | 'sub',
  identifier: JsonValue,
  issuer: string,
  isOurs: IsOurs,
): RevocationSubject | undefined {
  if (!isObject(identifier)) throw new EventRefusal('a part of the subject is no object')
  const format = formatOf(identifier)
  if (format === 'iss_sub') {
    if (typeof identifier.iss !== 'string') throw new EventRefusal('the subject has no issuer')
    return isOurs(identifier.iss) ? { issuer, kind, value: nameOf(identifier.sub) } : undefined
  }
  if (format === 'opaque') return { issuer, kind, value: nameOf(identifier.id) }
  if (format === undefined) throw new EventRefusal('the subject has no format')
  return undefined
}

function nameOf(value: JsonValue | undefined): string {
  if (typeof value !== 'string' || value === '') throw new EventRefusal('the subject has no name')
  return value
}
