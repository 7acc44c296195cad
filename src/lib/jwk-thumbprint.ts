/** Computes the thumbprint of a public key that is a JWK (RFC 7638 §3, RFC 8037 §2, RFC 9964 §6). */
import { hash } from 'node:crypto'

export type ThumbprintKeyType = 'EC' | 'RSA' | 'OKP' | 'AKP'

/** The members of a thumbprint (RFC 7638 §3.2), in the order of their names. */
const THUMBPRINT_MEMBERS: Readonly<Record<ThumbprintKeyType, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  RSA: ['e', 'kty', 'n'],
  OKP: ['crv', 'kty', 'x'],
  AKP: ['alg', 'kty', 'pub'],
}

/**
 * @param jwk a sound key, whose members are text in canonical base64url
 * @returns its SHA-256 in base64url
 */
export function jwkThumbprint(kty: ThumbprintKeyType, jwk: Readonly<Record<string, unknown>>): string {
  const members = THUMBPRINT_MEMBERS[kty].map(name => [name, jwk[name] ?? ''])
  return hash('sha256', JSON.stringify(Object.fromEntries(members)), 'base64url')
}
