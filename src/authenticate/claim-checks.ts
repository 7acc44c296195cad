/**
 * Judges the claims of a token that are known to come from its provider: its signature holds, or its server says so.
 *
 * RFC 7519 §4.1 (registered claims), §5.1 and RFC 7515 §4.1.9 (`typ`), RFC 8725 §3.8–§3.12, RFC 9068 §2.2 and §4
 * (`at+jwt`), RFC 7662 §2.2. `iss` is judged by who chose the provider. Scopes and roles are read in `principal.ts` and
 * judged by the route. What depends on the time alone is `checkTime`, which a remembered verdict repeats on every use.
 */
import { type ClaimReader, claimReader } from '../claim-reader.ts'
import { Denial, type DenialCode } from '../errors.ts'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { evidenceText } from '../lib/evidence-text.ts'
import type { Claims, Confirmation } from '../types.ts'
import { confirmationOf } from './confirmation.ts'

/** Which `typ` a token may have. `compatible`: none, `JWT` or `at+jwt`. `at+jwt`: RFC 9068 to the letter. */
export type TokenType = 'compatible' | 'at+jwt'

export interface ClaimRules {
  /** At least one; a token must carry at least one of them, byte for byte. */
  readonly audiences: ReadonlySet<string>
  /** The claim with the audiences of the token: `aud`, or a name or JSON Pointer that stands in for it. */
  readonly audienceClaim: string
  /** Leeway for clocks that differ, for `exp`, `nbf` and `iat`. */
  readonly clockToleranceSeconds: number
  /** Whether a token that names no audience at all is fine, because somebody else has looked at that. */
  readonly isAudienceOptional: boolean
  /** Whether a token may leave out when it expires. */
  readonly isExpiryOptional: boolean
  /** Longest `exp` - `iat`; both are then required. */
  readonly maxLifetimeSeconds: number | undefined
  /** Claims that must be there and not be null: names, or JSON Pointers that start with `/`. */
  readonly requiredClaims: readonly string[]
}

/** The registered claims, with their types checked. */
export interface CheckedClaims {
  readonly audiences: readonly string[]
  /** Infinite where the token does not say it. */
  readonly expiresAtSeconds: number
  readonly notBeforeSeconds: number | undefined
  readonly confirmation: Confirmation | undefined
}

/** RFC 9068 §2.2 requires these. */
export const AT_JWT_CLAIMS = ['iss', 'exp', 'aud', 'sub', 'client_id', 'iat', 'jti'] as const

const STRING_CLAIMS = ['jti', 'client_id', 'azp'] as const

/** The end of the year 9999. Later times are mistakes: one in milliseconds would be past the year 50,000. */
const MAX_NUMERIC_DATE_SECONDS = 253_402_300_799

/**
 * Checks everything about the claims but whether it is too early or too late.
 *
 * @throws {Denial} `token_type_invalid`, `claim_invalid`, `audience_mismatch` or `token_lifetime_exceeded`
 */
export function checkClaims(claims: Claims, rules: ClaimRules, nowSeconds: number): CheckedClaims {
  // What says that something happened (RFC 8417 §2.2, Back-Channel Logout 1.0 §2.4) is signed by the same keys.
  if (Object.hasOwn(claims, 'events')) throw refused('token_type_invalid', 'events', 'an event, and no access token')
  const exp = numericDate(claims, 'exp')
  const nbf = numericDate(claims, 'nbf')
  const iat = numericDate(claims, 'iat')
  const audiences = audienceList(claims, rules.audienceClaim)
  checkStrings(claims)
  if (exp === undefined && !rules.isExpiryOptional) throw invalid('exp', 'missing')
  for (const name of rules.requiredClaims) if (!isPresent(claims, name)) throw invalid(name, 'missing')
  const expiresAtSeconds = exp ?? Number.POSITIVE_INFINITY
  if (nbf !== undefined && nbf > expiresAtSeconds) throw invalid('nbf', 'after exp')
  if (iat !== undefined && iat > expiresAtSeconds) throw invalid('iat', 'after exp')
  // This is not `token_not_yet_valid`, which tells the client to wait, and only `nbf` says until when. A time of issue
  // in the future is a false statement or a wrong clock.
  if (iat !== undefined && iat > nowSeconds + rules.clockToleranceSeconds) throw invalid('iat', 'in the future')
  const confirmation = confirmationOf(claims)
  checkAudience(audiences, rules)
  checkLifetime(exp, iat, rules.maxLifetimeSeconds)
  return { audiences, expiresAtSeconds, notBeforeSeconds: nbf, confirmation }
}

/** @throws {Denial} `token_expired`, `token_not_yet_valid` */
export function checkTime(
  claims: Pick<CheckedClaims, 'expiresAtSeconds' | 'notBeforeSeconds'>,
  clockToleranceSeconds: number,
  nowSeconds: number,
): void {
  const { expiresAtSeconds: exp, notBeforeSeconds: nbf } = claims
  // RFC 7519 §4.1.4: "on or after which the JWT MUST NOT be accepted".
  if (nowSeconds >= exp + clockToleranceSeconds) throw new Denial('token_expired', { evidence: { exp } })
  if (nbf !== undefined && nowSeconds + clockToleranceSeconds < nbf)
    throw new Denial('token_not_yet_valid', { evidence: { nbf } })
}

/** `application/` may be left out, and media types ignore case (RFC 7515 §4.1.9). Typing keeps ID tokens out. */
export function checkType(typ: string | undefined, tokenType: TokenType): void {
  const type = typ?.toLowerCase().replace(/^application\//, '')
  if (type === 'at+jwt') return
  if (tokenType === 'compatible' && (type === undefined || type === 'jwt')) return
  throw new Denial('token_type_invalid', { evidence: { typ: typ === undefined ? undefined : evidenceText(typ) } })
}

function numericDate(claims: Claims, name: 'exp' | 'nbf' | 'iat'): number | undefined {
  const value = claims[name]
  if (value === undefined) return undefined
  if (typeof value !== 'number') throw invalid(name, 'not a number')
  // The comparison is negated, so that NaN fails, too.
  if (!(value >= 0 && value <= MAX_NUMERIC_DATE_SECONDS)) throw invalid(name, 'not a time in seconds')
  return value
}

function audienceList(claims: Claims, audienceClaim: string): readonly string[] {
  const aud = readerOf(audienceClaim)(claims)
  if (aud === undefined) return []
  if (typeof aud === 'string') return Object.freeze([aud])
  if (!isStringArray(aud) || aud.length === 0) throw invalid(audienceClaim, 'neither a string nor a list of strings')
  return aud
}

function checkStrings(claims: Claims): void {
  if (claims.sub !== undefined && (typeof claims.sub !== 'string' || claims.sub === ''))
    throw invalid('sub', 'not a non-empty string')
  for (const name of STRING_CLAIMS)
    if (claims[name] !== undefined && typeof claims[name] !== 'string') throw invalid(name, 'not a string')
}

function checkAudience(seen: readonly string[], { audiences, audienceClaim, isAudienceOptional }: ClaimRules): void {
  if (isAudienceOptional && seen.length === 0) return
  if (seen.some(audience => audiences.has(audience))) return
  const evidence = { [audienceClaim]: evidenceText(seen.join(' ')), accepted: [...audiences] }
  throw new Denial('audience_mismatch', { evidence })
}

function checkLifetime(exp: number | undefined, iat: number | undefined, maxLifetimeSeconds: number | undefined): void {
  if (maxLifetimeSeconds === undefined) return
  if (exp === undefined) throw invalid('exp', 'missing')
  if (iat === undefined) throw invalid('iat', 'missing')
  if (exp - iat > maxLifetimeSeconds)
    throw new Denial('token_lifetime_exceeded', { evidence: { lifetimeSeconds: exp - iat } })
}

/** References come from configuration only, so there are few. */
const readerOf = boundedMemo<ClaimReader>(claimReader, { maxEntries: 1000, maxKeyLength: 1000 })

function isPresent(claims: Claims, reference: string): boolean {
  const value = readerOf(reference)(claims)
  return value !== undefined && value !== null
}

function isStringArray(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(member => typeof member === 'string')
}

export function invalid(claim: string, reason: string): Denial {
  return refused('claim_invalid', claim, reason)
}

function refused(code: DenialCode, claim: string, reason: string): Denial {
  return new Denial(code, { evidence: { claim, reason } })
}
