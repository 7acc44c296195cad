/** Which keys of which providers are tried for an encrypted token, and for whom it is opened by them. */
import { describe, expect, test } from 'vitest'
import { refusalCode } from '../support.ts'
import { decrypterOf, encrypted, JWS, newKey, untouchable, watched } from './support.ts'

const ecKey = newKey('P-256', { kid: 'ec' })

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
