/**
 * Signs tokens of our own that tell services who is calling: one for each principal, for as long as it may be used.
 *
 * RFC 7519 §4.1 (claims), §5.1 (`typ`). A token says what was verified and nothing about one request, so the requests
 * of a principal share it. It is kept with the principal, and ends with the verdict and with the key that signed it. It
 * lives no longer than the caller's token, and is made anew when four fifths of its lifetime are over.
 */
import { randomUUID } from 'node:crypto'
import { claimReader } from '../claim-reader.ts'
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { JsonObject, JsonValue, Principal } from '../types.ts'
import type { KeyRing } from './key-ring.ts'
import type { SigningKey } from './signing-key.ts'

/** Claims that say something about the token itself, so that nothing else can be sent under their names. */
export const OWN_CLAIMS = ['iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'orig_iss'] as const

export interface InternalTokensOptions {
  readonly issuer: string
  readonly audience: string | readonly string[]
  readonly lifetimeMs: number
  /** The claims besides {@link OWN_CLAIMS}, each with what it says; one that says nothing is left out. */
  readonly claims: ReadonlyArray<readonly [name: string, read: (principal: Principal) => JsonValue | undefined]>
  readonly ring: KeyRing
  readonly clock: Clock
  /** Is told of every token that is signed. */
  readonly onSigned: () => void
}

export interface InternalTokens {
  /** @throws {Denial} `claim_invalid` for a string that is no Unicode text */
  sign(principal: Principal): InternalToken
  /** Whether the token may go on being sent. */
  isCurrent(token: InternalToken): boolean
}

export interface InternalToken {
  readonly text: string
  readonly key: SigningKey
  /** Between these two it is sent. */
  readonly fromMs: number
  readonly renewMs: number
}

const RENEWED_AT = 0.8

export function internalTokens(options: InternalTokensOptions): InternalTokens {
  const { issuer, audience, lifetimeMs, claims, ring, clock, onSigned } = options
  ring.expectLifetime(lifetimeMs)
  return {
    sign(principal) {
      const nowMs = clock.nowMs()
      const iat = Math.floor(nowMs / 1000)
      const ownEnd = iat + Math.floor(lifetimeMs / 1000)
      const exp = Math.min(ownEnd, Math.floor(principal.expiresAtSeconds))
      const key = ring.signing
      const text = key.signed({
        iss: issuer,
        ...told([...claims, ORIGINAL_ISSUER], principal),
        aud: audience,
        iat,
        exp,
        jti: randomUUID(),
      })
      ring.signedUntil(key, exp * 1000)
      onSigned()
      // No later token could live longer than the caller's.
      const renewMs = exp < ownEnd ? Number.POSITIVE_INFINITY : nowMs + lifetimeMs * RENEWED_AT
      return { text, key, fromMs: nowMs, renewMs }
    },
    isCurrent({ key, fromMs, renewMs }) {
      if (key !== ring.signing) return false
      const nowMs = clock.nowMs()
      // One from the future was signed before the clock was set back.
      return nowMs >= fromMs && nowMs < renewMs
    },
  }
}

/**
 * Reads a claim for a token of ours. As in the identity headers, `scope` stands for the provider's scopes, whichever
 * claim they came from, and where nobody says `client_id`, `azp` does.
 *
 * @throws {SyntaxError} an invalid pointer
 */
export function callerClaim(claim: string): (principal: Principal) => JsonValue | undefined {
  if (claim === 'scope') return ({ scopes }) => (scopes.size === 0 ? undefined : [...scopes].join(' '))
  const read = claimReader(claim)
  if (claim === 'client_id') return ({ claims }) => read(claims) ?? authorizedParty(claims)
  return ({ claims }) => read(claims)
}

const authorizedParty = claimReader('azp')

/** It is judged like every claim that is told: of a JWT-SVID, nobody has looked at `iss` before. */
const ORIGINAL_ISSUER = ['orig_iss', callerClaim('iss')] as const

function told(claims: InternalTokensOptions['claims'], principal: Principal): JsonObject {
  const said = claims.flatMap(([name, read]) => {
    const value = read(principal)
    if (value === undefined || value === null) return []
    if (typeof value === 'string' && !value.isWellFormed())
      throw new Denial('claim_invalid', { evidence: { claim: name, reason: 'unpaired surrogate' } })
    return [[name, value] as const]
  })
  return Object.fromEntries(said)
}
