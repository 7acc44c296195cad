/** A path in the log is the path: it has no query, no user, and no token that somebody put there. */
import { expect, test } from 'vitest'
import { redactPath } from '../../src/lib/redact-path.ts'

const TOKEN = `eyJhbGciOiJSUzI1NiJ9.${'payload'.repeat(10)}.${'signature'.repeat(10)}`

test.each([
  ['/orders/1', '/orders/1'],
  ['/packages/lib.core.v1.2.3/files', '/packages/lib.core.v1.2.3/files'],
  ['/a?token=1', '/a'],
  ['/a#token=1', '/a'],
  ['http://user:password@host/a?b', '/a'],
  ['HTTP://host', ''],
  [`/a/${TOKEN}/b`, '/a/[redacted]/b'],
  [`/a/prefix-${TOKEN}`, '/a/[redacted]'],
  [`/a/%65${TOKEN.slice(1)}`, '/a/[redacted]'],
  [`/a/ewogICJhbGci.${'payload'.repeat(10)}.${'signature'.repeat(10)}`, '/a/[redacted]'],
  ['/a/eyJhbGci+/x/y=', '/a/[redacted]'],
])('%j is shown as %j', (target, shown) => {
  expect(redactPath(target)).toBe(shown)
})

test('a long path is cut, never amid a token', () => {
  expect(redactPath(`/${'a'.repeat(600)}`)).toMatch(/^\/a{511}…$/)
  expect(redactPath(`/${'a'.repeat(490)}/${TOKEN}`)).toBe(`/${'a'.repeat(490)}/[redacted]`)
})
