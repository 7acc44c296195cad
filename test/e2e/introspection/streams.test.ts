/**
 * What an opaque token has opened goes on for as long as its server says so (RFC 7662 §4): WebSockets, answers and
 * uploads.
 *
 * The clock of the gateway stands still unless a test moves it, so that questions can be counted.
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import { atEnd } from '../../support/at-end.ts'
import { type RawClient, rawClient } from '../../support/clients/raw-client.ts'
import { bearer, QUICK_ROUNDS, startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { FAULTS } from '../../support/services/answer-faults.ts'
import {
  type IntrospectionEndpoint,
  startIntrospectionEndpoint,
} from '../../support/services/introspection-endpoint.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import {
  closing,
  openWebSocket,
  startWebSocketService,
  type WebSocketService,
} from '../../support/services/websocket-service.ts'
import { activeAnswer, opaqueProvider, opaqueToken, outcomeOf, SECRET } from './support.ts'

const TTL_MS = 1_000
/** From then on it is asked again. */
const AHEAD_MS = 900
const MAX_STALE_MS = 10_000
const INACTIVE = { code: 1008, reason: 'the access token is not active any more' }
const UNCONFIRMED = { code: 1013, reason: 'nobody can tell whether the access token is still active' }

type OpenSocket = Awaited<ReturnType<typeof openWebSocket>>

interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

let sockets: WebSocketService
let service: TestUpstream
const arrivals = new Map<string, Arrival>()
beforeAll(async () => {
  sockets = await startWebSocketService()
  service = await startTestUpstream((request, response) => {
    request.on('error', () => {})
    arrivals.set(request.url ?? '', { request: request.resume(), response })
    if (request.method === 'GET') response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: 1\n\n')
  })
})
afterAll(async () => {
  await Promise.all([sockets.close(), service.close()])
})

let nowMs: number
let endpoint: IntrospectionEndpoint
let gateway: TestGateway
beforeEach(async () => {
  arrivals.clear()
  const startMs = systemClock.nowMs()
  nowMs = 0
  const clock: Clock = { nowMs: () => startMs + nowMs, monotonicMs: () => nowMs }
  endpoint = await startIntrospectionEndpoint()
  const cache = { ttl: '1s', inactiveTtl: '10s' }
  const askedAt = (rest: Readonly<Record<string, unknown>>) => opaqueProvider(endpoint, rest)
  gateway = await startTestGateway(
    {
      providers: {
        closed: askedAt({ tokens: { jwts: false }, cache }),
        patient: { ...askedAt({ cache: { ...cache, maxStale: '10s' } }), issuer: 'https://patient.example.com' },
      },
      upstreams: { sockets: sockets.url, http: service.url },
      routes: [
        { id: 'socket', path: '/socket', providers: ['closed'], upstream: 'sockets' },
        { id: 'kept', path: '/kept', providers: ['closed'], streams: { onExpiry: 'keep' }, upstream: 'sockets' },
        { id: 'report', path: '/report', providers: ['closed'], mode: 'report', upstream: 'sockets' },
        { id: 'patient', path: '/patient', providers: ['patient'], upstream: 'sockets' },
        { id: 'http', path: '/**', providers: ['closed'], upstream: 'http' },
      ],
    },
    { clock, scheduler: QUICK_ROUNDS, files: { secret: SECRET } },
  )
  atEnd(gateway.close)
})

function activeToken(): string {
  const token = opaqueToken()
  endpoint.tokens.set(token, activeAnswer())
  return token
}

async function pair(path: string, token: string) {
  const accepted = sockets.next()
  const socket = await openWebSocket(gateway.url + path, { token })
  return { socket, peer: (await accepted).socket }
}

async function expectOpen(socket: OpenSocket): Promise<void> {
  socket.send('still?')
  expect(String((await once(socket, 'message'))[0])).toBe('still?')
}

function client(): RawClient {
  return rawClient(Number(new URL(gateway.url).port))
}

async function arrived(path: string): Promise<Arrival> {
  for (;;) {
    const found = arrivals.get(path)
    if (found !== undefined) return found
    await service.arrival()
  }
}

const asked = (token: string): number => endpoint.questions.filter(({ form }) => form.get('token') === token).length
const askedTimes = (token: string, count: number) => expect.poll(() => asked(token), { timeout: 10_000 }).toBe(count)

async function metric(name: string): Promise<number> {
  return (await gateway.metrics()).get(`sallyport_${name}`) ?? 0
}
const closed = (route: string, reason: string) => metric(`streams_closed_total{route="${route}",reason="${reason}"}`)
const counted = (provider: string, result: string) =>
  metric(`introspections_total{provider="${provider}",result="${result}"}`)

describe('after the server has called its token inactive', () => {
  test.each(['socket', 'kept'])('a WebSocket on the route %s is closed with 1008 at both ends', async route => {
    const token = activeToken()
    const { socket, peer } = await pair(`/${route}`, token)
    const other = await pair(`/${route}`, activeToken())
    const ends = Promise.all([closing(socket), closing(peer)])
    endpoint.tokens.delete(token)
    nowMs += AHEAD_MS
    expect(await ends).toEqual([INACTIVE, INACTIVE])
    expect(asked(token)).toBe(2)
    expect(await gateway.logged({ route, closed: 'inactive' })).toMatchObject({ status: 101, code: 'ok' })
    expect([await closed(route, 'inactive'), await closed(route, 'unconfirmed')]).toEqual([1, 0])
    await expectOpen(other.socket)
    other.socket.terminate()
    expect(await outcomeOf(gateway, '/next', bearer(token))).toBe('401 token_inactive')
    expect(asked(token)).toBe(2)
  })

  test('an event stream is cut, and its client can tell that it did not end', async () => {
    const token = activeToken()
    const reader = client()
    reader.write(`GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    await reader.until(/data: 1/)
    const gone = once((await arrived('/events')).response, 'close')
    endpoint.tokens.delete(token)
    nowMs += AHEAD_MS
    const { text } = await reader.closed
    await gone
    expect(text).toContain('data: 1')
    expect(text).not.toMatch(/0\r\n\r\n$/)
    expect(await gateway.logged({ path: '/events', closed: 'inactive' })).toMatchObject({ status: 200, aborted: true })
    expect(await closed('http', 'inactive')).toBe(1)
  })

  test('an upload is refused while it is under way, and the service sees it cut', async () => {
    const token = activeToken()
    const sender = client()
    sender.write(
      `POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Length: 99\r\n\r\nbegin`,
    )
    const { request } = await arrived('/upload')
    const cut = new Promise(resolve => request.once('close', resolve))
    endpoint.tokens.delete(token)
    nowMs += AHEAD_MS
    expect(await sender.until(/token_inactive/)).toMatch(/^HTTP\/1.1 401 .*error="invalid_token"/s)
    await cut
    expect(request.complete).toBe(false)
    expect(await gateway.logged({ path: '/upload', code: 'token_inactive' })).toMatchObject({ status: 401 })
    expect(await closed('http', 'inactive')).toBe(1)
  })

  test('a stream ends by what a request has learned, without a question of its own', async () => {
    const token = activeToken()
    const { socket } = await pair('/socket', token)
    const end = closing(socket)
    endpoint.tokens.delete(token)
    nowMs += TTL_MS
    const outcome = outcomeOf(gateway, '/next', bearer(token))
    expect([await outcome, await end]).toEqual(['401 token_inactive', INACTIVE])
    expect(asked(token)).toBe(2)
  })

  test('a stream on a report-only route goes on', async () => {
    const token = activeToken()
    const reported = await pair('/report', token)
    const enforced = await pair('/socket', token)
    const end = closing(enforced.socket)
    endpoint.tokens.delete(token)
    nowMs += AHEAD_MS
    expect(await end).toEqual(INACTIVE)
    nowMs += 10 * TTL_MS
    const later = await pair('/socket', activeToken())
    const laterEnd = closing(later.socket)
    endpoint.tokens.clear()
    nowMs += AHEAD_MS
    // The round that has ended this one has looked at the other, too.
    expect(await laterEnd).toEqual(INACTIVE)
    await expectOpen(reported.socket)
    reported.socket.terminate()
    expect(await closed('report', 'inactive')).toBe(0)
  })
})

test('a token that is active still, but not for this audience any more, ends its streams', async () => {
  const token = activeToken()
  const { socket } = await pair('/socket', token)
  const end = closing(socket)
  endpoint.tokens.set(token, activeAnswer({ aud: 'https://other.example.com' }))
  nowMs += AHEAD_MS
  expect(await end).toEqual(INACTIVE)
})

test('a token that stays active keeps its streams, which cost one question for each ttl, however many they are', async () => {
  const STREAMS = 100
  const ROUNDS = 4
  const token = activeToken()
  const open: OpenSocket[] = []
  for (let opened = 0; opened < STREAMS; opened += 1) open.push((await pair('/socket', token)).socket)
  const reader = client()
  reader.write(`GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  await reader.until(/data: 1/)
  expect(asked(token)).toBe(1)
  for (let round = 1; round <= ROUNDS; round += 1) {
    nowMs += AHEAD_MS
    await askedTimes(token, 1 + round)
    await expect.poll(() => counted('closed', 'active')).toBe(1 + round)
  }
  const last = activeToken()
  const { socket } = await pair('/socket', last)
  const end = closing(socket)
  endpoint.tokens.delete(last)
  nowMs += AHEAD_MS
  // Everybody was looked at once more by then.
  expect(await end).toEqual(INACTIVE)
  expect(asked(token)).toBe(1 + ROUNDS + 1)
  await Promise.all(open.map(expectOpen))
  ;(await arrived('/events')).response.end('data: 2\n\n')
  await reader.until(/data: 2\n\n\r\n0\r\n\r\n$/)
  for (const each of open) each.terminate()
  expect([await closed('socket', 'inactive'), await closed('socket', 'unconfirmed')]).toEqual([1, 0])
})

describe('while the server does not answer', () => {
  test('streams go on for ttl and maxStale, and end as unconfirmed after', async () => {
    const token = activeToken()
    const { socket, peer } = await pair('/patient', token)
    const ends = Promise.all([closing(socket), closing(peer)])
    await endpoint.down()
    nowMs = AHEAD_MS
    await expect.poll(() => counted('patient', 'error'), { timeout: 10_000 }).toBe(1)
    nowMs = TTL_MS
    await expect.poll(() => counted('patient', 'open'), { timeout: 10_000 }).toBe(1)
    nowMs = TTL_MS + MAX_STALE_MS - 1
    await expect.poll(() => counted('patient', 'open'), { timeout: 10_000 }).toBe(2)
    await expectOpen(socket)
    expect(await closed('patient', 'unconfirmed')).toBe(0)
    nowMs = TTL_MS + MAX_STALE_MS
    expect(await ends).toEqual([UNCONFIRMED, UNCONFIRMED])
    expect(await gateway.logged({ route: 'patient', closed: 'unconfirmed' })).toMatchObject({ status: 101, code: 'ok' })
    expect([await closed('patient', 'inactive'), await closed('patient', 'unconfirmed')]).toEqual([0, 1])
    expect(await outcomeOf(gateway, '/patient', bearer(token))).toBe('503 introspection_unavailable')
  })

  test('streams that outlived a part of it are kept by the first answer after', async () => {
    const token = activeToken()
    const { socket } = await pair('/patient', token)
    await endpoint.down()
    nowMs = TTL_MS
    await expect.poll(() => counted('patient', 'open'), { timeout: 10_000 }).toBe(1)
    await endpoint.up()
    nowMs = MAX_STALE_MS
    await askedTimes(token, 2)
    await expect.poll(() => counted('patient', 'active')).toBe(2)
    nowMs = TTL_MS + MAX_STALE_MS
    await askedTimes(token, 3)
    await expectOpen(socket)
    socket.terminate()
    expect(await closed('patient', 'unconfirmed')).toBe(0)
  })

  test.each(['hang', 'unauthorized'] as const)(
    'a WebSocket without maxStale ends as unconfirmed once its ttl is over: %s',
    async fault => {
      const { socket } = await pair('/socket', activeToken())
      const end = closing(socket)
      endpoint.answerWith(FAULTS[fault])
      nowMs = AHEAD_MS
      await endpoint.asked(2)
      await expectOpen(socket)
      nowMs = 3 * TTL_MS
      expect(await end).toEqual(UNCONFIRMED)
      expect(await closed('socket', 'unconfirmed')).toBe(1)
    },
  )

  test('an event stream is cut, and an upload is told that nobody can be asked', async () => {
    const token = activeToken()
    const [reader, sender] = [client(), client()]
    reader.write(`GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    await reader.until(/data: 1/)
    sender.write(
      `POST /upload HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Length: 99\r\n\r\nbegin`,
    )
    const { request } = await arrived('/upload')
    await endpoint.down()
    nowMs = TTL_MS
    expect(await sender.until(/introspection_unavailable/)).toMatch(/^HTTP\/1.1 503 .*retry-after: \d/is)
    expect((await reader.closed).text).not.toMatch(/0\r\n\r\n$/)
    expect(request.complete).toBe(false)
    await gateway.logged({ path: '/events', closed: 'unconfirmed' })
    expect(await closed('http', 'unconfirmed')).toBe(2)
  })

  test('a stream on a report-only route goes on', async () => {
    const token = activeToken()
    const reported = await pair('/report', token)
    const enforced = await pair('/socket', token)
    const end = closing(enforced.socket)
    await endpoint.down()
    nowMs = 10 * TTL_MS
    expect(await end).toEqual(UNCONFIRMED)
    await expectOpen(reported.socket)
    reported.socket.terminate()
    expect(await closed('report', 'unconfirmed')).toBe(0)
  })
})
