/**
 * Reads the private key by which a client signs its assertions, from PEM or from a JWK.
 *
 * RFC 7517 §4 (`kid`, `alg`), RFC 7518 §3 and RFC 9864 §2.2 (which key an algorithm takes). PEM may be PKCS #8, PKCS #1
 * or SEC 1, and is not encrypted. Where nobody names an algorithm, an RSA key signs by RS256, since every server takes
 * that, and another key by the one algorithm that is made for it.
 */
import { createPrivateKey, type KeyObject, type webcrypto } from 'node:crypto'
import { UnusableContent } from '../keys/fetch/local-file.ts'
import { JWS_ALGORITHMS, type JwsAlgorithm } from '../lib/jws-algorithms.ts'

export interface AssertionKey {
  readonly key: webcrypto.CryptoKey
  readonly kid: string | undefined
  /** The `alg` of the header. */
  readonly algorithm: string
}

const LEAST_RSA_BITS = 2_048
const OTHER_KEY = `write a private key into it, such as EC P-256, Ed25519, or RSA of at least ${LEAST_RSA_BITS} bits`

/**
 * @param content that of the file
 * @param configured the algorithm that the operator chose
 * @throws {UnusableContent} it holds no such key, or one that does not fit the algorithm
 */
export function assertionKey(content: string, configured: string | undefined): AssertionKey {
  const { key, kid, alg } = content.trimStart().startsWith('{') ? fromJwk(content) : fromPem(content)
  const algorithm = configured ?? alg ?? defaultAlgorithm(key)
  if (algorithm === undefined) throw new UnusableContent('holds a key that signs by no algorithm we know', OTHER_KEY)
  const known = JWS_ALGORITHMS.get(algorithm)
  if (known === undefined || !isFitting(key, algorithm, known))
    throw new UnusableContent(
      `holds a key that does not fit the algorithm ${configured ?? 'of its own `alg`'}`,
      'change one of the two',
    )
  if ((key.asymmetricKeyDetails?.modulusLength ?? LEAST_RSA_BITS) < LEAST_RSA_BITS)
    throw new UnusableContent(`holds an RSA key of less than ${LEAST_RSA_BITS} bits`, OTHER_KEY)
  return { key: imported(key, importAs(algorithm, known)), kid, algorithm }
}

interface ReadKey {
  readonly key: KeyObject
  readonly kid?: string | undefined
  readonly alg?: string | undefined
}

function fromPem(content: string): ReadKey {
  try {
    return { key: createPrivateKey(content) }
  } catch {
    throw new UnusableContent('does not hold a private key, as PEM without a passphrase or as a JWK', OTHER_KEY)
  }
}

function fromJwk(content: string): ReadKey {
  try {
    const jwk = JSON.parse(content) as webcrypto.JsonWebKey & { readonly kid?: unknown; readonly alg?: unknown }
    return { key: createPrivateKey({ key: jwk, format: 'jwk' }), kid: textOf(jwk.kid), alg: textOf(jwk.alg) }
  } catch {
    throw new UnusableContent('does not hold a private JWK', OTHER_KEY)
  }
}

function textOf(member: unknown): string | undefined {
  return typeof member === 'string' && member !== '' ? member : undefined
}

const CURVES: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384', secp521r1: 'P-521' }

function curveOf({ asymmetricKeyDetails }: KeyObject): string | undefined {
  return CURVES[asymmetricKeyDetails?.namedCurve ?? '']
}

function defaultAlgorithm(key: KeyObject): string | undefined {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return 'RS256'
    case 'rsa-pss':
      return 'PS256'
    case 'ec':
      return [...JWS_ALGORITHMS].find(([, known]) => known.kty === 'EC' && known.crv === curveOf(key))?.[0]
    case 'ed25519':
      return 'Ed25519'
    default:
      return [...JWS_ALGORITHMS.keys()].find(name => name.toLowerCase() === key.asymmetricKeyType)
  }
}

function isFitting(key: KeyObject, algorithm: string, known: JwsAlgorithm): boolean {
  const type = key.asymmetricKeyType
  switch (known.kty) {
    case 'RSA':
      return type === 'rsa' || (type === 'rsa-pss' && known.padding === 'pss')
    case 'EC':
      return type === 'ec' && curveOf(key) === known.crv
    case 'OKP':
      return type === 'ed25519'
    case 'AKP':
      return type === algorithm.toLowerCase()
    case 'oct':
      return false
  }
}

/** A key may be restricted to one hash, for example. */
function imported(key: KeyObject, parameters: ReturnType<typeof importAs>): webcrypto.CryptoKey {
  try {
    return key.toCryptoKey(parameters, false, ['sign'])
  } catch {
    throw new UnusableContent('holds a key that cannot be used for its algorithm', OTHER_KEY)
  }
}

/** The parameters by which Web Cryptography imports a key for the algorithm. */
function importAs(
  algorithm: string,
  known: JwsAlgorithm,
): webcrypto.RsaHashedImportParams | webcrypto.EcKeyImportParams {
  switch (known.kty) {
    case 'RSA':
      return {
        name: known.padding === 'pss' ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5',
        hash: known.hash.name.replace('sha', 'SHA-'),
      }
    case 'EC':
      return { name: 'ECDSA', namedCurve: known.crv }
    case 'OKP':
      return { name: 'Ed25519' } as webcrypto.EcKeyImportParams
    default:
      return { name: algorithm } as webcrypto.EcKeyImportParams
  }
}
