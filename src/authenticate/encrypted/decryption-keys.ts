/**
 * Reads a private key for encrypted tokens from the content of a file: a JWK, or PEM as PKCS #8, PKCS #1 or SEC 1.
 *
 * RFC 7517 §4 (`use`, `key_ops`, `alg`, `kid`), RFC 7518 §4.3 and §4.6.2 (RSA, EC), RFC 8037 §3.2 (X25519), RFC 7638
 * (thumbprint), RFC 8725 §3.5. Node checks that the public half of a JWK belongs to the private one.
 */
import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { KeySourceError } from '../../keys/key-source-error.ts'
import { isRocaModulus } from '../../keys/roca.ts'
import { jwkThumbprint, type ThumbprintKeyType } from '../../lib/jwk-thumbprint.ts'
import { parseStrictJson } from '../../lib/strict-json.ts'
import type { JsonObject, JsonValue } from '../../types.ts'
import { type DecryptionKey, KEY_MANAGEMENT_ALGORITHMS } from '../decryption.ts'

/**
 * @param content the bytes of the file
 * @throws {KeySourceError} the message continues "the file …" and holds nothing of the content
 */
export function decryptionKey(content: Buffer): DecryptionKey {
  const text = content.toString('utf8').trim()
  const jwk = text.startsWith('{') ? jwkOf(content) : undefined
  if (jwk !== undefined) requirePrivate(jwk)
  const key = jwk === undefined ? pemKey(text) : importedJwk(jwk)
  const served = servedAlgorithms(key)
  const { alg, kid } = restrictions(jwk, served)
  const publicMembers = createPublicKey(key).export({ format: 'jwk' })
  const thumbprint = jwkThumbprint(publicMembers.kty as ThumbprintKeyType, { ...publicMembers })
  const name = kid ?? thumbprint
  return Object.freeze({
    kid: name,
    thumbprint,
    algorithms: new Set(alg === undefined ? served : [alg]),
    key,
    publicJwk: Object.freeze({
      ...(publicMembers as JsonObject),
      use: 'enc',
      kid: name,
      ...(alg === undefined ? {} : { alg }),
    }),
  })
}

const MAX_JSON_DEPTH = 4

function jwkOf(content: Buffer): JsonObject {
  try {
    const jwk = parseStrictJson(content, MAX_JSON_DEPTH)
    if (typeof jwk === 'object' && jwk !== null && !Array.isArray(jwk)) return jwk as JsonObject
  } catch {
    // The reason quotes nothing, but a file that is meant to be JSON is mended with a JSON tool anyway.
  }
  throw new KeySourceError('is no JSON object: write one private key as a JWK, with each member once')
}

function requirePrivate(jwk: JsonObject): void {
  if (jwk.keys !== undefined) throw new KeySourceError('is a JWK Set: write each of its keys to a file of its own')
  if (jwk.kty === 'oct' || jwk.k !== undefined)
    throw new KeySourceError(
      'holds a shared secret: make a key pair (EC P-256, X25519 or RSA), and give its private key',
    )
  if (jwk.d === undefined)
    throw new KeySourceError('holds no private key, as `d` is missing: give the private half of the key pair')
}

function importedJwk(jwk: JsonObject): KeyObject {
  if (jwk.kty !== 'EC' && jwk.kty !== 'RSA' && jwk.kty !== 'OKP') throw unsupportedType()
  if (jwk.kty === 'OKP' && jwk.crv !== 'X25519') throw unsupportedType()
  if (jwk.kty === 'EC' && !JWK_CURVES.includes(String(jwk.crv))) throw unsupportedType()
  if (!NUMBERS.every(name => jwk[name] === undefined || isBase64url(jwk[name])))
    throw new KeySourceError('is no sound JWK, as a number in it is not base64url: export the key again')
  try {
    return createPrivateKey({ format: 'jwk', key: jwk as webcrypto.JsonWebKey })
  } catch {
    throw new KeySourceError(
      'is no sound JWK: a member is missing, or its public and private half do not belong together. Export the key again',
    )
  }
}

const JWK_CURVES = ['P-256', 'P-384', 'P-521']
const NUMBERS = ['n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi', 'x', 'y'] as const

function isBase64url(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && /^[A-Za-z0-9_-]+$/.test(value)
}

function pemKey(text: string): KeyObject {
  if (!text.includes('-----BEGIN '))
    throw new KeySourceError('is neither a JWK nor PEM: give a private key as one of them')
  if (/ENCRYPTED/.test(text))
    throw new KeySourceError('is protected by a passphrase: write it without one, readable for the gateway only')
  if (!text.includes('PRIVATE KEY-----'))
    throw new KeySourceError('holds no private key, only something public: give the private half of the key pair')
  try {
    return createPrivateKey(text)
  } catch {
    throw new KeySourceError('is no sound PEM: write the private key again, as PKCS #8, PKCS #1 or SEC 1')
  }
}

/** Names of Node for the curves of RFC 7518 §6.2.1.1. */
const EC_CURVES = ['prime256v1', 'secp384r1', 'secp521r1']
const LEAST_MODULUS_BITS = 2048
/** OpenSSL needs many milliseconds with larger ones, and refuses them above this. */
const MOST_MODULUS_BITS = 16_384

/** @throws {KeySourceError} it is no key that decrypts, or an unsound one */
function servedAlgorithms(key: KeyObject): readonly string[] {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details = {} } = key
  if (type === 'rsa') {
    requireSoundRsa(key)
    return KEY_MANAGEMENT_ALGORITHMS.filter(isRsa)
  }
  if (type === 'x25519' || (type === 'ec' && EC_CURVES.includes(details.namedCurve ?? '')))
    return KEY_MANAGEMENT_ALGORITHMS.filter(name => !isRsa(name))
  throw unsupportedType()
}

function isRsa(algorithm: string): boolean {
  return algorithm.startsWith('RSA-')
}

function requireSoundRsa(key: KeyObject): void {
  const { modulusLength = 0 } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < LEAST_MODULUS_BITS)
    throw new KeySourceError(`is an RSA key of ${modulusLength} bit: make one of at least ${LEAST_MODULUS_BITS}`)
  if (modulusLength > MOST_MODULUS_BITS)
    throw new KeySourceError(`is an RSA key of ${modulusLength} bit: make one of at most ${MOST_MODULUS_BITS}`)
  const { n = '' } = createPublicKey(key).export({ format: 'jwk' })
  if (isRocaModulus(BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)))
    throw new KeySourceError('is an RSA key that anybody can compute (ROCA, CVE-2017-15361): make another one')
}

function unsupportedType(): KeySourceError {
  return new KeySourceError('is of a type that does not decrypt: make a key of EC P-256, P-384 or P-521, X25519 or RSA')
}

interface Restrictions {
  readonly alg: string | undefined
  readonly kid: string | undefined
}

/** `key_ops` of a key that decrypts. */
const DECRYPTING = ['decrypt', 'unwrapKey', 'deriveKey', 'deriveBits']

/** @throws {KeySourceError} the JWK says that it is for something else */
function restrictions(jwk: JsonObject | undefined, served: readonly string[]): Restrictions {
  const { use = 'enc', key_ops: keyOps = DECRYPTING, alg, kid } = jwk ?? {}
  if (use !== 'enc')
    throw new KeySourceError('is not for encryption, as its `use` is not `enc`: make a key of its own for encryption')
  if (!Array.isArray(keyOps) || !DECRYPTING.some(operation => keyOps.includes(operation)))
    throw new KeySourceError(
      `does not decrypt, as its \`key_ops\` holds none of ${DECRYPTING.join(', ')}: correct \`key_ops\` or leave it out`,
    )
  if (kid !== undefined && (typeof kid !== 'string' || kid === ''))
    throw new KeySourceError('has a `kid` that is no text: write a name, or leave it out')
  if (alg !== undefined && (typeof alg !== 'string' || !served.includes(alg)))
    throw new KeySourceError(
      `has an \`alg\` that its type cannot do: write one of ${served.join(', ')}, or leave it out`,
    )
  return { alg, kid }
}
