import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import {
  type Answer,
  drip,
  endless,
  hang,
  json,
  reset,
  startKeyServer,
  status,
} from '../support/services/key-server.ts'
import { ecJwk, es256, selectNow, startedKeySet, TUNING } from './support.ts'

const body =
  (content: string | Buffer, headers = {}): Answer =>
  (_request, response) =>
    void response.writeHead(200, headers).end(content)

const spaces = ' '.repeat(TUNING.maxBytes + 1)
const manyKeys = `{"keys":[${Array.from({ length: 100_000 }, () => '{}').join(',')}]}`

describe('hostile answers fail the fetch and leave the old keys', () => {
  test.each<readonly [string, Answer, string, string]>([
    ['a body over maxBytes', body(spaces), 'too_large', 'larger than 1048576 bytes'],
    ['a gzip bomb', body(gzipSync(Buffer.alloc(100e6)), { 'content-encoding': 'gzip' }), 'too_large', '1048576 bytes'],
    ['100,000 keys', body(manyKeys), 'too_large', '100000 members'],
    ['a redirect', status(302, { location: '/elsewhere.json' }), 'redirect', 'redirect (302)'],
    ['a permanent redirect', status(308, { location: 'http://169.254.169.254/' }), 'redirect', 'redirect (308)'],
    ['a missing document', status(404), 'http_status', 'answered 404'],
    ['a server error', status(503), 'http_status', 'answered 503'],
    [
      'an error with an endless body',
      (_request, response) => endless(response.writeHead(500)),
      'http_status',
      'answered 500',
    ],
    ['no content', status(204), 'http_status', 'answered 204'],
    ['partial content', status(206), 'http_status', 'answered 206'],
    ['HTML', body('<html>sign in</html>'), 'invalid', 'did not answer with JSON'],
    ['nothing', body(''), 'invalid', 'did not answer with JSON'],
    ['half a document', body('{"keys":['), 'invalid', 'did not answer with JSON'],
    ['bytes that are no UTF-8', body(Buffer.from('7b226b657973223a5b22ff225d7d', 'hex')), 'invalid', 'JSON'],
    ['a million brackets', body('['.repeat(1_000_000)), 'invalid', 'did not answer with JSON'],
    ['JSON that is no set', json({ error: 'secret detail' }), 'invalid', 'no "keys" array'],
    ['an encoding nobody asked for', body('x', { 'content-encoding': 'br' }), 'invalid', 'content encoding'],
    ['gzip that is none', body('{"keys":[]}', { 'content-encoding': 'gzip' }), 'invalid', 'not valid gzip'],
    ['gzip cut short', body(gzipSync(spaces).subarray(0, 500), { 'content-encoding': 'gzip' }), 'invalid', 'gzip'],
    ['a connection cut in the body', reset, 'connect_error', 'ECONNRESET'],
    ['a connection cut before the head', request => request.socket.resetAndDestroy(), 'connect_error', 'ECONNRESET'],
    ['huge headers', status(200, { 'x-big': 'x'.repeat(17 * 1024) }), 'connect_error', 'HPE_HEADER_OVERFLOW'],
    ['something that is not HTTP', request => request.socket.end('SSH-2.0-x\r\n'), 'connect_error', 'HPE_'],
  ])('%s', async (_what, answer, result, message) => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, advance, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    const [key] = selectNow(keySet, es256('k1'))
    server.answer(answer)
    await advance(TUNING.refreshMs)
    expect(seen.fetches.at(-1)?.result).toBe(result)
    expect(keySet.status().lastError).toContain(message)
    expect(keySet.status().lastError).not.toContain('secret')
    expect(selectNow(keySet, es256('k1'))[0]).toBe(key)
    expect(server.requests.map(({ path }) => path)).toEqual(['/jwks.json', '/jwks.json'])
    await expect.poll(() => server.openSockets()).toBe(0)
  })

  test.each<readonly [string, Answer]>([
    ['no answer at all', hang],
    ['a head and then one byte at a time', drip],
    ['a head without a body', (_request, response) => response.writeHead(200).flushHeaders()],
    [
      'an early hint and nothing after it',
      (_request, response) => response.writeEarlyHints({ link: '</x>; rel=preload' }),
    ],
  ])('slower than the timeout, headers and body together: %s', async (_what, answer) => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, time, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    server.answer(answer)
    await time.advance(TUNING.refreshMs)
    await server.received(2)
    await time.advance(TUNING.timeoutMs - 1)
    expect(seen.fetches).toHaveLength(1)
    await time.advance(1)
    await seen.fetchedTimes(2)
    expect(seen.fetches.at(-1)?.result).toBe('timeout')
    expect(keySet.status().lastError).toBe('no complete answer within 5003 ms')
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    await expect.poll(() => server.openSockets()).toBe(0)
  })

  test('a good answer may be compressed', async () => {
    const server = await startKeyServer()
    server.answer((request, response) => {
      expect(request.headers['accept-encoding']).toBe('gzip')
      body(gzipSync(JSON.stringify({ keys: [ecJwk('k1')] })), { 'content-encoding': 'GZIP' })(request, response)
    })
    const { keySet } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('a body of exactly maxBytes is taken', async () => {
    const server = await startKeyServer()
    server.answer(body(JSON.stringify({ keys: [ecJwk('k1')] }).padEnd(TUNING.maxBytes)))
    const { keySet } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('an ETag that would not fit a header is not sent back', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }, { etag: `"${'x'.repeat(5_000)}"` }))
    const { advance, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    await advance(TUNING.refreshMs)
    expect(server.requests[1]?.headers['if-none-match']).toBeUndefined()
    expect(seen.fetches.map(({ result }) => result)).toEqual(['ok', 'ok'])
  })
})
