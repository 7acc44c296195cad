import fc from 'fast-check'
import { errors, jwtVerify } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseJwt } from '../../../src/authenticate/jwt/parse-jwt.ts'
import { Denial } from '../../../src/errors.ts'
import type { Principal } from '../../../src/types.ts'
import {
  AUDIENCE,
  base64url,
  CLAIMS,
  ISSUER,
  NOW,
  rawToken,
  type Signer,
  signer,
  token,
  verifierFor,
} from '../support.ts'

let hs256: Signer
let es256: Signer
let good: string
beforeAll(async () => {
  ;[hs256, es256] = await Promise.all([signer('HS256'), signer('ES256')])
  good = token(es256)
})

/** The principal, or the code of the refusal; anything else that is thrown fails the property. */
async function outcome(by: Signer, text: string): Promise<Principal | string> {
  try {
    return await verifierFor(by)(text)
  } catch (error) {
    if (error instanceof Denial && error.spec.status === refusalStatus(text)) return error.code
    throw error
  }
}

/** What is no token68 is no credential at all (RFC 6750 §2.1 and §3.1). */
function refusalStatus(text: string): number {
  return /^[\w.~+/-]+=*$/.test(text) ? 401 : 400
}

describe('a token that was tampered with is refused, with 401 while it is token68', () => {
  test('when one character is another', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 0, max: 255 }), async (at, code) => {
        const index = at % good.length
        const mutated = good.slice(0, index) + String.fromCharCode(code) + good.slice(index + 1)
        fc.pre(mutated !== good)
        expect(typeof (await outcome(es256, mutated))).toBe('string')
      }),
      { numRuns: 1000 },
    )
  })

  test('when one bit of what the parts hold is another', async () => {
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(0, 1, 2), fc.nat(), fc.integer({ min: 0, max: 7 }), async (part, at, bit) => {
        const parts = good.split('.').map(text => Buffer.from(text, 'base64url'))
        const bytes = parts[part] ?? Buffer.alloc(1)
        bytes.writeUInt8(bytes.readUInt8(at % bytes.length) ^ (1 << bit), at % bytes.length)
        expect(typeof (await outcome(es256, parts.map(base64url).join('.')))).toBe('string')
      }),
      { numRuns: 500 },
    )
  })

  test('when characters are put in, taken out or repeated', async () => {
    const insert = fc.string({ unit: fc.constantFrom(...'A=._- \n\t+/"\u0000é'), minLength: 1, maxLength: 3 })
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat({ max: 3 }), fc.oneof(insert, fc.constant('')), async (at, cut, text) => {
        const index = at % (good.length + 1)
        const mutated = good.slice(0, index) + text + good.slice(index + cut)
        fc.pre(mutated !== good)
        expect(typeof (await outcome(es256, mutated))).toBe('string')
      }),
      { numRuns: 1000 },
    )
  })

  test('when it is anything at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String()), fc.json(), async (text, json) => {
        for (const attempt of [text, `${base64url(json)}.${base64url(text)}.${text}`, `${text}.${text}.${text}`])
          expect(typeof (await outcome(es256, attempt))).toBe('string')
      }),
      { numRuns: 300 },
    )
  })
})

describe('one token has one spelling', () => {
  test('no other text decodes to the same three parts and is taken', () => {
    const spellings = (part: string) =>
      fc.constantFrom(
        part,
        `${part}=`,
        `${part}==`,
        ` ${part}`,
        `${part}\n`,
        part.replaceAll('-', '+').replaceAll('_', '/'),
      )
    const last = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
    fc.assert(
      fc.property(
        fc.tuple(...good.split('.').map(spellings)),
        fc.option(fc.constantFrom(...last), { nil: undefined }),
        (parts, char) => {
          const text = parts.join('.')
          const other = char === undefined ? text : text.slice(0, -1) + char
          fc.pre(other !== good)
          const bytes = (value: string) => value.split('.').map(part => Buffer.from(part, 'base64url').toString('hex'))
          let parsed: unknown
          try {
            parsed = parseJwt(other)
          } catch (error) {
            parsed = error
          }
          const same = bytes(other).join() === bytes(good).join()
          if (same) expect(parsed).toBeInstanceOf(Denial)
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('what is parsed, written again, is the token', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), fc.uint8Array(), (claims, signature) => {
        fc.pre(!JSON.stringify(claims).includes('__proto__'))
        const header = { alg: 'ES256', kid: 'k' }
        const text = `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify(claims))}.${base64url(signature)}`
        const jwt = parseJwt(text)
        expect(JSON.stringify(jwt.claims)).toBe(JSON.stringify(claims))
        expect(jwt.header).toEqual({ ...header, typ: undefined })
      }),
      { numRuns: 500 },
    )
  })
})

describe('a second opinion', () => {
  /** Values that lie on both sides of every rule. */
  const time = fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: NOW - 20, max: NOW + 20 }) },
    { weight: 1, arbitrary: fc.constantFrom<unknown>(undefined, 0, -1, 1e308, NOW * 1000, '1', null) },
  )
  const mostly = (usual: unknown, ...odd: readonly unknown[]) =>
    fc.oneof({ weight: 9, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constantFrom(...odd) })
  const claimsSet = fc.record({
    iss: mostly(ISSUER, 'other', undefined, null, [ISSUER]),
    aud: mostly(AUDIENCE, ['x', AUDIENCE], [], 'x', undefined, 1, [AUDIENCE, 1]),
    sub: mostly('alice', '', 1, undefined),
    exp: time,
    nbf: time,
    iat: time,
  })

  test('jose refuses no claims that we accept', async () => {
    const accepted = { count: 0 }
    const key = hs256.key.key
    await fc.assert(
      fc.asyncProperty(claimsSet, async claims => {
        const text = rawToken(hs256, '{"alg":"HS256","kid":"k1"}', JSON.stringify(claims))
        const ours = await outcome(hs256, text)
        if (typeof ours === 'string') return
        accepted.count += 1
        const options = { issuer: ISSUER, audience: AUDIENCE, clockTolerance: 5, currentDate: new Date(NOW * 1000) }
        const theirs = await jwtVerify(text, key, { ...options, requiredClaims: ['exp'], algorithms: ['HS256'] })
        expect(ours.claims).toEqual(theirs.payload)
      }),
      { numRuns: 2000 },
    )
    // The property must not hold for want of tokens that are accepted.
    expect(accepted.count).toBeGreaterThan(100)
  })

  test('every hole that jose leaves open is closed', async () => {
    const key = hs256.key.key
    const header = '{"alg":"HS256","kid":"k1"}'
    const claims = JSON.stringify(CLAIMS)
    const holes: Readonly<Record<string, string>> = {
      'duplicate members': rawToken(hs256, header, claims.replace('{', '{"sub":"root",')),
      'sub of another type': token(hs256, { sub: { id: 1 } }),
      'iat in the future': token(hs256, { iat: NOW + 100 }),
      'exp of 1e308': token(hs256, { exp: 1e308 }),
      'exp in milliseconds': token(hs256, { exp: (NOW + 300) * 1000 }),
      'non-canonical base64url': `${token(hs256)}=`,
      'a blank in base64url': `${token(hs256).slice(0, -4)} ${token(hs256).slice(-4)}`,
      '5,000 levels of nesting': rawToken(
        hs256,
        header,
        claims.replace('{', `{"x":${'['.repeat(5000)}${']'.repeat(5000)},`),
      ),
      'b64 without crit': token(hs256, {}, { b64: true }),
    }
    const options = { currentDate: new Date(NOW * 1000) }
    for (const [name, text] of Object.entries(holes)) {
      const theirs = await jwtVerify(text, key, options).then(
        () => 'accepted',
        error => (error instanceof errors.JOSEError ? error.code : String(error)),
      )
      expect([name, theirs, typeof (await outcome(hs256, text))]).toEqual([name, 'accepted', 'string'])
    }
  })
})
