/** Judges what a server says of tokens: which of the active ones are access tokens, and for us. */
import { describe, expect, test } from 'vitest'
import type { ActiveAnswer } from '../../../src/authenticate/introspection/answer.ts'
import { introspectionVerifier } from '../../../src/authenticate/introspection/introspection.ts'
import type { PresentedToken, Verdict } from '../../../src/authenticate/verifier.ts'
import { Denial } from '../../../src/errors.ts'
import type { Claims } from '../../../src/types.ts'
import { AUDIENCE, ISSUER, type Members, refusal } from '../support.ts'
import { asking } from './support.ts'

const TOKEN = 'an-opaque-token'
const PRESENTED: PresentedToken = { token: TOKEN, jwt: undefined, wasEncrypted: false }

type Rules = Partial<Parameters<typeof introspectionVerifier>[0]>

function judging(rules: Rules = {}, settings: Parameters<typeof asking>[0] = {}) {
  const all = asking(settings)
  const verifier = introspectionVerifier({
    provider: 'opaque',
    issuer: ISSUER,
    audiences: [AUDIENCE],
    audienceCheckedByServer: false,
    prefixes: [],
    minBytes: 1,
    jwts: true,
    clockToleranceSeconds: 5,
    requiredClaims: [],
    rolesClaim: 'roles',
    introspector: all.introspector,
    clock: all.time,
    ...rules,
  })
  return {
    ...all,
    verifier,
    nowSeconds: () => all.time.nowMs() / 1_000,
    /** Verifies the token, of which the server says this. */
    async said(members: Members): Promise<Verdict<ActiveAnswer>> {
      // What is undefined is left out.
      const claims = JSON.parse(JSON.stringify({ aud: AUDIENCE, ...members })) as Claims
      const verdict = verifier.verify(PRESENTED)
      const seen = Promise.allSettled([verdict])
      await all.server.last().active(claims)
      await seen
      return await verdict
    },
  }
}

async function codeOf(claims: Members, rules: Rules = {}): Promise<string> {
  const { said } = judging(rules)
  const refused = await said(claims).catch((error: unknown) => error)
  if (!(refused instanceof Denial)) return 'good'
  expect(refused.provider).toBe('opaque')
  return refused.code
}

describe('an active token', () => {
  test('is a principal of what the server says, and its verdict rests on that answer', async () => {
    const { said, verifier, nowSeconds } = judging()
    const verdict = await said({
      sub: 'alice',
      scope: 'a b',
      roles: ['clerk'],
      exp: nowSeconds() + 60,
      client_id: 'app',
    })
    const { principal } = verdict
    expect([...principal.scopes]).toEqual(['a', 'b'])
    expect([...principal.roles]).toEqual(['clerk'])
    expect(principal.claims).toMatchObject({ sub: 'alice', client_id: 'app' })
    expect(principal.expiresAtSeconds).toBe(nowSeconds() + 60)
    expect(principal.tenure?.endedBy()).toBeUndefined()
    expect(verifier.stillHolds(verdict)).toBe(true)
  })

  test.each([
    ['of no named issuer', 'good', {}],
    ['of the issuer', 'good', { iss: ISSUER }],
    ['of the issuer without its slash', 'issuer_unknown', { iss: ISSUER.slice(0, -1) }],
    ['of an issuer in a list', 'issuer_unknown', { iss: [ISSUER] }],
    ['of no issuer, said so', 'issuer_unknown', { iss: null }],
    ['for us among others', 'good', { aud: ['https://other.example', AUDIENCE] }],
    ['for others', 'audience_mismatch', { aud: 'https://other.example' }],
    ['that has expired', 'token_expired', { exp: 1_000 }],
    ['that begins later', 'token_not_yet_valid', { nbf: 9_000_000_000 }],
    ['with an exp that is text', 'claim_invalid', { exp: '9000000000' }],
  ] as const)('%s is %s', async (_what, expected, claims) => {
    expect(await codeOf(claims)).toBe(expected)
  })

  test.each([
    ['token_use', 'access_token', 'good'],
    ['token_use', 'access', 'good'],
    ['token_use', 'refresh_token', 'token_type_invalid'],
    ['token_use', 'id', 'token_type_invalid'],
    ['token_use', null, 'good'],
    ['token_type', 'Bearer', 'good'],
    ['token_type', 'bEARER', 'good'],
    ['token_type', 'access_token', 'good'],
    ['token_type', 'refresh_token', 'token_type_invalid'],
    ['token_type', 'N_A', 'token_type_invalid'],
    ['token_type', '', 'token_type_invalid'],
    ['token_type', ['Bearer'], 'claim_invalid'],
    ['token_type', 'DPoP', 'claim_invalid'],
    ['typ', 'Bearer', 'good'],
    ['typ', 'at+jwt', 'good'],
    ['typ', 'Refresh', 'token_type_invalid'],
    ['typ', 'ID', 'token_type_invalid'],
    ['typ', 1, 'claim_invalid'],
  ] as const)('with %s %j is %s', async (name, value, expected) => {
    expect(await codeOf({ [name]: value })).toBe(expected)
  })

  test('without an audience is refused, unless the server looks at that', async () => {
    expect(await codeOf({ aud: undefined })).toBe('audience_mismatch')
    expect(await codeOf({ aud: undefined }, { audienceCheckedByServer: true })).toBe('good')
    expect(await codeOf({ aud: 'https://other.example' }, { audienceCheckedByServer: true })).toBe('audience_mismatch')
  })

  test('needs the members that are required, and may live only so long', async () => {
    expect(await codeOf({}, { requiredClaims: ['tenant'] })).toBe('claim_invalid')
    expect(await codeOf({ tenant: 't' }, { requiredClaims: ['tenant'] })).toBe('good')
    const { said, nowSeconds } = judging({ maxLifetimeSeconds: 60 })
    const lifetime = { iat: nowSeconds(), exp: nowSeconds() + 61 }
    expect((await refusal(() => said(lifetime))).code).toBe('token_lifetime_exceeded')
  })
})

describe('a verdict', () => {
  test('is over when the time of its answer is over, and when the token has expired', async () => {
    const { said, verifier, pass, nowSeconds } = judging({}, { ttlMs: 60_000 })
    const verdict = await said({ exp: nowSeconds() + 30 })
    await pass(34_000)
    verifier.checkTime(verdict)
    await pass(2_000)
    expect((await refusal(() => verifier.checkTime(verdict))).code).toBe('token_expired')
    expect(verifier.stillHolds(verdict)).toBe(true)
    await pass(24_000)
    expect(verifier.stillHolds(verdict)).toBe(false)
  })

  test('comes at once while the answer is in force, and asks nobody', async () => {
    const { said, server, verifier } = judging()
    await said({})
    expect(verifier.verify(PRESENTED)).not.toBeInstanceOf(Promise)
    expect(server.asked).toHaveLength(1)
  })

  test('of a token that has become another’s ends the streams of the first', async () => {
    const { said, server, pass } = judging()
    const { tenure } = (await said({})).principal
    await pass(25_000)
    expect(tenure?.endedBy()).toBeUndefined()
    await server.last().active({ aud: 'https://other.example' })
    expect(tenure?.endedBy()).toBe('inactive')
  })
})

test('what is refused names its provider, at once and later', async () => {
  const { server, verifier } = judging()
  const first = refusal(() => verifier.verify(PRESENTED))
  await server.last().inactive()
  const second = refusal(() => verifier.verify(PRESENTED))
  for (const each of [await first, await second])
    expect(each).toMatchObject({ code: 'token_inactive', provider: 'opaque' })
  expect(server.asked).toHaveLength(1)
})

test.each([
  ['any that is long enough', { minBytes: 16 }, 'sixteen-or-more-bytes', true],
  ['none that is too short', { minBytes: 16 }, 'fifteen--bytes-', false],
  ['one that begins so', { prefixes: ['a_', 'b_'] }, 'b_token', true],
  ['none that begins otherwise', { prefixes: ['a_', 'b_'] }, 'c_token', false],
  ['none that begins so, in another case', { prefixes: ['a_'] }, 'A_token', false],
] as const)('of opaque tokens it takes %s', (_what, rules, token, expected) => {
  expect(judging(rules).verifier.takesOpaque?.(token)).toBe(expected)
})

test('it takes JWTs of its issuer, unless that is switched off', () => {
  expect([...(judging().verifier.takesJwts?.issuers ?? [])]).toEqual([ISSUER])
  expect(judging({ jwts: false }).verifier.takesJwts).toBeUndefined()
})
