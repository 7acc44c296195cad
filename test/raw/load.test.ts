/**
 * Uses load as a weapon: everything that a stranger can send without end meets a limit, memory and metric series stay
 * bounded, an honest caller is served meanwhile, and none of it is ever answered with a 5xx of our making.
 */
import { once } from 'node:events'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, type RawStack, request, startRawStack } from '../support/raw.ts'

const limits = { headersTimeout: '500ms', bodyIdleTimeout: '500ms', bodyBytes: '64KiB', connections: 1500 }
let stack: RawStack
beforeAll(async () => {
  stack = await startRawStack(() => ({ limits }))
})
afterAll(async () => {
  // After everything that was thrown at it, not one refusal was our fault.
  const faults = (await stack.metrics()).match(
    /^sallyport_requests_total\{[^}]*code="(?:internal|upstream_\w+|keys_unavailable)"\} [1-9].*$/gm,
  )
  expect(faults).toBeNull()
  expect(await stack.metrics()).not.toMatch(/^sallyport_responses_total\{[^}]*status_class="5xx"\} [1-9]/m)
  await stack.close()
})

const auth = (): string => `Authorization: Bearer ${stack.token}`
const codeOf = (body: string | undefined): unknown => (JSON.parse(body ?? '{}') as { code?: unknown }).code

/** Runs `attack` with honest requests beside it, all of which must succeed. */
async function besideHonestTraffic<T>(attack: () => Promise<T>): Promise<T> {
  let isOver = false
  const done = attack().finally(() => {
    isOver = true
  })
  do await stack.control()
  while (!isOver)
  return done
}

describe.concurrent('a request that takes its time', () => {
  test.for([
    ['nothing at all', ''],
    ['half a request line', 'GET /priv'],
    ['a head without its end', 'GET /private/x HTTP/1.1\r\nHost: app.example\r\nX-A: b\r\n'],
    ['blank lines', '\r\n\r\n'],
  ] as const)('%s is ended by the limit on heads', async ([, bytes]) => {
    const wires = Array.from({ length: 20 }, () => stack.connect())
    for (const wire of wires) wire.write(bytes)
    const replies = await besideHonestTraffic(() =>
      Promise.all(
        wires.map(async wire => {
          const reply = await wire.reply()
          await wire.closed
          return reply === undefined ? 'closed' : `${reply.status} ${codeOf(reply.body)}`
        }),
      ),
    )
    expect(new Set(replies).size).toBe(1)
    expect(['408 request_timeout', 'closed']).toContain(replies[0])
  })

  test('a head that drips is ended by the limit, however steadily it drips', async () => {
    const wire = stack.connect()
    wire.write('GET /private/x HTTP/1.1\r\nHost: app.example\r\n')
    const drip = setInterval(() => wire.socket.writable && wire.write('X-A: b\r\n'), 100)
    const reply = await besideHonestTraffic(() => wire.reply())
    clearInterval(drip)
    expect(`${reply?.status} ${codeOf(reply?.body)}`).toBe('408 request_timeout')
    await wire.closed
  })

  test('a second head on a kept connection is limited, too', async () => {
    const wire = stack.connect()
    wire.write(get('/private/x', [auth()]))
    expect((await wire.reply())?.status).toBe(200)
    wire.write('GET /private/y HTTP/1.1\r\nHost: app')
    const reply = await wire.reply()
    expect(reply?.status ?? 408).toBe(408)
    await wire.closed
  })

  test('a body that stops is a 408, counted or chunked', async () => {
    for (const [framing, start] of [
      ['Content-Length: 1000', 'start'],
      ['Transfer-Encoding: chunked', '5\r\nstart\r\n'],
      ['Content-Length: 1000', ''],
    ] as const) {
      const wire = stack.connect()
      wire.write(request('POST /private/x HTTP/1.1', [auth(), framing], start))
      const reply = await besideHonestTraffic(() => wire.reply())
      expect(`${reply?.status} ${codeOf(reply?.body)}`).toBe('408 request_timeout')
      await wire.closed
    }
  })

  test('a refused request with a body that never comes does not hold its connection', async () => {
    const wire = stack.connect()
    wire.write(request('POST /private/x HTTP/1.1', ['Content-Length: 1000']))
    expect((await wire.reply())?.status).toBe(401)
    await besideHonestTraffic(() => wire.closed)
  })
})

describe('too much', () => {
  test('a body over the limit is a 413, announced or not', async () => {
    await stack.refuses(request('POST /private/x HTTP/1.1', [auth(), 'Content-Length: 70000']), 'body_too_large')
    const wire = stack.connect()
    const chunk = `1000\r\n${'x'.repeat(4096)}\r\n`
    wire.write(request('POST /private/x HTTP/1.1', [auth(), 'Transfer-Encoding: chunked'], chunk.repeat(20)))
    const reply = await wire.reply()
    expect(`${reply?.status} ${codeOf(reply?.body)}`).toBe('413 body_too_large')
    wire.end()
    await stack.control()
  })

  test('the upload of a caller who was refused is not taken in', async () => {
    const wire = stack.connect()
    let sentBytes = 0
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`
    wire.write(request('POST /private/x HTTP/1.1', ['Transfer-Encoding: chunked']))
    expect((await wire.reply())?.status).toBe(401)
    while (!wire.socket.destroyed && wire.socket.writable && sentBytes < 50_000_000) {
      const hasRoom = wire.socket.write(chunk)
      sentBytes += chunk.length
      if (!hasRoom) await Promise.race([once(wire.socket, 'drain').catch(() => {}), wire.closed])
    }
    expect(sentBytes).toBeLessThan(50_000_000)
    await stack.control()
  })

  test('giant tokens and giant heads meet their limits', async () => {
    await stack.refuses(get('/private/x', [`Authorization: Bearer ${'a'.repeat(12_289)}`]), 'token_too_large')
    await stack.refuses(get('/private/x', [`Authorization: Bearer ${'a.'.repeat(4000)}`]), 'token_malformed')
    await stack.refuses(get('/private/x', [`Authorization: Bearer ${'a'.repeat(25_000)}`]), 'headers_too_large')
    await stack.refuses(get('/private/x', [`Cookie: ${'a=b;'.repeat(7_000)}`]), 'headers_too_large')
    await stack.refuses(`GET /${'a'.repeat(100_000)}`, 'headers_too_large')
  })

  test('a head without an end is cut at the limit', async () => {
    const wire = stack.connect()
    wire.write('GET /private/x HTTP/1.1\r\nHost: app.example\r\n')
    wire.write(`X-A: ${'b'.repeat(1_000)}\r\n`.repeat(1_000))
    const reply = await wire.reply()
    expect(reply?.status ?? 431).toBe(431)
    wire.end()
    await stack.control()
  })

  test('chunk extensions are limited', async () => {
    const wire = stack.connect()
    wire.write(
      request(
        'POST /private/x HTTP/1.1',
        [auth(), 'Transfer-Encoding: chunked'],
        `1;${'e'.repeat(50_000)}\r\nx\r\n0\r\n\r\n`,
      ),
    )
    const reply = await wire.reply()
    expect([400, 413, 431]).toContain(reply?.status)
    wire.end()
    await stack.control()
  })
})

describe('too many', () => {
  test('a thousand idle connections cost an honest caller nothing', async () => {
    const wires = Array.from({ length: 1_000 }, () => stack.connect())
    await Promise.all(wires.map(wire => once(wire.socket, 'connect')))
    await besideHonestTraffic(() => Promise.all(wires.map(wire => wire.closed)))
  })

  test('unknown key ids do not become fetches', async () => {
    const fetches = async (): Promise<number> =>
      [...(await stack.metrics()).matchAll(/^sallyport_jwks_fetches_total\{.*\} (\d+)$/gm)].reduce(
        (sum, [, count]) => sum + Number(count),
        0,
      )
    const before = await fetches()
    await besideHonestTraffic(async () => {
      for (let i = 0; i < 200; i++) {
        const kid = `unknown-${i}`
        const token = await stack.issuer.mint({}, { alg: 'EdDSA', header: { kid } })
        const reply = await stack.exchange(get('/private/x', [`Authorization: Bearer ${token}`]))
        expect(`${reply?.status} ${codeOf(reply?.body)}`).toBe('401 key_unknown')
      }
    })
    expect((await fetches()) - before).toBeLessThanOrEqual(1)
  })

  test('random methods, paths, hosts, names and tokens leave no series, no memory and no 5xx behind', async () => {
    const series = async (): Promise<readonly string[]> =>
      (await stack.metrics())
        .split('\n')
        .filter(line => line.startsWith('sallyport_'))
        .map(line => line.slice(0, line.lastIndexOf(' ')))
    const rssBytes = async (): Promise<number> =>
      Number(/^process_resident_memory_bytes (\d+)/m.exec(await stack.metrics())?.[1])
    const word = fc.stringMatching(/^[a-z0-9]{1,20}$/)
    const attack = fc.record({
      method: fc.oneof(fc.constantFrom('GET', 'POST', 'PUT', 'PROPFIND', 'M-SEARCH', 'QUERY', 'PURGE', 'SOURCE'), word),
      path: fc.array(word, { maxLength: 4 }).map(words => `/${words.join('/')}`),
      host: word,
      name: word,
      token: fc.array(word, { minLength: 1, maxLength: 4 }).map(words => words.join('.')),
    })
    const flood = async (count: number, seed: number): Promise<readonly number[]> => {
      const statuses: number[] = []
      let wire = stack.connect()
      for (const { method, path, host, name, token } of fc.sample(attack, { numRuns: count, seed })) {
        wire.write(
          `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nx-${name}: ${name}\r\nAuthorization: Bearer ${token}\r\n\r\n`,
        )
        const reply = await wire.reply(method)
        statuses.push(reply?.status ?? 0)
        if (reply === undefined || reply.headers.get('connection') === 'close') wire = stack.connect()
      }
      wire.end()
      return statuses
    }
    await flood(500, 1)
    const [seriesBefore, rssBefore] = [await series(), await rssBytes()]
    const statuses = await besideHonestTraffic(() => flood(2_000, 2))
    expect(statuses.filter(status => status === 0 || status >= 500)).toEqual([])
    expect((await series()).filter(line => !seriesBefore.includes(line))).toEqual([])
    // 2,000 names, hosts, paths and tokens, each kept for ever, would still be small: this catches only a gross leak.
    expect((await rssBytes()) - rssBefore).toBeLessThan(100_000_000)
  })
})
