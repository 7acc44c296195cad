/** Real keys, real tokens and a key set in memory, for the tests of this stage. */
import { createHmac, createSecretKey, generateKeyPairSync, KeyObject, randomBytes, sign } from 'node:crypto'
import { generateKeyPair } from 'jose'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { parseJwt } from '../../src/authenticate/jwt/parse-jwt.ts'
import type { PresentedToken } from '../../src/authenticate/verifier.ts'
import { Denial, type DenialCode } from '../../src/errors.ts'
import type { Clock } from '../../src/lib/clock.ts'
import type { KeyHint, KeySet, Principal, VerificationKey } from '../../src/types.ts'

export const ISSUER = 'https://auth.example.com/'
export const AUDIENCE = 'https://api.example.com'
/** 2026-01-01T00:00:00Z, the time of every test. */
export const NOW = 1_767_225_600

/** A clock that stands still until it is set. */
export class TestClock implements Clock {
  nowSeconds = NOW
  nowMs(): number {
    return this.nowSeconds * 1000
  }
  monotonicMs(): number {
    return this.nowSeconds * 1000
  }
}

/** Keys in memory, offered by `kid` and algorithm as a key set does. */
export class TestKeySet implements KeySet {
  readonly keys: Set<VerificationKey>
  readonly asked: KeyHint[] = []
  constructor(...keys: readonly VerificationKey[]) {
    this.keys = new Set(keys)
  }
  select(hint: KeyHint): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    this.asked.push(hint)
    const fitting = [...this.keys].filter(
      key => key.algorithms.has(hint.alg) && (hint.kid === undefined || key.kid === hint.kid),
    )
    if (fitting.length === 0) throw new Denial('key_unknown')
    return fitting
  }
  isCurrent(key: VerificationKey): boolean {
    return this.keys.has(key)
  }
  status() {
    return { usable: true, keys: [], skipped: {}, lastSuccessSeconds: NOW, lastError: undefined }
  }
}

/** Signs whatever bytes it is given, so that a test can put anything under a good signature. */
export interface Signer {
  readonly alg: string
  readonly key: VerificationKey
  /** The signature over these bytes. */
  signature(signingInput: string): Buffer
}

const HASHES: Readonly<Record<string, string>> = { '256': 'sha256', '384': 'sha384', '512': 'sha512' }

export async function signer(alg: string, kid: string | undefined = 'k1'): Promise<Signer> {
  const hash = HASHES[alg.slice(-3)] ?? null
  if (alg.startsWith('HS')) {
    const secret = randomBytes(64)
    const key = { kid, algorithms: new Set([alg]), key: createSecretKey(secret) }
    return {
      alg,
      key,
      signature: input =>
        createHmac(hash ?? 'sha256', secret)
          .update(input)
          .digest(),
    }
  }
  const pair = await generateKeyPair(alg, { extractable: true })
  const privateKey = KeyObject.from(pair.privateKey)
  const key = { kid, algorithms: new Set([alg]), key: KeyObject.from(pair.publicKey) }
  const padding = alg.startsWith('PS') ? { padding: 6, saltLength: Number(alg.slice(-3)) / 8 } : {}
  return {
    alg,
    key,
    signature: input =>
      sign(hash, Buffer.from(input), {
        key: privateKey,
        dsaEncoding: 'ieee-p1363',
        ...padding,
      }),
  }
}

export function base64url(value: string | Uint8Array): string {
  return Buffer.from(value).toString('base64url')
}

/** A token over exactly these bytes of header and payload, properly signed. */
export function rawToken(by: Signer, header: string | Uint8Array, payload: string | Uint8Array): string {
  const signingInput = `${base64url(header)}.${base64url(payload)}`
  return `${signingInput}.${base64url(by.signature(signingInput))}`
}

export type Members = Readonly<Record<string, unknown>>

export const CLAIMS: Members = { iss: ISSUER, aud: AUDIENCE, sub: 'alice', iat: NOW - 10, exp: NOW + 300 }

/** A good token, but for what is given; `undefined` leaves a member out. */
export function token(by: Signer, claims: Members = {}, header: Members = {}): string {
  return rawToken(
    by,
    JSON.stringify({ alg: by.alg, kid: by.key.kid, ...header }),
    JSON.stringify({ ...CLAIMS, ...claims }),
  )
}

/** A JWT as the chooser of the provider hands it over. */
export function presented(text: string): PresentedToken {
  return { token: text, jwt: parseJwt(text), wasEncrypted: false }
}

type JwtVerifierOptions = Parameters<typeof jwtVerifier>[0]
export type Overrides = Partial<JwtVerifierOptions>

export function verifierOptions(keySet: KeySet, overrides: Overrides = {}): JwtVerifierOptions {
  return {
    provider: 'main',
    issuer: ISSUER,
    audiences: [AUDIENCE],
    keySet,
    clockToleranceSeconds: 5,
    tokenType: 'compatible',
    requiredClaims: [],
    rolesClaim: 'roles',
    clock: new TestClock(),
    ...overrides,
  }
}

/** Verifies tokens of one signer, with everything else as usual. */
export function verifierFor(by: Signer, overrides: Overrides = {}): (text: string) => Promise<Principal> {
  const algorithms = by.alg.startsWith('HS') ? { algorithms: [by.alg] } : {}
  const options = verifierOptions(new TestKeySet(by.key), { ...algorithms, ...overrides })
  const authenticate = issuerAuthenticator([jwtVerifier(options)])
  return async text => authenticate({ token: text })
}

/** What a refused credential was refused with; fails when it was not refused, or for a reason that is no refusal. */
export async function refusal(attempt: () => unknown): Promise<Denial> {
  try {
    await attempt()
  } catch (error) {
    if (error instanceof Denial) return error
    throw error
  }
  throw new Error('it was accepted')
}

export async function refusalCode(attempt: () => unknown): Promise<DenialCode> {
  return (await refusal(attempt)).code
}

export function rsaPair(modulusLength: number) {
  return generateKeyPairSync('rsa', { modulusLength })
}
