/** Holds `tokenType: at+jwt` to the JWT Profile for OAuth 2.0 Access Tokens. */
import { beforeAll, describe, expect, test } from 'vitest'
import { type Members, NOW, refusalCode, type Signer, signer, token, verifierFor } from '../authenticate/support.ts'

let by: Signer
beforeAll(async () => {
  by = await signer('RS256')
})

const verify = (claims: Members = {}, header: Members = {}) =>
  verifierFor(by, { tokenType: 'at+jwt' })(
    token(by, { client_id: 'shop', jti: '1', ...claims }, { typ: 'at+jwt', ...header }),
  )

describe('§2.1, §4: "the typ value is at+jwt or application/at+jwt"', () => {
  test.each(['at+jwt', 'application/at+jwt', 'AT+jwt'])('%s is accepted', async typ => {
    expect((await verify({}, { typ })).claims.client_id).toBe('shop')
  })

  test.each([undefined, 'JWT', 'jwt', 'application/jwt', ''])(
    '"and reject tokens carrying any other value": %j',
    async typ => {
      expect(await refusalCode(() => verify({}, { typ }))).toBe('token_type_invalid')
    },
  )
})

describe('§2.2: "the following claims are REQUIRED"', () => {
  test.each([
    ['exp', 'claim_invalid'],
    ['sub', 'claim_invalid'],
    ['client_id', 'claim_invalid'],
    ['iat', 'claim_invalid'],
    ['jti', 'claim_invalid'],
    ['aud', 'claim_invalid'],
    ['iss', 'issuer_unknown'],
  ])('%s', async (name, code) => {
    expect(await refusalCode(() => verify({ [name]: undefined }))).toBe(code)
  })
})

describe('§4', () => {
  test('"the current time MUST be before the time represented by the exp claim"', async () => {
    expect(await refusalCode(() => verify({ exp: NOW - 5 }))).toBe('token_expired')
  })

  test('"MUST reject any JWT in which the value of alg is none"', async () => {
    expect(await refusalCode(() => verify({}, { alg: 'none' }))).toBe('algorithm_not_allowed')
  })
})
