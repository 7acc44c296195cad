/**
 * An answer that breaks the rules of HTTP costs its own request and nothing else: the process
 * lives, and other requests are untouched.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, request } from '../support/raw.ts'
import { MARK, type Misbehaving, refusal, startMisbehaving } from './misbehaving.ts'

let service: Misbehaving
beforeAll(async () => {
  service = await startMisbehaving()
})
afterAll(() => service.stack.close())

describe('trailers and Trailer, which end the process where they are passed on', () => {
  const HEADS: Readonly<Record<string, readonly [method: string, bytes: string]>> = {
    'on a counted body': ['GET', 'HTTP/1.1 200 OK\r\nTrailer: X-A\r\nContent-Length: 2\r\n\r\nhi'],
    'on a 204': ['GET', 'HTTP/1.1 204 No Content\r\nTrailer: X-A\r\n\r\n'],
    'on a 304': ['GET', 'HTTP/1.1 304 Not Modified\r\nTrailer: X-A\r\n\r\n'],
    'on the answer to HEAD': ['HEAD', 'HTTP/1.1 200 OK\r\nTrailer: X-A\r\nContent-Length: 2\r\n\r\n'],
    'on a chunked body': [
      'GET',
      'HTTP/1.1 200 OK\r\nTrailer: X-A\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-A: STOLEN\r\n\r\n',
    ],
    'not announced': [
      'GET',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nSet-Cookie: STOLEN\r\n\r\n',
    ],
    'in an alias': ['GET', 'HTTP/1.1 200 OK\r\nTrai_ler: X-A\r\nContent-Length: 2\r\n\r\nhi'],
    'as lower case': ['GET', 'HTTP/1.1 200 OK\r\ntrailer: x-a\r\ncontent-length: 2\r\n\r\nhi'],
  }
  test.for(Object.entries(HEADS))('%s', async ([, [method, bytes]]) => {
    for (const version of ['1.1', '1.0']) {
      const path = service.answering(bytes)
      const reply = await service.stack.exchange(request(`${method} ${path} HTTP/${version}`), method)
      expect(reply?.status).toBe(Number(bytes.split(' ')[1]))
      expect(reply?.headers.has('trailer')).toBe(false)
      expect(`${reply?.head}${reply?.body}`).not.toContain(MARK)
      await service.othersAreUntouched()
    }
  })

  test('an HTTP/1.0 client never gets a chunked answer', async () => {
    const path = service.answering(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-A\r\n\r\n2\r\nhi\r\n0\r\n\r\n',
    )
    const reply = await service.stack.exchange(request(`GET ${path} HTTP/1.0`))
    expect(reply?.headers.has('transfer-encoding')).toBe(false)
    expect(reply?.body).toBe('hi')
    await service.othersAreUntouched()
  })
})

describe('heads that cannot be believed', () => {
  const body = `Content-Length: 2\r\n\r\nhi`
  const HEADS: Readonly<Record<string, string>> = {
    'Content-Length beside chunked': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${body}`,
    'two Content-Lengths': `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n${body}`,
    'Content-Length no number': 'HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhi',
    'negative Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi',
    'a Content-Length list': 'HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi',
    'a coding that is not chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'two codings': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'NUL in a value': `HTTP/1.1 200 OK\r\nX-A: a\0b\r\n${body}`,
    'a bare CR in a value': `HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: STOLEN\r\n${body}`,
    'a bare LF as line end': `HTTP/1.1 200 OK\nX-A: b\n${body}`,
    'obs-fold': `HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\n${body}`,
    'a name that is no token': `HTTP/1.1 200 OK\r\nX A: b\r\n${body}`,
    'a blank before the colon': `HTTP/1.1 200 OK\r\nX-A : b\r\n${body}`,
    'an empty name': `HTTP/1.1 200 OK\r\n: b\r\n${body}`,
    'a head past 64 KiB': `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(70_000)}\r\n${body}`,
    'endless fields': `HTTP/1.1 200 OK\r\n${'X-A: b\r\n'.repeat(20_000)}${body}`,
    'no HTTP at all': 'SSH-2.0-OpenSSH_9.9\r\n\r\n',
    'HTTP/0.9': '<html>hi</html>\r\n\r\n',
    'a status of four digits': `HTTP/1.1 2000 OK\r\n${body}`,
    'a status of letters': `HTTP/1.1 abc OK\r\n${body}`,
    'a status of 099': `HTTP/1.1 099 OK\r\n${body}`,
    '101 without being asked': 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\nSTOLEN',
  }
  test.for(Object.entries(HEADS))('%s', async ([, bytes]) => {
    const path = service.answering(bytes, ({ socket }) => socket.end())
    const reply = await service.stack.exchange(get(path))
    expect(['cut', '502 upstream_unreachable', '200 cut']).toContain(refusal(reply))
    expect(reply?.head ?? '').not.toMatch(/STOLEN|upgrade/i)
    await service.othersAreUntouched()
  })
})

describe('odd and interim statuses', () => {
  test('odd numbers are passed on as they came, in HTTP/1.1', async () => {
    for (const line of ['HTTP/1.1 999 Odd', 'HTTP/1.0 200 OK', 'HTTP/2.0 200 OK']) {
      const reply = await service.stack.exchange(get(service.answering(`${line}\r\nContent-Length: 2\r\n\r\nhi`)))
      expect(reply?.head).toMatch(/^HTTP\/1\.1 /)
      expect(reply?.body).toBe('hi')
      await service.othersAreUntouched()
    }
  })

  test.for([1, 10])('%i interim answers end here, and the final one arrives', async count => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </STOLEN>\r\n\r\n'
    const path = service.answering(`${interim.repeat(count)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`)
    const reply = await service.stack.exchange(get(path))
    expect(refusal(reply)).toBe('200 hi')
    expect(reply?.head).not.toContain(MARK)
    await service.othersAreUntouched()
  })

  test('100 without a body to continue', async () => {
    const path = service.answering('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi')
    const reply = await service.stack.exchange(get(path))
    expect([200, 502]).toContain(reply?.status)
    await service.othersAreUntouched()
  })

  test('a flood without an end is cut off', async () => {
    const path = service.behaving(({ socket }) => {
      const more = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nX-A: b\r\n\r\n'), 20)
      socket.on('close', () => clearInterval(more))
    })
    const reply = await service.stack.exchange(get(path))
    expect(refusal(reply)).toBe('502 upstream_unreachable')
    await service.othersAreUntouched()
  })
})

describe('fields of the answer', () => {
  test('hop-by-hop ones, and those that Connection names, end here', async () => {
    const lines = [
      ...['Connection: X-Hop, Set-Cookie2, close', 'X-Hop: STOLEN', 'Set-Cookie2: STOLEN', 'Keep-Alive: timeout=99'],
      ...[
        'Proxy-Authenticate: Basic',
        'Upgrade: h2c',
        'TE: x',
        'Proxy-Connection: x',
        'X-Keep: yes',
        'Content-Length: 2',
      ],
    ]
    const reply = await service.stack.exchange(
      get(service.answering(`HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\nhi`, ({ socket }) => socket.end())),
    )
    expect(reply?.head).not.toMatch(/STOLEN|proxy-|^upgrade|^te:|timeout=99/im)
    expect(reply?.headers.get('x-keep')).toBe('yes')
    expect(reply?.body).toBe('hi')
    await service.othersAreUntouched()
  })

  test('Connection cannot take the length away', async () => {
    const reply = await service.stack.exchange(
      get(service.answering('HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nhi')),
    )
    expect(reply?.headers.get('content-length')).toBe('2')
    await service.othersAreUntouched()
  })

  test('several cookies stay several, bytes stay bytes, and the request id is ours', async () => {
    const lines = 'Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Latin: \xe9\r\nX-Request-Id: STOLEN\r\nContent-Length: 2'
    const reply = await service.stack.exchange(get(service.answering(`HTTP/1.1 200 OK\r\n${lines}\r\n\r\nhi`)))
    expect(reply?.head.match(/set-cookie: /gi)).toHaveLength(2)
    expect(reply?.headers.get('x-latin')).toBe('\xe9')
    expect(reply?.head).not.toContain(MARK)
    await service.othersAreUntouched()
  })

  test('a reason phrase cannot split the head', async () => {
    const reply = await service.stack.exchange(
      get(service.answering('HTTP/1.1 200 O\xffK\0Set-Cookie: STOLEN\r\nContent-Length: 2\r\n\r\nhi')),
    )
    expect(reply?.head).not.toContain(MARK)
    await service.othersAreUntouched()
  })
})
