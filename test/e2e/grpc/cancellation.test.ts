/** A client gives a call up: the service hears of it at once, and does not take half for whole. */
import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { type ClientHttp2Session, connect } from 'node:http2'
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { Metadata, status } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestStack, type TestStack, testProvider } from '../../support/gateway/gateway.ts'
import { http2TransportsOfFile } from '../../support/http2-transports.ts'
import { type RawUpstream, startRawUpstream } from '../../support/services/raw-upstream.ts'
import { startGrpcService } from './services.ts'
import { type GrpcStack, startGrpcStack, TRANSPORTS, unary, upload, watch } from './support.ts'

/** It tells of its calls: `called`, `cancelled`. */
const service = new EventEmitter()

/** A call that never ends by itself. */
function silent(call: EventEmitter): void {
  service.emit('called')
  call.on('cancelled', () => service.emit('cancelled'))
}

describe.each(TRANSPORTS)('with %s', transport => {
  describe('a call that the service has not ended', () => {
    let stack: GrpcStack
    beforeAll(async () => {
      stack = await startGrpcStack({
        transport,
        service: await startGrpcService({
          get: silent,
          upload: silent,
          chat: silent,
          watch(call) {
            silent(call)
            call.write(call.request)
          },
        }),
      })
    })
    afterAll(() => stack.close())

    const inFlight = () => stack.metrics().then(all => all.get('sallyport_requests_in_flight'))

    test('is cancelled there when the client cancels before there is an answer', async () => {
      const cancelled = once(service, 'cancelled')
      const called = once(service, 'called')
      const { call, outcome } = upload(stack.client, await stack.metadata())
      await called
      call.cancel()
      await cancelled
      expect((await outcome).error?.code).toBe(status.CANCELLED)
      await stack.logged({ path: '/shop.Orders/Upload', aborted: true })
      expect(await inFlight()).toBe(0)
    })

    test('is cancelled there when the client cancels between two answers', async () => {
      const cancelled = once(service, 'cancelled')
      const { call, count, status: end } = watch(stack.client, 'x', await stack.metadata())
      await count(1)
      call.cancel()
      await cancelled
      expect((await end).code).toBe(status.CANCELLED)
    })
  })

  describe('a request that breaks off half-way never looks whole to a service', () => {
    // gRPC's library for Node ends a request before it resets it; this client does not.
    let raw: RawUpstream
    let stack: TestStack
    let client: ClientHttp2Session
    let connection: Socket
    const [secure, plain] = http2TransportsOfFile()
    const { listen, ca } = transport === 'TLS' ? secure : plain
    beforeAll(async () => {
      raw = await startRawUpstream()
      stack = await startTestStack({
        listen,
        upstreams: { app: raw.url },
      })
    })
    afterAll(async () => {
      await stack.close()
      await raw.close()
    })
    beforeEach(() => {
      const { port } = new URL(stack.url)
      const options = { port: Number(port), servername: 'localhost', ca, ALPNProtocols: ['h2'] }
      connection = ca === undefined ? connectTcp({ port: Number(port), host: '127.0.0.1' }) : connectTls(options)
      client = connect(`${ca === undefined ? 'http' : 'https'}://localhost:${port}`, {
        createConnection: () => connection,
      })
      client.on('error', () => {})
    })
    afterEach(() => client.destroy())

    test.each([
      ['because its stream is reset', (cancel: AbortController) => cancel.abort()],
      ['because its connection is', () => connection.destroy()],
    ])('%s', async (_name, breakOff) => {
      const accepted = raw.next()
      const cancel = new AbortController()
      const head = { ':method': 'POST', ':path': '/public/x', 'content-type': 'application/grpc' }
      const call = client.request(head, { signal: cancel.signal })
      call.on('error', () => {})
      call.write('half of it')
      const service = await accepted
      await service.until(/half of it/)
      breakOff(cancel)
      const { text } = await service.closed
      expect(text).toMatch(/\r\n\r\na\r\nhalf of it\r\n$/)
    })
  })

  test('a call that is cancelled while its keys are fetched never reaches the service', async () => {
    const keys = createServer()
    keys.listen(0, '127.0.0.1')
    await once(keys, 'listening')
    const asked = once(keys, 'request')
    const stack = await startGrpcStack({
      transport,
      service: await startGrpcService(),
      config: issuer => ({
        providers: {
          main: {
            ...testProvider(issuer),
            keys: { jwksUri: `http://127.0.0.1:${(keys.address() as AddressInfo).port}/jwks.json` },
          },
        },
      }),
    })
    try {
      const [, answer] = await asked
      const gone = watch(stack.client, 'gone', await stack.metadata())
      const staying = unary(stack.client, 'staying', await stack.metadata())
      while ((await stack.metrics()).get('sallyport_requests_in_flight') !== 2);
      gone.call.cancel()
      while ((await stack.metrics()).get('sallyport_requests_in_flight') !== 1);
      answer.end(await (await fetch(stack.issuer.jwksUri)).text())
      expect(String((await staying).reply)).toBe('staying')
      expect(stack.service.seen).toHaveLength(1)
      expect((await gone.status).code).toBe(status.CANCELLED)
      expect((await unary(stack.client, 'x', new Metadata())).status.code).toBe(status.UNAUTHENTICATED)
    } finally {
      await stack.close()
      keys.closeAllConnections()
      keys.close()
    }
  })
})
