/** Processes that tell each other in the background what was spent let pass together what the limit says. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Debit } from '../../src/limit/ledger.ts'
import { manualTime } from '../support/manual-time.ts'
import { elapse, limitOf, routeWith, testLedger } from './support.ts'

describe('processes that share a ledger', () => {
  test('let pass the burst and the rate, and what they owe before they hear of each other', async () => {
    const step = fc.record({
      waitMs: fc.integer({ min: 1, max: 40 }),
      by: fc.integer({ min: 0, max: 3 }),
      count: fc.integer({ min: 1, max: 30 }),
    })
    const rates = fc.record({ requests: fc.integer({ min: 20, max: 2_000 }), burst: fc.integer({ min: 1, max: 50 }) })
    await fc.assert(
      fc.asyncProperty(
        rates,
        fc.array(step, { minLength: 200, maxLength: 200 }),
        async ({ requests, burst }, steps) => {
          const time = manualTime()
          const ledger = testLedger(time)
          const over = { rate: { requests, per: 's' }, burst } as const
          const routes = Array.from({ length: 4 }, () => routeWith(time, [limitOf(time, over, ledger).limit]))
          let passed = 0
          for (const { waitMs, by, count } of steps) {
            await elapse(time, waitMs)
            passed += (await routes[by]?.passing(count)) ?? 0
          }
          const seconds = time.monotonicMs() / 1_000
          // Each of four may let pass a burst, and what comes until it hears of the others, before it owes for it.
          expect(passed).toBeLessThanOrEqual(burst + requests * (seconds + 0.05) + 4 * (burst + requests * 0.05))
        },
      ),
      { seed: 24, numRuns: 25 },
    )
  })

  test('pay back what they let pass too much', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const routes = Array.from({ length: 4 }, () => routeWith(time, [limitOf(time, {}, ledger).limit]))
    let passed = 0
    for (let step = 0; step < 20_000 / 5; step += 1) {
      for (const [index, { passing }] of routes.entries()) if (step % (index + 1) === 0) passed += await passing(3)
      await elapse(time, 5)
    }
    // 10/s and a burst of 10 over 20 s; four bursts come at once, and three of them are paid back.
    expect(passed).toBeGreaterThanOrEqual(200)
    expect(passed).toBeLessThanOrEqual(Math.ceil((10 + 200) * 1.03))
  })

  test.for([1, 2, 5, 1_000])('one that is alone loses nothing by telling late, with a burst of %i', async burst => {
    const time = manualTime()
    const alone = routeWith(time, [limitOf(time, { rate: { requests: 100, per: 's' }, burst }).limit])
    const ledger = testLedger(time)
    const telling = routeWith(time, [limitOf(time, { rate: { requests: 100, per: 's' }, burst }, ledger).limit])
    let [expected, passed] = [0, 0]
    for (let step = 0; step < 4_000; step += 1) {
      expected += await alone.passing(1)
      passed += await telling.passing(1)
      await elapse(time, 1)
    }
    expect(passed).toBe(expected)
  })

  test('hear of it when another has spent everything', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const [one, other] = [1, 2].map(() => routeWith(time, [limitOf(time, { burst: 100 }, ledger).limit]))
    expect(await one?.passing(200)).toBe(100)
    await elapse(time, 60)
    expect(await other?.passing(1)).toBe(1)
    await elapse(time, 60)
    expect(await other?.passing(200)).toBeLessThanOrEqual(1)
  })

  test('tell nothing while nothing is spent', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const { passing } = routeWith(time, [limitOf(time, {}, ledger).limit])
    await passing(3)
    await elapse(time, 60_000)
    expect(ledger.asked).toBe(1)
    expect(time.pendingMs()).toEqual([])
  })
})

describe('what is owed', () => {
  test('is told though its key has made room meanwhile', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const { passing } = routeWith(time, [limitOf(time, { entries: 1 }, ledger).limit])
    await passing(10, { sub: 'alice' })
    await passing(10, { sub: 'bob' })
    await elapse(time, 60)
    const second = routeWith(time, [limitOf(time, {}, ledger).limit])
    for (const sub of ['alice', 'bob']) {
      await second.passing(1, { sub })
      await elapse(time, 60)
      expect(await second.passing(10, { sub })).toBeLessThanOrEqual(1)
    }
  })

  test('is told when the limit ends', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const { limit } = limitOf(time, {}, ledger)
    await routeWith(time, [limit]).passing(10)
    await limit.close()
    expect(ledger.memory.size).toBe(1)
    expect(time.pendingMs()).toEqual([])
  })

  test('is not added up when nobody knows whether it was entered', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const told: Debit[] = []
    const entering = {
      ...ledger,
      isUp: () => true,
      async debit(debits: readonly Debit[]) {
        told.push(...debits)
        const ahead = ledger.memory.debit(debits)
        if (told.length === 1) throw new Error('the answer was lost')
        return ahead
      },
    }
    const { passing } = routeWith(time, [limitOf(time, {}, entering).limit])
    expect(await passing(10)).toBe(10)
    await elapse(time, 200)
    expect(told.map(({ spentMs }) => spentMs)).toEqual([1_000, 0])
    expect(await passing(10)).toBe(2)
  })

  test('by many keys is told in parts, and none is lost when one of them fails', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const sizes: number[] = []
    const failing = {
      ...ledger,
      isUp: () => true,
      async debit(debits: readonly Debit[]) {
        sizes.push(debits.length)
        if (sizes.length === 2) throw new Error('is busy')
        return ledger.memory.debit(debits)
      },
    }
    const { ask } = routeWith(time, [limitOf(time, { rate: { requests: 1, per: 'h' } }, failing).limit])
    for (let caller = 0; caller < 900; caller += 1) await ask({ sub: `caller-${caller}` })
    await elapse(time, 120)
    expect(sizes.slice(0, 5)).toEqual([200, 200, 200, 200, 100])
    expect(ledger.memory.size).toBe(900)
  })
})

describe('a limit that asks about each request', () => {
  const EXACT = { rate: { requests: 1, per: 'h' }, burst: 10, exact: true } as const

  test('does not forget what was spent while nobody could be asked', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const { passing } = routeWith(time, [limitOf(time, EXACT, ledger).limit])
    ledger.state = 'down'
    expect(await passing(8)).toBe(8)
    ledger.state = 'up'
    // Nothing was told yet, and the ledger knows of this one alone.
    expect(await passing(1)).toBe(1)
    expect(await passing(10)).toBe(1)
    await elapse(time, 200)
    expect(await passing(10)).toBe(0)
  })

  test('pays once for a request whose answer was lost', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const { passing } = routeWith(time, [limitOf(time, EXACT, ledger).limit])
    ledger.state = 'loses'
    expect(await passing(1)).toBe(1)
    ledger.state = 'up'
    await elapse(time, 200)
    expect(await passing(20)).toBe(9)
  })
})

describe('a ledger that is slow', () => {
  test('does not keep keys that have made room', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    let told = 0
    const slow = {
      ...ledger,
      isUp: () => true,
      async debit(debits: readonly Debit[]) {
        told += debits.length
        await new Promise<void>(resolve => time.after(1_000, resolve))
        return ledger.memory.debit(debits)
      },
    }
    const { limit } = limitOf(time, { rate: { requests: 1, per: 'h' }, entries: 100 }, slow)
    const { ask } = routeWith(time, [limit])
    for (let caller = 0; caller < 20_000; caller += 1) {
      await ask({ sub: `caller-${caller}` })
      if (caller % 100 === 0) await elapse(time, 10)
    }
    const before = told
    const closed = limit.close()
    await elapse(time, 60_000)
    await closed
    expect(told - before).toBeLessThanOrEqual(1_000)
  })
})
