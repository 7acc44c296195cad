import { describe, expect, test } from 'vitest'
import { foldedFieldName, isToken } from '../../src/lib/field-name.ts'

describe('folding a field name', () => {
  test.each(['X-Auth-Subject', 'x_auth_subject', 'X.Auth.Subject', 'X!AUTH~SUBJECT', "x'auth`subject"])(
    '%s is the same variable to a lax server',
    name => {
      expect(foldedFieldName(name)).toBe('x-auth-subject')
    },
  )

  test('keeps letters, digits and length', () => {
    expect(foldedFieldName('X-B3--Id_1')).toBe('x-b3--id-1')
  })
})

describe('RFC 9110 §5.6.2', () => {
  test.each(['X-A', "!#$%&'*+-.^_`|~", '0'])('%s is a token', text => {
    expect(isToken(text)).toBe(true)
  })

  test.each(['', ' ', 'a b', 'a:', 'é', 'a\n', 'a\0', '"a"', 'a(', 'a\x7f'])('%j is none', text => {
    expect(isToken(text)).toBe(false)
  })
})
