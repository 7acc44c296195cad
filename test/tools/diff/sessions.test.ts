/** Tests what `sallyport diff` says of logins of browsers. */
import { describe, expect, test } from 'vitest'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { sessionConfigs, sessionText } from '../session-support.ts'
import { textOf } from '../support.ts'
import { changes, compared } from './support.ts'

const configOf = sessionConfigs()

function told(old: string, next: string): readonly string[] {
  return changes(configOf(old), configOf(next))
}

function witnesses(old: string, next: string) {
  return policyDiff(compared(configOf(old)), compared(configOf(next))).map(({ kind, witness }) => ({ kind, witness }))
}

function browser(...lines: readonly string[]): string {
  return sessionText({ browser: lines })
}

function route(text: string, ...more: readonly string[]): string {
  return sessionText({ routes: [text], more })
}

test('a file is no change of itself', () => {
  expect(told(sessionText(), sessionText())).toEqual([])
})

describe('of a provider of sessions', () => {
  const KEY = 'keyFiles: [/etc/session-key]'
  const LIFE = 'lifetime: { idle: 30m, absolute: 12h, grace: 30s, refreshBefore: 60s }'

  test.each([
    ['lifetime: { idle: 1h }', 'loosened provider browser: lifetime.idle: 30m → 1h'],
    ['lifetime: { absolute: 24h }', 'loosened provider browser: lifetime.absolute: 12h → 24h'],
    ['lifetime: { grace: 1m }', 'loosened provider browser: lifetime.grace: 30s → 1m'],
    ['lifetime: { idle: 5m }', 'tightened provider browser: lifetime.idle: 30m → 5m'],
    ['lifetime: { absolute: 1h }', 'tightened provider browser: lifetime.absolute: 12h → 1h'],
    ['lifetime: { grace: 5s }', 'tightened provider browser: lifetime.grace: 30s → 5s'],
    ['lifetime: { refreshBefore: 2m }', 'changed provider browser: lifetime.refreshBefore is another'],
    ['clockTolerance: 30s', 'loosened provider browser: clockTolerance: 5s → 30s'],
    ['keyFiles: [/etc/session-key, /etc/more]', 'loosened provider browser: keyFiles: or /etc/more'],
    ['scopes: [openid, orders:read]', 'loosened provider browser: scopes: or orders:read'],
  ])('%s is told', (line, change) => {
    expect(told(browser(LIFE, KEY), browser(...(line.startsWith('keyFiles') ? [] : [KEY]), line))).toEqual([change])
  })

  test.each([
    ['issuer: https://other.example.com/', 'people who log in at https://other.example.com/'],
    ['client: { id: other, auth: basic, secretFile: client-secret }', 'people who log in for the client other'],
    ['principal: idToken', 'sessions that count for their ID tokens'],
    ['publicUrl: https://www.example.com', 'pages of https://www.example.com'],
  ])('%s is a change that lets somebody in', (line, witness) => {
    expect(witnesses(browser(), browser(line))).toEqual([{ kind: 'changed', witness }])
  })

  test('another key lets whoever has it make cookies up', () => {
    expect(witnesses(browser(), browser('keyFiles: [/etc/other]'))).toEqual([
      { kind: 'changed', witness: 'cookies of whoever has /etc/other' },
    ])
  })

  test('more origins are looser, and fewer are tighter', () => {
    const cors = [
      '{ id: api, path: /api, providers: [browser], cors: { origins: [https://app.example.com, https://b.example.com], credentials: true } }',
    ]
    const one = sessionText({ routes: cors, browser: ['allowOrigins: [https://app.example.com]'] })
    const two = sessionText({
      routes: cors,
      browser: ['allowOrigins: [https://app.example.com, https://b.example.com]'],
    })
    expect(told(one, two)).toEqual(['loosened provider browser: allowOrigins: or https://b.example.com'])
    expect(told(two, one)).toEqual(['tightened provider browser: allowOrigins: not https://b.example.com any more'])
  })

  test.each(['afterLogout: /goodbye'])('%s is no change', line => {
    expect(told(browser(), browser(line))).toEqual([])
  })

  test('another client secret lets nobody in', () => {
    const found = witnesses(browser(), browser('client: { id: shop, auth: basic, secretFile: other }'))
    expect(found).toEqual([{ kind: 'changed', witness: undefined }])
  })
})

describe('a route that begins to take sessions', () => {
  const TOKENS = '{ id: api, path: /api, providers: [main] }'
  const BOTH = '{ id: api, path: /api, providers: [main, browser] }'

  test('lets browsers in that have logged in', () => {
    expect(told(route(TOKENS), route(BOTH))).toEqual(['loosened api: providers: or browser'])
    expect(witnesses(route(TOKENS), route(BOTH))).toEqual([
      { kind: 'loosened', witness: 'a browser that has logged in at https://login.example.com/' },
    ])
    expect(told(route(BOTH), route(TOKENS))).toEqual(['tightened api: providers: not browser any more'])
  })

  test('lets in those whose tokens have what the route asks for', () => {
    const asks = 'require: { scopes: [orders:read] }'
    const tokens = `{ id: api, path: /api, providers: [main], ${asks} }`
    const both = `{ id: api, path: /api, providers: [main, browser], ${asks} }`
    expect(witnesses(route(tokens), route(both))).toEqual([
      {
        kind: 'loosened',
        witness: 'a browser that has logged in at https://login.example.com/, with {"scope":"orders:read"}',
      },
    ])
  })

  test('is no route that names no providers, since those take tokens alone', () => {
    const all = '{ id: api, path: /api }'
    expect(told(route(all), route(TOKENS))).toEqual([])
    expect(told(textOf(all), route(all)).filter(each => each.includes('api:'))).toEqual([])
  })

  test('does not take the tokens of the provider that judges its sessions', () => {
    const sessions = '{ id: api, path: /api, providers: [browser] }'
    expect(witnesses(route(sessions), route(BOTH))).toEqual([
      { kind: 'loosened', witness: { provider: 'main', claims: {} } },
    ])
  })
})

test('where people are sent is a change that lets nobody in', () => {
  const refuse = '{ id: api, path: /api, providers: [browser] }'
  const login = '{ id: api, path: /api, providers: [browser], anonymous: login }'
  expect(told(route(refuse), route(login))).toEqual(['changed api: anonymous: refuse → login'])
  expect(told(route(login), route(refuse))).toEqual(['changed api: anonymous: login → refuse'])
  expect(witnesses(route(refuse), route(login))).toEqual([{ kind: 'changed', witness: undefined }])
})

describe('what sessions bring with them', () => {
  const TOKENS = '{ id: api, path: /api, providers: [main] }'

  test('is no change of the section revocation', () => {
    expect(told(textOf(TOKENS), route(TOKENS))).toEqual([])
    expect(told(route(TOKENS), textOf(TOKENS))).toEqual([])
  })

  test('is told apart from what is written there', () => {
    const bounded = (text: string) => text.replace('api.example.com] }', 'api.example.com], maxLifetime: 1h }')
    const written = (text: string, keep = '24h') =>
      bounded(text).replace('routes:', `revocation: { keep: ${keep}, file: /etc/revoked.yaml }\nroutes:`)
    expect(told(written(textOf(TOKENS)), written(route(TOKENS)))).toEqual([])
    expect(told(written(route(TOKENS)), written(textOf(TOKENS)))).toEqual([])
    expect(told(written(route(TOKENS)), written(route(TOKENS), '48h'))).toEqual([
      'tightened revocation: keep: 24h → 48h',
    ])
    expect(told(bounded(route(TOKENS)), written(route(TOKENS)))).toEqual([
      'tightened revocation: hears of revocations by: also file; keep: 12h → 24h',
    ])
    expect(told(bounded(textOf(TOKENS)), written(textOf(TOKENS)))).toEqual([
      'tightened revocation: now looks at revocations',
    ])
  })

  test('takes paths away from the routes, which is told', () => {
    const all = '{ id: all, path: /**, access: public }'
    expect(told(textOf(all), route(all))).toEqual([
      'changed all → (session): is answered by the gateway itself now',
      'changed all → (revocation): is answered by the gateway itself now',
    ])
  })
})
