/** Tests how durations and sizes are read, and durations written. */
import { describe, expect, test } from 'vitest'
import { durationMs, durationText, sizeBytes, sizeText } from '../../../src/config/schema/units.ts'

describe('durations', () => {
  test.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['5m', 300_000],
    ['24h', 86_400_000],
    ['0s', 0],
  ])('%s is %i milliseconds', (text, expected) => {
    expect(durationMs(text)).toBe(expected)
  })

  test.each(['30', '1.5s', '-1s', '1 s', '1d', '1M', '5S', '', 's', '1h30m', ' 1s', '1s\n', '٣s', '1e3s'])(
    '%j is none',
    text => {
      expect(durationMs(text)).toBeUndefined()
    },
  )
})

describe('durations in milliseconds', () => {
  test.each([
    [0, '0s'],
    [1, '1ms'],
    [1_500, '1500ms'],
    [30_000, '30s'],
    [90_000, '90s'],
    [300_000, '5m'],
    [86_400_000, '24h'],
  ])('%i are written in the largest unit that fits: %s', (ms, expected) => {
    expect(durationText(ms)).toBe(expected)
    expect(durationMs(expected)).toBe(ms)
  })
})

describe('sizes', () => {
  test.each([
    [0, '0B'],
    [1000, '1000B'],
    [1536, '1536B'],
    [2048, '2KiB'],
    [1024 ** 2, '1MiB'],
    [1024 ** 3, '1GiB'],
  ])('%i bytes are written in the largest unit that fits: %s', (bytes, expected) => {
    expect(sizeText(bytes)).toBe(expected)
    expect(sizeBytes(expected)).toBe(bytes)
  })

  test.each([
    ['512B', 512],
    ['16KiB', 16_384],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
  ])('%s is %i bytes', (text, expected) => {
    expect(sizeBytes(text)).toBe(expected)
  })

  test.each(['512', '16KB', '16kib', '1.5MiB', '-1B', '1TiB', 'KiB', '1MiB '])('%j is none', text => {
    expect(sizeBytes(text)).toBeUndefined()
  })
})
