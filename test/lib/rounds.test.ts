import { expect, test } from 'vitest'
import type { Enrolled } from '../../src/lib/roster.ts'
import { rounds } from '../../src/lib/rounds.ts'
import { manualTime } from '../support/manual-time.ts'

interface Item extends Enrolled {
  readonly name: string
}

const itemNamed = (name: string): Item => ({ name, slot: -1 })

test('one timer serves any number of items, and none runs when there are none', async () => {
  const time = manualTime()
  const visited: string[] = []
  const items = rounds<Item>({ scheduler: time, intervalMs: () => 1000, visit: ({ name }) => visited.push(name) })
  expect(time.pendingMs()).toEqual([])
  for (let i = 0; i < 1000; i++) items.add(itemNamed(String(i)))
  expect(time.pendingMs()).toEqual([1000])
  await time.advance(1000)
  expect(visited).toHaveLength(1000)
  expect(time.pendingMs()).toEqual([1000])
  for (const item of items) items.delete(item)
  await time.advance(1000)
  expect(visited).toHaveLength(1000)
  expect(time.pendingMs()).toEqual([])
  items.add(itemNamed('again'))
  await time.advance(3000)
  expect(visited.slice(1000)).toEqual(['again', 'again', 'again'])
})

test('a visit may add and delete', async () => {
  const time = manualTime()
  const visited: string[] = []
  const items = rounds<Item>({
    scheduler: time,
    intervalMs: () => 1000,
    visit(item) {
      visited.push(item.name)
      items.delete(item)
      if (item.name === 'a') items.add(itemNamed('b'))
    },
  })
  items.add(itemNamed('a'))
  await time.advance(5000)
  expect(visited).toEqual(['a', 'b'])
  expect(time.pendingMs()).toEqual([])
})
