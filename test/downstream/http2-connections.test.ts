/** A connection speaks the protocol that was agreed, is opened only by whoever may, and ends when nobody uses it. */
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { http2Sessions } from '../../src/downstream/http2-sessions.ts'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import { http2Client } from '../support/clients/http2-client.ts'
import { headers, http2Frames, requestFields, settings } from '../support/clients/http2-frame-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { manualTime } from '../support/manual-time.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const authority = testAuthority()
const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
const caller = authority.issue('caller', ['DNS:caller'])
const routes = [{ id: 'all', path: '/**', access: 'public' }]

let service: TestUpstream
beforeAll(async () => {
  service = await startTestUpstream((_request, response) => response.end('answered'))
})
afterAll(async () => {
  await service.close()
  authority.remove()
})

async function started(config: Record<string, unknown> = {}, tls: Record<string, unknown> = {}): Promise<TestGateway> {
  const gateway = await startTestGateway({
    listen: { address: '127.0.0.1:0', tls: { certFile, keyFile, ...tls } },
    upstreams: { app: service.url },
    routes,
    ...config,
  })
  atEnd(gateway.close)
  return gateway
}

async function handshake(url: string, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connect({ host: 'localhost', port: Number(new URL(url).port), ca: authority.cert, ...options })
  atEnd(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

describe('RFC 7301: on one port', () => {
  test.each([
    [['http/1.1'], 'http/1.1'],
    [undefined, false],
  ])('a client that offers %j is served in HTTP/1.1', async (ALPNProtocols, chosen) => {
    const { url } = await started()
    const socket = await handshake(url, ALPNProtocols === undefined ? {} : { ALPNProtocols })
    expect(socket.alpnProtocol).toBe(chosen)
    const client = rawClient(socket)
    client.write('GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect((await client.closed).text).toMatch(/^HTTP\/1\.1 200 [\s\S]*answered/)
  })

  test.each([[['h2']], [['http/1.1', 'h2']], [['spdy/3', 'h2']]])(
    'a client that offers %j gets HTTP/2',
    async offer => {
      const { url } = await started()
      expect((await handshake(url, { ALPNProtocols: offer })).alpnProtocol).toBe('h2')
    },
  )

  test('a client that offers nothing that we speak fails its handshake', async () => {
    const { url } = await started()
    await expect(handshake(url, { ALPNProtocols: ['spdy/3', 'h3'] })).rejects.toThrow(/no application protocol/i)
    expect((await handshake(url, { ALPNProtocols: ['h2'] })).alpnProtocol).toBe('h2')
  })
})

test('with clientCaFile a client without a certificate gets nothing', async () => {
  const { url } = await started({}, { clientCaFile: authority.certFile })
  const stranger = http2Client(url, authority.cert)
  expect(await stranger.request('/x').catch(() => 'refused')).not.toMatchObject({ status: 200 })
  const known = http2Client(url, authority.cert, { cert: caller.cert, key: caller.key })
  atEnd(known.destroy)
  expect((await known.request('/x')).body).toBe('answered')
})

describe.each(http2TransportsOfFile())('over $name', ({ listen, ca }) => {
  test('limits.connections counts connections that speak HTTP/2', async () => {
    const { url } = await started({ listen, limits: { connections: 2 } })
    const clients = [http2Client(url, ca), http2Client(url, ca)]
    for (const { destroy } of clients) atEnd(destroy)
    for (const client of clients) expect((await client.request('/x')).status).toBe(200)
    const third = http2Client(url, ca)
    await third.closed
    for (const client of clients) expect((await client.request('/x')).status).toBe(200)
  })

  test('a connection that asks for nothing is closed after limits.headersTimeout, one that has asked is not', async () => {
    const { url } = await started({ listen, limits: { headersTimeout: '300ms' } })
    const busy = http2Client(url, ca)
    atEnd(busy.destroy)
    expect((await busy.request('/x')).status).toBe(200)
    await (await http2Frames(url, ca)).closed
    expect((await busy.request('/x')).status).toBe(200)
  })

  test('a reload counts for connections to come', async () => {
    const config = { listen, upstreams: { app: service.url }, routes }
    const gateway = await startGatewayOnFile(config)
    atEnd(gateway.stop)
    const before = http2Client(gateway.url, ca)
    atEnd(before.destroy)
    expect((await before.request('/x')).status).toBe(200)
    gateway.write('sallyport.yaml', { ...config, limits: { connections: 1 } })
    await gateway.logged({ msg: 'configuration reloaded' })
    await http2Client(gateway.url, ca).closed
    expect((await before.request('/x')).status).toBe(200)
  })
})

test('a renewed certificate is what the next connection sees', async () => {
  const gateway = await startGatewayOnFile({
    listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } },
    upstreams: { app: service.url },
    routes,
  })
  atEnd(gateway.stop)
  const serial = async () => (await handshake(gateway.url, { ALPNProtocols: ['h2'] })).getPeerCertificate().serialNumber
  const before = await serial()
  authority.issue('gateway', ['DNS:localhost'])
  gateway.process.child.kill('SIGHUP')
  await gateway.logged({ msg: 'configuration reloaded' })
  expect(await serial()).not.toBe(before)
  const client = http2Client(gateway.url, authority.cert)
  atEnd(client.destroy)
  expect((await client.request('/x')).status).toBe(200)
})

describe('a connection that nobody uses', () => {
  const HEADERS_MS = 10_000
  const IDLE_MS = 75_000
  const GREETING = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), settings({})])

  async function adopted() {
    const time = manualTime()
    const sessions = http2Sessions({
      clock: time,
      scheduler: time,
      headersTimeoutMs: () => HEADERS_MS,
      keepAliveTimeoutMs: IDLE_MS,
      maxRequests: () => 1,
      isDraining: () => false,
      onRequest: (_request, response) => {
        response.sendHead(200, [])
        response.end('answered')
      },
    })
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = connectTcp({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
    atEnd(() => server.close())
    atEnd(() => client.destroy())
    const [socket] = (await once(server, 'connection')) as [Socket]
    client.resume()
    sessions.adopt(socket)
    client.write(GREETING)
    await once(client, 'data')
    return { time, client, socket }
  }

  test('is closed in the end though the client never closes its side', async () => {
    const { time, client, socket } = await adopted()
    await time.advance(HEADERS_MS - 1_000)
    expect(client.readableEnded).toBe(false)
    const ended = once(client, 'end')
    await time.advance(2_000)
    await ended
    expect(socket.destroyed).toBe(false)
    const closed = once(socket, 'close')
    await time.advance(8_000)
    await closed
    expect(time.pendingMs()).toHaveLength(1)
    await time.advance(2_000)
    expect(time.pendingMs()).toEqual([])
  })

  test('is closed in the end though its first head never ends', async () => {
    const { time, client, socket } = await adopted()
    const half = headers(1, requestFields('GET', '/x'), 0)
    client.write(half)
    while (socket.bytesRead < GREETING.length + half.length) await turn()
    const closed = once(socket, 'close')
    // Node holds the connection for the stream that has half begun.
    await time.advance(HEADERS_MS + 10_000)
    await closed
  })

  test('any more is closed after its idle time, and not before', async () => {
    const { time, client, socket } = await adopted()
    const isAnswer = (chunk: Buffer): boolean => chunk.includes('answered')
    const answered = new Promise<void>(resolve => client.on('data', (chunk: Buffer) => isAnswer(chunk) && resolve()))
    client.write(headers(1, requestFields('GET', '/x')))
    await answered
    await time.advance(IDLE_MS - 1_000)
    expect([client.readableEnded, socket.destroyed]).toEqual([false, false])
    const ended = once(client, 'end')
    await time.advance(2_000)
    await ended
  })
})
