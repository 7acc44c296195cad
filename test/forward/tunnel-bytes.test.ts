/** A tunnel is told byte by byte: what is sent around the handshake, who closes what, and who waits for whom. */
import { once } from 'node:events'
import { createServer } from 'node:https'
import { type AddressInfo, createServer as createNetServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { testAuthority } from '../support/certificates.ts'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { closing, handshakeBytes, openWebSocket, SWITCHING } from '../support/services/websocket-service.ts'

const MiB = 1024 * 1024
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')
const ROUTES = [{ id: 'all', path: '/**', access: 'public' }]

/** Starts a service that accepts connections. */
async function startService(): Promise<{ url: string; next(): Promise<RawClient>; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const waiting: RawClient[] = []
  const server = createNetServer(socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    waiting.push(rawClient(socket))
    server.emit('accepted')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async next() {
      for (;;) {
        const accepted = waiting.shift()
        if (accepted !== undefined) return accepted
        await once(server, 'accepted')
      }
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

describe('bytes', () => {
  let service: Awaited<ReturnType<typeof startService>>
  let gateway: TestGateway
  beforeEach(async () => {
    service = await startService()
    gateway = await startTestGateway({
      upstreams: { app: { url: service.url, timeouts: { headers: '500ms' } } },
      routes: ROUTES,
    })
  })
  afterEach(async () => {
    await gateway.close()
    await service.close()
  })

  function connected(): RawClient {
    const { port } = new URL(gateway.url)
    return rawClient(Number(port))
  }

  /** Opens a tunnel. @returns both of its ends */
  async function tunnel(): Promise<{ client: RawClient; peer: RawClient }> {
    const client = connected()
    client.write(handshakeBytes('/x'))
    const peer = await service.next()
    await peer.until(/\r\n\r\n/)
    peer.write(SWITCHING)
    await client.until(/\r\n\r\n/)
    return { client, peer }
  }

  test('that the service sends together with its 101 arrive', async () => {
    const client = connected()
    client.write(handshakeBytes('/x'))
    const peer = await service.next()
    await peer.until(/\r\n\r\n/)
    peer.write(latin1(`${SWITCHING}\x81\x05hello`))
    const received = await client.until(/hello/)
    expect(received.startsWith('HTTP/1.1 101 Switching Protocols\r\n')).toBe(true)
    expect(received.slice(received.indexOf('\r\n\r\n') + 4)).toBe('\x81\x05hello')
  })

  test('that a client sends together with its handshake reach the service after its 101, and not before', async () => {
    const client = connected()
    client.write(latin1(`${handshakeBytes('/x')}\x81\x03GET`))
    const peer = await service.next()
    const head = await peer.until(/\r\n\r\n/)
    expect(head.endsWith('\r\n\r\n')).toBe(true)
    peer.write(SWITCHING)
    expect((await peer.until(/GET$/)).slice(head.length)).toBe('\x81\x03GET')
  })

  test('that a client sends together with its handshake are dropped when the service does not upgrade', async () => {
    const client = connected()
    client.write(`${handshakeBytes('/x')}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n`)
    const peer = await service.next()
    await peer.until(/\r\n\r\n/)
    peer.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno')
    const { text } = await client.closed
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*connection: close\r\n\r\nno$/i)
    peer.socket.end()
    expect((await peer.closed).text).not.toContain('smuggled')
  })

  test('pass untouched, whatever they are', async () => {
    const { client, peer } = await tunnel()
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const head = client.received()
    client.write(bytes)
    peer.write(bytes)
    const [atService, atClient] = await Promise.all([peer.until(/\xff$/), client.until(/\xff$/)])
    expect(atService.slice(-256)).toBe(bytes.toString('latin1'))
    expect(atClient.slice(head.length)).toBe(bytes.toString('latin1'))
  })

  test('still come from the service after the client has closed its side', async () => {
    const { client, peer } = await tunnel()
    for (const { socket } of [client, peer]) socket.allowHalfOpen = true
    const ended = once(peer.socket, 'end')
    client.socket.end('last')
    await ended
    expect(peer.received()).toMatch(/last$/)
    peer.socket.end('after')
    expect((await client.closed).text).toMatch(/after$/)
    expect((await peer.closed).wasReset).toBe(false)
  })

  test('still come from the client after the service has closed its side', async () => {
    const { client, peer } = await tunnel()
    for (const { socket } of [client, peer]) socket.allowHalfOpen = true
    const ended = once(client.socket, 'end')
    peer.socket.end('last')
    await ended
    expect(client.received()).toMatch(/last$/)
    client.socket.end('after')
    expect((await peer.closed).text).toMatch(/after$/)
    expect((await client.closed).wasReset).toBe(false)
  })

  test.each([
    ['client', 'service'],
    ['service', 'client'],
  ])('of a %s that resets its connection end the one of the %s', async who => {
    const { client, peer } = await tunnel()
    const [one, other] = who === 'client' ? [client, peer] : [peer, client]
    one.socket.resetAndDestroy()
    await other.closed
    await gateway.logged({ status: 101 })
  })

  test.each([
    ['closes its side', (socket: Socket) => socket.end()],
    ['sends something and closes its side', (socket: Socket) => socket.end('early')],
    ['sends too much', (socket: Socket) => void socket.write(Buffer.alloc(MiB))],
    ['resets its connection', (socket: Socket) => socket.resetAndDestroy()],
  ])('of a client that %s before the 101: the connection of the service is closed', async (_name, leave) => {
    const client = connected()
    client.write(handshakeBytes('/x'))
    const peer = await service.next()
    await peer.until(/\r\n\r\n/)
    leave(client.socket)
    await Promise.all([peer.closed, client.closed])
    expect(await gateway.logged({ path: '/x' })).toMatchObject({ aborted: true })
    expect((await gateway.metrics()).get('sallyport_requests_in_flight')).toBe(0)
  })

  test.each([
    ['to another protocol', 'Upgrade: foo\r\nConnection: Upgrade\r\n'],
    ['to several', 'Upgrade: websocket, foo\r\nConnection: Upgrade\r\n'],
    ['without saying to what', ''],
  ])('are not passed when the service switches %s', async (_name, lines) => {
    const client = connected()
    client.write(handshakeBytes('/x'))
    const peer = await service.next()
    await peer.until(/\r\n\r\n/)
    peer.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`)
    await peer.closed
    const { text } = await client.closed
    expect(text).toMatch(/^HTTP\/1\.1 502 /)
  })

  test('of hop-by-hop fields and a length in the 101 do not reach the client', async () => {
    const client = connected()
    client.write(handshakeBytes('/x'))
    const peer = await service.next()
    await peer.until(/\r\n\r\n/)
    peer.write(
      latin1(
        [
          'HTTP/1.1 101 Switching Protocols',
          ...['Upgrade: WebSocket', 'Connection: Upgrade, X-Gone', 'X-Gone: 1', 'Content-Length: 0', 'Keep-Alive: 9'],
          ...['Trailer: a', 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 'X-Kept: \xe4', '\r\n'],
        ].join('\r\n'),
      ),
    )
    const head = await client.until(/\r\n\r\n/)
    const names = head
      .split('\r\n')
      .slice(1, -2)
      .map(line => line.split(':')[0]?.toLowerCase())
    expect(names.toSorted()).toEqual([
      'connection',
      'date',
      'sec-websocket-accept',
      'upgrade',
      'x-kept',
      'x-request-id',
    ])
    expect(head).toMatch(/connection: upgrade\r\n/i)
    expect(head).toContain('X-Kept: \xe4')
  })

  test('of a handshake behind an answered request make a tunnel', async () => {
    const client = connected()
    client.write('GET /first HTTP/1.1\r\nHost: a\r\n\r\n')
    const first = await service.next()
    await first.until(/\r\n\r\n/)
    first.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfirst')
    first.socket.end()
    await client.until(/first$/)
    client.write(handshakeBytes('/second'))
    const second = await service.next()
    expect(await second.until(/\r\n\r\n/)).toMatch(/upgrade: websocket\r\n/i)
    second.write(`${SWITCHING}through`)
    await client.until(/through$/)
  })

  test('of a handshake behind an unfinished request are a plain request', async () => {
    const client = connected()
    client.write(`GET /first HTTP/1.1\r\nHost: a\r\n\r\n${handshakeBytes('/second')}`)
    const peers = [await service.next(), await service.next()]
    const heads = await Promise.all(peers.map(peer => peer.until(/\r\n\r\n/)))
    expect(heads.join()).not.toMatch(/upgrade/i)
    for (const [index, peer] of peers.entries()) {
      peer.write(`HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${index}`)
    }
    expect(await client.until(/[01]HTTP[\s\S]*[01]$/)).not.toContain('HTTP/1.1 101')
  })

  test.each(['client', 'service'])('wait at their source while the %s does not read', async who => {
    const { client, peer } = await tunnel()
    const [reader, writer] = who === 'client' ? [client, peer] : [peer, client]
    reader.socket.pause()
    const total = 128 * MiB
    const chunk = Buffer.alloc(MiB)
    let written = 0
    const more = () => {
      while (written < total) {
        written += chunk.length
        if (!writer.socket.write(chunk)) return
      }
      writer.socket.end()
    }
    writer.socket.on('drain', more)
    more()
    // As many turns as these take are enough to send it all to somebody who reads.
    for (let i = 0; i < 300; i++) await gateway.admin('/livez')
    expect(written).toBeLessThan(total / 2)
    const before = reader.received().length
    let bytes = before
    reader.socket.on('data', (text: string) => {
      bytes += text.length
    })
    const ended = once(reader.socket, 'end')
    reader.socket.resume()
    await ended
    expect(bytes - before).toBe(total)
  })
})

describe('over TLS', () => {
  const authority = testAuthority()
  const certificate = authority.issue('both', ['IP:127.0.0.1'])
  let gateway: TestGateway
  const server = createServer({ cert: certificate.cert, key: certificate.key })
  beforeAll(async () => {
    new WebSocketServer({ server }).on('connection', socket => socket.on('message', data => socket.send(`got ${data}`)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    gateway = await startTestGateway({
      listen: { address: '127.0.0.1:0', tls: { certFile: certificate.certFile, keyFile: certificate.keyFile } },
      upstreams: {
        app: {
          url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
          tls: { caFile: authority.certFile },
        },
      },
      routes: ROUTES,
    })
  })
  afterAll(async () => {
    await gateway.close()
    server.close()
    server.closeAllConnections()
    authority.remove()
  })

  test('a tunnel works on both sides', async () => {
    const socket = await openWebSocket(`${gateway.url}/x`, { ca: authority.cert })
    const message = once(socket, 'message')
    socket.send('a'.repeat(100_000))
    expect(String((await message)[0])).toBe(`got ${'a'.repeat(100_000)}`)
    const closed = closing(socket)
    socket.close(3001, 'bye')
    expect(await closed).toEqual({ code: 3001, reason: 'bye' })
    await gateway.logged({ status: 101 })
  })
})
