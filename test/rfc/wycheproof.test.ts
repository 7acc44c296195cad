import { createPublicKey, createSecretKey } from 'node:crypto'
import type { JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { type CompactJws, parseCompactJws } from '../../src/authenticate/jwt/compact-jws.ts'
import { joseRefusal } from '../../src/authenticate/jwt/jose-signature.ts'
import { nativeVerifier } from '../../src/authenticate/jwt/native-signature.ts'
import { isFitting, signatureRefusal } from '../../src/authenticate/jwt/signature.ts'
import { Denial } from '../../src/errors.ts'
import type { VerificationKey } from '../../src/types.ts'
import { refusal, refusalCode, signer, verifierFor } from '../authenticate/support.ts'
import { haveVectors, vectors } from './vectors.ts'

interface Case {
  readonly tcId: number
  readonly comment: string
  readonly result: 'valid' | 'invalid'
  readonly jws?: unknown
  readonly jwe?: unknown
}
interface Group {
  readonly comment: string
  readonly public?: JWK | string
  readonly private: JWK | string
  readonly tests: readonly Case[]
}

/**
 * Vectors called valid that we refuse on purpose. In 346, 347, 350 and 351 the JWK names another algorithm than the
 * token (PS256 for PS384, ES521 for ES512); 372 and 373 have a `?` inside base64url, which RFC 7515 §2 rules out.
 */
const REFUSED_THOUGH_VALID = new Set([346, 347, 350, 351, 372, 373])

/** Vectors about padding that lost their padding, and are now byte for byte the valid vector 357. */
const SAME_AS_357 = new Set([367, 370])

const jwkOf = (value: JWK | string): JWK => (typeof value === 'string' ? JSON.parse(value) : value)

/** @returns the key as a key set would offer it: for its own `alg`, and not at all when it is no signing key */
function keyOf(group: Group): VerificationKey {
  const jwk = jwkOf(group.public ?? group.private)
  const forSigning = (jwk.use ?? 'sig') === 'sig' && (jwk.key_ops === undefined || jwk.key_ops.includes('verify'))
  const algorithms = new Set(forSigning && jwk.alg !== undefined ? [jwk.alg] : [])
  const key =
    jwk.kty === 'oct'
      ? createSecretKey(Buffer.from(jwk.k ?? '', 'base64url'))
      : createPublicKey({ key: jwk, format: 'jwk' })
  return { kid: undefined, algorithms, key }
}

/** Verifies without what concerns claims, since no payload of theirs holds any. */
async function accepts(token: string, key: VerificationKey): Promise<boolean> {
  const jws = parseCompactJws(token)
  return isFitting(key, jws.header.alg) && (await signatureRefusal(jws, key)) === undefined
}

function parsedOrRefused(token: string): CompactJws | undefined {
  try {
    return parseCompactJws(token)
  } catch (error) {
    if (error instanceof Denial) return undefined
    throw error
  }
}

const isToken68 = (text: string) => /^[\w.~+/-]+=*$/.test(text)

const groupsOf = (path: string) => (vectors(path) as { testGroups: readonly Group[] }).testGroups

describe.runIf(haveVectors)('Wycheproof, JSON Web Signature', () => {
  const groups = haveVectors ? groupsOf('wycheproof/json_web_signature_test.json') : []
  const cases = groups.flatMap(group => {
    const key = keyOf(group)
    return group.tests.map(({ tcId, comment, result, jws }) => ({
      tcId,
      comment,
      group: group.comment,
      result,
      jws,
      key,
    }))
  })

  test('all 401 vectors are here', () => expect(cases).toHaveLength(401))

  test.each(cases)('$tcId $group: $comment is $result', async ({ tcId, result, jws, key }) => {
    const token = typeof jws === 'string' ? jws : JSON.stringify(jws)
    const verdict = await accepts(token, key).catch(async error => {
      expect(await refusalCode(() => Promise.reject(error))).toMatch(/^(token_malformed|algorithm_not_allowed)$/)
      return false
    })
    expect(verdict).toBe((result === 'valid' && !REFUSED_THOUGH_VALID.has(tcId)) || SAME_AS_357.has(tcId))
  })

  test('the vectors that lost their padding are refused with it', async () => {
    const plain = cases.find(({ tcId }) => tcId === 357)
    if (typeof plain?.jws !== 'string') throw new Error('vector 357 is missing')
    for (const { tcId, jws } of cases) if (SAME_AS_357.has(tcId)) expect(jws).toBe(plain.jws)
    const [header, payload, signature] = plain.jws.split('.')
    for (const text of [`${header}=.${payload}.${signature}`, `${header}.${payload}==.${signature}`, `${plain.jws}=`])
      expect(await refusalCode(() => accepts(text, plain.key))).toBe('token_malformed')
  })

  test('node:crypto and jose say the same about each of them, under each key of their kind', async () => {
    const seen = { holds: 0, fails: 0 }
    const keys = new Set(cases.map(({ key }) => key))
    for (const jws of new Set(cases.map(each => each.jws))) {
      const parsed = typeof jws === 'string' ? parsedOrRefused(jws) : undefined
      if (parsed === undefined) continue
      for (const key of keys) {
        // It does not matter for what the key was published: this is about the judges, not about who is asked.
        if (nativeVerifier(parsed.header.alg, key.key) === undefined) continue
        const ours = signatureRefusal(parsed, key)
        expect(ours).toEqual(await joseRefusal(parsed, key))
        seen[ours === undefined ? 'holds' : 'fails'] += 1
      }
    }
    expect(seen.holds).toBeGreaterThan(20)
    expect(seen.fails).toBeGreaterThan(500)
  })

  test('not one is let in at the front door, nor is any a failure of ours', async () => {
    for (const { jws } of cases) {
      const token = typeof jws === 'string' ? jws : JSON.stringify(jws)
      const { spec, code } = await refusal(() => issuerAuthenticator([])({ token }))
      expect([spec.status, code]).toEqual(isToken68(token) ? [401, expect.anything()] : [400, 'request_malformed'])
    }
  })
})

describe.runIf(haveVectors)('Wycheproof, JSON Web Encryption', () => {
  const groups = haveVectors ? groupsOf('wycheproof/json_web_encryption_test.json') : []
  const cases = groups.flatMap(group => group.tests)

  test('all 139 vectors are here', () => expect(cases).toHaveLength(139))

  test.each(cases)('$tcId $comment is no token for us', async ({ jwe }) => {
    const verify = verifierFor(await signer('HS256'))
    const token = typeof jwe === 'string' ? jwe : JSON.stringify(jwe)
    expect(await refusalCode(() => verify(token))).toBe(isToken68(token) ? 'token_malformed' : 'request_malformed')
  })
})
