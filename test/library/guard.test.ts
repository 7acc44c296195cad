/**
 * An application with the guard in front of its routes answers a refusal as a gateway with the same policy does, and
 * reads of what passes what a service behind that gateway would read.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import { exchangeOverHttp2 } from '../support/clients/http2-exchange.ts'
import { startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { exchangeOnce, type GuardedApp, showsAll, startGuardedApp } from '../support/gateway/guarded-app.ts'
import { AUDIENCE, startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import type { RawReply } from '../support/wire.ts'

let issuer: TestIssuer
let upstream: TestUpstream
let gateway: TestGateway
const tokens: Record<string, string> = {}
const authority = testAuthority()
const certificate = authority.issue('app', ['DNS:localhost', 'IP:127.0.0.1'])

const PROTOCOLS = [
  { name: 'HTTP/1.1', fastify: {} },
  { name: 'HTTP/2', fastify: { http2: true } },
  {
    name: 'HTTP/2 with TLS',
    fastify: { http2: true, https: { cert: certificate.cert + authority.cert, key: certificate.key } },
  },
]

function policy(): Record<string, unknown> {
  return {
    providers: { main: testProvider(issuer) },
    identity: { reserved: ['X-Internal-*'] },
    limits: { bodyBytes: '1KiB' },
    credentials: ['authorization', { query: 'access_token' }],
    routes: [
      { id: 'public', path: '/public/**', access: 'public' },
      { id: 'optional', path: '/optional/**', access: 'optional' },
      { id: 'orders', path: '/orders/**', methods: ['GET', 'POST'], require: { scopes: ['orders:read'] } },
      { id: 'report', path: '/report/**', mode: 'report', require: { scopes: ['nobody:has'] } },
      { id: 'pages', path: '/pages/**', cors: { origins: ['https://app.example.com'] } },
      { id: 'rpc', path: '/pkg.Service/:method', methods: ['POST'] },
    ],
  }
}

beforeAll(async () => {
  issuer = await startTestIssuer()
  upstream = await startTestUpstream()
  gateway = await startTestGateway({ ...policy(), upstreams: { app: upstream.url } })
  tokens.good = await issuer.mint({ scope: 'orders:read' })
  tokens.bare = await issuer.mint()
  tokens.expired = await issuer.mint({ exp: 1_000_000_000 })
  tokens.foreign = await issuer.mint({ aud: 'https://other.example.com' })
  tokens.other = await issuer.mint({ iss: 'https://other.example.com', aud: AUDIENCE })
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([issuer.close(), upstream.close()])
  authority.remove()
})

/** @param lines `$name` stands for a token */
function request(line: string, ...lines: readonly string[]): string {
  const body = lines.at(-1)?.startsWith('\n') === true ? (lines.at(-1) ?? '').slice(1) : ''
  const head = body === '' ? lines : [...lines.slice(0, -1), `Content-Length: ${body.length}`]
  const text = [`${line} HTTP/1.1`, 'Host: app.example', 'X-Request-Id: same-for-both', ...head].join('\r\n')
  return `${text}\r\n\r\n${body}`.replace(/\$(\w+)/g, (_, name: string) => tokens[name] ?? '')
}

const AUTH = 'Authorization: Bearer $good'

const REFUSED: ReadonlyArray<readonly [what: string, status: number, bytes: readonly [string, ...string[]]]> = [
  ['no token', 401, ['GET /orders/1']],
  ['a token without the scope', 403, ['GET /orders/1', 'Authorization: Bearer $bare']],
  ['an expired token', 401, ['GET /orders/1', 'Authorization: Bearer $expired']],
  ['a token for somebody else', 401, ['GET /orders/1', 'Authorization: Bearer $foreign']],
  ['a token of an unknown issuer', 401, ['GET /orders/1', 'Authorization: Bearer $other']],
  ['what is no token', 401, ['GET /orders/1', 'Authorization: Bearer x.y.z']],
  ['another scheme', 401, ['GET /orders/1', 'Authorization: Basic YTpi']],
  ['two tokens', 400, ['GET /orders/1', AUTH, AUTH]],
  ['a token in two places', 400, ['GET /orders/1?access_token=$good', AUTH]],
  ['HEAD without a token', 401, ['HEAD /orders/1']],
  ['a body without a token', 401, ['POST /orders/1', '\n{"a":1}']],
  ['a body that is too long', 413, ['POST /orders/1', AUTH, `\n${'x'.repeat(2000)}`]],
  ['a path without a route', 404, ['GET /nowhere', AUTH]],
  ['a method without a route', 404, ['DELETE /orders/1', AUTH]],
  ['a path that is no text', 400, ['GET /orders/%zz', AUTH]],
  ['a path that is read in two ways', 400, ['GET /public/..%2forders/1']],
  ['a method that nobody may use', 400, ['TRACE /orders/1', AUTH]],
  ['another host in the target', 400, ['GET http://evil.example/orders/1', AUTH]],
  ['two hosts', 400, ['GET /orders/1', 'Host: evil.example', AUTH]],
  ['a gRPC call without a token', 200, ['POST /pkg.Service/Get', 'Content-Type: application/grpc', '\nx']],
  ['a page of another origin', 401, ['GET /pages/1', 'Origin: https://app.example.com']],
  [
    'a preflight of a page that may ask',
    204,
    ['OPTIONS /pages/1', 'Origin: https://app.example.com', 'Access-Control-Request-Method: PUT'],
  ],
  [
    'a preflight of a page that may not',
    403,
    ['OPTIONS /pages/1', 'Origin: https://evil.example', 'Access-Control-Request-Method: PUT'],
  ],
]

describe.each(PROTOCOLS)('over $name', ({ fastify }) => {
  let guarded: GuardedApp
  let handled = 0
  beforeAll(async () => {
    guarded = await startGuardedApp({
      config: policy(),
      fastify,
      routes(app) {
        app.addHook('preParsing', async () => void handled++)
        showsAll(app)
      },
    })
  })
  afterAll(() => guarded.close())

  const isHttp2 = 'http2' in fastify
  const askGateway = (bytes: string): Promise<RawReply | undefined> => {
    const port = Number(new URL(gateway.url).port)
    return isHttp2 ? exchangeOverHttp2(undefined)(port, bytes) : exchangeOnce(port, bytes)
  }
  const told = async (...asked: readonly [string, ...string[]]) => {
    const reply = await guarded.exchange(request(...asked))
    expect([reply?.status, reply?.body]).toEqual([200, expect.stringContaining('principal')])
    return JSON.parse(reply?.body ?? '') as {
      readonly principal: Record<string, unknown> | null
      readonly headers: Record<string, string>
      readonly rawHeaders: readonly string[]
      readonly distinct?: Record<string, string[]>
      readonly query: unknown
      readonly url: string
    }
  }

  // Over HTTP/2 the client of this test has one host for each request.
  test.for(REFUSED.filter(([what]) => !isHttp2 || what !== 'two hosts'))(
    '%s is answered as a gateway answers it',
    async ([, status, asked]) => {
      const bytes = request(...asked)
      const before = handled
      const [ours, theirs] = [await guarded.exchange(bytes), await askGateway(bytes)]
      expect(ours?.status).toBe(status)
      expect(comparable(ours)).toEqual(comparable(theirs))
      expect(handled).toBe(before)
    },
  )

  test('what passes has its principal, and the identity headers of a service behind a gateway', async () => {
    const { principal, headers } = await told('GET /orders/1?a=b', AUTH)
    expect(principal).toMatchObject({
      provider: 'main',
      claims: { sub: 'alice' },
      scopes: ['orders:read'],
      roles: [],
      audiences: [AUDIENCE],
      expiresAtSeconds: expect.any(Number),
    })
    await gateway.request('/orders/1', { headers: { authorization: `Bearer ${tokens.good}` } })
    const behind = upstream.seen.at(-1)?.headers ?? {}
    const identity = Object.entries(behind).filter(([name]) => name.startsWith('x-auth-'))
    expect(identity.length).toBeGreaterThan(2)
    expect(headers).toMatchObject(Object.fromEntries(identity))
    expect(headers.authorization).toBeUndefined()
    expect(headers['x-request-id']).toBe('same-for-both')
  })

  test('nobody is the principal of a public route and of an anonymous caller', async () => {
    expect((await told('GET /public/1', AUTH)).principal).toBe(null)
    expect((await told('GET /optional/1')).principal).toBe(null)
    expect((await told('GET /optional/1', AUTH)).principal).toMatchObject({ provider: 'main' })
  })

  test.for([
    'X-Auth-Subject',
    'x-auth-subject',
    'X-AUTH-SUBJECT',
    'X_Auth_Subject',
    'x_auth_subject',
    'X-Auth_Subject',
    'X.Auth.Subject',
    'X-Auth.Subject',
    'x~auth~subject',
    'X-Auth-Roles',
    'X_Internal_Admin',
    'X-Internal-Admin',
    'X-Forwarded-User',
    'X-Original-URL',
    'Client-Cert',
    'DPoP',
  ])('a forged %s is nowhere to be read', async name => {
    for (const asked of ['GET /public/1', 'GET /orders/1']) {
      const shown = await told(asked as string, AUTH, `${name}: forged`, `Accept: text/plain`)
      expect(JSON.stringify(shown)).not.toContain('forged')
      expect(shown.headers.accept).toBe('text/plain')
      expect(shown.rawHeaders.filter((each, i) => i % 2 === 0 && each.toLowerCase() === 'accept')).toHaveLength(1)
    }
  })

  test('all places where headers are read say the same', async () => {
    const { headers, rawHeaders, distinct } = await told(
      'GET /orders/1',
      AUTH,
      'X-Auth-Subject: forged',
      'A: 1',
      'A: 2',
    )
    const own = (name: string) => !name.startsWith(':')
    const flat = new Map<string, string>()
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] ?? '').toLowerCase()
      flat.set(name, [flat.get(name) ?? [], rawHeaders[i + 1] ?? ''].flat().join(', '))
    }
    const names = [...flat.keys()].filter(own)
    expect(Object.keys(headers).filter(own).toSorted()).toEqual(names.toSorted())
    for (const name of names) expect([name, headers[name]]).toEqual([name, flat.get(name)])
    if (!isHttp2) for (const name of names) expect(distinct?.[name]?.join(', ')).toBe(headers[name])
    expect(headers.a).toBe('1, 2')
    expect(headers['x-auth-subject']).toBe('alice')
  })

  test('a token in the query is taken, and the application does not see it', async () => {
    const shown = await told('GET /orders/1?a=b&access_token=$good&c=d')
    expect(shown).toMatchObject({
      query: { a: 'b', c: 'd' },
      url: '/orders/1?a=b&c=d',
      principal: { provider: 'main' },
    })
    const reply = await guarded.exchange(request('GET /orders/1?access_token=$good'))
    expect(reply?.headers.get('cache-control')).toBe('private')
  })

  test('a report-only route lets pass, with the identity', async () => {
    expect((await told('GET /report/1', AUTH)).headers['x-auth-subject']).toBe('alice')
    expect((await told('GET /report/1')).principal).toBe(null)
  })

  test('answers of the application carry what a gateway adds, beside what the application says', async () => {
    const reply = await guarded.exchange(request('GET /pages/1', 'Origin: https://app.example.com', AUTH))
    expect(reply?.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
    expect(reply?.headers.get('access-control-expose-headers')).toContain('WWW-Authenticate')
    expect(reply?.headers.get('vary')).toBe('Accept, Origin')
    expect(reply?.headers.get('x-request-id')).toBe('same-for-both')
  })
})

/** Dates, and how long an idle connection is kept, belong to the server. */
function comparable(reply: RawReply | undefined): unknown {
  const head = reply?.head.replace(/^(date): .*$/gim, '$1: …').replace(/\r\nkeep-alive: .*$/gim, '')
  return { head, body: reply?.body }
}
