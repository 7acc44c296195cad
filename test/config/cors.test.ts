/** Tests which rules of CORS a route has: its own, or those of the file, with headers that fit what it takes. */
import { describe, expect, test } from 'vitest'
import { corsRules } from '../../src/config/cors.ts'
import type { CorsRules } from '../../src/route/cors.ts'
import { load, SMALL } from './support.ts'

/** @param rest of the route `all` @param sections of the file, one in a line */
function rulesOf(rest: string, ...sections: readonly string[]): CorsRules | undefined {
  const config = load(
    `${SMALL.replace('/** }', `/**, ${rest} }\n  - { id: other, path: /other }`)}\n${sections.join('\n')}\n`,
  )
  const [route] = config.routes
  if (route === undefined) throw new Error('no route')
  return corsRules(route, config, route.credentials ?? config.credentials ?? ['authorization'])
}

const FILE = 'cors: { origins: [https://a.example], maxAge: 90s }'
const DPOP = 'dpop: { baseUrls: [https://api.example.com] }'

describe('a route', () => {
  test('without rules anywhere has none', () => {
    expect(rulesOf('access: required')).toBeUndefined()
  })

  test('has those of the file', () => {
    expect(rulesOf('access: required', FILE)).toEqual({
      origins: ['https://a.example'],
      headers: ['authorization', 'content-type'],
      exposeHeaders: [],
      credentials: false,
      maxAgeSeconds: 90,
      enforceOrigin: false,
    })
  })

  test('replaces them as a whole by its own', () => {
    expect(rulesOf('cors: { origins: [https://b.example] }', FILE)).toMatchObject({
      origins: ['https://b.example'],
      maxAgeSeconds: 600,
    })
  })

  test('can be without those of the file', () => {
    expect(rulesOf('cors: off', FILE)).toBeUndefined()
  })
})

describe('the headers that a page may send', () => {
  const headers = (rest: string, ...sections: readonly string[]) => rulesOf(rest, FILE, ...sections)?.headers

  test('are with those that bring the token', () => {
    expect(headers('credentials: [authorization, { header: X-Token }, { query: t }]')).toEqual([
      'authorization',
      'content-type',
      'x-token',
    ])
  })

  test('are with the proof where it is judged, and can come', () => {
    expect(headers('access: required', DPOP)).toEqual(['authorization', 'content-type', 'dpop'])
    expect(headers('credentials: [{ header: X-Token }]', DPOP)).toEqual(['authorization', 'content-type', 'x-token'])
  })

  test('are with those of MCP where that is spoken, and its session can be read', () => {
    expect(headers('mcp: {}')).toEqual([
      ...['authorization', 'content-type', 'mcp-protocol-version', 'mcp-session-id', 'mcp-method', 'mcp-name'],
      'last-event-id',
    ])
    expect(rulesOf('mcp: {}', FILE)?.exposeHeaders).toEqual(['Mcp-Session-Id'])
  })

  test('are those that are written, in lower case, and no others', () => {
    expect(rulesOf('mcp: {}', DPOP, 'cors: { origins: [https://a.example], headers: [X-A] }')?.headers).toEqual(['x-a'])
    expect(rulesOf('mcp: {}', 'cors: { origins: [https://a.example], headers: [] }')?.headers).toEqual([])
  })
})
