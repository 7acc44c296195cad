/** What real providers need besides the letter of the RFCs: each way out works where it is named, and nowhere else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type Stack } from '../support/raw.ts'
import { AUDIENCE } from '../support/services/issuer.ts'

const LOGIN = 'https://login.example'

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
