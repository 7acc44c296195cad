/**
 * Turns one member of a JWK Set into a key that can verify signatures, or says why it is skipped.
 *
 * RFC 7517 §4 (members of a JWK), RFC 7518 §6 (RSA, EC), RFC 8037 §2 (Ed25519), RFC 9864 (`Ed25519` as algorithm),
 * RFC 8725 §3.2 and §3.5 (sound algorithms, enough entropy).
 *
 * It does not look at `x5c`, `x5t` and `x5u`: trust comes from where the set was fetched. It takes no symmetric key: a
 * secret in a public document is none. Ed25519 points of small order, under which anyone could sign, are left to
 * `node:crypto`, which verifies nothing with them; a test holds it to that.
 *
 * What providers write besides the letter of the RFC, and can mean one thing only, is read so: padding at the end of a
 * number, and `null` for a restriction that there is none.
 */
import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { JWS_ALGORITHMS } from '../lib/jws-algorithms.ts'
import type { VerificationKey } from '../types.ts'
import { isKeyIssuer } from './key-issuer.ts'
import { isRocaModulus } from './roca.ts'

/** The reason why a member is skipped. A `weak` key has the right size and is broken all the same. */
export type SkipReason =
  | 'malformed'
  | 'symmetric'
  | 'private'
  | 'not_for_signatures'
  | 'unsupported_type'
  | 'too_small'
  | 'weak'

/** The members of a JWK that matter, all of the right type. */
interface JwkMembers {
  readonly kty: string
  readonly kid?: string
  readonly alg?: string
  readonly use?: string
  /** The issuer whose tokens it verifies, as Microsoft Entra says it; no RFC has this member. */
  readonly issuer?: string
  readonly crv?: string
  readonly n?: string
  readonly e?: string
  readonly x?: string
  readonly y?: string
  readonly pub?: string
}

interface ParsedJwk {
  /** It is the same for two JWKs that are the same key under the same name and restrictions. */
  readonly content: string
  /** Makes the key. That takes up to 0.1 ms, so it is called only for content that is new. */
  import(): VerificationKey | SkipReason
}

/**
 * @param use the `use` of the keys that are wanted; one that does not say so is for signatures in general
 * @returns why the member is skipped, or what is needed to make the key
 */
export function parseJwk(member: unknown, use = 'sig'): ParsedJwk | SkipReason {
  if (!isObject(member)) return 'malformed'
  if (member.kty === 'oct' || Object.hasOwn(member, 'k')) return 'symmetric'
  if (PRIVATE_MEMBERS.some(name => Object.hasOwn(member, name))) return 'private'
  const jwk = stringMembers(member)
  if (jwk === undefined) return 'malformed'
  const keyOps = (Object.hasOwn(member, 'key_ops') ? member.key_ops : undefined) ?? ['verify']
  if (!Array.isArray(keyOps)) return 'malformed'
  if ((jwk.use ?? 'sig') !== use || !keyOps.includes('verify')) return 'not_for_signatures'
  return { content: JSON.stringify(jwk), import: () => importJwk(jwk) }
}

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'priv']
const MEMBERS = ['kty', 'kid', 'alg', 'use', 'issuer', 'crv', 'n', 'e', 'x', 'y', 'pub'] as const
/** Members that restrict a key, so that `null` means the same as leaving them out. */
const RESTRICTIONS: ReadonlySet<string> = new Set(['alg', 'use', 'issuer'])
/** Members that are numbers in base64url. */
const NUMBERS: ReadonlySet<string> = new Set(['n', 'e', 'x', 'y', 'pub'])

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Takes own members only: a set may carry `__proto__` or `constructor` as names. */
function stringMembers(member: Readonly<Record<string, unknown>>): JwkMembers | undefined {
  const present = MEMBERS.filter(
    name => Object.hasOwn(member, name) && !(member[name] === null && RESTRICTIONS.has(name)),
  )
  const values = present.map(name => member[name])
  if (!values.every(value => typeof value === 'string')) return undefined
  const members: Partial<JwkMembers> = Object.fromEntries(
    present.map((name, index) => [name, NUMBERS.has(name) ? values[index]?.replace(PADDING, '') : values[index]]),
  )
  return members.kty === undefined ? undefined : { ...members, kty: members.kty }
}

/** RFC 7515 §2 leaves it out; a number without it is the same number. */
const PADDING = /={1,2}$/

function importJwk(jwk: JwkMembers): VerificationKey | SkipReason {
  if (jwk.issuer !== undefined && !isKeyIssuer(jwk.issuer)) return 'malformed'
  const served = servedAlgorithms(jwk)
  if (served.length === 0) return 'unsupported_type'
  if (jwk.alg !== undefined && !served.includes(jwk.alg)) {
    return SIGNATURE_ALGORITHM.test(jwk.alg) ? 'malformed' : 'not_for_signatures'
  }
  const key = publicKey(jwk)
  if (key === undefined) return 'malformed'
  const weakness = jwk.n === undefined ? undefined : rsaWeakness(key, jwk.n)
  if (weakness !== undefined) return weakness
  return Object.freeze({ kid: jwk.kid, algorithms: new Set(narrowed(served, jwk.alg)), issuer: jwk.issuer, key })
}

/** RFC 9864 §2.2: on an Ed25519 key `EdDSA` and `Ed25519` are two names of one algorithm, so a key for one has both. */
function narrowed(served: readonly string[], alg: string | undefined): readonly string[] {
  if (alg === undefined || SAME_ON_ED25519.includes(alg)) return served
  return [alg]
}

const SAME_ON_ED25519 = ['EdDSA', 'Ed25519']

const SIGNATURE_ALGORITHM = /^(?:[HREP]S\d|EdDSA$|Ed\d|ML-DSA)/

/** @returns the algorithms that a key of this type can verify when its `alg` does not narrow them, or none at all */
function servedAlgorithms({ kty, crv, alg }: JwkMembers): readonly string[] {
  const served = [...JWS_ALGORITHMS].filter(([name, algorithm]) => {
    if (algorithm.kty !== kty) return false
    // An AKP key is of the type its `alg` names, which is required.
    return algorithm.kty === 'AKP' ? name === alg : !('crv' in algorithm) || algorithm.crv === crv
  })
  return served.map(([name]) => name)
}

const BASE64URL = /^[A-Za-z0-9_-]+$/

/**
 * Makes the key. Node checks lengths and that an EC point is on its curve; it skips foreign
 * characters, so those are checked here.
 */
function publicKey({ kty, alg, crv, n, e, x, y, pub }: JwkMembers): KeyObject | undefined {
  if ([n, e, x, y, pub].some(value => value !== undefined && !BASE64URL.test(value))) return undefined
  const members = { kty, alg: kty === 'AKP' ? alg : undefined, crv, n, e, x, y, pub }
  const key = Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as webcrypto.JsonWebKey
  try {
    return createPublicKey({ format: 'jwk', key })
  } catch {
    return undefined
  }
}

/**
 * Finds what makes an RSA key unsound. A public exponent of 1 makes every padded message its own signature, and an even
 * one is no RSA key. OpenSSL refuses moduli above 16,384 bits and large exponents when it verifies; here they are
 * refused before a token waits for it.
 */
function rsaWeakness(key: KeyObject, n: string): SkipReason | undefined {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (modulusLength < 2048) return 'too_small'
  if (publicExponent < 3n || publicExponent % 2n === 0n || publicExponent >= 2n ** 64n) return 'weak'
  if (modulusLength > 16_384) return 'malformed'
  return isRocaModulus(BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)) ? 'weak' : undefined
}
