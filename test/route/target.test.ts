import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { parseTarget, type pathInvalid } from '../../src/route/target.ts'

function reasonFor(target: string, host?: string): unknown {
  try {
    parseTarget(target, host)
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    expect(error.code).toBe('path_invalid')
    return error.evidence?.reason
  }
  return undefined
}

function relaxationsOf(target: string): readonly string[] {
  return [...parseTarget(target, undefined).relaxations]
}

describe('RFC 9112 §3.2: forms of the request target', () => {
  test('an origin-form target is split at its first question mark and otherwise untouched', () => {
    expect(parseTarget('/a/B?x=/../%zz;\\?y//', undefined)).toMatchObject({ path: '/a/B', query: '?x=/../%zz;\\?y//' })
    expect(parseTarget('/', undefined)).toMatchObject({ path: '/', query: '' })
    expect(parseTarget('/a?', undefined)).toMatchObject({ path: '/a', query: '?' })
  })

  test.each([
    ['http://api.example/a?b', 'api.example'],
    ['HTTP://API.example/a?b', 'api.EXAMPLE'],
    ['http://api.example:80/a?b', 'api.example'],
    ['http://api.example/a?b', 'api.example:80'],
    ['https://api.example:443/a?b', 'api.example'],
    ['http://api.example:8080/a?b', 'api.example:8080'],
    ['http://[::1]:8080/a?b', '[::1]:8080'],
  ])('absolute-form %s with Host %s loses its authority', (target, host) => {
    expect(parseTarget(target, host)).toMatchObject({ path: '/a', query: '?b' })
  })

  test.each([
    ['http://evil.example/a', 'api.example'],
    ['http://api.example.evil/a', 'api.example'],
    ['http://api.example:8080/a', 'api.example'],
    ['https://api.example:80/a', 'api.example'],
    ['http://user@api.example/a', 'api.example'],
    ['http://user@api.example/a', 'user@api.example'],
    ['http://api.example\\@evil/a', 'api.example'],
    ['http://api.example/a', ''],
    ['http://api.example/a', undefined],
  ])('absolute-form %s with Host %s is refused', (target, host) => {
    expect(reasonFor(target, host)).toBe('foreign_authority')
  })

  test.each(['*', '', 'a', '?a', 'api.example:443', 'http://api.example', 'http://api.example?a', 'http:///a'])(
    'a target %s has no path we could judge',
    target => expect(reasonFor(target, 'api.example')).toBe('target_form'),
  )

  test.each([
    'ftp://api.example/a',
    'ws://api.example/a',
    'http:/api.example/a',
    'http:a',
    'javascript://api.example/',
  ])('a target %s in another scheme is refused', target => expect(reasonFor(target, 'api.example')).toBe('target_form'))

  test('the path inside an absolute-form target obeys the same rules', () => {
    expect(reasonFor('http://api.example/a/../b', 'api.example')).toBe('dot_segment')
    expect(reasonFor('http://api.example//b', 'api.example')).toBe('emptySegment')
  })
})

describe('what is refused on every route', () => {
  const cases: ReadonlyArray<readonly [Parameters<typeof pathInvalid>[0], readonly string[]]> = [
    [
      'forbidden_character',
      ['/a b', '/a\tb', '/a\0', '/a\x7f', '/caf\xe9', '/a#b', '/a?b#c', '/a?\xff', '/a?b c', '/a?\x01'],
    ],
    ['forbidden_character', ['/a\\b', '/..\\a', '/a%5cb', '/a%5Cb', '/a%255cb', '/a%25255Cb', '/%5c..%5c']],
    [
      'forbidden_character',
      ['/a%00', '/a%0d%0aX:%20y', '/a%09', '/a%1f', '/a%7f', '/a%7F', '/a%C2%85', '/a%2500', '/a%25250a'],
    ],
    ['encoding_invalid', ['/%', '/a%', '/a%2', '/a%zz', '/%u0041', '/%%32', '/a%2%66', '/a/%-1']],
    [
      'encoding_invalid',
      ['/%C0%AF', '/%c0%ae%c0%ae/', '/%E0%80%AF', '/%ff', '/%C3', '/%ED%A0%80', '/%F8%80%80%80%AF', '/%25C0%25AF'],
    ],
    [
      'encoded_unreserved',
      ['/%61dmin', '/%41', '/a%2Db', '/a%5Fb', '/%7Euser', '/%30', '/%5a', '/%7A', '/%4f', '/%6F', '/a/%25%32e/'],
    ],
    ['dot_segment', ['/.', '/..', '/a/.', '/a/..', '/a/./b', '/a/../b', '/../', '/a/..?b']],
    [
      'dot_segment',
      ['/%2e', '/a/%2e%2e', '/a/.%2e/b', '/a/%2E./b', '/a/%252e%252e/', '/a/%25252e%25252e', '/a/.%252e'],
    ],
    [
      'dot_segment',
      [
        '/a/..;/b',
        '/a/..;x=y/b',
        '/a/.;/b',
        '/a/..%3bx/b',
        '/a/%2e%2e;/b',
        '/a/..%3Fx',
        '/a/..%23',
        '/a%2f..%2fb',
        '/a%2F..',
      ],
    ],
    ['dot_segment', ['/..%2f', '/a%252f..%252fb', '/%2e%2e%2f']],
    [
      'encoding_nested',
      ['/a%252fb', '/a%252Fb', '/a%25252fb', '/a%253bb', '/a%253fb', '/a%2523b', '/%25252561', '/%2525252520'],
    ],
    ['emptySegment', ['//', '//evil.example/a', '///', '/%2fa', '/%2F%2Fa']],
  ]
  for (const [reason, targets] of cases)
    test.each(targets)(`%j is refused: ${reason}`, target => {
      expect(reasonFor(target)).toBe(reason)
    })

  test('every byte outside printable ASCII is refused, raw in path and query, and control bytes encoded', () => {
    for (let byte = 0; byte <= 0xff; byte++) {
      const isVisible = byte > 0x20 && byte < 0x7f
      const character = String.fromCharCode(byte)
      if (!isVisible || character === '#') {
        expect(reasonFor(`/a${character}b`)).toBe('forbidden_character')
        expect(reasonFor(`/a?${character}b`)).toBe('forbidden_character')
      } else expect(reasonFor(`/a?${character}b`)).toBeUndefined()
      if (byte < 0x20 || byte === 0x7f)
        expect(reasonFor(`/a%${byte.toString(16).padStart(2, '0')}b`)).toBe('forbidden_character')
    }
  })

  test('an unreserved character passes as itself and in no encoding', () => {
    for (const character of 'ABCXYZabcxyz0189-._~') {
      const hex = character.charCodeAt(0).toString(16)
      expect(reasonFor(`/a${character}b`)).toBeUndefined()
      for (const spelling of [`%${hex}`, `%${hex.toUpperCase()}`])
        expect(reasonFor(`/a${spelling}b`)).toBe('encoded_unreserved')
    }
  })
})

describe('what passes', () => {
  test.each([
    '/orders/ABC-1_2.3~x',
    '/a/',
    '/...',
    '/a/.../b',
    '/.well-known/x',
    '/a..b',
    '/a.',
    "/a:b@c!$&'()*+,=",
    '/%40scope',
    '/a%20b',
    '/caf%C3%A9',
    '/caf%c3%a9',
    '/100%25',
    '/a%2520b',
    '/a%3Fb%23c',
    '/"<>^`{|}',
    '/%22%3C%3E',
  ])('%s comes out as it went in, without any relaxation', path => {
    expect(parseTarget(path, undefined)).toEqual({ path, query: '', relaxations: new Set() })
  })
})

describe('what a route may relax', () => {
  test.each([
    ['/a%2fb', ['encodedSlash']],
    ['/a%2Fb', ['encodedSlash']],
    ['/a;b', ['semicolon']],
    ['/a%3bb', ['semicolon']],
    ['/a//b', ['emptySegment']],
    ['/a///', ['emptySegment']],
    ['/a/%2fb', ['encodedSlash', 'emptySegment']],
    ['/a%2f%2Fb', ['encodedSlash', 'emptySegment']],
    ['/a;x//b%2fc', ['encodedSlash', 'semicolon', 'emptySegment']],
  ])('%s needs %j', (path, needed) => {
    expect(relaxationsOf(path)).toEqual(needed)
  })
})

test('the evidence never holds the target', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 20 }), text => {
      try {
        parseTarget(`/marker-7f3a${text}`, 'h')
      } catch (error) {
        if (!(error instanceof Denial)) throw error
        expect(JSON.stringify(error.evidence)).not.toContain('marker')
      }
    }),
  )
})

test('any sequence of bytes is either parsed or refused, never another error', () => {
  const hostile = fc.array(
    fc.oneof(
      fc.constantFrom('/', '%', '%25', '25', '2f', '%2', '.', ';', '%C3', '%A9', '//', '?', 'http://h'),
      fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)),
    ),
    { maxLength: 30 },
  )
  fc.assert(
    fc.property(hostile, pieces => {
      const target = pieces.join('')
      if (reasonFor(target, 'h') !== undefined) return
      const { path, query } = parseTarget(target, 'h')
      expect(target.endsWith(path + query)).toBe(true)
      expect(path.startsWith('/')).toBe(true)
    }),
    { numRuns: 3000 },
  )
})
