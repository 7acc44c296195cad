import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { sessionUseByOrigin } from '../../src/session/request-origin.ts'

const OWN = 'https://shop.example.com'
const ALLOWED = 'https://app.example.com'
const FOREIGN = 'https://other.example'
const UPGRADE = { upgrade: 'websocket', connection: 'keep-alive, Upgrade' }

describe('a request that changes something, and a WebSocket handshake', () => {
  const unsafe = [
    ['POST', {}],
    ['PUT', {}],
    ['PATCH', {}],
    ['DELETE', {}],
    ['post', {}],
    ['PROPFIND', {}],
    ['GET', UPGRADE],
  ] as const

  test.each(unsafe)('%s %j uses the session of its browser from a page of the same origin', (method, extra) => {
    expect(verdictOf(method, { ...extra, 'sec-fetch-site': 'same-origin' })).toBe('yes')
    expect(verdictOf(method, { ...extra, 'sec-fetch-site': 'same-origin', origin: 'null' })).toBe('yes')
    expect(verdictOf(method, { ...extra, origin: OWN })).toBe('yes')
  })

  test.each(unsafe)('%s %j uses it from an allowed origin, whatever the browser says of the site', (method, extra) => {
    for (const site of [undefined, 'cross-site', 'same-site', 'none', 'x'])
      expect(verdictOf(method, { ...extra, 'sec-fetch-site': site, origin: ALLOWED })).toBe('yes')
  })

  test.each(unsafe)('%s %j is forbidden from anywhere else', (method, extra) => {
    for (const site of ['cross-site', 'same-site', 'none', '', 'Same-Origin', 'same-origin, same-origin'])
      for (const origin of [undefined, OWN, FOREIGN, 'null'])
        expect(verdictOf(method, { ...extra, 'sec-fetch-site': site, origin, 'sec-fetch-mode': 'navigate' })).toBe(
          'forbidden',
        )
    for (const origin of [
      undefined,
      FOREIGN,
      'null',
      '',
      `${OWN}/`,
      `${OWN}:443`,
      OWN.toUpperCase(),
      `${OWN}.evil.test`,
    ])
      expect(verdictOf(method, { ...extra, origin })).toBe('forbidden')
  })

  test('is forbidden when it says something twice', () => {
    for (const lines of [
      ['sec-fetch-site', 'same-origin', 'Sec-Fetch-Site', 'same-origin'],
      ['origin', OWN, 'Origin', OWN],
      ['origin', ALLOWED, 'origin', ALLOWED],
      ['sec-fetch-site', 'same-origin', 'origin', OWN, 'origin', OWN],
      ['sec-fetch-site', 'same-origin', 'sec-fetch-site', 'same-origin', 'origin', ALLOWED],
    ])
      expect(judge('POST', lines).verdict).toBe('forbidden')
  })
})

describe('a request that only reads', () => {
  test('uses the session of its browser from our own pages, when the user has begun it, and without any word', () => {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      for (const site of ['same-origin', 'none']) expect(verdictOf(method, { 'sec-fetch-site': site })).toBe('yes')
      expect(verdictOf(method, { origin: OWN })).toBe('yes')
      expect(verdictOf(method, {})).toBe('yes')
    }
  })

  test('uses it from other sites only as a navigation, or when its origin is allowed', () => {
    for (const site of ['cross-site', 'same-site', 'x']) {
      for (const mode of [undefined, 'cors', 'no-cors', 'websocket'])
        expect(verdictOf('GET', { 'sec-fetch-site': site, 'sec-fetch-mode': mode, origin: FOREIGN })).toBe('ignored')
      expect(verdictOf('GET', { 'sec-fetch-site': site })).toBe('ignored')
      expect(verdictOf('GET', { 'sec-fetch-site': site, 'sec-fetch-mode': 'navigate' })).toBe('yes')
      expect(verdictOf('GET', { 'sec-fetch-site': site, origin: ALLOWED })).toBe('yes')
    }
    expect(verdictOf('GET', { origin: FOREIGN })).toBe('ignored')
    expect(verdictOf('GET', { origin: 'null' })).toBe('ignored')
  })

  test('does not use it when it says something twice', () => {
    for (const lines of [
      ['sec-fetch-site', 'same-origin', 'sec-fetch-site', 'same-origin'],
      ['origin', ALLOWED, 'origin', ALLOWED],
      ['sec-fetch-site', 'cross-site', 'sec-fetch-mode', 'navigate', 'sec-fetch-mode', 'navigate'],
    ])
      expect(judge('GET', lines).verdict).toBe('ignored')
  })

  test('is no handshake over another version of HTTP, or when nothing asks for the upgrade', () => {
    expect(judge('GET', flat({ ...UPGRADE, 'sec-fetch-site': 'cross-site' }), '2').verdict).toBe('ignored')
    expect(verdictOf('GET', { upgrade: 'websocket', 'sec-fetch-site': 'cross-site' })).toBe('ignored')
  })
})

test('the evidence is what the browser said, short and printable', () => {
  expect(judge('POST', [])).toEqual({ verdict: 'forbidden', evidence: {} })
  expect(judge('POST', ['Origin', FOREIGN, 'Sec-Fetch-Site', 'cross-site'])).toEqual({
    verdict: 'forbidden',
    evidence: { site: 'cross-site', origin: FOREIGN },
  })
  expect(judge('GET', ['origin', `\u00e9${'x'.repeat(500)}`])).toEqual({
    verdict: 'ignored',
    evidence: { origin: `?${'x'.repeat(199)}...` },
  })
})

test('whatever a foreign page can make a browser send, it changes nothing with the session', () => {
  const line = fc.oneof(
    fc.tuple(fc.constant('sec-fetch-site'), fc.constantFrom('cross-site', 'same-site')),
    fc.tuple(fc.constant('origin'), fc.constantFrom(FOREIGN, 'null')),
    fc.tuple(fc.constantFrom('sec-fetch-mode', 'accept', 'x-requested-with', 'host', 'referer'), fc.string()),
  )
  fc.assert(
    fc.property(fc.array(line), fc.constantFrom('POST', 'PUT', 'DELETE', 'QUERY'), (lines, method) => {
      expect(judge(method, lines.flat()).verdict).toBe('forbidden')
    }),
  )
})

function verdictOf(method: string, fields: Readonly<Record<string, string | undefined>>): string {
  return judge(method, flat(fields)).verdict
}

function judge(
  method: string,
  rawHeaders: readonly string[],
  httpVersion = '1.1',
): ReturnType<typeof sessionUseByOrigin> {
  const rules = { publicOrigin: OWN, allowOrigins: new Set([ALLOWED]) }
  return sessionUseByOrigin({ method, httpVersion, rawHeaders }, rules)
}

function flat(fields: Readonly<Record<string, string | undefined>>): readonly string[] {
  return Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [name, value]))
}
