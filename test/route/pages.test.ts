/** Tests what pages of other origins get to see: the matcher answers preflights, and every answer is readable. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const PAGE = 'https://app.example.com'
const OTHER = 'https://other.example'
const CORS = { origins: [PAGE, 'https://*.preview.example'], exposeHeaders: ['ETag'] }

let stack: TestStack
let received = 0
let refusing: ReturnType<typeof createServer>
beforeAll(async () => {
  refusing = createServer((_, response) => response.writeHead(401).end()).listen(0, '127.0.0.1')
  await once(refusing, 'listening')
  const upstream = await startTestUpstream((request, response) => {
    received += 1
    request.resume()
    response
      .writeHead(200, {
        'access-control-allow-origin': OTHER,
        'Access-Control-Allow-Credentials': 'true',
        'access-control-expose-headers': 'x-secret',
        vary: 'Accept-Language',
        etag: '"1"',
      })
      .end('hello')
  })
  stack = await startTestStack(
    issuer => ({
      limits: { bodyBytes: '1KiB' },
      providers: { main: testProvider(issuer) },
      upstreams: {
        app: upstream.url,
        gone: 'http://127.0.0.1:1',
        refusing: `http://127.0.0.1:${(refusing.address() as AddressInfo).port}`,
      },
      cors: CORS,
      routes: [
        { id: 'read', path: '/orders/:id', methods: ['GET'], upstream: 'app' },
        { id: 'write', path: '/orders/:id', methods: ['PUT'], upstream: 'app', require: { scopes: ['w'] } },
        {
          id: 'remove',
          path: '/orders/:id',
          methods: ['DELETE'],
          upstream: 'app',
          cors: { origins: ['https://admin.example.com'] },
        },
        { id: 'silent', path: '/orders/:id', methods: ['PATCH'], upstream: 'app', cors: 'off' },
        { id: 'options', path: '/mixed', methods: ['GET', 'OPTIONS'], upstream: 'app', access: 'public' },
        { id: 'mixed', path: '/mixed', methods: ['POST'], upstream: 'app', cors: 'off', access: 'public' },
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
        { id: 'gone', path: '/gone/**', upstream: 'gone', access: 'public' },
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

async function send(head: readonly string[], body = ''): Promise<Answer> {
  const [first = '', ...lines] = head
  const text = await stack.raw(`${[first, 'Host: a', ...lines, 'Connection: close'].join('\r\n')}\r\n\r\n${body}`)
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

const preflight = (target: string, method: string, origin = PAGE, more: readonly string[] = []) =>
  send([`OPTIONS ${target} HTTP/1.1`, `Origin: ${origin}`, `Access-Control-Request-Method: ${method}`, ...more])

const corsOf = ({ headers }: Answer) => [...headers.keys()].filter(name => name.startsWith('access-control-'))

function methodsOf({ headers }: Answer): readonly string[] {
  return (headers.get('access-control-allow-methods')?.[0] ?? '').split(', ').toSorted()
}

describe('a preflight is answered by the rules of the route that the real request will meet', () => {
  test('with the methods of the path whose routes let the origin in, without a token, and without the service', async () => {
    const answer = await preflight('/orders/7', 'PUT')
    expect(answer.status).toBe(204)
    expect(methodsOf(answer)).toEqual(['GET', 'HEAD', 'PUT'])
    expect(answer.headers.get('access-control-allow-origin')).toEqual([PAGE])
    expect(answer.headers.get('access-control-allow-headers')).toEqual(['authorization, content-type'])
    expect(answer.headers.get('access-control-max-age')).toEqual(['600'])
    expect(answer.headers.get('vary')).toEqual(['Origin'])
    expect(answer.headers.has('access-control-allow-credentials')).toBe(false)
    expect(answer.body).toBe('')
    expect(received).toBe(0)
  })

  test.each(['GET', 'HEAD', 'PUT'])('%s is told as allowed where its route is', async method => {
    const answer = await preflight('/orders/7', method)
    expect(answer.status).toBe(204)
    expect(methodsOf(answer)).toContain(method)
  })

  test('another route of the same path may let in others, and only them', async () => {
    const stranger = await preflight('/orders/7', 'DELETE')
    expect(stranger.status).toBe(403)
    expect(corsOf(stranger)).toEqual([])
    const admin = await preflight('/orders/7', 'DELETE', 'https://admin.example.com')
    expect(admin.status).toBe(204)
    expect(methodsOf(admin)).toEqual(['DELETE'])
  })

  test.each([
    'https://evilapp.example.com',
    'https://app.example.com.evil',
    'https://app.example.com:8443',
    'http://app.example.com',
    'https://APP.example.com',
    'https://a.b.preview.example',
    'https://.preview.example',
    'https://preview.example',
    'https://evil.example#.preview.example',
    'https://evil.example/.preview.example',
    'https://app.example.com, https://app.example.com',
    'null',
    '*',
    '',
  ])('the origin "%s" is refused without any line that a browser goes by', async origin => {
    const answer = await preflight('/orders/7', 'GET', origin)
    expect(answer.status).toBe(403)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'cors_refused' })
    expect(corsOf(answer)).toEqual([])
    expect(received).toBe(0)
  })

  test('a name under a wildcard is let in', async () => {
    const answer = await preflight('/orders/7', 'GET', 'https://pr-7.preview.example')
    expect(answer.headers.get('access-control-allow-origin')).toEqual(['https://pr-7.preview.example'])
  })

  test('a public route, and one that only reports, answer it themselves all the same', async () => {
    for (const target of ['/public/a', '/report/a']) {
      expect((await preflight(target, 'DELETE')).status).toBe(204)
      expect((await preflight(target, 'DELETE', OTHER)).status).toBe(403)
    }
    expect(received).toBe(0)
  })

  test('the target may be in absolute form', async () => {
    expect((await preflight('http://a/orders/7', 'PUT')).status).toBe(204)
    expect((await preflight('http://a/orders/7', 'DELETE')).status).toBe(403)
  })

  test('a header that is not listed is not named, and that is all', async () => {
    const answer = await preflight('/orders/7', 'GET', PAGE, ['Access-Control-Request-Headers: x-other'])
    expect(answer.status).toBe(204)
    expect(answer.headers.get('access-control-allow-headers')).toEqual(['authorization, content-type'])
  })

  test('with credentials it says so, and with `*` it names no origin', async () => {
    const cookies = await preflight('/cookies/a', 'GET')
    expect(cookies.headers.get('access-control-allow-credentials')).toEqual(['true'])
    expect(cookies.headers.get('access-control-allow-origin')).toEqual([PAGE])
    const any = await preflight('/any/a', 'GET', OTHER)
    expect(any.headers.get('access-control-allow-origin')).toEqual(['*'])
    expect(any.headers.has('vary')).toBe(false)
  })

  test('the paths that are refused are refused, too', async () => {
    expect((await preflight('/orders/../orders/7', 'GET')).status).toBe(400)
    expect((await preflight('/ORDERS/7', 'GET')).status).not.toBe(204)
  })

  test('a path or a method without a route is unknown', async () => {
    expect((await preflight('/nowhere', 'GET')).status).toBe(404)
    expect((await preflight('/orders/7', 'POST')).status).toBe(404)
    expect((await preflight('/orders/7', 'get')).status).toBe(404)
    expect((await preflight('/mixed', 'DELETE')).status).toBe(404)
  })

  test.each(['TRACE', 'CONNECT', 'get', 'a b', '*', 'ÄÖ'])('the method %s is never allowed', async method => {
    const answer = await preflight('/public/a', method)
    expect(answer.status).toBe(403)
    expect(corsOf(answer)).toEqual([])
    expect(received).toBe(0)
  })

  test('twice an origin, or a method, is malformed', async () => {
    const origins = await preflight('/orders/7', 'GET', PAGE, [`Origin: ${PAGE}`])
    const methods = await preflight('/orders/7', 'GET', PAGE, ['Access-Control-Request-Method: PUT'])
    expect([origins.status, methods.status]).toEqual([400, 400])
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

describe('a route that says nothing about pages', () => {
  test('takes OPTIONS as any other request, which the service answers itself', async () => {
    const answer = await preflight('/off/a', 'DELETE')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toEqual([OTHER])
    expect(received).toBe(1)
  })

  test('gets no rules of another route of its path, whichever takes OPTIONS', async () => {
    const answer = await preflight('/mixed', 'POST')
    expect(answer.status).toBe(403)
    expect(corsOf(answer)).toEqual([])
    expect(methodsOf(await preflight('/mixed', 'GET'))).not.toContain('POST')
    expect(received).toBe(0)
  })

  test('has no route for OPTIONS where it lists other methods', async () => {
    expect((await preflight('/orders/7', 'PATCH')).status).toBe(404)
  })
})

test('OPTIONS without a requested method, or without an origin, is an ordinary request', async () => {
  expect((await send(['OPTIONS /public/a HTTP/1.1', `Origin: ${PAGE}`])).status).toBe(200)
  expect((await send(['OPTIONS /public/a HTTP/1.1', 'Access-Control-Request-Method: GET'])).status).toBe(200)
  expect(received).toBe(2)
})

describe('an answer is readable by the pages that the route lets in', () => {
  const EXPOSED = 'WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, DPoP-Nonce, ETag'

  function expectReadable({ headers }: Answer): void {
    expect(headers.get('access-control-allow-origin')).toEqual([PAGE])
    expect(headers.get('access-control-expose-headers')).toEqual([EXPOSED])
    expect(headers.get('vary')).toContain('Origin')
  }

  test('whatever the service says about pages is replaced, and what it varies by is kept', async () => {
    const answer = await send(['GET /public/a HTTP/1.1', `Origin: ${PAGE}`])
    expect(answer.status).toBe(200)
    expectReadable(answer)
    expect(answer.headers.get('vary')).toEqual(['Accept-Language', 'Origin'])
    expect(answer.headers.has('access-control-allow-credentials')).toBe(false)
    expect(answer.headers.get('etag')).toEqual(['"1"'])
  })

  test.each<[string, number, readonly string[]]>([
    ['no token', 401, ['GET /orders/7 HTTP/1.1']],
    ['a bad token', 401, ['GET /orders/7 HTTP/1.1', 'Authorization: Bearer a.b.c']],
    ['a body that is too large', 413, ['PUT /orders/7 HTTP/1.1', 'Content-Length: 2000']],
    ['a service that is gone', 502, ['GET /gone/a HTTP/1.1']],
  ])('a refusal for %s is readable: %d', async (_, status, head) => {
    const answer = await send([...head, `Origin: ${PAGE}`])
    expect(answer.status).toBe(status)
    expectReadable(answer)
  })

  test('so are a scope that is missing and a 401 of the service', async () => {
    const token = `Authorization: Bearer ${await stack.issuer.mint({})}`
    const scope = await send(['PUT /orders/7 HTTP/1.1', `Origin: ${PAGE}`, token, 'Content-Length: 0'])
    expect(scope.status).toBe(403)
    expectReadable(scope)
    const service = await send(['GET /tools/a HTTP/1.1', `Origin: ${PAGE}`, token])
    expect(service.status).toBe(502)
    expect(JSON.parse(service.body)).toMatchObject({ code: 'upstream_unauthorized' })
    expect(service.headers.get('access-control-allow-origin')).toEqual([PAGE])
    expect(service.headers.get('access-control-expose-headers')?.[0]).toMatch(/^WWW-Authenticate, .*, Mcp-Session-Id/)
  })

  test.each<[string, readonly string[]]>([
    ['a stranger’s page', [`Origin: ${OTHER}`]],
    ['no page', []],
    ['a page without an origin', ['Origin: null']],
  ])('%s learns that the answer varies by the origin, and nothing else', async (_, more) => {
    for (const target of ['/public/a', '/orders/7']) {
      const answer = await send([`GET ${target} HTTP/1.1`, ...more])
      expect(corsOf(answer)).toEqual([])
      expect(answer.headers.get('vary')).toContain('Origin')
    }
  })

  test('for everybody it does not vary', async () => {
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

  test('where `cors` is off the service speaks for itself', async () => {
    const answer = await send(['GET /off/a HTTP/1.1', `Origin: ${PAGE}`])
    expect(answer.headers.get('access-control-allow-origin')).toEqual([OTHER])
    expect(answer.headers.get('vary')).toEqual(['Accept-Language'])
  })

  test('two origins are malformed where it matters who asks, and nowhere else', async () => {
    const twice = [`Origin: ${PAGE}`, `Origin: ${OTHER}`]
    expect((await send(['GET /public/a HTTP/1.1', ...twice])).status).toBe(400)
    expect((await send(['GET /off/a HTTP/1.1', ...twice])).status).toBe(200)
  })
})

describe('a route that enforces origins', () => {
  test.each([OTHER, 'null', 'https://app.example.com:443'])('refuses %s before it looks at a token', async origin => {
    const answer = await send(['GET /own/a HTTP/1.1', `Origin: ${origin}`])
    expect(answer.status).toBe(403)
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'origin_forbidden' })
    expect(answer.headers.has('www-authenticate')).toBe(false)
    expect(corsOf(answer)).toEqual([])
    expect(received).toBe(0)
  })

  test('refuses the handshake of a WebSocket, too', async () => {
    const handshake = ['Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
    const text = await stack.raw(
      `${['GET /own/a HTTP/1.1', 'Host: a', `Origin: ${OTHER}`, ...handshake, 'Connection: Upgrade'].join('\r\n')}\r\n\r\n`,
      /origin_forbidden/,
    )
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
  })

  test('asks the pages that it lists, and requests of no page, for a token', async () => {
    expect((await send(['GET /own/a HTTP/1.1', `Origin: ${PAGE}`])).status).toBe(401)
    expect((await send(['GET /own/a HTTP/1.1'])).status).toBe(401)
  })

  test('and only reports lets strangers pass, and counts them', async () => {
    const series = 'sallyport_report_denials_total{route="tolerant",code="origin_forbidden"}'
    const before = (await stack.metrics()).get(series) ?? 0
    const answer = await send(['GET /tolerant/a HTTP/1.1', `Origin: ${OTHER}`])
    expect(answer.status).toBe(200)
    expect(corsOf(answer)).toEqual([])
    expect((await stack.metrics()).get(series)).toBe(before + 1)
  })
})
