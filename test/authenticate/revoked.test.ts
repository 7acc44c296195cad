/** The layer that refuses revoked tokens, around a real token cache and real tokens. */
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { issuerAuthenticator } from '../../src/authenticate/by-issuer.ts'
import { jwtVerifier } from '../../src/authenticate/jwt/jwt.ts'
import { revocationLayer, standings } from '../../src/authenticate/revoked.ts'
import { tokenCache } from '../../src/authenticate/token-cache.ts'
import { claimReader } from '../../src/claim-reader.ts'
import { type RevocationEntry, withTimes } from '../../src/revocation/entry.ts'
import { type Revocations, revocations } from '../../src/revocation/revocations.ts'
import type { Authenticator, Principal, RequestFacts, StaleDecision } from '../../src/types.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'
import {
  ISSUER,
  NOW,
  refusal,
  refusalCode,
  type Signer,
  signer,
  TestKeySet,
  token,
  verifierOptions,
} from './support.ts'

const FACTS: RequestFacts = {
  method: 'GET',
  target: '/',
  httpVersion: '1.1',
  rawHeaders: [],
  peer: { address: '127.0.0.1', protocol: 'http' },
  hasBody: undefined,
  headBytes: 0,
}

let by: Signer
beforeAll(async () => {
  by = await signer('ES256')
})

let time: ManualTime
let known: Revocations
let stale: StaleDecision[]
let blind: string[]
beforeEach(() => {
  time = manualTime(NOW * 1000)
  stale = []
  blind = []
  known = revocations({ clock: time, scheduler: time, onEvent() {}, onState() {} })
  known.configure({ entries: 1000, maxStaleMs: undefined, fileEntries: [] })
})

const revoke = (rest: Partial<RevocationEntry>): void => {
  const written = {
    issuer: ISSUER,
    kind: 'sub',
    value: 'alice',
    before: undefined,
    until: undefined,
    reason: undefined,
  }
  known.apply({ ...withTimes({ ...written, kind: 'sub' }, NOW, 3600), ...rest }, 'api')
}

interface Rest {
  readonly whenStale?: 'refuse' | 'allow'
  readonly shortLivedSeconds?: number | undefined
  readonly session?: string
  readonly issuersOf?: () => readonly string[] | undefined
}

/** A route of its own around one cache, as a policy makes it. */
function layered({ whenStale = 'refuse', shortLivedSeconds, session = 'sid', issuersOf = () => undefined }: Rest = {}) {
  const cache = tokenCache({ entries: 10, onResult() {} })
  const verifier = jwtVerifier(verifierOptions(new TestKeySet(by.key)))
  return layerAround(issuerAuthenticator([verifier], { cache }), { whenStale, shortLivedSeconds, session, issuersOf })
}

function layerAround(base: Authenticator, { whenStale = 'refuse', shortLivedSeconds, session = 'sid', ...rest }: Rest) {
  const standing = standings({
    revocations: known,
    issuersOf: rest.issuersOf ?? (() => undefined),
    session: claimReader(session),
    onBlind: (provider, kind) => blind.push(`${provider} ${kind}`),
  })
  const onStale = (decision: StaleDecision): void => void stale.push(decision)
  const layer = revocationLayer({ standings: standing, whenStale, shortLivedSeconds, onStale })
  return {
    standing,
    authenticate: (text: string) =>
      layer(base)({ token: text, scheme: 'Bearer' }, FACTS, { path: '/', responseLines: [], isPrivate: false }),
  }
}

test.each([
  ['jti', { jti: 'alice' }],
  ['sub', { sub: 'alice' }],
  ['sid', { sid: 'alice' }],
  ['client', { client_id: 'alice' }],
  ['client', { azp: 'alice' }],
] as const)('a token is revoked by its %s, after it was let in', async (kind, claims) => {
  const { authenticate } = layered()
  const text = token(by, { sub: 'somebody', ...claims })
  const other = token(by, { sub: 'somebody', jti: 'x' })
  await authenticate(text)
  await authenticate(other)
  revoke({ kind })
  const denial = await refusal(() => authenticate(text))
  expect(denial).toMatchObject({ code: 'token_revoked', provider: 'main' })
  expect(denial.evidence).toEqual({ revoked_by: kind, before: NOW, iat: NOW - 10, source: 'told' })
  await authenticate(other)
})

test('all tokens of an issuer are revoked up to a time, and new ones are not', async () => {
  const { authenticate } = layered()
  revoke({ kind: 'all', value: '' })
  expect(await refusalCode(() => authenticate(token(by)))).toBe('token_revoked')
  expect(await refusalCode(() => authenticate(token(by, { iat: NOW, sub: 'x' })))).toBe('token_revoked')
  revoke({ kind: 'all', value: '', before: NOW - 11 })
  known.undo({ issuer: ISSUER, kind: 'all', value: '' }, 'api')
  revoke({ kind: 'all', value: '', before: NOW - 11 })
  await authenticate(token(by))
})

test('client_id goes before azp', async () => {
  const { authenticate } = layered()
  revoke({ kind: 'client', value: 'azp' })
  await authenticate(token(by, { client_id: 'client', azp: 'azp' }))
})

test('the session may stand in another claim, at any depth', async () => {
  const { authenticate } = layered({ session: '/ext/session' })
  revoke({ kind: 'sid', value: 's1' })
  await authenticate(token(by, { sid: 's1' }))
  expect(await refusalCode(() => authenticate(token(by, { ext: { session: 's1' } })))).toBe('token_revoked')
})

test('an entry may name any spelling of the issuer', async () => {
  const { authenticate } = layered({ issuersOf: () => [ISSUER, 'https://alias.example.com'] })
  revoke({ issuer: 'https://alias.example.com' })
  expect(await refusalCode(() => authenticate(token(by)))).toBe('token_revoked')
})

test('the spelling that the token has counts, also when the provider has it no more', async () => {
  const { authenticate } = layered({ issuersOf: () => ['https://other.example.com/'] })
  revoke({})
  expect(await refusalCode(() => authenticate(token(by)))).toBe('token_revoked')
})

test('what is undone passes again', async () => {
  const { authenticate } = layered()
  revoke({})
  expect(await refusalCode(() => authenticate(token(by)))).toBe('token_revoked')
  known.undo({ issuer: ISSUER, kind: 'sub', value: 'alice' }, 'api')
  await authenticate(token(by))
})

test('while nothing is revoked, a remembered token is not looked up again', async () => {
  const { authenticate, standing } = layered()
  const text = token(by)
  const principal = await authenticate(text)
  expect(standing.isClear(principal)).toBe(true)
  expect(await authenticate(text)).toBe(principal)
  revoke({ value: 'somebody else' })
  expect(standing.isClear(principal)).toBe(false)
  await authenticate(text)
  expect(standing.isClear(principal)).toBe(true)
})

test('two policies that read other claims do not take over what the other found clear', async () => {
  const cache = tokenCache({ entries: 10, onResult() {} })
  const base = issuerAuthenticator([jwtVerifier(verifierOptions(new TestKeySet(by.key)))], { cache })
  const [one, other] = [layerAround(base, {}), layerAround(base, { session: 'session' })]
  const text = token(by, { session: 's1' })
  revoke({ kind: 'sid', value: 's1' })
  await one.authenticate(text)
  expect(await refusalCode(() => other.authenticate(text))).toBe('token_revoked')
  await one.authenticate(text)
  expect(await refusalCode(() => other.authenticate(text))).toBe('token_revoked')
})

test('what a token lacks is counted once, and an empty name is no name', async () => {
  const { authenticate } = layered()
  const text = token(by, { jti: '' })
  await authenticate(text)
  await authenticate(text)
  revoke({ kind: 'jti', value: '' })
  await authenticate(text)
  expect(blind).toEqual(['main jti', 'main sid', 'main client'])
})

describe('while revocations may be missing', () => {
  beforeEach(async () => {
    known.configure({ entries: 1000, maxStaleMs: 10_000, fileEntries: [] })
    await time.advance(3000)
    known.failed('the store does not answer')
  })
  const lasting = (seconds: number): string => token(by, { iat: NOW - 10, exp: NOW - 10 + seconds })

  test('requests are refused where that is chosen, for our fault and not theirs', async () => {
    const { authenticate } = layered()
    const denial = await refusal(() => authenticate(token(by)))
    expect(denial).toMatchObject({ code: 'revocation_unavailable', retryAfterSeconds: 5 })
    expect(denial.spec.status).toBe(503)
    expect(denial.evidence).toEqual({ state: 'stale', reason: 'the store does not answer' })
    expect(stale).toEqual(['refused'])
  })

  test('they pass where that is chosen, and each is counted, also those of a remembered token', async () => {
    const { authenticate } = layered({ whenStale: 'allow' })
    const text = token(by)
    await authenticate(text)
    await authenticate(text)
    expect(stale).toEqual(['allowed', 'allowed'])
  })

  test('what is known is refused all the same', async () => {
    revoke({})
    for (const whenStale of ['refuse', 'allow'] as const)
      expect(await refusalCode(() => layered({ whenStale }).authenticate(token(by)))).toBe('token_revoked')
    expect(stale).toEqual([])
  })

  test('tokens that live for a short time pass, and are counted apart', async () => {
    const { authenticate } = layered({ shortLivedSeconds: 300 })
    await authenticate(lasting(300))
    expect(await refusalCode(() => authenticate(lasting(301)))).toBe('revocation_unavailable')
    const withoutIat = token(by, { iat: undefined })
    expect(await refusalCode(() => authenticate(withoutIat))).toBe('revocation_unavailable')
    expect(stale).toEqual(['exempt', 'refused', 'refused'])
  })

  test('a token that was clear while all was known is judged anew', async () => {
    known.proved()
    const { authenticate } = layered()
    const text = token(by)
    const principal: Principal = await authenticate(text)
    await time.advance(12_000)
    expect(await refusalCode(() => authenticate(text))).toBe('revocation_unavailable')
    known.proved()
    expect(await authenticate(text)).toBe(principal)
  })
})
