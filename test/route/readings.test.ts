import { expect, test } from 'vitest'
import { HABITS, HABITS_WITHOUT_LAST_SLASH, laxReadings, laxSegment } from '../../src/route/readings.ts'

function readings(path: string): readonly string[] {
  return [...laxReadings(path, HABITS_WITHOUT_LAST_SLASH)].sort()
}

test('a plain path has one reading', () => {
  expect(readings('/orders/1')).toEqual(['/orders/1'])
  expect(readings('/')).toEqual(['/'])
})

test('the habits are applied in every order', () => {
  expect(readings('/a;x%2fb//')).toEqual(
    [
      '/a;x%2fb//',
      '/a;x/b//',
      '/a;x/b/',
      '/a;x/b',
      '/a;x%2fb/',
      '/a;x%2fb',
      '/a',
      '/a//',
      '/a/',
      '/a/b//',
      '/a/b/',
      '/a/b',
    ].sort(),
  )
})

test('an encoded question mark, hash or semicolon cuts once it is decoded', () => {
  expect(readings('/a%3Fb')).toEqual(['/a', '/a%3Fb', '/a?b'])
  expect(readings('/a%23b')).toEqual(['/a', '/a#b', '/a%23b'])
  expect(readings('/a%3Bb/c')).toEqual(['/a', '/a%3Bb/c', '/a/c', '/a;b/c'])
})

test('a last slash is dropped unless the route is written with one', () => {
  expect(readings('/docs/')).toEqual(['/docs', '/docs/'])
  expect(readings('/docs///')).toEqual(['/docs', '/docs/', '/docs///'])
  expect(readings('//')).toEqual(['/', '//'])
  expect([...laxReadings('/docs/', HABITS)]).toEqual(['/docs/'])
})

test('the number of readings stays small however long and odd the path is', () => {
  const odd = `/a${';x%3by%2fz//%3fq%23r/%2525;%2f%3b/'.repeat(400)}`
  for (const path of [odd, `/a${'/'.repeat(16_000)}`, `/a${';/'.repeat(8_000)}`, `/a${'%2525'.repeat(3_000)}`])
    expect(laxReadings(path, HABITS_WITHOUT_LAST_SLASH).size).toBeLessThan(80)
})

test.each([
  ['ADMIN', 'admin'],
  ['%2561dmin', 'admin'],
  ['%EF%BD%81dmin', 'admin'],
  ['to%E2%84%AAen', 'token'],
  ['acce%C5%BFs', 'access'],
  ['%C4%B1d', 'id'],
  ['CAF%C3%89', 'caf\u00e9'],
  ['cafe%CC%81', 'caf\u00e9'],
])('the laxest server compares %s as %s', (segment, expected) => {
  expect(laxSegment(segment)).toBe(expected)
})
