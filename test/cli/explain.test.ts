/** Tests `sallyport explain` as a user calls it. */
import { generateKeyPairSync } from 'node:crypto'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, test } from 'vitest'
import { explainCommand } from '../../src/cli/explain.ts'
import type { Explanation } from '../../src/tools/explain/explanation.ts'
import { runCommand } from '../support/gateway/command.ts'
import { startTestStack } from '../support/gateway/gateway.ts'
import { AUDIENCE, startTestIssuer } from '../support/services/issuer.ts'
import { folder, textOf } from '../tools/support.ts'

const files = folder()
const config = files.write(
  'sallyport.yaml',
  textOf(
    '{ id: health, path: /healthz, access: public }',
    '{ id: list, path: /orders/**, methods: [GET], require: { scopes: [orders:read] } }',
    '{ id: one, path: "/orders/:id", methods: [PUT], require: { scopes: [orders:write], anyRole: [editor], claims: { tenant: [acme, globex], tags: { all: [a, b] }, vip: { exists: true } } } }',
    '{ id: narrow, path: /narrow, audiences: [urn:other], access: required }',
    '{ id: trial, path: /trial, mode: report, require: { scopes: [trial] } }',
    '{ id: maybe, path: /maybe, access: optional }',
  ),
)

async function explain(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(explainCommand, [...args, '-c', config])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout
}

async function explained(...args: readonly string[]): Promise<Explanation> {
  return JSON.parse(await explain(...args, '--json')) as Explanation
}

describe('the route', () => {
  test('is named with what else could have matched, and why it did not', async () => {
    const { route, others, params } = await explained('PUT', '/orders/a%20b?x=1')
    expect(route).toEqual({ id: 'one', path: '/orders/:id', methods: ['PUT'], access: 'required', mode: 'enforce' })
    expect(others).toEqual([{ id: 'list', path: '/orders/**', methods: ['GET'], why: 'does not take PUT' }])
    expect(params).toEqual({ id: 'a b' })
  })

  test('none is taken when no route lists the method, and the candidates say so', async () => {
    const { decision, route, others, response } = await explained('DELETE', '/orders/1')
    expect(decision).toBe('route_unknown')
    expect(route).toBeUndefined()
    expect(others.map(({ id, why }) => [id, why])).toEqual([
      ['one', 'does not take DELETE'],
      ['list', 'does not take DELETE'],
    ])
    expect(response).toMatchObject({ status: 404 })
  })

  test.each([
    ['/orders/%2e%2e/admin', 'dot_segment'],
    ['/orders//1', 'emptySegment'],
    ['/ORDERS/..', 'dot_segment'],
    ['/Ω', 'forbidden_character'],
    ['/HEALTHZ/x', 'route_unknown'],
  ])('%s is refused with the reason', async (path, reason) => {
    const { checks } = await explained('GET', path)
    expect(checks).toHaveLength(1)
    expect(checks[0]?.saw).toContain(reason)
  })
})

describe('a route that fits the path without an oddity', () => {
  const odd = files.write(
    'odd.yaml',
    textOf(
      '{ id: rest, path: /**, methods: [PUT] }',
      '{ id: one, path: /a/b }',
      '{ id: write, path: /a/c, methods: [PUT] }',
      '{ id: lax, path: /lax/a, pathAllow: [semicolon] }',
      '{ id: tilde, path: /~t }',
      '{ id: any, path: "/v/:x" }',
    ),
  )
  const others = async (path: string, method = 'GET') => {
    const { stdout } = await runCommand(explainCommand, [method, path, '-c', odd, '--json'])
    return (JSON.parse(stdout) as Explanation).others.map(({ id, why }) => `${id} ${why}`)
  }
  const lacks = (id: string, what: string) => `${id} does not allow ${what} in its paths (pathAllow)`

  test.each([
    ['/a/b;v=1', [lacks('one', 'semicolon')]],
    ['/a//b', [lacks('one', 'emptySegment')]],
    ['/a//b;v=1', [lacks('one', 'semicolon, emptySegment')]],
    ['/lax//a;v=1', [lacks('lax', 'emptySegment')]],
    ['/a/c;v=1', ['write does not take GET']],
    ['/%7Et', [lacks('tilde', 'encodedUnreserved')]],
    ['/v/a%2Fb', [lacks('any', 'encodedSlash')]],
  ])('is listed with what it does not allow: %s', async (path, expected) => {
    expect((await others(path)).filter(each => !each.startsWith('rest '))).toEqual(expected)
  })

  test('is listed below one that fits as it is, which does not allow the oddity either', async () => {
    expect(await others('/a/b;v=1', 'PUT')).toEqual([lacks('rest', 'semicolon'), lacks('one', 'semicolon')])
  })

  test.each(['/a/%2e%2e/b', '//a/b', '/a/b%'])('is not listed where no route can allow the path: %s', async path => {
    expect((await others(path, 'PUT')).filter(each => each.includes('pathAllow'))).toEqual([])
  })

  test('is not listed when it is the one that takes the request', async () => {
    expect((await others('/lax/a;v=1')).filter(each => !each.startsWith('rest '))).toEqual([])
  })
})

describe('checks', () => {
  test('each is shown with what it wanted and saw, also behind the first that fails', async () => {
    const claims = '{ sub: alice, scope: "orders:read x", roles: [viewer], tenant: initech, tags: [a], vip: false }'
    const { decision, checks } = await explained('PUT', '/orders/1', '--claims', claims)
    expect(decision).toBe('scope_missing')
    expect(checks.map(({ check, result, wanted, saw }) => [check, result, wanted, saw])).toEqual([
      ['request', 'ok', 'an unambiguous request that a route takes', '/orders/1'],
      ['token', 'ok', 'a valid token of main', 'valid, of main'],
      ['scopes', 'fails', 'orders:write', 'orders:read x'],
      ['anyRole', 'fails', 'editor', 'viewer'],
      ['claims.tenant', 'fails', '"acme" or "globex"', '"initech"'],
      ['claims.tags', 'fails', '"a" and "b"', '["a"]'],
      ['claims.vip', 'ok', 'any value', 'false'],
    ])
  })

  test('without a token the requirements have nobody to be asked of', async () => {
    const { decision, checks, response } = await explained('PUT', '/orders/1')
    expect(decision).toBe('token_missing')
    expect(checks.slice(2).map(({ result }) => result)).toEqual(Array(5).fill('skipped'))
    expect(response?.headers).toContainEqual({
      name: 'www-authenticate',
      value: 'Bearer realm="sallyport", scope="orders:write"',
    })
  })

  test.each([
    ['{ exp: 1 }', 'token_expired'],
    ['{ sub: 7 }', 'claim_invalid (claim: sub'],
    ['{ iss: "https://elsewhere" }', 'issuer_unknown'],
    ['{ aud: elsewhere }', 'audience_mismatch'],
    ['{ nbf: 253402300799, exp: 253402300799 }', 'token_not_yet_valid'],
  ])('claims pass the same checks as those of a real token: %s', async (claims, refusal) => {
    const { checks } = await explained('GET', '/orders', '--claims', claims)
    expect(checks[1]).toMatchObject({ check: 'token', result: 'fails' })
    expect(checks[1]?.saw).toContain(refusal)
  })

  test('what claims leave out and a token needs is filled in, and said', async () => {
    const { decision, filledIn } = await explained('GET', '/narrow', '--claims', '{ iat: 5, exp: 4102444800 }')
    expect(filledIn).toEqual({ iss: 'https://auth.example.com/', aud: ['https://api.example.com', 'urn:other'] })
    expect(decision).toBe('allow')
  })

  test('a report-only route passes and says what it would refuse', async () => {
    const { decision, reported, headers } = await explained('GET', '/trial', '--claims', '{ sub: alice }')
    expect([decision, reported]).toEqual(['allow', 'scope_missing'])
    expect(headers?.added).toContainEqual({ name: 'X-Auth-Subject', value: 'alice' })
  })

  test('a caller that no header can name is shown where it fails', async () => {
    const { decision, checks } = await explained(
      'GET',
      '/maybe',
      '--claims',
      `{ sub: ${'a'.repeat(7000)}, azp: ${'b'.repeat(3500)} }`,
    )
    expect(decision).toBe('token_too_large')
    const large = await explained('GET', '/maybe', '--claims', `{ sub: "${'ä'.repeat(2800)}" }`)
    expect(large.decision).toBe('identity_too_large')
    expect(large.checks.at(-1)).toMatchObject({ check: 'identity', result: 'fails' })
    expect(checks.at(-1)).toMatchObject({ check: 'token', result: 'fails' })
  })
})

describe('headers', () => {
  test('forged ones are removed, identity is added, the credential is neither passed on nor shown', async () => {
    const { headers } = await explained(
      ...['GET', '/orders', '--claims', '{ sub: alice, scope: orders:read }'],
      ...['-H', 'x_auth.subject: root', '-H', 'X-Forwarded-For: 10.0.0.1', '-H', 'Accept: */*'],
    )
    expect(headers?.removed).toEqual([
      { name: 'x_auth.subject', value: 'root' },
      { name: 'X-Forwarded-For', value: '10.0.0.1' },
      { name: 'Authorization', value: 'Bearer (left out)' },
    ])
    expect(headers?.added).toContainEqual({ name: 'X-Auth-Subject', value: 'alice' })
    expect(headers?.added).toContainEqual({ name: 'X-Forwarded-For', value: '192.0.2.1' })
  })
})

describe('a real token', () => {
  test('is verified with its provider’s keys, and the explanation is what the gateway does', async () => {
    const stack = await startTestStack()
    const file = files.write('real.yaml', JSON.stringify(configOfStack(stack.issuer, stack.upstream.url)))
    for (const scope of ['orders:read', 'orders:write']) {
      const token = await stack.issuer.mint({ scope })
      const { stdout } = await runCommand(explainCommand, ['GET', '/orders/1', '--token', token, '-c', file, '--json'])
      const { decision, response } = JSON.parse(stdout) as Explanation
      const reply = await stack.request('/orders/1', { headers: { authorization: `Bearer ${token}` } })
      expect(response?.status ?? 200).toBe(reply.status)
      if (reply.status === 200) continue
      expect(decision).toBe(reply.json().code)
      const sent = Object.keys(reply.headers).filter(name => !['date', 'connection', 'keep-alive'].includes(name))
      expect(response?.headers.map(({ name }) => name).toSorted()).toEqual(sent.toSorted())
      expect(response?.headers).toContainEqual({ name: 'www-authenticate', value: reply.headers['www-authenticate'] })
    }
    await stack.close()
  })

  test('keys out of reach are our outage and are explained as such', async () => {
    const file = files.write(
      'down.yaml',
      textOf('{ id: a, path: /** }').replace('https://auth.example.com/', 'http://127.0.0.1:1'),
    )
    const issuer = await startTestIssuer()
    const token = await issuer.mint({ iss: 'http://127.0.0.1:1' })
    await issuer.close()
    const { stdout } = await runCommand(explainCommand, ['GET', '/', '--token', token, '-c', file, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ decision: 'keys_unavailable', response: { status: 503 } })
  })

  test('its signature is never printed, wherever it stands', async () => {
    const issuer = await startTestIssuer()
    const token = await issuer.mint()
    await issuer.close()
    const signature = token.split('.')[2] ?? ''
    const file = files.write('token.txt', token)
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    files.write('keys.json', JSON.stringify({ keys: [publicKey.export({ format: 'jwk' })] }))
    const local = files.write(
      'local.yaml',
      textOf('{ id: a, path: /healthz, access: public }', '{ id: b, path: /orders/** }').replace(
        'audiences',
        'keys: { jwksFile: keys.json }, audiences',
      ),
    )
    const ways = [
      ['--token', token],
      ['--token', `Bearer ${token}`],
      ['--token', `@${file}`],
      ['-H', `Authorization: Bearer ${token}`],
      ['-H', `Authorization: ${token}`],
      ['-H', `X-Copy: ${token}`],
      ['-H', `X-Auth-Copy: a ${token}.${token}`],
      ['--claims', JSON.stringify({ sub: token })],
    ]
    for (const way of ways)
      for (const path of ['/healthz', '/orders', `/orders/${token}`, `/nowhere?t=${token}`])
        for (const json of [[], ['--json']]) {
          const { stdout } = await runCommand(explainCommand, ['GET', path, ...way, ...json, '-c', local])
          expect(stdout).not.toBe('')
          expect(stdout).not.toContain(signature)
        }
  }, 60_000)
})

test('control characters of claims cannot reach the terminal', async () => {
  const claims = '{ "sub": "a\\u001b[31m\\u009b31m", "scope": "x\\u001b[31m" }'
  for (const json of [[], ['--json']])
    expect(await explain('GET', '/orders', '--claims', claims, ...json)).not.toMatch(/(?!\n)\p{Cc}|\\u00[189]/u)
})

test.each([
  [[], 'takes a method and a path'],
  [['get', '/x'], '"get" is no HTTP method; write GET'],
  [['GET', '/a b'], 'must not be empty or hold blanks'],
  [['GET', '/x', '-H', 'nothing'], "write 'Name: value'"],
  [['GET', '/x', '-H', 'a b: c'], '"a b" is no header name'],
  [['GET', '/x', '-H', 'a: b\r\nc: d'], 'holds control characters'],
  [['GET', '/x', '--token', 'a', '--claims', '{}'], 'not both'],
  [['GET', '/x', '--claims', 'absent.json'], 'absent.json cannot be read: there is no such file or folder (ENOENT)'],
  [['GET', '/x', '--claims', '{ a: 1'], 'the claims cannot be read'],
  [['GET', '/x', '--claims', '{}', '--provider', 'other'], 'there is no provider "other"; there is main'],
])('wrong usage %j is told with its remedy', async (args, message) => {
  const { code, stderr } = await runCommand(explainCommand, [...args, '-c', config])
  expect(code).toBe(2)
  expect(stderr).toContain(message)
})

test('a text for people says it all in order', async () => {
  const text = await explain(
    'GET',
    '/orders',
    '--claims',
    '{ sub: alice, iat: 4, exp: 4102444800, scope: orders:read }',
  )
  expect(stripVTControlCharacters(text)).toMatchInlineSnapshot(`
    "GET /orders: allow, forwarded to app (http://127.0.0.1:3000)

    Route
      list  GET  /orders/**  required

    Filled in, because the claims left it out
      iss  "https://auth.example.com/"
      aud  "https://api.example.com"

    Checks
      ok       request  wants an unambiguous request that a route takes  saw /orders
      ok       token    wants a valid token of main                      saw valid, of main
      ok       scopes   wants orders:read                                saw orders:read

    Removed from the request
      Authorization: Bearer (left out)

    Added to the request
      X-Forwarded-Proto: http
      X-Forwarded-Host: localhost
      Forwarded: for=192.0.2.1;host=localhost;proto=http
      X-Forwarded-For: 192.0.2.1
      X-Real-IP: 192.0.2.1
      X-Request-Id: (made for each request)
      X-Auth-Issuer: https://auth.example.com/
      X-Auth-Subject: alice
      X-Auth-Scope: orders:read
    "
  `)
})

function configOfStack({ issuer, jwksUri }: { issuer: string; jwksUri: string }, upstream: string) {
  return {
    listen: '127.0.0.1:0',
    providers: { main: { type: 'jwt', issuer, audiences: [AUDIENCE], keys: { jwksUri } } },
    upstreams: { app: upstream },
    routes: [{ id: 'orders-read', path: '/orders/**', methods: ['GET'], require: { scopes: ['orders:read'] } }],
  }
}

test('with traces, the trace of a request is that of the gateway, unless the parent that it continues is not recorded', async () => {
  const withTraces = files.write(
    'traces.yaml',
    `traces: { sample: 100%, trustParent: always }\n${textOf('{ id: a, path: /a, access: public }')}`,
  )
  const traced = async (flags: string, file: string) => {
    const traceparent = `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-${flags}`
    const args = ['GET', '/a', '-H', `traceparent: ${traceparent}`, '--json', '-c', file]
    const { stdout } = await runCommand(explainCommand, args)
    const { headers } = JSON.parse(stdout) as Explanation
    const lines = [...(headers?.removed ?? []), ...(headers?.added ?? [])]
    return lines.filter(({ name }) => name === 'traceparent').map(({ value }) => value === traceparent || value)
  }
  expect(await traced('01', withTraces)).toEqual([true, '(made for each request)'])
  expect(await traced('00', withTraces)).toEqual([])
  expect(await traced('01', files.write('plain.yaml', textOf('{ id: a, path: /a, access: public }')))).toEqual([])
})

describe('other places of a token', () => {
  const places = files.write(
    'places.yaml',
    `credentials: [authorization, { query: token }]\n${textOf(
      '{ id: usual, path: /usual }',
      '{ id: header, path: /header, credentials: [{ header: X-Token }] }',
      '{ id: socket, path: /socket, credentials: [{ websocketProtocol: bearer }] }',
      '{ id: query, path: /query, credentials: [{ query: token, only: [eventStream] }] }',
    )}`,
  )

  test.for(['/usual', '/header', '/socket', '/query'])('a caller of %s brings its claims there', async path => {
    const { stdout } = await runCommand(explainCommand, ['GET', path, '--claims', '{ sub: a }', '--json', '-c', places])
    const { decision, checks, request } = JSON.parse(stdout) as Explanation
    expect([decision, request.target]).toEqual(['allow', path])
    expect(checks.find(({ check }) => check === 'token')?.wanted).toContain(', in ')
    expect(stdout).not.toContain('eyJ')
  })

  test('what was sent there is not shown', async () => {
    const sent = [
      'GET',
      '/header?a=1&token=opaque1',
      '-H',
      'X-Token: opaque2',
      '-H',
      'Sec-WebSocket-Protocol: bearer, opaque3',
    ]
    const { stdout } = await runCommand(explainCommand, [...sent, '--json', '-c', places])
    expect(stdout).not.toMatch(/opaque/)
  })
})
