/** Plain cases of `requestText`, rule by rule, and what Node's own parser reads in whatever it writes. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { UpstreamBody, UpstreamRequest } from '../../src/upstream/connections.ts'
import { requestText } from '../../src/upstream/request-text.ts'
import { assertOneRequest, newWrittenTally, requestInput } from '../support/clients/request-text-agreement.ts'

const BODY = {} as UpstreamBody
const UNSENDABLE = expect.objectContaining({ code: 'REQUEST_UNSENDABLE' })

function written(parts: Partial<UpstreamRequest> = {}) {
  const request = { method: 'GET', path: '/', headers: [], body: null, headersTimeoutMs: 1000, upgrade: null, ...parts }
  return requestText(request, 'service.example', 'keep-alive')
}

describe('RFC 9112 §3, the request line', () => {
  test('is followed by Host, the fields in their order and spelling, and Connection', () => {
    expect(written({ path: '/a?b', headers: ['x-A', 'b', 'x-a', ''] }).text).toBe(
      'GET /a?b HTTP/1.1\r\nHost: service.example\r\nx-A: b\r\nx-a: \r\nConnection: keep-alive\r\n\r\n',
    )
  })

  test('leaves a Host that comes first as it is', () => {
    expect(written({ headers: ['host', 'app.example'] }).text).toBe(
      'GET / HTTP/1.1\r\nhost: app.example\r\nConnection: keep-alive\r\n\r\n',
    )
  })

  test.each<[string, Partial<UpstreamRequest>]>([
    ['a path with a blank', { path: '/a b' }],
    ['a path with a line break', { path: '/ HTTP/1.1\r\nX: y' }],
    ['a path with an octet above 127', { path: '/\xe9' }],
    ['no path', { path: '' }],
    ['a path that begins with no slash', { path: 'evil.example:443' }],
    ['a whole URL', { path: 'http://evil.example/' }],
    ['a method with a blank', { method: 'GET /evil' }],
    ['no method', { method: '' }],
    ['CONNECT', { method: 'CONNECT' }],
  ])('is never made of %s', (_, parts) => {
    expect(() => written(parts)).toThrow(UNSENDABLE)
  })
})

describe('RFC 9110 §5, fields', () => {
  test.each<[string, readonly string[]]>([
    ['a line break in a value', ['X-A', 'b\r\nX-B: c']],
    ['a bare LF in a value', ['X-A', 'b\nX-B: c']],
    ['a bare CR in a value', ['X-A', 'b\rX-B: c']],
    ['NUL in a value', ['X-A', 'b\0']],
    ['a character that becomes a line break as an octet', ['X-A', 'b\u010d\u010aX-B: c']],
    ['a line break in a name', ['X-A: b\r\nX-B', 'c']],
    ['a blank in a name', ['X-A ', 'b']],
    ['an empty name', ['', 'b']],
    ['a second Host', ['Host', 'a', 'host', 'b']],
    ['a Host that does not come first', ['X-A', 'b', 'Host', 'a']],
    ['Connection', ['connection', 'x-a']],
    ['Upgrade', ['Upgrade', 'h2c']],
    ['Proxy-Connection', ['Proxy-Connection', 'close']],
    ['Transfer-Encoding', ['Transfer-Encoding', 'chunked']],
    ['Content-Length twice', ['Content-Length', '0', 'content-length', '0']],
    ['a length that is no number', ['Content-Length', '+0']],
    ['a length without a body', ['Content-Length', '5']],
  ])('are never sent with %s', (_, headers) => {
    expect(() => written({ headers })).toThrow(UNSENDABLE)
  })
})

describe('RFC 9112 §6, framing', () => {
  test('is chunked for a body of unknown length', () => {
    const { text, framing } = written({ method: 'POST', body: BODY })
    expect(text).toMatch(/\r\nTransfer-Encoding: chunked\r\n\r\n$/)
    expect(framing).toEqual({ kind: 'chunked' })
  })

  test('is the length for a body that has one', () => {
    const { text, framing } = written({ method: 'POST', body: BODY, headers: ['Content-Length', '5'] })
    expect(text).not.toMatch(/transfer-encoding/i)
    expect(framing).toEqual({ kind: 'length', bytes: 5 })
  })

  test.each(['POST', 'PUT', 'PATCH'])('says that a %s has no body', method => {
    expect(written({ method }).text).toMatch(/\r\nContent-Length: 0\r\n\r\n$/)
    expect(written({ method, headers: ['Content-Length', '0'] }).text.match(/content-length/gi)).toHaveLength(1)
  })

  test('leaves no room for a body before another protocol (RFC 9110 §7.8)', () => {
    expect(written({ upgrade: 'websocket' }).text).toMatch(/\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n$/)
    expect(() => written({ upgrade: 'websocket', body: BODY })).toThrow(UNSENDABLE)
  })
})

test('either nothing is written, or one request that llhttp reads as it was meant', () => {
  const tally = newWrittenTally()
  fc.assert(
    fc.property(requestInput, input => assertOneRequest(input, tally)),
    { numRuns: 10_000 },
  )
  expect(tally.written / tally.inputs).toBeGreaterThan(0.1)
  expect(tally.withBody / tally.inputs).toBeGreaterThan(0.02)
  expect(tally.upgrades / tally.inputs).toBeGreaterThan(0.005)
})
