/**
 * Judges one signature with one key, exactly as `jose` does.
 *
 * RFC 7515 §5.2, RFC 7518 §3 (RS, PS, ES, HS), RFC 8037 §3.1 (EdDSA), RFC 9864 (Ed25519).
 * Where `node:crypto` gives the same answer for less, it is asked instead (`native-signature.ts`).
 * It does not look at the payload: `jose` could judge the claims too, but would have to parse them a second time, and
 * lets pass most of what `claim-checks.ts` refuses. A test holds that it refuses nothing which we accept.
 */
import { compactVerify, errors } from 'jose'
import type { DenialCode } from '../../errors.ts'
import { HMAC_SECRET_BYTES } from '../../lib/jws-algorithms.ts'
import type { MaybePromise } from '../../lib/maybe-promise.ts'
import type { VerificationKey } from '../../types.ts'
import type { CompactJws } from './compact-jws.ts'
import { nativeVerifier } from './native-signature.ts'

/** Why a signature is refused: the code of the refusal, and for the log that of whoever judged. */
export interface SignatureRefusal {
  readonly code: DenialCode
  readonly reason: string
}

/** Why each `jose` failure is a refusal. Exhaustive: a code that a `jose` upgrade adds fails to compile here. */
const REASONS: Readonly<Record<errors.JOSEErrorCode, DenialCode>> = {
  ERR_JOSE_ALG_NOT_ALLOWED: 'algorithm_not_allowed',
  ERR_JOSE_GENERIC: 'signature_invalid',
  ERR_JOSE_NOT_SUPPORTED: 'algorithm_not_allowed',
  ERR_JWE_DECRYPTION_FAILED: 'token_malformed',
  ERR_JWE_INVALID: 'token_malformed',
  ERR_JWK_INVALID: 'signature_invalid',
  ERR_JWKS_INVALID: 'signature_invalid',
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'key_unknown',
  ERR_JWKS_NO_MATCHING_KEY: 'key_unknown',
  ERR_JWKS_TIMEOUT: 'key_unknown',
  ERR_JWS_INVALID: 'token_malformed',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'signature_invalid',
  ERR_JWT_CLAIM_VALIDATION_FAILED: 'claim_invalid',
  ERR_JWT_EXPIRED: 'token_expired',
  ERR_JWT_INVALID: 'token_malformed',
}

/** A key fits an algorithm it was published for, and HMAC only a shared secret (RFC 8725 §2.1, confusion attacks). */
export function isFitting(key: VerificationKey, alg: string): boolean {
  return key.algorithms.has(alg) && (key.key.type === 'secret') === HMAC_SECRET_BYTES.has(alg)
}

/** The reason is `jose`'s, so that the log does not depend on who was asked. */
const NOT_VERIFIED: SignatureRefusal = { code: 'signature_invalid', reason: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' }

/** Says why the signature does not hold; undefined when it holds. It never throws, and answers at once where it can. */
export function signatureRefusal(jws: CompactJws, key: VerificationKey): MaybePromise<SignatureRefusal | undefined> {
  const holds = nativeVerifier(jws.header.alg, key.key)
  if (holds === undefined) return joseRefusal(jws, key)
  const signingInput = Buffer.from(jws.token.slice(0, jws.token.lastIndexOf('.')), 'latin1')
  return holds(signingInput, jws.signature) ? undefined : NOT_VERIFIED
}

/** Always asks `jose`. Whatever goes wrong in here goes wrong on bytes that a stranger chose, even a `TypeError`. */
export async function joseRefusal(
  { token, header: { alg } }: CompactJws,
  key: VerificationKey,
): Promise<SignatureRefusal | undefined> {
  try {
    await compactVerify(token, key.key, { algorithms: [alg] })
    return undefined
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) return { code: 'signature_invalid', reason: 'judge failed' }
    return { code: isListed(error.code) ? REASONS[error.code] : 'signature_invalid', reason: error.code }
  }
}

function isListed(code: string): code is errors.JOSEErrorCode {
  return Object.hasOwn(REASONS, code)
}
