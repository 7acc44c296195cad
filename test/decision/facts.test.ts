/** Tests where the facts of a question come from: one place each, whatever a client forges. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { askedFacts } from '../../src/decision/asked-facts.ts'
import { bearer } from '../support/gateway/gateway.ts'
import { type AskedStack, CALLERS, codeOf, head, type Original, question, startAskedStack } from './support.ts'

/** Each says that something public is asked for, or something else, under a name that this caller does not use. */
const FORGED: readonly string[] = [
  'X-Original-URL: /public/a',
  'X-Rewrite-URL: /public/a',
  'X_Original_URI: /public/a',
  'X.Original.URI: /public/a',
  'X-Original-Host: evil.example',
  'X_Forwarded_Uri: /public/a',
  'X_Forwarded_Method: DELETE',
  'X_Original_Method: DELETE',
  'X-Forwarded-Prefix: /public',
  'X-HTTP-Method-Override: DELETE',
  'Forwarded: for=6.6.6.6;host=evil.example;proto=https',
  'X-Real-IP: 6.6.6.6',
]

const ONLY_OTHERS: Readonly<Record<string, readonly string[]>> = {
  nginx: ['X-Forwarded-Uri: /public/a', 'X-Forwarded-Method: DELETE'],
  caddy: ['X-Original-URI: /public/a', 'X-Original-Method: DELETE'],
  traefik: ['X-Original-URI: /public/a', 'X-Original-Method: DELETE'],
  envoy: [
    'X-Original-URI: /public/a',
    'X-Original-Method: DELETE',
    'X-Forwarded-Uri: /public/a',
    'X-Forwarded-Method: DELETE',
    'X-Forwarded-Host: evil.example',
  ],
}

describe.each(CALLERS)('%s', caller => {
  let stack: AskedStack
  beforeAll(async () => {
    stack = await startAskedStack(caller)
  })
  afterAll(() => stack.close())

  test('says target, method and host in its own way', async () => {
    const token = await stack.issuer.mint({ scope: 'orders:read orders:write' })
    const lines = [`Authorization: ${bearer(token).authorization}`, 'X-Request-Id: facts-1']
    const reply = await stack.ask({ method: 'PUT', target: '/orders/7?a=b', host: 'orders.example:8443', lines })
    expect(reply.status).toBe(200)
    expect(await stack.logged({ request_id: 'facts-1' })).toMatchObject({
      method: 'PUT',
      path: '/orders/7',
      host: 'orders.example:8443',
      route: 'orders-write',
      code: 'ok',
    })
  })

  test.each([...FORGED, ...(ONLY_OTHERS[caller] ?? [])])('is believed beside a forged %s', async line => {
    const forged = { target: '/private/a', lines: [line] }
    const reply = await stack.ask(forged)
    expect([reply.status, codeOf(reply)]).toEqual([401, 'token_missing'])
    // The same in front of what the proxy says, since nobody promises an order.
    const [first = '', second = '', ...more] = question(caller, { target: '/private/a' }).split('\r\n')
    expect((await stack.send([first, second, line, ...more].join('\r\n'))).status).toBe(401)
  })

  test('names the client by the last element of X-Forwarded-For alone', async () => {
    const lines = ['X-Forwarded-For: 6.6.6.6, 203.0.113.9', 'X-Real-IP: 6.6.6.6', 'X-Request-Id: client-1']
    await stack.ask({ lines })
    expect((await stack.logged({ request_id: 'client-1' })).client).toBe('203.0.113.9')
    const several = ['X-Forwarded-For: 6.6.6.6', 'X-Forwarded-For: ::ffff:198.51.100.7', 'X-Request-Id: client-2']
    await stack.ask({ lines: several })
    expect((await stack.logged({ request_id: 'client-2' })).client).toBe('198.51.100.7')
  })

  test.each([
    ['nobody', []],
    ['no address', ['X-Forwarded-For: 203.0.113.9, "]}evil']],
    ['a blank', ['X-Forwarded-For: 203.0.113.9,']],
  ])('names an unknown client where %s is said', async (_, said) => {
    const id = `unknown-${_.replaceAll(' ', '-')}`
    await stack.ask({ lines: [...said, `X-Request-Id: ${id}`] })
    expect((await stack.logged({ request_id: id })).client).toBe('unknown')
  })

  test.each(['GET / HTTP/1.1', 'GET /healthz HTTP/1.1', 'GET /DECIDE HTTP/1.1', 'POST //decide HTTP/1.1'])(
    'is asked at /decide, and not by %s',
    async line => {
      const [, ...lines] = question(caller, {}).split('\r\n')
      const reply = await stack.send([line, ...lines].join('\r\n'))
      expect([reply.status, codeOf(reply)]).toEqual([caller === 'nginx' ? 403 : 404, 'route_unknown'])
    },
  )
})

describe.each(CALLERS.filter(caller => caller !== 'envoy'))('%s, whose facts come in headers', caller => {
  let stack: AskedStack
  beforeAll(async () => {
    stack = await startAskedStack(caller)
  })
  afterAll(() => stack.close())
  const facts = question(caller, {}).trimEnd().split('\r\n').slice(2)

  test.each(facts)('a question without its %s is malformed, and logged', async fact => {
    const lines = ['Host: sallyport', ...facts.filter(each => each !== fact)]
    const reply = await stack.send(head('GET /decide HTTP/1.1', [...lines, 'X-Request-Id: missing']))
    expect([reply.status, codeOf(reply)]).toEqual([caller === 'nginx' ? 403 : 400, 'request_malformed'])
    const [name = ''] = fact.toLowerCase().split(':')
    expect(stack.logs).toContainEqual(
      expect.objectContaining({ code: 'request_malformed', evidence: { what: name, problem: 'is missing' } }),
    )
  })

  test.each(facts)('a question with %s twice is malformed, even where both agree', async fact => {
    const reply = await stack.send(head('GET /decide HTTP/1.1', ['Host: sallyport', ...facts, fact.toUpperCase()]))
    expect([reply.status, codeOf(reply)]).toEqual([caller === 'nginx' ? 403 : 400, 'request_malformed'])
  })

  test.each(facts)('a question with an empty %s is malformed', async fact => {
    const [name] = fact.split(':')
    const lines = ['Host: sallyport', ...facts.filter(each => each !== fact), `${name}:`]
    expect(codeOf(await stack.send(head('GET /decide HTTP/1.1', lines)))).toBe('request_malformed')
  })

  test.each(['get', 'GE T', 'FETCH', 'GET, PUT', 'GET"}'])('a method of %s is malformed', async method => {
    expect(codeOf(await stack.ask({ method }))).toBe('request_malformed')
  })

  test.each(['a, b', 'a/b', '', 'user@a', 'a b', '[::g]'])('a host of %j is refused', async host => {
    expect(codeOf(await stack.ask({ host }))).toBe(host === '' ? 'request_malformed' : 'host_invalid')
  })

  test.each(['/public/a b', '/public/a\t', '/private/a HTTP/1.1'])('no request line can hold %j', async target => {
    const reply = await stack.ask({ target: `${target}x` })
    expect(codeOf(reply)).toBe('path_invalid')
  })

  test('the host of the connection, and a query behind /decide, count for nothing', async () => {
    const lines = ['Host: a', 'Host: b', ...facts]
    expect((await stack.send(head('PROPFIND /decide?x=/private HTTP/1.1', lines))).status).toBe(200)
  })
})

describe('envoy, whose question is the request itself', () => {
  let stack: AskedStack
  beforeAll(async () => {
    stack = await startAskedStack('envoy')
  })
  afterAll(() => stack.close())

  test.each<readonly [string, Original, string]>([
    ['nothing behind the prefix', { target: '' }, 'request_malformed'],
    ['a query alone', { target: '?a' }, 'path_invalid'],
    ['a longer word', { target: 'd' }, 'path_invalid'],
    ['an asterisk', { method: 'OPTIONS', target: '*' }, 'path_invalid'],
    ['two hosts', { lines: ['Host: b'] }, 'host_invalid'],
    ['the prefix again', { target: '/decide/public/a' }, 'route_unknown'],
  ])('%s gets nowhere', async (_, original, code) => {
    expect(codeOf(await stack.ask(original))).toBe(code)
  })
})

describe('who may ask', () => {
  test('a peer that is not listed is refused with a code of its own, and told what to do in the log', async () => {
    const stack = await startAskedStack('nginx', {}, { trustedProxies: ['192.0.2.0/24', '::1'] })
    try {
      const token = await stack.issuer.mint()
      const lines = ['X-Forwarded-For: 192.0.2.7', `Authorization: Bearer ${token}`, 'X-Request-Id: stranger']
      const reply = await stack.ask({ target: '/private/a', lines })
      expect([reply.status, codeOf(reply), reply.headers.get('connection')]).toEqual([403, 'caller_untrusted', 'close'])
      expect(reply.head).not.toMatch(/alice|x-auth/i)
      expect(await stack.logged({ request_id: 'stranger' })).toMatchObject({
        code: 'caller_untrusted',
        client: '127.0.0.1',
        path: '/decide',
        evidence: { peer: '127.0.0.1' },
      })
    } finally {
      await stack.close()
    }
  })

  const asked = askedFacts('nginx', address => address === undefined)

  test('a peer on a Unix socket has no address', () => {
    const peer = { address: undefined, protocol: 'http' } as const
    const facts = { method: 'GET', target: '/decide', httpVersion: '1.1', hasBody: undefined, headBytes: 0 } as const
    const rawHeaders = ['X-Original-URI', '/', 'X-Original-Method', 'GET', 'X-Forwarded-Host', 'a']
    expect(asked({ ...facts, rawHeaders, peer }).refusal).toBeUndefined()
    const stranger = { ...peer, address: '127.0.0.1' }
    expect(asked({ ...facts, rawHeaders, peer: stranger }).refusal?.code).toBe('caller_untrusted')
  })
})
