/** What callers are told of limits: in every answer that was counted, in those that were refused, and in no other. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { systemClock } from '../../src/lib/clock.ts'
import { exchangeOverHttp2 } from '../support/clients/http2-exchange.ts'
import { startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { exchangeOnce } from '../support/gateway/guarded-app.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { startRawUpstream } from '../support/services/raw-upstream.ts'
import { echo, startTestUpstream } from '../support/services/upstream.ts'
import { handshakeBytes } from '../support/services/websocket-service.ts'
import type { RawReply } from '../support/wire.ts'
import { toldLimits } from './told-limits.ts'

const [secure, plain] = http2TransportsOfFile()
const PROTOCOLS = [
  { name: 'HTTP/1.1', listen: plain.listen, exchange: exchangeOnce },
  { name: 'HTTP/2', listen: secure.listen, exchange: exchangeOverHttp2(secure.ca) },
  { name: 'HTTP/2 without TLS', listen: plain.listen, exchange: exchangeOverHttp2(undefined) },
] as const
const PAGE = 'https://app.example.com'
const HOUR_SECONDS = 3_600

/** No time passes for limits while a test runs. */
const STILL = { nowMs: systemClock.nowMs, monotonicMs: () => 1_000 }
const limit = (more: Record<string, unknown> = {}) => ({ rate: '1/h', burst: 2, key: ['claims.sub'], ...more })

/** What the service says of limits of its own. */
const SERVICES_OWN = [
  ...['RateLimit', '"service";r=1;t=1', 'RATELIMIT', '"service";r=2', 'RateLimit-Policy', '"service";q=1;w=1'],
  ...['RateLimit_Policy', '"service";q=1', 'X-RateLimit-Limit', '7', 'Retry-After', '17'],
]

function service() {
  return startTestUpstream((request, response) => {
    if (request.url === '/strict/busy') response.writeHead(503, SERVICES_OWN).end('busy')
    else if (request.url?.endsWith('/own') === true) response.writeHead(200, SERVICES_OWN).end('own')
    else echo(request, response)
  })
}

describe.each(PROTOCOLS)('over $name', ({ listen, exchange }) => {
  let stack: TestStack
  let silent: Awaited<ReturnType<typeof startRawUpstream>>
  beforeAll(async () => {
    silent = await startRawUpstream()
    stack = await startTestStack(
      (_, upstream) => ({
        listen,
        upstreams: {
          app: upstream.url,
          gone: 'http://127.0.0.1:1',
          silent: { url: silent.url, timeouts: { headers: '100ms' } },
        },
        store: { url: 'redis://127.0.0.1:1' },
        rateLimits: {
          strict: limit(),
          wide: limit({ rate: '60/m', burst: 100 }),
          'A.b_c-9.': limit({ burst: 10_000_000 }),
          fast: limit({ rate: '1000000/s', burst: 1 }),
          silent: limit({ headers: 'off' }),
          shared: limit({ store: true, onFailure: 'refuse' }),
        },
        routes: [
          { id: 'strict', path: '/strict/**', upstream: 'app', rateLimits: ['strict'] },
          { id: 'both', path: '/both/**', upstream: 'app', rateLimits: ['wide', 'strict'] },
          { id: 'edges', path: '/edges/**', upstream: 'app', rateLimits: ['A.b_c-9.', 'fast'] },
          { id: 'mixed', path: '/mixed/**', upstream: 'app', rateLimits: ['silent', 'wide'] },
          { id: 'quiet', path: '/quiet/**', upstream: 'app', rateLimits: ['silent'] },
          { id: 'shared', path: '/shared/**', upstream: 'app', rateLimits: ['shared'] },
          { id: 'gone', path: '/gone/**', upstream: 'gone', rateLimits: ['strict'] },
          { id: 'silent', path: '/silent/**', upstream: 'silent', rateLimits: ['strict'] },
          { id: 'free', path: '/free/**', upstream: 'app' },
          { id: 'pages', path: '/pages/**', upstream: 'app', rateLimits: ['strict'], cors: { origins: [PAGE] } },
        ],
      }),
      { upstream: await service(), clock: STILL },
    )
    // On a busy machine the first fetch of the keys may come too late, and what is asked before the next is refused.
    const { ask } = await caller()
    while ((await ask('/free/a')).status !== 200);
  })
  afterAll(async () => {
    await stack.close()
    await silent.close()
  })

  /** A caller who has spent nothing yet. */
  async function caller() {
    const token = await stack.issuer.mint({ sub: crypto.randomUUID() })
    const port = Number(new URL(stack.url).port)
    return {
      async ask(path: string, lines: readonly string[] = [], method = 'GET'): Promise<RawReply> {
        const head = [`${method} ${path} HTTP/1.1`, 'Host: localhost', `Authorization: Bearer ${token}`, ...lines]
        const reply = await exchange(port, `${head.join('\r\n')}\r\n\r\n`)
        if (reply === undefined) throw new Error('there was no answer')
        return reply
      },
    }
  }

  test('an answer says how much there is in which time, how much is left, and when all of it is there again', async () => {
    const { ask } = await caller()
    const answer = await ask('/strict/a')
    expect(answer.status).toBe(200)
    expect(toldLimits(answer)).toEqual({
      policies: { strict: { q: 2, w: 2 * HOUR_SECONDS } },
      rests: { strict: { r: 1, t: HOUR_SECONDS } },
    })
    expect(toldLimits(await ask('/strict/a')).rests).toEqual({ strict: { r: 0, t: 2 * HOUR_SECONDS } })
  })

  test('every limit of the route is there, in the order of the route, and each by its own count', async () => {
    const { ask } = await caller()
    await ask('/strict/a')
    const { policies, rests } = toldLimits(await ask('/both/a'))
    expect(Object.entries(policies)).toEqual([
      ['wide', { q: 100, w: 100 }],
      ['strict', { q: 2, w: 2 * HOUR_SECONDS }],
    ])
    expect(Object.keys(rests)).toEqual(['wide', 'strict'])
    expect(rests).toMatchObject({ wide: { r: 99, t: 1 }, strict: { r: 0 } })
  })

  test('a refusal says when to come again and which limit was met, and reaches nobody', async () => {
    const { ask } = await caller()
    await ask('/strict/a')
    await ask('/strict/a')
    const reached = stack.upstream.seen.length
    const refused = await ask('/both/a')
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBe(HOUR_SECONDS)
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
    expect(refused.headers.get('cache-control')).toBe('no-store')
    expect(JSON.parse(refused.body)).toEqual({
      type: 'urn:sallyport:denial:rate_limited',
      title: 'Too many requests',
      status: 429,
      code: 'rate_limited',
      request_id: refused.headers.get('x-request-id'),
      'violated-policies': ['strict'],
    })
    // The other limit has lost nothing to it.
    expect(toldLimits(refused).rests).toEqual({
      wide: { r: 100, t: 0 },
      strict: { r: 0, t: 2 * HOUR_SECONDS },
    })
    expect(stack.upstream.seen).toHaveLength(reached)
  })

  test('no challenge is in it: another token would not help', async () => {
    const { ask } = await caller()
    for (let times = 0; times < 2; times++) await ask('/strict/a')
    expect((await ask('/strict/a')).headers.has('www-authenticate')).toBe(false)
  })

  test('what the service says of limits under these names is replaced, in whatever spelling, and the rest stays', async () => {
    const { ask } = await caller()
    const answer = await ask('/strict/own')
    expect(toldLimits(answer).rests).toMatchObject({ strict: { r: 1 } })
    expect(answer.head.match(/service/g)).toBeNull()
    expect(answer.headers.get('x-ratelimit-limit')).toBe('7')
    expect(answer.headers.get('retry-after')).toBe('17')
  })

  test('what the service says stays where nothing is counted', async () => {
    const { ask } = await caller()
    for (const path of ['/free/own', '/quiet/own']) {
      const { head } = await ask(path)
      expect(head.match(/service/g), path).toHaveLength(4)
    }
  })

  test('failures of the service are counted answers, too', async () => {
    const statuses = []
    for (const path of ['/strict/busy', '/gone/a', '/silent/a']) {
      const { ask } = await caller()
      const answer = await ask(path)
      statuses.push(answer.status)
      expect(toldLimits(answer), path).toMatchObject({
        policies: { strict: { q: 2 } },
        rests: { strict: { r: 1 } },
      })
    }
    expect(statuses).toEqual([503, 502, 504])
  })

  test('a limit with `headers: off` is told of nowhere, and the others are', async () => {
    const { ask } = await caller()
    for (let times = 0; times < 2; times++) {
      const { policies, rests } = toldLimits(await ask('/mixed/a'))
      expect([Object.keys(policies), Object.keys(rests)]).toEqual([['wide'], ['wide']])
    }
    const refused = await ask('/mixed/a')
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe(String(HOUR_SECONDS))
    expect(refused.head + refused.body).not.toMatch(/silent|violated/)
    expect(Object.keys(toldLimits(refused).rests)).toEqual(['wide'])
  })

  test('an id may have every character that ids have, and a quota be as large as there is', async () => {
    const { ask } = await caller()
    const { policies, rests } = toldLimits(await ask('/edges/a'))
    expect(policies).toEqual({
      'A.b_c-9.': { q: 10_000_000, w: 10_000_000 * HOUR_SECONDS },
      fast: { q: 1, w: 1 },
    })
    expect(rests['A.b_c-9.']).toEqual({ r: 9_999_999, t: HOUR_SECONDS })
  })

  test('while nobody can tell how much was used, a caller is told to come again in a second', async () => {
    const { ask } = await caller()
    const refused = await ask('/shared/a')
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after')).toBe('1')
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'rate_limit_unavailable' })
    expect(await stack.logged({ request_id: refused.headers.get('x-request-id') })).toMatchObject({
      evidence: { limits: ['shared'], reason: expect.stringMatching(/^the store \S/) },
    })
  })

  test('what is refused for another reason says nothing of limits', async () => {
    const { ask } = await caller()
    const port = Number(new URL(stack.url).port)
    const anonymous = await exchange(port, 'GET /strict/a HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(anonymous?.status).toBe(401)
    for (const reply of [anonymous, await ask('/nowhere')]) expect(reply?.head).not.toMatch(/ratelimit/i)
  })

  test('a page of a listed origin may read what a 429 says', async () => {
    const { ask } = await caller()
    const statuses = []
    for (let times = 0; times < 3; times++) {
      const answer = await ask('/pages/a', [`Origin: ${PAGE}`])
      statuses.push(answer.status)
      expect(toldLimits(answer).policies).toMatchObject({ strict: { q: 2 } })
      expect(answer.headers.get('access-control-allow-origin')).toBe(PAGE)
      expect(answer.headers.get('vary')).toBe('Origin')
      expect(answer.headers.get('access-control-expose-headers')?.split(', ')).toEqual(
        expect.arrayContaining(['Retry-After', 'RateLimit', 'RateLimit-Policy']),
      )
    }
    expect(statuses).toEqual([200, 200, 429])
  })

  test('a preflight spends nothing and says nothing', async () => {
    const { ask } = await caller()
    const asked = ['Access-Control-Request-Method: GET', `Origin: ${PAGE}`]
    for (let times = 0; times < 4; times++) {
      const answer = await ask('/pages/a', asked, 'OPTIONS')
      expect(answer.status).toBe(204)
      expect(answer.head).not.toMatch(/ratelimit:/i)
    }
    expect(toldLimits(await ask('/pages/a')).rests).toMatchObject({ strict: { r: 1 } })
  })

  test('HEAD and OPTIONS are counted, and their answers say so', async () => {
    const { ask } = await caller()
    expect(toldLimits(await ask('/strict/a', [], 'OPTIONS')).rests).toMatchObject({ strict: { r: 1 } })
    expect(toldLimits(await ask('/strict/a', [], 'HEAD')).rests).toMatchObject({ strict: { r: 0 } })
    const refused = await ask('/strict/a', [], 'HEAD')
    expect(refused.status).toBe(429)
    expect(refused.body).toBe('')
    expect(toldLimits(refused).rests).toMatchObject({ strict: { r: 0 } })
  })

  test('fields of limits that a client sends are nothing to the gateway, and pass', async () => {
    const { ask } = await caller()
    const answer = await ask('/strict/a', ['RateLimit: "strict";r=1000000', 'RateLimit-Policy: "strict";q=1000000'])
    expect(toldLimits(answer).rests).toMatchObject({ strict: { r: 1 } })
    expect(JSON.parse(answer.body).headers).toMatchObject({ ratelimit: '"strict";r=1000000' })
  })
})

test('the answer to a handshake of WebSocket says what is left', async () => {
  const server = createServer()
  new WebSocketServer({ server }).on('headers', lines => lines.push('RateLimit: "service";r=1'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const stack = await startTestStack({
    upstreams: { app: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    rateLimits: { strict: limit() },
    routes: [{ id: 'socket', path: '/socket', rateLimits: ['strict'] }],
  })
  const token = await stack.issuer.mint()
  const shake = async () => {
    const bytes = handshakeBytes('/socket', [`Authorization: Bearer ${token}`])
    const reply = await exchangeOnce(Number(new URL(stack.url).port), bytes)
    return [reply?.status, reply && toldLimits(reply).rests.strict?.r]
  }
  expect([await shake(), await shake(), await shake()]).toEqual([
    [101, 1],
    [101, 0],
    [429, 0],
  ])
  await stack.close()
  server.close()
})
