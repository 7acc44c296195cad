/** Answers over HTTP/2: whole ones arrive whole, cut ones never look whole, and each ends for itself. */
import type { RequestListener } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/lib/clock.ts'
import { type Http2Client, http2Client, requestHead } from '../support/clients/http2-client.ts'
import {
  ACK,
  data,
  END_HEADERS,
  frame,
  headers,
  http2Frames,
  requestFields,
  SETTINGS,
  TYPES,
  windowUpdate,
} from '../support/clients/http2-frame-client.ts'
import { startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { echo, startTestUpstream } from '../support/services/upstream.ts'

const MiB = 1024 * 1024

const ANSWERS: Readonly<Record<string, RequestListener>> = {
  '/public/dies': (_request, response) => {
    response.write('part', () => response.destroy())
  },
  '/public/dies-short': (_request, response) => {
    response.writeHead(200, { 'content-length': 9 })
    response.write('part', () => response.destroy())
  },
  '/public/early': (_request, response) => {
    response.writeHead(403, { 'content-length': 100_000 })
    response.end('e'.repeat(100_000))
  },
  '/public/empty': (_request, response) => response.end(),
  '/public/large': (_request, response) => response.end(Buffer.alloc(8 * MiB, 'l')),
  '/public/204': (_request, response) => response.writeHead(204).end(),
  '/public/205': (_request, response) => response.writeHead(205).end(),
  '/public/205-full': (_request, response) => response.writeHead(205, { 'content-length': 5 }).end('reset'),
  '/public/205-open': (_request, response) => {
    response.writeHead(205).write('re')
    response.end('set')
  },
  '/public/304': (_request, response) => response.writeHead(304, { 'content-length': 7, etag: '"a"' }).end(),
  '/public/twice': (_request, response) =>
    response
      .writeHead(200, [
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'Date',
        'x',
        'Date',
        'y',
        'Connection',
        'x-hop',
        'X-Hop',
        '1',
      ])
      .end(),
  '/public/trailers': (_request, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    response.write('body')
    response.addTrailers({ 'x-sum': '7', 'x-request-id': 'forged' })
    response.end()
  },
  '/private/stream': (_request, response) => response.write('data: 1\n\n'),
}

describe.each(http2TransportsOfFile())('over $name', ({ listen, ca, scheme }) => {
  let lateMs = 0
  const clock: Clock = { nowMs: () => systemClock.nowMs() + lateMs, monotonicMs: systemClock.monotonicMs }
  let stack: TestStack
  let client: Http2Client
  beforeAll(async () => {
    const upstream = await startTestUpstream((request, response) =>
      (ANSWERS[request.url ?? ''] ?? echo)(request, response),
    )
    stack = await startTestStack({ listen }, { upstream, clock })
  })
  afterAll(async () => {
    await stack.close()
  })
  beforeEach(() => {
    lateMs = 0
    client = http2Client(stack.url, ca)
  })
  afterEach(async () => {
    expect((await client.request('/public/control')).status).toBe(200)
    client.destroy()
    while ((await stack.metrics()).get('sallyport_requests_in_flight') !== 0);
  })

  describe('what the service answers', () => {
    test.each(['/public/empty', '/public/204', '/public/205', '/public/304', '/public/large', '/public/x'])(
      '%s: HEAD has the head of GET and no body',
      async path => {
        const [got, head] = [await client.request(path), await client.request(path, { method: 'HEAD' })]
        expect([got.complete, head.complete, head.status, head.body]).toEqual([true, true, got.status, ''])
        expect(got.body).toHaveLength(path === '/public/large' ? 8 * MiB : path === '/public/x' ? got.body.length : 0)
      },
    )

    test.each(['/public/205-full', '/public/205-open'])(
      '%s: a 205 that the service sends content with arrives without it',
      async path => {
        const { status, body, headers, complete } = await client.request(path)
        expect([status, body, complete, headers.get('content-length') ?? '0']).toEqual([205, '', true, '0'])
      },
    )

    test('repeated fields stay apart, and those of a connection end here', async () => {
      const { rawHeaders, headers } = await client.request('/public/twice')
      expect(rawHeaders.filter((_part, i) => /^(?:set-cookie|date)$/.test(rawHeaders[i - 1] ?? ''))).toEqual([
        ...['a=1', 'b=2', 'x', 'y'],
      ])
      expect([headers.has('connection'), headers.has('x-hop'), headers.has('transfer-encoding')]).toEqual([
        ...[false, false, false],
      ])
    })

    test('trailers follow the body', async () => {
      const { body, trailers, complete } = await client.request('/public/trailers')
      expect([body, [...trailers], complete]).toEqual(['body', [['x-sum', '7']], true])
    })

    test('says where we were asked: the scheme and the authority', async () => {
      const { body } = await client.request('/public/x', { authority: 'shop.example:8443' })
      expect(JSON.parse(body).headers).toMatchObject({
        host: 'shop.example:8443',
        'x-forwarded-proto': scheme,
        'x-forwarded-host': 'shop.example:8443',
        forwarded: `for=127.0.0.1;host="shop.example:8443";proto=${scheme}`,
      })
    })

    test('a report-only route lets pass what it would have refused', async () => {
      const lines = ['authorization', `Bearer ${await stack.issuer.mint({ sub: 'reported-h2' })}`]
      const { status, body } = await client.request('/report/a', { lines })
      expect([status, JSON.parse(body).headers['x-auth-subject']]).toEqual([200, 'reported-h2'])
      expect(await stack.logged({ subject: 'reported-h2' })).toMatchObject({ code: 'ok', reported: 'scope_missing' })
    })
  })

  describe('a refusal', () => {
    test.each([
      ['GET', undefined],
      ['HEAD', undefined],
      ['POST', 'a body'],
      ['POST', 'b'.repeat(100_000)],
    ])('that has arrived is not logged as cut: %s', async (method, body) => {
      const path = `/private/refused-${method}-${body?.length ?? 0}`
      const reply = await client.request(path, { method, ...(body !== undefined && { body }) })
      expect([reply.status, reply.complete]).toEqual([401, true])
      expect(await stack.logged({ path })).not.toHaveProperty('aborted')
    })
  })

  describe('an answer that is cut', () => {
    test.each(['/public/dies', '/public/dies-short'])('%s: is reset, and never looks whole', async path => {
      const reply = await client.request(path)
      expect([reply.complete, reply.errorCode]).toEqual([false, 2])
      const frames = await http2Frames(stack.url, ca)
      frames.write(headers(1, requestFields('GET', path)))
      expect((await frames.ended(1)).how).toBe('reset')
      frames.socket.destroy()
    })

    test('because its token expired is reset, and the others on the connection go on', async () => {
      const nowSeconds = Math.floor(Date.now() / 1000)
      const open = async (exp: number) => {
        const token = await stack.issuer.mint({ exp })
        const call = client.open(
          requestHead('GET', '/private/stream', 'a', ['authorization', `Bearer ${token}`]),
          'none',
        )
        await call.until(/data: 1/)
        return call
      }
      const [short, long] = [await open(nowSeconds + 600), await open(nowSeconds + 6_000)]
      lateMs = 700_000
      expect(await short.ended).toMatchObject({ status: 200, complete: false })
      expect(await stack.logged({ closed: 'expired' })).toMatchObject({ path: '/private/stream', status: 200 })
      expect(long.stream.closed).toBe(false)
      long.stream.destroy()
    })
  })

  describe('an answer that comes before the request is over', () => {
    test('arrives whole while the client goes on sending', async () => {
      const frames = await http2Frames(stack.url, ca, { [SETTINGS.initialWindowSize]: 200_000 })
      await frames.until(({ type }) => type === TYPES.settings)
      frames.write(frame('settings', ACK, 0), windowUpdate(0, 200_000))
      frames.write(headers(1, requestFields('POST', '/public/early'), END_HEADERS), data(1, 'part'))
      const reply = await frames.ended(1)
      expect([reply.status, reply.body.length, reply.how]).toEqual([403, 100_000, 'whole'])
      // The rest is taken and dropped; the next request is answered.
      frames.write(...Array.from({ length: 8 }, () => data(1, Buffer.alloc(16_000))))
      frames.write(headers(3, requestFields('GET', '/public/empty')))
      expect(await frames.ended(3)).toMatchObject({ status: 200, how: 'whole' })
      frames.socket.destroy()
    })

    test('a refusal does, too, and what is refused is never sent on', async () => {
      const before = stack.upstream.seen.length
      const call = client.open(requestHead('POST', '/private/up'), 'follows')
      call.stream.write(Buffer.alloc(MiB))
      expect(await call.status).toBe(401)
      expect(JSON.parse(await call.until(/\}$/)).code).toBe('token_missing')
      call.stream.end()
      expect((await call.ended).complete).toBe(true)
      expect(stack.upstream.seen).toHaveLength(before)
    })
  })

  test.each(['GET', 'POST'])('a %s whose end comes in a frame of its own is a request without a body', async method => {
    const call = client.open(requestHead(method, '/public/x'), 'follows')
    call.stream.end()
    const { status, body } = await call.ended
    expect([status, JSON.parse(body).bodyBytes]).toEqual([200, 0])
  })

  describe('Expect: 100-continue', () => {
    const expecting = (path: string) =>
      client.open(requestHead('POST', path, 'a', ['expect', '100-continue']), 'follows')

    test('gets its 100 when the request may pass', async () => {
      const call = expecting('/public/up')
      await new Promise(resolve => call.stream.once('headers', resolve))
      call.stream.end('body')
      const reply = await call.ended
      expect([reply.interim, reply.status, JSON.parse(reply.body).bodyBytes]).toEqual([[100], 200, 4])
    })

    test('gets the refusal, and no 100, when it may not', async () => {
      const call = expecting('/private/up')
      expect(await call.status).toBe(401)
      call.stream.end()
      expect((await call.ended).interim).toEqual([])
    })
  })
})
