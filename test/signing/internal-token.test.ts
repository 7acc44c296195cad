import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, test } from 'vitest'
import { compileIdentity, identityHeader } from '../../src/identity/header-lines.ts'
import { callerClaim, internalTokens } from '../../src/signing/internal-token.ts'
import { keyRing } from '../../src/signing/key-ring.ts'
import { signingKey } from '../../src/signing/signing-key.ts'
import type { Claims, Principal } from '../../src/types.ts'
import { denied } from '../support/denied.ts'
import { manualTime } from '../support/manual-time.ts'
import { privateJwk } from './support.ts'

function setUp(claims: Readonly<Record<string, string>> = { sub: 'sub', scope: 'scope', client_id: 'client_id' }) {
  const clock = manualTime()
  const key = (kid: string) => signingKey(Buffer.from(privateJwk('P-256', { kid })))
  const ring = keyRing({ algorithm: 'ES256', first: [{ key: key('a'), sinceMs: clock.nowMs() }], clock })
  let signed = 0
  const tokens = internalTokens({
    issuer: 'https://orders.internal/',
    audience: ['orders', 'billing'],
    lifetimeMs: 300_000,
    claims: Object.entries(claims).map(([name, from]) => [name, callerClaim(from)] as const),
    ring,
    clock,
    onSigned: () => void signed++,
  })
  const nowSeconds = () => Math.floor(clock.nowMs() / 1000)
  const caller = (said: Claims = { sub: 'alice' }, parts: Partial<Principal> = {}): Principal => ({
    provider: 'main',
    claims: said,
    scopes: new Set(),
    roles: new Set(),
    audiences: [],
    expiresAtSeconds: nowSeconds() + 3600,
    validUntilMs: clock.nowMs() + 3_605_000,
    confirmation: undefined,
    standing: { fingerprints: [], reader: undefined, clearAt: 0 },
    kept: { newest: undefined },
    tenure: undefined,
    ...parts,
  })
  return { clock, ring, key, tokens, caller, nowSeconds, signed: () => signed }
}

function identityOf({ tokens }: ReturnType<typeof setUp>, name = 'X-Auth-Token', maxBytes = 8192) {
  return compileIdentity({
    headers: [identityHeader('X-Auth-Subject', 'sub')],
    token: { name, tokens },
    reserved: [],
    maxBytes,
  })
}

const claimsIn = (lines: readonly string[]) => decodeJwt(lines.at(-1)?.replace('Bearer ', '') ?? '')

describe('a token for the service', () => {
  test('has the claims of RFC 7519, and those that the configuration names', () => {
    const set = setUp({ sub: 'sub', tenant: '/org/tenant', scope: 'scope', missing: 'nothing' })
    const caller = set.caller(
      { iss: 'https://idp.example', sub: 'alice', org: { tenant: 'shop' } },
      { scopes: new Set(['a', 'b']) },
    )
    const claims = claimsIn(identityOf(set).lines(caller))
    expect(claims).toEqual({
      ...{ iss: 'https://orders.internal/', aud: ['orders', 'billing'], orig_iss: 'https://idp.example' },
      ...{ sub: 'alice', tenant: 'shop', scope: 'a b', jti: expect.any(String) },
      ...{ iat: set.nowSeconds(), exp: set.nowSeconds() + 300 },
    })
  })

  test('takes azp where there is no client_id, as the headers do', () => {
    const set = setUp()
    expect(claimsIn(identityOf(set).lines(set.caller({ azp: 'shop' })))).toMatchObject({ client_id: 'shop' })
  })

  test('is refused for a caller whose name is no text', () => {
    const set = setUp()
    expect(denied(() => set.tokens.sign(set.caller({ sub: '\ud800' })))?.code).toBe('claim_invalid')
  })

  test('is refused for a caller whose issuer is no text, and says none where there is none', () => {
    const set = setUp()
    const refused = denied(() => set.tokens.sign(set.caller({ sub: 'alice', iss: 'a\udc00' })))
    expect(refused?.evidence).toEqual({ claim: 'orig_iss', reason: 'unpaired surrogate' })
    expect(claimsIn(identityOf(set).lines(set.caller({ sub: 'alice', iss: null })))).not.toHaveProperty('orig_iss')
  })

  test('counts towards the bytes that identity headers may take', () => {
    const set = setUp()
    const { bytes } = denied(() => identityOf(set, 'X-Auth-Token', 256).lines(set.caller()))?.evidence ?? {}
    const whole = identityOf(set).lines(set.caller())
    const [, subject = '', , token = ''] = whole
    expect(bytes).toBe('X-Auth-Subject'.length + subject.length + 'X-Auth-Token'.length + token.length + 8)
  })

  test('comes as Bearer in Authorization', () => {
    const set = setUp()
    const lines = identityOf(set, 'Authorization').lines(set.caller())
    expect(lines.slice(-2)).toEqual(['Authorization', expect.stringMatching(/^Bearer eyJ/)])
  })
})

describe('its life', () => {
  test('is shared by all requests of a caller, and ends for the next one at four fifths', async () => {
    const set = setUp()
    const { lines } = identityOf(set)
    const caller = set.caller()
    const first = lines(caller)
    await set.clock.advance(239_999)
    expect(lines(caller)).toBe(first)
    await set.clock.advance(1)
    const second = lines(caller)
    expect(second).not.toEqual(first)
    expect(claimsIn(second).exp).toBe(set.nowSeconds() + 300)
    expect(set.signed()).toBe(2)
  })

  test('never lasts longer than that of the caller’s token, whose end no renewal can move', async () => {
    const set = setUp()
    const { lines } = identityOf(set)
    const caller = set.caller(undefined, { expiresAtSeconds: set.nowSeconds() + 60.9 })
    expect(claimsIn(lines(caller)).exp).toBe(set.nowSeconds() + 60)
    // Within the tolerance of clocks the caller may still come, and costs no signature with every request.
    await set.clock.advance(62_000)
    lines(caller)
    expect(set.signed()).toBe(1)
  })

  test('has its own end where nobody says when the caller’s token expires', () => {
    const set = setUp()
    const caller = set.caller(undefined, { expiresAtSeconds: Number.POSITIVE_INFINITY })
    expect(claimsIn(identityOf(set).lines(caller)).exp).toBe(set.nowSeconds() + 300)
  })

  test('ends with the key that signed it, however long the caller is remembered', async () => {
    const set = setUp()
    const { lines } = identityOf(set)
    const caller = set.caller()
    lines(caller)
    const b = set.key('b')
    set.ring.add([{ key: b, sinceMs: set.clock.nowMs() }])
    set.ring.keepOnly([b])
    set.ring.settle()
    expect(decodeProtectedHeader(lines(caller).at(-1) ?? '').kid).toBe('b')
  })

  test('ends when the clock is set back before its beginning', async () => {
    const set = setUp()
    const token = set.tokens.sign(set.caller())
    expect(set.tokens.isCurrent({ ...token, fromMs: token.fromMs + 1 })).toBe(false)
    expect(set.tokens.isCurrent(token)).toBe(true)
  })

  test('is shared by the copies of a principal that a session makes for its requests', () => {
    const set = setUp()
    const { lines } = identityOf(set)
    const caller = set.caller()
    expect(lines({ ...caller, validUntilMs: 0 })).toBe(lines(caller))
    expect(set.signed()).toBe(1)
  })

  test('is another one for another caller with the same claims', () => {
    const set = setUp()
    const { lines } = identityOf(set)
    expect(claimsIn(lines(set.caller())).jti).not.toBe(claimsIn(lines(set.caller())).jti)
  })
})
