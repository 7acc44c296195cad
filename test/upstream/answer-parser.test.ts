/** Plain cases of `AnswerParser`, rule by rule; `answer-parser.differential.test.ts` holds it against other parsers. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { AnswerParser } from '../../src/upstream/answer-parser.ts'
import { assertPiecesAgree } from '../support/clients/answer-agreement.ts'
import { type AnswerRead, readByUs } from '../support/clients/our-reading.ts'
import { cuts, exchange } from '../support/services/answer-input.ts'
import { type Asked, GET, HEAD, POST, UPGRADE } from '../support/services/asked.ts'
import { BROKEN_ANSWERS } from '../support/services/broken-answers.ts'

const OK = 'HTTP/1.1 200 OK\r\n'

function read(text: string, asked: Asked = GET): AnswerRead {
  const [answer] = readByUs(Buffer.from(text, 'latin1'), [asked])
  if (answer === undefined) throw new Error('nothing was asked')
  return answer
}

function chunked(body: string): AnswerRead {
  return read(`${OK}Transfer-Encoding: chunked\r\n\r\n${body}`)
}

describe('RFC 9112 §4, the status line', () => {
  test.each([
    ['HTTP/1.1 200 OK', 200],
    ['HTTP/1.1 200 ', 200],
    ['HTTP/1.1 200', 200],
    ['HTTP/1.1 404 Not\tFound: \xe9', 404],
    ['HTTP/1.1 999 Odd', 999],
    ['HTTP/1.0 200 OK', 200],
  ])('%j is one', (line, statusCode) => {
    const answer = read(`${line}\r\nContent-Length: 2\r\n\r\nok`)
    expect(answer).toMatchObject({ ending: 'whole', head: { statusCode }, body: 'ok' })
  })
})

describe('RFC 9112 §5, fields', () => {
  test('are told in their order and spelling, without the blanks around a value', () => {
    const { head } = read(`${OK}X-A:\t b\tc \t\r\nx-a:\r\nSet-Cookie: \xe9\r\nContent-Length:0\r\n\r\n`)
    expect(head?.rawHeaders).toEqual(['X-A', 'b\tc', 'x-a', '', 'Set-Cookie', '\xe9', 'Content-Length', '0'])
  })

  test('there need not be any', () => {
    expect(read(`${OK}\r\nhello`)).toMatchObject({ ending: 'closed', head: { rawHeaders: [] }, body: 'hello' })
  })
})

describe('RFC 9112 §6.3, where the body ends', () => {
  test.each<[string, string, Asked, Partial<AnswerRead>]>([
    ['by its length', 'Content-Length: 5\r\n\r\nhello', GET, { ending: 'whole', body: 'hello', isReusable: true }],
    ['at once by a length of 0', 'Content-Length: 0\r\n\r\n', GET, { ending: 'whole', body: '', isReusable: true }],
    ['with the connection', '\r\nhello', GET, { ending: 'closed', body: 'hello', isReusable: false }],
    ['at once for HEAD', 'Content-Length: 5\r\n\r\n', HEAD, { ending: 'whole', body: '', isReusable: true }],
    ['at once for HEAD, chunked', 'Transfer-Encoding: chunked\r\n\r\n', HEAD, { ending: 'whole', isReusable: true }],
    ['too early', 'Content-Length: 5\r\n\r\nhell', GET, { ending: 'cut', body: 'hell', isReusable: false }],
  ])('%s', (_, rest, asked, expected) => {
    expect(read(OK + rest, asked)).toMatchObject(expected)
  })

  test('what follows the end belongs to the next answer', () => {
    const first = `${OK}Content-Length: 5\r\n\r\nhello`
    const text = `${first}HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok`
    const answers = readByUs(Buffer.from(text), [GET, POST])
    expect(answers).toMatchObject([
      { body: 'hello', end: first.length },
      { head: { statusCode: 201 }, body: 'ok', end: text.length, isReusable: true },
    ])
  })

  test.each([204, 304])('%i has no body, and is the last one if it announces one', statusCode => {
    for (const [lines, isReusable] of [
      ['', true],
      ['Content-Length: 0\r\n', true],
      ['Content-Length: 5\r\n', false],
      ['Transfer-Encoding: chunked\r\n', false],
    ] as const)
      expect(read(`HTTP/1.1 ${statusCode} X\r\n${lines}\r\n`), lines).toMatchObject({ ending: 'whole', isReusable })
  })

  test('bytes behind the end are refused, in the same piece and later', () => {
    for (const pieces of [['\r\n\r\nX'], ['\r\n\r\n', 'X']]) {
      const parser = new AnswerParser(1000)
      let ends = 0
      parser.expect(GET, { onInterim() {}, onHead() {}, onBody() {}, onEnd: () => ends++, onSwitch() {} })
      const all = [`${OK}Content-Length: 0`, ...pieces]
      expect(() => {
        for (const piece of all) parser.read(Buffer.from(piece))
      }).toThrow(expect.objectContaining({ code: 'ANSWER_MALFORMED' }))
      expect(ends).toBe(1)
    }
  })
})

describe('RFC 9112 §7.1, chunks', () => {
  test.each<[string, string, string, readonly string[]]>([
    ['none', '0\r\n\r\n', '', []],
    ['some', '5\r\nhello\r\n2\r\n, \r\n5\r\nworld\r\n0\r\n\r\n', 'hello, world', []],
    ['in capitals, and with zeros', `00A\r\n0123456789\r\n000\r\n\r\n`, '0123456789', []],
    ['with extensions', '2;a;b=c\r\nok\r\n0;d\r\n\r\n', 'ok', []],
    ['that look like an end', '7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n', '\r\n0\r\n\r\n', []],
    ['with trailers', '2\r\nok\r\n0\r\nX-A: b\r\nx-c:\r\n\r\n', 'ok', ['X-A', 'b', 'x-c', '']],
  ])('%s', (_, body, expected, rawTrailers) => {
    expect(chunked(body)).toMatchObject({ ending: 'whole', body: expected, rawTrailers, isReusable: true })
  })

  test('a trailer that says Connection: close ends the connection, and not the answer (RFC 9110 §6.5.1)', () => {
    const trailers = { rawTrailers: ['Connection', 'close'] }
    expect(chunked('0\r\nConnection: close\r\n\r\n')).toMatchObject({ ending: 'whole', isReusable: false, ...trailers })
  })

  test('an answer that ends with the connection before its last chunk is cut', () => {
    expect(chunked('5\r\nhello\r\n')).toMatchObject({ ending: 'cut', body: 'hello' })
    expect(chunked('5\r\nhello\r\n0\r\n')).toMatchObject({ ending: 'cut', body: 'hello' })
  })
})

describe('RFC 9112 §9.3, the connection is used again', () => {
  test.each<[boolean, string, string]>([
    [true, 'HTTP/1.1', ''],
    [true, 'HTTP/1.1', 'Connection: keep-alive\r\n'],
    [true, 'HTTP/1.1', 'Connection: closed\r\n'],
    [false, 'HTTP/1.1', 'Connection: close\r\n'],
    [false, 'HTTP/1.1', 'connection:CLOSE\r\n'],
    [false, 'HTTP/1.1', 'Connection: keep-alive,\tclose\t, x\r\n'],
    [false, 'HTTP/1.1', 'Connection: keep-alive\r\nConnection: close\r\n'],
    [false, 'HTTP/1.1', 'Proxy-Connection: close\r\n'],
    [false, 'HTTP/1.0', ''],
    [false, 'HTTP/1.0', 'Connection: keep-alive\r\n'],
  ])('%s after %s with %j', (isReusable, version, lines) => {
    expect(read(`${version} 200 OK\r\n${lines}Content-Length: 0\r\n\r\n`)).toMatchObject({
      ending: 'whole',
      isReusable,
    })
  })

  test.each<[number | undefined, string]>([
    [5, 'timeout=5'],
    [5, 'timeout=5, max=1000'],
    [7, 'max=1, Timeout = "7"'],
    [undefined, 'max=1000'],
    [undefined, 'mytimeout=5'],
    [undefined, 'timeout=-1'],
  ])('for %s seconds by Keep-Alive: %s', (keepAliveSeconds, value) => {
    expect(read(`${OK}Keep-Alive: ${value}\r\nContent-Length: 0\r\n\r\n`)).toMatchObject({ keepAliveSeconds })
  })
})

describe('RFC 9110 §15.2, interim answers', () => {
  test('come before the answer, an unasked 100 included', () => {
    const text = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`
    expect(read(text)).toMatchObject({
      interim: [
        { statusCode: 100, rawHeaders: [] },
        { statusCode: 103, rawHeaders: ['Link', '</a>'] },
      ],
      head: { statusCode: 200 },
      body: 'ok',
      isReusable: true,
    })
  })

  test('may be 32', () => {
    expect(read(`${'HTTP/1.1 102 P\r\n\r\n'.repeat(32)}${OK}Content-Length: 0\r\n\r\n`).ending).toBe('whole')
  })

  test('are no answer if the connection ends behind them', () => {
    expect(read('HTTP/1.1 100 Continue\r\n\r\n')).toMatchObject({ ending: 'cut', head: undefined })
  })
})

describe('RFC 9110 §7.8, another protocol', () => {
  test('begins right behind the head', () => {
    const text = 'HTTP/1.1 101 S\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n'
    const [answer] = readByUs(Buffer.from(`${text}\x81\x00`, 'latin1'), [UPGRADE], [])
    expect(answer).toMatchObject({ ending: 'switched', body: '\x81\x00', isReusable: false })
  })

  test('may be declined with any other answer', () => {
    expect(read(`${OK}Content-Length: 2\r\n\r\nno`, UPGRADE)).toMatchObject({ ending: 'whole', body: 'no' })
  })
})

describe('answers that advisories are about', () => {
  test.each(BROKEN_ANSWERS)('refuses $name', ({ text, asked }) => {
    expect(['refused', 'cut']).toContain(read(text, asked).ending)
  })
})

test('how the bytes are cut into pieces changes nothing', () => {
  fc.assert(
    fc.property(exchange, cuts, ({ requests, text }, offsets) => {
      const bytes = Buffer.from(text, 'latin1')
      assertPiecesAgree(bytes, requests, readByUs(bytes, requests), offsets)
    }),
    { numRuns: 5000 },
  )
})
