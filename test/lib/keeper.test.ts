import { expect, test } from 'vitest'
import { type Kept, keeper } from '../../src/lib/keeper.ts'

const thing = (): { readonly kept: Kept } => ({ kept: { newest: undefined } })

test('keeps a value with each object, and the latest one', () => {
  const names = keeper<string>()
  const [one, other] = [thing(), thing()]
  expect(names.get(one)).toBeUndefined()
  names.set(one, 'first')
  names.set(other, 'other')
  names.set(one, 'second')
  expect(names.get(one)).toBe('second')
  expect(names.get(other)).toBe('other')
})

test('no keeper sees what another keeps', () => {
  const [names, sizes] = [keeper<string>(), keeper<number>()]
  const one = thing()
  names.set(one, 'name')
  expect(sizes.get(one)).toBeUndefined()
  sizes.set(one, 7)
  expect(names.get(one)).toBe('name')
  expect(sizes.get(one)).toBe(7)
})

test('a frozen object and its copies share what is kept', () => {
  const names = keeper<string>()
  const one = Object.freeze({ ...thing(), colour: 'red' })
  const copy = Object.freeze({ ...one, colour: 'blue' })
  names.set(copy, 'name')
  expect(names.get(one)).toBe('name')
})

test('an object that outlives many keepers forgets the oldest of them', () => {
  const one = thing()
  const keepers = Array.from({ length: 1000 }, (_, index) => {
    const each = keeper<number>()
    each.set(one, index)
    return each
  })
  const left = keepers.map(each => each.get(one)).filter(value => value !== undefined)
  expect(left).toEqual(Array.from({ length: 8 }, (_, index) => 992 + index))
})
