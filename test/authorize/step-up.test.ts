/** Tests what a route may ask about a login and about the age of a token (RFC 9470). */
import { describe, expect, test } from 'vitest'
import { acceptedAcrs, requireAcr } from '../../src/authorize/acr.ts'
import { type AgeKind, requireAge, seenAge } from '../../src/authorize/age.ts'
import type { Claims, JsonValue, Principal } from '../../src/types.ts'
import { manualTime } from '../support/manual-time.ts'
import { principal as callerOf, refusal } from './support.ts'

function principal(claims: Claims, provider = 'main'): Principal {
  return callerOf({ claims, provider })
}

describe('acr', () => {
  const ordered = new Map([['main', ['low', 'mfa', 'hardware']]])

  test('equals one of the values, byte for byte', () => {
    const authorize = requireAcr(['mfa', 'hardware'], new Map())
    for (const acr of ['mfa', 'hardware']) expect(refusal(authorize, principal({ acr }))).toBeUndefined()
    for (const acr of ['low', 'MFA', 'mfa ', 'mfa hardware', ''])
      expect(refusal(authorize, principal({ acr }))).toEqual({
        code: 'step_up_required',
        evidence: { requirement: 'acr', wanted: ['mfa', 'hardware'], seen: acr },
      })
  })

  test.each<[JsonValue | undefined, string]>([
    [undefined, 'none'],
    [null, 'none'],
    [1, 'no text'],
    [true, 'no text'],
    [['mfa'], 'no text'],
    [{ mfa: 'mfa' }, 'no text'],
  ])('that is %j counts as missing, and fails', (acr, seen) => {
    const claims = acr === undefined ? {} : { acr }
    for (const orders of [new Map<string, readonly string[]>(), ordered])
      expect(refusal(requireAcr(['mfa'], orders), principal(claims))).toEqual({
        code: 'step_up_required',
        evidence: { requirement: 'acr', wanted: ['mfa'], seen },
      })
  })

  test('may stand higher than the lowest value in the order of its own provider, and of no other', () => {
    const authorize = requireAcr(['mfa'], ordered)
    expect(refusal(authorize, principal({ acr: 'mfa' }))).toBeUndefined()
    expect(refusal(authorize, principal({ acr: 'hardware' }))).toBeUndefined()
    expect(refusal(authorize, principal({ acr: 'low' }))?.code).toBe('step_up_required')
    expect(refusal(authorize, principal({ acr: 'unheard-of' }))?.code).toBe('step_up_required')
    expect(refusal(authorize, principal({ acr: 'hardware' }, 'other'))?.code).toBe('step_up_required')
    expect(refusal(authorize, principal({ acr: 'mfa' }, 'other'))).toBeUndefined()
  })

  test('the lowest of the values that are listed counts, in whatever order the route lists them', () => {
    const order = ['low', 'mfa', 'hardware']
    expect(acceptedAcrs(['hardware', 'mfa'], order)).toEqual(['hardware', 'mfa'])
    expect(acceptedAcrs(['hardware', 'low'], order)).toEqual(['hardware', 'low', 'mfa'])
    expect(acceptedAcrs(['elsewhere'], order)).toEqual(['elsewhere'])
  })

  test('a long one is cut in the log', () => {
    const seen = refusal(requireAcr(['mfa'], new Map()), principal({ acr: 'x'.repeat(1000) }))?.evidence?.seen
    expect(seen).toBe('x'.repeat(200))
  })
})

describe.each<[AgeKind, string, string]>([
  ['authAge', 'auth_time', 'step_up_required'],
  ['tokenAge', 'iat', 'token_too_old'],
])('%s', (kind, claim, code) => {
  const clock = manualTime(1_750_000_000_000)
  const nowSeconds = 1_750_000_000
  const rules = { clock, tolerancesMs: new Map([['main', 5000]]) }
  const authorize = requireAge(kind, 300_000, rules)
  const caller = (value: JsonValue, provider?: string) => principal({ [claim]: value }, provider)

  test('is counted to the present, and the clock tolerance of the provider comes on top', () => {
    for (const age of [0, 299.5, 300, 305]) expect(refusal(authorize, caller(nowSeconds - age))).toBeUndefined()
    expect(refusal(authorize, caller(nowSeconds - 306))).toEqual({
      code,
      evidence: { requirement: kind, wanted: '300s', seen: '306s' },
    })
    expect(refusal(authorize, caller(nowSeconds - 300, 'exact'))).toBeUndefined()
    expect(refusal(authorize, caller(nowSeconds - 301, 'exact'))?.code).toBe(code)
  })

  test('a time in the future is none, but for the clock tolerance', () => {
    expect(refusal(authorize, caller(nowSeconds + 5))).toBeUndefined()
    for (const time of [nowSeconds + 6, nowSeconds * 1000, Number.POSITIVE_INFINITY])
      expect(refusal(authorize, caller(time))?.evidence).toMatchObject({ seen: 'in the future' })
  })

  test.each<[JsonValue, string]>([
    [null, 'none'],
    [String(nowSeconds), 'no time'],
    [-1, 'no time'],
    [Number.NaN, 'no time'],
    [true, 'no time'],
    [[nowSeconds], 'no time'],
  ])('%j is no time, and fails', (value, seen) => {
    expect(refusal(authorize, caller(value))).toEqual({
      code,
      evidence: { requirement: kind, wanted: '300s', seen },
    })
    expect(seenAge(kind, caller(value), rules)).toBe(seen)
  })

  test('without its claim it fails, whatever the others say', () => {
    const others = principal({ iat: nowSeconds, auth_time: nowSeconds, nbf: nowSeconds, updated_at: nowSeconds })
    const { [claim]: _, ...claims } = others.claims
    expect(refusal(authorize, principal(claims))).toEqual({
      code,
      evidence: { requirement: kind, wanted: '300s', seen: 'none' },
    })
  })

  test('is asked anew each time', async () => {
    const time = manualTime()
    const asked = requireAge(kind, 300_000, { clock: time, tolerancesMs: new Map() })
    const one = caller(Math.floor(time.nowMs() / 1000))
    expect(refusal(asked, one)).toBeUndefined()
    await time.advance(300_001)
    expect(refusal(asked, one)?.code).toBe(code)
  })
})
