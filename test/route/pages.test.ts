/** Tests what pages get to see of routes that report, enforce, let everybody in, or speak MCP; more is in e2e/cors. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const PAGE = 'https://app.example.com'
const OTHER = 'https://other.example'

let stack: TestStack
let received = 0
let refusing: ReturnType<typeof createServer>
beforeAll(async () => {
  refusing = createServer((_, response) => response.writeHead(401).end()).listen(0, '127.0.0.1')
  await once(refusing, 'listening')
  const upstream = await startTestUpstream((request, response) => {
    received += 1
    request.resume()
    response.end('hello')
  })
  stack = await startTestStack(
    issuer => ({
      providers: { main: testProvider(issuer) },
      upstreams: {
        app: upstream.url,
        refusing: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`,
      },
      cors: { origins: [PAGE] },
      routes: [
        { id: 'write', path: '/orders/:id', methods: ['PUT'], upstream: 'app', require: { scopes: ['w'] } },
        {
          id: 'remove',
          path: '/orders/:id',
          methods: ['DELETE'],
          upstream: 'app',
          cors: { origins: ['https://admin.example.com'] },
        },
        { id: 'public', path: '/public/**', upstream: 'app', access: 'public' },
        { id: 'report', path: '/report/**', upstream: 'app', mode: 'report' },
        { id: 'off', path: '/off/**', upstream: 'app', access: 'public', cors: 'off' },
        { id: 'any', path: '/any/**', upstream: 'app', cors: { origins: ['*'] } },
        { id: 'cookies', path: '/cookies/**', upstream: 'app', cors: { origins: [PAGE], credentials: true } },
        { id: 'own', path: '/own/**', upstream: 'app', cors: { origins: [PAGE], enforceOrigin: true } },
        {
          id: 'tolerant',
          path: '/tolerant/**',
          upstream: 'app',
          access: 'public',
          mode: 'report',
          cors: { origins: [PAGE], enforceOrigin: true },
        },
        { id: 'tools', path: '/tools/**', upstream: 'refusing', mcp: {} },
      ],
    }),
    { upstream },
  )
})
afterAll(async () => {
  await stack.close()
  await new Promise(resolve => refusing.close(resolve))
})
beforeEach(() => {
  received = 0
})

interface Answer {
  readonly status: number
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: string
}

async function send(head: readonly string[]): Promise<Answer> {
  const [first = '', ...lines] = head
  const text = await stack.raw(`${[first, 'Host: a', ...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`)
  const [replyHead = '', ...rest] = text.split('\r\n\r\n')
  const [status = '', ...fields] = replyHead.split('\r\n')
  const headers = Map.groupBy(fields, line => line.slice(0, line.indexOf(':')).toLowerCase())
  return {
    status: Number(status.split(' ')[1]),
    headers: new Map(
      [...headers].map(([name, all]) => [name, all.map(line => line.slice(line.indexOf(':') + 1).trim())]),
    ),
    body: rest.join('\r\n\r\n'),
  }
}

const preflight = (target: string, method: string, origin = PAGE) =>
  send([`OPTIONS ${target} HTTP/1.1`, `Origin: ${origin}`, `Access-Control-Request-Method: ${method}`])

describe('a preflight is answered by the rules of the route that the real request will meet', () => {
  test('on one that only reports, too', async () => {
    expect((await preflight('/report/a', 'DELETE')).status).toBe(204)
    expect((await preflight('/report/a', 'DELETE', OTHER)).status).toBe(403)
    expect(received).toBe(0)
  })

  test('the target may be in absolute form', async () => {
    expect((await preflight('http://a/orders/7', 'PUT')).status).toBe(204)
    expect((await preflight('http://a/orders/7', 'DELETE')).status).toBe(403)
  })

  test('with credentials it says so, and with `*` it names no origin', async () => {
    const cookies = await preflight('/cookies/a', 'GET')
    expect(cookies.headers.get('access-control-allow-credentials')).toEqual(['true'])
    expect(cookies.headers.get('access-control-allow-origin')).toEqual([PAGE])
    const any = await preflight('/any/a', 'GET', OTHER)
    expect(any.headers.get('access-control-allow-origin')).toEqual(['*'])
    expect(any.headers.has('vary')).toBe(false)
  })

  test('refusals and answers are counted for their route', async () => {
    const count = async (result: string) =>
      (await stack.metrics()).get(`sallyport_cors_preflights_total{route="write",result="${result}"}`) ?? 0
    const before = [await count('allowed'), await count('refused')]
    await preflight('/orders/7', 'PUT')
    await preflight('/orders/7', 'PUT', OTHER)
    await preflight('/orders/7', 'PUT', OTHER)
    expect([await count('allowed'), await count('refused')]).toEqual([(before[0] ?? 0) + 1, (before[1] ?? 0) + 2])
  })
})

describe('an answer is readable by the pages that the route lets in', () => {
  test('when the service answers 401, with the headers of MCP', async () => {
    const token = `Authorization: Bearer ${await stack.issuer.mint()}`
    const answer = await send(['GET /tools/a HTTP/1.1', `Origin: ${PAGE}`, token])
    expect(answer.status).toBe(502)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'upstream_unauthorized' })
    expect(answer.headers.get('access-control-allow-origin')).toEqual([PAGE])
    expect(answer.headers.get('access-control-expose-headers')?.[0]).toMatch(/^WWW-Authenticate, .*, Mcp-Session-Id/)
  })

  test('and a refusal that everybody may read does not vary', async () => {
    const answer = await send(['GET /any/a HTTP/1.1'])
    expect(answer.status).toBe(401)
    expect(answer.headers.get('access-control-allow-origin')).toEqual(['*'])
    expect(answer.headers.has('vary')).toBe(false)
  })

  test('the status of gRPC-Web can be read from the head', async () => {
    const answer = await send([
      'PUT /orders/7 HTTP/1.1',
      `Origin: ${PAGE}`,
      'Content-Type: application/grpc-web+proto',
      'Content-Length: 0',
    ])
    expect(answer.headers.get('access-control-expose-headers')?.[0]).toContain('grpc-status, grpc-message')
  })

  test('two origins are malformed where it matters who asks, and nowhere else', async () => {
    const twice = [`Origin: ${PAGE}`, `Origin: ${OTHER}`]
    expect((await send(['GET /public/a HTTP/1.1', ...twice])).status).toBe(400)
    expect((await send(['GET /off/a HTTP/1.1', ...twice])).status).toBe(200)
  })
})

describe('a route that enforces origins', () => {
  test('refuses the handshake of a WebSocket, too', async () => {
    const handshake = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
    const text = await stack.raw(
      `${['GET /own/a HTTP/1.1', 'Host: a', `Origin: ${OTHER}`, ...handshake, 'Connection: Upgrade'].join('\r\n')}\r\n\r\n`,
      /origin_forbidden/,
    )
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
  })

  test('and only reports lets strangers pass, and counts them', async () => {
    const series = 'sallyport_report_denials_total{route="tolerant",code="origin_forbidden"}'
    const before = (await stack.metrics()).get(series) ?? 0
    const answer = await send(['GET /tolerant/a HTTP/1.1', `Origin: ${OTHER}`])
    expect(answer.status).toBe(200)
    expect((await stack.metrics()).get(series)).toBe(before + 1)
  })
})
