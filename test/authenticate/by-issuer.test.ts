import { beforeAll, describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtAuthenticator } from '../../src/authenticate/jwt.ts'
import type { Authenticator } from '../../src/types.ts'
import {
  authenticatorOptions,
  ISSUER,
  refusal,
  refusalCode,
  type Signer,
  signer,
  TestKeySet,
  token,
} from './support.ts'

const OTHER = 'https://login.example.org'
let main: Signer
let other: Signer
let mainKeys: TestKeySet
let otherKeys: TestKeySet
let both: Authenticator

beforeAll(async () => {
  ;[main, other] = await Promise.all([signer('RS256'), signer('ES256')])
  mainKeys = new TestKeySet(main.key)
  otherKeys = new TestKeySet(other.key)
  both = issuerAuthenticator([
    jwtAuthenticator(authenticatorOptions(mainKeys)),
    jwtAuthenticator(authenticatorOptions(otherKeys, { provider: 'other', issuer: OTHER })),
  ])
})

test('iss picks the provider', async () => {
  expect((await both({ token: token(main) })).provider).toBe('main')
  expect((await both({ token: token(other, { iss: OTHER }) })).provider).toBe('other')
})

test('a provider’s key vouches for no other issuer (RFC 8725 §3.8)', async () => {
  const keys = [mainKeys, otherKeys]
  for (const set of keys) set.asked.length = 0
  expect(await refusalCode(() => both({ token: token(other, { iss: ISSUER }) }))).toBe('key_unknown')
  expect(mainKeys.asked).toHaveLength(1)
  expect(otherKeys.asked).toHaveLength(0)
})

describe('an issuer that is not ours', () => {
  test.each([
    ['without its slash', ISSUER.slice(0, -1)],
    ['in upper case', ISSUER.toUpperCase()],
    ['with a default port', 'https://auth.example.com:443/'],
    ['with an escape', 'https://auth.example.com/%2e/'],
    ['with a blank', `${ISSUER} `],
    ['empty', ''],
    ['a lookalike', 'https://auth.exаmple.com/'],
    ['a name of Object', 'constructor'],
  ])('%s', async (_name, iss) => {
    expect(await refusalCode(() => both({ token: token(main, { iss }) }))).toBe('issuer_unknown')
  })

  test.each([[undefined], [null], [1], [[ISSUER]], [{ iss: ISSUER }]])('of %j', async iss => {
    expect(await refusalCode(() => both({ token: token(main, { iss }) }))).toBe('issuer_unknown')
  })

  test('asks no key set, and is logged in printable characters', async () => {
    for (const set of [mainKeys, otherKeys]) set.asked.length = 0
    const { evidence, provider } = await refusal(() => both({ token: token(main, { iss: 'https://evil\n\u0000é' }) }))
    expect(evidence).toEqual({ iss: 'https://evil???' })
    expect(provider).toBeUndefined()
    expect([...mainKeys.asked, ...otherKeys.asked]).toEqual([])
  })
})

test('a route that accepts no provider accepts no token', async () => {
  expect(await refusalCode(() => issuerAuthenticator([])({ token: token(main) }))).toBe('issuer_unknown')
})

test('two providers of one issuer are a mistake', () => {
  const twin = () => jwtAuthenticator(authenticatorOptions(mainKeys))
  expect(() => issuerAuthenticator([twin(), twin()])).toThrow(RangeError)
})

test('what is no token is refused before any provider is chosen', async () => {
  expect(await refusalCode(() => both({ token: 'opaque' }))).toBe('token_malformed')
})
