/** Requests and answers pass to a service of HTTP/2 as they would over HTTP/1.1, whatever a client puts into them. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../support/certificates.ts'
import { type Http2Client, http2Client } from '../support/clients/http2-client.ts'
import { rawClient } from '../support/clients/raw-client.ts'
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import {
  echoCall,
  type Http2Service,
  type Respond,
  type SeenCall,
  startHttp2Service,
} from '../support/services/http2-service.ts'

const authority = testAuthority()
let service: Http2Service
let plain: TestStack
let secure: TestStack
let client: Http2Client
let respond: Respond = echoCall
beforeAll(async () => {
  service = await startHttp2Service(call => respond(call), { settings: { maxHeaderListSize: 65_535 } })
  const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
  const config = { upstreams: { app: service.url }, limits: { headerBytes: '256KiB', headers: 1000 } }
  plain = await startTestStack(config)
  secure = await startTestStack({ ...config, listen: { address: '127.0.0.1:0', tls: { certFile, keyFile } } })
  client = http2Client(secure.url, authority.cert)
})
afterAll(async () => {
  client.destroy()
  await Promise.all([plain.close(), secure.close()])
  await service.close()
  authority.remove()
})
afterEach(() => {
  respond = echoCall
  // There is one for each gateway: nothing that a client or a service says ends it.
  expect(service.sessions.length).toBeLessThanOrEqual(2)
  expect(service.sessions.every(({ closed }) => !closed)).toBe(true)
})

function lastCall(): SeenCall {
  const call = service.calls.at(-1)
  if (call === undefined) throw new Error('no call came')
  return call
}

/** @returns the flat names and values that the last call had, without those of the gateway */
function seenLines(name: string): string[] {
  const { rawHeaders } = lastCall()
  return rawHeaders.filter((_value, i) => i % 2 === 1 && rawHeaders[i - 1] === name)
}

/** Sends bytes over HTTP/1.1 and gives the whole answer, one character per byte. */
async function raw(bytes: string): Promise<string> {
  const connection = rawClient(Number(new URL(plain.url).port))
  connection.write(Buffer.from(bytes, 'latin1'))
  return (await connection.closed).text
}

const CLOSE = 'Host: app.example:81\r\nConnection: close\r\n'

describe('a request', () => {
  test.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND'])(
    'of method %s passes, with a body and without',
    async method => {
      expect(await raw(`${method} /public/a?q=1 HTTP/1.1\r\n${CLOSE}\r\n`)).toMatch(
        new RegExp(`^HTTP/1\\.1 200 [\\s\\S]*${method} /public/a\\?q=1 0`),
      )
      expect(await raw(`${method} /public/a HTTP/1.1\r\n${CLOSE}Content-Length: 4\r\n\r\nbody`)).toContain(
        `${method} /public/a 4`,
      )
      expect((await client.request('/public/a', { method, body: 'body' })).body).toBe(`${method} /public/a 4`)
      expect((await client.request('/public/a', { method })).body).toBe(`${method} /public/a 0`)
    },
  )

  test('without a body ends with its head', async () => {
    for (const length of ['', 'Content-Length: 0\r\n']) {
      await raw(`POST /public/a HTTP/1.1\r\n${CLOSE}${length}\r\n`)
      expect(lastCall().stream.endAfterHeaders).toBe(true)
    }
  })

  test('has the Host of the client as its authority, and no other', async () => {
    await raw(`GET /public/a HTTP/1.1\r\n${CLOSE}\r\n`)
    expect(lastCall().headers[':authority']).toBe('app.example:81')
    expect(lastCall().headers.host).toBeUndefined()
    expect(lastCall().headers[':scheme']).toBe('http')
    await client.request('/public/a', { authority: 'other.example' })
    expect(lastCall().headers[':authority']).toBe('other.example')
  })

  test('has the identity that was verified, and none that was claimed', async () => {
    const forged = { 'X-Auth-Subject': 'forged', x_auth_subject: 'forged', 'X-AUTH-ROLES': '["admin"]' }
    const token = await plain.issuer.mint()
    await plain.request('/private/a', { headers: { ...forged, ...bearer(token) } })
    expect(lastCall().headers['x-auth-subject']).toBe('alice')
    expect(lastCall().rawHeaders.join()).not.toMatch(/forged|admin|Bearer/)
    await plain.request('/public/a', { headers: forged })
    expect(lastCall().rawHeaders.join()).not.toMatch(/forged|admin/)
  })

  test('brings no field of a connection, and says that trailers are welcome', async () => {
    await raw(
      `GET /public/a HTTP/1.1\r\n${CLOSE}TE: gzip\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTrailer: a\r\nX-Named: x\r\nConnection: x-named\r\n\r\n`,
    )
    const names = lastCall().rawHeaders.filter((_name, i) => i % 2 === 0)
    expect(names).not.toContain('x-named')
    expect(
      names.filter(name => /^(connection|keep-alive|proxy-connection|trailer|upgrade|transfer-encoding)$/.test(name)),
    ).toEqual([])
    expect(seenLines('te')).toEqual(['trailers'])
  })

  test.each([
    ['lines of one name in different case', 'X-Twice: a\r\nx-twice: b\r\nX-TWICE: a\r\n', 'x-twice', ['a', 'b', 'a']],
    ['names that objects have', '__proto__: a\r\nconstructor: b\r\n', '__proto__', ['a']],
    ['octets beyond ASCII', 'X-Obs: \xe9\xff\x80\r\n', 'x-obs', ['\xe9\xff\x80']],
    ['an empty value', 'X-Empty:\r\n', 'x-empty', ['']],
    ['blanks around a value', 'X-Blank: \t a\tb \t\r\n', 'x-blank', ['a\tb']],
    ['several cookies', 'Cookie: a=1\r\nCookie: b=2\r\n', 'cookie', ['a=1', 'b=2']],
    ['what is said once but sent twice', 'Referer: a\r\nReferer: b\r\n', 'referer', ['a', 'b']],
    ['twice the same', 'User-Agent: a\r\nUser-Agent: b\r\n', 'user-agent', ['a', 'b']],
    ['odd names', "!#$%&'*+-.^_`|~9: a\r\n", "!#$%&'*+-.^_`|~9", ['a']],
    ['pseudo names without their colon', 'method: DELETE\r\npath: /admin\r\n', 'method', ['DELETE']],
  ])('passes %s', async (_name, lines, name, values) => {
    expect(await raw(`GET /public/a HTTP/1.1\r\n${CLOSE}${lines}\r\n`)).toMatch(/^HTTP\/1\.1 200 /)
    expect(seenLines(name)).toEqual(values)
    expect(lastCall().headers[':method']).toBe('GET')
    expect(lastCall().headers[':path']).toBe('/public/a')
  })

  test.each([
    ['a pseudo-header field', ':path: /admin\r\n'],
    ['a colon in front', ': a\r\n'],
    ['a NUL', 'X-A: a\0b\r\n'],
  ])('with %s never gets there', async (_name, lines) => {
    const before = service.calls.length
    expect(await raw(`GET /public/a HTTP/1.1\r\n${CLOSE}${lines}\r\n`)).toMatch(/^HTTP\/1\.1 400 /)
    expect(service.calls).toHaveLength(before)
  })

  test('with a head that the service finds too long fails alone', async () => {
    respond = () => {}
    const arrival = service.next()
    const held = plain.request('/public/held')
    const { stream } = await arrival
    respond = echoCall
    // The service allows 65,535 bytes by the count of RFC 9113 §6.5.2.
    for (const [bytes, status] of [
      [60_000, 200],
      [65_535, 431],
      [100_000, 431],
      [200_000, 431],
    ] as const)
      expect((await plain.request('/public/a', { headers: { 'x-long': 'a'.repeat(bytes) } })).status).toBe(status)
    const many = Object.fromEntries(Array.from({ length: 900 }, (_, i) => [`x-${i}`, 'a'.repeat(60)]))
    expect((await plain.request('/public/many', { headers: many })).status).toBe(431)
    expect(await plain.logged({ path: '/public/many' })).toMatchObject({ code: 'headers_too_large' })
    stream.respond({ ':status': 200 })
    stream.end('held')
    expect((await held).text).toBe('held')
  })
})

describe('an answer', () => {
  test.each([204, 205, 304, 404, 500])('of status %i without a body passes', async status => {
    respond = ({ stream }) => stream.respond({ ':status': status, 'x-a': 'b' }, { endStream: true })
    expect(await raw(`GET /public/a HTTP/1.1\r\n${CLOSE}\r\n`)).toMatch(
      new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*x-a: b\\r\\n[\\s\\S]*\\r\\n\\r\\n(0\\r\\n\\r\\n)?$`),
    )
    expect(await client.request('/public/a')).toMatchObject({ status, body: '', complete: true })
  })

  test('to HEAD has its length and no body', async () => {
    respond = ({ stream }) => stream.respond({ ':status': 200, 'content-length': '7' }, { endStream: true })
    expect(await raw(`HEAD /public/a HTTP/1.1\r\n${CLOSE}\r\n`)).toMatch(
      /^HTTP\/1\.1 200 [\s\S]*content-length: 7\r\n[\s\S]*\r\n\r\n$/i,
    )
    const reply = await client.request('/public/a', { method: 'HEAD' })
    expect(reply).toMatchObject({ status: 200, body: '', complete: true })
    expect(reply.headers.get('content-length')).toBe('7')
  })

  test('keeps its lines: cookies, repeated ones, octets beyond ASCII', async () => {
    respond = ({ stream }) => {
      const lines = ['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-obs', '\xe9\xff', 'vary', 'a', 'vary', 'b']
      stream.respond([':status', '200', ...lines])
      stream.end('x')
    }
    const text = await raw(`GET /public/a HTTP/1.1\r\n${CLOSE}\r\n`)
    for (const line of ['set-cookie: a=1', 'set-cookie: b=2', 'x-obs: \xe9\xff', 'vary: a', 'vary: b'])
      expect(text).toContain(`\r\n${line}\r\n`)
    const { rawHeaders } = await client.request('/public/a')
    expect(rawHeaders.join()).toContain('set-cookie,a=1,set-cookie,b=2,x-obs,\xe9\xff,vary,a,vary,b')
  })

  test('has trailers for a client of HTTP/2, and none over HTTP/1.1', async () => {
    respond = ({ stream }) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'abc', 'x-twice': ['a', 'b'] }))
      stream.end('body')
    }
    const reply = await client.request('/public/a')
    expect(reply).toMatchObject({ body: 'body', complete: true })
    expect(Object.fromEntries(reply.trailers)).toEqual({ 'x-sum': 'abc', 'x-twice': 'a, b' })
    expect(await raw(`GET /public/a HTTP/1.1\r\n${CLOSE}TE: trailers\r\n\r\n`)).toMatch(/\r\n4\r\nbody\r\n0\r\n\r\n$/)
  })

  test('that says wait, and once more, does not reach the client before the last', async () => {
    respond = ({ stream }) => {
      stream.additionalHeaders({ ':status': 100 })
      stream.additionalHeaders({ ':status': 103, link: '</a.css>' })
      stream.respond({ ':status': 200 })
      stream.end('final')
    }
    expect(await client.request('/public/a')).toMatchObject({ status: 200, body: 'final', interim: [] })
    expect(await raw(`GET /public/a HTTP/1.1\r\n${CLOSE}\r\n`)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('that says wait without end is 502', async () => {
    respond = ({ stream }) => {
      for (let i = 0; i < 100; i++) stream.additionalHeaders({ ':status': 103, link: '</a.css>' })
    }
    expect((await plain.request('/public/flood')).status).toBe(502)
    expect(await plain.logged({ path: '/public/flood' })).toMatchObject({
      code: 'upstream_unreachable',
      evidence: { reason: 'ANSWER_MALFORMED', detail: 'too many interim answers' },
    })
  })

  test('is counted and logged as over HTTP/1.1', async () => {
    await plain.request('/public/logged')
    expect(await plain.logged({ path: '/public/logged' })).toMatchObject({
      code: 'ok',
      status: 200,
      route: 'public',
      upstream_ms: expect.any(Number),
      overhead_ms: expect.any(Number),
    })
  })
})
