import { expect, test } from 'vitest'
import { headerLines, headerLinesProblem } from '../../src/lib/header-lines.ts'

test('a header a line, with blanks around it or without', () => {
  const text = 'Authorization: Bearer a:b=c\r\n\n  x-tenant:1\n'
  expect(headerLinesProblem(text)).toBeUndefined()
  expect(headerLines(text)).toEqual({ Authorization: 'Bearer a:b=c', 'x-tenant': '1' })
})

test.each([
  ['', 'is empty; write a header a line, like `Name: value`, or leave the key out'],
  ['\n \n', 'is empty; write a header a line, like `Name: value`, or leave the key out'],
  ['A: 1\nsecret', 'has no header on line 2; write `Name: value`'],
  ['secret secret: 1', 'has no header on line 1; write `Name: value`'],
  ['A:', 'has a header without a value on line 1'],
  ['A: secret\x01', 'has a character on line 1 that no header may have'],
  ['Host: secret', 'has a header on line 1 that the gateway writes itself'],
])('%j is no list of headers, and nothing of it is repeated', (text, problem) => {
  expect(headerLinesProblem(text)).toBe(problem)
})
