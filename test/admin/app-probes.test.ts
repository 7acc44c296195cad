/** Probes of a service on loopback, as a kubelet sends them: to the admin listener, and on to the service. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { appProbes } from '../../src/admin/app-probes.ts'
import { type Scheduler, systemScheduler } from '../../src/lib/scheduler.ts'
import type { Upstream } from '../../src/upstream/connections.ts'
import { exchangeBytes, startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { testPool } from '../support/gateway/upstream-pool.ts'
import { manualTime } from '../support/manual-time.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const STATUSES: Readonly<Record<string, number>> = {
  '/healthz': 200,
  '/starting': 503,
  '/empty': 204,
  '/moved': 302,
}

let upstream: TestUpstream
let stack: TestStack
beforeAll(async () => {
  upstream = await startTestUpstream((request, response) => {
    response.setHeader('x-secret', 'of the service')
    response.setHeader('location', 'http://elsewhere.example/')
    response.statusCode = STATUSES[request.url ?? ''] ?? 200
    response.end('detail of the service')
  })
  stack = await startTestStack(
    { admin: { listen: '127.0.0.1:0', appProbes: [...Object.keys(STATUSES), '/'] } },
    { upstream },
  )
})
afterAll(() => stack.close())

test.each(Object.entries(STATUSES))(
  '%s of the service is answered with its status %d and nothing else',
  async (path, status) => {
    const reply = await stack.admin(`/-/app${path}`)
    expect(reply.status).toBe(status)
    expect(reply.text).toBe('')
    expect(reply.headers).not.toHaveProperty('x-secret')
    expect(reply.headers).not.toHaveProperty('location')
  },
)

test('the root of the service can be a probe', async () => {
  expect((await stack.admin('/-/app/')).status).toBe(200)
  expect(upstream.seen.at(-1)?.url).toBe('/')
})

test('the service gets nothing of the request but the path', async () => {
  await stack.admin('/-/app/healthz?x=1', {
    headers: { 'x-auth-subject': 'root', cookie: 'a=b', 'x-request-id': 'mine' },
  })
  const { url, headers } = upstream.seen.at(-1) ?? {}
  expect(url).toBe('/healthz')
  expect(Object.keys(headers ?? {}).toSorted()).toEqual(['connection', 'host', 'user-agent'])
})

test('a path that is not listed is 404 in any spelling, and the service is not asked', async () => {
  const { port } = new URL(stack.adminUrl)
  const before = upstream.seen.length
  for (const path of [
    '/-/app',
    '/-/app/orders',
    '/-/app/healthz/',
    '/-/app/%68ealthz',
    '/-/app//healthz',
    '/-/app/../app/healthz',
    '/-/app/healthz/../orders',
    '/-/app/%2e%2e/livez',
    '/-/App/healthz',
    '/-/app/healthz%00',
    '/-/app/constructor',
  ]) {
    const text = await exchangeBytes(
      Number(port),
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    )
    expect(text, path).toMatch(/^HTTP\/1\.1 404 /)
  }
  expect(upstream.seen).toHaveLength(before)
})

test('other methods are refused, and a foreign Host is', async () => {
  expect((await stack.admin('/-/app/healthz', { method: 'POST' })).status).toBe(405)
  expect((await stack.admin('/-/app/healthz', { headers: { host: 'evil.example' } })).status).toBe(400)
})

test('of two upstreams the named one is asked', async () => {
  const management = await startTestUpstream((_request, response) => response.writeHead(418).end())
  const two = await startTestStack({
    admin: { listen: '127.0.0.1:0', appProbes: [{ path: '/health', upstream: 'management' }] },
    upstreams: { app: upstream.url, management: management.url },
    routes: [{ id: 'all', path: '/**', upstream: 'app' }],
  })
  expect((await two.admin('/-/app/health')).status).toBe(418)
  await two.close()
  await management.close()
})

/** @returns the status of a probe of `/healthz` on this upstream */
function probeOf(upstream: Upstream | undefined, scheduler: Scheduler = systemScheduler): Promise<number> {
  const probes = appProbes([{ path: '/healthz', upstream: 'app' }], { scheduler, upstream: () => upstream })
  return probes.status('/-/app/healthz')
}

describe('a service that gives no answer is 502', () => {
  const ask = async (port: number): Promise<number> => {
    const asked = testPool(`http://127.0.0.1:${port}`, { connectTimeoutMs: 1000 })
    const status = await probeOf(asked)
    await asked.close()
    return status
  }

  test('when nothing listens', async () => {
    expect(await ask(1)).toBe(502)
  })

  test.each([
    ['closes', ''],
    ['speaks no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n'],
    ['stops within its head', 'HTTP/1.1 200 OK\r\nA: '],
  ])('when it %s', async (_, answer) => {
    const server = createServer(socket => socket.once('data', () => socket.end(answer))).listen(0, '127.0.0.1')
    await once(server, 'listening')
    expect(await ask((server.address() as { port: number }).port)).toBe(502)
    server.close()
  })

  test('when it says nothing for ten seconds, and the connection is given up', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const asked = testPool(`http://127.0.0.1:${(silent.address() as { port: number }).port}`)
    const time = manualTime()
    const status = probeOf(asked, time)
    const [socket] = (await once(silent, 'connection')) as [Socket]
    await once(socket, 'data')
    await time.advance(9_999)
    expect(time.pendingMs()).toEqual([1])
    await time.advance(1)
    expect(await status).toBe(502)
    await once(socket, 'close')
    await asked.close()
    silent.close()
  })

  test('when its pool is closed, or gone from the configuration', async () => {
    const closed = testPool('http://127.0.0.1:1', { connectTimeoutMs: 1000 })
    await closed.close()
    expect(await probeOf(closed)).toBe(502)
    expect(await probeOf(undefined)).toBe(502)
  })
})

test('an answer without end is cut off, not read for ever', async () => {
  const endless = await startTestUpstream((_request, response) => {
    const more = (): void => {
      while (response.write(Buffer.alloc(16 * 1024)));
      response.once('drain', more)
    }
    more()
  })
  const asked = testPool(endless.url)
  // A reset is an end, too.
  const gone = endless.arrival().then(socket => new Promise(resolve => socket.once('close', resolve)))
  expect(await probeOf(asked)).toBe(200)
  await gone
  await asked.close()
  await endless.close()
})
