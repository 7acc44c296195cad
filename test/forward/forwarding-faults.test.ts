/** Faults behind the gateway are told apart: not there (502), too slow (504), or cut off in the middle. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { answering, type RawUpstream, startRawUpstream } from '../support/services/raw-upstream.ts'
import { startTestUpstream } from '../support/services/upstream.ts'
import { refusedHandshake } from '../support/services/websocket-service.ts'

const MiB = 1024 * 1024

let service: RawUpstream
let onConnection: (connection: RawClient) => void = () => {}
let gateway: TestGateway
let port: number
let deadPort: number
beforeAll(async () => {
  service = await startRawUpstream(connection => onConnection(connection))
  const listener = createServer().listen(0, '127.0.0.1')
  await once(listener, 'listening')
  deadPort = (listener.address() as AddressInfo).port
  await new Promise(resolve => listener.close(resolve))
  gateway = await startTestGateway({
    upstreams: {
      app: { url: service.url, timeouts: { connect: '250ms', headers: '250ms', idle: '250ms' } },
      patient: service.url,
      dead: `http://127.0.0.1:${deadPort}`,
      // A server that accepts and never speaks TLS.
      mute: { url: service.url.replace('http:', 'https:'), timeouts: { connect: '250ms' } },
    },
    routes: [
      { id: 'app', path: '/app/**', access: 'public', upstream: 'app' },
      { id: 'patient', path: '/patient/**', access: 'public', upstream: 'patient' },
      { id: 'impatient', path: '/impatient/**', access: 'public', upstream: 'patient', timeout: '250ms' },
      { id: 'dead', path: '/dead/**', access: 'public', upstream: 'dead' },
      { id: 'mute', path: '/mute/**', access: 'public', upstream: 'mute' },
    ],
  })
  port = Number(new URL(gateway.url).port)
})
afterAll(async () => {
  await gateway.close()
  await service.close()
})

function expectBareProblem(reply: { text: string; headers: object }, code: string) {
  const { request_id, ...body } = JSON.parse(reply.text) as Record<string, unknown>
  expect(Object.keys(body).sort()).toEqual(['code', 'status', 'title', 'type'])
  expect(body.code).toBe(code)
  expect(reply.text).not.toMatch(/ECONN|(?:CONNECT|HEADERS|BODY)_TIMEOUT|ANSWER_|127\.0\.0\.1|HPE|socket/i)
  expect(reply.headers).not.toHaveProperty('www-authenticate')
}

describe('before the answer has begun', () => {
  test('a refused connection is 502', async () => {
    const reply = await gateway.request('/dead/a', { method: 'POST', body: 'x'.repeat(100_000) })
    expect(reply.status).toBe(502)
    expectBareProblem(reply, 'upstream_unreachable')
    expect(await gateway.logged({ route: 'dead' })).toMatchObject({
      code: 'upstream_unreachable',
      status: 502,
      evidence: { upstream: 'dead', reason: 'ECONNREFUSED' },
    })
  })

  test('a connection that takes too long to be made is 504', async () => {
    const reply = await gateway.request('/mute/a')
    expect(reply.status).toBe(504)
    expectBareProblem(reply, 'upstream_timeout')
    expect(await gateway.logged({ route: 'mute' })).toMatchObject({ evidence: { reason: 'CONNECT_TIMEOUT' } })
  })

  test('a reset is 502', async () => {
    onConnection = ({ socket }) => socket.once('data', () => socket.resetAndDestroy())
    const reply = await gateway.request('/patient/a')
    expect(reply.status).toBe(502)
    expectBareProblem(reply, 'upstream_unreachable')
  })

  test('a connection closed without a word is 502', async () => {
    onConnection = ({ socket }) => socket.once('data', () => socket.end())
    expect((await gateway.request('/patient/a')).status).toBe(502)
  })

  test('silence is 504 after the time of the upstream, or of the route', async () => {
    onConnection = () => {}
    for (const path of ['/app/a', '/impatient/a']) {
      const reply = await gateway.request(path)
      expect(reply.status).toBe(504)
      expectBareProblem(reply, 'upstream_timeout')
    }
  })

  test('silence to a WebSocket handshake is 504, too', async () => {
    onConnection = () => {}
    for (const path of ['/app/a', '/impatient/a']) {
      const reply = await refusedHandshake(gateway.url + path)
      expect(reply.status).toBe(504)
      expectBareProblem(reply, 'upstream_timeout')
    }
  })

  test('a service that does not take the body is 504 after the same time', async () => {
    onConnection = ({ socket }) => socket.pause()
    const client = rawClient(port)
    client.write('POST /app/stuck HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n')
    client.write(Buffer.alloc(64 * MiB))
    expect(await client.until(/upstream_timeout/)).toMatch(/^HTTP\/1\.1 504 /)
    client.socket.destroy()
    expect(await gateway.logged({ path: '/app/stuck' })).toMatchObject({
      evidence: { reason: 'HEADERS_TIMEOUT' },
    })
  })

  test('a head that never ends is 504', async () => {
    onConnection = ({ socket }) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nX-A: '))
    expect((await gateway.request('/app/a')).status).toBe(504)
  })

  test.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['a status out of this world', 'HTTP/1.1 99999 Huge\r\n\r\n'],
    ['a status below 100', 'HTTP/1.1 042 Low\r\nContent-Length: 0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx'],
    ['length and coding', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\nx'],
    ['a header that is none', 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n'],
    ['a NUL in a value', 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 0\r\n\r\n'],
    ['a bare CR in a value', 'HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n'],
    ['a head beyond all bounds', `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(200_000)}\r\n\r\n`],
  ])('an answer with %s is 502', async (_name, bytes) => {
    onConnection = answering(Buffer.from(bytes, 'latin1'))
    const reply = await gateway.request('/patient/a')
    expect(reply.status).toBe(502)
    expectBareProblem(reply, 'upstream_unreachable')
  })
})

describe('in the middle of the answer', () => {
  test.each([
    ['of known length', 'Content-Length: 1000\r\n\r\npart'],
    ['in chunks', 'Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'],
  ])('a reset of one %s cuts the client off', async (_name, rest) => {
    onConnection = connection => {
      connection.socket.once('data', () => connection.write(`HTTP/1.1 200 OK\r\n${rest}`))
    }
    const client = rawClient(port)
    client.write('GET /patient/a HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/part/)
    service.connections.at(-1)?.socket.resetAndDestroy()
    const { text } = await client.closed
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).not.toMatch(/0\r\n\r\n$/)
  })

  test('silence past the idle time cuts the client off, and the log says why', async () => {
    onConnection = connection => {
      connection.socket.once('data', () =>
        connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'),
      )
    }
    const client = rawClient(port)
    client.write('GET /app/idle HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.closed).text).toMatch(/part\r\n$/)
    expect(await gateway.logged({ path: '/app/idle' })).toMatchObject({
      code: 'upstream_timeout',
      status: 200,
      aborted: true,
      evidence: { reason: 'BODY_TIMEOUT' },
    })
  })

  test('a reset of one that waits behind another cuts the client off after the other', async () => {
    const part = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n'
    onConnection = ({ socket }) => {
      socket.once('data', (head: string) => {
        if (head.includes('/second')) socket.write(part, () => socket.resetAndDestroy())
      })
    }
    const client = rawClient(port)
    client.write('GET /patient/first HTTP/1.1\r\nHost: a\r\n\r\nGET /patient/second HTTP/1.1\r\nHost: a\r\n\r\n')
    await gateway.logged({ path: '/patient/second' })
    const first = service.connections.find(connection => connection.received().includes('/first'))
    first?.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nfirst')
    const { text } = await client.closed
    expect(text).toMatch(/^HTTP\/1\.1 200 [\s\S]*?\r\n\r\nfirst/)
    expect(text).not.toMatch(/0\r\n\r\n$/)
  })

  test('a length that is not kept cuts the client off', async () => {
    onConnection = ({ socket }) =>
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfour'))
    const client = rawClient(port)
    client.write('GET /patient/short HTTP/1.1\r\nHost: a\r\n\r\n')
    expect((await client.closed).text).toMatch(/\r\n\r\nfour$/)
    expect(await gateway.logged({ path: '/patient/short' })).toMatchObject({ code: 'upstream_unreachable' })
  })
})

describe('after a fault', () => {
  test('the connection of the client goes on, its body read or not', async () => {
    const client = rawClient(port)
    client.write(`POST /dead/first HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n`)
    await client.until(/upstream_unreachable/)
    client.write(Buffer.alloc(60_000))
    client.write('GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.until(/route_unknown/)
    client.socket.destroy()
  })

  test('nothing is sent twice', async () => {
    const before = service.connections.length
    onConnection = ({ socket }) => socket.once('data', () => socket.resetAndDestroy())
    expect((await gateway.request('/patient/a', { method: 'POST', body: 'x' })).status).toBe(502)
    expect((await gateway.request('/patient/a')).status).toBe(502)
    expect(service.connections.length).toBe(before + 2)
  })

  test('bytes that a service sends beyond its answer never become the next one', async () => {
    const extra = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison'
    onConnection = answering(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${extra}`)
    for (let i = 0; i < 5; i++) {
      const reply = await gateway.request('/patient/a')
      expect(reply.text).not.toContain('poison')
    }
  })
})

describe('an answer while the upload still flows', () => {
  test('reaches the client, and neither connection is used again', async () => {
    const early = await startTestUpstream((request, response) => {
      if (request.method === 'GET') response.end('fine')
      else response.writeHead(413, { 'content-length': 5 }).end('early')
    })
    const stack = await startTestGateway({
      upstreams: { app: early.url },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    const client = rawClient(Number(new URL(stack.url).port))
    client.write('POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    const text = await client.until(/early$/)
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
    expect(text).toMatch(/\r\nconnection: close\r\n/i)
    for (let i = 0; i < 20; i++)
      client.write(Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536), Buffer.from('\r\n')]))
    client.socket.end()
    expect((await client.closed).wasReset).toBe(false)
    for (let i = 0; i < 5; i++) expect((await stack.request('/after')).text).toBe('fine')
    expect(early.seen.map(({ method }) => method)).toEqual(['POST', 'GET', 'GET', 'GET', 'GET', 'GET'])
    await stack.close()
    await early.close()
  })
})
