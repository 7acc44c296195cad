/** The key in the header of a proof: which one it is, and what may stand beside it. */
import { createHash, generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { proofKey } from '../../../src/authenticate/proof/proof-key.ts'
import { Denial } from '../../../src/errors.ts'
import { ASYMMETRIC_ALGORITHMS } from '../../../src/lib/jws-algorithms.ts'
import { type Members, proofSigner } from '../../support/dpop-proof.ts'

const ALL: ReadonlySet<string> = new Set(ASYMMETRIC_ALGORITHMS)

function read(header: Members | string, algorithms = ALL) {
  return proofKey(
    Buffer.from(typeof header === 'string' ? header : JSON.stringify(header)).toString('base64url'),
    algorithms,
  )
}

function refusal(header: Members | string, algorithms = ALL): Readonly<Record<string, unknown>> {
  try {
    read(header, algorithms)
  } catch (error) {
    if (error instanceof Denial) return { code: error.code, ...error.evidence }
    throw error
  }
  throw new Error('not refused')
}

const typ = 'dpop+jwt'
const vectors = [
  {
    name: 'RFC 7638 §3.1, RSA',
    alg: 'RS256',
    jkt: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
    jwk: {
      kty: 'RSA',
      n: '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw',
      e: 'AQAB',
      alg: 'RS256',
      kid: '2011-04-29',
    },
  },
  {
    name: 'RFC 8037 A.3, Ed25519',
    alg: 'EdDSA',
    jkt: 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k',
    jwk: { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' },
  },
  {
    name: 'RFC 9449 §4.1 and §6.1, P-256',
    alg: 'ES256',
    jkt: '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I',
    jwk: {
      kty: 'EC',
      x: 'l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs',
      y: '9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA',
      crv: 'P-256',
    },
  },
]

describe('the thumbprint', () => {
  test.each(vectors)('is that of $name', ({ alg, jwk, jkt }) => {
    const key = read({ typ, alg, jwk })
    expect(key).toMatchObject({ alg, jkt })
    expect(read({ jwk: Object.fromEntries(Object.entries(jwk).reverse()), alg, typ }).jkt).toBe(jkt)
  })

  test.each([...ASYMMETRIC_ALGORITHMS].filter(alg => !alg.startsWith('ML-DSA')))('is that of jose: %s', async alg => {
    const signer = await proofSigner(alg)
    expect(read({ typ, alg, jwk: signer.jwk }).jkt).toBe(signer.jkt)
  })

  test('is of what the key is, whatever stands beside it', async () => {
    const { jwk, jkt } = await proofSigner()
    for (const more of [{ kid: '1' }, { x5c: [] }, { toString: 1 }])
      expect(read({ typ, alg: 'ES256', jwk: { ...jwk, ...more } }).jkt).toBe(jkt)
  })

  test('is of another key when a number is written in another way', async () => {
    const { jwk, jkt } = await proofSigner()
    for (const x of [`${String(jwk.x)}=`, `${String(jwk.x)}==`]) {
      const key = read({ typ, alg: 'ES256', jwk: { ...jwk, x } })
      expect(key.jkt).not.toBe(jkt)
      expect(key.jkt).toBe(
        createHash('sha256')
          .update(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${String(jwk.y)}"}`)
          .digest('base64url'),
      )
    }
  })
})

describe('a header is refused', () => {
  test('for its first fault in this order: form, typ, alg, parameters, jwk', async () => {
    const { jwk } = await proofSigner()
    const all = { typ: 'JWT', alg: 'none', crit: [], jwk: null }
    expect(refusal(all)).toMatchObject({ code: 'proof_invalid', reason: 'typ', wanted: typ, seen: 'JWT' })
    expect(refusal({ ...all, typ })).toMatchObject({ reason: 'alg', seen: 'none' })
    expect(refusal({ ...all, typ, alg: 'ES256' })).toMatchObject({ reason: 'crit', wanted: 'not there' })
    expect(refusal({ typ, alg: 'ES256', jwk: null })).toMatchObject({ reason: 'jwk', wanted: 'a public key' })
    expect(refusal({ typ, alg: 'ES384', jwk })).toMatchObject({ reason: 'jwk', wanted: 'a key for ES384' })
  })

  test('for an algorithm that is not in the list, and the evidence has the list', async () => {
    const { jwk } = await proofSigner()
    expect(refusal({ typ, alg: 'ES256', jwk }, new Set(['ES384', 'EdDSA']))).toEqual({
      code: 'proof_invalid',
      reason: 'alg',
      wanted: 'ES384 EdDSA',
      seen: 'ES256',
    })
  })

  test('for a member that would become its prototype', () => {
    const [, , { jwk } = { jwk: {} }] = vectors
    const text = `{"typ":"dpop+jwt","alg":"ES256","jwk":{"__proto__":${JSON.stringify(jwk)}}}`
    expect(refusal(text).reason).toMatch(/__proto__/)
  })

  test('without showing a private key or a token that stands in the wrong place', async () => {
    const { privateJwk } = await proofSigner()
    const token = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.${'s'.repeat(86)}`
    for (const header of [
      { typ, alg: 'ES256', jwk: privateJwk },
      { typ: token, alg: 'ES256' },
      { typ, alg: token },
      { typ, alg: 'ES256', jwk: { kty: token } },
      { typ, alg: 'ES256', jwk: token },
    ]) {
      const shown = JSON.stringify(refusal(header))
      expect(shown).not.toContain('eyJ')
      expect(shown).not.toContain(String(privateJwk.d))
    }
  })
})

test('the header that is kept does not keep the proof that it came in', async () => {
  const { jwk } = await proofSigner()
  const header = Buffer.from(JSON.stringify({ typ, alg: 'ES256', jwk })).toString('base64url')
  expect(proofKey(header, ALL).header).toBe(header)
})

test.each([
  [8192, 65_537],
  [2048, 4_294_967_297],
])('a key that is dear to verify with is refused: RSA of %i bits with exponent %i', (modulusLength, publicExponent) => {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const { n = '' } = publicKey.export({ format: 'jwk' })
  const modulus = Buffer.alloc(modulusLength / 8, Buffer.from(n, 'base64url'))
  const exponent = publicExponent.toString(16)
  const e = Buffer.from(exponent.padStart(exponent.length + (exponent.length % 2), '0'), 'hex').toString('base64url')
  expect(() => read({ typ, alg: 'RS256', jwk: { kty: 'RSA', n: modulus.toString('base64url'), e } })).toThrow(
    expect.objectContaining({ evidence: expect.objectContaining({ wanted: expect.stringContaining('4096 bits') }) }),
  )
})
