/** A service gets tokens that an authorization server issued for the callers, in place of those that they brought. */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import { http2Client } from '../support/clients/http2-client.ts'
import { bearer, startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import {
  CALLER_AUDIENCE,
  type ExchangeServer,
  SERVICE_AUDIENCE,
  startExchangeServer,
} from '../support/services/exchange-server.ts'
import { startTraceCollector } from '../support/services/trace-collector.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import { openWebSocket, refusedHandshake, startWebSocketService } from '../support/services/websocket-service.ts'

let server: ExchangeServer
let upstream: TestUpstream
beforeAll(async () => {
  ;[server, upstream] = await Promise.all([startExchangeServer(testAuthority()), startTestUpstream()])
})
afterAll(async () => {
  await Promise.all([server.close(), upstream.close()])
})

const open: TestGateway[] = []
beforeEach(() => {
  server.exchanges.length = 0
  upstream.seen.length = 0
  server.answer = {}
  server.handleBy()
})
afterEach(async () => {
  for (const each of open.splice(0)) await each.close()
})

function config(exchange: Record<string, unknown> = {}, url = upstream.url): Record<string, unknown> {
  return {
    providers: {
      main: { type: 'jwt', issuer: server.issuer, audiences: [CALLER_AUDIENCE], keys: { caFile: server.caFile } },
    },
    upstreams: {
      app: {
        url,
        exchange: {
          provider: 'main',
          client: server.clients.assertion,
          audience: SERVICE_AUDIENCE,
          scope: 'billing:read',
          ...exchange,
        },
      },
    },
    log: { level: 'trace' },
    routes: [
      { id: 'private', path: '/private/**' },
      { id: 'optional', path: '/optional/**', access: 'optional' },
      { id: 'public', path: '/public/**', access: 'public' },
    ],
  }
}

async function started(...of: Parameters<typeof config>): Promise<TestGateway> {
  const gateway = await startTestGateway(config(...of))
  open.push(gateway)
  return gateway
}

const heard = (): string | undefined => upstream.seen.at(-1)?.headers.authorization
const issuedFor = (authorization = ''): string | undefined => decodeJwt(authorization.replace(/^Bearer /, '')).sub

async function call(gateway: TestGateway, token: string, path = '/private/a') {
  const { status, text } = await gateway.request(path, { headers: bearer(token) })
  return [status, status === 200 ? undefined : (JSON.parse(text) as { code: string }).code]
}

describe('the service', () => {
  test('gets the token that was issued for the caller and for it, and never that of the caller', async () => {
    const gateway = await started()
    const token = await server.token('alice')
    expect(await call(gateway, token)).toEqual([200, undefined])
    expect(decodeJwt(heard()?.replace(/^Bearer /, '') ?? '')).toMatchObject({
      ...{ iss: server.issuer, sub: 'alice', aud: SERVICE_AUDIENCE, scope: 'billing:read' },
    })
    expect(server.exchanges).toEqual([
      {
        client: 'gateway',
        form: expect.objectContaining({
          subject_token: token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
          audience: SERVICE_AUDIENCE,
          scope: 'billing:read',
        }),
      },
    ])
    expect(upstream.bytes().toString('latin1')).not.toContain(token)
  })

  test('gets it by a client with a secret, too', async () => {
    const gateway = await started({ client: server.clients.secret })
    expect(await call(gateway, await server.token('alice'))).toEqual([200, undefined])
    expect(server.exchanges.map(({ client }) => client)).toEqual(['gateway-secret'])
  })

  test('gets no token of a request without a caller, whatever that brings', async () => {
    const gateway = await started()
    const token = await server.token('alice')
    expect(await call(gateway, token, '/public/a')).toEqual([200, undefined])
    expect(heard()).toBeUndefined()
    expect((await gateway.request('/optional/a')).status).toBe(200)
    expect(heard()).toBeUndefined()
    expect(await call(gateway, token, '/optional/a')).toEqual([200, undefined])
    expect(issuedFor(heard())).toBe('alice')
    expect(server.exchanges).toHaveLength(1)
  })

  test('gets one token for fifty requests at a time, and for all that follow', async () => {
    const gateway = await started()
    const token = await server.token('alice')
    const answers = await Promise.all(Array.from({ length: 50 }, () => call(gateway, token)))
    expect(new Set(answers.map(String))).toEqual(new Set(['200,']))
    expect(await call(gateway, token)).toEqual([200, undefined])
    expect(new Set(upstream.seen.map(({ headers }) => headers.authorization)).size).toBe(1)
    expect(server.exchanges).toHaveLength(1)
  })

  test('never gets for one caller what was issued for another', async () => {
    const gateway = await started()
    const [alice, bob] = await Promise.all([server.token('alice'), server.token('bob')])
    const callers = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? alice : bob))
    await Promise.all(callers.map((token, index) => gateway.request(`/private/${index}`, { headers: bearer(token) })))
    for (const { url, headers } of upstream.seen)
      expect([url, issuedFor(headers.authorization)]).toEqual([
        url,
        Number(url.split('/').at(-1)) % 2 === 0 ? 'alice' : 'bob',
      ])
    expect(upstream.seen).toHaveLength(40)
    expect(server.exchanges).toHaveLength(2)
  })

  test('gets the body whole that came while the token was waited for', async () => {
    const gateway = await started()
    const token = await server.token('alice')
    const asked = Promise.withResolvers<void>()
    server.answer = { waitFor: asked.promise }
    const body = Buffer.alloc(3_000_000, 'a')
    const reply = gateway.request('/private/a', { method: 'POST', headers: bearer(token), body })
    await expect.poll(() => server.exchanges.length).toBe(1)
    expect(upstream.seen).toHaveLength(0)
    asked.resolve()
    expect((await reply).json()).toMatchObject({ bodyBytes: body.length })
  })

  test('is not asked for a client that has left meanwhile', async () => {
    const gateway = await started()
    const token = await server.token('alice')
    const asked = Promise.withResolvers<void>()
    server.answer = { waitFor: asked.promise }
    const { port } = new URL(gateway.url)
    const client = connect(Number(port), '127.0.0.1')
    client.write(
      `POST /private/gone HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Length: 9\r\n\r\nabc`,
    )
    await expect.poll(() => server.exchanges.length).toBe(1)
    client.destroy()
    await gateway.logged({ route: 'private' })
    asked.resolve()
    server.answer = {}
    expect(await call(gateway, token)).toEqual([200, undefined])
    expect(upstream.seen.map(({ url }) => url)).toEqual(['/private/a'])
    expect(server.exchanges).toHaveLength(1)
  })
})

describe('whatever the protocol', () => {
  test('a WebSocket is opened with the token that was issued, or refused', async () => {
    const service = await startWebSocketService()
    const gateway = await started({}, service.url)
    const [alice, bob] = await Promise.all([server.token('alice'), server.token('bob')])
    const socket = await openWebSocket(`${gateway.url}/private/socket`, { token: alice })
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('hello')
    expect(issuedFor(service.seen[0]?.headers.authorization)).toBe('alice')
    server.answer = { error: 'access_denied' }
    const refused = await refusedHandshake(`${gateway.url}/private/socket`, { token: bob })
    expect([refused.status, service.seen.length]).toEqual([403, 1])
    socket.close()
    await service.close()
  })

  test('streams of one HTTP/2 connection get the tokens of their callers', async () => {
    const gateway = await started()
    const client = http2Client(gateway.url, undefined)
    const [alice, bob] = await Promise.all([server.token('alice'), server.token('bob')])
    const asked = [alice, bob, alice].map((token, index) =>
      client.request(`/private/${index}`, {
        method: 'POST',
        lines: ['authorization', `Bearer ${token}`],
        body: 'a'.repeat(100_000),
      }),
    )
    expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([200, 200, 200])
    expect(upstream.seen.map(({ url, headers }) => `${url} ${issuedFor(headers.authorization)}`).toSorted()).toEqual([
      '/private/0 alice',
      '/private/1 bob',
      '/private/2 alice',
    ])
    server.answer = { error: 'access_denied' }
    const grpc = await client.request('/private/pkg.Service/Call', {
      method: 'POST',
      lines: [
        'authorization',
        `Bearer ${await server.token('bob')}`,
        'content-type',
        'application/grpc',
        'te',
        'trailers',
      ],
      body: '\0\0\0\0\0',
    })
    expect([grpc.status, grpc.headers.get('grpc-status')]).toEqual([200, '7'])
    client.destroy()
  })
})

describe('a reload', () => {
  test('keeps what was issued while it is asked for in the same way, and asks anew otherwise', async () => {
    const gateway = await started()
    const token = await server.token('alice')
    const changed = async (exchange: Record<string, unknown>, more: Record<string, unknown> = {}) => {
      const text = { listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, ...config(exchange), ...more }
      gateway.write('sallyport.yaml', stringify(text, { aliasDuplicateObjects: false }))
      await gateway.running.reload()
      expect(await call(gateway, token)).toEqual([200, undefined])
    }
    expect(await call(gateway, token)).toEqual([200, undefined])
    await changed({}, { limits: { bodyBytes: '1MiB' } })
    expect(server.exchanges).toHaveLength(1)
    await changed({ scope: ['billing:read', 'billing:write'] })
    expect(server.exchanges.map(({ form }) => form.scope)).toEqual(['billing:read', 'billing:read billing:write'])
    const { upstreams, ...others } = config()
    await changed({}, { ...others, upstreams: { app: upstream.url } })
    expect([heard(), server.exchanges.length]).toEqual([undefined, 2])
    expect(upstreams).toBeDefined()
  })
})

describe('what the server says', () => {
  test.each(['invalid_grant', 'invalid_target', 'access_denied'] as const)(
    '%s refuses the caller, for as long as it is remembered without being asked again',
    async error => {
      const gateway = await started()
      const token = await server.token('alice')
      server.answer = { error }
      expect(await call(gateway, token)).toEqual([403, 'exchange_refused'])
      server.answer = {}
      expect(await call(gateway, token)).toEqual([403, 'exchange_refused'])
      expect(server.exchanges).toHaveLength(1)
      expect(await call(gateway, await server.token('bob'))).toEqual([200, undefined])
      const metrics = await gateway.metrics()
      expect(metrics.get('sallyport_exchange_total{upstream="app",result="refused"}')).toBe(1)
      expect(metrics.get('sallyport_exchange_total{upstream="app",result="ok"}')).toBe(1)
      expect(metrics.get('sallyport_refusals_total{code="exchange_refused"}')).toBe(2)
    },
  )

  test.each<[string, Record<string, unknown>]>([
    ['a token that is none of Bearer', { token_type: 'N_A' }],
    ['a token that is bound to a key', { token_type: 'DPoP' }],
    ['a refresh token', { issued_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }],
    ['a token of no kind', { issued_token_type: undefined }],
    ['no token', { access_token: undefined }],
    ['a token that would be two lines', { access_token: 'a\r\nX-Auth-Subject: root' }],
    ['a token with a blank', { access_token: 'a b' }],
    ['a token that no head of a service has room for', { access_token: 'a'.repeat(16_385) }],
    ['more than is read', { padding: 'a'.repeat(70_000) }],
  ])('%s is no answer', async (_name, members) => {
    const gateway = await started()
    server.answer = { members }
    expect(await call(gateway, await server.token('alice'))).toEqual([503, 'exchange_unavailable'])
    expect(upstream.seen).toHaveLength(0)
  })

  test.each<[string, Parameters<ExchangeServer['handleBy']>[0]]>([
    ['a redirect', response => response.writeHead(307, { location: '/token' }).end()],
    ['an error', response => response.writeHead(500).end('{"error":"invalid_grant"}')],
    ['a page', response => response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')],
    ['nothing', response => response.destroy()],
    [
      'that it does not know the gateway',
      response => response.writeHead(401, { 'content-type': 'application/json' }).end('{"error":"invalid_client"}'),
    ],
  ])('%s is no answer', async (_name, handle) => {
    const gateway = await started({ endpoint: `${server.issuer}/token` })
    const token = await server.token('alice')
    await gateway.request('/private/a', { headers: bearer('a.b.c') })
    await expect.poll(async () => (await gateway.admin('/-/ready')).status).not.toBe(503)
    server.handleBy(handle)
    expect(await call(gateway, token)).toEqual([503, 'exchange_unavailable'])
    expect(upstream.seen).toHaveLength(0)
  })
})

describe('a server that does not answer', () => {
  test('is left alone after a few requests, which then do not wait, and is found by itself when it is back', async () => {
    const gateway = await started({ timeout: '300ms' })
    const tokens = await Promise.all(Array.from({ length: 8 }, () => server.token('alice')))
    expect(await call(gateway, tokens[0] ?? '')).toEqual([200, undefined])
    const hanging = new Set<{ destroy(): void }>()
    server.handleBy(response => void hanging.add(response))
    for (const token of tokens.slice(1, 6)) expect(await call(gateway, token)).toEqual([503, 'exchange_unavailable'])
    const asked = hanging.size
    const beganMs = performance.now()
    for (let request = 0; request < 20; request++)
      expect(await call(gateway, tokens[6] ?? '')).toEqual([503, 'exchange_unavailable'])
    expect(performance.now() - beganMs).toBeLessThan(300)
    expect(hanging.size - asked).toBeLessThanOrEqual(1)
    // Whoever has a token goes on.
    expect(await call(gateway, tokens[0] ?? '')).toEqual([200, undefined])
    const status = (await gateway.admin('/-/status')).json()
    expect(status).toMatchObject({
      ready: true,
      exchange: [
        {
          upstream: 'app',
          endpoint: `${server.issuer}/token`,
          breaker: expect.stringMatching(/open|probing/),
          last_error: expect.any(String),
        },
      ],
    })
    expect(await gateway.logged({ msg: 'the token endpoint is left alone for now' })).toMatchObject({ upstream: 'app' })
    for (const each of hanging) each.destroy()
    server.handleBy()
    await expect
      .poll(() => call(gateway, tokens[6] ?? ''), { timeout: 15_000, interval: 100 })
      .toEqual([200, undefined])
    await gateway.logged({ msg: 'the token endpoint answers again' })
  })

  test('is told from the caller: a port that nobody listens at', async () => {
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const { port } = closed.address() as { port: number }
    closed.close()
    const gateway = await started({ endpoint: `http://127.0.0.1:${port}/token` })
    const reply = await gateway.request('/private/a', { headers: bearer(await server.token('alice')) })
    expect([reply.status, reply.headers['retry-after'], reply.headers['www-authenticate']]).toEqual([
      503,
      '1',
      undefined,
    ])
  })
})

test('a proxy that asks is told that such a route is not for it, before anybody looks at a token', async () => {
  const gateway = await startTestGateway({ ...config(), decide: { listen: '127.0.0.1:0', caller: 'envoy' } })
  open.push(gateway)
  for (const path of ['/private/a', '/public/a']) {
    const answer = await fetch(`${gateway.running.decideUrl}/decide${path}`, {
      headers: bearer(await server.token('alice')),
    })
    expect(await answer.json()).toMatchObject({ status: 403, code: 'route_undecidable' })
  }
  expect(server.exchanges).toEqual([])
})

test('nothing of any token, nor the secret, is seen anywhere', { timeout: 30_000 }, async () => {
  const collector = await startTraceCollector()
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-exchange-audit-'))
  atEnd(collector.kill)
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  const audit = join(folder, 'audit.jsonl')
  const gateway = await startTestGateway({
    ...config({ client: server.clients.secret }),
    audit: { file: audit },
    traces: { endpoint: collector.url, sample: '100%' },
  })
  open.push(gateway)
  const token = await server.token('alice')
  const secrets = [server.secret, ...token.split('.').slice(1)]
  expect(await call(gateway, token)).toEqual([200, undefined])
  secrets.push(
    ...(heard() ?? '')
      .replace(/^Bearer /, '')
      .split('.')
      .slice(1),
  )
  server.answer = { error: 'access_denied' }
  const bob = await server.token('bob')
  secrets.push(...bob.split('.').slice(1))
  const refused = await gateway.request('/private/a', { headers: bearer(bob) })
  await expect.poll(() => readFileSync(audit, 'utf8')).toContain('exchange_refused')
  const exchanged = () =>
    collector.spans.filter(({ attributes }) => attributes['url.full'] === `${server.issuer}/token`)
  // Spans leave every five seconds.
  await expect.poll(() => exchanged().length, { timeout: 15_000 }).toBe(2)
  const seen = [
    readFileSync(audit, 'utf8'),
    ...collector.posts.map(({ body }) => body),
    refused.text,
    JSON.stringify(refused.headers),
    gateway.logText(),
    ...(await Promise.all(['/-/status', '/metrics', '/-/ready'].map(async path => (await gateway.admin(path)).text))),
  ].join('\n')
  expect(seen).toContain('exchange_refused')
  for (const secret of secrets) expect(seen).not.toContain(secret)
})
