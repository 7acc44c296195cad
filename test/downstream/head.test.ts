import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkHead } from '../../src/downstream/head.ts'
import { Http1Request } from '../../src/downstream/http1-request.ts'
import { Denial } from '../../src/errors.ts'
import { factsOf } from '../support/facts.ts'

const MAX_HEADERS = 20

function check(
  rawHeaders: readonly string[],
  head: { method?: string; httpVersion?: string; hasBody?: boolean } = {},
): ReturnType<typeof checkHead> | string {
  try {
    return checkHead(factsOf({ ...head, rawHeaders }), { maxHeaders: MAX_HEADERS, maxHeadBytes: 16_384 })
  } catch (error) {
    if (error instanceof Denial) return error.code
    throw error
  }
}

const host = ['Host', 'a.example']

describe('RFC 9112 §3.2', () => {
  test.each([
    'a',
    'a.example',
    'A-b_c.example',
    'a.example:8080',
    '192.0.2.1',
    '192.0.2.1:1',
    '[::1]',
    '[2001:DB8::1]:65535',
    '[::ffff:1.2.3.4]',
    'a.',
  ])('Host %s is taken as it is', value => {
    expect(check(['host', value])).toEqual({ host: value, bodyBytes: 0 })
  })

  test.each([
    '',
    ' ',
    'a b',
    'a,b',
    'a/b',
    'a?b',
    'a#b',
    'a\\b',
    'user@a',
    'a:b@c',
    'a:',
    'a:x',
    'a:1:2',
    'a:65536',
    'a:123456',
    ':80',
    '[::1',
    '::1',
    '[::1]x',
    '[a]',
    '[::1%25eth0]',
    '[v1.a]',
    '[]',
    'a%2eb',
    'é',
    "a'b",
    'a"',
    'a<',
    'a\tb',
    'http://a',
    `${'a'.repeat(256)}`,
  ])('Host %j is refused', value => {
    expect(check(['Host', value])).toBe('host_invalid')
  })

  test('a missing or repeated Host is refused, in HTTP/1.0, too', () => {
    expect(check([])).toBe('host_invalid')
    expect(check([], { httpVersion: '1.0' })).toBe('host_invalid')
    expect(check([...host, ...host])).toBe('host_invalid')
    expect(check([...host, 'hOST', 'b'])).toBe('host_invalid')
    expect(check(host, { httpVersion: '1.0' })).toEqual({ host: 'a.example', bodyBytes: 0 })
  })
})

describe('RFC 9112 §6', () => {
  test('a body has one length or is chunked', () => {
    expect(check([...host, 'Content-Length', '5'])).toEqual({ host: 'a.example', bodyBytes: 5 })
    expect(check([...host, 'Content-Length', '0'])).toEqual({ host: 'a.example', bodyBytes: 0 })
    expect(check([...host, 'transfer-encoding', 'CHUNKED'])).toEqual({ host: 'a.example', bodyBytes: undefined })
  })

  test.each([
    ['Transfer-Encoding', 'identity'],
    ['Transfer-Encoding', 'gzip'],
    ['Transfer-Encoding', 'gzip, chunked'],
    ['Transfer-Encoding', 'chunked, chunked'],
    ['Transfer-Encoding', 'chunked;q=1'],
    ['Transfer-Encoding', ' chunked'],
    ['Transfer-Encoding', 'xchunked'],
    ['Transfer-Encoding', ''],
    ['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'],
    ['Transfer-Encoding', 'chunked', 'transfer-encoding', 'identity'],
    ['Transfer-Encoding', 'chunked', 'Content-Length', '0'],
    ['Content-Length', '5', 'Transfer-Encoding', 'chunked'],
    ['Content-Length', '5', 'Content-Length', '5'],
    ['Content-Length', '5', 'content-length', '6'],
    ['Content-Length', '5, 5'],
    ['Content-Length', '+5'],
    ['Content-Length', '-5'],
    ['Content-Length', '0x5'],
    ['Content-Length', '5.0'],
    ['Content-Length', '5e1'],
    ['Content-Length', ''],
    ['Content-Length', '5 '],
    ['Content-Length', '9007199254740993'],
    ['Transfer_Encoding', 'chunked'],
    ['TRANSFER.ENCODING', 'chunked'],
    ['Content_Length', '5'],
    ['content~length', '5'],
    ['Content-Length', '5', 'Content_Length', '6'],
  ])('%j %j %s %s is refused: two servers could see two bodies', (...lines) => {
    expect(check([...host, ...lines.filter(line => line !== undefined)])).toBe('request_malformed')
  })

  test('HTTP/1.0 knows no chunks', () => {
    expect(check([...host, 'Transfer-Encoding', 'chunked'], { httpVersion: '1.0' })).toBe('request_malformed')
    expect(check([...host, 'Content-Length', '5'], { httpVersion: '1.0' })).toEqual({ host: 'a.example', bodyBytes: 5 })
  })

  test.each(['0.9', '2.0', '1.2', '1.01', '', '3.0'])('HTTP version %j is refused', httpVersion => {
    expect(check(host, { httpVersion })).toBe('request_malformed')
  })

  test('whatever the lines, a head that is accepted has one Host and at most one framing field', () => {
    const name = fc.constantFrom(
      'Host',
      'HOST',
      'Content-Length',
      'content_length',
      'Transfer-Encoding',
      'TRANSFER-encoding',
      'X',
    )
    const value = fc.constantFrom('a.example', 'chunked', 'Chunked', '5', '05', 'gzip', '', '5,5')
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 4 }), pairs => {
        const result = check(pairs.flat())
        if (typeof result === 'string') return
        const names = pairs.map(([each]) => each.toLowerCase()).filter(each => each !== 'x')
        expect(names.filter(each => each === 'host')).toHaveLength(1)
        expect(names.filter(each => each !== 'host').length).toBeLessThanOrEqual(1)
        expect(names).not.toContain('content_length')
      }),
      { numRuns: 2000 },
    )
  })
})

describe('other ways to be understood in two ways', () => {
  test.each(['CONNECT', 'TRACE', 'DESCRIBE', 'FLUSH', 'get', 'FOO', ''])('%s is refused', method => {
    expect(check(host, { method })).toBe('request_malformed')
  })

  test.each(['GET', 'HEAD', 'POST', 'OPTIONS', 'QUERY', 'PROPFIND'])('%s is none of our business', method => {
    expect(check(host, { method })).toEqual({ host: 'a.example', bodyBytes: 0 })
  })

  test.each([
    ['Content-Type', 'text/plain', 'Content-Type', 'application/json'],
    ['Content-Type', 'text/plain', 'content-type', 'text/plain'],
    ['Content-Type', 'text/plain', 'Content_Type', 'text/plain'],
    ['Content_Type', 'text/plain', 'content.type', 'text/plain'],
    ['Expect', '200-ok'],
    ['Expect', ''],
    ['Expect', '100-continue, x'],
    ['Upgrade', 'websocket', 'Content-Length', '5'],
    ['Upgrade', 'websocket', 'Transfer-Encoding', 'chunked'],
    ['Content-Length', '5', 'Upgrade', 'WebSocket/13'],
  ])('%j %j %s %s is refused', (...lines) => {
    expect(check([...host, ...lines.filter(line => line !== undefined)])).toBe('request_malformed')
  })

  test.each([
    ['Upgrade', 'websocket'],
    ['Upgrade', 'websocket', 'Content-Length', '0'],
    ['Upgrade', 'foo'],
    ['Upgrade', 'h2c'],
    ['Upgrade', 'H2C'],
    ['Upgrade', 'TLS/1.2'],
    ['Upgrade', 'websocket, h2c'],
    ['Upgrade', 'websocket', 'Upgrade', 'h2c'],
    ['Upgrade', 'h2c', 'HTTP2-Settings', 'AAMAAABkAAQAAP__'],
    ['HTTP2_Settings', 'AAMAAABkAAQAAP__'],
    ['Content-Type', 'text/plain'],
    ['Content_Type', 'text/plain'],
    ['Expect', '100-Continue'],
    ['Keep-Alive', 'timeout=5'],
  ])('%j %j %s %s is fine', (...lines) => {
    expect(check([...host, ...lines.filter(line => line !== undefined)])).toEqual({ host: 'a.example', bodyBytes: 0 })
  })

  test.each([
    ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
    ['HTTP2_Settings', 'AAMAAABkAAQAAP__'],
    ['Upgrade', 'h2c'],
  ])('%j %j is refused over HTTP/2', (...lines) => {
    expect(check([...host, ...lines], { httpVersion: '2', hasBody: false })).toBe('request_malformed')
  })

  test('header lines are counted, and one more than the limit is refused', () => {
    const lines = (count: number) => Array.from({ length: count - 1 }, () => ['X', '']).flat()
    expect(check([...host, ...lines(MAX_HEADERS)])).toEqual({ host: 'a.example', bodyBytes: 0 })
    expect(check([...host, ...lines(MAX_HEADERS + 1)])).toBe('headers_too_large')
  })
})

describe('over a socket', () => {
  let server: Server

  beforeAll(async () => {
    const answer = (request: Http1Request, response: ServerResponse) => {
      let outcome: string
      try {
        outcome = JSON.stringify(checkHead(request.facts(), { maxHeaders: MAX_HEADERS, maxHeadBytes: 16_384 }))
      } catch (error) {
        outcome = error instanceof Denial ? error.code : String(error)
      }
      response.writeHead(200, { 'x-outcome': outcome, connection: 'close' }).end()
    }
    server = createServer(
      { IncomingMessage: Http1Request, requireHostHeader: false, shouldUpgradeCallback: () => false },
      answer,
    )
    server.maxHeadersCount = 0
    server.on('checkContinue', answer).on('checkExpectation', answer)
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      if (!socket.writable) return socket.destroy()
      return socket.end(`HTTP/1.1 400 Bad Request\r\nx-outcome: ${error.code}\r\n\r\n`)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  })

  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  /** @returns what the server made of these bytes: an accepted head, our refusal or the parser's */
  async function outcome(bytes: string): Promise<string> {
    const socket = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
    socket.write(Buffer.from(bytes, 'latin1'))
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
    })
    await once(socket, 'close')
    return /x-outcome: (.*)\r/.exec(answer)?.[1] ?? answer
  }

  const start = 'POST / HTTP/1.1\r\nHost: a\r\n'

  test.each([
    [`${start}Content-Length: 1\r\n\r\nx`, '{"host":"a","bodyBytes":1}'],
    [`${start}Content-Length: \t1 \t\r\n\r\nx`, '{"host":"a","bodyBytes":1}'],
    [`${start}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, '{"host":"a"}'],
    [`${start}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 'request_malformed'],
    [`${start}Transfer-Encoding: gzip\r\n\r\n`, 'request_malformed'],
    [`${start}Transfer_Encoding: chunked\r\nContent-Length: 1\r\n\r\nx`, 'request_malformed'],
    [`${start}Expect: x\r\nContent-Length: 0\r\n\r\n`, 'request_malformed'],
    [
      `${start}Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n`,
      '{"host":"a","bodyBytes":0}',
    ],
    ['POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 'request_malformed'],
    ['GET / HTTP/2.0\r\nHost: a\r\n\r\n', 'request_malformed'],
    ['GET / HTTP/0.9\r\nHost: a\r\n\r\n', 'request_malformed'],
    ['GET /\r\n\r\n', 'request_malformed'],
    ['TRACE / HTTP/1.1\r\nHost: a\r\n\r\n', 'request_malformed'],
    ['GET / HTTP/1.1\r\n\r\n', 'host_invalid'],
    ['GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n', 'host_invalid'],
    ['GET / HTTP/1.1\r\nHost:\r\n\r\n', 'host_invalid'],
    [`GET / HTTP/1.1\r\nHost: a\r\n${'a:\r\n'.repeat(MAX_HEADERS)}\r\n`, 'headers_too_large'],
    [`GET / HTTP/1.1\r\nHost: a\r\n${'a:\r\n'.repeat(2500)}\r\n`, 'headers_too_large'],
  ])('%j: %s', async (bytes, expected) => {
    expect(await outcome(bytes)).toBe(expected)
  })

  /** Node's own parser takes these off our hands, and must go on doing so. */
  test.each([
    [`${start}X: a\r\n b\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
    [`${start}X : a\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
    [`${start}X: a\0b\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
    [`${start}X: a\x7f\r\n\r\n`, 'HPE_INVALID_HEADER_TOKEN'],
    ['GET / HTTP/1.1\r\n X: a\r\nHost: a\r\n\r\n', 'HPE_UNEXPECTED_SPACE'],
    ['GET / HTTP/1.1\nHost: a\n\n', 'HPE_INVALID_VERSION'],
    ['GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n', 'HPE_CR_EXPECTED'],
    [`${start}X: a\rb\r\n\r\n`, 'HPE_LF_EXPECTED'],
    [`${start}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`, 'HPE_UNEXPECTED_CONTENT_LENGTH'],
    [`${start}Content-Length: 1, 1\r\n\r\nx`, 'HPE_INVALID_CONTENT_LENGTH'],
    [`${start}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n`, 'HPE_INVALID_CONTENT_LENGTH'],
    [`${start}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 'HPE_INVALID_TRANSFER_ENCODING'],
    [
      `${start}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      'HPE_INVALID_TRANSFER_ENCODING',
    ],
    ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HPE_PAUSED_H2_UPGRADE'],
    [`${start}X: ${'a'.repeat(20_000)}\r\n\r\n`, 'HPE_HEADER_OVERFLOW'],
  ])('%j is refused by the parser: %s', async (bytes, expected) => {
    expect(await outcome(bytes)).toBe(expected)
  })
})
