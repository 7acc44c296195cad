/**
 * Says what is remembered of a DPoP proof that was used, and what a memory of proofs can answer (RFC 9449 §11.1).
 *
 * The memory of the process and that of the store have this in common, and nothing else.
 */

export interface UsedProof {
  /** Thumbprint of the key that signed it (RFC 7638). */
  readonly jkt: string
  readonly jti: string
  /** Milliseconds since the epoch at which it was made. A reload can change how long it is valid from then on. */
  readonly madeAtMs: number
  /** The last moment at which it is valid, in milliseconds since the epoch. */
  readonly expiresAtMs: number
}

/**
 * What a memory of proofs says of one. Only a proof that is `new` or `local` may be used.
 * - `new`: it was not used before, and is remembered from now on; `local`: as far as this process knows
 * - `replayed`: it was used before
 * - `forgotten`: it may have been used; the clock has gone back since, or proofs live for longer since a reload
 * - `full`: no further proof can be remembered; `full_for_key`: none of the same key, which has its share already
 * - `unavailable`: the shared memory cannot be asked
 */
export type ReplayAnswer = 'new' | 'local' | 'replayed' | 'forgotten' | 'full' | 'full_for_key' | 'unavailable'

/** The length stands before the key, so that no other pair of key and `jti` has the same name. */
export function proofName({ jkt, jti }: UsedProof): string {
  return `${jkt.length}:${jkt}${jti}`
}
