import { beforeEach, describe, expect, test } from 'vitest'
import { type Leases, leases } from '../../src/lib/leases.ts'
import { type ManualTime, manualTime } from '../support/manual-time.ts'

const LINGER_MS = 1_000

interface Pool {
  readonly of: string
}

let time: ManualTime
let made: Pool[]
let ended: Pool[]
let held: Leases<string, Pool>
beforeEach(() => {
  time = manualTime()
  made = []
  ended = []
  held = leases({
    identityOf: definition => definition.toLowerCase(),
    make(definition: string) {
      if (definition === 'broken') throw new Error('cannot be made')
      const pool = { of: definition }
      made.push(pool)
      return pool
    },
    end: async pool => void ended.push(pool),
    lingerMs: LINGER_MS,
    scheduler: time,
  })
})

describe('what is leased', () => {
  test('is shared by all of one identity, and by no others', () => {
    const [one, again, other] = [held.acquire('a'), held.acquire('A'), held.acquire('b')]
    expect(again.value).toBe(one.value)
    expect(again.serial).toBe(one.serial)
    expect(other.value).not.toBe(one.value)
    expect(other.serial).not.toBe(one.serial)
    expect(made).toEqual([{ of: 'a' }, { of: 'b' }])
  })

  test('is not ended while one lease is left, however often another is released', async () => {
    const [one] = [held.acquire('a'), held.acquire('a')]
    one.release()
    one.release()
    await time.advance(LINGER_MS * 2)
    expect(ended).toEqual([])
  })

  test('and cannot be made is not kept, and is made by the next that can', () => {
    expect(() => held.acquire('broken')).toThrow('cannot be made')
    expect(held.acquire('Broken').value).toEqual({ of: 'Broken' })
  })
})

describe('what nobody leases any more', () => {
  test('lives on for the linger time, then ends once', async () => {
    const { release } = held.acquire('a')
    release()
    await time.advance(LINGER_MS - 1)
    expect(ended).toEqual([])
    await time.advance(LINGER_MS * 2)
    expect(ended).toEqual(made)
  })

  test('is found again within that time, and ends a whole linger time after its last release', async () => {
    const first = held.acquire('a')
    first.release()
    await time.advance(LINGER_MS - 1)
    const again = held.acquire('a')
    expect(again.value).toBe(first.value)
    await time.advance(LINGER_MS * 2)
    again.release()
    await time.advance(LINGER_MS - 1)
    expect(ended).toEqual([])
    await time.advance(1)
    expect(ended).toEqual(made)
  })

  test('has a successor of another serial after that', async () => {
    const first = held.acquire('a')
    first.release()
    await time.advance(LINGER_MS)
    const next = held.acquire('a')
    expect(next.value).not.toBe(first.value)
    expect(next.serial).not.toBe(first.serial)
  })

  test('is not brought back to life by a release that comes late', async () => {
    const { release } = held.acquire('a')
    await held.close()
    release()
    expect(time.pendingMs()).toEqual([])
  })
})

describe('close', () => {
  test('ends what is leased and what lingers, and leaves no timer', async () => {
    held.acquire('a')
    held.acquire('b').release()
    await held.close()
    expect(ended).toEqual(made)
    expect(time.pendingMs()).toEqual([])
  })

  test('waits for what is ending', async () => {
    const ending = Promise.withResolvers<void>()
    const slow = leases({ identityOf: String, make: String, end: () => ending.promise, lingerMs: 0, scheduler: time })
    slow.acquire('a').release()
    await time.advance(0)
    let isClosed = false
    const closed = slow.close().then(() => {
      isClosed = true
    })
    await new Promise(setImmediate)
    expect(isClosed).toBe(false)
    ending.resolve()
    await closed
  })

  test('ends at once what would take its time', async () => {
    const endedNow: string[] = []
    const slow = leases({
      identityOf: String,
      make: String,
      end: () => new Promise<void>(() => {}),
      endNow: async value => void endedNow.push(value),
      lingerMs: 0,
      scheduler: time,
    })
    slow.acquire('ending').release()
    await time.advance(0)
    slow.acquire('leased')
    await slow.close()
    expect(endedNow).toEqual(['ending', 'leased'])
  })

  test('survives a value that fails to end', async () => {
    const failing = leases({
      identityOf: String,
      make: String,
      end: () => Promise.reject(new Error('stuck')),
      lingerMs: 0,
      scheduler: time,
    })
    failing.acquire('a').release()
    await time.advance(0)
    await failing.close()
  })
})
