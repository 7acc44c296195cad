/** What real providers need besides the letter of the RFCs: each way out works where it is named, and nowhere else. */
import { generateKeyPairSync, type KeyObject, type webcrypto } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'
import { AUDIENCE } from '../support/services/issuer.ts'

const LOGIN = 'https://login.example'
const ROTATING = 'https://rotating.example'

/** Keys as providers publish them: without a name, padded, with `alg: null` or with the other name of an algorithm. */
const [before, after] = [
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
  generateKeyPairSync('rsa', { modulusLength: 2048 }),
]
const edwards = generateKeyPairSync('ed25519')
const published = (key: KeyObject): webcrypto.JsonWebKey => key.export({ format: 'jwk' })
const PUBLISHED = [
  { ...published(before.publicKey), alg: null },
  { ...published(after.publicKey), n: `${published(after.publicKey).n}==`, kid: 'after', use: 'sig' },
  { ...published(edwards.publicKey), alg: 'EdDSA' },
]

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(({ issuer, jwksUri }) => {
      const base = { type: 'jwt', audiences: [AUDIENCE], keys: { jwksUri } }
      return {
        providers: {
          main: { ...base, issuer },
          tenants: { ...base, issuer: `${LOGIN}/{tid}/v2.0`, tenants: { tid: ['6f1c', '9a2b'] } },
          aliases: { ...base, issuer: 'https://accounts.example', issuerAliases: ['accounts.example'] },
          clients: { ...base, issuer: 'https://pool.example', audiences: ['shop'], audienceClaim: 'client_id' },
          numbers: { ...base, issuer: 'https://numbers.example', numericSubject: true },
          rotating: { ...base, issuer: ROTATING, keys: { jwks: { keys: PUBLISHED } } },
          headers: { ...base, issuer: 'https://uaa.example/oauth/token', ignoredHeaders: ['jku'] },
        },
      }
    })
  })
  afterAll(() => stack.close())

  const subject = async (claims: Record<string, unknown>, header: Record<string, unknown> = {}) => {
    const token = await stack.issuer.mint(claims, { header })
    const reply = await stack.exchange(get('/private/x', [`Authorization: Bearer ${token}`]))
    expect(reply?.status).toBe(200)
    const { rawHeaders } = stack.upstream.seen.at(-1) ?? { rawHeaders: [] }
    return rawHeaders[rawHeaders.findIndex(name => name.toLowerCase() === 'x-auth-subject') + 1]
  }
  const refused = async (code: string, claims: Record<string, unknown>, header: Record<string, unknown> = {}) => {
    const token = await stack.issuer.mint(claims, { header })
    await stack.refuses(get('/private/x', [`Authorization: Bearer ${token}`]), code)
  }

  test.each<readonly [string, string, string | undefined, KeyObject]>([
    ['the key that goes, without kid', 'RS256', undefined, before.privateKey],
    ['the key that comes, without kid', 'RS256', undefined, after.privateKey],
    ['the key that comes, by its name', 'PS256', 'after', after.privateKey],
    ['a key without a name, by a name', 'RS256', 'nobody', before.privateKey],
    ['an Ed25519 key, by the older name of its algorithm', 'EdDSA', undefined, edwards.privateKey],
    ['an Ed25519 key, by the newer one', 'Ed25519', undefined, edwards.privateKey],
  ])('a token of %s passes', async (_what, alg, kid, key) => {
    const token = await new SignJWT({ iss: ROTATING, aud: AUDIENCE, sub: 'alice' })
      .setProtectedHeader({ alg, ...(kid !== undefined && { kid }) })
      .setExpirationTime('1h')
      .sign(key)
    const reply = await stack.exchange(get('/private/x', [`Authorization: Bearer ${token}`]))
    expect(reply?.status).toBe(200)
  })

  test('a template takes the tokens of the tenants that are listed, and of those alone', async () => {
    expect(await subject({ iss: `${LOGIN}/6f1c/v2.0`, tid: '6f1c' })).toBe('alice')
    expect(await subject({ iss: `${LOGIN}/9a2b/v2.0`, tid: '9a2b' })).toBe('alice')
    await refused('issuer_unknown', { iss: `${LOGIN}/0000/v2.0`, tid: '0000' })
    await refused('issuer_unknown', { iss: `${LOGIN}/6f1c/v2.0`, tid: '9a2b' })
    await refused('issuer_unknown', { iss: `${LOGIN}/6f1c/v2.0` })
    await refused('issuer_unknown', { iss: `${LOGIN}/{tid}/v2.0`, tid: '{tid}' })
  })

  test('an alias is the same provider', async () => {
    expect(await subject({ iss: 'https://accounts.example' })).toBe('alice')
    expect(await subject({ iss: 'accounts.example' })).toBe('alice')
    await refused('issuer_unknown', { iss: 'https://accounts.example/' })
  })

  test('a claim stands in for aud, where it is named', async () => {
    expect(await subject({ iss: 'https://pool.example', aud: undefined, client_id: 'shop' })).toBe('alice')
    await refused('audience_mismatch', { iss: 'https://pool.example', aud: ['shop'], client_id: 'other' })
    await refused('audience_mismatch', { iss: 'https://pool.example', aud: 'shop' })
    await refused('audience_mismatch', { aud: undefined, client_id: AUDIENCE })
  })

  test('a number is a subject, where it is allowed', async () => {
    expect(await subject({ iss: 'https://numbers.example', sub: 42 })).toBe('42')
    expect(await subject({ iss: 'https://numbers.example', sub: '42' })).toBe('42')
    await refused('claim_invalid', { iss: 'https://numbers.example', sub: 1.5 })
    await refused('claim_invalid', { sub: 42 })
  })

  test('a parameter with a key is ignored, where it is named', async () => {
    const iss = 'https://uaa.example/oauth/token'
    expect(await subject({ iss }, { jku: 'https://uaa.example/token_keys' })).toBe('alice')
    await refused('algorithm_not_allowed', { iss }, { x5u: 'https://uaa.example/chain' })
    await refused('algorithm_not_allowed', { iss }, { jku: 'https://uaa.example/token_keys', crit: ['b64'], b64: true })
    await refused('algorithm_not_allowed', {}, { jku: 'https://uaa.example/token_keys' })
  })
})
