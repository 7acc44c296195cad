import { describe, expect, test } from 'vitest'
import { keyRing } from '../../src/signing/key-ring.ts'
import { rotatingKeys } from '../../src/signing/rotating-keys.ts'
import { signingKey } from '../../src/signing/signing-key.ts'
import { manualTime } from '../support/manual-time.ts'
import { privateJwk } from './support.ts'

const MINUTE_MS = 60_000
const key = (kid: string, curve?: 'P-256' | 'Ed25519') => signingKey(Buffer.from(privateJwk(curve, { kid })))
const [a, b, c] = [key('a'), key('b'), key('c')]

function ringOf(first: ReadonlyArray<readonly [typeof a, ageMinutes: number]>) {
  const clock = manualTime()
  const ring = keyRing({
    algorithm: 'ES256',
    first: first.map(([each, age]) => ({ key: each, sinceMs: clock.nowMs() - age * MINUTE_MS })),
    clock,
  })
  const now = () => ({ signs: ring.signing.kid, published: ring.published().map(({ kid }) => kid) })
  const pass = async (minutes: number) => {
    await clock.advance(minutes * MINUTE_MS)
    ring.settle()
    return now()
  }
  return { ring, clock, now, pass }
}

describe('when the gateway starts', () => {
  test('the only key signs at once', () => {
    expect(ringOf([[a, 0]]).now()).toEqual({ signs: 'a', published: ['a'] })
  })

  test('the newest one signs that has been published for ten minutes', async () => {
    const { now, pass } = ringOf([
      [a, 900],
      [b, 10],
      [c, 9],
    ])
    expect(now().signs).toBe('b')
    expect((await pass(1)).signs).toBe('c')
  })

  test('of keys that have all just come, the first one signs, and the last one after ten minutes', async () => {
    const { now, pass, ring, clock } = ringOf([
      [a, 0],
      [b, 0],
      [c, 0],
    ])
    expect(now()).toEqual({ signs: 'a', published: ['a', 'b', 'c'] })
    expect(ring.status().nextMs).toBe(clock.nowMs() + 10 * MINUTE_MS)
    expect((await pass(9)).signs).toBe('a')
    expect((await pass(1)).signs).toBe('c')
    expect(ring.status().nextMs).toBeUndefined()
  })

  test('a key for another algorithm is published, and does not sign', async () => {
    const { now, pass } = ringOf([
      [key('edwards', 'Ed25519'), 900],
      [a, 0],
    ])
    expect(now()).toEqual({ signs: 'a', published: ['a', 'edwards'] })
    expect((await pass(20)).signs).toBe('a')
  })
})

describe('a key that comes later', () => {
  test('is published at once, and signs after ten minutes', async () => {
    const { ring, clock, now, pass } = ringOf([[a, 900]])
    expect(ring.add([{ key: b, sinceMs: clock.nowMs() }])).toEqual(['b'])
    expect(now()).toEqual({ signs: 'a', published: ['a', 'b'] })
    expect((await pass(9.9)).signs).toBe('a')
    expect((await pass(0.1)).signs).toBe('b')
  })

  test('is not younger for being found again', async () => {
    const { ring, clock, pass } = ringOf([[a, 900]])
    ring.add([{ key: b, sinceMs: clock.nowMs() }])
    await pass(9)
    expect(ring.add([a, b].map(each => ({ key: each, sinceMs: clock.nowMs() })))).toEqual([])
    expect((await pass(1)).signs).toBe('b')
  })

  test('waits longer when the clock is set back', async () => {
    const { ring, clock, now } = ringOf([[a, 900]])
    ring.add([{ key: b, sinceMs: clock.nowMs() + 60 * MINUTE_MS }])
    ring.settle()
    expect(now()).toEqual({ signs: 'a', published: ['a', 'b'] })
  })
})

describe('a key that is taken out', () => {
  test('signs no more, and is published until the last token of it is dead', async () => {
    const { ring, clock, now, pass } = ringOf([
      [a, 900],
      [b, 0],
    ])
    ring.signedUntil(a, clock.nowMs() + 5 * MINUTE_MS)
    expect(ring.keepOnly([b])).toEqual(['a'])
    ring.settle()
    expect(now()).toEqual({ signs: 'b', published: ['b', 'a'] })
    // A service that allows a minute for clocks takes its tokens as long.
    expect((await pass(5.9)).published).toEqual(['b', 'a'])
    expect((await pass(0.1)).published).toEqual(['b'])
  })

  test('is published as long, too, where only another gateway has signed with it', async () => {
    const { ring, pass } = ringOf([
      [a, 900],
      [b, 900],
    ])
    ring.expectLifetime(5 * MINUTE_MS)
    ring.keepOnly([b])
    expect((await pass(5.9)).published).toEqual(['b', 'a'])
    expect((await pass(0.1)).published).toEqual(['b'])
  })

  test('goes on if it was the last, since a service is better off with it than with none', async () => {
    const { ring, clock, pass } = ringOf([[a, 900]])
    ring.keepOnly([])
    expect(await pass(600)).toEqual({ signs: 'a', published: ['a'] })
    ring.add([{ key: b, sinceMs: clock.nowMs() }])
    // Whoever has taken the last one out wants the next one.
    expect((await pass(0)).signs).toBe('b')
  })

  test('is no longer there when another one takes its name', () => {
    const { ring, clock, now } = ringOf([[a, 900]])
    const other = key('a')
    ring.add([{ key: other, sinceMs: clock.nowMs() }])
    ring.keepOnly([other])
    ring.settle()
    expect(ring.signing).toBe(other)
    expect(ring.published()).toEqual([other.publicJwk])
    expect(now().published).toEqual(['a'])
  })
})

test('keys in memory are replaced every 24 hours, overlapping', async () => {
  const clock = manualTime()
  const keys = rotatingKeys({ algorithm: 'EdDSA', clock })
  const first = keys.signing
  keys.signedUntil(first, clock.nowMs() + 25 * 60 * MINUTE_MS)
  expect(keys.status()).toMatchObject({ algorithm: 'EdDSA', nextMs: clock.nowMs() + (24 * 60 + 10) * MINUTE_MS })
  const pass = async (minutes: number) => {
    await clock.advance(minutes * MINUTE_MS)
    keys.settle()
    return { signs: keys.signing === first ? 'first' : 'second', published: keys.published().length }
  }
  expect(await pass(24 * 60 - 1)).toEqual({ signs: 'first', published: 1 })
  expect(await pass(1)).toEqual({ signs: 'first', published: 2 })
  expect(await pass(10)).toEqual({ signs: 'second', published: 2 })
  expect(await pass(60)).toEqual({ signs: 'second', published: 1 })
})
