/**
 * Generates requests of every kind, and holds what `requestText` writes against what Node's own parser reads in it.
 *
 * Either it throws, or the judge reads exactly one request, with the fields that were given and ours, and with the
 * framing that was promised.
 */
import assert from 'node:assert/strict'
import { METHODS } from 'node:http'
import fc from 'fast-check'
import type { UpstreamBody, UpstreamRequest } from '../../../src/upstream/connections.ts'
import { UpstreamFailure } from '../../../src/upstream/failure.ts'
import { type Framing, requestText } from '../../../src/upstream/request-text.ts'
import { type MessageRead, nodeRequestParser } from './node-parser.ts'

/** How much of it was written, so that a test can tell that it has compared something. */
export interface WrittenTally {
  inputs: number
  written: number
  withBody: number
  upgrades: number
}

export interface RequestInput {
  readonly request: UpstreamRequest
  readonly persistence: 'keep-alive' | 'close'
}

const AUTHORITY = 'service.example:8080'
/** Nothing of it is read here: that there is one decides the framing. */
const SOME_BODY = {} as UpstreamBody

const odd = fc.oneof(
  fc.constantFrom(
    ...[
      '\r\n',
      '\r',
      '\n',
      '\0',
      '\t',
      ' ',
      '\x0b',
      '\x7f',
      '\x80',
      '\xff',
      '\u010d\u010a',
      '\u{1f600}',
      ':',
      ': x',
      ',',
    ],
    ...['\r\nX: y', '\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n', ' HTTP/1.1\r\nX: y', '\r\n folded', '"', ';', '#'],
  ),
  fc.string({ maxLength: 3, unit: 'binary' }),
)
/** The text, often with something odd in it. */
function spoiled(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const insertion = fc.tuple(text, odd, fc.nat(30)).map(([whole, added, at]) => {
    const index = at % (whole.length + 1)
    return whole.slice(0, index) + added + whole.slice(index)
  })
  return fc.oneof({ weight: 20, arbitrary: text }, { weight: 1, arbitrary: insertion }, { weight: 1, arbitrary: odd })
}

const method = spoiled(
  fc.constantFrom(
    ...['GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND', 'PURGE'],
    ...['CONNECT', 'TRACE', 'PRI', 'get', 'X-OWN', 'M-SEARCH'],
  ),
)
const path = spoiled(
  fc.constantFrom(
    ...['/', '/', '/a/b?c=d', '/%0d%0a', '//evil.example/', '/a;b/../c', '/?', "/!$&'()*+,;=:@", '/a|b{c}^`"<>\\'],
    ...['*', 'http://evil.example/', 'a', 'evil.example:443', '', '/a#b', '/a b', '/caf\xe9'],
  ),
)
const name = spoiled(
  fc.constantFrom(
    ...[
      'X-A',
      'x-a',
      'Accept',
      'Cookie',
      'Authorization',
      'Content-Type',
      'TE',
      'Expect',
      "!#$%&'*+-.^_`|~0aZ",
      'Host',
    ],
    ...[
      'Content-Length',
      'content-length',
      'Transfer-Encoding',
      'Content_Length',
      'Connection',
      'Upgrade',
      'Keep-Alive',
    ],
    ...['Proxy-Connection', 'HTTP2-Settings', 'Trailer'],
  ),
)
const value = spoiled(
  fc.constantFrom(
    ...[
      'b',
      '',
      'a b\tc',
      ' around ',
      '\tx\t',
      '\xe9',
      'service.example',
      '0',
      '2',
      '5',
      '05',
      '5, 5',
      '+5',
      '0x5',
      'close',
    ],
    ...['keep-alive', 'upgrade', 'websocket', 'h2c', 'chunked', 'identity', '100-continue', 'trailers'],
  ),
)
const line = fc.tuple(name, value)

export const requestInput: fc.Arbitrary<RequestInput> = fc.record({
  request: fc
    .record({
      method,
      path,
      lines: fc.oneof(
        fc.array(line, { maxLength: 5 }),
        fc.array(line, { maxLength: 3 }).map(lines => [['Host', 'app.example'] as [string, string], ...lines]),
      ),
      length: fc.constantFrom(undefined, undefined, undefined, '0', '5', '300'),
      hasBody: fc.constantFrom(false, false, true),
      upgrade: fc.constantFrom(null, null, null, null, 'websocket' as const),
    })
    .map(({ lines, length, hasBody, ...rest }) => ({
      ...rest,
      headers: [...lines, ...(length === undefined ? [] : [['Content-Length', length]])].flat(),
      body: hasBody ? SOME_BODY : null,
      headersTimeoutMs: 1000,
    })),
  persistence: fc.constantFrom('keep-alive', 'close'),
})

export function newWrittenTally(): WrittenTally {
  return { inputs: 0, written: 0, withBody: 0, upgrades: 0 }
}

/** @throws {assert.AssertionError} what was written is not the one request that was asked for */
export function assertOneRequest({ request, persistence }: RequestInput, tally: WrittenTally): void {
  tally.inputs += 1
  const written = writtenOf({ request, persistence })
  if (written === undefined) return
  const { text, framing } = written
  // The socket is given one octet for each character; a wider one would be cut to its lowest eight bits.
  assert.doesNotMatch(text, /[^\0-\xff]/)
  const judge = nodeRequestParser()
  try {
    // It knows a list of methods only, and which one it is does not matter for the rest.
    assert.ok(text.startsWith(`${request.method} `))
    const isKnown = METHODS.includes(request.method)
    const judged = isKnown ? text : `GET${text.slice(request.method.length)}`
    const head = Buffer.from(judged, 'latin1')
    feed(judge.read(head.subarray(0, -1)), head.length - 1)
    assert.equal(judge.messages[0]?.head, undefined, 'the head ends early')
    feed(judge.read(head.subarray(-1)), 1)
    const [message] = judge.messages
    assert.ok(message?.head !== undefined, 'the head does not end')
    assertFields(message, request, framing, persistence)
    feedBody(framing, message, bytes => feed(judge.read(bytes), bytes.length))
    assert.equal(judge.messages.length, 1, 'the judge sees another number of requests')
  } finally {
    judge.close()
  }
  tally.written += 1
  if (framing.kind !== 'none') tally.withBody += 1
  if (request.upgrade !== null) tally.upgrades += 1
}

function writtenOf({ request, persistence }: RequestInput): ReturnType<typeof requestText> | undefined {
  try {
    return requestText(request, AUTHORITY, persistence)
  } catch (error) {
    if (error instanceof UpstreamFailure && error.code === 'REQUEST_UNSENDABLE') return undefined
    throw error
  }
}

function feed(read: number | Error, length: number): void {
  if (read instanceof Error) assert.fail(`the judge refuses it: ${(read as Error & { reason?: string }).reason}`)
  assert.equal(read, length, 'the judge stops before the end')
}

function assertFields(
  message: MessageRead,
  { headers, path: target, method: verb, upgrade, body }: UpstreamRequest,
  framing: Framing,
  persistence: string,
): void {
  const host = headers[0]?.toLowerCase() === 'host' ? [] : ['Host', AUTHORITY]
  // RFC 9110 §5.5: the blanks around a value do not belong to it.
  const given = headers.map((text, i) => (i % 2 === 0 ? text : text.replace(/^[\t ]+|[\t ]+$/g, '')))
  const own = upgrade === null ? ['Connection', persistence] : ['Connection', 'upgrade', 'Upgrade', upgrade]
  const { rawHeaders = [] } = message.head ?? {}
  const expected = [...host, ...given, ...own]
  assert.deepEqual(rawHeaders.slice(0, expected.length), expected)
  const names = given.filter((_, i) => i % 2 === 0).map(text => text.toLowerCase())
  const framed = rawHeaders.slice(expected.length)
  if (framing.kind === 'chunked') assert.deepEqual(framed, ['Transfer-Encoding', 'chunked'])
  else if (framed.length > 0) assert.deepEqual([framing.kind, ...framed], ['none', 'Content-Length', '0'])
  assert.equal(framing.kind === 'none', body === null)
  assert.equal(framing.kind === 'length', body !== null && names.includes('content-length'))
  assert.equal(message.requestLine.slice(message.requestLine.indexOf(' ') + 1), target)
  if (METHODS.includes(verb)) assert.equal(message.isUpgrade, upgrade !== null, 'one sees another protocol')
  assert.equal(
    message.keepsAlive,
    upgrade !== null || persistence === 'keep-alive',
    'the judge reads another Connection',
  )
}

function feedBody(framing: Framing, message: MessageRead, send: (bytes: Buffer) => void): void {
  if (framing.kind !== 'none' && !(framing.kind === 'length' && framing.bytes === 0)) {
    assert.equal(message.isComplete, false, 'the request ends without its body')
    if (framing.kind === 'length' && framing.bytes > 1000) return
    const bytes = framing.kind === 'length' ? Buffer.alloc(framing.bytes, 'x') : Buffer.from('2\r\nok\r\n0\r\n\r\n')
    send(bytes.subarray(0, -1))
    assert.equal(message.isComplete, false, 'the body ends early')
    send(bytes.subarray(-1))
    assert.equal(message.body, framing.kind === 'length' ? bytes.toString() : 'ok')
  }
  assert.equal(message.isComplete, true, 'the request does not end where it should')
}
