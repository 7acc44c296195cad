/**
 * Judges one signature with one key, exactly as `jose` does.
 *
 * RFC 7515 §5.2, RFC 7518 §3 (RS, PS, ES, HS), RFC 8037 §3.1 (EdDSA), RFC 9864 (Ed25519).
 * `node:crypto` verifies where it gives the same answer faster (`native-signature.ts`), and `jose` does elsewhere
 * (`jose-signature.ts`).
 *
 * This file does not look at the payload. `jose` could judge the claims, too, but it would parse them a second time,
 * and it accepts most of what `claim-checks.ts` refuses. A test shows that `jose` refuses nothing which we accept.
 */
import { HMAC_SECRET_BYTES } from '../../lib/jws-algorithms.ts'
import type { MaybePromise } from '../../lib/maybe-promise.ts'
import type { VerificationKey } from '../../types.ts'
import { joseRefusal, type SignatureRefusal, type SignedText } from './jose-signature.ts'
import { nativeVerifier } from './native-signature.ts'

/**
 * Says whether a key may verify an algorithm: only one that it was published for, and HMAC only with a shared secret,
 * or somebody could take a public key for the secret (RFC 8725 §2.1).
 */
export function isFitting(key: VerificationKey, alg: string): boolean {
  return key.algorithms.has(alg) && (key.key.type === 'secret') === HMAC_SECRET_BYTES.has(alg)
}

/** The reason is the one that `jose` gives, so that the log does not show which of the two has verified. */
const NOT_VERIFIED: SignatureRefusal = { code: 'signature_invalid', reason: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' }

/** Says why the signature does not hold; undefined when it holds. It never throws, and answers at once where it can. */
export function signatureRefusal(jws: SignedText, key: VerificationKey): MaybePromise<SignatureRefusal | undefined> {
  const holds = nativeVerifier(jws.header.alg, key.key)
  if (holds === undefined) return joseRefusal(jws, key)
  const signingInput = Buffer.from(jws.token.slice(0, jws.token.lastIndexOf('.')), 'latin1')
  return holds(signingInput, jws.signature) ? undefined : NOT_VERIFIED
}
