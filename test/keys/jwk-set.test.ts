import { generateKeyPairSync, verify } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { compactVerify, createLocalJWKSet } from 'jose'
import { describe, expect, test } from 'vitest'
import { EMPTY_JWK_SET, JWK_SET } from '../../src/keys/jwk-set.ts'
import { ecJwk, es256 } from './support.ts'

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsaJwk = { ...rsa.publicKey.export({ format: 'jwk' }), kid: 'rsa' }
const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
const ed = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
const x25519 = generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' })
const k256 = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey.export({ format: 'jwk' })
const mlDsa = generateKeyPairSync('ml-dsa-44').publicKey.export({ format: 'jwk' })
const ec = ecJwk('k1')

const read = (...keys: readonly unknown[]) => JWK_SET.read({ keys }, EMPTY_JWK_SET)
const base64url = (text: string) => Buffer.from(text).toString('base64url')
function thrownBy(action: () => unknown): unknown {
  try {
    return action()
  } catch (error) {
    return error
  }
}

const algorithmsOf = (jwk: unknown) => [...(read(jwk).keys[0]?.algorithms ?? [])]

describe('RFC 7517 §5: odd members', () => {
  test.each([
    ['null', null, 'malformed'],
    ['a number', 7, 'malformed'],
    ['a string', 'key', 'malformed'],
    ['an array', [ec], 'malformed'],
    ['an empty object', {}, 'malformed'],
    ['a kty that is no string', { ...ec, kty: ['EC'] }, 'malformed'],
    ['a kid that is no string', { ...ec, kid: 7 }, 'malformed'],
    ['a kid that is null', { ...ec, kid: null }, 'malformed'],
    ['an alg that is no string', { ...ec, alg: {} }, 'malformed'],
    ['an issuer that is no string', { ...ec, issuer: ['https://issuer.example/'] }, 'malformed'],
    ['an issuer with more placeholders than anybody writes', { ...ec, issuer: '{a}{b}{c}{d}{e}' }, 'malformed'],
    ['RSA with padding in the middle of its modulus', { ...rsaJwk, n: `AQ==${rsaJwk.n}` }, 'malformed'],
    ['RSA with more padding than there can be', { ...rsaJwk, n: `${rsaJwk.n}===` }, 'malformed'],
    ['a use that is no string', { ...ec, use: ['sig'] }, 'malformed'],
    ['key_ops that is no array', { ...ec, key_ops: 'verify' }, 'malformed'],
    ['only inherited members', JSON.parse(`{"__proto__": ${JSON.stringify(ec)}}`), 'malformed'],
    ['a private EC key', { ...ec, d: 'AAAA' }, 'private'],
    ['a private RSA key', rsa.privateKey.export({ format: 'jwk' }), 'private'],
    ['one private member of any type', { ...ec, qi: null }, 'private'],
    ['a symmetric key', { kty: 'oct', k: 'AAAA' }, 'symmetric'],
    ['a symmetric key that claims another type', { ...ec, k: 'AAAA' }, 'symmetric'],
    ['RSA under 2048 bits', small, 'too_small'],
    ['RSA without a modulus', { ...rsaJwk, n: undefined }, 'malformed'],
    ['RSA with an empty modulus', { ...rsaJwk, n: '' }, 'malformed'],
    ['RSA with a modulus in foreign characters', { ...rsaJwk, n: `${rsaJwk.n}!!` }, 'malformed'],
    ['RSA over 16,384 bits', { ...rsaJwk, n: Buffer.alloc(2_049, 0xff).toString('base64url') }, 'malformed'],
    ['RSA with exponent 1', { ...rsaJwk, e: 'AQ' }, 'weak'],
    ['RSA with an even exponent', { ...rsaJwk, e: 'Ag' }, 'weak'],
    ['RSA with exponent 0', { ...rsaJwk, e: 'AA' }, 'weak'],
    ['RSA with a huge exponent', { ...rsaJwk, e: Buffer.alloc(9, 0xff).toString('base64url') }, 'weak'],
    ['RSA for ECDSA', { ...rsaJwk, alg: 'ES256' }, 'malformed'],
    ['RSA for HMAC', { ...rsaJwk, alg: 'HS256' }, 'malformed'],
    ['RSA for encryption by alg', { ...rsaJwk, alg: 'RSA-OAEP' }, 'not_for_signatures'],
    ['a key for encryption by use', { ...ec, use: 'enc' }, 'not_for_signatures'],
    ['a key of another use', { ...ec, use: 'SIG' }, 'not_for_signatures'],
    ['a key that may not verify', { ...ec, key_ops: ['encrypt'] }, 'not_for_signatures'],
    ['a key without operations', { ...ec, key_ops: [] }, 'not_for_signatures'],
    ['a point off the curve', { ...ec, y: Buffer.alloc(32, 1).toString('base64url') }, 'malformed'],
    ['a point of another curve', { ...ec, crv: 'P-384' }, 'malformed'],
    ['a point without y', { ...ec, y: undefined }, 'malformed'],
    ['the algorithm of another curve', { ...ec, alg: 'ES384' }, 'malformed'],
    ['an unknown type', { kty: 'LATTICE' }, 'unsupported_type'],
    ['an unknown curve', k256, 'unsupported_type'],
    ['an agreement key', x25519, 'unsupported_type'],
    ['a type named like a member of Object', { kty: 'constructor', crv: '__proto__' }, 'unsupported_type'],
    ['Ed25519 of the wrong length', { ...ed, x: 'AAAA' }, 'malformed'],
    ['ML-DSA without alg', { ...mlDsa, alg: undefined }, 'unsupported_type'],
    ['ML-DSA with the alg of another size', { ...mlDsa, alg: 'ML-DSA-87' }, 'malformed'],
  ])('%s is skipped and counted, its siblings work', (_what, member, reason) => {
    const sibling = ecJwk('sibling')
    const set = JWK_SET.read(JSON.parse(JSON.stringify({ keys: [member, sibling] })), EMPTY_JWK_SET)
    expect(set.skipped).toEqual({ [reason]: 1 })
    expect(set.keys.map(({ kid }) => kid)).toEqual(['sibling'])
  })

  test('what does not bear on verification does not matter', () => {
    const extras = { use: 'sig', key_ops: ['verify'], ext: 7, x5c: 'nonsense', x5t: null, iat: {}, toString: 1 }
    expect(read({ ...ec, ...extras }).keys).toHaveLength(1)
  })

  test.each([undefined, null, 7, 'keys', [], {}, { keys: null }, { keys: {} }, { keys: 'x' }])(
    'a document that is no set is refused: %j',
    document => {
      expect(() => JWK_SET.read(document, EMPTY_JWK_SET)).toThrow('not a JWK Set')
    },
  )

  test('a set inherited from a prototype is no set', () => {
    expect(() => JWK_SET.read(JSON.parse('{"__proto__": {"keys": []}}'), EMPTY_JWK_SET)).toThrow('not a JWK Set')
  })

  test('more than 1,000 members are refused before a single one is read', () => {
    expect(() => read(...Array.from({ length: 1_001 }, () => ec))).toThrow('more than 1000')
    expect(read(...Array.from({ length: 1_000 }, () => ec)).keys).toHaveLength(1)
  })
})

describe('Ed25519 keys of small order', () => {
  test.each([
    `00${'00'.repeat(31)}`,
    `01${'00'.repeat(31)}`,
    '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
    'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
    `ec${'ff'.repeat(30)}7f`,
  ])('%s verifies nothing, though S = 0 would do for one message in eight', async hex => {
    const point = Buffer.from(hex, 'hex')
    const [found] = read({ kty: 'OKP', crv: 'Ed25519', x: point.toString('base64url') }).keys
    const identity = Buffer.from(`01${'00'.repeat(31)}`, 'hex')
    for (let message = 0; message < 200; message++) {
      const text = Buffer.from(`${message}`)
      for (const r of [point, identity]) {
        const forged = Buffer.concat([r, Buffer.alloc(32)])
        if (found) expect(verify(null, text, found.key, forged)).toBe(false)
        const jws = `${base64url('{"alg":"EdDSA"}')}.${text.toString('base64url')}.${forged.toString('base64url')}`
        if (found) await expect(compactVerify(jws, found.key)).rejects.toThrow('signature verification failed')
      }
    }
  })
})

describe('what providers write besides the letter of RFC 7517', () => {
  test.each([
    ['an EC key', { ...ec, x: `${ec.x}=`, y: `${ec.y}=` }],
    ['an RSA key', { ...rsaJwk, n: `${rsaJwk.n}==` }],
  ])('padding at the end of a number of %s means nothing', (_what, padded) => {
    const unpadded = Object.fromEntries(
      Object.entries(padded).map(([name, value]) => [name, `${value}`.replace(/=+$/, '')]),
    )
    const [key] = read(padded).keys
    expect(key).toBeDefined()
    expect(read(padded, unpadded).keys).toHaveLength(1)
  })

  test('an RSA modulus is looked at without its padding', () => {
    expect(read({ ...rsaJwk, e: 'AQ==' }).skipped).toEqual({ weak: 1 })
    expect(read({ ...small, n: `${small.n}=` }).skipped).toEqual({ too_small: 1 })
  })
})

describe('keys that say for whose tokens they are', () => {
  const tenant = (id: string) => `https://login.example/${id}/v2.0`
  const from = (kid: string | undefined, ...issuers: readonly string[]) => ({ ...es256(kid), issuers })

  test('verify the tokens of that issuer only, named or not', () => {
    const set = read({ ...ec, issuer: tenant('a') }, { ...ecJwk('k2'), issuer: tenant('b') }, ecJwk('k3'))
    expect(set.find(from('k1', tenant('a')))).toEqual([set.keys[0]])
    expect(set.find(from('k1', tenant('b')))).toEqual([])
    expect(set.misfit(from('k1', tenant('b')))).toBe('the key is for the tokens of another issuer')
    expect(set.find(from(undefined, tenant('b')))).toEqual([set.keys[1], set.keys[2]])
    expect(set.find(from('k3', tenant('c')))).toEqual([set.keys[2]])
  })

  test('a placeholder stands for one tenant, and for nothing else', () => {
    const set = read({ ...ec, issuer: tenant('{tenantid}') })
    expect(set.find(from('k1', tenant('6f1c-0')))).toHaveLength(1)
    for (const other of [
      'https://login.example/v2.0',
      tenant('a/b'),
      tenant(''),
      tenant('x'.repeat(65)),
      `x${tenant('a')}`,
    ])
      expect([other, set.find(from('k1', other))]).toEqual([other, []])
    expect(read({ ...ec, issuer: 'https://loginXexample/{t}' }).find(from('k1', 'https://login.example/a'))).toEqual([])
  })

  test('any spelling of the issuer will do', () => {
    const set = read({ ...ec, issuer: 'https://accounts.example.com' })
    expect(set.find(from('k1', 'accounts.example.com', 'https://accounts.example.com'))).toHaveLength(1)
  })
})

describe('algorithms of a key', () => {
  test.each([
    ['RSA', rsaJwk, ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']],
    ['RSA narrowed by alg', { ...rsaJwk, alg: 'PS384' }, ['PS384']],
    ['P-256', ec, ['ES256']],
    ['Ed25519', ed, ['EdDSA', 'Ed25519']],
    ['Ed25519 narrowed by alg', { ...ed, alg: 'EdDSA' }, ['EdDSA', 'Ed25519']],
    ['Ed25519 narrowed by its newer name', { ...ed, alg: 'Ed25519' }, ['EdDSA', 'Ed25519']],
    ['P-256 with restrictions that are null', { ...ec, alg: null, use: null, key_ops: null, issuer: null }, ['ES256']],
    ['ML-DSA-44', mlDsa, ['ML-DSA-44']],
  ])('%s', (_what, jwk, algorithms) => {
    expect(algorithmsOf(jwk)).toEqual(algorithms)
  })

  test.each([
    ['P-384', 'ES384'],
    ['P-521', 'ES512'],
  ])('%s', (namedCurve, algorithm) => {
    expect(algorithmsOf(generateKeyPairSync('ec', { namedCurve }).publicKey.export({ format: 'jwk' }))).toEqual([
      algorithm,
    ])
  })

  test('are those for which jose takes the same JWK', async () => {
    const names = ['RS256', 'PS256', 'RS512', 'ES256', 'ES384', 'EdDSA', 'Ed25519', 'ML-DSA-44', 'ML-DSA-65']
    // A key that says `EdDSA` or `Ed25519` is for both (RFC 9864), while jose takes the name to the letter.
    const jwks = [rsaJwk, { ...rsaJwk, alg: 'RS256' }, ec, ed, mlDsa, { ...ec, use: 'enc' }]
    for (const jwk of jwks) {
      const find = createLocalJWKSet({ keys: [jwk] } as never)
      for (const alg of names) {
        const isTaken = await find({ alg }).then(
          () => true,
          () => false,
        )
        expect([jwk, alg, algorithmsOf(jwk).includes(alg)]).toEqual([jwk, alg, isTaken])
      }
    }
  })
})

describe('RFC 7515 §4.1.4: which keys are tried', () => {
  test('the ones with the kid and a fitting algorithm', () => {
    const set = read(ec, rsaJwk)
    expect(set.find(es256('k1')).map(({ kid }) => kid)).toEqual(['k1'])
    expect(set.find({ alg: 'RS256', kid: 'k1', issuers: [] })).toEqual([])
    expect(set.find(es256('K1'))).toEqual([])
    expect(set.find(es256('toString'))).toEqual([])
  })

  test('duplicate kids of one type in the order of the set, at most three', () => {
    const set = read(...['k1', 'k1', 'other', 'k1', 'k1'].map(kid => ecJwk(kid)))
    expect(set.find(es256('k1'))).toEqual([set.keys[0], set.keys[1], set.keys[3]])
  })

  test('duplicate kids of different types by algorithm', () => {
    const set = read({ ...rsaJwk, kid: 'k1' }, ec)
    expect(set.find(es256('k1'))).toEqual([set.keys[1]])
  })

  test('a member that is listed twice is one key', () => {
    expect(read(ec, ec).find(es256(undefined))).toHaveLength(1)
  })

  test('without a kid every one that fits, named or not, up to three', () => {
    expect(read(ec, rsaJwk).find(es256(undefined))).toHaveLength(1)
    expect(read(ec, ecJwk('k2'), ecJwk()).find(es256(undefined))).toHaveLength(3)
    expect(read(rsaJwk).find(es256(undefined))).toEqual([])
  })

  test('without a kid the newest come first, whatever the order of the set', () => {
    const [a, b, c] = [ecJwk('a'), ecJwk('b'), ecJwk('c')]
    const next = JWK_SET.read({ keys: [a, b] }, read(a))
    expect(next.find(es256(undefined)).map(({ kid }) => kid)).toEqual(['b', 'a'])
    const third = JWK_SET.read({ keys: [a, b, c] }, next)
    expect(third.find(es256(undefined)).map(({ kid }) => kid)).toEqual(['c', 'b', 'a'])
    expect(
      JWK_SET.read({ keys: [b, a] }, third)
        .find(es256(undefined))
        .map(({ kid }) => kid),
    ).toEqual(['b', 'a'])
  })

  test('without a kid none where more than three fit, and the evidence says why', () => {
    const set = read(...['a', 'b', 'c', 'd'].map(kid => ecJwk(kid)))
    const refusal = thrownBy(() => set.find(es256(undefined)))
    expect(refusal).toMatchObject({ code: 'key_unknown', evidence: { fitting_keys: 4 } })
    expect(set.find(es256('d'))).toEqual([set.keys[3]])
  })

  test('a key without a kid is the last one for a token that names one', () => {
    const set = read(ecJwk(), ec, ecJwk('k2'))
    expect(set.find(es256('k1'))).toEqual([set.keys[1], set.keys[0]])
    expect(set.find(es256('elsewhere'))).toEqual([set.keys[0]])
  })

  test('an empty kid is a name like any other', () => {
    expect(read(ecJwk('')).find(es256(''))).toHaveLength(1)
  })
})

describe('Wycheproof key sets', () => {
  interface Group {
    readonly comment: string
    readonly private: { readonly keys: ReadonlyArray<Readonly<Record<string, unknown>>> }
    readonly public?: { readonly keys: readonly unknown[] }
  }
  const vectors = new URL('../../../shared/vectors/wycheproof/json_web_key_test.json', import.meta.url)
  const isThere = existsSync(vectors)

  test.skipIf(!isThere && !process.env.CI)(
    'no private or symmetric member yields a key, no bad public one either',
    () => {
      const { testGroups } = JSON.parse(readFileSync(vectors, 'utf8')) as { testGroups: readonly Group[] }
      expect(testGroups.length).toBeGreaterThan(20)
      const accepted = testGroups.flatMap(({ comment, private: privateSet, public: publicSet = { keys: [] } }) =>
        JWK_SET.read({ keys: [...privateSet.keys, ...publicSet.keys] }, EMPTY_JWK_SET).keys.map(({ kid }) => [
          comment,
          kid,
        ]),
      )
      expect(accepted).toEqual([
        ['jws_mixedSymmetryKeyset', 'kid-ec-sign'],
        ['rs256', 'kid-rsa-sign'],
      ])
    },
  )
})
