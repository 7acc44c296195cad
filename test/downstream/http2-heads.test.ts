/** Heads that no library would send: each is refused or reset, and the connection serves the next request. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CODES,
  type Field,
  type Http2Frames,
  headers,
  http2Frames,
  requestFields,
} from '../support/clients/http2-frame-client.ts'
import { HTTP2_STACKS, type Http2Stack } from '../support/raw.ts'

describe.each(HTTP2_STACKS)('over $name', ({ startStack }) => {
  let stack: Http2Stack
  let client: Http2Frames
  let id = -1
  beforeAll(async () => {
    stack = await startStack()
    client = await http2Frames(stack.url, stack.ca)
  })
  afterAll(async () => {
    client.socket.destroy()
    await stack.close()
  })

  /**
   * Sends one head on a stream of its own, all on one connection. @returns the code of the refusal,
   * `ok`, or how the stream ended
   */
  async function verdict(fields: readonly Field[]): Promise<string> {
    id += 2
    client.write(headers(id, fields))
    const { status, body: text, how, errorCode } = await client.ended(id)
    if (how !== 'whole') return `${how} ${errorCode}`
    return status === 200 ? 'ok' : `${status} ${(JSON.parse(text) as { code: string }).code}`
  }

  const MALFORMED = `reset ${CODES.protocolError}`
  const [METHOD, SCHEME, AUTHORITY, PATH]: readonly Field[] = requestFields('GET', '/public/x')
  const plain = (...more: readonly Field[]): Field[] => requestFields('GET', '/public/x', more)
  const without = (left: Field | undefined, ...more: readonly Field[]): Field[] => [
    ...[METHOD, SCHEME, AUTHORITY, PATH].filter((field): field is Field => field !== undefined && field !== left),
    ...more,
  ]

  const CASES: Readonly<Record<string, readonly [expected: string, fields: readonly Field[]]>> = {
    'an upper-case name': [MALFORMED, plain(['X-Auth-Subject', 'root'])],
    connection: [MALFORMED, plain(['connection', 'close'])],
    'te: gzip': [MALFORMED, plain(['te', 'gzip'])],
    'transfer-encoding': [MALFORMED, plain(['transfer-encoding', 'chunked'])],
    upgrade: [MALFORMED, plain(['upgrade', 'websocket'])],
    'keep-alive': [MALFORMED, plain(['keep-alive', 'timeout=5'])],
    'proxy-connection': [MALFORMED, plain(['proxy-connection', 'close'])],
    'an alias of a framing field': ['400 request_malformed', plain(['transfer_encoding', 'chunked'])],
    'an alias of the length': ['400 request_malformed', plain(['content_length', '5'])],
    'http2-settings': ['400 request_malformed', plain(['http2-settings', 'AAMAAABk'])],
    'an expectation that nobody knows': ['400 request_malformed', plain(['expect', '200-ok'])],
    'no :method': [MALFORMED, without(METHOD)],
    'no :scheme': [MALFORMED, without(SCHEME)],
    'no :path': [MALFORMED, without(PATH)],
    'no :authority and no host': [MALFORMED, without(AUTHORITY)],
    'two :method': [MALFORMED, plain([':method', 'GET'])],
    'two :path': [MALFORMED, without(undefined, [':path', '/admin/x'])],
    'a pseudo-header field behind a regular one': [MALFORMED, without(PATH, ['x-a', 'b'], [':path', '/public/x'])],
    'an unknown pseudo-header field': [MALFORMED, without(undefined, [':color', 'red'])],
    'a pseudo-header field of a response': [MALFORMED, without(undefined, [':status', '200'])],
    'extended CONNECT (RFC 8441)': [
      MALFORMED,
      [[':method', 'CONNECT'], ...without(METHOD), [':protocol', 'websocket']],
    ],
    CONNECT: [
      '400 request_malformed',
      [
        [':method', 'CONNECT'],
        [':authority', 'app.example:443'],
      ],
    ],
    'CONNECT with a path': [MALFORMED, [[':method', 'CONNECT'], ...without(METHOD)]],
    TRACE: ['400 request_malformed', requestFields('TRACE', '/public/x')],
    'a method in lower case': ['400 request_malformed', requestFields('get', '/public/x')],
    'CONNECT in lower case': ['400 request_malformed', requestFields('connect', '/public/x')],
    'a method that nobody knows': ['400 request_malformed', requestFields('FOO', '/public/x')],
    'a method that nobody knows, where a token is needed': [
      '400 request_malformed',
      requestFields('FOO', '/private/x'),
    ],
    'an empty method': [MALFORMED, requestFields('', '/public/x')],
    'a method with a blank': [MALFORMED, requestFields('GET /admin/x', '/public/x')],
    'an empty :path': [MALFORMED, requestFields('GET', '')],
    'a :path of *': [MALFORMED, requestFields('GET', '*')],
    'OPTIONS *': ['400 path_invalid', requestFields('OPTIONS', '*')],
    'an absolute :path': [MALFORMED, requestFields('GET', 'https://app.example/public/x')],
    'a :path without a slash': [MALFORMED, requestFields('GET', 'public/x')],
    'a :path with a line end': [MALFORMED, requestFields('GET', '/public/x\r\nX-Auth-Subject: root')],
    'a :path with a blank': [MALFORMED, requestFields('GET', '/public/x HTTP/1.1')],
    'an empty :authority': [MALFORMED, without(AUTHORITY, [':authority', ''])],
    'userinfo in :authority': [MALFORMED, [[':authority', 'user@app.example'], ...without(AUTHORITY)]],
    'a path in :authority': [MALFORMED, [[':authority', 'app.example/admin'], ...without(AUTHORITY)]],
    'a list in :authority': ['400 host_invalid', [[':authority', 'app.example,evil.example'], ...without(AUTHORITY)]],
    'a host that differs from :authority': ['400 host_invalid', plain(['host', 'evil.example'])],
    'two hosts': [MALFORMED, plain(['host', 'app.example'], ['host', 'evil.example'])],
    'two hosts without :authority': [MALFORMED, without(AUTHORITY, ['host', 'app.example'], ['host', 'evil.example'])],
    'a host that agrees': ['ok', plain(['host', 'app.example'])],
    'a host without :authority': ['ok', without(AUTHORITY, ['host', 'app.example'])],
    'two Content-Type lines': ['400 request_malformed', plain(['content-type', 'a/b'], ['content-type', 'a/b'])],
    'te: trailers': ['ok', plain(['te', 'trailers'])],
    'a length on a head that is the end': [MALFORMED, plain(['content-length', '5'])],
    'a length of nothing on a head that is the end': ['ok', plain(['content-length', '0'])],
    'two lengths': [MALFORMED, plain(['content-length', '0'], ['content-length', '0'])],
    'a length that is no number': [MALFORMED, plain(['content-length', '+0'])],
    'two Authorization lines': [
      '400 request_malformed',
      requestFields('GET', '/private/x', [
        ['authorization', 'Bearer a.b.c'],
        ['authorization', 'Bearer a.b.c'],
      ]),
    ],
  }

  describe('a head with', () => {
    test.for(Object.entries(CASES))('%s', async ([, [expected, fields]]) => {
      const before = stack.upstream.seen.length
      expect(await verdict(fields)).toBe(expected)
      expect(await verdict(plain())).toBe('ok')
      expect(stack.upstream.seen).toHaveLength(before + (expected === 'ok' ? 2 : 1))
      await stack.control()
      await stack.idle()
    })
  })
})
