/**
 * Generates near-valid input, built from the pieces that attackers use, so that most of it gets past the first check.
 */
import fc from 'fast-check'

const words = fc.constantFrom(
  'public',
  'private',
  'admin',
  'ADMIN',
  'Admin',
  'x',
  'orders',
  '1',
  '%61dmin',
  '%2561dmin',
  'caf%C3%A9',
  '%E2%84%AA',
)
const pathPieces = fc.constantFrom(
  ...[
    '/',
    '//',
    '/./',
    '/../',
    '..',
    '.',
    '%2e',
    '%2E%2e',
    '%252e',
    '%2f',
    '%5c',
    '\\',
    ';',
    ';a=b',
    '..;',
    '%3b',
    '%00',
    '%0a',
  ],
  ...[
    '?',
    '%3f',
    '#',
    '%23',
    '%',
    '%zz',
    '%c0%af',
    '@',
    ':',
    '&',
    '+',
    '~',
    ' ',
    '\t',
    '\x7f',
    '\xe9',
    '%25',
    '%2525',
    '%20',
  ],
)
export const pathText: fc.Arbitrary<string> = fc
  .tuple(
    fc.constantFrom(
      '/',
      '/',
      '/',
      '/public/',
      '/private/',
      'http://app.example/',
      'HTTP://APP.example/',
      'http://evil/',
      '',
      '*',
    ),
    fc.array(
      fc.oneof(
        { weight: 3, arbitrary: words },
        { weight: 2, arbitrary: fc.constant('/') },
        { weight: 2, arbitrary: pathPieces },
        { weight: 1, arbitrary: fc.string({ maxLength: 3 }) },
      ),
      { maxLength: 9 },
    ),
  )
  .map(([start, pieces]) => start + pieces.join(''))

/** Distinct shapes, and one that takes whatever is left: then every reading has a route. */
export const routeTexts: fc.Arbitrary<readonly string[]> = fc
  .subarray([
    '/public/**',
    '/private/**',
    '/admin/**',
    '/admin',
    '/orders/:id',
    '/orders/:id/admin',
    '/:first/x',
    '/caf%C3%A9',
    '/Mixed/**',
  ])
  .map(paths => [...paths, '/**'])

const names = fc.constantFrom(
  ...[
    'Host',
    'X-Auth-Subject',
    'X-Auth-Issuer',
    'X-Team',
    'Authorization',
    'Content-Length',
    'Transfer-Encoding',
    'Connection',
  ],
  ...[
    'Upgrade',
    'TE',
    'Trailer',
    'Keep-Alive',
    'Expect',
    'Proxy-Foo',
    'X-Forwarded-For',
    'X-Forwarded-Uri',
    'Forwarded',
    'X-Real-IP',
  ],
  ...['X-Request-Id', 'traceparent', 'tracestate', 'Cookie', 'X-Original-URL', 'HTTP2-Settings', 'Accept', 'X-Other'],
)
const marks = fc.constantFrom('-', '-', '-', '-', '_', '.', '~', "'", '!', '|')
const spelling = fc.tuple(names, marks, fc.constantFrom('as is', 'lower', 'upper')).map(([name, mark, how]) => {
  const text = name.replaceAll('-', mark)
  return how === 'lower' ? text.toLowerCase() : how === 'upper' ? text.toUpperCase() : text
})
const value = fc.oneof(
  fc.constantFrom(
    ...[
      'app.example',
      'a.example:80',
      'evil.example',
      'root',
      'chunked',
      'gzip, chunked',
      'identity',
      '0',
      '5',
      '-1',
      '5, 5',
      '+5',
    ],
    ...[
      'close',
      'keep-alive',
      'x-auth-subject',
      'close, X-Auth-Subject, host',
      'upgrade',
      'websocket',
      'h2c',
      '100-continue',
      'trailers',
    ],
    ...[
      '10.0.0.1',
      'for=1.1.1.1',
      'Bearer x',
      'a=b',
      '',
      '00-11111111111111111111111111111111-2222222222222222-01',
      '\xe9',
    ],
  ),
  fc.string({ maxLength: 12 }),
)
const line = fc.tuple(spelling, value)
/** Flat names and values, most of them with an acceptable Host. */
export const headers: fc.Arbitrary<string[]> = fc
  .tuple(fc.constantFrom([['Host', 'app.example']], [['Host', 'app.example']], []), fc.array(line, { maxLength: 8 }))
  .map(([host, lines]) => [...host, ...lines].flat())

const json = fc.constantFrom(
  ...[
    '{"alg":"RS256","kid":"k"}',
    '{"alg":"none"}',
    '{"alg":"NONE"}',
    '{"alg":"RS256","alg":"none"}',
    '{"alg":"HS256","jwk":{}}',
  ],
  ...[
    '{"alg":"RS256","crit":["x"]}',
    '[]',
    'null',
    '"x"',
    '{}',
    '\ufeff{"alg":"RS256"}',
    '{"alg":"RS256","b64":false}',
    '{"alg":1}',
  ],
  ...[
    '{"iss":"i","sub":"s","exp":2e9}',
    '{"sub":"a","sub":"b"}',
    '{"__proto__":{"x":1}}',
    '{"exp":1e999}',
    '{"a":"\\ud800"}',
  ],
  `{"a":${'['.repeat(100)}${']'.repeat(100)}}`,
)
const part = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.oneof(json, fc.json({ maxDepth: 4 })).map(text => Buffer.from(text).toString('base64url')),
  },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes).toString('base64url')) },
  { weight: 1, arbitrary: fc.stringMatching(/^[\w=+/.~-]{0,20}$/) },
)
const mutation = fc.record({
  at: fc.nat(),
  with: fc.constantFrom('', '=', 'A', 'B', '-', '_', '+', '/', '.', ' ', '\n', '\0'),
})
export const tokenText: fc.Arbitrary<string> = fc
  .tuple(fc.array(part, { minLength: 3, maxLength: 3 }), fc.array(mutation, { maxLength: 2 }))
  .map(([parts, mutations]) =>
    mutations.reduce((text, { at, with: added }) => {
      const index = at % (text.length + 1)
      return text.slice(0, index) + added + text.slice(index + (added === '' ? 1 : 0))
    }, parts.join('.')),
  )

const method = fc.constantFrom(
  'GET',
  'GET',
  'GET',
  'POST',
  'PUT',
  'DELETE',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'CONNECT',
  'PRI',
  'get',
  'PURGE',
)
const version = fc.constantFrom(
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.2',
  'RTSP/1.0',
  '',
)
const lineEnd = fc.constantFrom(
  '\r\n',
  '\r\n',
  '\r\n',
  '\r\n',
  '\r\n',
  '\r\n',
  '\r\n',
  '\n',
  '\r',
  '\r\n ',
  '\r\n\t',
  '\0\r\n',
)
const colon = fc.constantFrom(': ', ': ', ': ', ':', ' : ', ':\t', '')
const body = fc.constantFrom(
  '',
  '',
  '',
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  '5;x=y\r\nhello\r\n0\r\nX-Auth-Subject: root\r\n\r\n',
  '0\r\n\r\nGET /admin HTTP/1.1\r\nHost: app.example\r\n\r\n',
)

/** One to three requests on a connection. `TOKEN` stands for a good token. */
export const rawRequest: fc.Arbitrary<string> = fc
  .array(
    fc
      .tuple(method, pathText, version, fc.boolean(), fc.array(fc.tuple(line, colon, lineEnd), { maxLength: 5 }), body)
      .map(([verb, path, protocol, hasToken, lines, content]) => {
        const sent = lines.map(([[name, text], separator, end]) => `${name}${separator}${text}${end}`).join('')
        const credential = hasToken ? 'Authorization: Bearer TOKEN\r\n' : ''
        return `${verb} ${path} ${protocol}\r\nHost: app.example\r\n${credential}${sent}\r\n${content}`
      }),
    { minLength: 1, maxLength: 3 },
  )
  .map(requests => requests.join(''))
