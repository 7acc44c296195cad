/** Whose quota a request spends: no two callers share one by the way a key is written. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type KeyPart, keyReader, networkOf } from '../../src/limit/limit-key.ts'
import type { Claims } from '../../src/types.ts'
import { principal } from '../authorize/support.ts'
import { factsOf } from '../support/facts.ts'
import { manualTime } from '../support/manual-time.ts'
import { limitOf, routeWith } from './support.ts'

function keyOf(parts: readonly KeyPart[], claims: Claims | undefined, provider = 'main', route = 'orders'): string {
  const reader = keyReader({ parts, route, clientAddress: ({ peer }) => peer.address })
  return reader.read(claims && principal({ claims, provider }), factsOf())
}

describe('keys', () => {
  test('are equal exactly when every part is, whatever is in them', () => {
    const parts = [{ claim: 'a' }, 'provider', { claim: 'b' }] as const
    // Few letters, those that keys are written with among them, so that parts run into each other.
    const text = fc.string({ unit: fc.constantFrom('a', '1', ':', 's', 'p', '-', '"'), maxLength: 6 })
    const claim = fc.oneof(text, fc.integer({ min: 0, max: 3 }), fc.boolean(), fc.constant(null), fc.array(text))
    const caller = fc.record({ a: claim, b: claim, provider: text })
    fc.assert(
      fc.property(caller, caller, (one, other) => {
        const [first, second] = [one, other].map(({ a, b, provider }) => keyOf(parts, { a, b }, provider))
        expect(first === second).toBe(JSON.stringify(one) === JSON.stringify(other))
      }),
      { seed: 24, numRuns: 3_000 },
    )
  })

  test('of callers without the claim are one, which no caller with it has', () => {
    const parts = [{ claim: 'tenant' }]
    const without = keyOf(parts, {})
    expect(keyOf(parts, undefined)).toBe(without)
    expect(keyOf(parts, { tenant: null })).toBe(without)
    for (const tenant of ['', '-', 'null', 'undefined', 0, false, [], {}])
      expect(keyOf(parts, { tenant })).not.toBe(without)
  })

  test('are short, however long a claim is, and still one for each', () => {
    const long = (end: string): string => keyOf([{ claim: 'sub' }], { sub: `${'x'.repeat(8_000)}${end}` })
    expect(long('a').length).toBeLessThan(100)
    expect(new Set([long('a'), long('b'), keyOf([{ claim: 'sub' }], { sub: ['x'.repeat(8_000)] })]).size).toBe(3)
    expect(long('a')).toBe(long('a'))
  })

  test('tell the text of a number from the number', () => {
    expect(keyOf([{ claim: 'sub' }], { sub: '7' })).not.toBe(keyOf([{ claim: 'sub' }], { sub: 7 }))
  })

  test('have the route in them only where that is asked for', () => {
    expect(keyOf(['route'], {}, 'main', 'a')).not.toBe(keyOf(['route'], {}, 'main', 'b'))
    expect(keyOf([{ claim: 'sub' }], {}, 'main', 'a')).toBe(keyOf([{ claim: 'sub' }], {}, 'main', 'b'))
  })
})

describe('an address', () => {
  test.for([
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '192.0.2.33'],
    ['0064:FF9B:0:0:0:0:c000:0221', '192.0.2.33'],
    ['64:ff9b:1::192.0.2.33', '64:ff9b:1:0::/64'],
    ['64:ff9b::1:192.0.2.33', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:192.0.2.33', '1:2:3:4::/64'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1::/64'],
    ['1:2:3::8', '1:2:3:0::/64'],
    ['::2:3:4:5:6:7:8', '0:2:3:4::/64'],
    ['1::3:4:5:6:7:8', '1:0:3:4::/64'],
    ['fe80::', 'fe80:0:0:0::/64'],
    ['', ''],
  ] as const)('%s counts as %s', ([address, network]) => expect(networkOf(address)).toBe(network))

  test('of IPv6 has no more by having many', async () => {
    const time = manualTime()
    const { passing } = routeWith(time, [limitOf(time, { key: ['client'] }).limit])
    let passed = 0
    for (let host = 0; host < 100; host += 1)
      passed += await passing(1, undefined, `2001:db8:1:2::${host.toString(16)}`)
    expect(passed).toBe(10)
    expect(await passing(20, undefined, '2001:db8:1:3::1')).toBe(10)
  })
})

test('routes share the quota of a limit, unless the route is a part of its key', async () => {
  const time = manualTime()
  const { limit } = limitOf(time)
  expect(await routeWith(time, [limit], 'a').passing(6)).toBe(6)
  expect(await routeWith(time, [limit], 'b').passing(6)).toBe(4)
  const own = limitOf(time, { key: ['route', { claim: 'sub' }] }).limit
  expect(await routeWith(time, [own], 'a').passing(60)).toBe(10)
  expect(await routeWith(time, [own], 'b').passing(60)).toBe(10)
})
