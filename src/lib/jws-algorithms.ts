/**
 * The JWS algorithms we know, in one table: what key each takes and how it signs. A list of algorithms is derived from
 * here, never written a second time.
 *
 * RFC 7518 §3 (HS, RS, ES, PS), RFC 8037 §3.1 and RFC 9864 §2.2 (EdDSA, Ed25519), RFC 9964 §3 (ML-DSA).
 * The table does not say which algorithms a provider may use, nor who verifies their signatures.
 */

/** A hash function by the name that `node:crypto` has for it, and the length of its output. */
export interface Hash {
  readonly name: 'sha256' | 'sha384' | 'sha512'
  readonly bytes: 32 | 48 | 64
}

/** `kty` and `crv` are the type and the curve of the key as a JWK names them (RFC 7517 §4.1, RFC 7518 §6.2.1.1). */
export type JwsAlgorithm =
  | { readonly kty: 'RSA'; readonly padding: 'pkcs1' | 'pss'; readonly hash: Hash }
  | { readonly kty: 'EC'; readonly crv: 'P-256' | 'P-384' | 'P-521'; readonly hash: Hash }
  | { readonly kty: 'OKP'; readonly crv: 'Ed25519' }
  /** The algorithm's own name is the parameter set of its keys. */
  | { readonly kty: 'AKP' }
  | { readonly kty: 'oct'; readonly hash: Hash }

const SHA_256: Hash = { name: 'sha256', bytes: 32 }
const SHA_384: Hash = { name: 'sha384', bytes: 48 }
const SHA_512: Hash = { name: 'sha512', bytes: 64 }

export const JWS_ALGORITHMS: ReadonlyMap<string, JwsAlgorithm> = new Map<string, JwsAlgorithm>([
  ['RS256', { kty: 'RSA', padding: 'pkcs1', hash: SHA_256 }],
  ['RS384', { kty: 'RSA', padding: 'pkcs1', hash: SHA_384 }],
  ['RS512', { kty: 'RSA', padding: 'pkcs1', hash: SHA_512 }],
  ['PS256', { kty: 'RSA', padding: 'pss', hash: SHA_256 }],
  ['PS384', { kty: 'RSA', padding: 'pss', hash: SHA_384 }],
  ['PS512', { kty: 'RSA', padding: 'pss', hash: SHA_512 }],
  ['ES256', { kty: 'EC', crv: 'P-256', hash: SHA_256 }],
  ['ES384', { kty: 'EC', crv: 'P-384', hash: SHA_384 }],
  ['ES512', { kty: 'EC', crv: 'P-521', hash: SHA_512 }],
  ['EdDSA', { kty: 'OKP', crv: 'Ed25519' }],
  ['Ed25519', { kty: 'OKP', crv: 'Ed25519' }],
  ['ML-DSA-44', { kty: 'AKP' }],
  ['ML-DSA-65', { kty: 'AKP' }],
  ['ML-DSA-87', { kty: 'AKP' }],
  ['HS256', { kty: 'oct', hash: SHA_256 }],
  ['HS384', { kty: 'oct', hash: SHA_384 }],
  ['HS512', { kty: 'oct', hash: SHA_512 }],
])

/** Algorithms that sign with a private key and verify with a public one. */
export const ASYMMETRIC_ALGORITHMS: readonly string[] = [...JWS_ALGORITHMS].flatMap(([name, { kty }]) =>
  kty === 'oct' ? [] : [name],
)

/** Those that the standard for JWT-SVIDs takes (SPIFFE JWT-SVID §2.1): RSA and elliptic curves of RFC 7518. */
export const JWT_SVID_ALGORITHMS: ReadonlySet<string> = new Set(
  [...JWS_ALGORITHMS].flatMap(([name, { kty }]) => (kty === 'RSA' || kty === 'EC' ? [name] : [])),
)

/** Algorithms that sign with a shared secret, each with the least length of it: that of the hash (RFC 7518 §3.2). */
export const HMAC_SECRET_BYTES: ReadonlyMap<string, number> = new Map(
  [...JWS_ALGORITHMS].flatMap(([name, algorithm]) => (algorithm.kty === 'oct' ? [[name, algorithm.hash.bytes]] : [])),
)
