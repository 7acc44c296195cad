import { expect, test } from 'vitest'
import { unknownKeys } from '../../src/keys/unknown-keys.ts'
import { es256 } from './support.ts'

const bounds = { cooldownMs: 30_000, refreshMs: 300_000 }

test('a name is known to be missing for its wait, and by its algorithm', () => {
  const unknown = unknownKeys(bounds)
  unknown.remember(es256('k'), 0)
  expect(unknown.isKnownMissing(es256('k'), 29_999)).toBe(true)
  expect(unknown.isKnownMissing(es256('k'), 30_000)).toBe(false)
  expect(unknown.isKnownMissing({ alg: 'RS256', kid: 'k', issuers: [] }, 0)).toBe(false)
  expect(unknown.isKnownMissing(es256(undefined), 0)).toBe(false)
})

test('waits double up to the refresh interval', () => {
  const unknown = unknownKeys(bounds)
  const waits: number[] = []
  for (let nowMs = 0, waitMs = 0; waits.length < 6; nowMs += waitMs) {
    unknown.remember(es256('k'), nowMs)
    for (waitMs = 0; unknown.isKnownMissing(es256('k'), nowMs + waitMs); ) waitMs += 10_000
    waits.push(waitMs)
  }
  expect(waits).toEqual([30_000, 60_000, 120_000, 240_000, 300_000, 300_000])
})

test('a thousand names are kept, and none that is longer than any provider would use', () => {
  const unknown = unknownKeys(bounds)
  for (let n = 0; n <= 1_000; n++) unknown.remember(es256(`k${n}`), 0)
  expect(unknown.isKnownMissing(es256('k0'), 0)).toBe(false)
  expect(unknown.isKnownMissing(es256('k1000'), 0)).toBe(true)
  unknown.remember(es256('x'.repeat(257)), 0)
  expect(unknown.isKnownMissing(es256('x'.repeat(257)), 0)).toBe(false)
})
