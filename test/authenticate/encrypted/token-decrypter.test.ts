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
import { decrypterOf, encrypted, JWS, newKey, untouchable, watched, withHeader } from './support.ts'

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

describe('the header is judged before any key is touched', () => {
  const sound = { alg: 'ECDH-ES', enc: 'A128GCM', cty: 'JWT', kid: 'ec', epk: { kty: 'EC', crv: 'P-256' } }
  const { decrypt, counted } = decrypterOf({ main: { keys: [untouchable(ecKey), untouchable(rsaKey)] } })

  test('and the keys of this test notice when they are touched', async () => {
    await expect(decrypt(await encrypted(ecKey))).rejects.toThrow('a key was touched')
  })

  test.each([
    ...['zip', 'crit', 'b64', 'p2c', 'p2s', 'jku', 'jwk', 'x5u', 'x5c'].flatMap(name =>
      [null, '', 'DEF', 1, [name], { kty: 'EC' }].map(value => [name, value] as const),
    ),
    ['p2c', 2 ** 31] as const,
  ])('%s is refused by its presence: %j', async (name, value) => {
    const denial = await refusal(() => decrypt(withHeader({ ...sound, [name]: value })))
    expect([denial.code, denial.evidence]).toEqual([
      'algorithm_not_allowed',
      { alg: 'ECDH-ES', enc: 'A128GCM', refusedParameter: name },
    ])
  })

  test.each([
    ...['RSA1_5', 'dir', 'A128KW', 'A256KW', 'A128GCMKW', 'A256GCMKW', 'PBES2-HS256+A128KW', 'PBES2-HS512+A256KW'],
    ...['none', '', 'ecdh-es', 'ECDH-ES ', 'RSA-OAEP-224', 'HPKE-0', 'ES256', '__proto__', 'constructor'],
  ])('the algorithm %j is refused', async alg => {
    const denial = await refusal(() => decrypt(withHeader({ ...sound, alg })))
    expect([denial.code, denial.evidence]).toEqual(['algorithm_not_allowed', { alg, enc: 'A128GCM' }])
  })

  test.each(['none', '', 'A128CBC', 'a128gcm', 'A128GCM ', 'C20P', 'toString'])(
    'the encryption %j is refused',
    async enc => {
      expect(await refusalCode(() => decrypt(withHeader({ ...sound, enc })))).toBe('algorithm_not_allowed')
    },
  )

  test.each([
    undefined,
    null,
    7,
    '',
    'json',
    'application/json',
    'text/jwt',
    'jwt ',
    ' JWT',
    'JWE',
    'logout+jwt',
    ['JWT'],
  ])('cty must be JWT or at+jwt, and not %j', async cty => {
    expect(await refusalCode(() => decrypt(withHeader({ ...sound, cty })))).toBe('token_malformed')
  })

  test.each([
    ['alg is no string', { ...sound, alg: 1 }],
    ['alg is no string', { ...sound, alg: undefined }],
    ['enc is no string', { ...sound, enc: ['A128GCM'] }],
    ['enc is no string', { ...sound, enc: null }],
    ['kid is no string', { ...sound, kid: 7 }],
    ['header is no JSON object', ['ECDH-ES']],
    ['header is no JSON object', 'null'],
    ['header: not JSON', '{"alg":"ECDH-ES"'],
    ['header: not JSON', ''],
    ['header: duplicate member name', '{"alg":"RSA1_5","alg":"ECDH-ES","enc":"A128GCM","cty":"JWT"}'],
    ['header: duplicate member name', '{"alg":"ECDH-ES","enc":"A128GCM","cty":"JWT","epk":{"x":"","\\u0078":""}}'],
    ['header: nested too deeply', `{"alg":"ECDH-ES","enc":"A128GCM","x":${'['.repeat(1e5)}${']'.repeat(1e5)}}`],
    ['header: member name __proto__', '{"__proto__":{"alg":"ECDH-ES"},"enc":"A128GCM"}'],
  ])('a header is malformed: %s', async (reason, header) => {
    const denial = await refusal(() => decrypt(withHeader(header)))
    expect([denial.code, denial.evidence]).toEqual(['token_malformed', { reason }])
  })

  test('a huge header is read like any other, and only its beginning is shown', async () => {
    const denial = await refusal(() => decrypt(withHeader({ ...sound, alg: 'A'.repeat(1e6), x: 'x'.repeat(1e6) })))
    expect(denial.code).toBe('algorithm_not_allowed')
    expect(JSON.stringify(denial.evidence).length).toBeLessThan(300)
  })

  test('what has not five parts is malformed', async () => {
    const token = withHeader(sound)
    for (const text of [
      '',
      '.',
      'a.b.c',
      token.slice(0, token.lastIndexOf('.')),
      `${token}.`,
      `${token}.x`,
      '.'.repeat(1e6),
    ])
      expect(await refusalCode(() => decrypt(text))).toBe('token_malformed')
  })

  test('every part has one spelling', async () => {
    const parts = withHeader(sound).split('.')
    for (const [index, part] of parts.entries()) {
      const spellings = [
        `${part}=`,
        `${part}==`,
        `${part}\n`,
        ` ${part}`,
        `${part.slice(0, 1)} ${part.slice(1)}`,
        `${part}!`,
      ]
      // The last character of these texts has bits that mean nothing.
      const stray = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      const last = stray.indexOf(part.slice(-1))
      if (part.length % 4 > 1) spellings.push(part.slice(0, -1) + stray[last + 1])
      for (const spelling of spellings) {
        const text = parts.with(index, spelling).join('.')
        expect(await refusalCode(() => decrypt(text))).toBe('token_malformed')
      }
    }
    const plus = withHeader(sound).replace(/[^.]*$/, '')
    for (const text of ['--8', '__8'])
      expect(await refusalCode(() => decrypt(`${plus}${text.replaceAll('-', '+').replaceAll('_', '/')}`))).toBe(
        'token_malformed',
      )
  })

  test('and all of that is counted as refused', () => {
    expect(new Set(counted)).toEqual(new Set(['main refused']))
  })
})

describe('keys', () => {
  const other = newKey('P-256', { kid: 'other' })

  test('of another name than the token says are not tried', async () => {
    const { decrypt, counted } = decrypterOf({ main: { keys: [untouchable(ecKey)] } })
    for (const kid of ['unknown', '', 'EC', 'ec '])
      expect(await refusalCode(async () => decrypt(await encrypted(ecKey, { kid })))).toBe('decryption_failed')
    expect(new Set(counted)).toEqual(new Set(['main failed']))
  })

  test('are named by their thumbprint where nothing else names them', async () => {
    const key = newKey('X25519')
    const { decrypt } = decrypterOf({ main: { keys: [untouchable(other), key] } })
    expect((await decrypt(await encrypted(key, { kid: key.thumbprint }))).jws).toBe(JWS)
  })

  test('of one name are all tried', async () => {
    const uses: string[] = []
    const same = Array.from({ length: 5 }, () => newKey('P-256', { kid: 'same' }))
    const { decrypt } = decrypterOf({ main: { keys: same.map(key => watched(key, uses)) } })
    const last = same[4] ?? ecKey
    expect((await decrypt(await encrypted(last, { kid: 'same' }))).jws).toBe(JWS)
    expect(uses).toHaveLength(5)
  })

  test('are tried from the first, and no more than three, for a token that names none', async () => {
    const keys = ['1', '2', '3', '4'].map(kid => newKey('P-256', { kid }))
    const seen = await Promise.all(
      keys.map(async key => {
        const uses: string[] = []
        const { decrypt } = decrypterOf({ main: { keys: keys.map(each => watched(each, uses)) } })
        const outcome = await decrypt(await encrypted(key)).then(
          () => 'opened',
          error => error.code,
        )
        return [outcome, ...uses]
      }),
    )
    expect(seen).toEqual([
      ['opened', '1'],
      ['opened', '1', '2'],
      ['opened', '1', '2', '3'],
      ['decryption_failed', '1', '2', '3'],
    ])
  })

  test('of another type, curve or algorithm are not among those three', async () => {
    const unfit = [
      ...(['P-384', 'P-521', 'X25519', 'RSA'] as const).map(type => newKey(type)),
      newKey('P-256', { alg: 'ECDH-ES+A256KW' }),
    ]
    const { decrypt } = decrypterOf({ main: { keys: [...unfit.map(untouchable), ecKey] } })
    expect((await decrypt(await encrypted(ecKey))).jws).toBe(JWS)
  })

  test('of each provider come before the second ones of any', async () => {
    const uses: string[] = []
    const keys = ['1', '2', '3', '4'].map(kid => watched(newKey('P-256', { kid }), uses))
    const { decrypt, counted } = decrypterOf({ many: { keys }, one: { keys: [watched(ecKey, uses)] } })
    expect((await decrypt(await encrypted(ecKey))).providers).toEqual(new Set(['one']))
    expect(uses).toEqual(['1', 'ec'])
    expect(counted).toEqual(['one ok'])
  })

  test('of a provider whose rules do not list the algorithms are not used', async () => {
    const token = await encrypted(ecKey, { kid: 'ec' })
    const rules = [{ algorithms: ['RSA-OAEP'] }, { encryptions: ['A256GCM'] }]
    for (const rule of rules) {
      const { decrypt, counted } = decrypterOf({
        main: { keys: [other] },
        strict: { keys: [untouchable(ecKey)], ...rule },
      })
      expect(await refusalCode(() => decrypt(token))).toBe('decryption_failed')
      expect(counted).toEqual(['main failed'])
    }
    const neither = decrypterOf({
      one: { keys: [untouchable(ecKey)], algorithms: ['RSA-OAEP'] },
      two: { keys: [untouchable(ecKey)], encryptions: ['A256GCM'] },
    })
    expect(await refusalCode(() => neither.decrypt(token))).toBe('algorithm_not_allowed')
    expect(neither.counted).toEqual(['one refused'])
  })

  test('of another provider open the token for that one only', async () => {
    const { decrypt, counted } = decrypterOf({ first: { keys: [other] }, second: { keys: [ecKey] } })
    expect(await decrypt(await encrypted(ecKey, { kid: 'ec' }))).toEqual({ jws: JWS, providers: new Set(['second']) })
    expect(counted).toEqual(['second ok'])
  })

  test('that several hold are tried once, whatever their names, and open the token for all who may', async () => {
    const uses: string[] = []
    const renamed = watched({ ...ecKey, kid: 'renamed' }, uses)
    const narrowed = watched({ ...ecKey, algorithms: new Set(['ECDH-ES+A256KW']) }, uses)
    const { decrypt, counted } = decrypterOf({
      one: { keys: [watched(ecKey, uses)] },
      two: { keys: [renamed] },
      three: { keys: [narrowed] },
      four: { keys: [watched(ecKey, uses)], encryptions: ['A256GCM'] },
    })
    const token = await encrypted(ecKey)
    expect(await decrypt(token)).toEqual({ jws: JWS, providers: new Set(['one', 'two']) })
    expect(await decrypt(await encrypted(ecKey, { kid: 'renamed' }))).toMatchObject({
      providers: new Set(['one', 'two']),
    })
    expect(uses).toEqual(['ec', 'renamed'])
    expect(await refusalCode(() => decrypt(token.replace(/.$/, last => (last === 'A' ? 'Q' : 'A'))))).toBe(
      'decryption_failed',
    )
    expect(uses).toHaveLength(3)
    expect(counted).toEqual(['one ok', 'one ok', 'one failed'])
  })

  test('are imported once for each algorithm', async () => {
    const key = newKey('RSA')
    let imports = 0
    const counting = new Proxy(key.key, {
      get(target, name) {
        if (name === 'toCryptoKey') imports += 1
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
    const { decrypt } = decrypterOf({ main: { keys: [{ ...key, key: counting }] } })
    const alg = 'RSA-OAEP'
    for (let count = 0; count < 3; count += 1) await decrypt(await encrypted(key, { alg }))
    // It is looked at and then called, once.
    expect(imports).toBe(2)
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
