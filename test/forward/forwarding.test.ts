/** Requests and answers arrive as they are sent: methods, bodies, statuses and framing, over real connections. */
import { createHash, randomBytes } from 'node:crypto'
import { METHODS, type RequestListener } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { rawClient } from '../support/clients/raw-client.ts'
import {
  bearer,
  startTestGateway,
  startTestStack,
  type TestGateway,
  type TestStack,
} from '../support/gateway/gateway.ts'
import { answering, startRawUpstream } from '../support/services/raw-upstream.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const digest = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')

/** Answers with how the request was framed and a digest of its body. */
const describeRequest: RequestListener = (request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { method, headers, trailers } = request
    const body = Buffer.concat(chunks)
    response.setHeader('x-saw', JSON.stringify({ method, headers, trailers, bytes: body.length, sha256: digest(body) }))
    response.end()
  })
}

let stack: TestStack
let port: number
let upstream: TestUpstream
beforeAll(async () => {
  upstream = await startTestUpstream(describeRequest)
  stack = await startTestStack({}, { upstream })
  port = Number(new URL(stack.url).port)
})
afterAll(() => stack.close())

interface Saw {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly trailers: object
  readonly bytes: number
  readonly sha256: string
}

/** Makes one request of these lines and this body, on a connection of its own. */
async function exchange(lines: readonly string[], body: string | Buffer = '') {
  const client = rawClient(port)
  client.write(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), Buffer.from(body)]))
  const text = (await client.closed).text
  const head = text.slice(0, text.indexOf('\r\n\r\n'))
  const saw = /^x-saw: (.*)$/im.exec(head)?.[1]
  return {
    text,
    head,
    status: Number(head.split(' ')[1]),
    saw: saw === undefined ? undefined : (JSON.parse(saw) as Saw),
  }
}

const CLOSE = ['Host: a', 'Connection: close']
const FORWARDED_METHODS = METHODS.filter(method => method !== 'CONNECT' && method !== 'TRACE')

describe('every method that Node parses', () => {
  test.each(FORWARDED_METHODS)('%s reaches the service without a body', async method => {
    const { status, saw } = await exchange([`${method} /public/a HTTP/1.1`, ...CLOSE])
    expect(status).toBe(200)
    expect(saw).toMatchObject({ method, bytes: 0 })
  })

  test.each(FORWARDED_METHODS)('%s reaches the service with a body of known length', async method => {
    const { status, saw } = await exchange(
      [`${method} /public/a HTTP/1.1`, ...CLOSE, 'Content-Type: text/x-odd', 'Content-Length: 5'],
      'hello',
    )
    expect(status).toBe(200)
    expect(saw).toMatchObject({ method, bytes: 5, sha256: digest('hello') })
    expect(saw?.headers).toMatchObject({ 'content-length': '5', 'content-type': 'text/x-odd' })
    expect(saw?.headers).not.toHaveProperty('transfer-encoding')
  })

  test.each(FORWARDED_METHODS)('%s reaches the service with a chunked body', async method => {
    const { status, saw } = await exchange(
      [`${method} /public/a HTTP/1.1`, ...CLOSE, 'Transfer-Encoding: chunked'],
      '3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
    )
    expect(status).toBe(200)
    expect(saw).toMatchObject({ method, bytes: 5, sha256: digest('hello') })
    expect(saw?.headers).toMatchObject({ 'transfer-encoding': 'chunked' })
    expect(saw?.headers).not.toHaveProperty('content-length')
  })

  test('a method name that is no HTTP method is answered 400', async () => {
    const { status, text } = await exchange(['BREW /public/a HTTP/1.1', ...CLOSE])
    expect(status).toBe(400)
    expect(text).toContain('"code":"request_malformed"')
  })
})

describe('a body passes whatever it says it is', () => {
  test.each([
    'application/json',
    'application/json; charset=nonsense',
    'multipart/form-data',
    'text/plain; charset="',
    'nonsense',
    '/',
    ';;;',
    'application/x-www-form-urlencoded',
    '\xe4',
  ])('Content-Type %j', async type => {
    const { status, saw } = await exchange(
      ['POST /public/a HTTP/1.1', ...CLOSE, `Content-Type: ${type}`, 'Content-Length: 6'],
      '{"a":1',
    )
    expect(status).toBe(200)
    expect(saw).toMatchObject({ bytes: 6, sha256: digest('{"a":1') })
  })

  test('an empty Content-Type', async () => {
    const { status, saw } = await exchange(
      ['POST /public/a HTTP/1.1', ...CLOSE, 'Content-Type:', 'Content-Length: 1'],
      'x',
    )
    expect(status).toBe(200)
    expect(saw).toMatchObject({ bytes: 1 })
  })

  test.each(['POST', 'PUT', 'DELETE', 'GET', 'PROPFIND'])('an empty body on %s stays empty', async method => {
    const known = await exchange([`${method} /public/a HTTP/1.1`, ...CLOSE, 'Content-Length: 0'])
    expect(known).toMatchObject({ status: 200, saw: { method, bytes: 0 } })
    const chunked = await exchange(
      [`${method} /public/a HTTP/1.1`, ...CLOSE, 'Transfer-Encoding: chunked'],
      '0\r\n\r\n',
    )
    expect(chunked).toMatchObject({ status: 200, saw: { method, bytes: 0 } })
  })

  test('5 MB of random bytes arrive as they were sent', async () => {
    const body = randomBytes(5_000_000)
    const reply = await stack.request('/public/a', { method: 'POST', body })
    expect(JSON.parse(String(reply.headers['x-saw']))).toMatchObject({ bytes: 5_000_000, sha256: digest(body) })
  })
})

describe('trailers and interim responses end here', () => {
  test("the request's trailers do not reach the service, whatever they are called", async () => {
    const { status, saw } = await exchange(
      ['POST /public/a HTTP/1.1', ...CLOSE, 'Trailer: X-Auth-Subject, X-Sum', 'Transfer-Encoding: chunked'],
      '2\r\nok\r\n0\r\nX-Auth-Subject: root\r\nX-Sum: 1\r\nHost: b\r\n\r\n',
    )
    expect(status).toBe(200)
    expect(saw).toMatchObject({ bytes: 2, trailers: {} })
    expect(saw?.headers).not.toHaveProperty('trailer')
    expect(saw?.headers).not.toHaveProperty('x-auth-subject')
  })
})

describe('what the service answers', () => {
  const answers = new Map<string, string>()
  let service: Awaited<ReturnType<typeof startRawUpstream>>
  let gateway: TestGateway
  let gatewayPort: number
  beforeAll(async () => {
    service = await startRawUpstream(connection => {
      connection.socket.on('data', (text: string) => {
        const path = /^\S+ (\S+)/.exec(text)?.[1] ?? ''
        if (!text.endsWith('\r\n\r\n')) return
        connection.write(Buffer.from(answers.get(path) ?? '', 'latin1'))
        if (answers.get(path)?.includes('HTTP/1.0 ') === true) connection.socket.end()
      })
    })
    gateway = await startTestGateway({
      upstreams: { app: service.url },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    gatewayPort = Number(new URL(gateway.url).port)
  })
  afterAll(async () => {
    await gateway.close()
    await service.close()
  })

  let count = 0
  async function answered(bytes: string, { method = 'GET', version = '1.1' } = {}): Promise<string> {
    const path = `/answer/${count++}`
    answers.set(path, bytes)
    const client = rawClient(gatewayPort)
    client.write(`${method} ${path} HTTP/${version}\r\nHost: a\r\nConnection: close\r\n\r\n`)
    return (await client.closed).text
  }
  /** The gateway process lives, which is this process: a crash would end the run. */
  const stillServes = async () => expect((await gateway.admin('/livez')).status).toBe(200)

  test('a body of known length keeps its length', async () => {
    const text = await answered('HTTP/1.1 200 Fine\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\nhi')
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).toContain('\r\nContent-Length: 2\r\n')
    expect(text).toContain('\r\nX-A: 1\r\nX-A: 2\r\n')
    expect(text).not.toMatch(/transfer-encoding/i)
    expect(text).toMatch(/\r\n\r\nhi$/)
  })

  test('a chunked body stays chunked', async () => {
    const text = await answered('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n')
    expect(text).toMatch(/\r\ntransfer-encoding: chunked\r\n/i)
    expect(text).toMatch(/2\r\nhi\r\n0\r\n\r\n$/)
  })

  test('a body that ends with the connection arrives whole', async () => {
    const text = await answered('HTTP/1.0 200 OK\r\n\r\nold style')
    expect(text).toMatch(/9\r\nold style\r\n0\r\n\r\n$/)
  })

  test('an HTTP/1.0 client gets no chunks', async () => {
    const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'
    const text = await answered(chunked, { version: '1.0' })
    expect(text).not.toMatch(/transfer-encoding/i)
    expect(text).toMatch(/\r\n\r\nhi$/)
  })

  test('HEAD: the length of the body that GET would have, and no body', async () => {
    const text = await answered('HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n', { method: 'HEAD' })
    expect(text).toContain('\r\nContent-Length: 1234\r\n')
    expect(text).toMatch(/\r\n\r\n$/)
  })

  test('HEAD of a chunked answer has no body', async () => {
    const text = await answered('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', { method: 'HEAD' })
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text.split('\r\n\r\n')).toEqual([expect.anything(), ''])
  })

  test('204 has neither body nor length', async () => {
    for (const head of ['', 'Content-Length: 0\r\n']) {
      const text = await answered(`HTTP/1.1 204 No Content\r\n${head}\r\n`)
      expect(text).toMatch(/^HTTP\/1\.1 204 /)
      expect(text).not.toMatch(/content-length|transfer-encoding/i)
      expect(text).toMatch(/\r\n\r\n$/)
    }
  })

  test('304 has no body and keeps the length and the validators', async () => {
    const text = await answered('HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nETag: "a"\r\n\r\n')
    expect(text).toMatch(/^HTTP\/1\.1 304 /)
    expect(text).toContain('\r\nContent-Length: 1234\r\n')
    expect(text).toContain('\r\nETag: "a"\r\n')
    expect(text).toMatch(/\r\n\r\n$/)
  })

  test.each([400, 401, 404, 418, 500, 503, 599, 999])('status %i is the service’s own and passes', async status => {
    const text = await answered(`HTTP/1.1 ${status} Odd\r\nContent-Length: 1\r\nWWW-Authenticate: Basic\r\n\r\nx`)
    expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `))
    expect(text).toContain('\r\nWWW-Authenticate: Basic\r\n')
    expect(text).toMatch(/\r\n\r\nx$/)
  })

  test('103 Early Hints and 102 are swallowed, and the final answer arrives', async () => {
    const hints = 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n'
    const text = await answered(`${hints}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`)
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).not.toContain('a.css')
  })

  test.each([
    [
      'chunked',
      'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n',
    ],
    ['of known length', 'HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nContent-Length: 2\r\n\r\nhi'],
    ['204', 'HTTP/1.1 204 No Content\r\nTrailer: X-Sum\r\n\r\n'],
    ['304', 'HTTP/1.1 304 Not Modified\r\nTrailer: X-Sum\r\n\r\n'],
  ])('Trailer on an answer that is %s neither passes nor ends the process', async (_name, bytes) => {
    for (const [method, version] of [
      ['GET', '1.1'],
      ['GET', '1.0'],
    ] as const) {
      const text = await answered(bytes, { method, version })
      expect(text).toMatch(/^HTTP\/1\.1 (200|204|304) /)
      expect(text).not.toMatch(/x-sum/i)
    }
    await stillServes()
  })

  test('Trailer on an answer to HEAD neither passes nor ends the process', async () => {
    const text = await answered('HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nContent-Length: 2\r\n\r\n', { method: 'HEAD' })
    expect(text).toMatch(/^HTTP\/1\.1 200 /)
    expect(text).not.toMatch(/x-sum/i)
    await stillServes()
  })

  test('hop-by-hop fields of the answer, and those it names in Connection, end here', async () => {
    const fields =
      'Connection: keep-alive, X-Internal\r\nKeep-Alive: timeout=9\r\nX-Internal: 1\r\nProxy-Authenticate: Basic\r\n'
    const text = await answered(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nhi`)
    expect(text).toMatch(/\r\n\r\nhi$/)
    expect(text).not.toMatch(/x-internal|timeout=9|proxy-authenticate/i)
  })
})

describe('keep-alive', () => {
  test('pipelined requests are answered in order, each with its own', async () => {
    const client = rawClient(port)
    const paths = ['/public/1', '/private/2', '/public/3', '/nowhere', '/public/5']
    client.write(
      paths.map(path => `GET ${path} HTTP/1.1\r\nHost: a\r\nX-Request-Id: id-${path.at(-1)}\r\n\r\n`).join(''),
    )
    const text = await client.until(/id-5\r\n/)
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual([
      '200',
      '401',
      '200',
      '404',
      '200',
    ])
    expect([...text.matchAll(/^x-request-id: (.*)$/gim)].map(([, id]) => id?.trim())).toEqual([
      'id-1',
      'id-2',
      'id-3',
      'id-e',
      'id-5',
    ])
    client.socket.destroy()
  })

  test('a connection goes on after a refusal whose small body was not read', async () => {
    const client = rawClient(port)
    client.write('POST /private/a HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n')
    await client.until(/token_missing/)
    client.write(Buffer.alloc(50_000, 'x'))
    client.write('GET /public/next HTTP/1.1\r\nHost: a\r\nX-Request-Id: next-one\r\n\r\n')
    expect(await client.until(/next-one/)).toMatch(/HTTP\/1\.1 401 [\s\S]*HTTP\/1\.1 200 /)
    client.socket.destroy()
  })

  test('one connection to the service serves one request after the other', async () => {
    const before = upstream.sockets.size
    for (let i = 0; i < 5; i++) await stack.request('/public/a')
    expect(upstream.sockets.size).toBeLessThanOrEqual(Math.max(before, 1))
  })

  test('what is pipelined behind a request whose answer closed the connection is not executed', async () => {
    const client = rawClient(port)
    const seenBefore = upstream.seen.length
    client.write('POST /private/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    await client.until(/connection: close/i)
    client.write('0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n')
    await client.closed
    expect((await stack.request('/public/after')).status).toBe(200)
    await stack.logged({ path: '/public/after' })
    expect(upstream.seen.slice(seenBefore).map(({ url }) => url)).toEqual(['/public/after'])
    expect(stack.logs.filter(({ path }) => path === '/public/smuggled')).toEqual([])
  })
})

describe('a refused request', () => {
  test('sends the service no byte', async () => {
    const silent = await startTestUpstream()
    const gateway = await startTestStack({}, { upstream: silent })
    const big = Buffer.alloc(1_000_000)
    await gateway.request('/private/a', { method: 'POST', body: big })
    await gateway.request('/orders/1', { headers: bearer(await gateway.issuer.mint()) })
    await gateway.raw('GET /public/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n')
    await gateway.raw('GET /public/../a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect(silent.bytes().length).toBe(0)
    await gateway.close()
  })

  test('in the middle of a large upload tells the client so, and not with a reset', async () => {
    for (const framing of ['Content-Length: 20000000', 'Transfer-Encoding: chunked']) {
      const client = rawClient(port)
      client.write(`POST /private/a HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n`)
      const chunk = Buffer.concat([Buffer.from('f4240\r\n'), Buffer.alloc(1_000_000), Buffer.from('\r\n')])
      for (let i = 0; i < 15; i++) client.write(chunk)
      const { text } = await client.until(/token_missing/).then(async () => {
        client.socket.end()
        return client.closed
      })
      expect(text).toMatch(/^HTTP\/1\.1 401 /)
      expect((await client.closed).wasReset).toBe(false)
    }
  })
})

test('an upgrade to a protocol we do not speak is answered as a plain request', async () => {
  const { status, saw } = await exchange([
    'GET /public/a HTTP/1.1',
    'Host: a',
    'Connection: upgrade, close',
    'Upgrade: foo',
  ])
  expect(status).toBe(200)
  expect(saw?.headers).not.toHaveProperty('upgrade')
})

test('the service that answers with 101 unasked is a fault of its own', async () => {
  const service = await startRawUpstream(answering('HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\n\r\n'))
  const gateway = await startTestGateway({
    upstreams: { app: service.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  expect((await gateway.request('/a')).status).toBe(502)
  await gateway.close()
  await service.close()
})
