/** A tunnel on which nothing passes does not hold its connections for ever; whoever says anything keeps it open. */
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { WebSocket } from 'ws'
import { systemClock } from '../../src/lib/clock.ts'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { QUICK_ROUNDS, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startRawUpstream } from '../support/services/raw-upstream.ts'
import {
  closing,
  handshakeBytes,
  openWebSocket,
  SWITCHING,
  startWebSocketService,
  type WebSocketService,
} from '../support/services/websocket-service.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const MiB = 1024 * 1024
const IDLE = { code: 1001, reason: 'nothing was sent for too long' }
const IDLE_FRAME = `\x88\x1f\x03\xe9${IDLE.reason}`

/** The time that has passed on the monotonic clock, and the one that the wall clock is ahead. */
let passedMs: number
let laterMs: number
const clock = {
  nowMs: () => systemClock.nowMs() + laterMs,
  monotonicMs: () => systemClock.monotonicMs() + passedMs,
}

let issuer: TestIssuer
/** A service on which {@link round} has its own tunnels. */
let other: WebSocketService
const open: Array<{ close(): Promise<unknown> }> = []
beforeEach(async () => {
  passedMs = 0
  laterMs = 0
  issuer = await startTestIssuer()
  other = await startWebSocketService()
  open.push(issuer, other)
})
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

async function started(url: string, config: Record<string, unknown> = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(
    {
      providers: { main: { ...testProvider(issuer), clockTolerance: '0s' } },
      upstreams: { app: url, other: other.url },
      // A client that reads nothing is let go for that elsewhere.
      limits: { bodyIdleTimeout: '500h' },
      ...config,
      routes: [
        { id: 'open', path: '/open', upstream: 'app', access: 'public' },
        { id: 'short', path: '/short', upstream: 'app', access: 'public', streams: { idleTimeout: '5m' } },
        {
          id: 'report',
          path: '/report',
          upstream: 'app',
          mode: 'report',
          streams: { onExpiry: 'keep', idleTimeout: '5m' },
        },
        { id: 'round', path: '/round', upstream: 'other' },
      ],
    },
    { clock, scheduler: QUICK_ROUNDS },
  )
  open.push(gateway)
  return gateway
}

/** Waits until all tunnels have been looked at: one whose token expires is closed in the same round. */
async function round(gateway: TestGateway): Promise<void> {
  const exp = Math.ceil(clock.nowMs() / 1000) + 60
  const end = closing(await openWebSocket(`${gateway.url}/round`, { token: await issuer.mint({ exp }) }))
  laterMs += 2 * MINUTE_MS
  expect((await end).code).toBe(1008)
}

describe('a WebSocket', () => {
  let service: WebSocketService
  beforeEach(async () => {
    service = await startWebSocketService()
    open.push(service)
  })

  async function pair(gateway: TestGateway, path: string): Promise<{ socket: WebSocket; peer: WebSocket }> {
    const accepted = service.next()
    const socket = await openWebSocket(gateway.url + path)
    return { socket, peer: (await accepted).socket }
  }

  test('is closed at both ends after an hour of silence, which is counted and logged', async () => {
    const gateway = await started(service.url)
    const count = 'sallyport_streams_closed_total{route="open",reason="idle"}'
    expect((await gateway.metrics()).get(count)).toBe(0)
    const { socket, peer } = await pair(gateway, '/open')
    const ends = Promise.all([closing(socket), closing(peer)])
    await round(gateway)
    passedMs = HOUR_MS - MINUTE_MS
    await round(gateway)
    expect(socket.readyState).toBe(socket.OPEN)
    passedMs = HOUR_MS + MINUTE_MS
    expect(await ends).toEqual([IDLE, IDLE])
    expect(await gateway.logged({ path: '/open', closed: 'idle' })).toMatchObject({ status: 101, code: 'ok' })
    const metrics = await gateway.metrics()
    expect(metrics.get(count)).toBe(1)
    expect(metrics.get('sallyport_requests_in_flight')).toBe(0)
  })

  test('gets its time anew with each message, Ping and Pong, whoever sends it', async () => {
    const gateway = await started(service.url)
    const pairs = [await pair(gateway, '/open'), await pair(gateway, '/open'), await pair(gateway, '/open')] as const
    const [asking, answering, pinging] = pairs
    for (const minutes of [0, 59, 118, 177]) {
      passedMs = minutes * MINUTE_MS
      const heard = [once(asking.peer, 'message'), once(answering.socket, 'message'), once(pinging.peer, 'pong')]
      asking.socket.send('here')
      answering.peer.send('here')
      pinging.peer.ping()
      await Promise.all(heard)
      await round(gateway)
    }
    const sockets = pairs.map(({ socket }) => socket)
    expect(sockets.every(socket => socket.readyState === socket.OPEN)).toBe(true)
    const ends = Promise.all(sockets.map(closing))
    passedMs += HOUR_MS
    expect(await ends).toEqual([IDLE, IDLE, IDLE])
  })

  test('has the time of its route, else the general one, whether or not its route only reports', async () => {
    const gateway = await started(service.url, { streams: { idleTimeout: '2h' } })
    const general = await pair(gateway, '/open')
    const ends = Promise.all(
      [await pair(gateway, '/short'), await pair(gateway, '/report')].map(({ socket }) => closing(socket)),
    )
    await round(gateway)
    passedMs = 5 * MINUTE_MS
    expect(await ends).toEqual([IDLE, IDLE])
    passedMs = 2 * HOUR_MS - MINUTE_MS
    await round(gateway)
    expect(general.socket.readyState).toBe(general.socket.OPEN)
    const end = closing(general.socket)
    passedMs = 2 * HOUR_MS + MINUTE_MS
    expect(await end).toEqual(IDLE)
  })
})

describe('byte by byte', () => {
  async function tunnel() {
    const upstream = await startRawUpstream()
    open.push(upstream)
    const gateway = await started(upstream.url)
    const accepted = upstream.next()
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write(handshakeBytes('/open'))
    const peer = await accepted
    await peer.until(/\r\n\r\n/)
    peer.write(SWITCHING)
    const head = await client.until(/\r\n\r\n/)
    return { gateway, client, peer, received: () => client.received().slice(head.length) }
  }

  test('a client that reads slowly what waits for it is not silent, and one that stops reading is', async () => {
    const { gateway, client, peer } = await tunnel()
    client.socket.pause()
    peer.write(Buffer.alloc(128 * MiB))
    for (let minutes = 0; minutes < 180; minutes += 50) {
      passedMs = minutes * MINUTE_MS
      await round(gateway)
      await read(client, 16 * MiB)
    }
    await round(gateway)
    expect(client.socket.destroyed).toBe(false)
    let isTold = false
    const told = peer.until(/\x88\x9f/).then(() => {
      isTold = true
    })
    // What the client's system still takes in counts as read, and the hour then begins anew.
    while (!isTold) {
      passedMs += HOUR_MS
      await round(gateway)
    }
    await told
    await peer.closed
    expect(await gateway.logged({ path: '/open' })).toMatchObject({ closed: 'idle' })
    client.socket.destroy()
  })

  test('a frame that stops in its middle is cut, and a half that was closed already stays closed', async () => {
    const { gateway, client, peer, received } = await tunnel()
    client.socket.allowHalfOpen = true
    peer.socket.allowHalfOpen = true
    const ended = once(peer.socket, 'end')
    client.socket.end(Buffer.from('\x82\x85\0\0\0\0hello', 'latin1'))
    await ended
    peer.write(Buffer.from('\x81\x05he', 'latin1'))
    await client.until(/he$/)
    await round(gateway)
    passedMs = HOUR_MS + MINUTE_MS
    await client.closed
    expect(received()).toBe('\x81\x05he')
    expect(peer.received()).toMatch(/hello$/)
    await gateway.logged({ path: '/open', closed: 'idle' })
    peer.socket.destroy()
  })

  test('the Close comes after the frame under way', async () => {
    const { gateway, client, peer, received } = await tunnel()
    peer.write(Buffer.from('\x81\x05he', 'latin1'))
    await client.until(/he$/)
    await round(gateway)
    const told = peer.until(/\x88\x9f/)
    passedMs = HOUR_MS + MINUTE_MS
    await told
    peer.write(Buffer.from('llo\x81\x04more', 'latin1'))
    await client.closed
    expect(received()).toBe(`\x81\x05hello${IDLE_FRAME}`)
  })

  test('an answer that is no tunnel may be silent for longer', async () => {
    const upstream = await startRawUpstream()
    open.push(upstream)
    const gateway = await started(upstream.url)
    const accepted = upstream.next()
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write('GET /short HTTP/1.1\r\nHost: a\r\n\r\n')
    const peer = await accepted
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\non')
    await client.until(/on$/)
    await round(gateway)
    passedMs = HOUR_MS
    await round(gateway)
    peer.write('ce')
    await client.until(/once$/)
    client.socket.destroy()
  })
})

async function read({ socket, received }: RawClient, bytes: number): Promise<void> {
  const wanted = received().length + bytes
  socket.resume()
  while (received().length < wanted) await once(socket, 'data')
  socket.pause()
}
