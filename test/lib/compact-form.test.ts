import { expect, test } from 'vitest'
import { compactForm } from '../../src/lib/compact-form.ts'

test.each([
  ['', 'neither'],
  ['opaque', 'neither'],
  ['a.b', 'neither'],
  ['a.b.c', 'jws'],
  ['a.b.', 'jws'],
  ['..', 'jws'],
  ['a.b.c.d', 'neither'],
  ['a..c.d.e', 'jwe'],
  ['....', 'jwe'],
  ['a.b.c.d.e.f', 'neither'],
  ['.'.repeat(1000), 'neither'],
])('the form of %j is %s', (token, form) => {
  expect(compactForm(token)).toBe(form)
})
