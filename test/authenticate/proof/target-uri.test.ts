/** The URL that a proof is for, held against the gateway's base URLs, and against what the URL class makes of it. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { baseUrlProblem, targetUris } from '../../../src/authenticate/proof/target-uri.ts'

const host = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}[a-z0-9](\.[a-z]{2,5}){1,2}$/)
const port = fc.oneof(
  fc.constant(''),
  fc.integer({ min: 1, max: 65_535 }).map(number => `:${number}`),
)
const segment = fc
  .stringMatching(/^(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){1,6}$/)
  .filter(text => !/^(?:\.|%2e){1,2}$/i.test(text))
const path = fc.array(segment, { maxLength: 4 }).map(segments => `/${segments.join('/')}`)
const prefix = fc.array(segment, { maxLength: 2 }).map(segments => segments.map(text => `/${text}`).join(''))
const base = fc.tuple(fc.constantFrom('http', 'https'), host, port, prefix).map(parts => {
  const [scheme, name, number, below] = parts
  return `${scheme}://${name}${number}${below}`
})

/** Changes the case of letters that have none, and encodes what need not be encoded. */
function respelled(url: string, seed: number): string {
  const [, scheme = '', authority = '', rest = ''] = /^([a-z]+):\/\/([^/]*)(.*)$/.exec(url) ?? []
  const mixed = (text: string) =>
    [...text].map((char, index) => ((seed >> (index % 30)) & 1 ? char.toUpperCase() : char)).join('')
  const encoded = rest.replace(/%..|[A-Za-z0-9._~-]/g, (text, index: number) => {
    if (((seed >> (index % 30)) & 1) === 0) return text
    return text.startsWith('%') ? text.toLowerCase() : `%${text.charCodeAt(0).toString(16)}`
  })
  const defaults: Record<string, string> = { http: ':80', https: ':443' }
  const shownPort = /:\d+$/.test(authority) || seed % 2 === 0 ? '' : (defaults[scheme] ?? '')
  return `${mixed(scheme)}://${mixed(authority)}${shownPort}${encoded}`
}

describe('any base URL and any path', () => {
  test('are the URL of both together, however it is spelled, with any query and fragment', () => {
    fc.assert(
      fc.property(base, path, fc.nat(), fc.constantFrom('', '?', '?a=/b', '#c', '?a#b?'), (url, target, seed, rest) => {
        const matches = targetUris(['https://other.example', url])
        expect(matches(url + target + rest, target)).toBe(true)
        expect(matches(respelled(url + target, seed) + rest, target)).toBe(true)
        expect(matches(url + target, respelled(`https://x${target}`, seed).replace(/^[^/]*\/\/[^/]*/, ''))).toBe(true)
      }),
    )
  })

  test('are taken for no other URL: what matches has their origin and path for the URL class, too', () => {
    const piece = fc.constantFrom(
      ...[
        '/',
        '//',
        '\\',
        '@',
        ':',
        ':443',
        ':80',
        '.',
        '..',
        '%2f',
        '%2F',
        '%40',
        '%00',
        ' ',
        '\t',
        '[',
        ']',
        '',
        'a',
        'A',
      ],
      ...['api.example.com', 'https:', 'https://', '?', '#', ';', '\u212a', 'é', '%', '%4', 'evil.example', 'orders'],
    )
    const anything = fc.array(piece, { maxLength: 12 }).map(pieces => pieces.join(''))
    const near = fc.tuple(fc.constantFrom('https://api.example.com', 'https://api.example.com/', ''), anything)
    const matches = targetUris(['https://api.example.com'])
    fc.assert(
      fc.property(
        near.map(texts => texts.join('')),
        htu => {
          if (!matches(htu, '/orders')) return
          const { origin, pathname, username, password } = new URL(htu)
          expect({ origin, pathname: decodeURIComponent(pathname), username, password }).toEqual({
            origin: 'https://api.example.com',
            pathname: '/orders',
            username: '',
            password: '',
          })
        },
      ),
      { numRuns: 5000 },
    )
  })

  test('never throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (htu, target) => {
        expect(typeof targetUris(['https://api.example.com'])(htu, target)).toBe('boolean')
      }),
    )
  })
})

describe('a prefix', () => {
  const matches = targetUris(['https://api.example.com/shop/'])

  test.each(['/orders', '/', '/shop', '/a/'])('stands before the path: %s', path => {
    expect(matches(`https://api.example.com/shop${path}`, path)).toBe(true)
    expect(matches(`https://api.example.com${path}`, path)).toBe(false)
    expect(matches(`https://api.example.com/SHOP${path}`, path)).toBe(false)
  })

  test('alone is the root, with a slash and without', () => {
    expect(matches('https://api.example.com/shop', '/')).toBe(true)
    expect(matches('https://api.example.com/shop/', '/')).toBe(true)
    expect(matches('https://api.example.com/shop', '/shop')).toBe(false)
    expect(matches('https://api.example.com', '/')).toBe(false)
  })
})

describe('a base URL', () => {
  test.each([
    'https://api.example.com',
    'http://localhost:8080/',
    'https://[::1]/a',
    'https://a_b.example/%7Euser/',
    'HTTPS://API.example.com:443',
  ])('%s can be used', text => {
    expect(baseUrlProblem(text)).toBeUndefined()
    expect(targetUris([text])(text, '/')).toBe(true)
  })

  test.each([
    'api.example.com',
    '/orders',
    'ftp://api.example.com',
    'https://',
    'https:///orders',
    'https://api.example.com?a',
    'https://api.example.com/#',
    'https://me@api.example.com',
    'https://api.example.com:port',
    'https://api.example.com:99999',
    'https://api example.com',
    'https://münchen.example',
    'https://api.example.com/ü',
    'https://\u212aiosk.example',
    'https://[::1',
    'https://api.example.com\\orders',
    '',
  ])('%s cannot', text => {
    expect(baseUrlProblem(text)).toMatch(/./)
  })

  test('that cannot be used is like none', () => {
    expect(targetUris(['nonsense'])('nonsense', '/')).toBe(false)
    expect(targetUris(['nonsense'])('', '')).toBe(false)
  })
})
