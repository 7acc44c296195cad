/** The log has one line per request, with what an operator asks first; the configuration says for which requests. */
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { bearer, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'

let stack: TestStack
afterEach(() => stack.close())

/** Makes a request that passes, one that is refused, one that is only reported, and one that fails behind us. */
async function fourRequests(log: Record<string, unknown>): Promise<TestStack> {
  stack = await startTestStack((_issuer, upstream) => ({
    log,
    upstreams: { app: upstream.url, dead: 'http://127.0.0.1:1' },
    routes: [
      { id: 'private', path: '/private/**', upstream: 'app' },
      { id: 'report', path: '/report/**', upstream: 'app', mode: 'report', require: { scopes: ['a'] } },
      { id: 'dead', path: '/dead/**', upstream: 'dead', access: 'public' },
    ],
  }))
  const headers = bearer(await stack.issuer.mint())
  await stack.request('/private/a?secret=1', {
    headers: { ...headers, 'x-request-id': 'my-id', 'x-forwarded-for': '203.0.113.9' },
  })
  await stack.request('/private/a')
  await stack.request('/report/a', { headers })
  await stack.request('/dead/a')
  // All lines are written once nothing is in flight.
  for (;;) if ((await stack.metrics()).get('sallyport_requests_in_flight') === 0) return stack
}

const requestLines = () => stack.logs.filter(({ request_id }) => request_id !== undefined)
const codes = () => new Set(requestLines().map(({ code, reported }) => reported ?? code))

describe('access', () => {
  test('all: a line for each request', async () => {
    await fourRequests({ access: 'all' })
    expect(codes()).toEqual(new Set(['ok', 'token_missing', 'scope_missing', 'upstream_unreachable']))
    expect(requestLines()).toHaveLength(4)
    expect(await stack.logged({ request_id: 'my-id' })).toEqual({
      level: 'info',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
      msg: 'request passed',
      request_id: 'my-id',
      // Nobody is trusted here to say more of the client.
      client: '127.0.0.1',
      method: 'GET',
      host: new URL(stack.url).host,
      path: '/private/a',
      protocol: 'HTTP/1.1',
      route: 'private',
      code: 'ok',
      status: 200,
      provider: 'main',
      subject: 'alice',
      bytes_out: expect.any(Number),
      duration_ms: expect.any(Number),
      upstream_ms: expect.any(Number),
      overhead_ms: expect.any(Number),
    })
  })

  test('denied: refusals, and what would have been one', async () => {
    await fourRequests({ access: 'denied' })
    expect(codes()).toEqual(new Set(['token_missing', 'scope_missing', 'upstream_unreachable']))
  })

  test('off: none', async () => {
    await fourRequests({ access: 'off' })
    await stack.raw('nonsense\r\n\r\n')
    expect(codes()).toEqual(new Set())
  })

  test('level: error leaves refusals out', async () => {
    await fourRequests({ access: 'all', level: 'error' })
    expect(codes()).toEqual(new Set(['upstream_unreachable']))
  })
})

test('a subject that is a number is logged as its decimal text, of requests that pass and of others', async () => {
  stack = await startTestStack(issuer => ({
    log: { access: 'all' },
    providers: { main: { ...testProvider(issuer), numericSubject: true } },
  }))
  const headers = bearer(await stack.issuer.mint({ sub: Number.MAX_SAFE_INTEGER }))
  for (const path of ['/private/a', '/optional/a', '/orders/1', '/report/a']) await stack.request(path, { headers })
  await Promise.all(['/private/a', '/optional/a', '/orders/1', '/report/a'].map(path => stack.logged({ path })))
  expect(requestLines().map(({ path, code, reported, subject }) => [path, reported ?? code, subject])).toEqual([
    ['/private/a', 'ok', '9007199254740991'],
    ['/optional/a', 'ok', '9007199254740991'],
    ['/orders/1', 'scope_missing', '9007199254740991'],
    ['/report/a', 'scope_missing', '9007199254740991'],
  ])
})

describe('requests refused for overload', () => {
  const COUNT = 'sallyport_requests_total{route="(none)",method="GET",code="overloaded"}'
  let nowMs: number
  let draw: number

  async function overloaded(log: Record<string, unknown>): Promise<void> {
    nowMs = 10_000
    draw = 0
    stack = await startTestStack(
      { log },
      {
        clock: { ...systemClock, monotonicMs: () => nowMs },
        meter: { sample: () => ({ delayMs: 400, utilization: 1 }), close() {} },
        random: () => draw,
      },
    )
    await stack.logged({ msg: 'overloaded, refusing a share of the requests' })
  }

  async function shed(count: number): Promise<void> {
    const before = (await stack.metrics()).get(COUNT) ?? 0
    for (let i = 0; i < count; i++) expect((await stack.request('/private/a')).status).toBe(503)
    // A request is counted and logged after its answer.
    while ((await stack.metrics()).get(COUNT) !== before + count);
  }

  const suppressed = () => requestLines().map(line => [line.code, line.suppressed])

  test('share a line a second, which says how many were left out since the last one; each is counted', async () => {
    await overloaded({ access: 'all' })
    await shed(1)
    expect(suppressed()).toEqual([['overloaded', undefined]])
    await shed(3)
    nowMs += 999
    await shed(2)
    expect(suppressed()).toHaveLength(1)
    nowMs += 1
    await shed(4)
    nowMs += 60_000
    await shed(1)
    nowMs += 1000
    await shed(1)
    expect(suppressed()).toEqual([
      ['overloaded', undefined],
      ['overloaded', 5],
      ['overloaded', 3],
      ['overloaded', undefined],
    ])
    expect(requestLines().at(-1)).not.toHaveProperty('suppressed')
    expect((await stack.metrics()).get(COUNT)).toBe(12)
  })

  test('take no line from any other request', async () => {
    await overloaded({ access: 'all' })
    await shed(3)
    draw = 0.99
    for (let i = 0; i < 3; i++) await stack.request('/private/a', { headers: { 'x-request-id': `served-${i}` } })
    for (let i = 0; i < 3; i++)
      expect(await stack.logged({ request_id: `served-${i}` })).not.toHaveProperty('suppressed')
    expect(suppressed().filter(([code]) => code === 'overloaded')).toHaveLength(1)
  })

  test('have none where no request has one', async () => {
    await overloaded({ access: 'off' })
    await shed(3)
    expect(requestLines()).toEqual([])
  })
})
