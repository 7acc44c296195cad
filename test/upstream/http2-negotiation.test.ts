/** Over `https:` the service says in its TLS handshake whether it speaks HTTP/2 (RFC 7301), and may change its mind. */
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { startHttp2Service } from '../support/services/http2-service.ts'
import { handshakeBytes } from '../support/services/websocket-service.ts'

const authority = testAuthority()
const stranger = testAuthority()
const certificate = authority.issue('service', ['DNS:localhost'])
const { cert, key } = certificate
afterAll(() => {
  authority.remove()
  stranger.remove()
})

interface Listening {
  readonly port: number
  /** The protocol that was agreed on each connection until now. */
  readonly protocols: Array<string | false | null>
  readonly sockets: Socket[]
  close(): Promise<unknown>
}

async function listen(server: Server, port = 0): Promise<Listening> {
  const protocols: Array<string | false | null> = []
  const sockets: Socket[] = []
  server.on('secureConnection', (socket: TLSSocket) => {
    protocols.push(socket.alpnProtocol)
    sockets.push(socket)
    socket.on('error', () => {})
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const close = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve())
      for (const socket of sockets) socket.destroy()
    })
  atEnd(close)
  return { port: (server.address() as AddressInfo).port, protocols, sockets, close }
}

const version = (request: { httpVersion: string }, response: { end(text: string): unknown }): void =>
  void response.end(request.httpVersion)
const both = () => createSecureServer({ cert, key, allowHTTP1: true }, version)
const onlyHttp2 = () => createSecureServer({ cert, key }, version)
const onlyHttp1 = () => createHttpsServer({ cert, key }, version)

async function gatewayTo(port: number, more: Record<string, unknown> = {}): Promise<TestGateway> {
  const gateway = await startTestGateway({
    upstreams: { app: { url: `https://localhost:${port}`, tls: { caFile: authority.certFile }, ...more } },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  atEnd(() => gateway.close())
  return gateway
}

describe('the version', () => {
  test.each([
    ['is 2 when the service speaks both', both, '2.0', 'h2'],
    ['is 2 when the service speaks nothing else', onlyHttp2, '2.0', 'h2'],
    ['is 1.1 when the service does not offer 2', onlyHttp1, '1.1', 'http/1.1'],
  ] as const)('%s', async (_name, server, spoken, protocol) => {
    const service = await listen(server())
    const gateway = await gatewayTo(service.port)
    expect((await gateway.request('/a')).text).toBe(spoken)
    expect((await gateway.request('/b', { method: 'POST', body: 'x' })).text).toBe(spoken)
    expect(service.protocols).toEqual([protocol])
  })

  test('is 1.1 when the service knows nothing of the choice', async () => {
    const silent = createTlsServer({ cert, key }, socket =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n1.1')),
    )
    const service = await listen(silent)
    expect((await (await gatewayTo(service.port)).request('/a')).text).toBe('1.1')
    expect(service.protocols).toEqual([false])
  })

  test.each(['GET', 'POST'])('is asked for on the connection that the first request then takes: %s', async method => {
    const service = await listen(onlyHttp1())
    const gateway = await gatewayTo(service.port)
    expect((await gateway.request('/a', { method })).text).toBe('1.1')
    expect(service.protocols).toEqual(['http/1.1'])
  })

  test('is asked for once by requests that come together', async () => {
    const service = await listen(both())
    const gateway = await gatewayTo(service.port)
    const replies = await Promise.all(Array.from({ length: 20 }, () => gateway.request('/a')))
    expect(new Set(replies.map(({ text }) => text))).toEqual(new Set(['2.0']))
    expect(service.protocols).toEqual(['h2'])
  })
})

describe('a service that is replaced', () => {
  async function spokenAfterwards(gateway: TestGateway): Promise<string> {
    for (;;) {
      const { status, text } = await gateway.request('/a')
      if (status === 200) return text
      expect(status).toBe(502)
    }
  }

  test.each([
    ['by one that speaks 1.1 only', both, onlyHttp1, '2.0', '1.1'],
    ['by one that speaks 2 only', onlyHttp1, onlyHttp2, '1.1', '2.0'],
  ] as const)('%s is spoken to in its own way', async (_name, before, after, first, then) => {
    const old = await listen(before())
    const gateway = await gatewayTo(old.port)
    expect((await gateway.request('/a')).text).toBe(first)
    await old.close()
    await listen(after(), old.port)
    expect(await spokenAfterwards(gateway)).toBe(then)
  })

  test('is asked again after it was not there', async () => {
    const old = await listen(both())
    await old.close()
    const gateway = await gatewayTo(old.port)
    expect((await gateway.request('/a')).status).toBe(502)
    await listen(onlyHttp1(), old.port)
    expect(await spokenAfterwards(gateway)).toBe('1.1')
  })
})

describe('who the service is', () => {
  test('is verified whatever Host the client sends', async () => {
    const impostor = stranger.issue('impostor', ['DNS:localhost'])
    const misnamed = authority.issue('other', ['DNS:other.internal'])
    for (const [{ cert, key }, reason] of [
      [impostor, /VERIFY|SELF_SIGNED|ISSUER/],
      [misnamed, /ALTNAME/],
    ] as const) {
      const app = await startHttp2Service(undefined, { tls: { ...certificate, cert, key } })
      atEnd(() => app.close())
      const gateway = await gatewayTo(app.port)
      for (const host of ['localhost', 'other.internal', 'impostor']) {
        expect((await gateway.request(`/${host}`, { headers: { host } })).status).toBe(502)
        expect(await gateway.logged({ path: `/${host}` })).toMatchObject({
          code: 'upstream_unreachable',
          evidence: { upstream: 'app', reason: expect.stringMatching(reason) },
        })
      }
      expect(app.calls).toEqual([])
    }
  })

  test('is told from the name in the configuration, while the service sees the Host of the client', async () => {
    const { cert, key } = authority.issue('named', ['DNS:service.internal'])
    const app = await startHttp2Service(undefined, { tls: { ...certificate, cert, key } })
    atEnd(() => app.close())
    const gateway = await gatewayTo(app.port, {
      tls: { caFile: authority.certFile, serverName: 'service.internal' },
    })
    expect((await gateway.request('/a', { headers: { host: 'app.example' } })).status).toBe(200)
    expect(app.calls[0]?.headers[':authority']).toBe('app.example')
    expect(app.calls[0]?.headers[':scheme']).toBe('https')
    expect((app.sockets[0] as TLSSocket & { servername: string }).servername).toBe('service.internal')
  })
})

describe('a WebSocket', () => {
  test('goes over HTTP/1.1, though everything else goes over HTTP/2', async () => {
    const server = both()
    const sockets = new WebSocketServer({ noServer: true })
    server.on('upgrade', (request, socket, head) =>
      sockets.handleUpgrade(request, socket, head, accepted => accepted.on('message', text => accepted.send(text))),
    )
    const service = await listen(server)
    const gateway = await gatewayTo(service.port)
    expect((await gateway.request('/a')).text).toBe('2.0')
    const client = new WebSocket(`${gateway.url.replace('http', 'ws')}/ws`)
    await once(client, 'open')
    client.send('echo')
    expect(String((await once(client, 'message'))[0])).toBe('echo')
    client.close()
    await once(client, 'close')
    expect((await gateway.request('/b')).text).toBe('2.0')
    expect(service.protocols).toEqual(['h2', 'http/1.1'])
  })

  test('that the service does not take costs no connection, however often it is tried', async () => {
    const service = await listen(onlyHttp2())
    const gateway = await gatewayTo(service.port)
    expect((await gateway.request('/a')).text).toBe('2.0')
    for (let i = 0; i < 5; i++) {
      const client = rawClient(Number(new URL(gateway.url).port))
      client.write(handshakeBytes('/ws'))
      expect(await client.until(/upstream_unreachable/)).toMatch(/^HTTP\/1\.1 502 /)
      client.socket.destroy()
      expect((await gateway.request('/b')).text).toBe('2.0')
    }
    expect(service.protocols.filter(protocol => protocol === 'h2')).toHaveLength(1)
    expect(await gateway.logged({ path: '/ws' })).toMatchObject({
      evidence: { reason: expect.stringMatching(/ALPN|APPLICATION_PROTOCOL|ECONNRESET|ANSWER_CUT/) },
    })
  })

  test('over h2c is refused, and the log says why', async () => {
    const app = await startHttp2Service()
    atEnd(() => app.close())
    const gateway = await startTestGateway({
      upstreams: { app: app.url },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    atEnd(() => gateway.close())
    const client = rawClient(Number(new URL(gateway.url).port))
    client.write(handshakeBytes('/ws'))
    expect(await client.until(/upstream_unreachable/)).toMatch(/^HTTP\/1\.1 502 /)
    client.socket.destroy()
    expect(await gateway.logged({ path: '/ws' })).toMatchObject({
      code: 'upstream_unreachable',
      evidence: { upstream: 'app', reason: 'NOT_SUPPORTED' },
    })
    expect(app.calls).toEqual([])
  })
})
