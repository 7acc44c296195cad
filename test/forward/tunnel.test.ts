/**
 * A WebSocket passes through the gateway, with the `ws` package at both ends: it is judged like
 * any request, then untouched.
 */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import {
  closing,
  openWebSocket,
  refusedHandshake,
  startWebSocketService,
  type WebSocketService,
  webSocket,
} from '../support/services/websocket-service.ts'

const MiB = 1024 * 1024
let issuer: TestIssuer
let service: WebSocketService
let gateway: TestGateway
let token: string
beforeAll(async () => {
  issuer = await startTestIssuer()
  service = await startWebSocketService({
    maxPayload: 64 * MiB,
    perMessageDeflate: { threshold: 0 },
    handleProtocols: offered => (offered.has('chat.v2') ? 'chat.v2' : false),
  })
  gateway = await startTestGateway({
    providers: { main: testProvider(issuer) },
    upstreams: { app: service.url, gone: 'http://127.0.0.1:1' },
    routes: [
      { id: 'socket', path: '/socket/**', upstream: 'app' },
      { id: 'chat', path: '/chat', upstream: 'app', require: { scopes: ['chat'] } },
      { id: 'open', path: '/open', upstream: 'app', access: 'public' },
      { id: 'post', path: '/post', upstream: 'app', methods: ['POST'] },
      { id: 'gone', path: '/gone', upstream: 'gone' },
    ],
  })
  token = await issuer.mint()
})
afterAll(async () => {
  await gateway.close()
  await Promise.all([issuer.close(), service.close()])
})

async function echoOf(socket: WebSocket, data: string | Buffer): Promise<{ data: Buffer; isBinary: boolean }> {
  socket.send(data)
  const [received, isBinary] = (await once(socket, 'message')) as [Buffer, boolean]
  return { data: received, isBinary }
}

describe('the handshake', () => {
  test('without a token is refused like any request, and the service sees nothing of it', async () => {
    const handshakes = service.seen.length
    const connections = service.sockets.size
    const { status, headers, text } = await refusedHandshake(`${gateway.url}/socket/a`)
    const plain = await gateway.request('/socket/a')
    expect(status).toBe(401)
    expect(headers['www-authenticate']).toBe(plain.headers['www-authenticate'])
    expect(headers['content-type']).toBe('application/problem+json')
    expect(headers.connection).toBe('close')
    const { request_id: _ours, ...problem } = JSON.parse(text) as Record<string, unknown>
    const { request_id: _its, ...plainProblem } = plain.json()
    expect(problem).toEqual(plainProblem)
    expect([service.seen.length, service.sockets.size]).toEqual([handshakes, connections])
  })

  test.each([
    ['/chat', 403, 'scope_missing'],
    ['/nowhere', 404, 'route_unknown'],
    ['/post', 404, 'route_unknown'],
    ['/socket//a', 400, 'path_invalid'],
    ['/gone', 502, 'upstream_unreachable'],
  ])('on %s is answered with %i %s', async (path, status, code) => {
    const answer = await refusedHandshake(gateway.url + path, { token })
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([status, code])
    expect(await gateway.logged({ path, code })).toMatchObject({ status, method: 'GET' })
  })

  test('reaches the service with identity, Origin and subprotocols, and without what ends here', async () => {
    const accepted = service.next()
    const socket = await openWebSocket(`${gateway.url}/socket/a?room=1`, {
      token,
      origin: 'https://app.example',
      protocols: ['chat.v1', 'chat.v2'],
      headers: { 'X-Auth-Subject': 'root', X_Auth_Subject: 'root', 'Keep-Alive': '5', Cookie: 'a=b' },
    })
    const { request } = await accepted
    expect(request.url).toBe('/socket/a?room=1')
    expect(request.headers).toMatchObject({
      'x-auth-subject': 'alice',
      origin: 'https://app.example',
      'sec-websocket-protocol': 'chat.v1,chat.v2',
      'sec-websocket-version': '13',
      cookie: 'a=b',
      connection: 'upgrade',
      upgrade: 'websocket',
      'x-forwarded-proto': 'http',
    })
    for (const name of ['authorization', 'keep-alive', 'x_auth_subject'])
      expect(request.headers).not.toHaveProperty(name)
    expect(request.rawHeaders.filter(name => /^(upgrade|connection)$/i.test(name))).toHaveLength(3)
    expect(socket.protocol).toBe('chat.v2')
    socket.close()
    await closing(socket)
  })

  test('on a public route brings no identity', async () => {
    const accepted = service.next()
    const socket = await openWebSocket(`${gateway.url}/open`, { token, headers: { 'X-Auth-Subject': 'root' } })
    expect((await accepted).request.headers).not.toHaveProperty('x-auth-subject')
    socket.terminate()
  })
})

describe('messages', () => {
  let socket: WebSocket
  let peer: WebSocket
  beforeAll(async () => {
    const accepted = service.next()
    socket = await openWebSocket(`${gateway.url}/socket/messages`, { token, maxPayload: 64 * MiB })
    peer = (await accepted).socket
  })
  afterAll(() => socket.terminate())

  test('are compressed when both ends agree', async () => {
    expect(socket.extensions).toContain('permessage-deflate')
    expect((await echoOf(socket, 'a'.repeat(100_000))).data.toString()).toBe('a'.repeat(100_000))
  })

  test.each([
    ['text', 'grüße', false],
    ['an empty text', '', false],
    ['binary', Buffer.from([0, 1, 254, 255]), true],
    ['126 bytes', Buffer.alloc(126, 7), true],
    ['65,536 bytes', Buffer.alloc(65_536, 7), true],
    ['16 MiB', Buffer.alloc(16 * MiB, 'abcdefgh'), true],
  ])('of %s come back as they were', async (_name, data, isBinary) => {
    const echoed = await echoOf(socket, data)
    expect(echoed.data.equals(Buffer.from(data))).toBe(true)
    expect(echoed.isBinary).toBe(isBinary)
  })

  test('in fragments, with a ping between them, arrive whole', async () => {
    const message = once(peer, 'message')
    const ping = once(peer, 'ping')
    const pong = once(socket, 'pong')
    socket.send('one ', { fin: false })
    socket.ping('still there?')
    socket.send('two ', { fin: false })
    socket.send('three', { fin: true })
    expect(String((await message)[0])).toBe('one two three')
    expect(String((await ping)[0])).toBe('still there?')
    expect(String((await pong)[0])).toBe('still there?')
  })

  test('a ping of the service is answered by the client', async () => {
    const pong = once(peer, 'pong')
    peer.ping('and you?')
    expect(String((await pong)[0])).toBe('and you?')
  })

  test('ten thousand of them keep their order', async () => {
    const sent = Array.from({ length: 10_000 }, (_, index) => String(index))
    const received: string[] = []
    const all = new Promise<void>(resolve => {
      socket.on('message', data => {
        received.push(String(data))
        if (received.length === sent.length) resolve()
      })
    })
    for (const message of sent) socket.send(message)
    await all
    socket.removeAllListeners('message')
    expect(received).toEqual(sent)
  })
})

describe('the end', () => {
  async function pair(path: string): Promise<{ socket: WebSocket; peer: WebSocket }> {
    const accepted = service.next()
    const socket = await openWebSocket(gateway.url + path, { token })
    return { socket, peer: (await accepted).socket }
  }

  test.each([1000, 1001, 1008, 1011, 3000, 4999])(
    'a Close of the client with code %i reaches the service',
    async code => {
      const { socket, peer } = await pair('/socket/close')
      const closed = [closing(peer), closing(socket)]
      socket.close(code, 'bye')
      expect(await Promise.all(closed)).toEqual([
        { code, reason: 'bye' },
        { code, reason: 'bye' },
      ])
    },
  )

  test('a Close of the service reaches the client', async () => {
    const { socket, peer } = await pair('/socket/close')
    peer.close(4001, 'go away')
    expect(await closing(socket)).toEqual({ code: 4001, reason: 'go away' })
  })

  test('a client that breaks off breaks off the connection of the service', async () => {
    const { socket, peer } = await pair('/socket/dies')
    socket.terminate()
    expect(await closing(peer)).toMatchObject({ code: 1006 })
  })

  test('a service that breaks off breaks off the connection of the client', async () => {
    const { socket, peer } = await pair('/socket/dies')
    peer.terminate()
    expect(await closing(socket)).toMatchObject({ code: 1006 })
  })

  test('is when it is counted and logged; until then it is under way', async () => {
    const key = 'sallyport_requests_total{route="socket",method="GET",code="ok"}'
    const { socket } = await pair('/socket/counted')
    const during = await gateway.metrics()
    expect(during.get('sallyport_requests_in_flight')).toBe(1)
    expect(gateway.logs.filter(({ path }) => path === '/socket/counted')).toEqual([])
    socket.close()
    const line = await gateway.logged({ path: '/socket/counted' })
    expect(line).toMatchObject({ status: 101, code: 'ok', route: 'socket', subject: 'alice', method: 'GET' })
    expect(line).not.toHaveProperty('aborted')
    const after = await gateway.metrics()
    expect(after.get(key)).toBe((during.get(key) ?? 0) + 1)
    expect(after.get('sallyport_requests_in_flight')).toBe(0)
  })
})

describe('a thousand tunnels at once', () => {
  test('each carry their own messages, and leave nothing behind', async () => {
    const count = 1000
    const sockets = await Promise.all(
      Array.from({ length: count }, () => openWebSocket(`${gateway.url}/socket/many`, { token })),
    )
    expect((await gateway.metrics()).get('sallyport_requests_in_flight')).toBe(count)
    const echoes = await Promise.all(sockets.map((socket, index) => echoOf(socket, `message ${index}`)))
    expect(echoes.map(({ data }) => String(data))).toEqual(sockets.map((_, index) => `message ${index}`))
    const closed = sockets.map(closing)
    for (const [index, socket] of sockets.entries()) {
      if (index % 2 === 0) socket.close()
      else socket.terminate()
    }
    await Promise.all(closed)
    while ((await gateway.metrics()).get('sallyport_requests_in_flight') !== 0);
    while (service.sockets.size > 0) await Promise.all([...service.sockets].map(socket => once(socket, 'close')))
    expect((await gateway.request('/open')).status).toBe(426)
  })
})

test('a service that does not upgrade is heard: its answer is the answer', async () => {
  const plain = await startWebSocketService({ path: '/elsewhere' })
  const other = await startTestGateway({
    upstreams: { app: plain.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  const { status, text } = await refusedHandshake(`${other.url}/here`)
  expect(status).toBe(400)
  expect(text).toBe('Bad Request')
  expect((await other.metrics()).get('sallyport_responses_total{route="all",status_class="4xx"}')).toBe(1)
  await other.close()
  await plain.close()
})

test('when the gateway is closed, clients are told to come back elsewhere', async () => {
  const other = await startTestGateway({
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  const accepted = service.next()
  const socket = webSocket(`${other.url}/x`)
  await once(socket, 'open')
  const { socket: peer } = await accepted
  const closed = Promise.all([closing(socket), closing(peer)])
  await other.close()
  expect((await closed).map(({ code }) => code)).toEqual([1001, 1001])
})
