/** RFC 9112: no request that two parsers could read differently reaches the service. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, type RawStack, request, startRawStack } from '../support/raw.ts'

let stack: RawStack
beforeAll(async () => {
  stack = await startRawStack()
})
afterAll(() => stack.close())

const auth = (): string => `Authorization: Bearer ${stack.token}`
const post = (lines: readonly string[], body = ''): string =>
  request('POST /private/x HTTP/1.1', [auth(), ...lines], body)

describe('body length', () => {
  const CASES: Readonly<Record<string, readonly [lines: readonly string[], body: string]>> = {
    'Content-Length beside Transfer-Encoding': [['Content-Length: 4', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    'Transfer-Encoding beside Content-Length': [['Transfer-Encoding: chunked', 'Content-Length: 4'], '0\r\n\r\n'],
    'two different Content-Lengths': [['Content-Length: 4', 'Content-Length: 5'], 'abcde'],
    'two equal Content-Lengths': [['Content-Length: 4', 'Content-Length: 4'], 'abcd'],
    'a list of Content-Lengths': [['Content-Length: 4, 4'], 'abcd'],
    'a signed Content-Length': [['Content-Length: +4'], 'abcd'],
    'a negative Content-Length': [['Content-Length: -1'], ''],
    'a hexadecimal Content-Length': [['Content-Length: 0x4'], 'abcd'],
    'a fractional Content-Length': [['Content-Length: 4.0'], 'abcd'],
    'an empty Content-Length': [['Content-Length:'], ''],
    'a Content-Length past exact numbers': [['Content-Length: 99999999999999999999'], ''],
    'blanks inside Content-Length': [['Content-Length: 1 2'], 'abcdefghijkl'],
    'Transfer-Encoding identity': [['Transfer-Encoding: identity'], 'abcd'],
    'Transfer-Encoding gzip': [['Transfer-Encoding: gzip'], 'abcd'],
    'Transfer-Encoding gzip, chunked': [['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'],
    'Transfer-Encoding chunked, gzip': [['Transfer-Encoding: chunked, gzip'], '0\r\n\r\n'],
    'Transfer-Encoding chunked, chunked': [['Transfer-Encoding: chunked, chunked'], '0\r\n\r\n'],
    'two Transfer-Encoding lines': [['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    'chunked, then identity': [['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'], '0\r\n\r\n'],
    'a quoted chunked': [['Transfer-Encoding: "chunked"'], '0\r\n\r\n'],
    xchunked: [['Transfer-Encoding: xchunked'], '0\r\n\r\n'],
    'chunked with a parameter': [['Transfer-Encoding: chunked;q=1'], '0\r\n\r\n'],
    'chunked behind a vertical tab': [['Transfer-Encoding: \x0bchunked'], '0\r\n\r\n'],
    'an empty Transfer-Encoding': [['Transfer-Encoding:'], '0\r\n\r\n'],
    Transfer_Encoding: [['Transfer_Encoding: chunked'], '0\r\n\r\n'],
    'Transfer.Encoding': [['Transfer.Encoding: chunked'], '0\r\n\r\n'],
    Content_Length: [['Content_Length: 4'], 'abcd'],
    'Content_Length beside Content-Length': [['Content-Length: 4', 'Content_Length: 0'], 'abcd'],
    'a blank before the colon': [['Content-Length : 4'], 'abcd'],
    'a blank before the name': [[' Transfer-Encoding: chunked'], '0\r\n\r\n'],
    'a coding on a folded line': [['Transfer-Encoding:', ' chunked'], '0\r\n\r\n'],
  }
  test.for(Object.entries(CASES))('%s is refused', async ([, [lines, body]]) => {
    await stack.refuses(post(lines, body), 'request_malformed')
  })

  test('a GET with a coding is refused before the service is asked', async () => {
    for (const coding of ['identity', 'gzip', 'gzip, chunked'])
      await stack.refuses(get('/private/x', [auth(), `Transfer-Encoding: ${coding}`]), 'request_malformed')
  })

  test('HTTP/1.0 with chunked is refused', async () => {
    const bytes = request('POST /private/x HTTP/1.0', [auth(), 'Transfer-Encoding: chunked'], '0\r\n\r\n')
    await stack.refuses(bytes, 'request_malformed')
  })

  test('an honest body passes, chunked or counted', async () => {
    const counted = await stack.exchange(post(['Content-Length: 4'], 'abcd'))
    const chunked = await stack.exchange(post(['Transfer-Encoding: chunked'], '4\r\nabcd\r\n0\r\n\r\n'))
    expect([counted, chunked].map(reply => JSON.parse(reply?.body ?? '').bodyBytes)).toEqual([4, 4])
  })
})

describe('chunks', () => {
  const CASES: Readonly<Record<string, string>> = {
    'a size that is no number': 'x\r\nabcd\r\n0\r\n\r\n',
    'a negative size': '-4\r\nabcd\r\n0\r\n\r\n',
    'a 0x size': '0x4\r\nabcd\r\n0\r\n\r\n',
    'a size past 64 bits': '10000000000000004\r\nabcd\r\n0\r\n\r\n',
    'a bare LF behind the size': '4\nabcd\r\n0\r\n\r\n',
    'a bare LF behind the data': '4\r\nabcd\n0\r\n\r\n',
    'data longer than its size': '3\r\nabcd\r\n0\r\n\r\n',
    'blanks before the size': ' 4\r\nabcd\r\n0\r\n\r\n',
    'a CR inside an extension': '4;a\rb\r\nabcd\r\n0\r\n\r\n',
    'a LF inside an extension': '4;a\nb\r\nabcd\r\n0\r\n\r\n',
  }
  test.for(Object.entries(CASES))(
    '%s ends the connection and never reaches the service as a second request',
    async ([, body]) => {
      const smuggled = 'GET /admin/smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n'
      const reached = await stack.forwarded(async () => {
        const connection = stack.connect()
        connection.write(post(['Transfer-Encoding: chunked'], body + smuggled))
        const reply = await connection.reply()
        expect(reply?.status ?? 400).toBe(400)
        await connection.closed
        expect(connection.rest()).toBe('')
        await stack.control()
      })
      expect(reached).not.toContain('smuggled')
    },
  )

  test('trailers are read and dropped, whatever they claim', async () => {
    const trailers = 'X-Auth-Subject: root\r\nContent-Length: 40\r\nTransfer-Encoding: gzip\r\n'
    const reached = await stack.forwarded(async () => {
      const reply = await stack.exchange(
        post(['Transfer-Encoding: chunked', 'Trailer: X-Auth-Subject'], `4\r\nabcd\r\n0\r\n${trailers}\r\n`),
      )
      // Node's parser refuses framing fields in trailers; either way none of them gets on.
      expect([200, 400]).toContain(reply?.status)
      await stack.control()
    })
    expect(reached).not.toMatch(/root|Trailer|Content-Length: 40|gzip/i)
  })

  test('a plain trailer costs the request nothing and the service never sees it', async () => {
    const reached = await stack.forwarded(async () => {
      const reply = await stack.exchange(
        post(
          ['Transfer-Encoding: chunked', 'Trailer: X-Auth-Subject'],
          '4\r\nabcd\r\n0\r\nX-Auth-Subject: root\r\n\r\n',
        ),
      )
      expect(reply?.status).toBe(200)
    })
    expect(reached).not.toMatch(/root|trailer/i)
    expect(reached).toContain('0\r\n\r\n')
  })
})

describe('request line and line ends', () => {
  const CASES: Readonly<Record<string, () => string>> = {
    'bare LF as line end': () => `GET /private/x HTTP/1.1\nHost: app.example\n${auth()}\n\n`,
    'a bare LF between two fields': () => `GET /private/x HTTP/1.1\r\nHost: app.example\n${auth()}\r\n\r\n`,
    'a bare CR inside a value': () => get('/private/x', [auth(), 'X-A: b\rX-Auth-Subject: root']),
    'NUL inside a value': () => get('/private/x', [auth(), 'X-A: b\0c']),
    'obs-fold': () => get('/private/x', [auth(), 'X-A: b', ' X-Auth-Subject: root']),
    'obs-fold with a tab': () => get('/private/x', [auth(), 'X-A: b', '\tc']),
    'an empty field name': () => get('/private/x', [auth(), ': b']),
    'a line without a colon': () => get('/private/x', [auth(), 'nonsense']),
    'HTTP/2.0': () => request('GET /private/x HTTP/2.0', [auth()]),
    'HTTP/0.9': () => request('GET /private/x HTTP/0.9', [auth()]),
    'HTTP/1.2': () => request('GET /private/x HTTP/1.2', [auth()]),
    'HTTP/1.10': () => request('GET /private/x HTTP/1.10', [auth()]),
    'http/1.1': () => request('GET /private/x http/1.1', [auth()]),
    'no version': () => request('GET /private/x', [auth()]),
    'another protocol': () => request('GET /private/x FTP/1.0', [auth()]),
    'the preface of HTTP/2 behind an empty line': () => '\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'a lower-case method': () => request('get /private/x HTTP/1.1', [auth()]),
    'an unknown method': () => request('GETX /private/x HTTP/1.1', [auth()]),
    CONNECT: () => request('CONNECT app.example:443 HTTP/1.1', [auth()]),
    'CONNECT with a path': () => request('CONNECT /private/x HTTP/1.1', [auth()]),
    TRACE: () => request('TRACE /private/x HTTP/1.1', [auth()]),
    'two Content-Type lines': () =>
      request('POST /private/x HTTP/1.1', [auth(), 'Content-Type: a/b', 'content-type: a/b', 'Content-Length: 0']),
    'Expect: something else': () => get('/private/x', [auth(), 'Expect: 200-ok']),
    'TLS on a plain port': () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'a proxy protocol line': () => `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${get('/private/x', [auth()])}`,
  }
  test.for(Object.entries(CASES))('%s is refused', async ([, bytes]) => {
    await stack.refuses(bytes(), 'request_malformed')
  })
})

test('a request line of RTSP, which the parser takes for HTTP, reaches the service as plain HTTP only', async () => {
  // llhttp accepts `RTSP/` and does not tell; the line is written anew, so the service cannot be made to read it.
  for (const version of ['RTSP/1.0', 'RTSP/1.1', 'ICE/1.0']) {
    const reached = await stack.forwarded(async () => {
      const reply = await stack.exchange(request(`GET /private/x ${version}`, [auth(), 'CSeq: 1']))
      expect([200, 400]).toContain(reply?.status)
      await stack.control()
    })
    expect(reached.match(/^\S+ \/\S+ .*$/gm)?.every(line => line.endsWith(' HTTP/1.1'))).toBe(true)
  }
})

describe('RFC 9112 §3.2: Host', () => {
  const head = (hosts: readonly string[]) => ['GET /private/x HTTP/1.1', ...hosts, auth(), '', ''].join('\r\n')
  const CASES: Readonly<Record<string, readonly string[]>> = {
    'no Host': [],
    'two Hosts': ['Host: app.example', 'Host: app.example'],
    'two different Hosts': ['Host: app.example', 'host: evil.example'],
    'an empty Host': ['Host:'],
    'a path in Host': ['Host: app.example/admin'],
    'userinfo in Host': ['Host: user@app.example'],
    'a list in Host': ['Host: app.example, evil.example'],
    'a blank in Host': ['Host: app.example evil.example'],
    'a port that is none': ['Host: app.example:99999'],
    'a port with letters': ['Host: app.example:80a'],
    'percent-encoding in Host': ['Host: app%2eexample'],
    'a broken IPv6 address': ['Host: [::1'],
    'a wrong IPv6 address': ['Host: [:::1]'],
  }
  test.for(Object.entries(CASES))('%s is refused', async ([, hosts]) => {
    await stack.refuses(head(hosts), 'host_invalid')
  })

  test('an HTTP/1.0 request without Host is refused', async () => {
    await stack.refuses('GET /private/x HTTP/1.0\r\n\r\n', 'host_invalid')
  })

  test('X-Forwarded-Host is no other Host', async () => {
    const reached = await stack.forwarded(() =>
      stack.exchange(get('/private/x', [auth(), 'X-Forwarded-Host: evil.example'])),
    )
    expect(reached).not.toContain('evil.example')
  })
})

describe('more fields than the limit', () => {
  const many = (count: number) => Array.from({ length: count }, (_, i) => `X-Filler-${i}: v`)

  test.for([101, 1100, 1990])('%i of them are refused, never silently dropped', async count => {
    await stack.refuses(
      get('/private/x', [...many(count - 2).map(line => line.replace('Filler-', '')), auth()]),
      'headers_too_large',
    )
  })

  test('the last one allowed still reaches the service', async () => {
    const reached = await stack.forwarded(() => stack.exchange(get('/private/x', [auth(), ...many(98)])))
    expect(reached).toContain('X-Filler-97: v')
  })

  test('a head over the byte limit is refused', async () => {
    await stack.refuses(get('/private/x', [auth(), `X-Big: ${'b'.repeat(30_000)}`]), 'headers_too_large')
    await stack.refuses(get(`/private/${'p'.repeat(30_000)}`), 'headers_too_large')
  })
})
