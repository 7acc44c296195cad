/** How fast a caller may go: counted by one number for each key, as exactly as a queue that drains would. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { pace, remaining, waitMs } from '../../src/limit/pace.ts'
import { type Rate, readRate } from '../../src/limit/rate.ts'
import { manualTime } from '../support/manual-time.ts'
import { limitOf, routeWith } from './support.ts'

/** A bucket that leaks, in whole units: one request is a second's worth of a rate, in thousandths. */
function leakingBucket({ requests }: Rate, burst: number) {
  let level = 0
  let lastMs = 0
  return (nowMs: number): boolean => {
    level = Math.max(0, level - (nowMs - lastMs) * requests)
    lastMs = nowMs
    if (level + 1_000 > burst * 1_000) return false
    level += 1_000
    return true
  }
}

describe('a caller', () => {
  test('passes exactly when a leaking bucket has room, however requests come and however long the machine is up', async () => {
    const requests = fc.integer({ min: 1, max: 1_000 })
    const gaps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 60 })
    const upMs = fc.constantFrom(0, 1_000, 40 * 24 * 3_600_000)
    await fc.assert(
      fc.asyncProperty(requests, fc.integer({ min: 1, max: 20 }), gaps, upMs, async (count, burst, each, startMs) => {
        const rate = { requests: count, per: 's' } as const
        const time = manualTime()
        await time.advance(startMs)
        const { ask } = routeWith(time, [limitOf(time, { rate, burst }).limit])
        const hasRoom = leakingBucket(rate, burst)
        for (const gapMs of each) {
          await time.advance(gapMs)
          expect(await ask({ sub: 'alice' })).toBe(hasRoom(time.monotonicMs()) ? 'passes' : '429 main')
        }
      }),
      { seed: 24, numRuns: 60 },
    )
  })

  test.for([
    ['10000/s', undefined, 10_000],
    ['30/m', undefined, 1],
    ['1/h', 1, 1],
    ['7/s', 3, 3],
    ['1/h', 1_000, 1_000],
  ] as const)('of %s with burst %s has %i at once', ([text, burst, expected]) => {
    const own = pace(readRate(text), burst)
    for (const upMs of [0, 40 * 24 * 3_600_000]) {
      let paidUntilMs = upMs
      let passed = 0
      while (passed <= expected && waitMs(own, paidUntilMs - upMs) <= 0) {
        expect(remaining(own, paidUntilMs - upMs)).toBe(expected - passed)
        paidUntilMs += own.intervalMs
        passed += 1
      }
      expect(passed).toBe(expected)
      expect(remaining(own, paidUntilMs - upMs)).toBe(0)
    }
  })

  test('of the highest rate that there is has a burst within a thousandth after weeks', () => {
    const own = pace(readRate('1000000/s'), 100_000)
    const nowMs = 40 * 24 * 3_600_000
    let [paidUntilMs, passed] = [nowMs, 0]
    for (; waitMs(own, paidUntilMs - nowMs) <= 0; passed += 1) paidUntilMs += own.intervalMs
    expect(Math.abs(passed - 100_000)).toBeLessThan(100)
  })

  test('that was refused passes after the time that he was told, and not before', async () => {
    const time = manualTime()
    const { ask, passing } = routeWith(time, [limitOf(time, { rate: { requests: 3, per: 'm' }, burst: 2 }).limit])
    expect(await passing(5)).toBe(2)
    await time.advance(19_999)
    expect(await ask({ sub: 'alice' })).toBe('429 main')
    await time.advance(1)
    expect(await ask({ sub: 'alice' })).toBe('passes')
    expect(await ask({ sub: 'alice' })).toBe('429 main')
  })

  test('does not pay for requests that were refused', async () => {
    const time = manualTime()
    const { passing } = routeWith(time, [limitOf(time).limit])
    expect(await passing(1_000)).toBe(10)
    await time.advance(100)
    expect(await passing(1_000)).toBe(1)
  })
})

describe('a rate by the value of a claim', () => {
  const rate = {
    ...{ claim: 'plan', default: { requests: 1, per: 'h' } as const },
    values: { gold: { requests: 5, per: 's' }, '7': { requests: 3, per: 's' }, true: { requests: 2, per: 's' } },
  } as const

  test.for([
    [{ plan: 'gold' }, 5],
    [{ plan: 7 }, 3],
    [{ plan: true }, 2],
    [{ plan: 'free' }, 1],
    [{ plan: 'constructor' }, 1],
    [{ plan: ['gold'] }, 1],
    [{ plan: null }, 1],
    [{}, 1],
  ] as const)('gives %j %i', async ([claims, expected]) => {
    const time = manualTime()
    const { passing } = routeWith(time, [limitOf(time, { rate }).limit])
    expect(await passing(10, { sub: 'alice', ...claims })).toBe(expected)
  })

  test('is for anonymous callers the default', async () => {
    const time = manualTime()
    const { passing } = routeWith(time, [limitOf(time, { rate }).limit])
    expect(await passing(10, undefined)).toBe(1)
  })
})
