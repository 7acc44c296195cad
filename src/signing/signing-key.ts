/**
 * Reads a private key that signs our own tokens from the content of a file, or makes one.
 *
 * RFC 7517 §4 (`use`, `key_ops`, `alg`, `kid`), RFC 7518 §3.4 (ES256: two numbers side by side), RFC 7638 (thumbprint),
 * RFC 8037 §3.1 (EdDSA). A file is a JWK, or PEM as PKCS #8 or SEC 1. RSA takes twenty times as long to sign, and
 * whoever checks a shared secret could sign as well, so neither is there.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  type webcrypto,
} from 'node:crypto'
import { KeySourceError } from '../keys/key-source-error.ts'
import { jwkThumbprint, type ThumbprintKeyType } from '../lib/jwk-thumbprint.ts'
import { parseStrictJson } from '../lib/strict-json.ts'
import type { JsonObject } from '../types.ts'

export const SIGNING_ALGORITHMS = ['ES256', 'EdDSA'] as const
export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number]

export interface SigningKey {
  /** As its file says; else the thumbprint, so that every gateway calls it the same. */
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  /** What is published: nothing of the private half is in it. */
  readonly publicJwk: JsonObject
  /** @returns the signed token in its compact form */
  signed(claims: JsonObject): string
}

/**
 * @param content the bytes of the file
 * @throws {KeySourceError} the message continues "the file …" and holds nothing of the content
 */
export function signingKey(content: Buffer): SigningKey {
  const text = content.toString('utf8').trim()
  if (!text.startsWith('{')) return keyOf(pemKey(text), undefined)
  const jwk = jwkOf(content)
  const key = importedJwk(jwk)
  const algorithm = algorithmOf(key)
  checkRestrictions(jwk, algorithm)
  const { kid } = jwk
  if (kid !== undefined && (typeof kid !== 'string' || kid === ''))
    throw new KeySourceError('has a `kid` that is no text: write a name, or leave it out')
  return keyOf(key, kid)
}

export function generatedKey(algorithm: SigningAlgorithm): SigningKey {
  const { privateKey } =
    algorithm === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519')
  return keyOf(privateKey, undefined)
}

function keyOf(key: KeyObject, name: string | undefined): SigningKey {
  const algorithm = algorithmOf(key)
  const members = createPublicKey(key).export({ format: 'jwk' })
  const kid = name ?? jwkThumbprint(members.kty as ThumbprintKeyType, { ...members })
  const header = base64url({ typ: 'JWT', alg: algorithm, kid })
  const signature = SIGNATURES[algorithm]
  return Object.freeze({
    kid,
    algorithm,
    publicJwk: Object.freeze({ ...(members as JsonObject), use: 'sig', alg: algorithm, kid }),
    signed(claims: JsonObject) {
      const text = `${header}.${base64url(claims)}`
      return `${text}.${signature(Buffer.from(text), key).toString('base64url')}`
    },
  })
}

const SIGNATURES: Readonly<Record<SigningAlgorithm, (data: Buffer, key: KeyObject) => Buffer>> = {
  ES256: (data, key) => sign('sha256', data, { key, dsaEncoding: 'ieee-p1363' }),
  EdDSA: (data, key) => sign(null, data, key),
}

function base64url(value: JsonObject): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

const MAX_JSON_DEPTH = 4

function jwkOf(content: Buffer): JsonObject {
  const jwk = parsed(content)
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk))
    throw new KeySourceError('is no JSON object: write one private key as a JWK, with each member once')
  if ('keys' in jwk) throw new KeySourceError('is a JWK Set: write each of its keys to a file of its own')
  if (!('d' in jwk)) throw new KeySourceError(`holds no private key, as \`d\` is missing: ${OTHER_KEY}`)
  return jwk
}

function parsed(content: Buffer): JsonObject | undefined {
  try {
    return parseStrictJson(content, MAX_JSON_DEPTH) as JsonObject
  } catch {
    return undefined
  }
}

function importedJwk(jwk: JsonObject): KeyObject {
  if (jwk.kty !== 'EC' && jwk.kty !== 'OKP') throw new KeySourceError(UNSUPPORTED)
  try {
    return createPrivateKey({ format: 'jwk', key: jwk as webcrypto.JsonWebKey })
  } catch {
    throw new KeySourceError(
      'is no sound JWK: a member is missing, or its public and private half do not belong together. Export the key again',
    )
  }
}

function pemKey(text: string): KeyObject {
  if (/ENCRYPTED/.test(text))
    throw new KeySourceError('is protected by a passphrase: write it without one, readable for the gateway only')
  if (!text.includes('PRIVATE KEY-----'))
    throw new KeySourceError(`holds no private key, as a JWK or as PEM: ${OTHER_KEY}`)
  try {
    return createPrivateKey(text)
  } catch {
    throw new KeySourceError('is no sound PEM: write the private key again, as PKCS #8 or SEC 1')
  }
}

const OTHER_KEY =
  'write one into it, such as the output of `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`, or take it out of the folder'
const UNSUPPORTED = 'holds a key of a type that does not sign here: make one of EC P-256 (ES256) or Ed25519 (EdDSA)'

function algorithmOf({ asymmetricKeyType: type, asymmetricKeyDetails: details }: KeyObject): SigningAlgorithm {
  if (type === 'ec' && details?.namedCurve === 'prime256v1') return 'ES256'
  if (type === 'ed25519') return 'EdDSA'
  throw new KeySourceError(UNSUPPORTED)
}

/** RFC 9864 §2.2: `Ed25519` is the newer name of the same algorithm. */
const NAMES: Readonly<Record<SigningAlgorithm, readonly unknown[]>> = { ES256: ['ES256'], EdDSA: ['EdDSA', 'Ed25519'] }

/** @throws {KeySourceError} the JWK says that it is for something else */
function checkRestrictions({ use = 'sig', key_ops: keyOps = ['sign'], alg }: JsonObject, own: SigningAlgorithm): void {
  if (use !== 'sig')
    throw new KeySourceError('is not for signatures, as its `use` is not `sig`: make a key of its own for them')
  if (!Array.isArray(keyOps) || !keyOps.includes('sign'))
    throw new KeySourceError('does not sign, as its `key_ops` does not hold `sign`: correct it, or leave it out')
  if (alg !== undefined && !NAMES[own].includes(alg))
    throw new KeySourceError(`has an \`alg\` that its type cannot do: write ${own}, or leave it out`)
}
