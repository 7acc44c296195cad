import { describe, expect, test } from 'vitest'
import { boundedMemo } from '../../src/lib/bounded-memo.ts'

function counting() {
  const asked: string[] = []
  const memo = boundedMemo(
    key => {
      asked.push(key)
      return key.toUpperCase()
    },
    { maxEntries: 2, maxKeyLength: 3 },
  )
  return { asked, memo }
}

describe('a bounded memo', () => {
  test('computes a key once', () => {
    const { asked, memo } = counting()
    expect([memo('a'), memo('a'), memo('a')]).toEqual(['A', 'A', 'A'])
    expect(asked).toEqual(['a'])
  })

  test('remembers falsy answers', () => {
    const asked: string[] = []
    const memo = boundedMemo(key => asked.push(key) > 1, { maxEntries: 2, maxKeyLength: 3 })
    expect([memo('a'), memo('a')]).toEqual([false, false])
  })

  test('forgets everything rather than grow past its bound', () => {
    const { asked, memo } = counting()
    for (const key of ['a', 'b', 'c', 'c', 'a']) memo(key)
    expect(asked).toEqual(['a', 'b', 'c', 'a'])
  })

  test('never keeps a long key', () => {
    const { asked, memo } = counting()
    for (const key of ['a', 'long', 'long', 'a']) memo(key)
    expect(asked).toEqual(['a', 'long', 'long'])
  })
})
