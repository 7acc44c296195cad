/**
 * Bodies to and from a service of HTTP/2 are streamed both ways, held back by whoever is slow, and reset when given up.
 */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import { type Http2Client, http2Client, requestHead } from '../support/clients/http2-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway/memory.ts'
import { type Http2Service, type Respond, type SeenCall, startHttp2Service } from '../support/services/http2-service.ts'

const MiB = 1024 * 1024
const LARGE_BYTES = 100 * MiB
const MEMORY_BOUND_BYTES = 90 * MiB
const NEVER = '500h'
const ROUTES = [{ id: 'all', path: '/**', access: 'public' }]
const CANCEL = 8

function* chunks(bytes: number, onChunk: (bytes: number) => void = () => {}): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= 65_536) {
    onChunk(65_536)
    yield Buffer.alloc(65_536, 'abcdefgh')
  }
}

async function counted(stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.length
  return bytes
}

/** Resolves once a number stays the same for a while. */
async function settled(read: () => number): Promise<number> {
  for (let last = -1, same = 0; ; ) {
    await new Promise(resolve => setTimeout(resolve, 50))
    same = read() === last ? same + 1 : 0
    last = read()
    if (same === 6 && last > 0) return last
  }
}

const authority = testAuthority()
let service: Http2Service
let respond: Respond
beforeAll(async () => {
  service = await startHttp2Service(call => respond(call))
})
afterAll(async () => {
  await service.close()
  authority.remove()
})

describe('a body of 100 MiB', () => {
  let gateway: GatewayProcess
  beforeAll(async () => {
    gateway = await startGatewayProcess({ upstreams: { app: service.url }, routes: ROUTES, log: { access: 'off' } })
  })
  afterAll(() => gateway.stop())

  function open(path: string, method: string) {
    const request = httpRequest(gateway.url + path, { method })
    return { request, response: once(request, 'response').then(([response]) => response as IncomingMessage) }
  }
  const down = (onChunk?: (bytes: number) => void): Respond => {
    return ({ stream, headers }) => {
      stream.respond({ ':status': 200 })
      if (headers[':path'] === '/ping') stream.end('pong')
      else void pipeline(Readable.from(chunks(LARGE_BYTES, onChunk)), stream).catch(() => {})
    }
  }

  test('comes down in constant memory', async () => {
    respond = down()
    const { request, response } = open('/down', 'GET')
    request.end()
    const before = gateway.peakBytes()
    expect(await counted(await response)).toBe(LARGE_BYTES)
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
  })

  test('goes up in constant memory', async () => {
    respond = ({ stream }) => {
      stream.respond({ ':status': 200 })
      void counted(stream).then(bytes => stream.end(String(bytes)))
    }
    const { request, response } = open('/up', 'POST')
    const before = gateway.peakBytes()
    await pipeline(Readable.from(chunks(LARGE_BYTES)), request)
    const reply = await response
    expect(String((await reply.toArray()).join(''))).toBe(String(LARGE_BYTES))
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
  })

  test('waits at the service for clients that do not read, who hold up nobody else', async () => {
    let writtenBytes = 0
    respond = down(bytes => {
      writtenBytes += bytes
    })
    const before = gateway.peakBytes()
    const slow = Array.from({ length: 20 }, () => {
      const opened = open('/slow', 'GET')
      opened.request.on('error', () => {}).end()
      return opened
    })
    for (const { response } of slow) (await response).on('error', () => {}).pause()
    expect(await settled(() => writtenBytes)).toBeLessThan(20 * 8 * MiB)
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
    const { request, response } = open('/ping', 'GET')
    request.end()
    expect(String((await (await response).toArray()).join(''))).toBe('pong')
    expect(service.sessions).toHaveLength(1)
    for (const { request } of slow) request.destroy()
  })

  test('waits at the client for a service that does not read', async () => {
    respond = () => {}
    const before = gateway.peakBytes()
    let writtenBytes = 0
    const request = httpRequest(`${gateway.url}/stuck`, { method: 'POST' })
    request.on('error', () => {})
    void pipeline(
      Readable.from(
        chunks(LARGE_BYTES, bytes => {
          writtenBytes += bytes
        }),
      ),
      request,
    ).catch(() => {})
    expect(await settled(() => writtenBytes)).toBeLessThan(20 * MiB)
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
    request.destroy()
  })
})

describe('a client', () => {
  let gateway: TestGateway
  let client: Http2Client
  beforeAll(async () => {
    const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
    gateway = await startTestGateway({
      listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } },
      upstreams: { app: { url: service.url, timeouts: { headers: NEVER, idle: NEVER } } },
      routes: ROUTES,
    })
    client = http2Client(gateway.url, authority.cert)
  })
  afterAll(async () => {
    client.destroy()
    await gateway.close()
  })
  afterEach(async () => {
    while ((await gateway.metrics()).get('sallyport_requests_in_flight') !== 0);
  })

  test('that is gone takes its request along, and the connection stays for the others', async () => {
    respond = () => {}
    let arrival = service.next()
    const held = client.request('/held')
    const other = await arrival
    const connections = service.sessions.length
    for (const says of [() => {}, (seen: SeenCall) => seen.stream.respond({ ':status': 200 })]) {
      arrival = service.next()
      const call = client.open(requestHead('POST', '/gone'), 'none')
      const seen = await arrival
      says(seen)
      call.stream.close(CANCEL)
      expect(await seen.ended).toBe(CANCEL)
    }
    other.stream.respond({ ':status': 200 })
    other.stream.end('held')
    expect(await held).toMatchObject({ body: 'held', complete: true })
    expect(service.sessions).toHaveLength(connections)
  })

  test('uploads while its answer already flows', async () => {
    respond = ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.pipe(stream)
    }
    const call = client.open(requestHead('POST', '/echo'), 'follows')
    expect(await call.status).toBe(200)
    for (const word of ['one', 'two', 'three']) {
      call.stream.write(word)
      await call.until(new RegExp(`${word}$`))
    }
    call.stream.end()
    expect(await call.ended).toMatchObject({ body: 'onetwothree', complete: true })
  })
})

describe('a service that is slow', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startTestGateway({
      upstreams: { app: { url: service.url, timeouts: { headers: '250ms', idle: '250ms' } } },
      routes: ROUTES,
    })
  })
  afterAll(() => gateway.close())

  test('to begin is 504, and its stream is reset', async () => {
    respond = () => {}
    const arrival = service.next()
    expect((await gateway.request('/head')).status).toBe(504)
    expect(await (await arrival).ended).toBe(CANCEL)
    expect(await gateway.logged({ path: '/head' })).toMatchObject({
      code: 'upstream_timeout',
      evidence: { upstream: 'app', reason: 'HEADERS_TIMEOUT' },
    })
  })

  test('to take an upload is 504', async () => {
    respond = () => {}
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write('POST /stuck HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n')
    client.write(Buffer.alloc(5_000_000))
    expect(await client.until(/upstream_timeout/)).toMatch(/^HTTP\/1\.1 504 /)
    client.socket.destroy()
  })

  test('within its answer is cut off', async () => {
    respond = ({ stream }) => {
      stream.respond({ ':status': 200 })
      stream.write('part')
    }
    const arrival = service.next()
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write('GET /idle HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.closed).text).toMatch(/part\r\n$/)
    expect(await (await arrival).ended).toBe(CANCEL)
    expect(await gateway.logged({ path: '/idle' })).toMatchObject({
      code: 'upstream_timeout',
      status: 200,
      aborted: true,
      evidence: { reason: 'BODY_TIMEOUT' },
    })
  })
})
