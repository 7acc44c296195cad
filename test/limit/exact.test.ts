/** A request that waits for the store to count it: nothing of it is lost meanwhile, and it has one answer. */
import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { http2Client, requestHead } from '../support/clients/http2-client.ts'
import { startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { eventually, type StoreServer, startStoreServer } from '../support/services/store-server.ts'
import { openWire } from '../support/wire.ts'
import { toldLimits } from './told-limits.ts'

/** Tests that need servers of the store are skipped where the set-up of the run could not get them. */
const WITHOUT_STORES = process.env.WITHOUT_STORES === '1'
const SOON = { timeout: 20_000, interval: 10 } as const
const BURST = 3

describe.skipIf(WITHOUT_STORES)('with a limit that asks the store', () => {
  let store: StoreServer
  let stack: TestStack
  beforeAll(async () => {
    store = await startStoreServer()
    stack = await startTestStack({
      store: { url: store.url, timeout: '30s' },
      rateLimits: {
        exact: { rate: '1/h', burst: BURST, key: ['claims.sub'], store: true, exact: true, onFailure: 'refuse' },
      },
      routes: [{ id: 'all', path: '/**', rateLimits: ['exact'] }],
    })
    const { token } = await newCaller()
    const isUp = async () => (await stack.request('/', { headers: { authorization: `Bearer ${token}` } })).status
    await eventually(async () => (await isUp()) === 200)
  })
  afterEach(() => store.resume())
  afterAll(async () => {
    await stack.close()
    await store.stop()
  })

  async function newCaller() {
    const token = await stack.issuer.mint({ sub: randomUUID() })
    return { token, lines: ['Host: localhost', `Authorization: Bearer ${token}`] }
  }

  function open() {
    const wire = openWire(Number(new URL(stack.url).port))
    atEnd(wire.end)
    return wire
  }

  const inFlight = async () => (await stack.metrics()).get('sallyport_requests_in_flight')
  const head = (line: string, lines: readonly string[]): string =>
    `${[`${line} HTTP/1.1`, ...lines].join('\r\n')}\r\n\r\n`

  test('requests that were sent at once are answered in order, each with its own body and count', async () => {
    const { lines } = await newCaller()
    const bodies = ['first', 'the second one', '']
    const wire = open()
    wire.write(bodies.map(body => head('PUT /a', [...lines, `Content-Length: ${body.length}`]) + body).join(''))
    for (const [index, body] of bodies.entries()) {
      const reply = await wire.reply()
      expect(reply?.status).toBe(200)
      expect(JSON.parse(reply?.body ?? '').bodyBytes).toBe(body.length)
      expect(reply && toldLimits(reply).rests).toMatchObject({ exact: { r: BURST - 1 - index } })
    }
    wire.write(head('GET /a', lines))
    const refused = await wire.reply()
    expect(refused?.status).toBe(429)
    expect(JSON.parse(refused?.body ?? '')).toMatchObject({ 'violated-policies': ['exact'] })
    expect(refused && toldLimits(refused).rests).toMatchObject({ exact: { r: 0 } })
  })

  test('a body that comes while the store is waited for reaches the service whole', async () => {
    const { lines } = await newCaller()
    store.pause()
    const wire = open()
    const [begun, rest] = ['x'.repeat(200_000), 'y'.repeat(100_000)]
    wire.write(head('PUT /a', [...lines, `Content-Length: ${begun.length + rest.length}`]) + begun)
    await expect.poll(inFlight, SOON).toBe(1)
    store.resume()
    wire.write(rest)
    const reply = await wire.reply()
    expect(JSON.parse(reply?.body ?? '').bodyBytes).toBe(begun.length + rest.length)
  })

  test('so it does over HTTP/2, and streams wait without each other', async () => {
    const { token } = await newCaller()
    const client = http2Client(stack.url, undefined)
    atEnd(client.destroy)
    store.pause()
    const lines = ['authorization', `Bearer ${token}`]
    const calls = ['one', 'three', 'seventeen'].map(body => {
      const call = client.open(requestHead('PUT', '/a', 'localhost', lines), 'follows')
      call.stream.end(body)
      return { body, call }
    })
    await expect.poll(inFlight, SOON).toBe(calls.length)
    store.resume()
    for (const { body, call } of calls) {
      const reply = await call.ended
      expect(reply).toMatchObject({ status: 200, complete: true })
      expect(JSON.parse(reply.body).bodyBytes).toBe(body.length)
    }
  })

  test('a refusal over the limit leaves the connection usable for the next caller', async () => {
    const [greedy, other] = [await newCaller(), await newCaller()]
    const wire = open()
    for (let times = 0; times < BURST; times++) {
      wire.write(head('GET /a', greedy.lines))
      await wire.reply()
    }
    wire.write(`${head('PUT /a', [...greedy.lines, 'Content-Length: 5'])}12345${head('GET /b', other.lines)}`)
    expect([(await wire.reply())?.status, (await wire.reply())?.status]).toEqual([429, 200])
  })

  test('a client that leaves meanwhile is not forwarded, and its line says so', async () => {
    const { lines } = await newCaller()
    const reached = stack.upstream.seen.length
    store.pause()
    const wire = open()
    wire.write(head('GET /left', [...lines, 'X-Request-Id: left-while-counting']))
    await expect.poll(inFlight, SOON).toBe(1)
    wire.end()
    await expect.poll(inFlight, SOON).toBe(0)
    store.resume()
    expect(await stack.logged({ request_id: 'left-while-counting' })).toMatchObject({ route: 'all', aborted: true })
    // The next answer of the store comes after the one that nobody waits for.
    const next = open()
    next.write(head('GET /after', lines))
    const reply = await next.reply()
    expect(reply && toldLimits(reply).rests).toMatchObject({ exact: { r: BURST - 2 } })
    expect(stack.upstream.seen.slice(reached).map(({ url }) => url)).toEqual(['/after'])
  })

  test('a store that goes away meanwhile refuses once, and the caller is asked to come again', async () => {
    const { lines } = await newCaller()
    store.pause()
    const wire = open()
    wire.write(head('GET /a', lines))
    await expect.poll(inFlight, SOON).toBe(1)
    await store.kill()
    const reply = await wire.reply()
    expect(reply?.status).toBe(503)
    expect(reply?.headers.get('retry-after')).toBe('1')
    expect(JSON.parse(reply?.body ?? '')).toMatchObject({ code: 'rate_limit_unavailable' })
    expect(wire.rest()).toBe('')
    await store.restart()
    const isUp = async () => {
      wire.write(head('GET /a', lines))
      return (await wire.reply())?.status
    }
    await expect.poll(isUp, SOON).toBe(200)
  })
})
