/** Tests that a text says what it shall say after an edit, and that nothing else of it changes, for many texts. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Document, parseAllDocuments, stringify } from 'yaml'
import { editedText, editsFor } from '../../../src/tools/inject/patched-text.ts'

function documentIn(text: string): Document.Parsed {
  const [document] = parseAllDocuments(text, { merge: true, stringKeys: true })
  if (document === undefined || 'empty' in document) throw new Error('no document')
  return document as Document.Parsed
}

function valueIn(text: string): unknown {
  const document = documentIn(text)
  expect(document.errors).toEqual([])
  return document.toJS()
}

function edited(text: string, wanted: unknown): string {
  return editedText(text, editsFor(text, documentIn(text), wanted))
}

describe('a member is added', () => {
  test.each([
    [
      'after the one that it follows',
      'a: 1 # one\n# two\nb: 2\n',
      { a: 1, c: 3, b: 2 },
      'a: 1 # one\nc: 3\n# two\nb: 2\n',
    ],
    ['before a comment about the first one', '# a\na: 1\n', { c: 3, a: 1 }, 'c: 3\n# a\na: 1\n'],
    [
      'behind a block of text',
      'a: |\n  x\n  # y\n\nb: 1\n',
      { a: 'x\n# y\n', c: 3, b: 1 },
      'a: |\n  x\n  # y\nc: 3\n\nb: 1\n',
    ],
    ['at the end without a line end', 'a:\n  b: 1', { a: { b: 1, c: 2 }, d: 3 }, 'a:\n  b: 1\n  c: 2\nd: 3'],
    ['beside a dash', 'l:\n- a: 1\n', { l: [{ z: 0, a: 1 }] }, 'l:\n- z: 0\n  a: 1\n'],
    ['in place of nothing', 'a: # why\nb: 1\n', { a: { c: 1 }, b: 1 }, 'a: # why\n  c: 1\nb: 1\n'],
    ['in place of an empty map', 'a: {} # why\nb: 1\n', { a: { c: 1 }, b: 1 }, 'a: # why\n  c: 1\nb: 1\n'],
    ['in one line', 'a: {b: 1, # why\n  c: 2}\n', { a: { d: 3, b: 1, c: 2 } }, 'a: {d: 3, b: 1, # why\n  c: 2}\n'],
    [
      'in lines that Windows ends',
      'a: 1\r\nb:\r\n  c: 1\r\n',
      { a: 1, b: { c: 1, d: 1 } },
      'a: 1\r\nb:\r\n  c: 1\r\n  d: 1\r\n',
    ],
    [
      'with the indentation of the file',
      'a:\n    b: 1\n',
      { a: { b: 1 }, c: { d: { e: 1 } } },
      'a:\n    b: 1\nc:\n    d:\n        e: 1\n',
    ],
    [
      'in JSON',
      '{\n    "a": 1\n}\n',
      { b: { c: [1] }, a: 1 },
      '{\n    "b": {\n        "c": [\n            1\n        ]\n    },\n    "a": 1\n}\n',
    ],
    [
      'that looks like something else',
      'a: 1\n',
      { a: 1, b: 'on', c: '1:30', d: '0x1f' },
      'a: 1\nb: "on"\nc: "1:30"\nd: "0x1f"\n',
    ],
  ])('%s', (_, text, wanted, expected) => {
    expect(edited(text, wanted)).toBe(expected)
    expect(valueIn(expected)).toEqual(wanted)
  })
})

describe('an anchor', () => {
  test('and its aliases change together', () => {
    expect(edited('a: &x { p: 1 }\nb: *x\n', { a: { p: 2 }, b: { p: 2 } })).toBe('a: &x { p: 2 }\nb: *x\n')
  })

  test('and what is merged from it stays merged', () => {
    const text = 'a: &x { p: 1 }\nb:\n  <<: *x\n  q: 1\n'
    expect(edited(text, { a: { p: 2 }, b: { p: 2, q: 1 } })).toBe(text.replace('p: 1', 'p: 2'))
  })

  test.each([
    ['an alias that shall not change with it', 'a: &x { p: 1 }\nb: *x\n', { a: { p: 2 }, b: { p: 1 } }],
    [
      'an alias that shall change alone',
      'a: &x\n  p: 1\nb: *x\nl: [*x]\n',
      { a: { p: 1 }, b: { p: 2 }, l: [{ p: 1 }] },
    ],
    ['an alias of a value', 'a: &x 1\nb: *x\n', { a: 2, b: 1 }],
    ['what is merged', 'a: &x { p: 1 }\nb:\n  <<: *x\n  q: 1\n', { a: { p: 2 }, b: { p: 1, q: 1 } }],
    ['what is merged, in one place', 'a: &x { p: 1 }\nb:\n  <<: [*x]\n  q: 1\n', { a: { p: 1 }, b: { p: 3, q: 1 } }],
    ['an anchor that goes', 'a: { p: &x 1, q: 2 }\nb: *x\n', { a: { q: 2 }, b: 1 }],
    ['an anchor whose lines go', 'a:\n  p: &x\n    z: 1\n  q: 2\nb: *x\n', { a: { q: 2 }, b: { z: 1 } }],
    ['a list of aliases', 'a: &x { p: 1 }\nl:\n- *x\n- *x\n', { a: { p: 1 }, l: [{ n: 0 }, { p: 1 }, { p: 2 }] }],
  ])('is written out for %s', (_, text, wanted) => {
    expect(valueIn(edited(text, wanted))).toEqual(wanted)
  })
})

describe('any document', () => {
  const scalar = fc.oneof(
    fc.constantFrom('on', '1:30', '- x', 'a: b', '# x', '', 'x\ny\n', 'null'),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  )
  const name = fc.constantFrom('a', 'b', 'c', 'spec', 'x-y', 'on', '12')
  const { value } = fc.letrec<{ value: unknown; map: unknown; list: unknown }>(tie => ({
    map: fc.dictionary(name, tie('value'), { maxKeys: 3 }).map(made => ({ ...made })),
    list: fc.array(tie('value'), { maxLength: 3 }),
    value: fc.oneof({ maxDepth: 4, withCrossShrink: true }, scalar, tie('map'), tie('list')),
  }))
  const map = fc
    .dictionary(name, value, { minKeys: 1, maxKeys: 4 })
    .map(made => ({ ...made }) as Record<string, unknown>)
  const manner = fc.record({
    indent: fc.constantFrom(2, 4),
    indentSeq: fc.boolean(),
    collectionStyle: fc.constantFrom('any' as const, 'any' as const, 'flow' as const),
    lineEnd: fc.constantFrom('\n', '\r\n'),
    lineWidth: fc.constantFrom(0, 20),
    mark: fc.constantFrom('', '\uFEFF', '---\n', '# first\n'),
    end: fc.constantFrom('', '...\n', '# last\n'),
  })

  function written(
    made: unknown,
    { lineEnd, mark, end, ...options }: typeof manner extends fc.Arbitrary<infer T> ? T : never,
  ): string {
    return `${mark}${stringify(made, options)}${end}`.replaceAll('\n', lineEnd)
  }

  test('says what it shall', () => {
    fc.assert(
      fc.property(map, map, manner, (one, other, how) => {
        const text = written(one, how)
        expect(valueIn(edited(text, other))).toEqual(other)
      }),
      { numRuns: 400 },
    )
  })

  test('keeps every line when something is added', () => {
    fc.assert(
      fc.property(map, map, manner, (one, other, how) => {
        const text = written(one, { ...how, collectionStyle: 'any' })
        const more = { ...other, ...one }
        const [first] = Object.keys(one)
        const wanted = { ...one, ...Object.fromEntries(Object.entries(more).filter(([key]) => key !== first)) }
        const lines = edited(text, wanted).replace('\uFEFF', '').split(/\r?\n/)
        let at = 0
        for (const line of text.replace(/\r?\n$|^\uFEFF/g, '').split(/\r?\n/)) {
          at = lines.indexOf(line, at) + 1
          expect(at, `${line} of\n${text}\nin\n${lines.join('\n')}`).toBeGreaterThan(0)
        }
      }),
      { numRuns: 200 },
    )
  })

  test('stays as it is when it says that already', () => {
    fc.assert(
      fc.property(map, manner, (one, how) => {
        expect(edited(written(one, how), one)).toBe(written(one, how))
      }),
    )
  })
})
