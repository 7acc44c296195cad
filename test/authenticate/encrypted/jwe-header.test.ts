/** What is refused of an encrypted token for its form and its header (RFC 7516 §5.2), before a key is used. */
import { describe, expect, test } from 'vitest'
import { refusal, refusalCode } from '../support.ts'
import { decrypterOf, encrypted, newKey, untouchable, withHeader } from './support.ts'

const ecKey = newKey('P-256', { kid: 'ec' })
const rsaKey = newKey('RSA', { kid: 'rsa' })

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
