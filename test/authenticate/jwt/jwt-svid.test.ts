/** Tests JWT-SVIDs: whose they are, and what a token of a workload needs (SPIFFE JWT-SVID §2–§4). */
import { beforeAll, describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../../src/authenticate/jwt/jwt.ts'
import { type JwtSvidRules, jwtSvidVerifier } from '../../../src/authenticate/jwt/jwt-svid.ts'
import { tokenCache } from '../../../src/authenticate/token-cache.ts'
import type { KeySet } from '../../../src/types.ts'
import {
  AUDIENCE,
  ISSUER,
  type Members,
  NOW,
  refusal,
  refusalCode,
  type Signer,
  signer,
  TestClock,
  TestKeySet,
  token,
  verifierOptions,
} from '../support.ts'

const SUBJECT = 'spiffe://example.org/ns/shop/sa/checkout'

let domainKey: Signer
let issuerKey: Signer

beforeAll(async () => {
  domainKey = await signer('ES256', 'd1')
  issuerKey = await signer('ES256', 'i1')
})

function svidVerifier(keySet: KeySet = new TestKeySet(domainKey.key), rules: Partial<JwtSvidRules> = {}) {
  return jwtSvidVerifier({
    provider: 'workloads',
    trustDomain: 'example.org',
    audiences: [AUDIENCE],
    clockToleranceSeconds: 5,
    requiredClaims: [],
    rolesClaim: 'roles',
    ...rules,
    keySet,
    clock: new TestClock(),
  })
}

const jwtOf = (by: Signer) => jwtVerifier(verifierOptions(new TestKeySet(by.key)))
const svid = (claims: Members = {}, header: Members = {}, by = domainKey) =>
  token(by, { iss: undefined, sub: SUBJECT, ...claims }, header)
const judge = (text: string, rules: Partial<JwtSvidRules> = {}) =>
  issuerAuthenticator([svidVerifier(undefined, rules)])({ token: text })
const codeOf = (text: string, rules: Partial<JwtSvidRules> = {}) => refusalCode(() => judge(text, rules))

describe('a JWT-SVID', () => {
  test('says who the workload is, without an issuer', async () => {
    const { provider, claims, audiences } = await judge(svid())
    expect([provider, claims.sub, claims.iss, audiences]).toEqual(['workloads', SUBJECT, undefined, [AUDIENCE]])
  })

  test.each([{ typ: 'JWT' }, { typ: 'JOSE' }, { typ: undefined }])('may have the header %j', async header => {
    expect((await judge(svid({}, header))).provider).toBe('workloads')
  })

  test.each(['at+jwt', 'jwt', 'application/JWT', 'wit+jwt', ''])('is not of the type %j', async typ => {
    expect(await codeOf(svid({}, { typ }))).toBe('token_type_invalid')
  })

  test.each(['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'])(
    'may be signed with %s',
    async alg => {
      const by = await signer(alg, 'd1')
      const route = issuerAuthenticator([svidVerifier(new TestKeySet(by.key))])
      expect((await route({ token: svid({}, {}, by) })).provider).toBe('workloads')
    },
  )

  test.each(['EdDSA', 'HS256'])('is not signed with %s', async alg => {
    const by = await signer(alg, 'd1')
    const route = issuerAuthenticator([svidVerifier(new TestKeySet(by.key))])
    expect(await refusalCode(() => route({ token: svid({}, {}, by) }))).toBe('algorithm_not_allowed')
  })

  test('is not unsigned', async () => {
    const [, payload] = svid().split('.')
    const header = Buffer.from('{"alg":"none","kid":"d1"}').toString('base64url')
    expect(await codeOf(`${header}.${payload}.`)).toBe('algorithm_not_allowed')
  })

  test('names its key', async () => {
    expect(await refusal(() => judge(svid({}, { kid: undefined })))).toMatchObject({
      code: 'key_unknown',
      provider: 'workloads',
      evidence: { reason: 'the token names no key (`kid`)' },
    })
  })

  test.each<[Members, string]>([
    [{ aud: undefined }, 'audience_mismatch'],
    [{ aud: [] }, 'claim_invalid'],
    [{ aud: ['https://other.example'] }, 'audience_mismatch'],
    [{ exp: undefined }, 'claim_invalid'],
    [{ iat: NOW - 120, exp: NOW - 60 }, 'token_expired'],
    [{ nbf: NOW + 60 }, 'token_not_yet_valid'],
  ])('with %j is %s', async (claims, code) => {
    expect(await codeOf(svid(claims))).toBe(code)
  })

  test('may be for others, too', async () => {
    expect((await judge(svid({ aud: ['other', AUDIENCE] }))).audiences).toEqual(['other', AUDIENCE])
  })

  test('is held to what the provider asks for besides', async () => {
    expect(await codeOf(svid(), { requiredClaims: ['jti'] })).toBe('claim_invalid')
    expect(await codeOf(svid(), { maxLifetimeSeconds: 60 })).toBe('token_lifetime_exceeded')
    expect([...(await judge(svid({ scp: ['a'] }), { scopeClaim: 'scp' })).scopes]).toEqual(['a'])
  })
})

describe('the subject', () => {
  test.each([
    'spiffe://example.org.evil/a',
    'spiffe://EXAMPLE.org/a',
    'SPIFFE://example.org/a',
    'spiffe://example.org',
    'spiffe://example.org?/a',
    'spiffe://example.org:443/a',
    'spiffe://evil@example.org/a',
    'spiffe://example%2eorg/a',
    'spiffe://other.org/example.org/a',
    'example.org/a',
    'alice',
    '',
    7,
    null,
    ['spiffe://example.org/a'],
    undefined,
  ])('%j belongs to nobody', async sub => {
    expect(await codeOf(svid({ sub }))).toBe('issuer_unknown')
  })

  test.each([
    'spiffe://example.org/',
    'spiffe://example.org//a',
    'spiffe://example.org/a/',
    'spiffe://example.org/a//b',
    'spiffe://example.org/../b',
    'spiffe://example.org/a/./b',
    'spiffe://example.org/a%2Fb',
    'spiffe://example.org/a?b=c',
    'spiffe://example.org/a#b',
    `spiffe://example.org/${'a'.repeat(2048)}`,
  ])('%.60j is no workload, although the signature holds', async sub => {
    expect(await refusal(() => judge(svid({ sub })))).toMatchObject({
      code: 'claim_invalid',
      evidence: { claim: 'sub' },
    })
  })

  test('that nobody takes is named in the log, and what it should begin with', async () => {
    const { evidence, provider } = await refusal(() => judge(svid({ sub: 'spiffe://other.org/a' })))
    expect([evidence, provider]).toEqual([
      {
        sub: 'spiffe://other.org/a',
        reason: 'there is no iss, and sub does not begin with spiffe://example.org/',
      },
      undefined,
    ])
  })
})

describe('beside providers of JWTs', () => {
  const both = () => issuerAuthenticator([svidVerifier(), jwtOf(issuerKey)])

  test('each token goes to its own', async () => {
    expect((await both()({ token: svid() })).provider).toBe('workloads')
    expect((await both()({ token: svid({ iss: 'https://nobody.example' }) })).provider).toBe('workloads')
    expect((await both()({ token: token(issuerKey, { sub: SUBJECT }) })).provider).toBe('main')
    expect((await both()({ token: token(issuerKey) })).provider).toBe('main')
  })

  test.each<[string, () => string]>([
    ['a key of the trust domain signs for the issuer', () => svid({ iss: ISSUER })],
    ['a key of the issuer signs for the trust domain', () => svid({}, {}, issuerKey)],
    ['a key of the issuer signs under the name of another key', () => svid({}, { kid: 'd1' }, issuerKey)],
    ['a key of the trust domain signs under the name of another', () => svid({ iss: ISSUER }, { kid: 'i1' })],
  ])('nothing comes of it when %s', async (_what, made) => {
    expect(['key_unknown', 'signature_invalid']).toContain(await refusalCode(() => both()({ token: made() })))
  })

  test.each([null, 1, ['https://auth.example.com/'], { iss: ISSUER }])(
    'an iss that is %j is no missing one',
    async iss => {
      expect(await codeOf(svid({ iss }))).toBe('issuer_unknown')
    },
  )

  test('an issuer keeps its tokens on routes that do not take them', async () => {
    const route = issuerAuthenticator([svidVerifier()], { isIssuerConfigured: ({ iss }) => iss === ISSUER })
    expect(await refusalCode(() => route({ token: svid({ iss: ISSUER }) }))).toBe('issuer_unknown')
    expect((await route({ token: svid({ iss: 'https://nobody.example' }) })).provider).toBe('workloads')
  })

  test('without a provider of the trust domain a token without iss is nobody’s', async () => {
    const route = issuerAuthenticator([jwtOf(issuerKey)])
    expect((await refusal(() => route({ token: svid() }))).evidence).toEqual({ reason: 'iss is no string' })
  })

  test('two providers of one trust domain are a mistake', () => {
    expect(() => issuerAuthenticator([svidVerifier(), svidVerifier()])).toThrow(RangeError)
  })

  test('a header that one provider ignores is not ignored for workloads', async () => {
    const ignoring = jwtVerifier(verifierOptions(new TestKeySet(issuerKey.key), { ignoredHeaders: ['jku'] }))
    const route = issuerAuthenticator([svidVerifier(), ignoring])
    const jku = { jku: 'https://evil.example' }
    expect((await route({ token: token(issuerKey, {}, jku) })).provider).toBe('main')
    expect(await refusalCode(() => route({ token: svid({}, jku) }))).toBe('algorithm_not_allowed')
  })
})

test('a verdict is remembered as long as the trust domain has its key', async () => {
  const keys = new TestKeySet(domainKey.key)
  const cache = tokenCache({ entries: 10, onResult() {} })
  const route = issuerAuthenticator([svidVerifier(keys)], { cache })
  const text = svid()
  expect(await route({ token: text })).toBe(await route({ token: text }))
  keys.keys.clear()
  expect(await refusalCode(() => route({ token: text }))).toBe('key_unknown')
})
