/** What the configuration says of a service's connections and answers holds on the way of a request. */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import { type Http2Client, http2Client } from '../support/clients/http2-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { startHttp2Service } from '../support/services/http2-service.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const ROUTES = [{ id: 'all', path: '/**', access: 'public' }]

describe('one connection to a service', () => {
  const authority = testAuthority()
  const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
  const held: ServerResponse[] = []
  let service: TestUpstream
  let plain: TestGateway
  let secure: TestGateway
  let client: Http2Client

  beforeAll(async () => {
    service = await startTestUpstream((_request, response) => void held.push(response))
    const config = {
      upstreams: {
        hasty: { url: service.url, connections: 1, timeouts: { connect: '250ms' } },
        patient: { url: service.url, connections: 1, timeouts: { connect: '1h' } },
      },
      routes: ['hasty', 'patient'].map(id => ({ id, path: `/${id}/**`, access: 'public', upstream: id })),
    }
    plain = await startTestGateway(config)
    secure = await startTestGateway({ ...config, listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } } })
    client = http2Client(secure.url, authority.cert)
  })
  afterEach(() => {
    for (const response of held.splice(0)) response.end()
  })
  afterAll(async () => {
    client.destroy()
    await Promise.all([plain.close(), secure.close()])
    await service.close()
    authority.remove()
  })

  const FRONTS = [
    {
      name: 'HTTP/1.1',
      gateway: () => plain,
      async ask(path: string) {
        const answer = await fetch(plain.url + path)
        return { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: await answer.text() }
      },
    },
    {
      name: 'HTTP/2',
      gateway: () => secure,
      async ask(path: string) {
        const { status, headers, body } = await client.request(path)
        return { status, retryAfter: headers.get('retry-after'), body }
      },
    },
  ]

  describe.each(FRONTS)('over $name', ({ gateway, ask }) => {
    test('is in use, so the next request waits for it and is refused', async () => {
      const arrival = service.arrival()
      const first = ask('/hasty/first')
      await arrival
      const seen = service.seen.length
      expect(await ask('/hasty/second')).toMatchObject({
        status: 503,
        retryAfter: '1',
        body: expect.stringContaining('"overloaded"'),
      })
      const { route, evidence } = await gateway().logged({ code: 'overloaded' })
      expect(route).toBe('hasty')
      expect(evidence).toMatchObject({ upstream: 'hasty', connections: 1 })
      expect(service.seen.length).toBe(seen)
      held[0]?.end()
      expect((await first).status).toBe(200)
    })

    test('is free again in time, so the request that waited for it passes', async () => {
      const arrival = service.arrival()
      const first = ask('/patient/first')
      await arrival
      const next = service.arrival()
      const second = ask('/patient/second')
      while ((await gateway().metrics()).get('sallyport_requests_in_flight') !== 2);
      expect(held).toHaveLength(1)
      held[0]?.end()
      await next
      held[1]?.end()
      expect((await Promise.all([first, second])).map(({ status }) => status)).toEqual([200, 200])
    })

    test('is one for each service', async () => {
      const answers: Array<ReturnType<typeof ask>> = []
      for (const path of ['/hasty/first', '/patient/first']) {
        const arrival = service.arrival()
        answers.push(ask(path))
        await arrival
      }
      for (const response of held.splice(0)) response.end()
      expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200])
    })
  })
})

test('keepAlive: 0s gives each request a connection of its own, and one that waits for it, too', async () => {
  const sockets = new Set<Socket>()
  const service = await startTestUpstream((request, response) => {
    sockets.add(request.socket)
    response.end()
  })
  const upstreams = { app: { url: service.url, keepAlive: '0s', connections: 1, timeouts: { connect: '1h' } } }
  const gateway = await startTestGateway({ upstreams, routes: ROUTES })
  const answers = await Promise.all(Array.from({ length: 4 }, () => fetch(gateway.url)))
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200])
  expect(sockets.size).toBe(4)
  await gateway.close()
  await service.close()
})

describe('a head of an answer', () => {
  const LIMIT_BYTES = 2048

  test.each([
    ['HTTP/1.1', oldService],
    ['HTTP/2', newService],
  ])('over %s may be as long as headerBytes says, and no longer', async (_version, start) => {
    const service = await start()
    const upstreams = { app: { url: service.url, headerBytes: '2KiB' } }
    const gateway = await startTestGateway({ upstreams, routes: ROUTES })
    expect((await fetch(`${gateway.url}/${LIMIT_BYTES - 500}`)).status).toBe(200)
    expect((await fetch(`${gateway.url}/${LIMIT_BYTES + 1}`)).status).toBe(502)
    expect((await fetch(`${gateway.url}/0`)).status).toBe(200)
    await gateway.close()
    await service.close()
  })

  function oldService() {
    return startTestUpstream((request, response) => {
      response.setHeader('X-Long', 'x'.repeat(Number(request.url?.slice(1)))).end()
    })
  }

  function newService() {
    return startHttp2Service(({ stream, headers }) => {
      stream.respond({ 'x-long': 'x'.repeat(Number(headers[':path']?.slice(1))) }, { endStream: true })
    })
  }
})
