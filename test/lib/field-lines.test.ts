import { describe, expect, test } from 'vitest'
import { fieldValue } from '../../src/lib/field-lines.ts'

describe('the value of a field in flat lines', () => {
  const lines = ['Host', 'a', 'Content-Type', 'text/plain', 'X-Note', 'one', 'x-note', 'two', 'value', 'host']

  test('is found whatever the case of its name', () => {
    expect(fieldValue(lines, 'content-type')).toBe('text/plain')
  })

  test('is the first one when there are several', () => {
    expect(fieldValue(lines, 'x-note')).toBe('one')
  })

  test('is undefined when there is none, also when a value reads like the name', () => {
    expect(fieldValue(lines, 'text/plain')).toBeUndefined()
    expect(fieldValue([], 'host')).toBeUndefined()
  })
})
