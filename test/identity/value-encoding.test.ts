import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { headerValue, isDelimiter, joinedHeaderValue } from '../../src/identity/value-encoding.ts'

/** What may stand on a header line and survive every parser: printable ASCII, no outer blanks, not empty. */
const safe = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
  fc.string({ unit: fc.constantFrom(' ', '%', '2', '0', 'C', ',', ';', "'", 'a', '\t', '\r', '\n', '\0', 'é', '😀') }),
  fc.string({ maxLength: 5 }).map(tail => `utf-8''${tail}`),
  fc.string({ maxLength: 5 }).map(tail => `UTF-8''${tail}`),
)
const delimiter = fc.constantFrom(',', ' ', ';', ', ', ' | ', ',,', '-', "'", "''", '","', ' ;')

/** The way the header's comment tells a service to read it. */
function read(value: string): string {
  return /^UTF-8''/.test(value) ? decodeURIComponent(value.slice("UTF-8''".length)) : value
}

describe('a string claim', () => {
  test.each([
    ['alice', 'alice'],
    ['Alice B.', 'Alice B.'],
    ['100%', '100%'],
    ['"quoted", \\', '"quoted", \\'],
    [' alice ', "UTF-8''%20alice%20"],
    ['alice\t', "UTF-8''alice%09"],
    ['', "UTF-8''"],
    ['\r\nX-Admin: 1', "UTF-8''%0D%0AX-Admin%3A%201"],
    ['a\0b', "UTF-8''a%00b"],
    ['a\x7fb', "UTF-8''a%7Fb"],
    ['Zoë', "UTF-8''Zo%C3%AB"],
    ['😀', "UTF-8''%F0%9F%98%80"],
    ["UTF-8''x", "UTF-8''UTF-8%27%27x"],
    ["utf-8''x", "UTF-8''utf-8%27%27x"],
    ["(é)*'", "UTF-8''%28%C3%A9%29%2A%27"],
  ])('%j is sent as %j', (claim, value) => {
    expect(headerValue(claim)).toBe(value)
  })

  test('always survives a header line and can be read back, so no two strings share a value', () => {
    fc.assert(
      fc.property(text, claim => {
        const value = headerValue(claim) ?? ''
        expect(value).toMatch(safe)
        expect(read(value)).toBe(claim)
      }),
    )
  })

  test('RFC 8187 §3.2: an ext-value holds nothing but attr-char and percent-encoded bytes', () => {
    fc.assert(
      fc.property(text, claim => {
        const value = headerValue(claim) ?? ''
        if (value !== claim) expect(value).toMatch(/^UTF-8''(?:%[0-9A-F]{2}|[A-Za-z0-9!#$&+\-.^_`|~])*$/)
      }),
    )
  })

  test.each(['\ud800', 'a\udc00b', '\udc00\ud800'])('%j, which is no Unicode text, is refused', claim => {
    expect(() => headerValue(claim)).toThrow(expect.objectContaining({ code: 'claim_invalid' }))
  })
})

describe('a claim that is no string', () => {
  test.each([
    [7, '7'],
    [-0.5, '-0.5'],
    [1e21, '1e+21'],
    [true, 'true'],
    [false, 'false'],
    [[], '[]'],
    [['a', 1, null], '["a",1,null]'],
    [{ a: { b: ['é'] } }, '{"a":{"b":["\\u00e9"]}}'],
    [['😀\x7f\u2028\n'], '["\\ud83d\\ude00\\u007f\\u2028\\n"]'],
    [['\ud800'], '["\\ud800"]'],
  ])('%j is sent as the ASCII JSON %s', (claim, value) => {
    expect(headerValue(claim)).toBe(value)
  })

  test('null says nothing', () => {
    expect(headerValue(null)).toBeUndefined()
    expect(joinedHeaderValue(null, ',')).toBeUndefined()
  })

  test('arrays and objects survive a header line and can be read back', () => {
    const claim = fc.oneof(fc.array(fc.jsonValue()), fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()))
    fc.assert(
      fc.property(claim, value => {
        const sent = headerValue(value as never) ?? ''
        expect(sent).toMatch(safe)
        expect(JSON.stringify(JSON.parse(sent))).toBe(JSON.stringify(value))
      }),
    )
  })
})

describe('a joined claim', () => {
  test.each([
    [['editor', 'admin'], ',', 'editor,admin'],
    [['Team A', 'B'], ',', 'Team A,B'],
    [['a,b', '50%'], ',', 'a%2Cb,50%25'],
    [['Team A', 'x,y'], ', ', 'Team A, x%2Cy'],
    [['a b', 'c'], ' ', 'a%20b c'],
    [[1, true, 'x'], ',', '1,true,x'],
    ['a,b', ',', 'a%2Cb'],
    [[{ a: 1, b: 2 }], ',', '{"a":1%2C"b":2}'],
    [['é', 'b'], ',', "UTF-8''%C3%A9%2Cb"],
    [['', 'a'], ' ', "UTF-8''%20a"],
    [[''], ',', "UTF-8''"],
    [["UTF-8''x"], ',', "UTF-8''UTF-8%27%27x"],
  ])('%j joined by %j is sent as %j', (claim, by, value) => {
    expect(joinedHeaderValue(claim, by)).toBe(value)
  })

  test('an empty list has nothing to say', () => {
    expect(joinedHeaderValue([], ',')).toBeUndefined()
  })

  test('can be taken apart again, so no two lists share a value', () => {
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 4 }), delimiter, (list, by) => {
        expect(isDelimiter(by)).toBe(true)
        const value = joinedHeaderValue(list, by) ?? ''
        expect(value).toMatch(safe)
        expect(read(value).split(by).map(decodeURIComponent)).toEqual(list)
      }),
      { numRuns: 2000 },
    )
  })

  test.each(['', '%', 'a', '4', ' or ', ',%', 'é', '\n', '\t'])('%j is no delimiter: it could not be undone', by => {
    expect(isDelimiter(by)).toBe(false)
  })
})
