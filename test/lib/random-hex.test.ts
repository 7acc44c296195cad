import { expect, test } from 'vitest'
import { randomHex } from '../../src/lib/random-hex.ts'

test('gives as many digits as asked for, and never the same ones twice, past the end of the store, too', () => {
  const seen = Array.from({ length: 5000 }, () => randomHex(16))
  expect(seen.every(text => /^[0-9a-f]{32}$/.test(text))).toBe(true)
  expect(new Set(seen).size).toBe(seen.length)
})

test('every digit comes about as often as any other', () => {
  const text = Array.from({ length: 4000 }, () => randomHex(8)).join('')
  for (const digit of '0123456789abcdef') expect(text.split(digit).length - 1).toBeGreaterThan(3000)
})
