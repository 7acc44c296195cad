import { beforeAll, describe, expect, test } from 'vitest'
import { AUDIENCE, ISSUER, NOW, rawToken, refusal, refusalCode, type Signer, signer, verifierFor } from '../support.ts'

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

/** A token whose `sub` is written like this. */
function withSubject(json: string, further = ''): string {
  const rest = JSON.stringify({ iss: ISSUER, aud: AUDIENCE, iat: NOW - 10, exp: NOW + 300 }).slice(1)
  return rawToken(by, '{"alg":"ES256","kid":"k1"}', `{"sub":${json}${further},${rest}`)
}

describe('a subject that is a number', () => {
  test.each([
    ['0', '0'],
    ['42', '42'],
    ['9007199254740991', '9007199254740991'],
    ['"042"', '042'],
  ])('%s is the text %j where that is allowed', async (json, text) => {
    const { claims } = await verifierFor(by, { numericSubject: true })(withSubject(json))
    expect(claims.sub).toBe(text)
    expect(Object.isFrozen(claims)).toBe(true)
  })

  test.each(['-1', '-0', '1.0', '1.5', '1e3', '9007199254740992', '9007199254740993', '1e400', 'true', 'null', '""'])(
    '%s is refused, allowed or not',
    async json => {
      const code = json === '1e400' ? 'token_malformed' : 'claim_invalid'
      expect(await refusalCode(() => verifierFor(by, { numericSubject: true })(withSubject(json)))).toBe(code)
      expect(await refusalCode(() => verifierFor(by)(withSubject(json)))).toBe(code)
    },
  )

  test('is refused unless it is allowed', async () => {
    const { code, evidence } = await refusal(() => verifierFor(by)(withSubject('42')))
    expect([code, evidence?.claim]).toEqual(['claim_invalid', 'sub'])
  })

  test('is the outermost one, whatever stands inside other claims', async () => {
    const verify = verifierFor(by, { numericSubject: true })
    expect((await verify(withSubject('7', ',"act":{"sub":1.0},"list":[{"sub":2}]'))).claims.sub).toBe('7')
    expect(await refusalCode(() => verify(withSubject('7.0', ',"act":{"sub":7}')))).toBe('claim_invalid')
  })
})
