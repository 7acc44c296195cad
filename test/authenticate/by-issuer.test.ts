import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { tokenCache } from '../../src/authenticate/token-cache.ts'
import type { TokenVerifier } from '../../src/authenticate/verifier.ts'
import type { Principal } from '../../src/types.ts'
import { ISSUER, refusal, refusalCode, type Signer, signer, TestKeySet, token, verifierOptions } from './support.ts'

const OTHER = 'https://login.example.org'
const PRINCIPAL: Principal = {
  provider: 'asking',
  claims: {},
  scopes: new Set(),
  roles: new Set(),
  audiences: [],
  expiresAtSeconds: 2_000_000_000,
  validUntilMs: 2_000_000_005_000,
  confirmation: undefined,
  standing: { fingerprints: [], reader: undefined, clearAt: 0 },
  kept: { newest: undefined },
  tenure: undefined,
}

let main: Signer
let other: Signer
let mainKeys: TestKeySet
let otherKeys: TestKeySet
let both: ReturnType<typeof issuerAuthenticator>

beforeAll(async () => {
  ;[main, other] = await Promise.all([signer('RS256'), signer('ES256')])
  mainKeys = new TestKeySet(main.key)
  otherKeys = new TestKeySet(other.key)
  both = issuerAuthenticator([
    jwtVerifier(verifierOptions(mainKeys)),
    jwtVerifier(verifierOptions(otherKeys, { provider: 'other', issuer: OTHER })),
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
  const twin = () => jwtVerifier(verifierOptions(mainKeys))
  expect(() => issuerAuthenticator([twin(), twin()])).toThrow(RangeError)
})

test('what is no token is refused before any provider is chosen', async () => {
  expect(await refusalCode(() => both({ token: 'opaque' }))).toBe('token_malformed')
})

describe('an opaque token', () => {
  /** What a provider that asks a server is like: it knows its tokens by how they begin. */
  const asking = (asked: string[]): TokenVerifier => ({
    provider: 'asking',
    takesJwts: undefined,
    decryption: undefined,
    takesOpaque: text => text.startsWith('op_'),
    checks: ['form', 'time'],
    verify({ token: text, jwt }) {
      expect(jwt).toBeUndefined()
      asked.push(text)
      return { principal: PRINCIPAL, notBeforeSeconds: undefined, basis: undefined }
    },
    stillHolds: () => true,
    checkTime() {},
    health: () => ({ usable: true, lastError: undefined, kind: 'keyless' }),
  })

  test('goes to the provider that takes it, and JWTs go where their iss says', async () => {
    const asked: string[] = []
    const route = issuerAuthenticator([jwtVerifier(verifierOptions(mainKeys)), asking(asked)])
    expect(await route({ token: 'op_1' })).toBe(PRINCIPAL)
    expect((await route({ token: token(main) })).provider).toBe('main')
    expect(asked).toEqual(['op_1'])
  })

  test('is remembered like any other', async () => {
    const asked: string[] = []
    const results: string[] = []
    const cache = tokenCache({ entries: 10, onResult: (provider, result) => results.push(`${provider} ${result}`) })
    const route = issuerAuthenticator([asking(asked)], { cache })
    expect([await route({ token: 'op_1' }), await route({ token: 'op_1' })]).toEqual([PRINCIPAL, PRINCIPAL])
    expect(asked).toEqual(['op_1'])
    expect(results).toEqual(['asking miss', 'asking hit'])
  })

  test.each([
    ['that nobody takes', 'other', 'token_malformed'],
    ['with the form of a JWS', 'op_.b.c', 'token_malformed'],
    ['with the form of a JWE', 'op_.b.c.d.e', 'token_malformed'],
    ['that is no token68', 'op_"', 'request_malformed'],
  ])('%s is brought to nobody', async (_name, text, code) => {
    const asked: string[] = []
    expect(await refusalCode(() => issuerAuthenticator([asking(asked)])({ token: text }))).toBe(code)
    expect(asked).toEqual([])
  })

  const opaqueReason = 'opaque, and no provider of the route takes it: see `tokens.prefixes` and `tokens.minBytes`'
  const encryptedReason = 'encrypted, and no provider of the route has `decryption`'

  test.each([
    ['one part', 'other', opaqueReason, 'not a JWT'],
    ['two parts', 'a.b', opaqueReason, 'not a JWT'],
    ['four parts', 'a.b.c.d', opaqueReason, 'not a JWT'],
    ['six parts', 'a.b.c.d.e.f', opaqueReason, 'not a JWT'],
    ['five parts', 'a.b.c.d.e', encryptedReason, encryptedReason],
  ])('of %s that nobody takes is told from others by its reason', async (_what, text, opaque, jwtOnly) => {
    const routes = [
      [issuerAuthenticator([asking([])]), opaque],
      [issuerAuthenticator([jwtVerifier(verifierOptions(mainKeys))]), jwtOnly],
    ] as const
    for (const [route, reason] of routes) {
      const { code, evidence } = await refusal(() => route({ token: text }))
      expect([code, evidence]).toEqual(['token_malformed', { reason }])
    }
  })

  test('is malformed to a provider of JWTs, even when it is asked', async () => {
    const verifier = jwtVerifier(verifierOptions(mainKeys))
    expect(await refusal(() => verifier.verify({ token: 'op_1', jwt: undefined, wasEncrypted: false }))).toMatchObject({
      code: 'token_malformed',
      provider: 'main',
    })
  })

  test('and a JWT of its issuer may go to the same provider', async () => {
    const asked: string[] = []
    const both: TokenVerifier = {
      ...asking(asked),
      takesJwts: { issuers: new Set([ISSUER]), template: undefined, ignoredHeaders: [] },
      verify({ jwt }) {
        asked.push(jwt === undefined ? 'opaque' : 'jwt')
        return { principal: PRINCIPAL, notBeforeSeconds: undefined, basis: undefined }
      },
    }
    const route = issuerAuthenticator([both])
    await route({ token: 'op_1' })
    await route({ token: token(main) })
    expect(asked).toEqual(['opaque', 'jwt'])
  })
})

describe('RFC 6750 §2.1: what is not token68 is no credential', () => {
  test.each([
    ...['', ' ', 'a b', 'a,b', 'a, Bearer b', '"abc"', '=', 'a=b', 'abc ', '\tabc', 'é', 'a\0', 'abc\n', 'token=abc'],
    ...['a.b.c=d', 'a.b."c"', '{"payload":""}', 'Ａ'],
  ])('%j is malformed', async text => {
    const { code, provider, evidence } = await refusal(() => both({ token: text }))
    expect([code, provider, evidence]).toEqual(['request_malformed', undefined, { reason: 'the token is not token68' }])
  })

  test.each(['a', 'aZ09-._~+/==', '.', '..', 'a.b.c.d.e', 'a=', '~.~.~'])('%j is a malformed token', async text => {
    expect(await refusalCode(() => both({ token: text }))).toBe('token_malformed')
  })

  test('whatever else is wrong with it', async () => {
    const [header, payload, signature] = token(main).split('.')
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const rest of [`${payload} .${signature}`, `${payload}."`, `${payload}.${signature}=a`])
      for (const first of [header, unsigned, ''])
        expect(await refusalCode(() => both({ token: `${first}.${rest}` }))).toBe('request_malformed')
    expect(await refusalCode(() => both({ token: `${unsigned}.${payload}.` }))).toBe('algorithm_not_allowed')
  })

  test('of any text, and of a token with any character put in', async () => {
    const good = token(main)
    const putIn = fc.tuple(fc.nat({ max: good.length }), fc.string({ unit: 'binary', minLength: 1, maxLength: 2 }))
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      putIn.map(([at, what]) => good.slice(0, at) + what + good.slice(at)),
    )
    await fc.assert(
      fc.asyncProperty(text, async sent => {
        const code = await refusalCode(() => both({ token: sent }))
        expect(code === 'request_malformed').toBe(!/^[A-Za-z0-9._~+/-]+=*$/.test(sent))
      }),
      { numRuns: 1000 },
    )
  })
})
