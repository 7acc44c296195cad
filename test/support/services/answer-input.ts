/**
 * Generates what a service may send: answers with every framing there is, and the same with small faults in them.
 *
 * Most of it is near to a good answer, so that it gets far into a parser. Everything is text with one character per
 * octet.
 */
import fc from 'fast-check'
import { type Asked, GET, HEAD, POST, UPGRADE } from './asked.ts'

/** What comes over one connection, and what was asked for on it. */
export interface Exchange {
  readonly requests: readonly Asked[]
  readonly text: string
}

const EOL = '\r\n'
const asked = fc.constantFrom(GET, GET, GET, GET, POST, HEAD, UPGRADE)
const version = fc.constantFrom(...times(12, 'HTTP/1.1'), 'HTTP/1.0', 'HTTP/1.0')
const reason = fc.constantFrom(' OK', ' OK', ' OK', ' ', '', ' Not\tat all: \xe9', ' 200 OK')
const status = fc.constantFrom(...times(12, '200'), '404', '500', '206', '204', '304', '299', '600', '999', '101')
const interimStatus = fc.constantFrom('100', '102', '103', '103', '199', '101')

const goodField = fc.constantFrom(
  ...[
    'X-A: b',
    'x-empty:',
    'X-Tabs:\t a\tb \t',
    'Set-Cookie: a=b; c="d"',
    'set-cookie: \xe9\xff\x80',
    'Date: x',
    'A:b:c',
  ],
  ...[
    'Connection: keep-alive',
    'connection:Keep-Alive',
    'Connection: close',
    'Connection:\tclose\t',
    'Connection: x-a',
  ],
  ...['Connection: keep-alive, close', 'Connection: x-a,close', 'Connection: upgrade', 'Connection: closed, x'],
  ...[
    'Connection: keep-alive, Upgrade',
    'Connection:',
    'Connection: ,',
    'Connection: "close"',
    'Connection: , close ,',
  ],
  ...['Keep-Alive: timeout=5', 'keep-alive: timeout=5, max=100', 'Upgrade: websocket', 'Upgrade: h2c', 'Trailer: X-A'],
  ...['Proxy-Connection: close', 'Connection: close\t, x-a', 'Connection: keep-alive,\tclose', 'Connection: clos, e'],
  `X-Long: ${'y'.repeat(300)}`,
  `X-${'n'.repeat(80)}: long`,
  "!#$%&'*+-.^_`|~0aZ: every character of a token",
)
/** Fields that frame, in spellings that some parser somewhere takes and another does not. */
const framingField = fc.constantFrom(
  ...['Content-Length: 0', 'Content-Length: 5', 'Content-Length: 05', 'Content-Length: 5, 5', 'Content-Length: +5'],
  ...['Content-Length: -0', 'Content-Length: 0x5', 'Content-Length: 5 5', 'Content-Length:', 'Content-Length: 5;'],
  ...['Content-Length: 1e1', 'Content-Length: 5_0', 'Content-Length: "5"', 'Content-Length: 5.0', 'Content-Length: ,5'],
  ...['Content-Length: 99999999999999999999', 'Content-Length: 18446744073709551621', 'Content-Length : 5'],
  ...['Content-Length\t: 5', ' Content-Length: 5', 'Content_Length: 5', 'Content-Length: \xb2', 'Content-Length:5\t'],
  ...['Transfer-Encoding: chunked', 'transfer-encoding:CHUNKED', 'Transfer-Encoding:\tchunked\t', 'Transfer-Encoding:'],
  ...['Transfer-Encoding: xchunked', 'Transfer-Encoding: chunked, identity', 'Transfer-Encoding: identity, chunked'],
  ...['Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, chunked', 'Transfer-Encoding: gzip'],
  ...['Transfer-Encoding: identity', 'Transfer-Encoding: "chunked"', 'Transfer-Encoding: chunked;q=1'],
  ...['Transfer-Encoding: \x0bchunked', 'Transfer-Encoding: chunked\x0c', 'Transfer-Encoding: \0chunked'],
  ...['Transfer-Encoding : chunked', 'Transfer_Encoding: chunked', 'X: y\nTransfer-Encoding: chunked'],
  ...['Transfer-Encoding:\r\n chunked', 'Transfer-Encoding: chun\xadked', 'Transfer-Encoding: ,chunked'],
  ...['Transfer-Encoding\xa0: chunked', 'Transfer-Encoding: chunked,', 'X: y\rTransfer-Encoding: chunked'],
)
const content = fc.constantFrom('', 'a', 'hello', 'hello', '\r\n', '\0\x7f\x80\xff', '0\r\n\r\n', 'x'.repeat(300))
const hidden = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'

const chunkSize = fc.constantFrom<(hex: string) => string>(
  ...times<(hex: string) => string>(10, hex => hex),
  hex => hex.toUpperCase(),
  hex => `0${hex}`,
  hex => `00000000000${hex}`.slice(-12),
)
const oddChunkSize = fc.constantFrom<(hex: string) => string>(
  ...[(hex: string) => `0x${hex}`, (hex: string) => `+${hex}`, (hex: string) => `-${hex}`, (hex: string) => ` ${hex}`],
  ...[
    (hex: string) => `${hex} `,
    (hex: string) => `${hex}\t`,
    (hex: string) => `${hex}\n`,
    (hex: string) => `${hex}_0`,
  ],
  ...[(hex: string) => `1000000000000000${hex}`, (hex: string) => `${hex}h`, () => '', (hex: string) => `${hex}\r`],
  ...[
    (hex: string) => `${hex}\0`,
    (hex: string) => `\x0b${hex}`,
    (hex: string) => `${hex}.0`,
    (hex: string) => `,${hex}`,
  ],
)
const extension = fc.constantFrom(
  ...times(8, ''),
  ...[';a', ';a=b', ';a=b;c', ";!#$%&'*+-.^_`|~=!", ';a="b"', ';a="\\""', '; a=b', ';a = b', ';', ';;', ';=', ';a='],
  ...[';a="b\nc"', ';\n', ';a\n', ' ;a', '\t;a', ';a=\xe9', ';a="\r\n"', `;${'a'.repeat(240)}`],
)
const chunk = fc.tuple(
  fc.oneof({ weight: 30, arbitrary: chunkSize }, { weight: 1, arbitrary: oddChunkSize }),
  fc.oneof({ weight: 6, arbitrary: fc.constant('') }, { weight: 1, arbitrary: extension }),
  fc.constantFrom('a', 'hello', 'hello\r\n', '0\r\n\r\n', 'x'.repeat(26), hidden),
)
const lastChunk = fc.constantFrom(...times(12, '0'), '00', '000000', '0;a=b', '0;a', '0 ', '', '0\n', '-0', '0x0')
const trailer = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom('X-A: b', 'x-checksum:abc', 'Server-Timing: \xe9', 'Connection: keep-alive'),
  },
  { weight: 1, arbitrary: goodField },
  { weight: 1, arbitrary: framingField },
)
const chunkedBody = fc
  .tuple(fc.array(chunk, { maxLength: 3 }), lastChunk, fc.array(trailer, { maxLength: 2 }))
  .map(([chunks, last, trailers]) => {
    const written = chunks.map(([size, ext, data]) => size(data.length.toString(16)) + ext + EOL + data + EOL)
    return `${written.join('')}${last}${EOL}${trailers.map(line => line + EOL).join('')}${EOL}`
  })

/** Lines that frame a body, and the body. */
const framed: fc.Arbitrary<readonly [fields: readonly string[], body: string]> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(content, fc.constantFrom('Content-Length: ', 'Content-Length: ', 'content-length:', 'Content-Length:\t0'))
      .map(([body, name]) => [[name + body.length], body] as const),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(chunkedBody, fc.constantFrom('Transfer-Encoding: chunked', 'transfer-encoding:Chunked'))
      .map(([body, line]) => [[line], body] as const),
  },
  { weight: 2, arbitrary: content.map(body => [[], body] as const) },
  { weight: 2, arbitrary: fc.constant([['Content-Length: 0'], ''] as const) },
  {
    weight: 3,
    arbitrary: fc.tuple(fc.array(framingField, { minLength: 1, maxLength: 2 }), fc.oneof(content, chunkedBody)),
  },
)
const fields = fc.array(goodField, { maxLength: 3 })
const interim = fc
  .tuple(version, interimStatus, reason, fields, fc.oneof({ weight: 12, arbitrary: fc.constant('') }, framingField))
  .map(([protocol, code, phrase, lines, framing]) =>
    head(protocol, code, phrase, framing === '' ? lines : [...lines, framing]),
  )
const finalAnswer = fc
  .tuple(version, status, reason, fields, framed, fields, fc.boolean())
  .map(([protocol, code, phrase, before, [framing, body], after, isFew]) => {
    const lines = isFew ? framing : [...before, ...framing, ...after]
    return head(protocol, code, phrase, lines) + (code === '304' || code === '204' ? '' : body)
  })
const switched = fc
  .tuple(
    fields,
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(['Connection: upgrade', 'Upgrade: websocket']) },
      fc.subarray(['Connection: upgrade', 'Upgrade: websocket', 'Connection: Upgrade, x']),
    ),
    content,
  )
  .map(([lines, needed, rest]) => head('HTTP/1.1', '101', ' Switching Protocols', [...lines, ...needed]) + rest)
const answer = fc
  .tuple(
    fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(interim, { minLength: 1, maxLength: 3 })),
    fc.oneof({ weight: 8, arbitrary: finalAnswer }, switched),
  )
  .map(([before, last]) => before.join('') + last)

const piece = fc.oneof(
  fc.constantFrom(
    ...[
      '\r',
      '\n',
      '\r\n',
      '\n\n',
      '\r\n\r\n',
      '\r\r\n',
      '\n\r',
      ' ',
      '\t',
      '\0',
      '\x0b',
      '\x0c',
      '\x7f',
      '\x80',
      '\xa0',
    ],
    ...[
      ':',
      ',',
      ';',
      '"',
      '=',
      '+',
      '-',
      '_',
      '0',
      '1',
      '5',
      'a',
      'f',
      'g',
      'x',
      '0x',
      '\x85',
      '\xff',
      '\x1f',
      '\x08',
    ],
    ...['\r\n ', '\r\n\t', ' :', '99999999999999999999', 'HTTP/1.1', '\r\nX: y', '\r\nContent-Length: 3'],
    ...[
      '\r\nTransfer-Encoding: chunked',
      '\r\nConnection: close',
      'é'.slice(0, 1),
      '\r\n0\r\n\r\n',
      '(',
      '[',
      '\\',
      '/',
    ],
  ),
  fc.nat(255).map(code => String.fromCharCode(code)),
)
interface Mutation {
  readonly at: number
  readonly cut: number
  readonly with: string
  /** Copies so many bytes from there to here as well. */
  readonly copied: number
  readonly from: number
}
const mutation: fc.Arbitrary<Mutation> = fc.record({
  at: fc.nat(600),
  cut: fc.constantFrom(0, 0, 0, 1, 1, 2, 5),
  with: fc.oneof({ weight: 3, arbitrary: piece }, { weight: 1, arbitrary: fc.constant('') }),
  copied: fc.constantFrom(0, 0, 0, 0, 0, 2, 20, 60),
  from: fc.nat(600),
})
const mutations = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Mutation[]>([]) },
  { weight: 3, arbitrary: fc.array(mutation, { minLength: 1, maxLength: 3 }) },
)

/** One to three answers over one connection, most of them with a fault. */
export const exchange: fc.Arbitrary<Exchange> = fc
  .tuple(
    fc.array(asked, { minLength: 1, maxLength: 3 }),
    fc.oneof(
      { weight: 3, arbitrary: fc.array(answer, { minLength: 1, maxLength: 1 }) },
      { weight: 1, arbitrary: fc.array(answer, { minLength: 2, maxLength: 3 }) },
    ),
    mutations,
  )
  .map(([requests, answers, changes]) => ({ requests, text: changes.reduce(mutated, answers.join('')) }))

/** Where the bytes are cut into pieces. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(fc.nat(600), { maxLength: 6 })

function mutated(text: string, { at, cut, with: added, copied, from }: Mutation): string {
  const index = at % (text.length + 1)
  const start = from % (text.length + 1)
  return text.slice(0, index) + added + text.slice(start, start + copied) + text.slice(index + cut)
}

function head(protocol: string, code: string, phrase: string, lines: readonly string[]): string {
  return [`${protocol} ${code}${phrase}`, ...lines, '', ''].join(EOL)
}

function times<T>(count: number, value: T): readonly T[] {
  return Array.from({ length: count }, () => value)
}
