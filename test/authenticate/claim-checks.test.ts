import { beforeAll, describe, expect, test } from 'vitest'
import {
  AUDIENCE,
  CLAIMS,
  ISSUER,
  type Members,
  NOW,
  type Overrides,
  rawToken,
  refusal,
  refusalCode,
  type Signer,
  signer,
  TestClock,
  token,
  verifierFor,
} from './support.ts'

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

const verify = (claims: Members, overrides: Overrides = {}, header: Members = {}) =>
  verifierFor(by, overrides)(token(by, claims, header))
const code = (claims: Members, overrides: Overrides = {}, header: Members = {}) =>
  refusalCode(() => verify(claims, overrides, header))

describe('exp', () => {
  test('is required', async () => {
    expect(await code({ exp: undefined })).toBe('claim_invalid')
  })

  test('refuses a token from its second on, tolerance added', async () => {
    await verify({ exp: NOW - 4.9 })
    expect(await code({ exp: NOW - 5 })).toBe('token_expired')
    expect(await code({ exp: NOW }, { clockToleranceSeconds: 0 })).toBe('token_expired')
    await verify({ exp: NOW + 0.5 }, { clockToleranceSeconds: 0 })
  })

  test('of zero is long ago', async () => {
    expect(await code({ exp: 0, iat: undefined })).toBe('token_expired')
  })
})

describe('nbf', () => {
  test('refuses a token until its second, tolerance taken off', async () => {
    await verify({ nbf: NOW + 5 })
    expect(await code({ nbf: NOW + 5.1 })).toBe('token_not_yet_valid')
  })

  test('after exp is nonsense', async () => {
    expect(await code({ nbf: NOW + 301 })).toBe('claim_invalid')
    await verify({ nbf: NOW, exp: NOW })
  })
})

describe('iat', () => {
  test('in the future beyond the tolerance is refused', async () => {
    await verify({ iat: NOW + 5 })
    expect(await code({ iat: NOW + 6 })).toBe('claim_invalid')
  })

  test('after exp is nonsense', async () => {
    expect(await code({ iat: NOW + 4, exp: NOW + 3 })).toBe('claim_invalid')
  })

  test('may be missing', async () => {
    await verify({ iat: undefined })
  })
})

describe('times', () => {
  const values: readonly unknown[] = [
    '1767225900',
    null,
    true,
    [NOW + 300],
    {},
    -1,
    1e308,
    (NOW + 300) * 1000,
    253402300800,
  ]
  for (const name of ['exp', 'nbf', 'iat']) {
    test.each(values)(`${name} of %j is refused`, async value => {
      expect(await code({ [name]: value })).toBe('claim_invalid')
    })
  }

  test('need not be whole seconds (RFC 7519 §2)', async () => {
    await verify({ exp: NOW + 1.25, iat: NOW - 0.5, nbf: NOW - 0.5 })
  })

  test('an exp that overflows to infinity does not live forever', async () => {
    const payload = JSON.stringify({ ...CLAIMS, exp: 0 }).replace('"exp":0', '"exp":1e999')
    expect(await refusalCode(() => verifierFor(by)(rawToken(by, `{"alg":"ES256","kid":"k1"}`, payload)))).toBe(
      'token_malformed',
    )
  })

  test('are those of the clock, not of the machine', async () => {
    const clock = new TestClock()
    clock.nowSeconds = NOW + 1000
    expect(await code({}, { clock })).toBe('token_expired')
  })
})

describe('sub', () => {
  test.each([[''], [null], [7], [true], [['alice']], [{ id: 'alice' }]])('of %j is refused', async sub => {
    expect(await code({ sub })).toBe('claim_invalid')
  })

  test('may be missing unless it is required', async () => {
    await verify({ sub: undefined })
    expect(await code({ sub: undefined }, { requiredClaims: ['sub'] })).toBe('claim_invalid')
  })
})

describe('aud', () => {
  test('as a string or among others is accepted', async () => {
    expect((await verify({ aud: AUDIENCE })).audiences).toEqual([AUDIENCE])
    expect((await verify({ aud: ['account', AUDIENCE] })).audiences).toEqual(['account', AUDIENCE])
  })

  test.each([
    [undefined],
    ['https://other.example'],
    [['a', 'b']],
    [`${AUDIENCE}/`],
    [AUDIENCE.toUpperCase()],
    [`${AUDIENCE} `],
  ])('of %j is for another audience', async aud => {
    expect(await code({ aud })).toBe('audience_mismatch')
  })

  test.each([[null], [1], [{}], [[]], [[AUDIENCE, 1]], [[[AUDIENCE]]], [{ 0: AUDIENCE, length: 1 }]])(
    'of %j is malformed, even next to the right one',
    async aud => {
      expect(await code({ aud })).toBe('claim_invalid')
    },
  )

  test('any of several configured audiences will do', async () => {
    await verify({ aud: 'b' }, { audiences: ['a', 'b'] })
    expect(await code({ aud: 'c' }, { audiences: ['a', 'b'] })).toBe('audience_mismatch')
  })
})

describe('other registered claims', () => {
  test.each(['jti', 'client_id', 'azp'])('%s is a string when it is there', async name => {
    await verify({ [name]: 'x' })
    for (const value of [1, null, ['x'], {}]) expect(await code({ [name]: value })).toBe('claim_invalid')
  })
})

describe('required claims', () => {
  test('must be there and not be null', async () => {
    const requiredClaims = ['tenant']
    await verify({ tenant: 'acme' }, { requiredClaims })
    await verify({ tenant: false }, { requiredClaims })
    expect(await code({}, { requiredClaims })).toBe('claim_invalid')
    expect(await code({ tenant: null }, { requiredClaims })).toBe('claim_invalid')
    const nested = ['/realm/tenant']
    await verify({ realm: { tenant: 'acme' } }, { requiredClaims: nested })
    expect(await code({ realm: {}, '/realm/tenant': 'acme' }, { requiredClaims: nested })).toBe('claim_invalid')
  })

  test('are not found on a prototype', async () => {
    for (const name of ['constructor', 'toString', '__proto__'])
      expect(await code({}, { requiredClaims: [name] })).toBe('claim_invalid')
  })

  test('the log names the one that is missing', async () => {
    const { evidence } = await refusal(() => verify({}, { requiredClaims: ['tenant'] }))
    expect(evidence).toMatchObject({ claim: 'tenant', reason: 'missing' })
  })
})

describe('maxLifetime', () => {
  const rules = { maxLifetimeSeconds: 3600 }

  test('bounds exp - iat', async () => {
    await verify({ iat: NOW - 10, exp: NOW + 3590 }, rules)
    expect(await code({ iat: NOW - 10, exp: NOW + 3591 }, rules)).toBe('token_lifetime_exceeded')
  })

  test('makes iat required', async () => {
    expect(await code({ iat: undefined }, rules)).toBe('claim_invalid')
  })
})

describe('typ, compatible', () => {
  test.each([
    undefined,
    'JWT',
    'jwt',
    'at+jwt',
    'AT+JWT',
    'application/at+jwt',
    'Application/AT+JWT',
    'application/jwt',
  ])('%s is accepted', async typ => {
    await verify({}, {}, { typ })
  })

  test.each([
    '',
    'logout+jwt',
    'dpop+jwt',
    'secevent+jwt',
    'application/',
    'at+jwt ',
    'xat+jwt',
    'at+application/jwt',
    'application/application/jwt',
    'JWE',
  ])('%j is no access token', async typ => {
    expect(await code({}, {}, { typ })).toBe('token_type_invalid')
  })

  test.each([{ events: {} }, { events: null }, { events: [] }])('nor is a token with %j', async claims => {
    expect(await code(claims)).toBe('token_type_invalid')
  })
})

describe('the order of the checks', () => {
  test('a wrong type is said before a wrong audience, and that before the time', async () => {
    const stale = { aud: 'other', exp: NOW - 60, iat: NOW - 120 }
    expect(await code(stale, {}, { typ: 'logout+jwt' })).toBe('token_type_invalid')
    expect(await code(stale)).toBe('audience_mismatch')
    expect(await code({ ...stale, aud: AUDIENCE })).toBe('token_expired')
  })

  test('a refused claim is logged with provider, issuer, algorithm and key', async () => {
    const { provider, evidence } = await refusal(() => verify({ sub: 7 }))
    expect(provider).toBe('main')
    expect(evidence).toEqual({ claim: 'sub', reason: 'not a non-empty string', alg: 'ES256', kid: 'k1', iss: ISSUER })
  })
})
