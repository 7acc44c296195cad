import { once } from 'node:events'
import { createServer, request, type Server } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { Client, type Dispatcher } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { responseHeaders } from '../../src/forward/response-headers.ts'

/** @returns what the client gets, besides our request id */
function passed(statusCode: number, ...rawHeaders: string[]): string[] {
  const lines = responseHeaders({
    statusCode,
    rawHeaders,
    requestId: 'r-1',
  })
  expect(lines.slice(-2)).toEqual(['X-Request-Id', 'r-1'])
  return lines.slice(0, -2)
}

const isFault = expect.objectContaining({ code: 'upstream_unreachable' })

describe('what passes', () => {
  test('everything that means nothing to a connection, in order, cookies one by one', () => {
    const lines = [
      'Content-Type',
      'text/plain',
      'Set-Cookie',
      'a=1',
      'set-cookie',
      'b=2',
      'X-Latin',
      '\xe9',
      'X-Auth-Subject',
      'x',
    ]
    expect(passed(200, ...lines)).toEqual(lines)
  })

  test('strings as well as buffers', () => {
    expect(responseHeaders({ statusCode: 200, rawHeaders: ['A', 'b'], requestId: 'r' })).toEqual([
      'A',
      'b',
      'X-Request-Id',
      'r',
    ])
  })

  test('the length, even when Connection names it; once, if it is there twice and the same', () => {
    expect(passed(200, 'Connection', 'content-length', 'Content-Length', '5', 'content-length', '5')).toEqual([
      'Content-Length',
      '5',
    ])
    expect(passed(304, 'Content-Length', '5')).toEqual(['Content-Length', '5'])
  })
})

describe('what ends here', () => {
  test.each([
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authenticate',
    'TE',
    'Trailer',
    'trailer',
    'Upgrade',
    'Content_Length',
    'Transfer_Encoding',
    'X-Request-Id',
    'X_Request_Id',
  ])('%s', name => {
    expect(passed(200, 'Server', 's', name, 'x')).toEqual(['Server', 's'])
  })

  test('plain chunked coding: Node frames the body anew', () => {
    expect(passed(200, 'Transfer-Encoding', 'Chunked')).toEqual([])
  })

  test('what Connection names', () => {
    expect(passed(200, 'X-Hop', '1', 'connection', 'close, x-hop', 'X-End', '2')).toEqual(['X-End', '2'])
  })

  test('RFC 9110 §8.6: the length of a 204', () => {
    expect(passed(204, 'Content-Length', '5')).toEqual([])
  })
})

describe('a fault of the upstream', () => {
  test.each([
    ['two lengths', ['Content-Length', '1', 'Content-Length', '2']],
    ['a list of lengths', ['Content-Length', '1, 1']],
    ['an empty length', ['Content-Length', '']],
    ['a signed length', ['Content-Length', '+1']],
    ['a length beside a coding', ['Content-Length', '1', 'Transfer-Encoding', 'chunked']],
    ['a coding we would hide', ['Transfer-Encoding', 'gzip']],
    ['two codings', ['Transfer-Encoding', 'gzip, chunked']],
    ['chunked twice', ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked']],
    ['a split header', ['X-A', 'a\r\nX-Evil: 1']],
    ['a control character', ['X-A', 'a\0']],
    ['a control character in a header that ends here', ['Keep-Alive', 'a\n']],
    ['a name that is none', ['X A', 'a']],
    ['an empty name', ['', 'a']],
  ])('%s', (_, rawHeaders) => {
    expect(() => passed(200, ...rawHeaders)).toThrow(isFault)
  })
})

describe('over sockets', () => {
  let upstream: net.Server
  let gateway: Server
  let client: Client
  /** The answer that the upstream gives next. */
  let answer = ''

  beforeAll(async () => {
    upstream = net.createServer(socket => {
      socket.on('error', () => undefined)
      socket.on('data', () => socket.end(Buffer.from(answer, 'latin1')))
    })
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    client = new Client(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
    gateway = createServer((incoming, response) => {
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => undefined,
        onResponseStart: ({ rawHeaders }, statusCode) => {
          if (!Array.isArray(rawHeaders)) throw new Error('expected lines')
          const lines = rawHeaders.map(part => part.toString('latin1'))
          response.writeHead(statusCode, responseHeaders({ statusCode, rawHeaders: lines, requestId: 'r-1' }))
        },
        onResponseData: (_, chunk) => void response.write(chunk),
        onResponseEnd: () => void response.end(),
        onResponseError: (_, error) => {
          if (response.headersSent) response.destroy()
          else response.writeHead(502).end(error instanceof Denial ? error.code : error.name)
        },
      }
      client.dispatch({ path: '/', method: incoming.method as 'GET' }, handler)
    })
    gateway.listen(0, '127.0.0.1')
    await once(gateway, 'listening')
  })

  afterAll(async () => {
    await client.destroy()
    gateway.closeAllConnections()
    gateway.close()
    upstream.close()
  })

  /** @returns the head as the client reads it, without the gateway's own Date and Connection */
  async function fetchHead(method: string, upstreamAnswer: string): Promise<{ status: number; lines: string[] }> {
    answer = upstreamAnswer
    const outgoing = request({ port: (gateway.address() as AddressInfo).port, host: '127.0.0.1', method, agent: false })
    outgoing.end()
    const [response] = await once(outgoing, 'response')
    response.resume()
    await once(response, 'close')
    const raw: string[] = response.rawHeaders
    const lines = raw.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${raw[i + 1]}`] : []))
    return { status: response.statusCode, lines: lines.filter(line => !/^(date|connection):/i.test(line)) }
  }

  test.each([
    ['GET', '200 OK', 'Content-Length: 2\r\n', 'ok', ['Content-Length: 2', 'X-Request-Id: r-1']],
    ['GET', '204 No Content', '', '', ['X-Request-Id: r-1']],
    ['GET', '304 Not Modified', '', '', ['X-Request-Id: r-1']],
    ['HEAD', '200 OK', 'Content-Length: 2\r\n', '', ['Content-Length: 2', 'X-Request-Id: r-1']],
    [
      'GET',
      '200 OK',
      'Transfer-Encoding: chunked\r\n',
      '2\r\nok\r\n0\r\n\r\n',
      ['X-Request-Id: r-1', 'Transfer-Encoding: chunked'],
    ],
  ])(
    'an answer to %s with %s and %j that announces trailers kills nobody',
    async (method, status, framing, body, lines) => {
      const head = `HTTP/1.1 ${status}\r\nTrailer: X-Checksum\r\nConnection: x-secret\r\nX-Secret: 1\r\n${framing}\r\n`
      expect(await fetchHead(method, head + body)).toEqual({ status: Number(status.slice(0, 3)), lines })
    },
  )

  test.each([
    'Transfer-Encoding: gzip\r\n\r\nxx',
    'Content-Length: 1\r\nContent-Length: 2\r\n\r\nx',
    'Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'X-A: a\0b\r\nContent-Length: 0\r\n\r\n',
    'X-A: a\r\n folded\r\nContent-Length: 0\r\n\r\n',
  ])('%j is answered with 502', async rest => {
    expect((await fetchHead('GET', `HTTP/1.1 200 OK\r\n${rest}`)).status).toBe(502)
    expect((await fetchHead('GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')).status).toBe(200)
  })
})
