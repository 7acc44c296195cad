import { describe, expect, test } from 'vitest'
import { parseCompactJws } from '../../../src/authenticate/jwt/compact-jws.ts'
import { parseJwt } from '../../../src/authenticate/jwt/parse-jwt.ts'
import { base64url, refusal, refusalCode, signer, token } from '../support.ts'

const GOOD = { header: '{"alg":"RS256","kid":"k1","typ":"at+jwt"}', payload: '{"sub":"alice"}', signature: 'c2ln' }
const unsigned = (parts: Partial<typeof GOOD>) => {
  const { header, payload, signature } = { ...GOOD, ...parts }
  return `${base64url(header)}.${base64url(payload)}.${signature}`
}

describe('a token in three parts', () => {
  test('yields its header parameters and its claims, frozen', () => {
    const jwt = parseJwt(unsigned({}))
    expect(jwt.header).toEqual({ alg: 'RS256', kid: 'k1', typ: 'at+jwt' })
    expect(jwt.claims).toEqual({ sub: 'alice' })
    expect(Object.isFrozen(jwt.claims)).toBe(true)
  })

  test('keeps the token as it arrived', async () => {
    const text = token(await signer('ES256'))
    expect(parseJwt(text).token).toBe(text)
  })

  test('may carry any bytes as a JWS, but only an object as a JWT', async () => {
    const text = unsigned({ payload: 'Test' })
    expect(parseCompactJws(text).payload.toString()).toBe('Test')
    expect(await refusalCode(() => parseJwt(text))).toBe('token_malformed')
  })

  test('may name a certificate by its thumbprint, which carries no key', () => {
    expect(parseJwt(unsigned({ header: '{"alg":"RS256","x5t":"a","x5t#S256":"b"}' })).header.alg).toBe('RS256')
  })
})

describe('a header that comes again', () => {
  test('says the same, and what stands behind it is read anew', async () => {
    const [first, second] = ['{"sub":"alice"}', '{"sub":"bob"}'].map(payload => parseJwt(unsigned({ payload })))
    expect(second?.header).toEqual(first?.header)
    expect([first?.claims.sub, second?.claims.sub]).toEqual(['alice', 'bob'])
    expect(Object.isFrozen(first?.header)).toBe(true)
    expect(await refusalCode(() => parseJwt(unsigned({ payload: '[]' })))).toBe('token_malformed')
  })

  test('is refused each time when it is refused', async () => {
    for (const [header, code] of [
      ['{"alg":"RS256","b64":false}', 'algorithm_not_allowed'],
      ['{"alg":"RS256","alg":"RS256"}', 'token_malformed'],
    ] as const)
      for (let time = 0; time < 3; time += 1) expect(await refusalCode(() => parseJwt(unsigned({ header })))).toBe(code)
  })

  test('is told from one that differs in anything, also after thousands of others', () => {
    for (let kid = 0; kid < 2000; kid += 1)
      for (const text of [String(kid), `${kid}${'x'.repeat(600)}`])
        expect(parseJwt(unsigned({ header: JSON.stringify({ alg: 'ES256', kid: text }) })).header.kid).toBe(text)
    expect(parseJwt(unsigned({})).header.kid).toBe('k1')
  })

  test('in another spelling of base64url is no header', async () => {
    const [header, ...rest] = unsigned({ header: '{"alg":"RS256","kid":"k"}' }).split('.')
    parseJwt([header, ...rest].join('.'))
    for (const other of [`${header}=`, ` ${header}`, `${header?.slice(0, -1)}R`])
      expect(await refusalCode(() => parseJwt([other, ...rest].join('.')))).toBe('token_malformed')
  })
})

describe('refused as token_malformed', () => {
  const good = unsigned({})
  test.each([
    ['nothing', ''],
    ['one part', 'abc'],
    ['two parts', 'abc.def'],
    ['four parts', `${good}.abc`],
    ['five parts, a JWE', `${good}.abc.def`],
    ['ten thousand parts', '.'.repeat(10_000)],
    ['the JSON serialization', '{"payload":"","signatures":[]}'],
    ['padding', `${good}=`],
    ['double padding', `${good}==`],
    ['a blank inside', good.replace('.', ' .')],
    ['a line break at the end', `${good}\n`],
    ['the other base64 alphabet', unsigned({ signature: '+/+/' })],
    ['stray bits at the end of the signature', unsigned({ signature: 'c2lnYR' })],
    ['a signature whose length no encoding has', unsigned({ signature: 'c2lna' })],
    ['a character beyond ASCII', unsigned({ signature: 'c2lné' })],
    ['an empty header', unsigned({ header: '' })],
    ['an empty payload', unsigned({ payload: '' })],
    ['a header that is an array', unsigned({ header: '["alg","RS256"]' })],
    ['a header that is null', unsigned({ header: 'null' })],
    ['a header without alg', unsigned({ header: '{"kid":"k1"}' })],
    ['an alg that is no string', unsigned({ header: '{"alg":["RS256"]}' })],
    ['an alg from nowhere', unsigned({ header: '{"alg":null}' })],
    ['a kid that is no string', unsigned({ header: '{"alg":"RS256","kid":1}' })],
    ['a kid that is null', unsigned({ header: '{"alg":"RS256","kid":null}' })],
    ['a typ that is no string', unsigned({ header: '{"alg":"RS256","typ":{}}' })],
    ['a header with alg twice', unsigned({ header: '{"alg":"RS256","alg":"none"}' })],
    ['a header with a byte order mark', unsigned({ header: '\ufeff{"alg":"RS256"}' })],
    ['claims that are a string', unsigned({ payload: '"alice"' })],
    ['claims that are an array', unsigned({ payload: '[]' })],
    ['claims with sub twice', unsigned({ payload: '{"sub":"alice","sub":"root"}' })],
    ['claims with sub twice, once escaped', unsigned({ payload: String.raw`{"sub":"alice","\u0073ub":"root"}` })],
    ['claims with a byte order mark', unsigned({ payload: '\ufeff{}' })],
    ['claims nested a thousand levels deep', unsigned({ payload: `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}` })],
    ['claims with __proto__', unsigned({ payload: '{"__proto__":{"sub":"root"}}' })],
  ])('%s', async (_name, text) => {
    expect(await refusalCode(() => parseJwt(text))).toBe('token_malformed')
  })

  test('invalid UTF-8 in header or claims', async () => {
    const bytes = base64url(
      Buffer.concat([Buffer.from('{"alg":"RS256","sub":"'), Buffer.from([0xff]), Buffer.from('"}')]),
    )
    const object = base64url('{"alg":"RS256"}')
    expect(await refusalCode(() => parseJwt(`${bytes}.${object}.c2ln`))).toBe('token_malformed')
    expect(await refusalCode(() => parseJwt(`${object}.${bytes}.c2ln`))).toBe('token_malformed')
  })

  test('the evidence says what is wrong and quotes nothing', async () => {
    const { evidence } = await refusal(() => parseJwt(unsigned({ payload: '{"password":"hunter2"' })))
    expect(evidence).toEqual({ reason: 'claims: not JSON' })
  })
})

describe('refused as algorithm_not_allowed', () => {
  test.each(['none', 'None', 'NONE', 'nOnE'])('alg %s', async alg => {
    expect(await refusalCode(() => parseJwt(unsigned({ header: JSON.stringify({ alg }), signature: '' })))).toBe(
      'algorithm_not_allowed',
    )
  })

  test.each([
    ['a key in the token', '"jwk":{"kty":"oct","k":"AA"}'],
    ['a key set to fetch', '"jku":"https://evil.example/jwks.json"'],
    ['a certificate to fetch', '"x5u":"https://evil.example/cert.pem"'],
    ['a certificate in the token', '"x5c":["AA"]'],
    ['an unknown extension', '"crit":["exp"],"exp":1'],
    ['an empty list of extensions', '"crit":[]'],
    ['b64 without crit', '"b64":false'],
    ['b64 with crit', '"b64":false,"crit":["b64"]'],
    ['b64 as it is by default', '"b64":true'],
    ['compression', '"zip":"DEF"'],
    ['a key that is null', '"jwk":null'],
  ])('%s', async (_name, members) => {
    const text = unsigned({ header: `{"alg":"RS256",${members}}` })
    expect(await refusalCode(() => parseJwt(text))).toBe('algorithm_not_allowed')
  })
})
