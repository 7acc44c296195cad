/** What Node hands to an application past Fastify is judged like everything else: WebSockets above all. */
import { once } from 'node:events'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { testProvider } from '../support/gateway/gateway.ts'
import { type GuardedApp, startGuardedApp } from '../support/gateway/guarded-app.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startKeyServer } from '../support/services/key-server.ts'

let issuer: TestIssuer
let guarded: GuardedApp
let handshakes = 0

beforeAll(async () => {
  issuer = await startTestIssuer()
  guarded = await startGuardedApp({
    config: {
      providers: { main: testProvider(issuer) },
      credentials: ['authorization', { websocketProtocol: 'bearer' }],
      routes: [
        { id: 'live', path: '/live', require: { scopes: ['live'] } },
        { id: 'open', path: '/open', access: 'public' },
      ],
    },
    routes: echoes,
  })
})
afterAll(async () => {
  await guarded.close()
  await issuer.close()
})

/** Greets with what it reads of the caller, and sends back what comes. */
function echoes({ server }: FastifyInstance): void {
  const sockets = new WebSocketServer({ noServer: true })
  server.on('upgrade', (request, socket, head) => {
    handshakes++
    sockets.handleUpgrade(request, socket, head, client => {
      client.send(JSON.stringify(request.headers))
      client.on('message', data => client.send(data))
    })
  })
  server.on('connect', (_request, socket) => {
    handshakes++
    socket.end('HTTP/1.1 200 OK\r\n\r\n')
  })
  server.on('checkContinue', (_request, response) => {
    handshakes++
    response.end('unguarded')
  })
}

async function greeted(path: string, headers: Record<string, string>, protocols: readonly string[] = []) {
  const client = new WebSocket(`ws://127.0.0.1:${guarded.port}${path}`, [...protocols], { headers })
  const [data] = await once(client, 'message')
  const told = JSON.parse(String(data)) as Record<string, string>
  client.send('hello')
  const [echoed] = await once(client, 'message')
  const { protocol } = client
  client.terminate()
  return { told, echoed: String(echoed), protocol }
}

const HANDSHAKE = ['Host: app.example', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13']
const KEY = 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='

function asking(line: string, ...lines: readonly string[]): string {
  return `${[`${line} HTTP/1.1`, ...HANDSHAKE, KEY, ...lines].join('\r\n')}\r\n\r\n`
}

test.for([
  ['no token', 401, 'token_missing', asking('GET /live')],
  ['no route', 404, 'route_unknown', asking('GET /nowhere')],
  ['a path that is read in two ways', 400, 'path_invalid', asking('GET /open/..%2flive')],
  ['a method of no route', 400, 'request_malformed', 'CONNECT app.example:80 HTTP/1.1\r\nHost: app.example:80\r\n\r\n'],
  [
    'a body that waits for 100',
    401,
    'token_missing',
    'PUT /live HTTP/1.1\r\nHost: app.example\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n',
  ],
] as const)('a handshake with %s is refused, and nobody who listens hears of it', async ([, status, code, bytes]) => {
  const before = handshakes
  const reply = await guarded.exchange(bytes)
  expect([reply?.status, JSON.parse(reply?.body ?? '{}')]).toEqual([status, expect.objectContaining({ code })])
  expect(handshakes).toBe(before)
})

test('a handshake with a good token passes, with the identity and without forgeries', async () => {
  const token = await issuer.mint({ scope: 'live' })
  const { told, echoed } = await greeted('/live', { authorization: `Bearer ${token}`, X_Auth_Subject: 'forged' })
  expect(told).toMatchObject({ 'x-auth-subject': 'alice', upgrade: 'websocket' })
  expect(told.authorization).toBeUndefined()
  expect(JSON.stringify(told)).not.toContain('forged')
  expect(echoed).toBe('hello')
  expect((await greeted('/open', {})).echoed).toBe('hello')
})

test('a token that comes as a subprotocol does not reach the application, which agrees on its name', async () => {
  const token = await issuer.mint({ scope: 'live' })
  const alone = await greeted('/live', {}, ['bearer', token])
  expect(JSON.stringify(alone.told)).not.toContain(token)
  expect(alone.protocol).toBe('bearer')
  const beside = await greeted('/live', {}, ['chat', 'bearer', token])
  expect([beside.told['sec-websocket-protocol'], beside.protocol]).toEqual(['chat', 'chat'])
})

test('a handshake that waits for keys passes when they are there, with what was sent behind it', async () => {
  const slow = await startKeyServer()
  const { promise: asked, resolve: answer } = Promise.withResolvers<void>()
  const jwks = await (await fetch(issuer.jwksUri)).text()
  slow.answer(
    (_request, response) => void asked.then(() => response.setHeader('content-type', 'application/json').end(jwks)),
  )
  const waiting = await startGuardedApp({
    config: {
      providers: { main: { ...testProvider(issuer), keys: { jwksUri: slow.url } } },
      routes: [{ id: 'live', path: '/live' }],
    },
    routes: echoes,
  })
  try {
    const headers = { authorization: `Bearer ${await issuer.mint()}` }
    const client = new WebSocket(`ws://127.0.0.1:${waiting.port}/live`, { headers })
    const greeting = once(client, 'message')
    await slow.received(1)
    answer()
    expect(String((await greeting)[0])).toContain('alice')
    client.terminate()
  } finally {
    await waiting.close()
  }
})
