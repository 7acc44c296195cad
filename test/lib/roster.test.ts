import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Roster } from '../../src/lib/roster.ts'

test('holds what a set holds, whatever is added and deleted in whatever order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9)), { maxLength: 200 }), steps => {
      const members = Array.from({ length: 10 }, () => ({ slot: -1 }))
      const roster = new Roster<{ slot: number }>()
      const set = new Set<{ slot: number }>()
      for (const [isAdded, at] of steps) {
        const member = members[at] ?? { slot: -1 }
        if (isAdded) {
          roster.add(member)
          set.add(member)
        } else {
          roster.delete(member)
          set.delete(member)
        }
        expect(roster.size).toBe(set.size)
        expect(new Set(roster)).toEqual(set)
        expect(members.every(({ slot }) => (slot === -1) === ![...set].some(each => each.slot === slot))).toBe(true)
      }
    }),
  )
})

test('members may go while it is walked through', () => {
  const roster = new Roster<{ slot: number }>()
  for (let count = 0; count < 5; count++) roster.add({ slot: -1 })
  for (const member of roster) roster.delete(member)
  expect(roster.size).toBe(0)
})
