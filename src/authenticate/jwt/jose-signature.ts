/**
 * Asks `jose` whether one signature holds, and turns each of its failures into a refusal of ours.
 *
 * RFC 7515 §5.2. It does not ask whether the key was published for the algorithm: `isFitting` in `signature.ts` does.
 */
import { compactVerify, errors } from 'jose'
import type { DenialCode } from '../../errors.ts'
import type { VerificationKey } from '../../types.ts'

/** Says why a signature is refused: `code` is that of the refusal, and `reason` is what the log has from the judge. */
export interface SignatureRefusal {
  readonly code: DenialCode
  readonly reason: string
}

/** A compact JWS, as far as its signature is concerned. */
export interface SignedText {
  /** All of it, as it arrived. */
  readonly token: string
  readonly header: { readonly alg: string }
  readonly signature: Buffer
}

/** Each code of `jose` has its refusal here: one that an upgrade of `jose` adds fails to compile. */
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

/** Never rejects. The bytes are a stranger's, so any failure on them is a refusal, even a `TypeError`. */
export async function joseRefusal(
  { token, header: { alg } }: SignedText,
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
