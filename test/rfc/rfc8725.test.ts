/** Holds the gateway to the JSON Web Token Best Current Practices, clause by clause, at the front door. */
import { createHmac } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import {
  base64url,
  CLAIMS,
  NOW,
  rawToken,
  refusalCode,
  type Signer,
  signer,
  TestKeySet,
  token,
  verifierFor,
  verifierOptions,
} from '../authenticate/support.ts'

let rs256: Signer
let es256: Signer
beforeAll(async () => {
  ;[rs256, es256] = await Promise.all([signer('RS256'), signer('ES256')])
})

test('control: a token that follows all of it is accepted', async () => {
  expect((await verifierFor(rs256)(token(rs256))).claims.sub).toBe('alice')
})

describe('§2.1, §3.1: weak signatures and insufficient validation', () => {
  test('"the algorithm can be changed to none by an attacker"', async () => {
    const [, payload] = token(rs256).split('.')
    for (const alg of ['none', 'NONE', 'nOnE'])
      for (const signature of ['', 'c2ln'])
        expect(
          await refusalCode(() => verifierFor(rs256)(`${base64url(JSON.stringify({ alg }))}.${payload}.${signature}`)),
        ).toBe('algorithm_not_allowed')
  })

  test('"an RS256 value can be changed into HS256", with the public key as the secret', async () => {
    const pem = rs256.key.key.export({ type: 'spki', format: 'pem' })
    const attacker: Signer = {
      ...rs256,
      alg: 'HS256',
      signature: input => createHmac('sha256', pem).update(input).digest(),
    }
    expect(await refusalCode(() => verifierFor(rs256)(token(attacker)))).toBe('algorithm_not_allowed')
  })

  test('"each key MUST be used with exactly one algorithm": the one it was published for', async () => {
    const ps256: Signer = await signer('PS256')
    const published = { ...ps256.key, algorithms: new Set(['RS256']) }
    const authenticate = issuerAuthenticator([jwtVerifier(verifierOptions(new TestKeySet(published)))])
    expect(await refusalCode(() => authenticate({ token: token(ps256) }))).toBe('key_unknown')
  })

  test('"libraries MUST enable the caller to specify a supported set of algorithms"', async () => {
    const verify = verifierFor(rs256, { algorithms: ['ES256'] })
    expect(await refusalCode(() => verify(token(rs256)))).toBe('algorithm_not_allowed')
  })
})

describe('§2.6, §3.7: multiplicity of JSON encodings', () => {
  test('"UTF-8 MUST be used", and nothing else', async () => {
    const text = `{"alg":"RS256","kid":"k1"}`
    for (const encoding of ['utf16le', 'latin1'] as const) {
      const payload = Buffer.from(JSON.stringify({ ...CLAIMS, name: 'é' }), encoding)
      expect(await refusalCode(() => verifierFor(rs256)(rawToken(rs256, text, payload)))).toBe('token_malformed')
    }
  })

  test('a member that appears twice is refused, whichever of the two would have been good', async () => {
    const claims = JSON.stringify(CLAIMS)
    const header = '{"alg":"RS256","kid":"k1"}'
    for (const payload of [claims.replace('{', '{"sub":"root",'), claims.replace(/}$/, ',"sub":"root"}')])
      expect(await refusalCode(() => verifierFor(rs256)(rawToken(rs256, header, payload)))).toBe('token_malformed')
  })
})

describe('§2.7, §3.8–§3.10: substitution', () => {
  test('"the application MUST validate that the cryptographic keys belong to the issuer"', async () => {
    const ours = jwtVerifier(verifierOptions(new TestKeySet(rs256.key)))
    const theirs = jwtVerifier(
      verifierOptions(new TestKeySet(es256.key), { provider: 'other', issuer: 'https://other.example' }),
    )
    const authenticate = issuerAuthenticator([ours, theirs])
    expect(await refusalCode(() => authenticate({ token: token(es256) }))).toBe('key_unknown')
    expect(await refusalCode(() => authenticate({ token: token(rs256, { iss: 'https://other.example' }) }))).toBe(
      'key_unknown',
    )
  })

  test('"the JWT MUST contain an aud claim" and the recipient "MUST reject" one that is not for it', async () => {
    expect(await refusalCode(() => verifierFor(rs256)(token(rs256, { aud: 'https://other.example' })))).toBe(
      'audience_mismatch',
    )
    expect(await refusalCode(() => verifierFor(rs256)(token(rs256, { aud: undefined })))).toBe('audience_mismatch')
  })

  test('"do not trust received claims": a key or a URL in the header is never used', async () => {
    const attacker = await signer('ES256')
    const jwk = attacker.key.key.export({ format: 'jwk' })
    const headers = [
      { jwk },
      { jku: 'http://127.0.0.1:1/jwks.json' },
      { x5u: 'http://127.0.0.1:1/cert.pem' },
      { x5c: [''] },
    ]
    for (const header of headers)
      expect(await refusalCode(() => verifierFor(es256)(token(attacker, {}, header)))).toBe('algorithm_not_allowed')
  })

  test.each(["' OR 1=1 --", '../../../dev/null', '"; rm -rf /', `k1\u0000`, 'x'.repeat(4000)])(
    'a kid of %j is a name that is not known, and no more',
    async kid => {
      expect(await refusalCode(() => verifierFor(es256)(token(es256, {}, { kid })))).toBe('key_unknown')
    },
  )
})

describe('§2.8, §3.11: cross-JWT confusion', () => {
  test.each(['logout+jwt', 'secevent+jwt', 'dpop+jwt', 'token-introspection+jwt'])(
    '"explicit typing": a %s is no access token',
    async typ => {
      expect(await refusalCode(() => verifierFor(es256)(token(es256, {}, { typ })))).toBe('token_type_invalid')
    },
  )

  test('§3.12: with at+jwt an ID token, which is a JWT, is refused', async () => {
    const verify = verifierFor(es256, { tokenType: 'at+jwt' })
    expect(await refusalCode(() => verify(token(es256, { nonce: 'n' }, { typ: 'JWT' })))).toBe('token_type_invalid')
  })
})

describe('§3.2, §3.6: cryptography', () => {
  test('"avoid compression": a compressed payload is refused before anything is inflated', async () => {
    expect(await refusalCode(() => verifierFor(es256)(token(es256, {}, { zip: 'DEF' })))).toBe('algorithm_not_allowed')
  })

  test('a token that never expires is refused', async () => {
    for (const exp of [undefined, 1e308, NOW * 1000])
      expect(await refusalCode(() => verifierFor(es256)(token(es256, { exp })))).toBe('claim_invalid')
  })
})
