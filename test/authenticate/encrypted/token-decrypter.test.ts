/** That encrypted tokens are opened, that whatever fails is one refusal, and what requests share. */
import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  CONTENT_ENCRYPTIONS,
  DEFAULT_ENCRYPTIONS,
  DEFAULT_KEY_MANAGEMENT,
  KEY_MANAGEMENT_ALGORITHMS,
} from '../../../src/authenticate/decryption.ts'
import { decryptionGate } from '../../../src/authenticate/encrypted/gate.ts'
import { refusal, refusalCode } from '../support.ts'
import { decrypterOf, encrypted, JWS, newKey, watched, withHeader } from './support.ts'

const ecKey = newKey('P-256', { kid: 'ec' })
const rsaKey = newKey('RSA', { kid: 'rsa' })
const ALL = KEY_MANAGEMENT_ALGORITHMS.flatMap(alg => CONTENT_ENCRYPTIONS.map(enc => [alg, enc] as const))

describe('a token is opened', () => {
  test.each(ALL)('that is encrypted by %s and %s', async (alg, enc) => {
    const key = alg.startsWith('RSA') ? rsaKey : ecKey
    const { decrypt, counted } = decrypterOf({ main: { keys: [rsaKey, ecKey] } })
    const token = await encrypted(key, { alg, enc, kid: key.kid })
    expect(await decrypt(token)).toEqual({ jws: JWS, providers: new Set(['main']) })
    expect(counted).toEqual(['main ok'])
  })

  test.each(['P-256', 'P-384', 'P-521', 'X25519'] as const)('that is encrypted for a key on %s', async curve => {
    const keys = (['X25519', 'P-521', 'P-384', 'P-256'] as const).map(type => newKey(type))
    const key = keys.find(({ publicJwk }) => publicJwk.crv === curve) ?? ecKey
    const { decrypt } = decrypterOf({ main: { keys } })
    for (const alg of ['ECDH-ES', 'ECDH-ES+A256KW'])
      expect((await decrypt(await encrypted(key, { alg }))).jws).toBe(JWS)
  })

  test.each(['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/jwt', 'application/at+jwt', 'Application/AT+JWT'])(
    'whose cty is %s',
    async cty => {
      const { decrypt } = decrypterOf({ main: { keys: [ecKey] } })
      expect((await decrypt(await encrypted(ecKey, { cty }))).jws).toBe(JWS)
    },
  )

  test('whatever claims its header repeats, since nobody has signed those', async () => {
    const { decrypt } = decrypterOf({ main: { keys: [ecKey] } })
    const token = await encrypted(ecKey, { iss: 'https://evil.example/', sub: 'root', aud: ['x'], typ: 'secret' })
    expect((await decrypt(token)).jws).toBe(JWS)
  })

  test('whatever text is inside: whether that is a signed token is for others to say', async () => {
    const { decrypt, counted } = decrypterOf({ main: { keys: [ecKey] } })
    for (const text of ['', '{"sub":"root"}', 'a.b', 'a.b.c.d', 'a.b.c.d.e.f'])
      expect((await decrypt(await encrypted(ecKey, {}, text))).jws).toBe(text)
    expect(counted).toEqual(Array(5).fill('main ok'))
  })

  test('by default with sound algorithms that can be listed', () => {
    expect(DEFAULT_KEY_MANAGEMENT).toEqual(['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256'])
    expect(DEFAULT_ENCRYPTIONS).toEqual(['A256GCM', 'A128GCM', 'A128CBC-HS256', 'A256CBC-HS512'])
    for (const name of ['RSA1_5', 'dir', 'A256KW', 'A256GCMKW', 'PBES2-HS256+A128KW'])
      expect(KEY_MANAGEMENT_ALGORITHMS).not.toContain(name)
  })
})

describe('what is inside is malformed', () => {
  test.each([
    ['when it is encrypted once more', 'a.b.c.d.e', 'what was encrypted is encrypted once more'],
    ['when it is no ASCII text', 'ä.b.c', 'what was encrypted is no ASCII text'],
    ['when it is no text', randomBytes(99), 'what was encrypted is no ASCII text'],
  ])('%s', async (_, plaintext, reason) => {
    const { decrypt, counted } = decrypterOf({ main: { keys: [ecKey] } })
    const denial = await refusal(async () => decrypt(await encrypted(ecKey, {}, plaintext)))
    expect([denial.code, denial.evidence]).toEqual(['token_malformed', { reason }])
    expect(counted).toEqual(['main ok'])
  })
})

describe('every failure after the header is the same refusal', () => {
  test('for a wrong key, a wrong tag, a wrong padding, a wrong text and no key', async () => {
    const { decrypt, counted } = decrypterOf({ main: { keys: [rsaKey] } })
    const header = { alg: 'RSA-OAEP', enc: 'A128CBC-HS256', kid: 'rsa' }
    const token = await encrypted(rsaKey, header)
    const flipped = (part: number, at: number): string => {
      const parts = token.split('.')
      const bytes = Buffer.from(parts[part] ?? '', 'base64url')
      bytes[bytes.length + at] = (bytes.at(at) ?? 0) ^ 1
      return parts.with(part, bytes.toString('base64url')).join('.')
    }
    const nobodys = decrypterOf({ main: { keys: [{ ...rsaKey, kid: 'x', thumbprint: 'x' }] } })
    const outcomes = [
      refusal(async () => decrypt(await encrypted(newKey('RSA'), header))),
      refusal(() => decrypt(flipped(1, -1))),
      refusal(() => decrypt(flipped(2, -1))),
      refusal(() => decrypt(flipped(3, -1))),
      refusal(() => decrypt(flipped(4, -1))),
      refusal(() => decrypt(token.split('.').with(1, '').join('.'))),
      refusal(() => nobodys.decrypt(token)),
    ]
    for (const denial of await Promise.all(outcomes)) {
      expect({ ...denial, message: denial.message, cause: denial.cause }).toEqual({
        name: 'Denial',
        code: 'decryption_failed',
        message: 'decryption_failed',
        evidence: header,
        provider: undefined,
        retryAfterSeconds: undefined,
        cause: undefined,
      })
    }
    expect(counted).toEqual(Array(6).fill('main failed'))
  })

  test('and shows a name that nobody knows as far as it is printable', async () => {
    const { decrypt } = decrypterOf({ main: { keys: [ecKey] } })
    const denial = await refusal(async () => decrypt(await encrypted(ecKey, { kid: `\n${'k'.repeat(500)}` })))
    expect(denial.evidence).toEqual({ alg: 'ECDH-ES', enc: 'A128GCM', kid: `?${'k'.repeat(199)}...` })
  })
})

describe('requests at the same time', () => {
  test('share one decryption when they bring the same token', async () => {
    const uses: string[] = []
    const { decrypt, counted } = decrypterOf(
      { main: { keys: [watched(ecKey, uses)] } },
      decryptionGate({ atOnce: 1, waiting: 0 }),
    )
    const token = await encrypted(ecKey)
    const opened = await Promise.all(Array.from({ length: 1000 }, () => decrypt(token)))
    expect(new Set(opened)).toEqual(new Set([{ jws: JWS, providers: new Set(['main']) }]))
    expect(uses).toEqual(['ec'])
    expect(counted).toEqual(['main ok'])

    await decrypt(token)
    expect(uses).toEqual(['ec', 'ec'])
  })

  test('share one refusal, too, and the next request asks again', async () => {
    const uses: string[] = []
    const { decrypt, counted } = decrypterOf({ main: { keys: [watched(ecKey, uses)] } })
    const token = await encrypted(newKey('P-256'))
    const refusals = await Promise.all(Array.from({ length: 1000 }, () => refusal(() => decrypt(token))))
    expect(new Set(refusals).size).toBe(1)
    expect(uses).toEqual(['ec'])
    expect(await refusalCode(() => decrypt(token))).toBe('decryption_failed')
    expect(counted).toEqual(['main failed', 'main failed'])
  })

  test('are decrypted four at a time, 256 wait, and the 261st is refused', async () => {
    const { decrypt, counted } = decrypterOf({ main: { keys: [ecKey] } })
    const tokens = await Promise.all(Array.from({ length: 261 }, () => encrypted(ecKey)))
    const outcomes = await Promise.allSettled(tokens.map(decrypt))
    expect(outcomes.slice(0, 260).every(({ status }) => status === 'fulfilled')).toBe(true)
    expect(outcomes[260]).toMatchObject({ status: 'rejected', reason: { code: 'overloaded', retryAfterSeconds: 1 } })
    expect(counted.filter(each => each === 'main ok')).toHaveLength(260)
    expect(counted.filter(each => each === 'main overloaded')).toHaveLength(1)
  })

  test('take no place from each other for what is refused by its header or for want of a key', async () => {
    const full = decryptionGate({ atOnce: 0, waiting: 0 })
    const { decrypt } = decrypterOf({ main: { keys: [ecKey] } }, full)
    expect(await refusalCode(() => decrypt(withHeader({ alg: 'dir', enc: 'A128GCM', cty: 'JWT' })))).toBe(
      'algorithm_not_allowed',
    )
    expect(await refusalCode(async () => decrypt(await encrypted(ecKey, { kid: 'x' })))).toBe('decryption_failed')
    expect(await refusalCode(async () => decrypt(await encrypted(ecKey)))).toBe('overloaded')
  })

  test('of all routes share the gate', async () => {
    const gate = decryptionGate({ atOnce: 1, waiting: 0 })
    const [one, two] = [decrypterOf({ a: { keys: [ecKey] } }, gate), decrypterOf({ b: { keys: [ecKey] } }, gate)]
    const [first, second] = [await encrypted(ecKey), await encrypted(ecKey)]
    const opened = one.decrypt(first)
    expect(await refusalCode(() => two.decrypt(second))).toBe('overloaded')
    expect((await opened).jws).toBe(JWS)
    expect((await two.decrypt(second)).jws).toBe(JWS)
    expect(two.counted).toEqual(['b overloaded', 'b ok'])
  })
})
