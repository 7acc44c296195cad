/** What is open ends when its token is revoked: WebSockets, answers and uploads, over each version of HTTP. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import {
  closing,
  openWebSocket,
  startWebSocketService,
  type WebSocketService,
} from '../support/services/websocket-service.ts'

let issuer: TestIssuer
let sockets: WebSocketService
let service: TestUpstream
let gateway: TestGateway
const arrivals = new Map<string, { readonly request: IncomingMessage; readonly response: ServerResponse }>()

beforeAll(async () => {
  issuer = await startTestIssuer()
  sockets = await startWebSocketService()
  service = await startTestUpstream((request, response) => {
    request.on('error', () => {})
    arrivals.set(request.url ?? '', { request: request.resume(), response })
    if (request.method === 'GET') response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
  })
})
beforeEach(async () => {
  gateway = await startTestGateway(
    {
      providers: { main: testProvider(issuer) },
      upstreams: { app: service.url, sockets: sockets.url },
      revocation: { file: 'revoked.yaml' },
      routes: [
        { id: 'kept', path: '/kept', streams: { onExpiry: 'keep' }, upstream: 'sockets' },
        { id: 'report', path: '/report', mode: 'report', upstream: 'sockets' },
        { id: 'http', path: '/**', upstream: 'app' },
      ],
    },
    { files: { 'revoked.yaml': '' } },
  )
})
afterEach(() => gateway.close())
afterAll(async () => {
  await Promise.all([service.close(), sockets.close(), issuer.close()])
})

/** Revokes as the operator would, by the file. */
async function revoke(sub: string): Promise<void> {
  const before = Math.floor(Date.now() / 1000) + 1
  gateway.write('revoked.yaml', `- { issuer: "${issuer.issuer}", sub: ${sub}, before: ${before} }`)
  await gateway.running.reload()
}

const closed = async (route: string): Promise<number | undefined> =>
  (await gateway.metrics()).get(`sallyport_streams_closed_total{route="${route}",reason="revoked"}`)

test('a WebSocket is closed with 1008 at both ends, on a route that keeps streams, too', async () => {
  const accepted = sockets.next()
  const socket = await openWebSocket(`${gateway.url}/kept`, { token: await issuer.mint({ sub: 'alice' }) })
  const { socket: peer } = await accepted
  const stays = await openWebSocket(`${gateway.url}/kept`, { token: await issuer.mint({ sub: 'bob' }) })
  const ends = Promise.all([closing(socket), closing(peer)])
  await revoke('alice')
  const expected = { code: 1008, reason: 'the access token was revoked' }
  expect(await ends).toEqual([expected, expected])
  expect(await gateway.logged({ path: '/kept', closed: 'revoked' })).toMatchObject({ status: 101, code: 'ok' })
  expect(await closed('kept')).toBe(1)
  stays.send('still?')
  expect(String((await once(stays, 'message'))[0])).toBe('still?')
  stays.terminate()
})

test('on a report-only route it stays', async () => {
  const reported = await openWebSocket(`${gateway.url}/report`, { token: await issuer.mint({ sub: 'alice' }) })
  const enforced = await openWebSocket(`${gateway.url}/kept`, { token: await issuer.mint({ sub: 'alice' }) })
  const end = closing(enforced)
  await revoke('alice')
  await end
  reported.send('still?')
  expect(String((await once(reported, 'message'))[0])).toBe('still?')
  reported.terminate()
})

test('an event stream is cut, and its client can tell that it did not end', async () => {
  const client = rawClient(Number(new URL(gateway.url).port))
  client.write(
    `GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${await issuer.mint({ sub: 'alice' })}\r\n\r\n`,
  )
  await client.until(/data: 1/)
  const gone = new Promise(resolve => arrivals.get('/events')?.response.once('close', resolve))
  await revoke('alice')
  await client.closed
  await gone
  expect(client.received()).not.toMatch(/0\r\n\r\n$/)
  expect(await gateway.logged({ path: '/events', closed: 'revoked' })).toMatchObject({ status: 200 })
  expect(await closed('http')).toBe(1)
})

test('an answer that begins after the revocation, to a request that was let in before it, is cut', async () => {
  const client = rawClient(Number(new URL(gateway.url).port))
  const token = await issuer.mint({ sub: 'alice' })
  client.write(`REPORT /slow HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  await expect.poll(() => arrivals.has('/slow')).toBe(true)
  await revoke('alice')
  const { response } = arrivals.get('/slow') ?? {}
  response?.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
  await client.closed
  expect(await gateway.logged({ path: '/slow', closed: 'revoked' })).toMatchObject({ status: 200 })
})

test('an upload is refused while it is under way', async () => {
  const client = rawClient(Number(new URL(gateway.url).port))
  const token = await issuer.mint({ sub: 'alice' })
  client.write(`POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\nbegin`)
  await expect.poll(() => arrivals.has('/upload')).toBe(true)
  const cut = new Promise(resolve => arrivals.get('/upload')?.request.once('close', resolve))
  await revoke('alice')
  await client.until(/token_revoked/)
  expect(client.received()).toMatch(/^HTTP\/1.1 401 /)
  await cut
  expect(arrivals.get('/upload')?.request.complete).toBe(false)
})

test('the next request with the token is refused', async () => {
  const token = await issuer.mint({ sub: 'alice' })
  await revoke('alice')
  const { status, headers, json } = await gateway.request('/next', { headers: { Authorization: `Bearer ${token}` } })
  expect(status).toBe(401)
  expect(headers['www-authenticate']).toContain('error="invalid_token"')
  expect(json().code).toBe('token_revoked')
  expect(await gateway.logged({ code: 'token_revoked' })).toMatchObject({
    provider: 'main',
    evidence: { revoked_by: 'sub', source: 'file' },
  })
})
