import fc from 'fast-check'
import { expect, test } from 'vitest'
import { returnTarget } from '../../src/session/return-target.ts'

const ORIGINS = ['https://shop.example.com', 'https://shop.example.com:8443', 'http://127.0.0.1:3000', 'http://[::1]']

test('a request target of ours is kept as it is', () => {
  for (const target of ['/', '/orders/1?a=b&c=%2F%5C', '/a//b', '/%E2%82%AC', '/x?u=https://other.example/', '/@a:b'])
    expect(returnTarget(target)).toBe(target)
})

test.each([
  undefined,
  '',
  '*',
  'orders',
  'https://other.example/',
  '//other.example/',
  '/\\other.example/',
  '\\/other.example/',
  '/\t/other.example/',
  '\t//other.example/',
  '/\n/other.example/',
  ' /orders',
  '/orders\\..',
  '/or ders',
  '/orders#top',
  '/orders\r\nSet-Cookie: a=b',
  '/orders\n',
  '/\u0000',
  '/\u007f',
  '/\u00e9',
  '/\u2028',
  'javascript:alert(1)',
  '?a=b',
  '@other.example/',
  '.other.example/',
  ':8080/',
])('%j is none, and becomes /', written => {
  expect(returnTarget(written)).toBe('/')
})

test('a target of 2,048 characters is kept, and a longer one becomes /', () => {
  expect(returnTarget(`/${'a'.repeat(2047)}`)).toHaveLength(2048)
  expect(returnTarget(`/${'a'.repeat(2048)}`)).toBe('/')
})

test('whatever is written, the browser stays on the public origin, and the header stays one line', () => {
  const evil = fc.constantFrom(
    '/',
    '\\',
    '\t',
    '\n',
    '\r',
    '@',
    ':',
    '.',
    '..',
    '?',
    '#',
    '%2f',
    '%5c',
    'evil.test',
    ' ',
  )
  const piece = fc.oneof({ weight: 3, arbitrary: evil }, fc.string(), fc.string({ unit: 'binary' }))
  const written = fc.array(piece).map(pieces => pieces.join(''))
  const slashed = written.map(text => `/${text}`)
  fc.assert(
    fc.property(fc.oneof(written, slashed), fc.constantFrom(...ORIGINS), (text, origin) => {
      const target = returnTarget(text)
      expect(origin + target).toMatch(/^[\x21-\x7e]+$/)
      const { origin: reached, pathname, search } = new URL(origin + target)
      expect(reached).toBe(origin)
      // Also whoever resolves the target as a reference stays where he is.
      expect(new URL(target, origin).origin).toBe(origin)
      // The parser has moved nothing between path and query.
      if (!/%2e|\.|["'<>`{}^|]|\?$/i.test(target)) expect(pathname + search).toBe(target)
    }),
    { numRuns: 2000 },
  )
})
