/**
 * A refused request keeps nothing of what it brought, and its refusal leaves, or is given up within seconds.
 *
 * Found in the field: 46 connections of HTTP/2 without a token, each with a window of nothing and 128 requests of 14
 * KiB, exhausted a heap of 96 MB. No refusal could leave, and each kept the whole head of its request.
 */
import { EventEmitter, once } from 'node:events'
import { connect as connectHttp2, createSecureServer, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { Http2Request } from '../../src/downstream/http2-request.ts'
import { Http2Response } from '../../src/downstream/http2-response.ts'
import { http2Sessions } from '../../src/downstream/http2-sessions.ts'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import {
  CODES,
  data,
  END_HEADERS,
  type Field,
  type Http2Frames,
  headers,
  http2Frames,
  requestFields,
  SETTINGS,
  TYPES,
} from '../support/clients/http2-frame-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { manualTime } from '../support/manual-time.ts'
import { get, HTTP2_STACKS, type Http2Stack, type RawStack, startRawStack } from '../support/raw.ts'
import { echo, startTestUpstream } from '../support/services/upstream.ts'

const CONNECTIONS = 46
const REQUESTS = 128
const NO_WINDOW = { [SETTINGS.initialWindowSize]: 0 }
const ids = Array.from({ length: REQUESTS }, (_, i) => 1 + 2 * i)
/** Its loop is never busy to a gateway that asks: how busy the machine is must not decide which refusal it gives. */
const NEVER_BUSY = `import { performance } from 'node:perf_hooks'
  performance.eventLoopUtilization = () => ({ idle: 1, active: 0, utilization: 0 })`
/** Kept, the heads of one test would not fit into the heap. */
const NODE_ARGS = ['--max-old-space-size=96', '--import', `data:text/javascript,${encodeURIComponent(NEVER_BUSY)}`]

let lines = 0
/** Lines of 14 KiB that nobody has sent before. */
function distinctFields(): Field[] {
  return Array.from({ length: 20 }, () => [`x-${lines++}`, 'v'.repeat(700)] as const)
}

describe.each(HTTP2_STACKS)('over $name', ({ startStack }) => {
  let stack: Http2Stack
  beforeAll(async () => {
    stack = await startStack(undefined, undefined, NODE_ARGS)
  })
  afterAll(() => stack.close())

  async function connected(settings = {}): Promise<Http2Frames> {
    const client = await http2Frames(stack.url, stack.ca, settings)
    atEnd(() => client.socket.destroy())
    return client
  }

  test('requests whose refusals are not read are over, and take no memory', async () => {
    for (let connection = 0; connection < CONNECTIONS; connection++) {
      const client = await connected(NO_WINDOW)
      client.write(...ids.map(id => headers(id, requestFields('GET', '/private/x', distinctFields()))))
      for (const id of ids) expect(await client.ended(id)).toMatchObject({ status: 401, body: '', how: 'whole' })
    }
    await stack.idle()
    await stack.control()
  })

  test.for([
    ['the head alone where the window is closed', NO_WINDOW, false],
    ['the whole refusal where it is open', {}, true],
  ] as const)('a client that has more to send gets %s, and then is told to stop', async ([, settings, hasBody]) => {
    const client = await connected(settings)
    client.write(...ids.flatMap(id => [headers(id, requestFields('POST', '/private/x'), END_HEADERS), data(id, 'x')]))
    for (const id of ids) {
      const { status, body, how } = await client.ended(id)
      expect([status, body !== '', how]).toEqual([401, hasBody, 'whole'])
      const { payload } = await client.until(({ type, id: of }) => type === TYPES.reset && of === id)
      expect(payload.readUInt32BE(0)).toBe(CODES.none)
    }
    await stack.idle()
  })

  test('a head alone says nothing of a body', async () => {
    const client = connectHttp2(stack.url.replace('127.0.0.1', 'localhost'), {
      ca: stack.ca,
      settings: { initialWindowSize: 0 },
    } as Parameters<typeof connectHttp2>[1])
    atEnd(() => client.destroy())
    const request = client.request({ ':path': '/private/x' })
    const [answer] = await once(request, 'response')
    expect(answer).toMatchObject({ ':status': 401, 'cache-control': 'no-store' })
    expect([answer['content-length'], answer['content-type'], answer['www-authenticate']]).toEqual([
      undefined,
      undefined,
      expect.stringContaining('Bearer'),
    ])
  })
})

describe('over HTTP/1.1', () => {
  let stack: RawStack
  beforeAll(async () => {
    const service = await startTestUpstream((request, response) => {
      if (request.url !== '/public/held') echo(request, response)
    })
    stack = await startRawStack(() => ({}), service, NODE_ARGS)
  })
  afterAll(() => stack.close())

  // On a busy machine it takes half a minute and more.
  test('requests whose refusals wait behind another answer take no memory', { timeout: 120_000 }, async () => {
    const head = (): string =>
      get(
        '/private/x',
        distinctFields().map(([name, value]) => `${name}: ${value}`),
      )
    for (let connection = 1; connection <= CONNECTIONS; connection++) {
      const client = rawClient(stack.port)
      atEnd(() => client.socket.destroy())
      client.write(get('/public/held') + Array.from({ length: REQUESTS }, head).join(''))
      // Each scrape of the metrics costs the gateway as much as a connection does.
      if (connection % 8 !== 0 && connection !== CONNECTIONS) continue
      while (!isWaiting(await stack.metrics(), connection * (REQUESTS + 1)));
    }
    await stack.control()
  })

  const isWaiting = (metrics: string, requests: number): boolean =>
    metrics.includes(`sallyport_requests_in_flight ${requests}\n`)
})

test('a refusal that the client does not take whole is given up after five seconds', async () => {
  const authority = testAuthority()
  atEnd(() => authority.remove())
  const server = createSecureServer(authority.issue('gateway', ['DNS:localhost']))
  server.listen(0, '127.0.0.1')
  atEnd(() => server.close())
  await once(server, 'listening')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  atEnd(() => vi.useRealTimers())
  // Each of the two would fit into the window of the connection, but not both.
  const body = 'x'.repeat(40_000)
  server.on('stream', (stream: ServerHttp2Stream, _headers, _flags, received) => {
    const request = new Http2Request(stream, stream.session?.socket as TLSSocket, received)
    new Http2Response(stream).refuse(401, { 'content-length': body.length }, body)
    request.dropAll()
    expect(request.rawHeaders).toEqual([])
  })
  const client = await http2Frames(`https://localhost:${(server.address() as AddressInfo).port}`, authority.cert)
  atEnd(() => client.socket.destroy())
  client.write(headers(1, requestFields('GET', '/')), headers(3, requestFields('GET', '/')))
  await client.until(
    () =>
      client.received.reduce((sum, { type, payload }) => sum + (type === TYPES.data ? payload.length : 0), 0) ===
      65_535,
  )
  await vi.advanceTimersByTimeAsync(4_900)
  expect(client.received.some(({ type }) => type === TYPES.reset)).toBe(false)
  await vi.advanceTimersByTimeAsync(200)
  const ends = await Promise.all([client.ended(1), client.ended(3)])
  expect(ends.map(({ how }) => how).sort()).toEqual(['reset', 'whole'])
})

test('streams over all connections have a limit, which follows that of requests', async () => {
  const time = manualTime()
  const news = new EventEmitter()
  let held = 0
  let requests = 2 * REQUESTS
  const sessions = http2Sessions({
    clock: time,
    scheduler: time,
    headersTimeoutMs: () => 10_000,
    keepAliveTimeoutMs: 75_000,
    maxRequests: () => requests,
    isDraining: () => false,
    onRequest: ({ stream }) => {
      held += 1
      news.emit('held')
      stream.once('close', () => news.emit('closed'))
    },
  })
  const server = createServer((socket: Socket) => sessions.adopt(socket)).listen(0, '127.0.0.1')
  atEnd(() => server.close())
  await once(server, 'listening')
  const open = () => {
    const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    atEnd(() => client.destroy())
    return client
  }
  const LIMIT = 4_096 + requests
  const clients = Array.from({ length: LIMIT / REQUESTS }, open)
  const streams = clients.flatMap(client => ids.map(() => client.request({ ':path': '/' })))
  for (const stream of streams) stream.on('error', () => {})
  while (held < LIMIT) await once(news, 'held')
  const [error] = await once(open().request({ ':path': '/' }), 'error')
  expect([String(error), held]).toEqual([expect.stringContaining('REFUSED_STREAM'), LIMIT])
  const closed = once(news, 'closed')
  streams[0]?.close()
  await closed
  const admitted = once(news, 'held')
  open().request({ ':path': '/' })
  await admitted
  const [again] = await once(open().request({ ':path': '/' }), 'error')
  expect(String(again)).toContain('REFUSED_STREAM')
  // A reload that allows more requests allows their streams, too.
  requests += 1
  const allowed = once(news, 'held')
  open().request({ ':path': '/' })
  await allowed
})
