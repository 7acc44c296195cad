import { expect, test } from 'vitest'
import { parsePattern } from '../../src/route/pattern.ts'

test('a pattern is literals, parameters and what it covers', () => {
  expect(parsePattern('/orders/:id/**')).toEqual({
    segments: [
      { kind: 'literal', text: 'orders' },
      { kind: 'parameter', name: 'id' },
    ],
    extent: 'subtree',
  })
  expect(parsePattern('/**')).toEqual({ segments: [], extent: 'subtree' })
  expect(parsePattern('/')).toEqual({ segments: [{ kind: 'literal', text: '' }], extent: 'exact' })
  expect(parsePattern('/docs/').segments).toEqual([
    { kind: 'literal', text: 'docs' },
    { kind: 'literal', text: '' },
  ])
})

test.each(['/v1/orders:batch', '/.well-known/x', '/caf%C3%A9', '/@scope/:name', '/a.b/C', '/__proto__', '/100%25/:x'])(
  '%s is a pattern',
  path => expect(parsePattern(path).extent).toBe('exact'),
)

test.each([
  ['', 'starts with "/"'],
  ['orders', 'starts with "/"'],
  ['**', 'starts with "/"'],
  ['//', 'emptySegment'],
  ['/a//b', 'emptySegment'],
  ['/a//**', '"//"'],
  ['/a/../b', 'dot_segment'],
  ['/%61', 'encoded_unreserved'],
  ['/a%2Fb', 'encodedSlash'],
  ['/a;b', 'semicolon'],
  ['/a\\b', 'forbidden_character'],
  ['/%zz', 'encoding_invalid'],
  ['/a%2541', 'percent sign'],
  ['/files/*', '"*" is not possible'],
  ['/files/**/x', '"*" is not possible'],
  ['/a*', '"*" is not possible'],
  ['/orders/{id}', '":name"'],
  ['/a?b', '"?" is not possible'],
  ['/a#b', '"#" is not possible'],
  ['/:', 'not a parameter'],
  ['/:a-b', 'not a parameter'],
  ['/:1', 'not a parameter'],
  ['/:id/x/:id', 'same name'],
  ['/café', 'arrives as "caf%C3%A9"'],
  ['/a b', 'arrives as "a%20b"'],
  ['/caf%c3%a9', 'arrives as "caf%C3%A9"'],
  ['/\ud800', 'arrives as "%EF%BF%BD"'],
])('%j is refused with a hint', (path, hint) => {
  expect(() => parsePattern(path)).toThrow(SyntaxError)
  expect(() => parsePattern(path)).toThrow(hint)
})
