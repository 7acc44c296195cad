/** The admin listener: what it says, to whom, and nothing else. */

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  exchangeBytes,
  startTestGateway,
  startTestStack,
  type TestGateway,
  type TestStack,
  testProvider,
} from '../support/gateway/gateway.ts'
import { startTestIssuer } from '../support/services/issuer.ts'

const PATHS = ['/', '/livez', '/readyz', '/metrics', '/-/status']

let stack: TestStack
let port: number
beforeAll(async () => {
  stack = await startTestStack()
  port = Number(new URL(stack.adminUrl).port)
  await stack.logged({ provider: 'main', to: 'fresh' })
})
afterAll(() => stack.close())

const raw = (lines: readonly string[], body = ''): Promise<string> =>
  exchangeBytes(port, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n${body}`)
const LOCAL = 'Host: localhost'

describe('the paths', () => {
  test.each(PATHS)('%s answers GET and HEAD', async path => {
    const get = await stack.admin(path)
    expect(get.status).toBe(200)
    expect(get.text).not.toBe('')
    const head = await stack.admin(path, { method: 'HEAD' })
    expect(head.status).toBe(200)
    expect(head.text).toBe('')
  })

  test.each(PATHS)('%s answers other methods with 405, whatever their body', async path => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'TRACE']) {
      for (const more of [
        [],
        ['Content-Type: application/json', 'Content-Length: 1'],
        ['Content-Type: x/y', 'Content-Length: 1'],
      ]) {
        const text = await raw([`${method} ${path} HTTP/1.1`, LOCAL, ...more], more.length > 0 ? '{' : '')
        expect(text, `${method} ${more}`).toMatch(/^HTTP\/1\.1 405 /)
        expect(text).toMatch(/\r\nallow: GET, HEAD\r\n/i)
      }
    }
  })

  test.each(['/metrics/', '/livez/x', '/-/drain/', '/-/', '/%zz', '/livez%00', '/debug', '//livez', '/Livez', '*'])(
    '%s is 404',
    async path => {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const text = await raw(
          [`${method} ${path} HTTP/1.1`, LOCAL, 'Content-Type: application/json', 'Content-Length: 1'],
          '{',
        )
        expect(text).toMatch(/^HTTP\/1\.1 404 /)
        expect(text.split('\r\n\r\n')[1]).toBe('not found\n')
      }
    },
  )

  test('a query changes nothing', async () => {
    expect((await stack.admin('/livez?x=1')).status).toBe(200)
  })
})

test('/ lists what there is with this configuration, as text or as JSON, and each answers', async () => {
  const { text, headers } = await stack.admin('/')
  expect(headers['content-type']).toBe('text/plain; charset=utf-8')
  for (const path of ['/livez', '/readyz', '/metrics', '/-/status', '/-/drain']) expect(text).toContain(`\n${path} `)
  for (const path of ['/-/revocations', '/-/app', '/-/recent']) expect(text).not.toContain(path)
  const more = await startTestStack(
    ({ issuer, jwksUri }) => ({
      admin: { listen: '127.0.0.1:0', appProbes: ['/healthz'], console: {} },
      providers: { main: { type: 'jwt', issuer, audiences: ['x'], maxLifetime: '1h', keys: { jwksUri } } },
      revocation: { api: { tokenFile: 'secret' } },
    }),
    { files: { secret: 's'.repeat(40) } },
  )
  const listed = await more.admin('/', { headers: { accept: 'text/html, application/json;q=0.9' } })
  const { paths } = listed.json() as { paths: Record<string, string> }
  expect(Object.keys(paths)).toEqual(
    expect.arrayContaining(['/-/recent', '/-/live', '/livez', '/-/app/healthz', '/-/revocations']),
  )
  await more.close()
})

describe('a browser that was tricked', () => {
  test.each(['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'a b', '', '[::1', '1.2.3.4@evil'])(
    'is refused with the Host %j',
    async host => {
      for (const path of [...PATHS, '/nothing']) {
        const text = await raw([`GET ${path} HTTP/1.1`, `Host: ${host}`])
        expect(text).toMatch(/^HTTP\/1\.1 400 /)
        expect(text).not.toMatch(/sallyport_|providers|ready/)
      }
    },
  )

  test('is refused without a Host, and with two', async () => {
    expect(await raw(['GET /metrics HTTP/1.1'])).toMatch(/^HTTP\/1\.1 400 /)
    expect(await raw(['GET /metrics HTTP/1.1', 'Host: evil.example', LOCAL])).toMatch(/^HTTP\/1\.1 400 /)
  })

  test.each(['http://evil.example', 'null', 'https://localhost', 'http://localhost:1', ''])(
    'is refused with the Origin %j',
    async origin => {
      expect(await raw(['GET /metrics HTTP/1.1', LOCAL, `Origin: ${origin}`])).toMatch(/^HTTP\/1\.1 400 /)
    },
  )

  test('the listener’s own names and Origin pass', async () => {
    for (const host of ['localhost', 'LOCALHOST:9090', '127.0.0.1', '10.1.2.3:9090', '[::1]:9090'])
      expect(await raw(['GET /livez HTTP/1.1', `Host: ${host}`])).toMatch(/^HTTP\/1\.1 200 /)
    expect(await raw(['GET /livez HTTP/1.1', LOCAL, 'Origin: http://localhost'])).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('a health check of HTTP/1.0', () => {
  test.each(['/livez', '/readyz'])('gets its answer from %s without a Host', async path => {
    for (const method of ['GET', 'HEAD']) expect(await raw([`${method} ${path} HTTP/1.0`])).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('gets nothing else without a Host, and nothing with a foreign one or an Origin', async () => {
    for (const lines of [
      ['GET /metrics HTTP/1.0'],
      ['GET /-/status HTTP/1.0'],
      ['POST /-/drain HTTP/1.0'],
      ['GET /livez HTTP/1.0', 'Host: evil.example'],
      ['GET /livez HTTP/1.0', 'Host: '],
      ['GET /livez HTTP/1.0', 'Origin: http://undefined'],
      // RFC 9112 §3.2: only HTTP/1.0 may leave it out.
      ['GET /livez HTTP/1.1'],
    ])
      expect(await raw(lines), lines.join()).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('admin.hosts', () => {
  let gateway: TestGateway
  let hostsPort: number
  beforeAll(async () => {
    gateway = await startTestGateway({
      admin: { listen: '127.0.0.1:0', hosts: ['Sallyport', '*.monitoring.svc'] },
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    hostsPort = Number(new URL(gateway.adminUrl).port)
  })
  afterAll(() => gateway.close())
  const ask = (host: string, more: readonly string[] = []) =>
    exchangeBytes(
      hostsPort,
      ['GET /metrics HTTP/1.1', `Host: ${host}`, ...more, 'Connection: close', '', ''].join('\r\n'),
    )

  test.each([
    'sallyport',
    'SALLYPORT:9090',
    'a.monitoring.svc',
    'a.b.Monitoring.svc:9090',
    'localhost',
    '127.0.0.1:9090',
  ])('%s may be asked for', async host => {
    expect(await ask(host)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await ask(host, [`Origin: http://${host}`])).toMatch(/^HTTP\/1\.1 200 /)
    expect(await ask(host, ['Origin: http://evil.example'])).toMatch(/^HTTP\/1\.1 400 /)
  })

  test.each([
    'monitoring.svc',
    '.monitoring.svc',
    'a..monitoring.svc',
    'evilmonitoring.svc',
    'a.monitoring.svc.evil.example',
    'sallyport.evil.example',
    'x.sallyport',
    'sallyport.',
    'sallyport:x',
    'sallyport:123456',
    'a@b.monitoring.svc',
    'a b.monitoring.svc',
    '*.monitoring.svc',
  ])('%s may not', async host => {
    expect(await ask(host)).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('/readyz', () => {
  let keyServer: Server
  let isUp = false
  let url: string
  beforeAll(async () => {
    const issuer = await startTestIssuer()
    const keys = await (await fetch(issuer.jwksUri)).text()
    await issuer.close()
    keyServer = createServer((_request, response) => {
      if (isUp) response.setHeader('content-type', 'application/json').end(keys)
      else response.writeHead(500).end('internal detail')
    }).listen(0, '127.0.0.1')
    await once(keyServer, 'listening')
    url = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}`
  })
  afterAll(
    () =>
      new Promise<void>(resolve => {
        keyServer.close(() => resolve())
        keyServer.closeAllConnections()
      }),
  )

  test('is 200 when every provider has keys', async () => {
    const reply = await stack.admin('/readyz')
    expect(reply.status).toBe(200)
    expect(reply.json()).toEqual({ ready: true, reasons: [] })
  })

  test('is 503 and names the provider without keys, and 200 once it has them', async () => {
    const issuer = await startTestIssuer()
    const gateway = await startTestGateway({
      providers: {
        good: testProvider(issuer),
        lost: {
          type: 'jwt',
          issuer: 'https://lost.example',
          audiences: ['a'],
          keys: { jwksUri: `${url}/jwks`, refresh: '1s' },
        },
      },
      upstreams: { app: 'http://127.0.0.1:9' },
      routes: [{ id: 'all', path: '/**' }],
    })
    await gateway.logged({ provider: 'good', to: 'fresh' })
    await gateway.logged({ provider: 'lost', to: 'unavailable' })
    const reply = await gateway.admin('/readyz')
    expect(reply.status).toBe(503)
    const { ready, reasons } = reply.json() as { ready: boolean; reasons: string[] }
    expect(ready).toBe(false)
    expect(reasons).toEqual([expect.stringContaining('lost')])
    expect(reply.text).not.toContain('internal detail')
    expect((await gateway.admin('/livez')).status).toBe(200)
    expect((await gateway.metrics()).get('sallyport_jwks_keys{provider="lost"}')).toBe(0)

    isUp = true
    await gateway.logged({ provider: 'lost', to: 'fresh' })
    expect((await gateway.admin('/readyz')).status).toBe(200)
    await gateway.close()
    await issuer.close()
  })
})

test('/-/status shows routes, providers and keys by name and age, and no key material', async () => {
  const { jwksUri, issuer } = stack.issuer
  const { keys } = (await (await fetch(jwksUri)).json()) as { keys: Array<Record<string, string>> }
  const reply = await stack.admin('/-/status')
  const status = reply.json()
  expect(status).toMatchObject({
    ready: true,
    version: '0.0.0-test',
    config_hash: expect.stringMatching(/^[0-9a-f]{12}$/),
    providers: [{ id: 'main', issuer, usable: true, age_seconds: expect.any(Number) }],
  })
  expect(status.routes).toContainEqual({
    id: 'orders-read',
    path: '/orders/**',
    methods: ['GET'],
    access: 'required',
    mode: 'enforce',
    upstream: 'app',
    asks: expect.objectContaining({ access: 'required', require: { scopes: ['orders:read'] } }),
  })
  for (const { kid, n, x, y } of keys) {
    expect(reply.text).toContain(kid)
    for (const material of [n, x, y]) if (material !== undefined) expect(reply.text).not.toContain(material)
  }
})
