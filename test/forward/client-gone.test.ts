/**
 * A client that goes away takes its request to the service with it, at every moment and however it goes.
 *
 * No timer here is short enough to end anything: what closes the connection to the service is that the client has left.
 */
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { bearer, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer } from '../support/services/issuer.ts'
import { type RawUpstream, startRawUpstream } from '../support/services/raw-upstream.ts'
import { startTestUpstream } from '../support/services/upstream.ts'
import { handshakeBytes } from '../support/services/websocket-service.ts'

const NEVER = '500h'
const authority = testAuthority()

let service: RawUpstream
let gateway: TestGateway
let tlsGateway: TestGateway
beforeAll(async () => {
  service = await startRawUpstream()
  const { certFile, keyFile } = authority.issue('gateway', ['IP:127.0.0.1'])
  const config = {
    upstreams: { app: { url: service.url, timeouts: { connect: NEVER, headers: NEVER, idle: NEVER } } },
    limits: { headersTimeout: NEVER, bodyIdleTimeout: NEVER },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  }
  gateway = await startTestGateway(config)
  tlsGateway = await startTestGateway({ ...config, listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } } })
})
afterAll(async () => {
  await Promise.all([gateway.close(), tlsGateway.close()])
  await service.close()
  authority.remove()
})
afterEach(async () => {
  for (const each of [gateway, tlsGateway]) {
    while ((await each.metrics()).get('sallyport_requests_in_flight') !== 0);
  }
})

const STREAM = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'

interface Moment {
  /** The bytes that the client sends. */
  readonly asks: string
  /** The part of it that is at the service by then. */
  readonly arrived: RegExp
  /** The service's words to it, and the part of them that is at the client by then. */
  readonly says?: { readonly bytes: string; readonly arrived: RegExp }
}

const GET = 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n'
const CHUNKED = 'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'

const MOMENTS: ReadonlyArray<[string, Moment]> = [
  ['waits for the head of an answer', { asks: GET, arrived: /\r\n\r\n/ }],
  [
    'waits for the next piece of a stream',
    { asks: GET, arrived: /\r\n\r\n/, says: { bytes: `${STREAM}9\r\ndata: 1\n\n\r\n`, arrived: /data: 1/ } },
  ],
  [
    'waits for the first piece of a stream',
    { asks: GET, arrived: /\r\n\r\n/, says: { bytes: STREAM, arrived: /event-stream/ } },
  ],
  [
    'waits for the rest of a piece',
    { asks: GET, arrived: /\r\n\r\n/, says: { bytes: `${STREAM}ff\r\ndata: 1`, arrived: /data: 1/ } },
  ],
  [
    'waits for the rest of an answer of known length',
    {
      asks: GET,
      arrived: /\r\n\r\n/,
      says: { bytes: 'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhello', arrived: /hello/ },
    },
  ],
  ['uploads in chunks', { asks: CHUNKED, arrived: /hello/ }],
  [
    'uploads a known length',
    { asks: 'PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\nhello', arrived: /hello/ },
  ],
  ['has uploaded, and waits', { asks: `${CHUNKED}0\r\n\r\n`, arrived: /hello\r\n0\r\n\r\n/ }],
  [
    'uploads while it is answered',
    { asks: CHUNKED, arrived: /hello/, says: { bytes: `${STREAM}9\r\ndata: 1\n\n\r\n`, arrived: /data: 1/ } },
  ],
  ['waits for its WebSocket', { asks: handshakeBytes('/a'), arrived: /\r\n\r\n/ }],
  ['speaks HTTP/1.0, and waits', { asks: 'GET /a HTTP/1.0\r\nHost: a\r\n\r\n', arrived: /\r\n\r\n/ }],
]

async function at({ asks, arrived, says }: Moment, client: RawClient): Promise<RawClient> {
  const accepted = service.next()
  client.write(asks)
  const peer = await accepted
  await peer.until(arrived)
  if (says !== undefined) {
    peer.write(says.bytes)
    await client.until(says.arrived)
  }
  return peer
}

describe.each(MOMENTS)('a client that %s', (_name, moment) => {
  const port = () => Number(new URL(gateway.url).port)

  test.each(['resetAndDestroy', 'destroy', 'end'] as const)('and leaves (%s)', async how => {
    const client = rawClient(port())
    const peer = await at(moment, client)
    client.socket[how]()
    await peer.closed
    await client.closed
  })

  test.each(['destroy', 'end'] as const)('over TLS and leaves (%s)', async how => {
    const socket: TLSSocket = connect({
      port: Number(new URL(tlsGateway.url).port),
      host: '127.0.0.1',
      ca: authority.cert,
    })
    await once(socket, 'secureConnect')
    const client = rawClient(socket)
    const peer = await at(moment, client)
    socket[how]()
    await peer.closed
    await client.closed
  })
})

test('a client that leaves while several of its requests are under way takes all of them with it', async () => {
  const service = await startTestUpstream(() => {})
  const other = await startTestGateway({
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  const client = rawClient(Number(new URL(other.url).port))
  client.write(GET.repeat(3))
  while (service.seen.length < 3) await service.arrival()
  const closed = [...service.sockets].map(socket => once(socket, 'close'))
  client.socket.resetAndDestroy()
  await Promise.all(closed)
  while ((await other.metrics()).get('sallyport_requests_in_flight') !== 0);
  await other.close()
  await service.close()
})

test('a client that leaves while the keys for its token are fetched never reaches the service', async () => {
  const issuer = await startTestIssuer()
  const keys = await (await fetch(issuer.jwksUri)).text()
  const asked: ServerResponse[] = []
  const keyServer = await startTestUpstream((_request, response) => void asked.push(response))
  const service = await startTestUpstream()
  const other = await startTestGateway({
    providers: { main: { ...testProvider(issuer), keys: { jwksUri: `${keyServer.url}/jwks` } } },
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**' }],
  })
  const token = await issuer.mint()
  const client = rawClient(Number(new URL(other.url).port))
  client.write(`POST /left HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`)
  while ((await other.metrics()).get('sallyport_requests_in_flight') !== 1);
  client.socket.resetAndDestroy()
  await other.logged({ path: '/left', aborted: true })
  for (const answer of asked) answer.end(keys)
  expect((await other.request('/stayed', { headers: bearer(token) })).status).toBe(200)
  expect(service.seen.map(({ url }) => url)).toEqual(['/stayed'])
  await other.close()
  await Promise.all([service.close(), keyServer.close(), issuer.close()])
})
