/** What is kept of keys is bounded, and those go first who lose nothing by it. */
import { describe, expect, test } from 'vitest'
import { type Bucket, buckets } from '../../src/limit/buckets.ts'
import { manualTime } from '../support/manual-time.ts'
import { limitOf, routeWith } from './support.ts'

function table(most: number) {
  let evicted = 0
  const held = buckets({
    most,
    onEvicted() {
      evicted += 1
    },
  })
  return {
    held,
    evicted: () => evicted,
    /** Uses a key, which owes until then. */
    use(key: string, paidUntilMs: number, nowMs = 0): Bucket {
      const bucket = held.of(key, nowMs)
      bucket.wasUsed = true
      bucket.paidUntilMs = paidUntilMs
      return bucket
    },
  }
}

describe('a table that is full', () => {
  test('drops a key that owes nothing any more, and counts none', () => {
    const { held, use, evicted } = table(4)
    for (const [key, untilMs] of Object.entries({ a: 900, b: 100, c: 900, d: 900 })) use(key, untilMs)
    const kept = ['a', 'c', 'd'].map(key => held.of(key, 500))
    use('e', 900, 500)
    expect(['a', 'c', 'd'].map(key => held.of(key, 500))).toEqual(kept)
    expect(kept.every(({ isHeld }) => isHeld)).toBe(true)
    expect(evicted()).toBe(0)
    expect(held.size).toBe(4)
  })

  test('drops one that was not used lately where all owe something, and counts it', () => {
    const { use, evicted } = table(4)
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(key => use(key, 900))
    use('e', 901)
    const left = [a, b, c, d].filter(each => each?.isHeld)
    expect(left).toHaveLength(3)
    for (const each of left.slice(1)) if (each !== undefined) each.wasUsed = true
    use('f', 901)
    expect([left[0]?.isHeld, left[1]?.isHeld, left[2]?.isHeld]).toEqual([false, true, true])
    expect(evicted()).toBe(2)
  })

  test('keeps whoever owes most, when all were used: he would gain by it', () => {
    const { use } = table(4)
    const greedy = use('greedy', 100_000)
    for (let stranger = 0; stranger < 1_000; stranger += 1) {
      use(`stranger-${stranger}`, 1_000)
      greedy.wasUsed = true
    }
    expect(greedy.isHeld).toBe(true)
  })

  test('with one entry has one key, whoever comes', () => {
    const { held, use, evicted } = table(1)
    for (const key of ['a', 'b', 'a', 'c']) use(key, 900)
    expect(held.size).toBe(1)
    expect(evicted()).toBe(3)
  })
})

test('many keys take the memory of as many as there may be', async () => {
  const { held, use } = table(1_000)
  for (let key = 0; key < 200_000; key += 1) use(`key-${key}`, key + 5_000, key)
  expect(held.size).toBe(1_000)
})

test('a caller whose key has made room begins anew, and is counted under the new one', async () => {
  const time = manualTime()
  const { limit, seen } = limitOf(time, { entries: 1 })
  const { passing } = routeWith(time, [limit])
  expect(await passing(20, { sub: 'alice' })).toBe(10)
  expect(await passing(20, { sub: 'bob' })).toBe(10)
  expect(await passing(20, { sub: 'alice' })).toBe(10)
  expect(await passing(20, { sub: 'alice' })).toBe(0)
  expect(seen.get('evicted')).toBe(2)
  expect(limit.keys).toBe(1)
})
