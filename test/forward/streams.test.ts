/** A stream ends with the token that let its request in. */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { QUICK_ROUNDS, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startRawUpstream } from '../support/services/raw-upstream.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import {
  closing,
  handshakeBytes,
  openWebSocket,
  SWITCHING,
  startWebSocketService,
  type WebSocketService,
} from '../support/services/websocket-service.ts'

const MINUTE_MS = 60_000
/** The time that the tokens of {@link TestIssuer.mint} live. */
const LIFETIME_MS = 60 * MINUTE_MS
const CLOSE_FRAME = `\x88\x1a\x03\xf0the access token expired`

let laterMs: number
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + laterMs }
const streamRoutes = (rest: Record<string, unknown> = {}) => [
  { id: 'stream', path: '/stream', ...rest },
  { id: 'kept', path: '/kept', streams: { onExpiry: 'keep' }, ...rest },
  { id: 'graced', path: '/graced', streams: { grace: '10m' }, ...rest },
  { id: 'report', path: '/report', mode: 'report', require: { scopes: ['none'] }, ...rest },
  { id: 'public', path: '/public', access: 'public', ...rest },
  { id: 'optional', path: '/optional', access: 'optional', ...rest },
]

let issuer: TestIssuer
let token: string
const open: Array<{ close(): Promise<unknown> }> = []
beforeEach(async () => {
  laterMs = 0
  issuer = await startTestIssuer()
  token = await issuer.mint()
  open.push(issuer)
})
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

async function started(url: string, config: Record<string, unknown> = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(
    {
      providers: { main: { ...testProvider(issuer), clockTolerance: '1m' } },
      upstreams: { app: url },
      routes: streamRoutes(),
      ...config,
    },
    { clock, scheduler: QUICK_ROUNDS },
  )
  open.push(gateway)
  return gateway
}

const closed = (gateway: TestGateway, route: string, reason: string) =>
  gateway.metrics().then(all => all.get(`sallyport_streams_closed_total{route="${route}",reason="${reason}"}`))

describe('a WebSocket', () => {
  let service: WebSocketService
  beforeEach(async () => {
    service = await startWebSocketService()
    open.push(service)
  })

  async function pair(gateway: TestGateway, path: string, handshake: { token?: string } = { token }) {
    const accepted = service.next()
    const socket = await openWebSocket(gateway.url + path, handshake)
    return { socket, peer: (await accepted).socket }
  }

  async function expectOpen(socket: Awaited<ReturnType<typeof openWebSocket>>) {
    socket.send('still?')
    expect(String((await once(socket, 'message'))[0])).toBe('still?')
  }

  test('is closed with 1008 and a reason at both ends when its token expires, which is counted and logged', async () => {
    const gateway = await started(service.url)
    const { socket, peer } = await pair(gateway, '/stream')
    await expectOpen(socket)
    expect(await closed(gateway, 'stream', 'expired')).toBe(0)
    const ends = Promise.all([closing(socket), closing(peer)])
    laterMs = LIFETIME_MS + 2 * MINUTE_MS
    const expected = { code: 1008, reason: 'the access token expired' }
    expect(await ends).toEqual([expected, expected])
    expect(await gateway.logged({ path: '/stream', closed: 'expired' })).toMatchObject({ status: 101, code: 'ok' })
    expect(await closed(gateway, 'stream', 'expired')).toBe(1)
    expect((await gateway.metrics()).get('sallyport_requests_in_flight')).toBe(0)
  })

  test('outlives the token by the tolerance of its provider, and by the grace of its route', async () => {
    const gateway = await started(service.url)
    const soon = await pair(gateway, '/stream', { token: await issuer.mint({ exp: nowSeconds() + 60 }) })
    const { socket } = await pair(gateway, '/stream')
    const graced = await pair(gateway, '/graced')
    const first = closing(soon.socket)
    laterMs = LIFETIME_MS + MINUTE_MS / 2
    await first
    await expectOpen(socket)
    const second = closing(socket)
    laterMs = LIFETIME_MS + 5 * MINUTE_MS
    await second
    await expectOpen(graced.socket)
    const third = closing(graced.socket)
    laterMs = LIFETIME_MS + 12 * MINUTE_MS
    expect((await third).code).toBe(1008)
  })

  test.each([
    ['on a route that keeps streams', '/kept', true],
    ['on a route that only reports', '/report', true],
    ['on a public route', '/public', true],
    ['of an anonymous caller', '/optional', false],
  ])('%s stays', async (_name, path, hasToken) => {
    const gateway = await started(service.url)
    const kept = await pair(gateway, path, hasToken ? { token } : {})
    const other = await pair(gateway, '/optional')
    const end = closing(other.socket)
    laterMs = 10 * LIFETIME_MS
    await end
    await expectOpen(kept.socket)
    kept.socket.terminate()
  })

  test('is kept or closed by the general rule where the route has none', async () => {
    const gateway = await started(service.url, {
      streams: { onExpiry: 'keep', grace: '5m' },
      routes: [
        { id: 'all', path: '/**' },
        { id: 'closed', path: '/closed', streams: { onExpiry: 'close' } },
        { id: 'at-once', path: '/at-once', streams: { onExpiry: 'close', grace: '0s' } },
      ],
    })
    const [kept, inTime, atOnce] = [
      await pair(gateway, '/x'),
      await pair(gateway, '/closed'),
      await pair(gateway, '/at-once'),
    ]
    const first = closing(atOnce.socket)
    laterMs = LIFETIME_MS + 2 * MINUTE_MS
    await first
    await expectOpen(inTime.socket)
    const second = closing(inTime.socket)
    laterMs = LIFETIME_MS + 8 * MINUTE_MS
    await second
    await expectOpen(kept.socket)
  })
})

describe('a WebSocket in the middle of a frame', () => {
  async function tunnel() {
    const upstream = await startRawUpstream()
    open.push(upstream)
    const gateway = await started(upstream.url)
    const accepted = upstream.next()
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write(handshakeBytes('/stream', [`Authorization: Bearer ${token}`]))
    const peer = await accepted
    await peer.until(/\r\n\r\n/)
    peer.write(SWITCHING)
    const head = await client.until(/\r\n\r\n/)
    return { gateway, client, peer, received: () => client.received().slice(head.length) }
  }
  const binary = (text: string): Buffer => Buffer.from(text, 'latin1')

  test('gets the rest of it before the Close, and nothing after', async () => {
    const { client, peer, received } = await tunnel()
    peer.write(binary('\x81\x02ok\x82\x0ahello'))
    await client.until(/hello$/)
    const told = peer.until(/\x88\x9a/)
    laterMs = LIFETIME_MS + 2 * MINUTE_MS
    // The other direction stands between two frames, so the Close goes out at once there.
    await told
    peer.write(binary('world\x81\x04more'))
    await client.closed
    expect(received()).toBe(`\x81\x02ok\x82\x0ahelloworld${CLOSE_FRAME}`)
  })

  test('that never ends is cut', async () => {
    const { gateway, client, peer, received } = await tunnel()
    peer.write(binary('\x82\x7e\xff\xffhello'))
    await client.until(/hello$/)
    laterMs = LIFETIME_MS + 2 * MINUTE_MS
    await Promise.all([client.closed, peer.closed])
    expect(received()).toBe('\x82\x7e\xff\xffhello')
    await gateway.logged({ path: '/stream', closed: 'expired' })
  })

  test('that is closed in one direction already is closed in the other', async () => {
    const { gateway, client, peer, received } = await tunnel()
    client.socket.allowHalfOpen = true
    const ended = once(client.socket, 'end')
    peer.socket.end(binary('\x81\x02ok'))
    await ended
    client.write(binary('\x81\x82\0\0\0\0hi'))
    laterMs = LIFETIME_MS + 2 * MINUTE_MS
    const { text, wasReset } = await peer.closed
    expect(wasReset).toBe(false)
    expect(text.slice(text.indexOf('\r\n\r\n') + 4)).toMatch(/^\x81\x82\0\0\0\0hi\x88\x9a.{30}$/s)
    await gateway.logged({ path: '/stream', closed: 'expired' })
    expect(received()).toBe('\x81\x02ok')
    client.socket.destroy()
  })
})

describe('an answer that is still on its way', () => {
  let service: TestUpstream
  let answers: ServerResponse[]
  beforeEach(async () => {
    answers = []
    service = await startTestUpstream((request, response) => {
      answers.push(response)
      if (request.url === '/optional') response.end('small')
      else response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
    })
    open.push(service)
  })

  const request = (path: string): string =>
    `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`

  test('is broken off when its token expires, so that nobody takes it for whole', async () => {
    const gateway = await started(service.url)
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write(request('/stream'))
    await client.until(/data: 1/)
    const upstreamClosed = once(answers[0] as ServerResponse, 'close')
    laterMs = LIFETIME_MS + 2 * MINUTE_MS
    const { text } = await client.closed
    await upstreamClosed
    expect(text).toMatch(/data: 1\n\n\r\n$/)
    expect(await gateway.logged({ path: '/stream' })).toMatchObject({ closed: 'expired', aborted: true, status: 200 })
    expect(await closed(gateway, 'stream', 'expired')).toBe(1)
  })

  test('goes on where streams are kept', async () => {
    const gateway = await started(service.url)
    const [kept, other] = ['/kept', '/stream'].map(path => {
      const client = rawClient(Number(new URL(gateway.url).port))
      client.write(request(path))
      return client
    })
    await Promise.all([kept?.until(/data: 1/), other?.until(/data: 1/)])
    laterMs = 10 * LIFETIME_MS
    await other?.closed
    for (const answer of answers) answer.end('data: 2\n\n')
    expect((await kept?.closed)?.text).toMatch(/data: 2\n\n\r\n0\r\n\r\n$/)
  })

  test('is ended although it waits behind another one', async () => {
    const gateway = await started(service.url)
    const client = rawClient(Number(new URL(gateway.url).port))
    const first = request('/kept').replace('Connection: close\r\n', '')
    client.write(first + request('/stream'))
    await client.until(/data: 1/)
    while (answers.length < 2) await service.arrival()
    const answerTo = (path: string) => answers.find(({ req }) => req.url === path) as ServerResponse
    const upstreamClosed = once(answerTo('/stream'), 'close')
    laterMs = LIFETIME_MS + 2 * MINUTE_MS
    await upstreamClosed
    answerTo('/kept').end('data: 2\n\n')
    const { text } = await client.closed
    expect(text).toMatch(/data: 2\n\n\r\n0\r\n\r\n/)
    expect(text.match(/\r\n0\r\n/g)).toHaveLength(1)
    await gateway.logged({ path: '/stream', closed: 'expired' })
    expect((await gateway.metrics()).get('sallyport_requests_in_flight')).toBe(0)
  })

  test('is no stream when it was whole before', async () => {
    const gateway = await started(service.url)
    expect((await gateway.request('/optional', { headers: { authorization: `Bearer ${token}` } })).text).toBe('small')
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write(request('/stream'))
    await client.until(/data: 1/)
    laterMs = 10 * LIFETIME_MS
    await client.closed
    expect(await closed(gateway, 'optional', 'expired')).toBe(0)
  })
})

function nowSeconds(): number {
  return Math.floor(systemClock.nowMs() / 1000)
}
