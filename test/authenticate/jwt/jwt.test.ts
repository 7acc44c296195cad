import { createHmac, createPublicKey, createSecretKey, KeyObject } from 'node:crypto'
import { exportSPKI, generateKeyPair } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { jwtVerifier } from '../../../src/authenticate/jwt/jwt.ts'
import { Denial } from '../../../src/errors.ts'
import type { VerificationKey } from '../../../src/types.ts'
import {
  base64url,
  CLAIMS,
  ISSUER,
  NOW,
  type Overrides,
  presented,
  rawToken,
  refusal,
  refusalCode,
  rsaPair,
  type Signer,
  signer,
  TestKeySet,
  token,
  verifierFor,
  verifierOptions,
} from '../support.ts'

const ASYMMETRIC = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519']
const POST_QUANTUM = ['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87']
const HMAC = ['HS256', 'HS384', 'HS512']

let rs256: Signer
let es256: Signer
beforeAll(async () => {
  ;[rs256, es256] = await Promise.all([signer('RS256'), signer('ES256')])
})

const verifier = (keySet: TestKeySet, overrides: Overrides = {}) => jwtVerifier(verifierOptions(keySet, overrides))

describe.each([...ASYMMETRIC, ...POST_QUANTUM, ...HMAC])('%s', alg => {
  test('a token is accepted, and refused when one byte of it changes', async () => {
    const by = await signer(alg)
    const verify = verifierFor(by)
    const good = token(by)
    expect((await verify(good)).claims.sub).toBe('alice')

    const [header, payload] = good.split('.')
    const forged = base64url(JSON.stringify({ ...CLAIMS, sub: 'root' }))
    const signature = by.signature(`${header}.${payload}`)
    expect(await refusalCode(() => verify(`${header}.${forged}.${base64url(signature)}`))).toBe('signature_invalid')
    signature[0] = (signature[0] ?? 0) ^ 1
    expect(await refusalCode(() => verify(`${header}.${payload}.${base64url(signature)}`))).toBe('signature_invalid')
    expect(await refusalCode(() => verify(`${header}.${payload}.`))).toBe('signature_invalid')
  })

  test('a token that another key signed is refused', async () => {
    const [ours, theirs] = await Promise.all([signer(alg), signer(alg)])
    expect(await refusalCode(() => verifierFor(ours)(token(theirs)))).toBe('signature_invalid')
  })
})

describe('algorithms', () => {
  test('are every asymmetric one unless they are listed', async () => {
    const hs256 = await signer('HS256')
    const keySet = new TestKeySet(es256.key, hs256.key)
    const usual = verifier(keySet)
    await usual.verify(presented(token(es256)))
    expect(await refusalCode(() => usual.verify(presented(token(hs256))))).toBe('algorithm_not_allowed')
    const listed = verifier(keySet, { algorithms: ['HS256'] })
    await listed.verify(presented(token(hs256)))
    expect(await refusalCode(() => listed.verify(presented(token(es256))))).toBe('algorithm_not_allowed')
  })

  test.each(['', 'rs256', 'RS256 ', 'HS256', 'RSA-OAEP', 'dir', 'ES256K', 'toString', '__proto__', 'constructor'])(
    '%j is not allowed, and no key is asked for',
    async alg => {
      const keySet = new TestKeySet(rs256.key)
      const text = token(rs256, {}, { alg })
      expect(await refusalCode(() => verifier(keySet).verify(presented(text)))).toBe('algorithm_not_allowed')
      expect(keySet.asked).toEqual([])
    },
  )

  test('a key is used only for algorithms it was published for', async () => {
    const narrow: VerificationKey = { ...rs256.key, algorithms: new Set(['PS256']) }
    const keySet = new TestKeySet(narrow)
    keySet.select = () => [narrow]
    expect(await refusalCode(() => verifier(keySet).verify(presented(token(rs256))))).toBe('key_unknown')
  })
})

describe('confusion', () => {
  test('an HMAC made with the public key as its secret is refused, whatever the key set believes', async () => {
    const { publicKey } = await generateKeyPair('RS256', { extractable: true })
    const pem = await exportSPKI(publicKey)
    const der = KeyObject.from(publicKey).export({ type: 'spki', format: 'der' })
    const confused = { kid: 'k1', algorithms: new Set(['RS256', 'HS256']), key: KeyObject.from(publicKey) }
    const verify = verifier(new TestKeySet(confused), { algorithms: ['RS256', 'HS256'] }).verify
    for (const secret of [pem, pem.trim(), der]) {
      const attacker: Signer = {
        alg: 'HS256',
        key: confused,
        signature: input => createHmac('sha256', secret).update(input).digest(),
      }
      expect(await refusalCode(() => verify(presented(token(attacker))))).toBe('key_unknown')
    }
  })

  test('a secret serves no asymmetric algorithm', async () => {
    const confused = { kid: 'k1', algorithms: new Set(['RS256']), key: createSecretKey(Buffer.alloc(32, 1)) }
    const keySet = new TestKeySet(confused)
    expect(await refusalCode(() => verifier(keySet).verify(presented(token(rs256))))).toBe('key_unknown')
  })

  test.each([
    ['ES256 with a P-384 key', 'ES384', 'ES256'],
    ['RS256 with an EC key', 'ES256', 'RS256'],
    ['EdDSA with an RSA key', 'RS256', 'EdDSA'],
    ['ES256 with an Ed25519 key', 'EdDSA', 'ES256'],
  ])('%s is the token’s fault, not ours', async (_name, keyAlg, alg) => {
    const by = await signer(keyAlg)
    const confused = { ...by.key, algorithms: new Set([alg]) }
    const verify = verifier(new TestKeySet(confused)).verify
    expect(await refusalCode(() => verify(presented(token(by, {}, { alg }))))).toBe('signature_invalid')
  })

  test('an RSA key of 1024 bits verifies nothing', async () => {
    const { publicKey, privateKey } = rsaPair(1024)
    const weak = { kid: 'k1', algorithms: new Set(['RS256']), key: publicKey }
    const { sign } = await import('node:crypto')
    const by: Signer = { alg: 'RS256', key: weak, signature: input => sign('sha256', Buffer.from(input), privateKey) }
    expect(await refusalCode(() => verifierFor(by)(token(by)))).toBe('signature_invalid')
  })
})

describe('ECDSA signatures that are no signatures', () => {
  const zero = Buffer.alloc(32)
  const one = Buffer.alloc(32)
  one[31] = 1
  const order = Buffer.from('ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551', 'hex')
  test.each([
    ['r and s are zero (CVE-2022-21449)', Buffer.concat([zero, zero])],
    ['r is zero', Buffer.concat([zero, one])],
    ['s is zero', Buffer.concat([one, zero])],
    ['r and s are the order of the curve', Buffer.concat([order, order])],
    ['r and s are one', Buffer.concat([one, one])],
    ['it is half as long', Buffer.alloc(32, 1)],
    ['it is DER', Buffer.from('3006020101020101', 'hex')],
    ['it is a megabyte', Buffer.alloc(1024 * 1024, 1)],
  ])('%s', async (_name, signature) => {
    const by: Signer = { ...es256, signature: () => signature }
    expect(await refusalCode(() => verifierFor(es256)(token(by)))).toBe('signature_invalid')
  })
})

describe('keys', () => {
  test('are tried in turn, at most three', async () => {
    const others = await Promise.all([signer('ES256'), signer('ES256'), signer('ES256')])
    const [a, b, c] = others.map(({ key }) => ({ ...key, kid: undefined }))
    const good = { ...es256.key, kid: undefined }
    if (a === undefined || b === undefined || c === undefined) throw new Error('three keys are needed')
    const text = token(es256, {}, { kid: undefined })
    const verdict = await verifier(new TestKeySet(a, b, good)).verify(presented(text))
    expect(verdict.basis).toBe(good)
    expect(await refusalCode(() => verifier(new TestKeySet(a, b, c, good)).verify(presented(text)))).toBe(
      'signature_invalid',
    )
  })

  test('are asked for by the algorithm and the kid of the token', async () => {
    const keySet = new TestKeySet(es256.key)
    await verifier(keySet).verify(presented(token(es256)))
    expect(keySet.asked).toEqual([{ alg: 'ES256', kid: 'k1', issuers: ['https://auth.example.com/'] }])
  })

  test('may take their time', async () => {
    const keySet = new TestKeySet(es256.key)
    keySet.select = async () => [es256.key]
    expect((await verifier(keySet).verify(presented(token(es256)))).principal.claims.sub).toBe('alice')
  })

  test('that are unknown are the caller’s 401', async () => {
    const keySet = new TestKeySet(es256.key)
    const text = token(es256, {}, { kid: 'other' })
    const denial = await refusal(() => verifier(keySet).verify(presented(text)))
    expect(denial.code).toBe('key_unknown')
    expect(denial.provider).toBe('main')
    expect(denial.evidence).toEqual({ alg: 'ES256', kid: 'other', iss: ISSUER })
  })

  test('that we do not have are our 503, with its retry time and its cause', async () => {
    const cause = new Error('connect ECONNREFUSED')
    const keySet = new TestKeySet()
    keySet.select = async () => {
      throw new Denial('keys_unavailable', { retryAfterSeconds: 30, cause, evidence: { url: 'x' } })
    }
    const denial = await refusal(() => verifier(keySet).verify(presented(token(es256))))
    expect(denial).toMatchObject({ code: 'keys_unavailable', retryAfterSeconds: 30, cause, provider: 'main' })
    expect(denial.evidence).toMatchObject({ url: 'x', kid: 'k1' })
  })

  test('that fail in any other way are a bug, which stays what it is', async () => {
    const bug = new TypeError('undefined is not a key')
    const keySet = new TestKeySet()
    keySet.select = () => {
      throw bug
    }
    const attempt = async () => verifier(keySet).verify(presented(token(es256)))
    await expect(attempt()).rejects.toBe(bug)
    keySet.select = () => Promise.reject(bug)
    await expect(attempt()).rejects.toBe(bug)
  })
})

describe('the order of the checks', () => {
  const expired = { exp: NOW - 100, iat: NOW - 200 }

  test('nothing is said about claims before the signature holds', async () => {
    const forger = await signer('ES256')
    const verify = verifierFor(es256)
    for (const claims of [expired, { aud: 'other' }, { sub: 7 }, { cnf: {} }, { nbf: NOW + 100 }])
      expect(await refusalCode(() => verify(token(forger, claims)))).toBe('signature_invalid')
    expect(await refusalCode(() => verify(token(forger, {}, { typ: 'logout+jwt' })))).toBe('signature_invalid')
  })

  test('issuer before algorithm before key before signature', async () => {
    const forger = await signer('ES256')
    const verify = verifierFor(es256, { algorithms: ['ES256'] })
    expect(await refusalCode(() => verify(token(forger, { iss: 'x' }, { alg: 'RS256' })))).toBe('issuer_unknown')
    expect(await refusalCode(() => verify(token(forger, {}, { alg: 'RS256', kid: 'x' })))).toBe('algorithm_not_allowed')
    expect(await refusalCode(() => verify(token(forger, {}, { kid: 'x' })))).toBe('key_unknown')
    expect(await refusalCode(() => verify(token(forger)))).toBe('signature_invalid')
  })

  test('a verifier takes no token of another issuer, even when it is asked', async () => {
    const keySet = new TestKeySet(es256.key)
    const text = token(es256, { iss: `${ISSUER}x` })
    expect(await refusalCode(() => verifier(keySet).verify(presented(text)))).toBe('issuer_unknown')
    expect(keySet.asked).toEqual([])
  })
})

describe('evidence', () => {
  test('is printable, short, and holds neither token nor signature', async () => {
    const kid = `k\r\nX-Evil: 1\u0000\u2028${'k'.repeat(500)}`
    const text = token(es256, {}, { kid })
    const { evidence } = await refusal(() => verifierFor(es256)(text))
    const logged = JSON.stringify(evidence)
    expect(logged).toMatch(/^[\x20-\x7e]*$/)
    expect(String(evidence?.kid)).toHaveLength(203)
    for (const part of text.split('.')) expect(logged).not.toContain(part)
  })

  test('of no refusal repeats a claim that was not asked about', async () => {
    const secret = 'marked-value'
    const verify = verifierFor(es256)
    const bad: ReadonlyArray<Record<string, unknown>> = [{ exp: secret }, { sub: 7 }, { exp: NOW - 60, iat: 0 }]
    for (const claims of bad) {
      const denial = await refusal(() => verify(token(es256, { note: secret, ...claims })))
      expect(JSON.stringify([denial.evidence, denial.message, denial.provider, String(denial.cause)])).not.toContain(
        secret,
      )
    }
  })
})

test('the verdict remembers the key and the time it depends on', async () => {
  const keySet = new TestKeySet(es256.key)
  const subject = verifier(keySet)
  const verdict = await subject.verify(presented(token(es256, { nbf: NOW - 1 })))
  expect(verdict).toMatchObject({ basis: es256.key, notBeforeSeconds: NOW - 1 })
  expect(subject.stillHolds(verdict)).toBe(true)
  keySet.keys.clear()
  expect(subject.stillHolds(verdict)).toBe(false)
})

test('a public key that came as PEM does as well', async () => {
  const pem = es256.key.key.export({ type: 'spki', format: 'pem' })
  const key = { ...es256.key, key: createPublicKey(pem) }
  const text = rawToken(es256, '{"alg":"ES256"}', JSON.stringify(CLAIMS))
  expect((await verifier(new TestKeySet(key)).verify(presented(text))).principal.provider).toBe('main')
})
