/** A client that takes nothing of what it is sent is let go; one that is slow is not. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { PeerStalled, stalledPeers } from '../../src/downstream/stalled-peers.ts'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { manualTime } from '../support/manual-time.ts'
import { startRawUpstream } from '../support/services/raw-upstream.ts'
import { startTestUpstream } from '../support/services/upstream.ts'
import { handshakeBytes, SWITCHING } from '../support/services/websocket-service.ts'

const MiB = 1024 * 1024
const LIMIT_MS = 60_000

describe('the watch', () => {
  const server = createServer()
  let socket: Socket
  let peer: Socket
  beforeEach(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    peer = connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket = ((await once(server, 'connection')) as [Socket])[0]
    socket.on('error', () => {})
  })
  afterEach(async () => {
    peer.destroy()
    socket.destroy()
    await new Promise(resolve => server.close(resolve))
  })

  test('closes a connection when nothing of what waits was taken for the whole time', async () => {
    const time = manualTime()
    stalledPeers({ clock: time, scheduler: time, limitMs: () => LIMIT_MS }).watch(socket)
    socket.write(Buffer.alloc(64 * MiB))
    await time.advance(LIMIT_MS - 1000)
    expect(socket.destroyed).toBe(false)
    await time.advance(3000)
    expect(socket.errored).toBeInstanceOf(PeerStalled)
  })

  test('leaves a connection alone as long as bytes are taken now and then', async () => {
    const time = manualTime()
    stalledPeers({ clock: time, scheduler: time, limitMs: () => LIMIT_MS }).watch(socket)
    let isOut = false
    for (let i = 0; i < 64; i++) socket.write(Buffer.alloc(MiB))
    socket.write('end', () => {
      isOut = true
    })
    while (!isOut) {
      await time.advance(LIMIT_MS - 2000)
      const before = socket.writableLength
      peer.resume()
      while (socket.writableLength === before) await turn()
      peer.pause()
      expect(socket.destroyed).toBe(false)
    }
  })

  test('leaves a silent connection alone, and forgets it when it is closed', async () => {
    const time = manualTime()
    stalledPeers({ clock: time, scheduler: time, limitMs: () => LIMIT_MS }).watch(socket)
    await time.advance(10 * LIMIT_MS)
    expect(socket.destroyed).toBe(false)
    peer.destroy()
    socket.resume()
    await once(socket, 'close')
    await time.advance(2000)
    expect(time.pendingMs()).toEqual([])
  })
})

describe('the gateway', () => {
  async function started(
    url: string,
    listen: unknown = '127.0.0.1:0',
  ): Promise<{ gateway: TestGateway; port: number }> {
    const gateway = await startTestGateway({
      listen,
      upstreams: { app: url },
      limits: { bodyIdleTimeout: '400ms' },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    atEnd(gateway.close)
    return { gateway, port: Number(new URL(gateway.url).port) }
  }

  test('lets go of a client that asks for much and reads nothing, and of the service behind it', async () => {
    const service = await startTestUpstream((_request, response) => response.end(Buffer.alloc(64 * MiB)))
    atEnd(service.close)
    const { gateway, port } = await started(service.url)
    const arrival = service.arrival()
    const client = rawClient(port)
    client.socket.pause()
    client.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
    const connection = await arrival
    await new Promise<void>(resolve => connection.once('close', () => resolve()))
    expect(await gateway.logged({ path: '/x' })).toMatchObject({ closed: 'stalled', aborted: true })
    const metrics = await gateway.metrics()
    expect(metrics.get('sallyport_streams_closed_total{route="all",reason="stalled"}')).toBe(1)
    expect(metrics.get('sallyport_requests_in_flight')).toBe(0)
    client.socket.destroy()
  })

  test('lets go of a client that reads nothing over TLS', async () => {
    const authority = testAuthority()
    const { certFile, keyFile } = authority.issue('gateway', ['IP:127.0.0.1'])
    const service = await startTestUpstream((_request, response) => response.end(Buffer.alloc(64 * MiB)))
    atEnd(service.close)
    const { gateway, port } = await started(service.url, { address: '127.0.0.1:0', tls: { certFile, keyFile } })
    const client = connectTls({ port, host: '127.0.0.1', ca: authority.cert })
    client.on('error', () => {})
    await once(client, 'secureConnect')
    client.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await gateway.logged({ path: '/x' })).toMatchObject({ closed: 'stalled' })
    client.destroy()
    authority.remove()
  })

  test('lets go of a client that sends refused requests without end and reads no answer', async () => {
    const service = await startTestUpstream()
    atEnd(service.close)
    const { gateway, port } = await started(service.url)
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    const request = 'GET /a//b HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(1000)
    const more = () => {
      while (!socket.destroyed && socket.write(request));
    }
    socket.on('drain', more)
    more()
    // It never reads, so it learns of the end by what it writes.
    await new Promise<void>(resolve => socket.once('close', () => resolve()))
    await gateway.logged({ closed: 'stalled' })
    expect((await gateway.metrics()).get('sallyport_requests_in_flight')).toBe(0)
  })

  test.each(['client', 'service'])('lets go of both ends of a tunnel when the %s takes nothing', async who => {
    const upstream = await startRawUpstream()
    atEnd(upstream.close)
    const { gateway, port } = await started(upstream.url)
    const accepted = upstream.next()
    const client = rawClient(port)
    client.write(handshakeBytes('/x'))
    const peer = await accepted
    await peer.until(/\r\n\r\n/)
    peer.write(SWITCHING)
    await client.until(/\r\n\r\n/)
    const [reader, writer] = who === 'client' ? [client, peer] : [peer, client]
    reader.socket.pause()
    writer.write(Buffer.alloc(64 * MiB))
    await writer.closed
    expect(await gateway.logged({ path: '/x' })).toMatchObject({ closed: 'stalled', status: 101 })
    reader.socket.destroy()
  })
})
