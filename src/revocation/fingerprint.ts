/**
 * Makes the fingerprints by which revocations and tokens are compared: 93 bits of SHA-256, and the kind.
 *
 * With a million entries, the chance that a token hits one by accident is below 1 in 10^21. The length of the issuer
 * stands before it, so that no other pair of issuer and value gives the same text.
 */
import { hash } from 'node:crypto'
import { REVOCATION_KINDS, type RevocationKind, type RevocationSubject } from './entry.ts'

/** Three 32-bit numbers; the first is never 0, and the last three bits of the third are the kind. */
export type Fingerprint = readonly [number, number, number]

const KIND_BITS = 7

export function fingerprint({ kind, issuer, value }: RevocationSubject): Fingerprint {
  const digest = hash('sha256', `${kind}:${issuer.length}:${issuer}${value}`, 'buffer')
  const third = ((digest.readUInt32LE(8) & ~KIND_BITS) | REVOCATION_KINDS.indexOf(kind)) >>> 0
  return [digest.readUInt32LE(0) || 1, digest.readUInt32LE(4), third]
}

export function kindOf([, , third]: Fingerprint): RevocationKind | undefined {
  return REVOCATION_KINDS[kindIndex(third)]
}

/** @param third the third number of a fingerprint */
export function kindIndex(third: number): number {
  return third & KIND_BITS
}
