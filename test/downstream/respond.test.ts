/** Endpoints of the gateway's own on the traffic listener: answered here, judged like every path, never forwarded. */
import { connect } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { compilePolicy } from '../../src/config/compile.ts'
import { drain } from '../../src/downstream/drain.ts'
import { Denial } from '../../src/errors.ts'
import { gateway } from '../../src/gateway.ts'
import { systemClock } from '../../src/lib/clock.ts'
import type { Endpoint } from '../../src/policy.ts'
import { policyStore } from '../../src/policy-store.ts'
import { closeNow, listen } from '../../src/run/listening.ts'
import { gatewayServices } from '../../src/run/services.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { exposition, familiesOf } from '../../src/telemetry/metrics/exposition.ts'
import type { Answer } from '../../src/types.ts'
import { load } from '../config/support.ts'
import { exchangeBytes } from '../support/gateway/gateway.ts'
import { testPool } from '../support/gateway/upstream-pool.ts'
import { policyParts } from '../support/policy-parts.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const ANSWER: Answer = { status: 200, headers: ['Content-Type', 'text/plain'], body: 'grüß dich\n' }

let upstream: TestUpstream
let url: string
let close: () => Promise<void>
let respond: Endpoint['respond']
const lines: Array<Record<string, unknown>> = []
let metricsText: () => Promise<string>

beforeAll(async () => {
  upstream = await startTestUpstream()
  const log = createLog('info', { write: line => void lines.push(JSON.parse(line)) })
  const config = load(
    JSON.stringify({
      listen: '127.0.0.1:0',
      upstreams: { app: upstream.url },
      limits: { bodyBytes: '1KiB', bodyIdleTimeout: '1s' },
      routes: [
        { id: 'all', path: '/**', access: 'public' },
        { id: 'named', path: '/own/:name', access: 'public' },
      ],
    }),
  )
  const clock = systemClock
  const shared = gatewayServices({ clock, log, version: '0', nodeVersion: process.version, tokenCacheEntries: 10 })
  const kind = { access: 'public', mode: 'enforce' } as const
  const endpoint: Endpoint = {
    kind: 'endpoint',
    id: '(greeting)',
    path: '/own/greeting',
    methods: new Set(['GET', 'POST']),
    respond: (...asked) => respond(...asked),
    metrics: shared.metrics.forRoute('(greeting)', kind),
  }
  const upstreams = new Map([['app', testPool(upstream.url)]])
  const parts = policyParts({ upstreams, endpoints: [endpoint], routeMetrics: shared.metrics.forRoute })
  const policy = compilePolicy(config, 'abc', parts)
  const app = await gateway({
    ...shared,
    policies: policyStore(policy),
    server: { limits: { headerBytes: 16_384, headersTimeoutMs: 10_000, connections: 100 } },
    drain: drain({ ...shared, timeoutMs: () => 1_000 }),
    overload: { admits: () => true, close() {} },
  })
  url = await listen(app, { address: { host: '127.0.0.1', port: 0 } }, 'http')
  metricsText = async () => (await Array.fromAsync(exposition(familiesOf(shared.metrics.registry)))).join('')
  close = async () => {
    await closeNow(app)
    await shared.upstreams.close()
  }
})
afterAll(async () => {
  await close()
  await upstream.close()
})
beforeEach(() => {
  respond = () => ANSWER
  lines.length = 0
})

test('an endpoint answers its methods, wins over a parameter and a wildcard, and never reaches the service', async () => {
  const reached = upstream.seen.length
  const reply = await fetch(`${url}/own/greeting?x=1`)
  expect(reply.status).toBe(200)
  expect(await reply.text()).toBe(ANSWER.body)
  expect(reply.headers.get('content-type')).toBe('text/plain')
  expect(reply.headers.get('x-request-id')).toMatch(/^[0-9a-f]{32}$/)
  expect((await fetch(`${url}/own/greeting`, { method: 'HEAD' })).status).toBe(200)
  expect(upstream.seen).toHaveLength(reached)
  await fetch(`${url}/own/greeting`, { method: 'PUT' })
  await fetch(`${url}/own/others`)
  expect(upstream.seen).toHaveLength(reached + 2)
})

test('an endpoint may wait for its answer', async () => {
  respond = async () => ANSWER
  expect(await (await fetch(`${url}/own/greeting`)).text()).toBe(ANSWER.body)
})

test('an endpoint may note lines for its answer, be it a refusal, and all of one name are sent', async () => {
  for (const refuses of [false, true]) {
    respond = (_facts, _routes, notes) => {
      notes.responseLines = [...notes.responseLines, 'Set-Cookie', 'a=1']
      if (refuses) throw new Denial('request_malformed')
      return { ...ANSWER, headers: [...ANSWER.headers, 'Set-Cookie', 'b=2'] }
    }
    const { headers } = await fetch(`${url}/own/greeting`)
    expect(headers.getSetCookie().toSorted()).toEqual(refuses ? ['a=1'] : ['a=1', 'b=2'])
  }
})

test('an endpoint is counted and logged under its own label', async () => {
  await fetch(`${url}/own/greeting`)
  expect(await metricsText()).toMatch(/sallyport_requests_total\{route="\(greeting\)",method="GET",code="ok"\} [1-9]/)
  expect(lines).toContainEqual(expect.objectContaining({ route: '(greeting)', code: 'ok', msg: 'request passed' }))
})

test('the lax readers’ rule guards it: what a lax service would read as its path is refused', async () => {
  for (const path of ['/own/GREETING', '/own/greeting/', '/own//greeting'])
    expect((await fetch(url + path)).status, path).toBe(400)
})

test('an endpoint may refuse, and a bug in it is an internal error', async () => {
  respond = () => {
    throw new Denial('request_malformed', { evidence: { wanted: 'something else' } })
  }
  const refused = await fetch(`${url}/own/greeting`)
  expect([refused.status, (await refused.json()) as unknown]).toEqual([
    400,
    expect.objectContaining({ code: 'request_malformed' }),
  ])
  respond = async () => {
    throw new Error('a bug')
  }
  expect((await fetch(`${url}/own/greeting`)).status).toBe(500)
})

test('the limits of a body hold, and a body that nobody reads ends the connection', async () => {
  const reply = await fetch(`${url}/own/greeting`, { method: 'POST', body: 'x'.repeat(100) })
  expect([reply.status, await reply.text()]).toEqual([200, ANSWER.body])
  expect((await fetch(`${url}/own/greeting`, { method: 'POST', body: 'x'.repeat(2_000) })).status).toBe(413)
})

describe('an endpoint that asks for the body', () => {
  const answered = vi.fn((body: Buffer): Answer => ({ ...ANSWER, body: `${body.length} bytes` }))

  beforeEach(() => {
    answered.mockClear()
    respond = () => ({ mostBytes: 500, answer: answered })
  })

  test('gets all of it, whether it comes with its length, in chunks, or empty', async () => {
    const post = async (body: RequestInit['body']) =>
      await (
        await fetch(`${url}/own/greeting`, { method: 'POST', body: body ?? null, duplex: 'half' } as RequestInit)
      ).text()
    expect(await post('x'.repeat(500))).toBe('500 bytes')
    expect(await post(new Blob(['ab', 'cd']).stream())).toBe('4 bytes')
    expect(await post(null)).toBe('0 bytes')
  })

  test('a longer one is refused before the endpoint sees it, announced or not', async () => {
    const tooLong = 'x'.repeat(501)
    expect((await fetch(`${url}/own/greeting`, { method: 'POST', body: tooLong })).status).toBe(413)
    const streamed = { method: 'POST', body: new Blob([tooLong]).stream(), duplex: 'half' } as RequestInit
    expect((await fetch(`${url}/own/greeting`, streamed)).status).toBe(413)
    expect(answered).not.toHaveBeenCalled()
  })

  test('a client that waits for 100 Continue is told to go on, and one whose body is too long is not', async () => {
    const { port } = new URL(url)
    const head = (length: number) =>
      `POST /own/greeting HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: ${length}\r\n\r\n`
    expect(await exchangeBytes(Number(port), `${head(2)}ab`)).toMatch(/^HTTP\/1\.1 100 .*?\r\n\r\nHTTP\/1\.1 200 /s)
    expect(await exchangeBytes(Number(port), head(501))).toMatch(/^HTTP\/1\.1 413 /)
  })

  test('a client that leaves before the end of its body is answered by nobody', async () => {
    const { port } = new URL(url)
    const socket = connect(Number(port), '127.0.0.1')
    socket.write('POST /own/greeting HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab')
    await expect.poll(async () => await metricsText()).toMatch(/requests_in_flight 1/)
    socket.resetAndDestroy()
    await expect.poll(() => lines).toContainEqual(expect.objectContaining({ route: '(greeting)', aborted: true }))
    expect(answered).not.toHaveBeenCalled()
  })

  test('a client that falls silent is told so', async () => {
    const { port } = new URL(url)
    const head = 'POST /own/greeting HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nab'
    expect(await exchangeBytes(Number(port), head)).toMatch(/^HTTP\/1\.1 408 /)
    expect(answered).not.toHaveBeenCalled()
  })

  test('a bug in what it makes of the body is an internal error', async () => {
    answered.mockImplementationOnce(() => {
      throw new Error('a bug')
    })
    expect((await fetch(`${url}/own/greeting`, { method: 'POST', body: 'x' })).status).toBe(500)
  })
})
