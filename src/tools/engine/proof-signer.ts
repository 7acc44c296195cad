/**
 * Makes DPoP proofs, as a client does that holds the key of a bound token.
 *
 * RFC 9449 §4.2 (the proof), §7.1 (`ath`), §8 (`nonce`), RFC 7638 (thumbprint).
 */
import { createPublicKey, hash, KeyObject, randomUUID } from 'node:crypto'
import { CompactSign, calculateJwkThumbprint, generateKeyPair, type JWK } from 'jose'

/** What a proof is for, and when it is made. */
export interface ProvedRequest {
  readonly method: string
  /** Query and fragment are left out of the proof. */
  readonly url: string
  readonly token: string
  readonly issuedAtSeconds: number
  readonly nonce?: string | undefined
}

export interface ProofSigner {
  /** The thumbprint of the key, for `cnf.jkt` of the tokens that are bound to it. */
  readonly jkt: string
  /** Makes a proof that was never used. */
  proof(request: ProvedRequest): Promise<string>
}

/** @throws {Error} the key cannot sign with the algorithm; the first proof may tell, too */
export async function proofSigner(privateKey: KeyObject, alg: string): Promise<ProofSigner> {
  const jwk = createPublicKey(privateKey).export({ format: 'jwk' }) as JWK
  return {
    jkt: await calculateJwkThumbprint(jwk),
    proof: ({ method, url, token, issuedAtSeconds, nonce }) =>
      new CompactSign(
        Buffer.from(
          JSON.stringify({
            jti: randomUUID(),
            htm: method,
            htu: url.replace(/[?#].*$/s, ''),
            iat: issuedAtSeconds,
            ath: hash('sha256', token, 'base64url'),
            nonce,
          }),
        ),
      )
        .setProtectedHeader({ typ: 'dpop+jwt', alg, jwk })
        .sign(privateKey),
  }
}

/** Makes a key for one of these algorithms: the usual one where it is among them, since it is made fast. */
export async function newProofSigner(algorithms: readonly string[]): Promise<ProofSigner> {
  const alg = algorithms.find(each => each === USUAL_ALGORITHM) ?? algorithms[0] ?? USUAL_ALGORITHM
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return proofSigner(KeyObject.from(privateKey), alg)
}

const USUAL_ALGORITHM = 'ES256'
