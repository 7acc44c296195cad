/** Several limits of one route take a request together, or none of them does. */
import { describe, expect, test } from 'vitest'
import { manualTime } from '../support/manual-time.ts'
import { elapse, limitOf, routeWith, testLedger } from './support.ts'

describe('a request that one limit refuses', () => {
  test('spends no other, whichever of them comes first', async () => {
    const time = manualTime()
    const wide = limitOf(time, { id: 'wide', burst: 100 })
    const narrow = limitOf(time, { id: 'narrow', burst: 2, key: ['client'] })
    for (const limits of [
      [wide.limit, narrow.limit],
      [narrow.limit, wide.limit],
    ]) {
      const { ask, passing } = routeWith(time, limits)
      expect(await passing(50)).toBe(2)
      expect(await ask({ sub: 'alice' })).toBe('429 narrow')
      await time.advance(1_000)
    }
    expect(await routeWith(time, [wide.limit]).passing(200)).toBe(100)
    expect(wide.seen.get('limited')).toBe(100)
  })

  test('names all that it is over', async () => {
    const time = manualTime()
    const limits = ['a', 'b', 'c'].map(id => limitOf(time, { id, burst: id === 'b' ? 5 : 1 }).limit)
    const { ask } = routeWith(time, limits)
    expect(await ask({ sub: 'alice' })).toBe('passes')
    expect(await ask({ sub: 'alice' })).toBe('429 a,c')
  })
})

describe('while the ledger is away', () => {
  test('a limit that may not count alone refuses from the first request on, and counts that', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    ledger.state = 'down'
    const strict = limitOf(time, { id: 'strict', onFailure: 'refuse' }, ledger)
    const other = limitOf(time, { id: 'other' }, ledger)
    const { ask } = routeWith(time, [other.limit, strict.limit])
    expect(await ask({ sub: 'alice' })).toBe('503 strict')
    expect(strict.seen).toEqual(new Map([['unavailable', 1]]))
    expect(await routeWith(time, [other.limit]).passing(20)).toBe(10)
    ledger.state = 'up'
    expect(await routeWith(time, [strict.limit]).passing(20)).toBe(10)
  })

  test('it bounds what each process lets pass, and nobody owes more than one burst afterwards', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    const processes = Array.from({ length: 4 }, () => limitOf(time, {}, ledger).limit)
    const routes = processes.map(limit => routeWith(time, [limit]))
    ledger.state = 'down'
    for (let second = 0; second < 20; second += 1) {
      for (const { passing } of routes) expect(await passing(50)).toBe(10)
      await elapse(time, 1_000)
    }
    for (const { passing } of routes) expect(await passing(50)).toBe(10)
    ledger.state = 'up'
    await elapse(time, 60)
    // All four are a burst ahead, and that is one burst and not four of them.
    for (const { passing } of routes) expect(await passing(50)).toBe(0)
    await elapse(time, 1_000)
    let passed = 0
    for (const { passing } of routes) passed += (await passing(1)) > 0 ? 1 : 0
    expect(passed).toBe(4)
  })

  test('what it is not told keeps no memory, however many keys there are', async () => {
    const time = manualTime()
    const ledger = testLedger(time)
    ledger.state = 'down'
    const { limit } = limitOf(time, { entries: 10, rate: { requests: 1, per: 'h' } }, ledger)
    const { ask } = routeWith(time, [limit])
    for (let caller = 0; caller < 500; caller += 1) await ask({ sub: `caller-${caller}` })
    await elapse(time, 60)
    ledger.state = 'up'
    await elapse(time, 60)
    expect(ledger.memory.size).toBe(10)
    expect(time.pendingMs()).toEqual([])
  })
})
