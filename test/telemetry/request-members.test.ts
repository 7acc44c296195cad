/** The log line of a request says who sent it, over what, in which trace, and how many bytes passed. */
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { http2Client } from '../support/clients/http2-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { bearer, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { echo, startTestUpstream } from '../support/services/upstream.ts'
import {
  closing,
  openWebSocket,
  startWebSocketService,
  type WebSocketService,
} from '../support/services/websocket-service.ts'

const TRACE_ID = '0af7651916cd43dd8448eb211c80319c'
const TRACEPARENT = `00-${TRACE_ID}-b7ad6b7169203331-01`
const MiB = 1024 * 1024

let stack: TestStack
let service: WebSocketService
let headers: Record<string, string>
beforeAll(async () => {
  service = await startWebSocketService()
  const upstream = await startTestUpstream((request, response) => {
    if (request.url === '/private/large') response.end(Buffer.alloc(MiB))
    else if (request.url === '/private/early') response.writeHead(403).end('no')
    else echo(request, response)
  })
  stack = await startTestStack(
    issuer => ({
      listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1', '10.0.0.0/8'] },
      limits: { bodyBytes: '2MiB' },
      providers: { main: testProvider(issuer) },
      upstreams: { app: upstream.url, socket: service.url },
      routes: [
        { id: 'private', path: '/private/**', upstream: 'app' },
        { id: 'public', path: '/public/**', upstream: 'app', access: 'public' },
        { id: 'socket', path: '/socket', upstream: 'socket' },
      ],
    }),
    { upstream },
  )
  headers = bearer(await stack.issuer.mint({ client_id: 'shop', azp: 'other' }))
})
afterAll(async () => {
  await stack.close()
  await service.close()
})

let count = 0
/** The line of the one request that is sent with this id. */
async function lineOf(send: (id: Record<string, string>) => Promise<unknown>): Promise<Record<string, unknown>> {
  const id = `members-${count++}`
  await send({ 'x-request-id': id })
  return await stack.logged({ request_id: id })
}

async function lineOfHead(...lines: readonly string[]): Promise<Record<string, unknown>> {
  return await lineOf(({ 'x-request-id': id = '' }) =>
    stack.raw(Buffer.from([...lines, `X-Request-Id: ${id}`, 'Connection: close', '', ''].join('\r\n'), 'latin1')),
  )
}

describe('a request that passes', () => {
  test('over HTTP/1.1 has all of them', async () => {
    const body = 'x'.repeat(1000)
    let length = 0
    const line = await lineOf(async id => {
      const { text } = await stack.request('/private/a', {
        method: 'POST',
        headers: { ...headers, ...id, 'user-agent': 'shop/1.0', traceparent: TRACEPARENT },
        body,
      })
      length = text.length
    })
    expect(line).toMatchObject({
      msg: 'request passed',
      trace_id: TRACE_ID,
      client: '127.0.0.1',
      host: new URL(stack.url).host,
      protocol: 'HTTP/1.1',
      user_agent: 'shop/1.0',
      client_id: 'shop',
      bytes_in: 1000,
      bytes_out: length,
    })
  })

  test('over HTTP/2, too', async () => {
    const client = http2Client(stack.url, undefined)
    let length = 0
    const line = await lineOf(async id => {
      const lines = [...Object.entries({ ...headers, ...id }).flat(), 'user-agent', 'h2/1', 'traceparent', TRACEPARENT]
      length = (await client.request('/private/a', { method: 'POST', lines, body: 'abc' })).body.length
    })
    client.destroy()
    expect(line).toMatchObject({
      trace_id: TRACE_ID,
      client: '127.0.0.1',
      host: 'app.example',
      protocol: 'HTTP/2',
      user_agent: 'h2/1',
      bytes_in: 3,
      bytes_out: length,
    })
  })

  test('over HTTP/1.0 says so', async () => {
    expect(await lineOfHead('GET /public/a HTTP/1.0', 'Host: a')).toMatchObject({ code: 'ok', protocol: 'HTTP/1.0' })
  })

  test('has none of what it did not bring', async () => {
    const line = await lineOfHead('HEAD /public/a HTTP/1.1', 'Host: a', 'User-Agent:')
    expect(line).toMatchObject({ code: 'ok', status: 200, client: '127.0.0.1', host: 'a' })
    for (const name of ['trace_id', 'user_agent', 'client_id', 'bytes_in', 'bytes_out', 'provider', 'subject'])
      expect(line).not.toHaveProperty(name)
  })

  test('has the bytes of an upload and of a long answer', async () => {
    const upload = await lineOf(id =>
      stack.request('/private/a', { method: 'PUT', headers: { ...headers, ...id }, body: Buffer.alloc(MiB + 1) }),
    )
    expect(upload).toMatchObject({ code: 'ok', bytes_in: MiB + 1 })
    const answer = await lineOf(id => stack.request('/private/large', { headers: { ...headers, ...id } }))
    expect(answer).toMatchObject({ code: 'ok', bytes_out: MiB })
    expect(answer).not.toHaveProperty('bytes_in')
  })

  test('has the bytes that passed a WebSocket, each way', async () => {
    const line = await lineOf(async id => {
      const accepted = service.next()
      const socket = await openWebSocket(`${stack.url}/socket`, { headers: { ...headers, ...id, 'user-agent': 'ws' } })
      const { socket: peer } = await accepted
      const got = once(peer, 'message')
      socket.send('x'.repeat(100))
      await got
      await once(socket, 'message')
      const closed = closing(socket)
      socket.close()
      await closed
    })
    // A frame of a client has 6 octets around its data, one of a server 2; a Close has a mask or not, and no data.
    expect(line).toMatchObject({ status: 101, protocol: 'HTTP/1.1', user_agent: 'ws', client_id: 'shop' })
    expect([line.bytes_in, line.bytes_out]).toEqual([106 + 6, 102 + 2])
  })
})

describe('a request that is refused', () => {
  test('has them, though its head is forgotten, and the bytes of the refusal', async () => {
    let length = 0
    const line = await lineOf(async id => {
      const more = { 'user-agent': 'shop/1.0', traceparent: TRACEPARENT, 'x-forwarded-for': '203.0.113.9' }
      length = (await stack.request('/private/a', { headers: { ...id, ...more } })).text.length
    })
    expect(line).toMatchObject({
      code: 'token_missing',
      trace_id: TRACE_ID,
      client: '203.0.113.9',
      host: new URL(stack.url).host,
      protocol: 'HTTP/1.1',
      user_agent: 'shop/1.0',
      bytes_out: length,
    })
    for (const name of ['client_id', 'bytes_in']) expect(line).not.toHaveProperty(name)
  })

  test('for the length of its body has the bytes that came', async () => {
    const bytes = 'x'.repeat(2 * MiB + 1)
    const line = await lineOf(async ({ 'x-request-id': id = '' }) => {
      const client = rawClient(Number(new URL(stack.url).port))
      client.write(`POST /public/a HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n`)
      client.write(`${bytes.length.toString(16)}\r\n${bytes}\r\n0\r\n\r\n`)
      await client.until(/body_too_large/)
      client.socket.destroy()
    })
    expect(line).toMatchObject({ code: 'body_too_large', status: 413 })
    expect(line.bytes_in).toBeGreaterThan(2 * MiB)
  })

  test('before its host is known says nothing of the host', async () => {
    const line = await lineOfHead('GET /private/a HTTP/1.1', 'Host: a', 'Host: b', 'User-Agent: shop')
    expect(line).toMatchObject({ code: 'host_invalid', user_agent: 'shop', client: '127.0.0.1' })
    expect(line).not.toHaveProperty('host')
  })

  test('and is no request has the address of its peer', async () => {
    await stack.raw('nonsense\r\n\r\n')
    expect(await stack.logged({ code: 'request_malformed', method: undefined })).toMatchObject({ client: '127.0.0.1' })
  })
})

describe('the client', () => {
  test.each([
    ['what a trusted proxy says', ['X-Forwarded-For: 198.51.100.1, 203.0.113.9'], '203.0.113.9'],
    ['what it says in several lines', ['X-Forwarded-For: 203.0.113.9', 'X-Forwarded-For: 10.1.1.1'], '203.0.113.9'],
    ['the proxy itself, where it says nothing that is an address', ['X-Forwarded-For: unknown'], '127.0.0.1'],
  ])('is %s', async (_name, lines, client) => {
    expect(await lineOfHead('GET /public/a HTTP/1.1', 'Host: a', ...lines)).toMatchObject({ client })
  })
})

describe('the trace', () => {
  test.each([
    ['that is none', ['traceparent: 00-0-0-01']],
    ['of zeros', [`traceparent: 00-${'0'.repeat(32)}-b7ad6b7169203331-01`]],
    ['that is named twice', [`traceparent: ${TRACEPARENT}`, `traceparent: ${TRACEPARENT}`]],
    ['that is named three times', Array.from({ length: 3 }, () => `traceparent: ${TRACEPARENT}`)],
  ])('%s is left out', async (_name, lines) => {
    expect(await lineOfHead('GET /public/a HTTP/1.1', 'Host: a', ...lines)).not.toHaveProperty('trace_id')
    expect(await lineOfHead('GET /private/a HTTP/1.1', 'Host: a', ...lines)).not.toHaveProperty('trace_id')
  })
})

describe('the user agent', () => {
  const agents: ReadonlyArray<readonly [string, string, string]> = [
    ['is cut after 120 characters', 'a'.repeat(121), `${'a'.repeat(120)}…`],
    ['commands no terminal', 'a\x9b31mb\xffc\td', 'a?31mb?c?d'],
    ['ends no string', 'a"},{"level":"\\', 'a"},{"level":"\\'],
    ['shows no JWT', 'app eyJhbGciOiJub25lIn0.e30.x (y)', 'app [redacted] (y)'],
    ['shows nothing that is long and of three parts', `app/1 ${'a'.repeat(80)}.b.c`, 'app/1 [redacted]'],
  ]
  test.each(agents)('%s', async (_name, sent, shown) => {
    for (const target of ['/public/a', '/private/a'])
      expect((await lineOfHead(`GET ${target} HTTP/1.1`, 'Host: a', `User-Agent: ${sent}`)).user_agent).toBe(shown)
  })
})

test('azp stands in for a client_id that is not there, and neither ends its string', async () => {
  const clientOf = async (claims: Record<string, unknown>) => {
    const token = bearer(await stack.issuer.mint(claims))
    return (await lineOf(id => stack.request('/private/a', { headers: { ...token, ...id } }))).client_id
  }
  expect(await clientOf({ azp: 'desk' })).toBe('desk')
  expect(await clientOf({ client_id: '"},{' })).toBe('"},{')
})
