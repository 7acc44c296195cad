import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseStrictJson, parseStrictOuterJson } from '../../src/lib/strict-json.ts'

const parse = (text: string | Uint8Array, maxDepth = 32) => parseStrictJson(Buffer.from(text), maxDepth)

describe('what is accepted', () => {
  test.each(['{}', '[]', 'null', '0', '"a"', '{"a":1,"b":{"a":2}}', '[{"a":1},{"a":2}]', ' {"a" : [1 , 2]} '])(
    '%s reads as JSON.parse reads it',
    text => expect(parse(text)).toEqual(JSON.parse(text)),
  )

  test('quotes, colons and brackets inside strings are text', () => {
    const text = String.raw`{"a\":{[":"\\","b":"}]:\"\\\"","\\":"[[[["}`
    expect(parse(text, 1)).toEqual(JSON.parse(text))
  })

  test('a value is frozen to its last member', () => {
    const value = parse('{"a":[{"b":[]}]}') as { a: [{ b: unknown[] }] }
    for (const part of [value, value.a, value.a[0], value.a[0].b]) expect(Object.isFrozen(part)).toBe(true)
  })

  test('a subarray of a larger buffer is read within its bounds', () => {
    expect(parseStrictJson(Buffer.from('x{"a":1}x').subarray(1, 8), 2)).toEqual({ a: 1 })
  })
})

describe('what is refused', () => {
  test.each([
    ['a repeated name', '{"a":1,"a":1}', 'duplicate member name'],
    ['a name repeated through an escape', String.raw`{"a":1,"\u0061":2}`, 'duplicate member name'],
    ['a repeated name deep inside', '{"x":[0,{"a":{"b":1,"c":2,"b":3}}]}', 'duplicate member name'],
    ['a repeated empty name', '{"":1,"":2}', 'duplicate member name'],
    ['names that repeat as array indexes', '{"1":0,"1":0}', 'duplicate member name'],
    ['a byte order mark', '\ufeff{}', 'not JSON'],
    ['a high surrogate alone in a value', String.raw`{"a":"\ud800"}`, 'lone surrogate'],
    ['a low surrogate alone in a name', String.raw`{"\udfaa":0}`, 'lone surrogate'],
    ['surrogates the wrong way round', String.raw`["\udd1e\ud834"]`, 'lone surrogate'],
    ['a lone surrogate at the root', String.raw`"\ud800"`, 'lone surrogate'],
    ['a number beyond a double', '{"exp":1e400}', 'number out of range'],
    ['a number beyond a double at the root', '-1e400', 'number out of range'],
    ['a member named __proto__', '{"__proto__":{"admin":true}}', 'member name __proto__'],
    ['the same in disguise', String.raw`{"_\u005fproto__":1}`, 'member name __proto__'],
    ['no text at all', '', 'not JSON'],
    ['a second value', '{}{}', 'not JSON'],
    ['an unterminated string', '{"a', 'not JSON'],
    ['a backslash at the end', '"\\', 'not JSON'],
    ['colons that are no members', '{:}', 'not JSON'],
    ['comments', '{}//', 'not JSON'],
  ])('%s', (_name, text, reason) => expect(() => parse(text)).toThrow(new SyntaxError(reason)))

  test.each([
    ['an overlong encoding', [0xc0, 0xaf]],
    ['an encoded surrogate', [0xed, 0xa0, 0x80]],
    ['a stray continuation byte', [0x81]],
    ['a sequence cut short', [0xe2, 0x82]],
    ['a code point above U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
  ])('UTF-8 with %s', (_name, bytes) => {
    const text = Buffer.concat([Buffer.from('"'), Buffer.from(bytes), Buffer.from('"')])
    expect(() => parse(text)).toThrow(new SyntaxError('not UTF-8'))
  })

  test('the reason quotes nothing of the input', () => {
    expect(() => parse('{"secret-value": oops}')).toThrow(/^not JSON$/)
  })
})

describe('nesting', () => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)

  test('is accepted up to the bound and refused one level above', () => {
    expect(() => parse(nested(32), 32)).not.toThrow()
    expect(() => parse(nested(33), 32)).toThrow('nested too deeply')
    expect(() => parse(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`, 32)).toThrow('nested too deeply')
  })

  test('counts levels, not brackets', () => {
    expect(parse(`[${'[],'.repeat(500)}[]]`, 2)).toHaveLength(501)
    expect(() => parse(`[${'[],'.repeat(500)}${nested(32)}]`, 32)).toThrow('nested too deeply')
  })

  test('of a hundred thousand levels neither overflows nor is accepted, closed or not', () => {
    expect(() => parse(nested(100_000))).toThrow('nested too deeply')
    expect(() => parse('['.repeat(100_000))).toThrow('nested too deeply')
    expect(() => parse('{"":['.repeat(50_000))).toThrow('nested too deeply')
  })

  test('does not overflow when the bound is high', () => {
    expect(() => parse(nested(5_000), 5_000)).not.toThrow()
  })
})

describe('against JSON.parse', () => {
  const oracle = (text: string): unknown => {
    try {
      return JSON.parse(text)
    } catch {
      return SyntaxError
    }
  }
  const strict = (text: string): unknown => {
    try {
      return parse(text)
    } catch {
      return SyntaxError
    }
  }

  test('every well-formed value survives the round trip', () => {
    fc.assert(
      fc.property(fc.json({ stringUnit: 'binary', maxDepth: 5 }), text => {
        fc.pre(!text.includes('__proto__'))
        expect(strict(text)).toEqual(JSON.parse(text))
      }),
      { numRuns: 500 },
    )
  })

  test('whatever it accepts, it reads alike, however the text was damaged', () => {
    const damaged = fc
      .tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.constantFrom(...'{}[]:,"\\0ae '))
      .map(([text, at, char]) => {
        const cut = at % (text.length + 1)
        return text.slice(0, cut) + char + text.slice(cut + 1)
      })
    fc.assert(
      fc.property(damaged, text => {
        const value = strict(text)
        if (value !== SyntaxError) expect(value).toEqual(oracle(text))
      }),
      { numRuns: 2000 },
    )
  })

  test('a repeated name is found wherever it is and however it is escaped', () => {
    const escaped = (name: string) =>
      `"${[...name].map(char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue({ maxDepth: 2 }), {
          minKeys: 1,
          noNullPrototype: true,
        }),
        fc.nat(),
        (object, pick) => {
          const names = Object.keys(object)
          const name = names[pick % names.length] ?? ''
          fc.pre(name !== '__proto__' && /^[\0-\ud7ff]*$/.test(name))
          const text = JSON.stringify(object)
          expect(strict(`${text.slice(0, -1)},${escaped(name)}:0}`)).toBe(SyntaxError)
        },
      ),
      { numRuns: 500 },
    )
  })
})

describe('the outer objects of a text', () => {
  const outer = (text: string) => parseStrictOuterJson(Buffer.from(text), 32)

  test.each([
    ['a repeated name', '{"a":1,"a":1}', 'duplicate member name'],
    ['a repeated name, escaped', String.raw`{"a":1,"\u0061":1}`, 'duplicate member name'],
    ['a repeated name within', '{"a":{"b":1,"b":2}}', 'duplicate member name'],
    ['one member too many within and one too few without', '{"a":{"b":1,"b":2},"a":{}}', 'duplicate member name'],
    ['__proto__', '{"__proto__":{}}', 'member name __proto__'],
    ['__proto__ within', '{"a":{"__proto__":1}}', 'member name __proto__'],
    ['half a character within', String.raw`{"a":{"b":"\ud800"}}`, 'lone surrogate'],
    ['a number without end', '{"a":1e999}', 'number out of range'],
    [
      'members without end',
      `{"a":{${Array.from({ length: 1001 }, (_, at) => `"${at}":1`).join(',')}}}`,
      'too many members',
    ],
    ['nesting without end', '['.repeat(40) + ']'.repeat(40), 'nested too deeply'],
    ['what is no JSON', '{"a":1,}', 'not JSON'],
  ])('have no %s', (_, text, reason) => {
    expect(() => outer(text)).toThrow(new SyntaxError(reason))
  })

  test('may hold anything deeper, which nobody here reads', () => {
    const text = String.raw`{"a":{"b":[{"c":1,"c":"\ud800"},{"__proto__":1e999}]},"d":[{"e":1,"e":2}]}`
    expect(outer(text)).toEqual(JSON.parse(text))
  })

  test('are refused only where the whole text is refused, too, and then read alike', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 4 }), text => {
        const whole = outcomeOf(() => parse(text))
        if (!(whole instanceof SyntaxError)) expect(outcomeOf(() => outer(text))).toEqual(whole)
        else if (outcomeOf(() => outer(text)) instanceof SyntaxError)
          expect(whole.message).toBe('member name __proto__')
      }),
    )
  })
})

function outcomeOf(read: () => unknown): unknown {
  try {
    return read()
  } catch (error) {
    return error
  }
}
