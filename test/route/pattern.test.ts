import { describe, expect, test } from 'vitest'
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

test.each([
  ['/models/:name:predict', ':predict'],
  ['/orders/:id.json', '.json'],
  ['/a/:id:batch-get', ':batch-get'],
])('%s ends in a word', (path, suffix) => {
  expect(parsePattern(path).segments[1]).toMatchObject({ kind: 'parameter', suffix })
})

test.each(['/:a:b:c', '/:a.tar.gz', '/:a:', '/:a.', '/:a:b%41', '/:a.b:c', '/:a-b:c'])('%s ends in no word', path => {
  expect(() => parsePattern(path)).toThrow('is not a parameter')
})

describe('a pattern of another grammar is refused with the remedy', () => {
  test.each([
    ['/orders/[0-9]+', 'a path is no expression: write ":name" for one segment, "/**" at the end'],
    ['/orders/\\d+', 'a path is no expression'],
    ['/orders/(a|b)', 'a path is no expression'],
    ['/orders/(?<id>x)', 'a path is no expression'],
    ['/orders/.+', 'a path is no expression'],
    ['/orders$', 'a path is no expression'],
    ['^/orders', 'a path starts with "/" and is no expression'],
    ['/orders/.*', 'write ":name" for one segment'],
    ['/Products(:key)', 'a parameter is a whole segment; write ":key" for all of it'],
    ['/files/report-:id', 'a parameter is a whole segment; write ":id" for all of it'],
    ['/@:user', 'a parameter is a whole segment; write ":user" for all of it'],
    ['/orders/{id}', 'a parameter is written ":name", so ":id"'],
    ['/orders/{id:[0-9]+}', 'a parameter is written ":name", so ":id"'],
    ['/orders/{*rest}', 'a parameter is written ":name", so ":rest"'],
    ['/orders/{}', 'a parameter is written ":name", so ":name"'],
    ['/orders/<id>', 'a parameter is written ":name", so ":id"'],
    ['/orders/<int:id>', 'a parameter is written ":name", so ":id"'],
    ['/orders/:id(\\d+)', 'a parameter takes any text; leave out what follows its name'],
    ['/orders/:id<int>', 'a parameter takes any text'],
    ['/orders/:id?', 'write two routes, or "/**" at the end'],
    ['/orders/:rest*', 'write two routes, or "/**" at the end'],
    ['/orders/*', 'write ":name" for one segment, "/**" at the end'],
    ['/orders/*rest', 'write ":name" for one segment, "/**" at the end'],
  ])('%s', (path, remedy) => {
    expect(() => parsePattern(path)).toThrow(SyntaxError)
    expect(() => parsePattern(path)).toThrow(remedy)
  })

  test.each([
    '/Orders(1)',
    '/$metadata',
    '/GetNearest()',
    '/c++',
    '/v1/orders:batch',
    '/a=b,c',
    "/o'neill",
    '/$',
    '/a+',
  ])('%s is a path as it arrives', path =>
    expect(parsePattern(path).segments.every(({ kind }) => kind === 'literal')).toBe(true),
  )
})
