/**
 * Reads the header of a DPoP proof: the algorithm, and the public key that the proof carries.
 *
 * RFC 9449 §4.2 and §4.3 (`typ`, `alg`, `jwk`), RFC 7638 (thumbprint), RFC 8725 §3.1. Nowhere else does the gateway
 * take a key from the message that the key has signed. Here the thumbprint says whether the token is bound to it.
 */
import type { KeyObject } from 'node:crypto'
import { parseJwk } from '../../keys/jwk.ts'
import { jwkThumbprint, type ThumbprintKeyType } from '../../lib/jwk-thumbprint.ts'
import type { JsonObject, JsonValue, VerificationKey } from '../../types.ts'
import { decodedPart, jsonObject } from '../jwt/compact-jws.ts'
import { isFitting } from '../jwt/signature.ts'
import { invalidProof, shownWord } from './refusals.ts'

export interface ProofKey {
  /** The first part of the proof, as it arrived: with the same one comes the same key. */
  readonly header: string
  readonly alg: string
  /** SHA-256 thumbprint in base64url. */
  readonly jkt: string
  readonly key: VerificationKey
}

const MAX_MODULUS_BITS = 4096
const MAX_PUBLIC_EXPONENT = 65_537n

const PROOF_TYPE = 'dpop+jwt'

/** These ask for something that is not done, or name another key. */
const REFUSED_PARAMETERS = ['crit', 'b64', 'zip', 'jku', 'x5u', 'x5c'] as const

/** @throws {Denial} `proof_invalid` */
export function proofKey(header: string, algorithms: ReadonlySet<string>): ProofKey {
  const { typ, alg, jwk, ...others } = jsonObject('header', decodedPart('header', header))
  if (typ !== PROOF_TYPE) throw invalidProof('typ', { wanted: PROOF_TYPE, seen: shownWord(typ) })
  if (typeof alg !== 'string' || !algorithms.has(alg))
    throw invalidProof('alg', { wanted: [...algorithms].join(' '), seen: shownWord(alg) })
  const refused = REFUSED_PARAMETERS.find(name => Object.hasOwn(others, name))
  if (refused !== undefined) throw invalidProof(refused, { wanted: 'not there' })
  if (!isObject(jwk)) throw invalidProof('jwk', { wanted: 'a public key' })
  const parsed = parseJwk(jwk)
  const key = typeof parsed === 'string' ? parsed : parsed.import()
  if (typeof key === 'string') throw invalidProof('jwk', { wanted: 'a public key', seen: key })
  if (!isFitting(key, alg))
    throw invalidProof('jwk', { wanted: `a key for ${alg}`, seen: 'a key for another algorithm' })
  if (isDear(key.key)) throw invalidProof('jwk', { wanted: 'RSA of at most 4096 bits with a usual exponent' })
  return { header: copied(header), alg, jkt: jwkThumbprint(jwk.kty as ThumbprintKeyType, jwk), key }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** To verify with such a key takes milliseconds. Issuers take what a client brings, so the token may be bound to it. */
function isDear({ asymmetricKeyDetails: { modulusLength = 0, publicExponent = 0n } = {} }: KeyObject): boolean {
  return modulusLength > MAX_MODULUS_BITS || publicExponent > MAX_PUBLIC_EXPONENT
}

/** A part of a string keeps the whole string in memory. */
function copied(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
