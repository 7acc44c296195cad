import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { decryptionGate } from '../../../src/authenticate/encrypted/gate.ts'
import { refusal } from '../support.ts'

/** Work that goes on until it is ended by its number. */
function works() {
  const begun: number[] = []
  const ends = new Map<number, PromiseWithResolvers<number>>()
  const work = (id: number) => (): Promise<number> => {
    begun.push(id)
    const end = Promise.withResolvers<number>()
    ends.set(id, end)
    return end.promise
  }
  return { begun, work, end: (id: number) => ends.get(id)?.resolve(id), fail: (id: number) => ends.get(id)?.reject(id) }
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index)

describe('the gate', () => {
  test('lets four work at a time and 256 wait in their order, and refuses the 261st', async () => {
    const { run } = decryptionGate({ atOnce: 4, waiting: 256 })
    const { begun, work, end } = works()
    const all = range(260).map(id => run(work(id)))
    await setImmediate()
    expect(begun).toEqual([0, 1, 2, 3])
    const denial = await refusal(() => run(work(260)))
    expect(denial.code).toBe('overloaded')
    expect(denial.retryAfterSeconds).toBe(1)

    end(2)
    await setImmediate()
    expect(begun).toEqual([0, 1, 2, 3, 4])
    for (const id of range(260)) {
      end(id)
      await setImmediate()
      expect(begun.length).toBeLessThanOrEqual(Math.min(260, id + 6))
    }
    expect(await Promise.all(all)).toEqual(range(260))
    expect(begun).toEqual(range(260))
  })

  test('takes somebody in again as soon as there is a place', async () => {
    const { run } = decryptionGate({ atOnce: 1, waiting: 1 })
    const { begun, work, end } = works()
    const first = run(work(0))
    const second = run(work(1))
    expect((await refusal(() => run(work(2)))).code).toBe('overloaded')
    end(0)
    await first
    const third = run(work(3))
    expect((await refusal(() => run(work(4)))).code).toBe('overloaded')
    end(1)
    await second
    await setImmediate()
    end(3)
    expect(await third).toBe(3)
    expect(begun).toEqual([0, 1, 3])
  })

  test('hands on the place of work that fails', async () => {
    const { run } = decryptionGate({ atOnce: 1, waiting: 1 })
    const { work, end, fail } = works()
    const first = run(work(0))
    const second = run(work(1))
    fail(0)
    await expect(first).rejects.toBe(0)
    await setImmediate()
    end(1)
    expect(await second).toBe(1)
  })

  test('with no line refuses whoever finds it busy', async () => {
    const { run } = decryptionGate({ atOnce: 1, waiting: 0 })
    const { work, end } = works()
    const first = run(work(0))
    expect((await refusal(() => run(work(1)))).code).toBe('overloaded')
    end(0)
    expect(await first).toBe(0)
  })
})
