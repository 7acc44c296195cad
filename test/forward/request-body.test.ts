/** A request body is bounded in size and silence, and asked for only once the request may pass. */
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RequestBody } from '../../src/forward/request-body.ts'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'

const LIMIT_BYTES = 1000
/** This is longer than a refused request may hold its connection. */
const SOON_MS = 20_000

let stack: TestStack
let port: number
beforeAll(async () => {
  stack = await startTestStack({ limits: { bodyBytes: `${LIMIT_BYTES}B`, bodyIdleTimeout: '250ms' } })
  port = Number(new URL(stack.url).port)
})
afterAll(() => stack.close())

function sent(bytes: string): RawClient {
  const client = rawClient(port)
  client.write(bytes)
  return client
}

describe('limits.bodyBytes', () => {
  test('a body of exactly the limit passes', async () => {
    const reply = await stack.request('/public/a', { method: 'POST', body: 'x'.repeat(LIMIT_BYTES) })
    expect(reply).toMatchObject({ status: 200 })
    expect(reply.json()).toMatchObject({ bodyBytes: LIMIT_BYTES })
  })

  test('a declared length above it is 413 before the service is asked', async () => {
    const { length } = stack.upstream.seen
    const client = sent(`POST /public/a HTTP/1.1\r\nHost: a\r\nContent-Length: ${LIMIT_BYTES + 1}\r\n\r\n`)
    const text = await client.until(/body_too_large/)
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
    client.socket.destroy()
    expect(stack.upstream.seen.length).toBe(length)
  })

  test('a chunked body that grows past it is 413, and the service’s connection is aborted', async () => {
    const arrival = stack.upstream.arrival()
    const client = sent('POST /public/grows HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    const socket = await arrival
    const aborted = new Promise<void>(resolve => void socket.once('close', () => resolve()).once('error', () => {}))
    client.write(`${LIMIT_BYTES.toString(16)}\r\n${'x'.repeat(LIMIT_BYTES)}\r\n`)
    const text = await client.until(/body_too_large/)
    expect(text).toMatch(/^HTTP\/1\.1 413 /)
    expect(text).toMatch(/\r\nconnection: close\r\n/i)
    await aborted
    expect((await stack.request('/public/after')).status).toBe(200)
  })

  test('a refusal for the token comes with the connection closed while a body is on its way', async () => {
    const client = sent('POST /private/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    expect(await client.until(/token_missing/)).toMatch(/\r\nconnection: close\r\n/i)
    client.socket.destroy()
  })
})

describe('limits.bodyIdleTimeout', () => {
  test.each([
    ['declared', 'Content-Length: 10\r\n\r\nhello'],
    ['chunked', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'],
    ['declared and not begun', 'Content-Length: 10\r\n\r\n'],
  ])('a body (%s) that stops coming is 408, and the connection closes', async (_name, rest) => {
    const client = sent(`POST /public/stops HTTP/1.1\r\nHost: a\r\n${rest}`)
    const text = await client.until(/request_timeout/)
    expect(text).toMatch(/^HTTP\/1\.1 408 /)
    expect(text).toMatch(/\r\nconnection: close\r\n/i)
    client.socket.end()
    await client.closed
  })

  test(
    'a refused request that never sends its body cannot hold the connection',
    async () => {
      const clients = [10, 999].map(length =>
        sent(`POST /private/a HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`),
      )
      for (const client of clients) await client.until(/token_missing/)
      for (const client of clients) await client.closed
    },
    SOON_MS,
  )
})

describe('Expect: 100-continue', () => {
  const HEAD = 'Host: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n'

  test('is answered with 100 once the request may pass', async () => {
    const token = await stack.issuer.mint()
    const client = sent(`POST /private/a HTTP/1.1\r\n${HEAD}Authorization: ${bearer(token).authorization}\r\n\r\n`)
    await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/)
    client.write('hello')
    const text = await client.until(/bodyBytes":5/)
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200'])
    expect(text).not.toContain('"expect"')
    client.socket.destroy()
  })

  test.each([
    ['/private/a', 401, ''],
    ['/private/a', 401, 'Authorization: Bearer a.b.c\r\n'],
    ['/nowhere', 404, ''],
  ])('on %s is answered with %i alone', async (path, status, more) => {
    const client = sent(`POST ${path} HTTP/1.1\r\n${HEAD}${more}\r\n`)
    const text = await client.until(/request_id/)
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(text).not.toContain('100 Continue')
    expect(text).toMatch(/\r\nconnection: close\r\n/i)
    client.socket.destroy()
  })

  test('a body that would be too large is never asked for', async () => {
    const client = sent(`POST /public/a HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\nExpect: 100-continue\r\n\r\n`)
    expect(await client.until(/request_id/)).toMatch(/^HTTP\/1\.1 413 /)
    client.socket.destroy()
  })

  test('any other expectation is 400', async () => {
    const client = sent(`POST /public/a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: magic\r\n\r\n`)
    expect(await client.until(/request_malformed/)).toMatch(/^HTTP\/1\.1 400 /)
    client.socket.destroy()
  })
})

test('a chunk that is none, in the middle of a body, is 400 and aborts the service’s connection', async () => {
  const arrival = stack.upstream.arrival()
  const client = sent('POST /public/broken HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
  const socket = await arrival
  const aborted = new Promise<void>(resolve => void socket.once('close', () => resolve()).once('error', () => {}))
  client.write('zz\r\n')
  expect(await client.until(/request_malformed/)).toMatch(/^HTTP\/1\.1 400 /)
  await aborted
  client.socket.destroy()
})

test('a body that is over is let go of by the request that brought it, which lives as long as its answer', async () => {
  const source = new Readable({ autoDestroy: false, read: () => {} })
  const body = new RequestBody(source, {
    maxBytes: 10,
    idleTimeoutMs: 1000,
    isAnswered: () => true,
    onFirstRead: () => {},
  })
  body.resume()
  source.push('x')
  source.push(null)
  await once(body, 'end')
  expect(['data', 'end', 'close'].map(event => source.listenerCount(event))).toEqual([0, 0, 0])
  const closed = new Promise(resolve => source.on('close', resolve))
  source.destroy(new Error('the connection broke'))
  await closed
})
