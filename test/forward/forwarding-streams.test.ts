/** Bodies flow through, as fast as the slower side: large ones, slow readers, and clients that leave. */
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { type GatewayProcess, startGatewayProcess } from '../support/gateway/memory.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const MiB = 1024 * 1024
const LARGE_BYTES = 256 * MiB
/** V8 lets some 64 MiB of buffers pile up before it collects them, so bodies are larger than the contract's 100 MB. */
const MEMORY_BOUND_BYTES = 100 * MiB
/** What is needed once for any body, however large, is there after one of this size. */
const WARM_BYTES = 64 * MiB
const ROUTES = [{ id: 'all', path: '/**', access: 'public' }]
const CHUNK = Buffer.alloc(65_536, 'abcdefgh')

function* chunks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= CHUNK.length) yield left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK
}

function* noted(source: Iterable<Buffer>, progress: { writtenBytes: number }): Generator<Buffer> {
  for (const chunk of source) {
    progress.writtenBytes += chunk.length
    yield chunk
  }
}

async function counted(stream: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0
  for await (const chunk of stream) bytes += chunk.length
  return bytes
}

describe('a body of 256 MiB', () => {
  let service: TestUpstream
  let gateway: GatewayProcess
  let held: ServerResponse | undefined
  let slow = { writtenBytes: 0 }
  beforeAll(async () => {
    service = await startTestUpstream((request, response) => {
      if (request.url === '/ping') response.end('pong')
      else if (request.url === '/held') held = response
      else if (request.url === '/slow') {
        slow = { writtenBytes: 0 }
        void pipeline(Readable.from(noted(chunks(LARGE_BYTES), slow)), response).catch(() => {})
      } else if (request.url === '/echo') void pipeline(request, response).catch(() => {})
      else if (request.method === 'GET') {
        if (request.url === '/known') response.setHeader('content-length', LARGE_BYTES)
        const bytes = request.url === '/warm' ? WARM_BYTES : LARGE_BYTES
        void pipeline(Readable.from(chunks(bytes)), response).catch(() => {})
      } else void counted(request).then(bytes => response.end(String(bytes)))
    })
    gateway = await startGatewayProcess({
      upstreams: { app: service.url },
      routes: ROUTES,
      log: { access: 'off' },
      limits: { bodyBytes: '256MiB' },
    })
    const { request, response } = open('/warm', 'GET')
    request.end()
    await counted(await response)
  })
  afterAll(async () => {
    await gateway.stop()
    await service.close()
  })

  function open(path: string, method: string, headers: Record<string, string | number> = {}) {
    const request = httpRequest(gateway.url + path, { method, headers })
    return { request, response: once(request, 'response').then(([response]) => response as IncomingMessage) }
  }

  async function upload(path: string, headers: Record<string, string | number>) {
    const { request, response } = open(path, 'POST', headers)
    const sent = pipeline(Readable.from(chunks(LARGE_BYTES)), request)
    return { response: await response, sent }
  }

  test.each(['/known', '/chunked'])('comes down %s in constant memory', async path => {
    const { request, response } = open(path, 'GET')
    request.end()
    const before = gateway.peakBytes()
    expect(await counted(await response)).toBe(LARGE_BYTES)
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
  })

  test.each([
    ['of known length', { 'content-length': LARGE_BYTES }],
    ['chunked', { 'transfer-encoding': 'chunked' }],
  ])('goes up %s in constant memory', async (_name, headers) => {
    const before = gateway.peakBytes()
    const { response } = await upload('/up', headers)
    const text = (await response.toArray()).join('')
    expect(Number(text)).toBe(LARGE_BYTES)
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
  })

  test('goes up and down at once', async () => {
    const before = gateway.peakBytes()
    const { response, sent } = await upload('/echo', { 'content-length': LARGE_BYTES })
    expect(await counted(response)).toBe(LARGE_BYTES)
    await sent
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
  })

  test('waits in the service while the client does not read', async () => {
    const before = gateway.peakBytes()
    const client = rawClient(gateway.port)
    client.socket.pause()
    client.write('GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await service.arrival()
    // As many turns as these take are enough to send it all to a client that reads.
    for (let i = 0; i < 300; i++) await counted(await ping())
    expect(slow.writtenBytes).toBeGreaterThan(0)
    expect(slow.writtenBytes).toBeLessThan(LARGE_BYTES / 2)
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
    client.socket.resume()
    expect((await client.closed).text.length).toBeGreaterThan(LARGE_BYTES)
    expect(slow.writtenBytes).toBe(LARGE_BYTES)
  })

  test('waits in the service while an earlier answer on the connection is not done', async () => {
    const before = gateway.peakBytes()
    const client = rawClient(gateway.port)
    client.write('GET /held HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await service.arrival()
    if (service.seen.at(-1)?.url !== '/slow') await service.arrival()
    for (let i = 0; i < 300; i++) await counted(await ping())
    expect(slow.writtenBytes).toBeLessThan(LARGE_BYTES / 2)
    expect(gateway.peakBytes() - before).toBeLessThan(MEMORY_BOUND_BYTES)
    expect(client.received()).toBe('')
    held?.end('first')
    const { text } = await client.closed
    expect(text.length).toBeGreaterThan(LARGE_BYTES)
    expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*?first/)
  })

  async function ping(): Promise<IncomingMessage> {
    const { request, response } = open('/ping', 'GET')
    request.end()
    return response
  }
})

describe('a client that leaves', () => {
  let service: TestUpstream
  let gateway: TestGateway
  beforeEach(async () => {
    service = await startTestUpstream((request, response) => {
      if (request.url === '/down') {
        response.write('begun')
        const more = () => {
          while (!response.destroyed && response.write(CHUNK));
        }
        response.on('drain', more)
        more()
      } else if (request.url === '/begun') response.write('begun')
      else request.resume()
    })
    gateway = await startTestGateway({ upstreams: { app: service.url }, routes: ROUTES })
  })
  afterEach(async () => {
    await gateway.close()
    await service.close()
  })
  const port = () => Number(new URL(gateway.url).port)

  /** @returns the service's connection for the next request, and when it is closed */
  async function accepted(): Promise<{ closed: Promise<unknown> }> {
    const socket = await service.arrival()
    return { closed: closing(socket) }
  }

  /** Goes on asking until nothing is in flight; if that never happens, the test's timeout ends it. */
  async function expectNothingInFlight() {
    while ((await gateway.metrics()).get('sallyport_requests_in_flight') !== 0);
  }

  test.each([
    [
      'in the middle of a chunked upload',
      'POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    ],
    ['in the middle of an upload of known length', 'POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nhello'],
    ['while the service thinks', 'GET /think HTTP/1.1\r\nHost: a\r\n\r\n'],
  ])('%s closes the connection to the service', async (_name, bytes) => {
    const connection = accepted()
    const client = rawClient(port())
    client.write(bytes)
    const { closed } = await connection
    client.socket.resetAndDestroy()
    await closed
    await gateway.logged({ aborted: true, code: 'ok' })
    await expectNothingInFlight()
  })

  test.each(['/begun', '/down'])(
    'in the middle of a download (%s) closes the connection to the service',
    async path => {
      const connection = accepted()
      const client = rawClient(port())
      client.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const { closed } = await connection
      await client.until(/begun/)
      client.socket.destroy()
      await closed
      await gateway.logged({ aborted: true, code: 'ok', status: 200, path })
      await expectNothingInFlight()
    },
  )

  test('many at once, at any moment, leave the gateway serving and nothing in flight', async () => {
    const clients = Array.from({ length: 50 }, (_, index) => {
      const client = rawClient(port())
      client.write(
        index % 2 === 0
          ? 'GET /down HTTP/1.1\r\nHost: a\r\n\r\n'
          : 'POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx',
      )
      return client
    })
    for (const [index, client] of clients.entries()) {
      if (index % 4 === 0) await client.until(/begun/)
      client.socket.resetAndDestroy()
    }
    await Promise.all(clients.map(({ closed }) => closed))
    while (service.sockets.size > 0) await Promise.all([...service.sockets].map(closing))
    expect((await gateway.admin('/livez')).status).toBe(200)
    await expectNothingInFlight()
  })

  test('closing only its own side is leaving, too', async () => {
    const connection = accepted()
    const client = rawClient(port())
    client.write('GET /think HTTP/1.1\r\nHost: a\r\n\r\n')
    const { closed } = await connection
    client.socket.end()
    await Promise.all([closed, client.closed])
    await expectNothingInFlight()
  })
})

/** Resolves at the end, whatever it is, which `once` does not. */
function closing(socket: Socket): Promise<void> {
  return new Promise(resolve => {
    if (socket.closed) resolve()
    else socket.once('close', () => resolve())
  })
}
