import { expect, test } from 'vitest'
import { andThen, type MaybePromise } from '../../src/lib/maybe-promise.ts'

const failure = new Error('no')
const fail = (): never => {
  throw failure
}

test('what is there is gone on with at once', () => {
  expect(andThen(20, value => value + 1)).toBe(21)
  expect(() => andThen(20, fail)).toThrow(failure)
})

test('what has to be waited for is gone on with when it is there', async () => {
  const later: MaybePromise<number> = Promise.resolve(20)
  const next = andThen(later, value => value + 1)
  expect(next).toBeInstanceOf(Promise)
  expect(await next).toBe(21)
  await expect(andThen(later, fail)).rejects.toBe(failure)
})

test('what fails is not gone on with', async () => {
  const failed: MaybePromise<number> = Promise.reject(failure)
  await expect(andThen(failed, () => 'went on')).rejects.toBe(failure)
})

test('a promise that comes of a value is handed on', async () => {
  expect(await andThen(20, async value => value + 1)).toBe(21)
})
