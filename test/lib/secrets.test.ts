/** Secrets of a file, one a line. */
import { expect, test } from 'vitest'
import { isOneOf, isSameSecret, secretsIn } from '../../src/lib/secrets.ts'

test('each line is a secret, without the blanks and line breaks around it', () => {
  const secrets = secretsIn(Buffer.from('  first \r\n\nsecond\n'))
  expect(secrets.map(String)).toEqual(['first', 'second'])
  expect(isOneOf(secrets, 'first')).toBe(true)
  expect(isOneOf(secrets, 'second')).toBe(true)
})

test.each(['', 'firs', 'firstt', 'first ', 'FIRST'])('%j is none of them', sent => {
  expect(isOneOf(secretsIn(Buffer.from('first\nsecond')), sent)).toBe(false)
  expect(isOneOf([], sent)).toBe(false)
})

test.each([
  ['secret', 'secret', true],
  ['', '', true],
  ['secret', 'Secret', false],
  ['secret', 'secre', false],
  ['secret', 'secrets', false],
])('whether %j and %j are the same secret is %s', (one, other, isSame) => {
  expect(isSameSecret(Buffer.from(one), Buffer.from(other))).toBe(isSame)
})
