/** Tests how `sallyport explain` shows what becomes of a browser's session, as a user calls it. */
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import type { Explanation } from '../../src/tools/explain/explanation.ts'
import { runCommand } from '../support/gateway/command.ts'
import { sessionText } from '../tools/session-support.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()
const config = files.write('sallyport.yaml', sessionText())
const ofIdTokens = files.write('id-tokens.yaml', sessionText({ browser: ['principal: idToken'] }))
const withoutSessions = files.write('tokens.yaml', textOf('{ id: orders, path: /orders }'))
/** After the session has begun, however long that takes. */
const SOON = new Date(Date.now() + 60_000).toISOString()
const ALICE = '{ sub: alice, scope: "orders:read" }'

async function printed(args: readonly string[], file = config): Promise<string> {
  const { code, stdout, stderr } = await runCommand(explainCommand, [...args, '-c', file, '--no-files'])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout
}

async function explained(args: readonly string[], file = config): Promise<Explanation> {
  return JSON.parse(await printed([...args, '--json'], file)) as Explanation
}

function resultsOf({ checks }: Explanation): readonly string[] {
  return checks.map(({ check, result, saw }) => `${result} ${check}: ${saw}`)
}

function headerOf(response: Explanation['response'], name: string): string | undefined {
  return response?.headers.find(line => line.name === name)?.value
}

describe('a session', () => {
  test('gets in with the claims of its access token, and the service hears who it is and sees no cookie', async () => {
    const found = await explained(['GET', '/api/orders', '--session', ALICE, '-H', 'Cookie: theme=dark'])
    expect(found.decision).toBe('allow')
    expect(resultsOf(found)).toEqual([
      'ok request: /api/orders',
      'ok origin: Sec-Fetch-Site: same-origin, Sec-Fetch-Mode: cors',
      'ok session: one that lives',
      'ok token: valid, of main',
      'ok revocation: no entry that revokes it',
      'ok scopes: orders:read',
    ])
    expect(found.filledIn).toMatchObject({ iss: 'https://auth.example.com/', aud: 'https://api.example.com' })
    expect(found.headers?.added).toContainEqual({ name: 'X-Auth-Subject', value: 'alice' })
    expect(found.headers?.removed).toEqual([{ name: 'Cookie', value: '__Host-sallyport=(left out)' }])
  })

  test('is asked for what the route requires, like any token', async () => {
    const found = await explained(['GET', '/api/orders', '--session', '{ sub: alice, scope: other }'])
    expect(found.decision).toBe('scope_missing')
    expect(resultsOf(found)).toContain('fails scopes: other')
  })

  test('is judged by its ID token where the provider says so', async () => {
    const found = await explained(['GET', '/strict', '--session', '{ sub: alice, acr: gold }'], ofIdTokens)
    expect(found.decision).toBe('allow')
    expect(found.checks.find(({ check }) => check === 'token')).toMatchObject({
      wanted: 'the ID token of the session',
      saw: 'valid, of browser',
    })
    expect(found.filledIn).toMatchObject({ iss: 'https://login.example.com/', aud: 'shop' })
    expect((await explained(['GET', '/strict', '--session', '{ sub: alice }'], ofIdTokens)).decision).toBe(
      'step_up_required',
    )
  })

  test('whose access token has expired is refused for that', async () => {
    const found = await explained(['GET', '/', '--session', '{ sub: alice, exp: 1000 }'])
    expect(found.decision).toBe('token_expired')
    expect(resultsOf(found)).toContain('ok session: one that lives')
  })

  test('that is revoked is over', async () => {
    const revoked = files.write(
      'revoked.yaml',
      `- { issuer: https://login.example.com/, sub: alice, before: "${SOON}" }\n`,
    )
    const found = await explained(['GET', '/', '--session', ALICE, '--revoked', revoked])
    expect(found.decision).toBe('session_expired')
    expect(resultsOf(found)).toContain('fails session: session_expired (reason: revoked)')
    expect(resultsOf(found)).toContain('skipped token: not looked at')
  })

  test('that is over makes its browser nobody where nobody has to log in', async () => {
    const optional = files.write(
      'optional.yaml',
      sessionText({ routes: ['{ id: maybe, path: /maybe, providers: [browser], access: optional }'] }),
    )
    const revoked = files.write(
      'over.yaml',
      `- { issuer: https://login.example.com/, sub: alice, before: "${SOON}" }\n`,
    )
    const found = await explained(['GET', '/maybe', '--session', ALICE, '--revoked', revoked], optional)
    expect(found.decision).toBe('allow')
    expect(resultsOf(found)).toContain('fails session: one that is over')
    expect(resultsOf(found)).toContain('ok token: none')
    expect((await explained(['GET', '/maybe', '--session', ALICE], optional)).headers?.added).toContainEqual({
      name: 'X-Auth-Subject',
      value: 'alice',
    })
  })

  test('shows no value of its cookie anywhere', async () => {
    for (const format of [[], ['--json']])
      expect(await printed(['GET', '/', '--session', ALICE, ...format])).not.toMatch(
        /__Host-sallyport=(?!\(left out\))/,
      )
  })
})

describe('the page that sends the request', () => {
  test.each([
    [['--fetch-site', 'cross-site']],
    [['--fetch-site', 'same-site']],
    [['--fetch-site', 'none']],
    [['--origin', 'https://evil.example.com']],
    [['--fetch-site', 'absent']],
    [['--fetch-site', 'absent', '--origin', 'https://evil.example.com']],
  ])('may not change anything: %j', async options => {
    const found = await explained(['POST', '/api/orders', '--session', ALICE, ...options])
    expect(found.decision).toBe('csrf_rejected')
    expect(found.response).toMatchObject({ status: 403 })
    const origin = found.checks.find(({ check }) => check === 'origin')
    expect(origin).toMatchObject({
      result: 'fails',
      wanted: 'a page of https://shop.example.com or https://app.example.com',
    })
    expect(resultsOf(found)).toContain('skipped session: not looked at')
  })

  test.each([
    [[]],
    [['--origin', 'https://shop.example.com']],
    [['--origin', 'https://app.example.com']],
    [['--fetch-site', 'absent', '--origin', 'https://shop.example.com']],
  ])('may change something: %j', async options => {
    expect((await explained(['POST', '/api/orders', '--session', ALICE, ...options])).decision).toBe('allow')
  })

  test.each([
    ['https://shop.example.com:3100', 'same-site'],
    ['http://shop.example.com', 'cross-site'],
    ['https://blog.example.com', 'cross-site'],
    ['null', 'cross-site'],
  ])('that is not listed reads as nobody: %s is %s', async (origin, site) => {
    const found = await explained(['GET', '/', '--session', ALICE, '--origin', origin])
    expect(found.decision).toBe('token_missing')
    expect(found.checks.find(({ check }) => check === 'origin')?.saw).toContain(`Sec-Fetch-Site: ${site},`)
  })

  test('of another site reads as nobody, unless a tab goes there', async () => {
    const read = await explained(['GET', '/', '--session', ALICE, '--fetch-site', 'cross-site'])
    expect(read.decision).toBe('token_missing')
    expect(resultsOf(read)).toContain(
      'fails origin: Sec-Fetch-Site: cross-site, Sec-Fetch-Mode: cors, so that the session is not looked at',
    )
    const link = await explained(['GET', '/', '--session', ALICE, '--fetch-site', 'cross-site', '--navigate'])
    expect(link.decision).toBe('allow')
  })

  test('opens no WebSocket from another site', async () => {
    const upgrade = ['-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket']
    const found = await explained(['GET', '/', '--session', ALICE, '--origin', 'https://evil.example.com', ...upgrade])
    expect(found.decision).toBe('csrf_rejected')
  })
})

describe('whoever has no session', () => {
  test('hears 401 with the way to the login, and a person is shown to be sent there', async () => {
    const found = await explained(['GET', '/orders?page=2'])
    expect(found.decision).toBe('token_missing')
    expect(found.checks).toContainEqual(expect.objectContaining({ check: 'token', wanted: 'a session of browser' }))
    expect(found.response).toMatchObject({ status: 401 })
    expect(JSON.parse(found.response?.body ?? '')).toMatchObject({ login: '/auth/login' })
    expect(found.responseToTab).toMatchObject({ status: 302, body: '' })
    expect(headerOf(found.responseToTab, 'location')).toBe('/auth/login?return=%2Forders%3Fpage%3D2')
    const text = await printed(['GET', '/orders'])
    expect(text).toContain('Response, when a browser opens the page\n  302\n')
    expect(text).toContain('  location: /auth/login?return=%2Forders\n')
  })

  test('is sent to the login as the answer when a tab is opened', async () => {
    const found = await explained(['GET', '/', '--navigate'])
    expect(found.response).toMatchObject({ status: 302 })
    expect(headerOf(found.response, 'location')).toBe('/auth/login?return=%2F')
    expect(found.responseToTab).toBeUndefined()
  })

  test.each([
    ['the route refuses people, too', ['GET', '/strict']],
    ['the request is none that opens a page', ['POST', '/']],
    ['the caller brings a token', ['GET', '/', '-H', 'Authorization: Bearer x']],
  ])('is sent nowhere when %s', async (_, args) => {
    const found = await explained(args)
    expect(found.decision).not.toBe('allow')
    expect(found.responseToTab).toBeUndefined()
  })

  test('may bring a token where the route takes both', async () => {
    const found = await explained(['GET', '/api/orders', '--claims', ALICE])
    expect(found.decision).toBe('allow')
    expect(found.checks).toContainEqual(
      expect.objectContaining({ check: 'token', wanted: 'a session of browser, or a valid token of main' }),
    )
  })
})

test.each(['login', 'callback', 'logout', 'session', 'backchannel-logout'])(
  'the endpoint %s is answered by the gateway itself',
  async name => {
    const found = await explained(['GET', `/auth/${name}`, '--session', ALICE])
    expect(found).toMatchObject({ decision: 'allow', answeredBy: { path: `/auth/${name}` } })
  },
)

test.each([
  [['/', '--session', ALICE, '--token', 'x'], 'give --session or --token, not both'],
  [['/', '--session', ALICE, '--claims', '{}'], 'give --session or --claims, not both'],
  [['/', '--session', ALICE, '--introspection', '{}'], 'give --session or --introspection, not both'],
  [['/', '--session', ALICE, '--provider', 'main'], '--provider is about a token'],
  [['/', '--session', ALICE, '--proof', 'auto'], '--proof'],
  [['/tokens', '--session', ALICE], '--session has no effect: tokens takes no sessions; these do: pages, api, strict'],
  [['/open', '--session', ALICE], '--session has no effect: open takes no sessions'],
  [
    ['/', '--session', ALICE, '--fetch-site', 'other'],
    '--fetch-site takes same-origin, same-site, cross-site, none or',
  ],
  [['/', '--fetch-site', 'none'], '--fetch-site decides about sessions alone: give --session, too'],
])('%j is a usage error', async (args, message) => {
  const { code, stderr } = await runCommand(explainCommand, ['GET', ...args, '-c', config, '--no-files'])
  expect(stderr).toContain(message)
  expect(code).toBe(2)
})

test('a file without sessions says so', async () => {
  const args = ['GET', '/orders', '--session', ALICE, '-c', withoutSessions]
  const { code, stderr } = await runCommand(explainCommand, args)
  expect(stderr).toContain('--session has no effect: orders takes no sessions; no route does')
  expect(code).toBe(2)
})

test('a tab is opened by GET alone', async () => {
  const { code, stderr } = await runCommand(explainCommand, ['POST', '/', '--navigate', '-c', config, '--no-files'])
  expect(stderr).toContain('--navigate needs GET')
  expect(code).toBe(2)
})
