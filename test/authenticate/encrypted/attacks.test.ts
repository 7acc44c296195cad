/** Tokens that only an attacker makes. Each test shows what a naive implementation would open, and ours does not. */
import { createECDH, createPublicKey, diffieHellman, type webcrypto } from 'node:crypto'
import fc from 'fast-check'
import { CompactEncrypt } from 'jose'
import { describe, expect, test } from 'vitest'
import type { DecryptionKey } from '../../../src/authenticate/decryption.ts'
import { decryptionKey } from '../../../src/authenticate/encrypted/decryption-keys.ts'
import { parseCompactJwe } from '../../../src/authenticate/encrypted/jwe-header.ts'
import { plaintextOf } from '../../../src/authenticate/encrypted/plaintext.ts'
import { refusal, refusalCode } from '../support.ts'
import {
  agreed,
  base64url,
  decrypterOf,
  encrypted,
  JWS,
  newKey,
  privateJwk,
  untouchable,
  withHeader,
} from './support.ts'

const ecText = privateJwk('P-256', { kid: 'ec' })
const ecKey = decryptionKey(Buffer.from(ecText))
const rsaKey = newKey('RSA', { kid: 'rsa' })
const okpKey = newKey('X25519', { kid: 'okp' })
const everything = { main: { keys: [ecKey, rsaKey, okpKey] } }

/** What becomes of a token that names no key; the search for keys by curve is passed over, too. */
async function outcomes(token: string, key: DecryptionKey): Promise<readonly unknown[]> {
  const { decrypt } = decrypterOf({ main: { keys: [key] } })
  return [await refusalCode(() => decrypt(token)), await plaintextOf(parseCompactJwe(token), key)]
}

const REFUSED = ['decryption_failed', undefined]

const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n
type Point = readonly [x: bigint, y: bigint]

const mod = (value: bigint): bigint => ((value % P) + P) % P
function power(base: bigint, exponent: bigint): bigint {
  let result = 1n
  for (let square = mod(base), rest = exponent; rest > 0n; rest >>= 1n, square = mod(square * square))
    if (rest & 1n) result = mod(result * square)
  return result
}
const inverse = (value: bigint): bigint => power(value, P - 2n)

/** Adds as P-256 does. The formulas never use `b`, so they work on every curve that differs in `b` alone. */
function sum(one: Point | undefined, two: Point | undefined): Point | undefined {
  if (one === undefined || two === undefined) return one ?? two
  const [x1, y1] = one
  const [x2, y2] = two
  if (x1 === x2 && mod(y1 + y2) === 0n) return undefined
  const slope = x1 === x2 ? mod((3n * x1 * x1 - 3n) * inverse(2n * y1)) : mod((y2 - y1) * inverse(x2 - x1))
  const x = mod(slope * slope - x1 - x2)
  return [x, mod(slope * (x1 - x) - y1)]
}

function times(scalar: bigint, point: Point): Point | undefined {
  let result: Point | undefined
  let double: Point | undefined = point
  for (let rest = scalar; rest > 0n; rest >>= 1n, double = sum(double, double))
    if (rest & 1n) result = sum(result, double)
  return result
}

const bytesOf = (value: bigint): Buffer => Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
const numberOf = (text: string | undefined): bigint =>
  BigInt(`0x${Buffer.from(text ?? '', 'base64url').toString('hex')}`)

/** What a decrypter that does not check the curve would agree on with this point. */
function agreedOn(point: Point): string {
  const { d } = JSON.parse(ecText) as { d: string }
  const secret = times(numberOf(d), point)
  const [x, y] = point.map(value => bytesOf(value).toString('base64url'))
  return agreed(bytesOf(secret?.[0] ?? 0n), { kty: 'EC', crv: 'P-256', x, y })
}

describe('the ephemeral key', () => {
  test('on the curve is what these tests can make tokens with', async () => {
    const ephemeral = createECDH('prime256v1')
    const point = ephemeral.generateKeys()
    const on: Point = [BigInt(`0x${point.toString('hex', 1, 33)}`), BigInt(`0x${point.toString('hex', 33)}`)]
    const { decrypt } = decrypterOf({ main: { keys: [ecKey] } })
    expect((await decrypt(agreedOn(on))).jws).toBe(JWS)
  })

  test('off the curve opens nothing, however well the rest fits', async () => {
    const points: readonly Point[] = [
      // Of order 113 on a curve with another `b`: the best known of the invalid points.
      [
        numberOf('gTli65eTQ7z-Bh147ff8K3m7k2UiDiG2LpYkWAaFJCc'),
        numberOf('cLAnjKa4bzjD7DJVPwa9EPrRzMG7rONgsiUD-kf30Fs'),
      ],
      [1n, 1n],
      [numberOf(base64url('abscissa')), numberOf(base64url('ordinate'))],
    ]
    for (const point of points) expect(await outcomes(agreedOn(point), ecKey)).toEqual(REFUSED)
    expect(times(113n, points[0] ?? [0n, 0n])).toBeUndefined()
  })

  test('of small order on X25519 opens nothing, whose shared secret is known to be zero', async () => {
    const zero = Buffer.alloc(32)
    const points = [
      '0000000000000000000000000000000000000000000000000000000000000000',
      '0100000000000000000000000000000000000000000000000000000000000000',
      'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800',
      '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157',
      'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
      'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
    ]
    for (const point of points) {
      const epk = { kty: 'OKP', crv: 'X25519', x: Buffer.from(point, 'hex').toString('base64url') }
      expect(await outcomes(agreed(zero, epk), okpKey)).toEqual(REFUSED)
    }
    const ephemeral = newKey('X25519')
    const secret = diffieHellman({ privateKey: okpKey.key, publicKey: createPublicKey(ephemeral.key) })
    const { decrypt } = decrypterOf({ main: { keys: [okpKey] } })
    const { kty, crv, x } = ephemeral.publicJwk
    expect((await decrypt(agreed(secret, { kty, crv, x }))).jws).toBe(JWS)
  })

  test('of another curve opens nothing, and is tried with no key of this one', async () => {
    for (const type of ['P-384', 'P-521', 'X25519'] as const) {
      const stranger = newKey(type)
      const token = await encrypted(stranger)
      expect(await outcomes(token, ecKey)).toEqual(REFUSED)
      const { decrypt } = decrypterOf({ main: { keys: [untouchable(ecKey)] } })
      expect(await refusalCode(() => decrypt(token))).toBe('decryption_failed')
    }
  })

  test('that lies about its curve opens nothing', async () => {
    const { x } = newKey('P-384').publicJwk
    const { x: own, y: ownY } = newKey('P-256').publicJwk
    for (const epk of [
      { kty: 'EC', crv: 'P-256', x, y: x },
      { kty: 'OKP', crv: 'P-256', x: own },
      { kty: 'OKP', crv: 'X25519', x: own },
      { kty: 'EC', crv: 'X25519', x: own, y: ownY },
      { kty: 'oct', crv: 'P-256', k: own },
    ]) {
      const token = agreed(Buffer.alloc(32), epk)
      expect(await outcomes(token, ecKey)).toEqual(REFUSED)
      expect(await outcomes(token, okpKey)).toEqual(REFUSED)
    }
  })

  test.each([
    ...[undefined, null, 7, 'P-256', [], {}, { kty: 'EC' }, { crv: 'P-256' }, { kty: 'EC', crv: 'P-256' }],
    ...[
      { kty: 'EC', crv: ['P-256'], x: 'AA', y: 'AA' },
      { kty: 'EC', crv: 'P-256', x: 1, y: 2 },
    ],
    { kty: 'EC', crv: 'P-256', x: '', y: '' },
    { kty: 'EC', crv: 'P-256', x: 'A'.repeat(1e5), y: 'A'.repeat(1e5) },
  ])('opens nothing when it is %j', async epk => {
    const token = agreed(Buffer.alloc(32), epk)
    for (const key of [ecKey, okpKey]) expect(await outcomes(token, key)).toEqual(REFUSED)
  })

  test('with a private half opens nothing', async () => {
    const whole = JSON.parse(privateJwk('P-256')) as webcrypto.JsonWebKey
    expect(await outcomes(agreed(Buffer.alloc(32), whole), ecKey)).toEqual(REFUSED)
  })
})

describe('a token that was changed', () => {
  const CASES = [
    ['ECDH-ES', 'A128GCM', ecKey],
    ['ECDH-ES+A256KW', 'A256CBC-HS512', okpKey],
    ['RSA-OAEP-256', 'A128CBC-HS256', rsaKey],
  ] as const

  test.each(CASES)('in any byte is refused: %s, %s', async (alg, enc, key) => {
    const { decrypt, counted } = decrypterOf({ main: { keys: [key] } })
    const parts = (await encrypted(key, { alg, enc })).split('.')
    const codes = await Promise.all(
      parts.map(async (part, index) => {
        const seen = new Set<string>()
        const bytes = Buffer.from(part, 'base64url')
        for (let at = 0; at < bytes.length; at += 1) {
          const changed = Buffer.from(bytes)
          changed[at] = (bytes[at] ?? 0) ^ (1 << (at % 8))
          seen.add(await refusalCode(() => decrypt(parts.with(index, changed.toString('base64url')).join('.'))))
        }
        return seen
      }),
    )
    const [header, ...others] = codes
    for (const code of header ?? []) expect(HEADER_CODES).toContain(code)
    for (const seen of others) expect([...seen]).toEqual(seen.size === 0 ? [] : ['decryption_failed'])
    expect(others.filter(({ size }) => size === 0)).toHaveLength(alg === 'ECDH-ES' ? 1 : 0)
    expect(counted).not.toContain('main ok')
  })

  test.each(CASES)('in the length of a part is refused: %s, %s', async (alg, enc, key) => {
    const { decrypt } = decrypterOf({ main: { keys: [key] } })
    const parts = (await encrypted(key, { alg, enc })).split('.')
    for (const [index, part] of parts.entries()) {
      if (index === 0) continue
      const bytes = Buffer.from(part, 'base64url')
      const lengths = [0, 1, 4, 8, 12, 15, 16, bytes.length - 16, bytes.length - 1].filter(
        length => length >= 0 && length < bytes.length,
      )
      const others = [...lengths.map(length => bytes.subarray(0, length)), Buffer.concat([bytes, Buffer.alloc(1)])]
      for (const other of [...others, Buffer.concat([bytes, bytes, Buffer.alloc(16)])]) {
        const token = parts.with(index, other.toString('base64url')).join('.')
        expect(await refusalCode(() => decrypt(token))).toBe('decryption_failed')
      }
    }
  })

  test('with the parts of another token is refused', async () => {
    const { decrypt } = decrypterOf({ main: { keys: [ecKey] } })
    const [one, two] = [(await encrypted(ecKey)).split('.'), (await encrypted(ecKey)).split('.')]
    for (const index of [0, 2, 3, 4])
      expect(await refusalCode(() => decrypt(one.with(index, two[index] ?? '').join('.')))).toBe('decryption_failed')
  })
})

describe('a token that costs', () => {
  test('nothing when it is a bomb: compression is refused before any key is touched', async () => {
    const bomb = await new CompactEncrypt(Buffer.alloc(10_000_000, '.'))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A128GCM', cty: 'JWT', zip: 'DEF' })
      .encrypt(createPublicKey(ecKey.key))
    expect(bomb.length).toBeLessThan(20_000)
    const { decrypt, counted } = decrypterOf({ main: { keys: [untouchable(ecKey)] } })
    const denial = await refusal(() => decrypt(bomb))
    expect([denial.code, denial.evidence]).toMatchObject(['algorithm_not_allowed', { refusedParameter: 'zip' }])
    expect(counted).toEqual(['main refused'])
  })

  test('no counting when it asks for 2^31 rounds of PBES2, with or without saying so', async () => {
    const { decrypt } = decrypterOf({ main: { keys: [untouchable(ecKey)] } })
    for (const rounds of [{ p2c: 2 ** 31, p2s: base64url('saltsaltsalt') }, {}]) {
      const token = withHeader({ alg: 'PBES2-HS512+A256KW', enc: 'A128GCM', cty: 'JWT', ...rounds })
      expect(await refusalCode(() => decrypt(token))).toBe('algorithm_not_allowed')
    }
  })

  test('no RSA when it asks for RSA1_5, which would tell about its padding', async () => {
    const { decrypt } = decrypterOf({ main: { keys: [untouchable(rsaKey)] } })
    const parts = (await encrypted(rsaKey, { kid: 'rsa' })).split('.')
    const header = base64url({ alg: 'RSA1_5', enc: 'A128GCM', cty: 'JWT', kid: 'rsa' })
    expect(await refusalCode(() => decrypt(parts.with(0, header).join('.')))).toBe('algorithm_not_allowed')
  })

  test('no agreement when a large encrypted key comes with ECDH-ES, which takes none', async () => {
    const parts = (await encrypted(ecKey)).split('.')
    const token = parts.with(1, 'AAAA'.repeat(10_000)).join('.')
    expect(await outcomes(token, ecKey)).toEqual(REFUSED)
  })
})

const HEADER_CODES = ['token_malformed', 'algorithm_not_allowed', 'decryption_failed']

test('whatever a header holds, the token is refused with one of three codes', async () => {
  const name = fc.constantFrom(
    ...['alg', 'enc', 'cty', 'kid', 'epk', 'apu', 'apv', 'zip', 'crit', 'p2c', 'jku', 'typ', 'iss', 'iv', 'tag'],
  )
  const { kty, crv, x, y } = newKey('P-256').publicJwk
  const value = fc.oneof(
    fc.constantFrom(
      ...['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP', 'RSA1_5', 'dir', 'A128GCM', 'A256CBC-HS512', 'JWT', 'at+jwt'],
      ...['ec', 'rsa', '', 'AAAA', 'DEF'],
      { kty, crv, x, y },
      { kty, crv, x, y: x },
    ),
    fc.jsonValue(),
  )
  const plausible = fc.record({
    alg: fc.constantFrom('ECDH-ES', 'ECDH-ES+A128KW', 'RSA-OAEP', 'RSA-OAEP-512'),
    enc: fc.constantFrom('A128GCM', 'A192CBC-HS384'),
    cty: fc.constant('JWT'),
    epk: fc.constant({ kty, crv, x, y }),
  })
  const change = fc.dictionary(name, value, { maxKeys: 4 })
  const header = fc.oneof(
    fc.tuple(plausible, change).map(([base, changes]) => JSON.stringify({ ...base, ...changes })),
    fc.json(),
    fc.string({ unit: 'binary' }),
  )
  const part = fc.oneof(
    fc.base64String().map(text => base64url(text)),
    fc.string(),
    fc.constant(''),
  )
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(header, fc.array(part, { minLength: 3, maxLength: 5 }), async (text, others) => {
      const { decrypt, counted } = decrypterOf(everything)
      const code = await refusalCode(() => decrypt([base64url(text), ...others].join('.')))
      expect(HEADER_CODES).toContain(code)
      expect(counted).toEqual([code === 'decryption_failed' ? 'main failed' : 'main refused'])
      seen.add(code)
    }),
    { numRuns: 1500 },
  )
  expect(seen).toEqual(new Set(HEADER_CODES))
}, 20_000)
