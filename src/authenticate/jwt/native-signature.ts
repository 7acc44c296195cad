/**
 * Judges a signature with `node:crypto`, at once, where that costs less than a trip to the thread pool.
 *
 * RFC 7518 §3.2 (HS), §3.3 (RS), §3.4 (ES256), §3.5 (PS); RFC 8037 §3.1 and RFC 9864 §2.2 (Ed25519); RFC 9964 §3
 * (ML-DSA). A key has to be exactly of the kind that its algorithm names; whatever is odd is left to `jose`. So is what
 * would hold up the event loop: on Node 26 a signature takes 3 to 150 µs, one of {@link TOO_SLOW} 220 to 1,100, and RSA
 * more with every bit. Tests hold that the two judges never disagree.
 */
import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { type Hash, JWS_ALGORITHMS, type JwsAlgorithm } from '../../lib/jws-algorithms.ts'

/** Says whether the signature holds. It never throws. */
type NativeVerifier = (signingInput: Buffer, signature: Buffer) => boolean

/** @returns undefined for a key that the algorithm does not fit like that */
type VerifierFactory = (key: KeyObject) => NativeVerifier | undefined

/** On Node 26 a signature takes 500 µs with ES384, 1,100 with ES512 and 220 with ML-DSA-87. */
const TOO_SLOW: ReadonlySet<string> = new Set(['ES384', 'ES512', 'ML-DSA-87'])

const FACTORIES: ReadonlyMap<string, VerifierFactory> = new Map(
  [...JWS_ALGORITHMS].flatMap(([name, algorithm]) => (TOO_SLOW.has(name) ? [] : [[name, factory(name, algorithm)]])),
)

/** A verification with RSA-4096 takes 70 µs; the time grows with the square of the modulus. */
const MAX_MODULUS_BITS = 4096
/** Below it `jose` refuses the key (RFC 7518 §3.3). */
const MIN_MODULUS_BITS = 2048
/** Nearly every key has this exponent, F4. The time grows with the length of the exponent. */
const MAX_PUBLIC_EXPONENT = 65_537n

const known = new WeakMap<KeyObject, Map<string, NativeVerifier | undefined>>()

/**
 * @param alg one of the key's algorithms
 * @returns undefined when `jose` has to judge
 */
export function nativeVerifier(alg: string, key: KeyObject): NativeVerifier | undefined {
  const verifiers = known.get(key) ?? newlyKnown(key)
  if (!verifiers.has(alg)) verifiers.set(alg, FACTORIES.get(alg)?.(key))
  return verifiers.get(alg)
}

function newlyKnown(key: KeyObject): Map<string, NativeVerifier | undefined> {
  const verifiers = new Map<string, NativeVerifier | undefined>()
  known.set(key, verifiers)
  return verifiers
}

function factory(name: string, algorithm: JwsAlgorithm): VerifierFactory {
  switch (algorithm.kty) {
    case 'RSA':
      return algorithm.padding === 'pkcs1' ? rsaPkcs1(algorithm.hash) : rsaPss(algorithm.hash)
    case 'EC':
      return ecdsaP256
    case 'OKP':
      return unhashed(algorithm.crv.toLowerCase())
    case 'AKP':
      return unhashed(name.toLowerCase())
    case 'oct':
      return hmac(algorithm.hash)
  }
}

function rsaPkcs1(hash: Hash): VerifierFactory {
  return key => (isSoundRsa(key) ? verifier(hash.name, { key, padding: constants.RSA_PKCS1_PADDING }) : undefined)
}

/** The salt is as long as the output of the hash (RFC 7518 §3.5). */
function rsaPss({ name, bytes }: Hash): VerifierFactory {
  return key =>
    isSoundRsa(key) ? verifier(name, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bytes }) : undefined
}

/** Signatures on the other curves are too slow. */
function ecdsaP256(key: KeyObject): NativeVerifier | undefined {
  if (!isPublic(key, 'ec') || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return undefined
  return verifier('sha256', { key, dsaEncoding: 'ieee-p1363' })
}

/** Algorithms that take the message as it is, with keys of a type of their own. */
function unhashed(keyType: string): VerifierFactory {
  return key => (isPublic(key, keyType) ? verifier(null, { key }) : undefined)
}

function hmac(hash: Hash): VerifierFactory {
  return key => {
    if (key.type !== 'secret' || (key.symmetricKeySize ?? 0) < hash.bytes) return undefined
    return (signingInput, signature) => {
      const expected = createHmac(hash.name, key).update(signingInput).digest()
      return signature.length === expected.length && timingSafeEqual(signature, expected)
    }
  }
}

function verifier(hash: string | null, options: Parameters<typeof verify>[2]): NativeVerifier {
  return (signingInput, signature) => {
    try {
      return verify(hash, signingInput, options, signature)
    } catch {
      // No input is known that gets here on Node 26; but a stranger's bytes must never be a failure of ours.
      return false
    }
  }
}

function isSoundRsa(key: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  return (
    isPublic(key, 'rsa') &&
    modulusLength >= MIN_MODULUS_BITS &&
    modulusLength <= MAX_MODULUS_BITS &&
    publicExponent <= MAX_PUBLIC_EXPONENT
  )
}

function isPublic(key: KeyObject, keyType: string): boolean {
  return key.type === 'public' && key.asymmetricKeyType === keyType
}
