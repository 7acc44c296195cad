/**
 * gRPC-Web passes as browsers speak it over HTTP/1.1: bodies are untouched, and a refusal says so
 * where its clients look.
 */

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { testAuthority } from '../../support/certificates.ts'
import { rawClient } from '../../support/clients/raw-client.ts'
import { bearer, startTestStack, type TestStack } from '../../support/gateway/gateway.ts'
import { startTestUpstream } from '../../support/services/upstream.ts'

const HOUR_MS = 3_600_000
const WEB = 'application/grpc-web+proto'
const PATH = '/shop.Orders/Get'
/** A message, and trailers in a frame of their own. */
const ANSWER = Buffer.from('\0\0\0\0\x02hi\x80\0\0\0\x10grpc-status: 0\r\n', 'latin1')

let laterMs = 0
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + laterMs }
const routes = [{ id: 'orders', path: '/shop.Orders/**', methods: ['POST'] }]
let stack: TestStack
let received: Buffer
beforeAll(async () => {
  const upstream = await startTestUpstream((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => parts.push(part))
    request.on('end', () => {
      received = Buffer.concat(parts)
      response.writeHead(200, { 'content-type': request.headers['content-type'] })
      if (request.url === PATH) response.end(ANSWER)
      else response.write(ANSWER.subarray(0, 7))
    })
  })
  stack = await startTestStack({ routes }, { upstream, clock })
})
afterAll(() => stack.close())

test.each([WEB, 'application/grpc-web', 'application/grpc-web-text+proto'])(
  'bodies of %s pass untouched',
  async type => {
    const body = randomBytes(100_000)
    const headers = { ...bearer(await stack.issuer.mint()), 'content-type': type }
    const response = await fetch(stack.url + PATH, { method: 'POST', headers, body })
    expect([response.status, response.headers.get('content-type')]).toEqual([200, type])
    expect(Buffer.from(await response.arrayBuffer()).equals(ANSWER)).toBe(true)
    expect(received.equals(body)).toBe(true)
  },
)

describe('a refusal', () => {
  const refused = (type: string, path = PATH): Promise<Response> =>
    fetch(stack.url + path, { method: 'POST', headers: { 'content-type': type }, body: 'x' })

  test.each([
    [WEB, 'application/grpc-web'],
    ['application/grpc-web', 'application/grpc-web'],
    ['application/grpc-web-text', 'application/grpc-web-text'],
    ['application/grpc', 'application/grpc'],
    ['application/grpc+json', 'application/grpc'],
    ['Application/gRPC; charset=utf-8', 'application/grpc'],
  ])('of %s carries its status in the head, and has no body', async (type, answered) => {
    const response = await refused(type)
    expect([response.status, await response.text()]).toEqual([200, ''])
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': answered,
      'grpc-status': '16',
      'grpc-message': 'token_missing: Authentication required',
      'x-request-id': expect.stringMatching(/^[0-9a-f]{32}$/),
      'www-authenticate': 'Bearer realm="sallyport"',
    })
  })

  test('of an unknown method is UNIMPLEMENTED', async () => {
    expect((await refused(WEB, '/shop.Nobody/Get')).headers.get('grpc-status')).toBe('12')
  })

  test.each(['application/json', 'application/grpcfoo', 'application/grpc-gateway', 'text/plain; a=application/grpc'])(
    'of %s is a problem over plain HTTP',
    async type => {
      const response = await refused(type)
      expect([response.status, response.headers.get('content-type')]).toEqual([401, 'application/problem+json'])
      expect(response.headers.has('grpc-status')).toBe(false)
    },
  )
})

describe('an answer that is cut short, because its token expired, never looks whole', () => {
  test('over HTTP/1.1', async () => {
    const client = rawClient(Number(new URL(stack.url).port))
    const lines = ['Host: a', `Authorization: Bearer ${await stack.issuer.mint()}`, `Content-Type: ${WEB}`]
    client.write(`${['POST /shop.Orders/Watch HTTP/1.1', ...lines, 'Content-Length: 1'].join('\r\n')}\r\n\r\nx`)
    await client.until(/hi\r\n/)
    laterMs = 2 * HOUR_MS
    expect((await client.closed).text).toMatch(/hi\r\n$/)
  })

  test('over HTTP/2: a browser does not see trailers, so that its client would take the end for success', async () => {
    laterMs = 0
    const authority = testAuthority()
    const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
    const listen = { address: '127.0.0.1:0', tls: { certFile, keyFile } }
    const secure = await startTestStack({ listen, routes, upstreams: { app: stack.upstream.url } }, { clock })
    const session = connect(secure.url.replace('127.0.0.1', 'localhost'), { ca: authority.cert })
    try {
      const call = session.request({
        ':method': 'POST',
        ':path': '/shop.Orders/Watch',
        'content-type': WEB,
        ...bearer(await secure.issuer.mint()),
      })
      call.on('error', () => {})
      const closed = new Promise(resolve => call.on('close', resolve))
      call.end('x')
      await once(call, 'data')
      laterMs = 2 * HOUR_MS
      await closed
      expect(call.rstCode).not.toBe(0)
    } finally {
      session.destroy()
      await secure.close()
      authority.remove()
    }
  })
})
