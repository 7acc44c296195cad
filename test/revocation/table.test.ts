/** The table of revocations: the same answers as a Map, in little memory, and nobody innocent is hit. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { REVOCATION_KINDS, type RevocationSubject } from '../../src/revocation/entry.ts'
import { type Fingerprint, fingerprint, kindOf } from '../../src/revocation/fingerprint.ts'
import { type KeptEntry, type RevocationTable, revocationTable } from '../../src/revocation/table.ts'

const NOW = 1_767_225_600
const ISSUER = 'https://auth.example.com/'
const print = (value: string, kind: RevocationSubject['kind'] = 'sub'): Fingerprint =>
  fingerprint({ issuer: ISSUER, kind, value })
const entry = (value: string, rest: Partial<KeptEntry> = {}): KeptEntry => ({
  fingerprint: print(value),
  before: NOW,
  until: NOW + 60,
  ...rest,
})

test('an entry is found until it expires', () => {
  const table = revocationTable(10)
  expect(table.add(entry('alice'), NOW)).toBe('applied')
  expect(table.find(print('alice'), NOW + 60)).toEqual(entry('alice'))
  expect(table.find(print('alice'), NOW + 61)).toBeUndefined()
  expect(table.find(print('bob'), NOW)).toBeUndefined()
})

test('of two entries about the same, the later times count, and a third says nothing new', () => {
  const table = revocationTable(10)
  table.add(entry('alice', { before: NOW, until: NOW + 100 }), NOW)
  expect(table.add(entry('alice', { before: NOW + 5, until: NOW + 50 }), NOW)).toBe('applied')
  expect(table.find(print('alice'), NOW)).toMatchObject({ before: NOW + 5, until: NOW + 100 })
  expect(table.add(entry('alice', { before: NOW + 1, until: NOW + 99 }), NOW)).toBe('duplicate')
  expect(table.size).toBe(1)
})

test('an entry that has expired is replaced, and not made stricter', () => {
  const table = revocationTable(10)
  table.add(entry('alice', { before: NOW + 40, until: NOW + 10 }), NOW)
  expect(table.add(entry('alice', { before: NOW + 5, until: NOW + 50 }), NOW + 11)).toBe('applied')
  expect(table.find(print('alice'), NOW + 11)).toMatchObject({ before: NOW + 5, until: NOW + 50 })
})

test('no time at all and a time past 2106 are kept', () => {
  const table = revocationTable(10)
  table.add(entry('always', { before: undefined, until: Number.POSITIVE_INFINITY }), NOW)
  table.add(entry('late', { until: 253_402_300_799 }), NOW)
  expect(table.find(print('always'), 4_000_000_000)).toMatchObject({
    before: undefined,
    until: Number.POSITIVE_INFINITY,
  })
  expect(table.find(print('late'), 4_000_000_000)).toBeDefined()
})

test('what is over already is not taken, and a full table says so', () => {
  const table = revocationTable(2)
  expect(table.add(entry('alice', { until: NOW - 1 }), NOW)).toBe('expired')
  table.add(entry('alice'), NOW)
  table.add(entry('bob'), NOW)
  expect(table.add(entry('carol'), NOW)).toBe('full')
  expect(table.add(entry('bob', { until: NOW + 99 }), NOW)).toBe('applied')
  table.resize(3)
  expect(table.add(entry('carol'), NOW)).toBe('applied')
})

test('sweeping makes room for others', () => {
  const table = revocationTable(100)
  for (let index = 0; index < 100; index++) table.add(entry(`user-${index}`), NOW)
  for (let part = 0; part < 256; part++) table.sweep(NOW + 61)
  expect(table.size).toBe(0)
  expect(table.counts()).toEqual({ jti: 0, sub: 0, sid: 0, client: 0, all: 0 })
})

test('entries are counted by what they revoke by', () => {
  const table = revocationTable(10)
  for (const kind of REVOCATION_KINDS) table.add(entry('x', { fingerprint: print('x', kind) }), NOW)
  table.add(entry('y', { fingerprint: print('y', 'sid') }), NOW)
  expect(table.counts()).toEqual({ jti: 1, sub: 1, sid: 2, client: 1, all: 1 })
  table.remove(print('x', 'jti'))
  expect(table.counts()).toMatchObject({ jti: 0 })
  expect(REVOCATION_KINDS.map(kind => kindOf(print('x', kind)))).toEqual(REVOCATION_KINDS)
})

test('the packed form holds everything', () => {
  const [table, copy] = [revocationTable(5000), revocationTable(5000)]
  for (let index = 0; index < 3000; index++) table.add(entry(`user-${index}`, { until: NOW + index }), NOW)
  for (const words of table.packed()) expect(copy.addPacked(words, NOW)).toBe(0)
  expect(copy.size).toBe(3000)
  expect(copy.find(print('user-2999'), NOW)).toEqual(entry('user-2999', { until: NOW + 2999 }))
  const small = revocationTable(1000)
  let left = 0
  for (const words of table.packed()) left += small.addPacked(words, NOW)
  expect(left).toBe(2000)
})

/** What the table has to answer, in the words of a Map. */
class Model {
  readonly entries = new Map<string, { before: number | undefined; until: number }>()
  add(value: string, before: number | undefined, until: number, now: number): string {
    if (until < now) return 'expired'
    const known = this.entries.get(value)
    if (known === undefined || known.until < now) {
      this.entries.set(value, { before, until })
      if (known !== undefined && known.before === before && known.until === until) return 'duplicate'
      return 'applied'
    }
    const merged = {
      before: known.before === undefined || before === undefined ? undefined : Math.max(known.before, before),
      until: Math.max(known.until, until),
    }
    this.entries.set(value, merged)
    return merged.before === known.before && merged.until === known.until ? 'duplicate' : 'applied'
  }
}

/** Few values, so that they meet; all in one part, so that they collide. */
const crowded = (() => {
  const found: string[] = []
  for (let index = 0; found.length < 40; index++) if (print(`v${index}`)[2] >>> 24 === 7) found.push(`v${index}`)
  return found
})()

test('it answers as a Map would, whatever happens in whatever order', () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant('add' as const),
      value: fc.constantFrom(...crowded),
      before: fc.option(fc.integer({ min: 0, max: 50 }), { nil: undefined }),
      until: fc.integer({ min: 0, max: 60 }),
    }),
    fc.record({ do: fc.constant('remove' as const), value: fc.constantFrom(...crowded) }),
    fc.record({ do: fc.constant('wait' as const), seconds: fc.integer({ min: 1, max: 10 }) }),
    fc.record({ do: fc.constant('sweep' as const) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), steps => {
      const [table, model] = [revocationTable(1000), new Model()]
      let now = 0
      for (const each of steps) {
        if (each.do === 'wait') now += each.seconds
        if (each.do === 'sweep') for (let part = 0; part < 256; part++) table.sweep(now)
        if (each.do === 'remove') {
          const known = model.entries.get(each.value)
          model.entries.delete(each.value)
          // What has expired may be forgotten at any time.
          const isRemoved = table.remove(print(each.value))
          if (known === undefined || known.until >= now) expect(isRemoved).toBe(known !== undefined)
        }
        if (each.do === 'add') {
          const { value, before, until } = each
          expect(table.add({ fingerprint: print(value), before, until }, now)).toBe(
            model.add(value, before, until, now),
          )
        }
        for (const value of crowded) {
          const known = model.entries.get(value)
          const expected = known === undefined || known.until < now ? undefined : known
          const found = table.find(print(value), now)
          expect(found && { before: found.before, until: found.until }).toEqual(expected)
        }
      }
    }),
    { numRuns: 150 },
  )
})

test('a million entries take at most 40 MB, and of a million other tokens none is hit', () => {
  const table = revocationTable(1_000_000)
  const bytes = (): number => [...table.packed()].reduce((sum, words) => sum + words.byteLength, 0)
  fill(table, 1_000_000)
  expect(table.size).toBe(1_000_000)
  expect(bytes()).toBe(20_000_000)
  // What is allocated beyond that is bounded by the growth of each part: 1.5 at most, at a load of 0.8.
  expect(table.allocatedBytes).toBeLessThanOrEqual(40_000_000)
  let hits = 0
  for (let index = 0; index < 1_000_000; index++) if (table.find(print(`other-${index}`), NOW) !== undefined) hits += 1
  expect(hits).toBe(0)
  expect(table.find(print('user-999999'), NOW)).toBeDefined()
}, 60_000)

function fill(table: RevocationTable, count: number): void {
  for (let index = 0; index < count; index++) table.add(entry(`user-${index}`), NOW)
}
