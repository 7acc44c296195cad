import { describe, expect, test } from 'vitest'
import { requestId } from '../../src/downstream/request-id.ts'

const made = /^[0-9a-f]{32}$/

describe('X-Request-Id', () => {
  test.each(['a', 'A.b_c-9', 'x'.repeat(128)])('%s is kept', id => {
    expect(requestId(['Host', 'a', 'x-REQUEST-id', id])).toBe(id)
  })

  test.each(['', 'a b', 'a,b', 'é', 'a"', '$(x)', '<b>', 'x'.repeat(129), 'a\n'])('%j is replaced', id => {
    expect(requestId(['X-Request-Id', id])).toMatch(made)
  })

  test('that looks like a token is replaced, and not one that only begins like one', () => {
    expect(requestId(['X-Request-Id', 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln'])).toMatch(made)
    expect(requestId(['X-Request-Id', 'eyJhbGci'])).toBe('eyJhbGci')
  })

  test('is made when there is none, or two, or only an alias', () => {
    expect(requestId([])).toMatch(made)
    expect(requestId(['X-Request-Id', 'a', 'X-Request-Id', 'a'])).toMatch(made)
    expect(requestId(['X_Request_Id', 'a'])).toMatch(made)
    expect(requestId([])).not.toBe(requestId([]))
  })
})
