/** Connections of HTTP/2 to a service are opened, shared, given up and closed. */
import { once } from 'node:events'
import { createServer as createHttp1Server } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { call, startCall } from '../support/gateway/upstream-call.ts'
import { FRAME, maxConcurrentStreams } from '../support/services/http2-frame-service.ts'
import { frames, ok, service, to } from '../support/services/http2-upstreams.ts'

async function listening(server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  atEnd(async () => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

describe('a connection', () => {
  test('is shared by requests that run at the same time', async () => {
    const app = await service()
    const upstream = to(app.url)
    const replies = await Promise.all(Array.from({ length: 50 }, (_, i) => call(upstream, `/${i}`)))
    expect(replies.map(({ text }) => text)).toEqual(Array.from({ length: 50 }, (_, i) => `GET /${i} 0`))
    expect(app.sessions).toHaveLength(1)
  })

  test('takes a hundred requests at a time; more get another one', async () => {
    const app = await service(() => {})
    const upstream = to(app.url)
    const running = Array.from({ length: 250 }, () => startCall(upstream, '/'))
    while (app.calls.length < 250) await app.next()
    expect(app.sessions).toHaveLength(3)
    for (const { stream } of app.calls) stream.respond({ ':status': 204 }, { endStream: true })
    for (const { ended } of running) expect((await ended).statuses).toEqual([204])
  })

  test('takes no more than the service allows, and nobody waits for another request', async () => {
    const app = await service(() => {}, { settings: { maxConcurrentStreams: 1 } })
    const upstream = to(app.url)
    const running = Array.from({ length: 5 }, () => startCall(upstream, '/'))
    while (app.calls.length < 5) await app.next()
    expect(app.sessions).toHaveLength(5)
    for (const { stream } of app.calls) stream.respond({ ':status': 204 }, { endStream: true })
    for (const { ended } of running) expect((await ended).statuses).toEqual([204])
    const next = app.next()
    startCall(upstream, '/')
    await next
    expect(app.sessions).toHaveLength(5)
  })

  test('of a service that takes nothing yet is waited for', async () => {
    const app = await frames({
      onRequest: ok,
      greet: connection => connection.send({ type: FRAME.settings, payload: maxConcurrentStreams(0) }),
    })
    const upstream = to(app.url)
    const running = call(upstream, '/')
    while (app.connections[0]?.received.some(({ flags, type }) => type === FRAME.settings && flags === 1) !== true)
      await new Promise(setImmediate)
    app.connections[0]?.send({ type: FRAME.settings, payload: maxConcurrentStreams(1) })
    expect((await running).statuses).toEqual([200])
    expect(app.connections).toHaveLength(1)
  })

  test('of a service that never takes a request is given up after the time to connect', async () => {
    const app = await frames({
      onRequest: ok,
      greet: connection => connection.send({ type: FRAME.settings, payload: maxConcurrentStreams(0) }),
    })
    const { error } = await call(to(app.url, { connectTimeoutMs: 100 }), '/')
    expect(error?.code).toBe('CONNECT_TIMEOUT')
    expect(app.connections).toHaveLength(1)
  })

  test('that a service turns away as soon as it is open is not asked for again and again', async () => {
    const app = await frames({
      onRequest: ok,
      greet: connection => {
        connection.send({ type: FRAME.settings })
        connection.goAway(0, 11)
      },
    })
    const upstream = to(app.url)
    const replies = await Promise.all([call(upstream, '/'), call(upstream, '/')])
    for (const { error } of replies) expect(error).toBeInstanceOf(Error)
    expect(app.connections.length).toBeLessThan(3)
  })
})

describe('a service that is no service of HTTP/2', () => {
  test('but of HTTP/1.1 fails at once, with a reason', async () => {
    const origin = await listening(createHttp1Server((_request, response) => response.end('x')))
    const { error } = await call(to(origin), '/')
    expect(error?.code).toMatch(/^ERR_HTTP2|^ANSWER_CUT/)
  })

  test('and says nothing runs into the time to connect', async () => {
    const origin = await listening(createServer())
    const { error } = await call(to(origin, { connectTimeoutMs: 100 }), '/')
    expect(error?.code).toBe('CONNECT_TIMEOUT')
  })

  test('and hangs up fails at once', async () => {
    const origin = await listening(createServer(socket => socket.end()))
    const { error } = await call(to(origin), '/')
    expect(error?.code).toMatch(/^ANSWER_CUT|^ERR_HTTP2/)
  })

  test('nor there at all fails with all that wait', async () => {
    const upstream = to('http://127.0.0.1:1')
    const replies = await Promise.all([
      call(upstream, '/'),
      call(upstream, '/', { method: 'POST', body: Readable.from(['x']) }),
    ])
    for (const { error } of replies) expect(error?.code).toBe('ECONNREFUSED')
  })
})
