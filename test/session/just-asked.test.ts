import { expect, test } from 'vitest'
import { wasJustAsked } from '../../src/session/just-asked.ts'

const NOW = 1_790_000_000_000
const mfa = { acrValues: 'mfa', maxAgeSeconds: undefined }

test('a login was just asked for the same only within a minute, and only for the very same', () => {
  const record = { asked: mfa, createdAtMs: NOW }
  expect(wasJustAsked(record, mfa, NOW + 59_999)).toBe(true)
  expect(wasJustAsked(record, mfa, NOW + 60_000)).toBe(false)
  expect(wasJustAsked(record, { ...mfa, acrValues: 'mfa hardware' }, NOW)).toBe(false)
  expect(wasJustAsked(record, { ...mfa, maxAgeSeconds: 60 }, NOW)).toBe(false)
  expect(wasJustAsked({ asked: undefined, createdAtMs: NOW }, mfa, NOW)).toBe(false)
})

test('a login that had to be new is due again when it is too old', () => {
  const asked = { acrValues: undefined, maxAgeSeconds: 10 }
  const record = { asked, createdAtMs: NOW }
  expect(wasJustAsked(record, asked, NOW + 9_999)).toBe(true)
  expect(wasJustAsked(record, asked, NOW + 10_000)).toBe(false)
  const seldom = { ...asked, maxAgeSeconds: 3_600 }
  expect(wasJustAsked({ asked: seldom, createdAtMs: NOW }, seldom, NOW + 60_000)).toBe(false)
})
