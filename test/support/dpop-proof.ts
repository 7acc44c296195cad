/** Makes DPoP proofs (RFC 9449 §4.2) that are as good or as wrong as a test asks, with every member in its own hand. */
import {
  createHash,
  createHmac,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
  type webcrypto,
} from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'

export type Members = Readonly<Record<string, unknown>>

/** A key of a client, and how it signs. */
export interface ProofSigner {
  readonly alg: string
  /** The public key as the proof carries it. */
  readonly jwk: Members
  readonly privateJwk: Members
  /** Thumbprint by `jose`, for `cnf.jkt` of a token. */
  readonly jkt: string
  signature(signingInput: string): Buffer
}

interface SignerOptions {
  /** Default 2048. */
  readonly modulusLength?: number
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521', ES256K: 'secp256k1' }

function newKey(alg: string, modulusLength: number): KeyObject {
  const namedCurve = CURVES[alg]
  if (namedCurve !== undefined) return generateKeyPairSync('ec', { namedCurve }).privateKey
  if (alg === 'EdDSA' || alg === 'Ed25519') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('rsa', { modulusLength }).privateKey
}

export async function proofSigner(alg = 'ES256', { modulusLength = 2048 }: SignerOptions = {}): Promise<ProofSigner> {
  const privateKey = newKey(alg, modulusLength)
  const privateJwk = privateKey.export({ format: 'jwk' })
  const { kty, crv, x, y, n, e } = privateJwk
  const jwk = JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })) as JWK
  return {
    alg,
    jwk: jwk as Members,
    privateJwk: privateJwk as Members,
    jkt: await calculateJwkThumbprint(jwk),
    signature: input => signatureBy(alg, privateKey, input),
  }
}

/** Another algorithm for the same key, such as RS256 for one of PS256. */
export function signingAs(alg: string, signer: ProofSigner): ProofSigner {
  const key = createPrivateKey({ format: 'jwk', key: signer.privateJwk as webcrypto.JsonWebKey })
  return { ...signer, alg, signature: input => signatureBy(alg, key, input) }
}

/** Whoever takes a public key for a shared secret would verify this one (RFC 8725 §2.1). */
export function hmacSigner(signer: ProofSigner): ProofSigner {
  const secret = JSON.stringify(signer.jwk)
  return { ...signer, alg: 'HS256', signature: input => createHmac('sha256', secret).update(input).digest() }
}

function signatureBy(alg: string, key: KeyObject, input: string): Buffer {
  const bits = alg === 'ES256K' ? '256' : alg.slice(-3)
  const hash = alg.startsWith('Ed') ? null : `sha${bits}`
  const padding = alg.startsWith('PS') ? { padding: 6, saltLength: Number(bits) / 8 } : {}
  return sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363', ...padding })
}

export interface ProofOptions {
  readonly url: string
  /** Default `GET`. */
  readonly method?: string
  /** The access token that `ath` is made of; left out: no `ath`. */
  readonly token?: string
  readonly nowMs?: number
  readonly nonce?: string
  /** Members over the good ones; `undefined` leaves one out. */
  readonly header?: Members
  readonly claims?: Members
}

/** A proof that is good, but for what is given. */
export function dpopProof(signer: ProofSigner, options: ProofOptions): string {
  const { url, method = 'GET', token, nowMs = Date.now(), nonce, header = {}, claims = {} } = options
  return rawProof(
    signer,
    JSON.stringify({ typ: 'dpop+jwt', alg: signer.alg, jwk: signer.jwk, ...header }),
    JSON.stringify({
      jti: randomUUID(),
      htm: method,
      htu: url,
      iat: Math.floor(nowMs / 1000),
      ...(token === undefined ? {} : { ath: accessTokenHash(token) }),
      ...(nonce === undefined ? {} : { nonce }),
      ...claims,
    }),
  )
}

export function accessTokenHash(token: string): string {
  return createHash('sha256').update(token).digest('base64url')
}

/** A proof over exactly these texts of header and payload, properly signed. */
export function rawProof(signer: ProofSigner, header: string, payload: string): string {
  const signingInput = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`
  return `${signingInput}.${signer.signature(signingInput).toString('base64url')}`
}

/** The same proof under a signature that does not hold. */
export function withBadSignature(proof: string): string {
  const [header, payload, signature = ''] = proof.split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return `${header}.${payload}.${bytes.toString('base64url')}`
}
