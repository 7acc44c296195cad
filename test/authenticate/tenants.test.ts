/** Tests which provider a token goes to when issuers stand for many tenants, and which keys may verify it then. */
import { beforeAll, describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { tokenCache } from '../../src/authenticate/token-cache.ts'
import { jwksKeySet } from '../../src/keys/static-keys.ts'
import {
  type Members,
  type Overrides,
  refusal,
  refusalCode,
  type Signer,
  signer,
  TestKeySet,
  token,
  verifierOptions,
} from './support.ts'

const TEMPLATE = 'https://login.example/{tid}/v2.0'
const issuerOf = (tid: string) => `https://login.example/${tid}/v2.0`
const SPLIT = { one: 'any', two: 'any' } as const
const of = (tid: string) => ({ iss: issuerOf(tid), tid })

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

const verifier = (overrides: Overrides) => jwtVerifier(verifierOptions(new TestKeySet(by.key), overrides))

describe('a token of a tenant', () => {
  test('goes to the provider that lists its tenant', async () => {
    const verify = issuerAuthenticator([
      verifier({ provider: 'one', issuer: TEMPLATE, tenants: { tid: ['a'] } }),
      verifier({ provider: 'two', issuer: TEMPLATE, tenants: { tid: ['b'] } }),
    ])
    expect((await verify({ token: token(by, of('a')) })).provider).toBe('one')
    expect((await verify({ token: token(by, of('b')) })).provider).toBe('two')
    expect(await refusalCode(() => verify({ token: token(by, of('c')) }))).toBe('issuer_unknown')
  })

  test('goes to the provider that names its issuer, and to no other when that refuses it', async () => {
    const verify = issuerAuthenticator([
      verifier({ provider: 'any', issuer: TEMPLATE, tenants: { tid: 'any' } }),
      verifier({ provider: 'ours', issuer: issuerOf('a'), audiences: ['ours'] }),
    ])
    expect((await verify({ token: token(by, { ...of('a'), aud: 'ours' }) })).provider).toBe('ours')
    expect(await refusalCode(() => verify({ token: token(by, of('a')) }))).toBe('audience_mismatch')
    expect((await verify({ token: token(by, of('b')) })).provider).toBe('any')
  })

  test('is judged by the same provider of a route, whichever route has verified it before', async () => {
    const any = verifier({ provider: 'any', issuer: TEMPLATE, tenants: { tid: 'any' } })
    const ours = verifier({ provider: 'ours', issuer: issuerOf('a'), audiences: ['ours'] })
    const joined = verifier({
      provider: 'joined',
      issuer: 'https://login.example/{tenant}',
      tenants: { tenant: 'any' },
    })
    const split = verifier({ provider: 'split', issuer: 'https://login.example/{one}-{two}', tenants: SPLIT })
    const both = { iss: 'https://login.example/a-b', tenant: 'a-b', one: 'a', two: 'b' }
    for (const [former, route, presented, expected] of [
      [[any], [any, ours], token(by, of('a')), 'audience_mismatch'],
      [[any], [ours, any], token(by, of('a')), 'audience_mismatch'],
      [[ours], [any], token(by, { ...of('a'), aud: 'ours' }), 'audience_mismatch'],
      [[split], [joined, split], token(by, both), 'joined'],
      [[joined], [split, joined], token(by, both), 'split'],
    ] as const) {
      const cache = tokenCache({ entries: 10, onResult() {} })
      await issuerAuthenticator(former, { cache })({ token: presented })
      const judge = async () => (await issuerAuthenticator(route, { cache })({ token: presented })).provider
      expect(await judge().catch(({ code }) => code)).toBe(expected)
    }
  })

  test('is remembered', async () => {
    const results: string[] = []
    const cache = tokenCache({ entries: 10, onResult: (provider, result) => results.push(`${provider} ${result}`) })
    const any = verifier({ provider: 'any', issuer: TEMPLATE, tenants: { tid: 'any' } })
    const verify = issuerAuthenticator([any, verifier({ provider: 'ours', issuer: issuerOf('a') })], { cache })
    const presented = token(by, of('b'))
    for (let round = 0; round < 2; round++) await verify({ token: presented })
    expect(results).toEqual(['any miss', 'any hit'])
  })

  test('that is refused says why in the log, if its issuer has the form of a tenant’s', async () => {
    const verify = issuerAuthenticator([verifier({ issuer: TEMPLATE, tenants: { tid: ['a'] } })])
    const evidence = async (claims: Members) => (await refusal(() => verify({ token: token(by, claims) }))).evidence
    expect(await evidence(of('b'))).toEqual({ iss: issuerOf('b'), reason: 'its claim tid is not among the tenants' })
    expect(await evidence({ ...of('a'), tid: 'b' })).toMatchObject({ reason: 'its claim tid is not among the tenants' })
    expect(await evidence({ iss: 'https://elsewhere.example/', tid: 'a' })).toEqual({
      iss: 'https://elsewhere.example/',
    })
  })
})

describe('a key that is for one issuer', () => {
  /** Verifies with a key set as it is published, whose key says whose it is. */
  function verify(keyIssuer: string, overrides: Overrides, claims: Members) {
    const jwk = { ...by.key.key.export({ format: 'jwk' }), kid: 'k1', issuer: keyIssuer }
    const keySet = jwksKeySet(JSON.stringify({ keys: [jwk] }), 'main')
    return issuerAuthenticator([jwtVerifier(verifierOptions(keySet, overrides))])({ token: token(by, claims) })
  }
  const TENANTS = { issuer: TEMPLATE, tenants: { tid: ['a', 'b'] } }

  test('verifies no token of another tenant, and the log says so', async () => {
    await verify(issuerOf('a'), TENANTS, of('a'))
    const { code, evidence } = await refusal(async () => verify(issuerOf('a'), TENANTS, of('b')))
    expect([code, evidence?.reason]).toEqual(['key_unknown', 'the key is for the tokens of another issuer'])
  })

  test('with a placeholder verifies the tokens of every tenant that is listed', async () => {
    for (const tid of ['a', 'b']) await verify(issuerOf('{tenantid}'), TENANTS, of(tid))
    expect(await refusalCode(async () => verify(issuerOf('{tenantid}'), TENANTS, of('c')))).toBe('issuer_unknown')
  })

  test('verifies the tokens of every spelling of that issuer', async () => {
    const accounts = { issuer: 'https://accounts.example', issuerAliases: ['accounts.example'] }
    await verify('https://accounts.example', accounts, { iss: 'accounts.example' })
    await verify('accounts.example', accounts, { iss: 'https://accounts.example' })
    expect(await refusalCode(async () => verify('https://x', accounts, { iss: 'accounts.example' }))).toBe(
      'key_unknown',
    )
  })
})

describe('a parameter with a key that one provider of a route ignores', () => {
  test('gets the tokens of the others refused', async () => {
    const verify = issuerAuthenticator([
      verifier({ provider: 'uaa', issuer: 'https://uaa.example', ignoredHeaders: ['jku'] }),
      verifier({ provider: 'main' }),
    ])
    const header = { jku: 'https://evil.example/keys' }
    expect((await verify({ token: token(by, { iss: 'https://uaa.example' }, header) })).provider).toBe('uaa')
    const { code, provider, evidence } = await refusal(() => verify({ token: token(by, {}, header) }))
    expect([code, provider, evidence?.refusedParameter]).toEqual(['algorithm_not_allowed', 'main', 'jku'])
  })
})
