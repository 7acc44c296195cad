/** Every answer on a route with `cors` says once who may read it, whoever has made the answer. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type ConfigOver,
  get,
  type Http2Stack,
  type RawStack,
  request,
  type Stack,
  startHttp2Stack,
  startRawStack,
} from '../../support/raw.ts'
import { echo, startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { fieldsOf, type RawReply } from '../../support/wire.ts'

const APP = 'https://app.example.com'
const EXPOSED = 'WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, DPoP-Nonce, ETag'
const cors = { origins: [APP], exposeHeaders: ['ETag'] }

const config: ConfigOver = (_issuer, upstream) => ({
  limits: { bodyBytes: '1KiB', tokenBytes: '2KiB' },
  upstreams: { app: upstream.url, gone: 'http://127.0.0.1:1' },
  cors,
  routes: [
    { id: 'private', path: '/private/**', upstream: 'app' },
    { id: 'open', path: '/open/**', upstream: 'app', access: 'public' },
    { id: 'scoped', path: '/scoped/**', upstream: 'app', require: { scopes: ['nobody:has'] } },
    { id: 'tried', path: '/tried/**', upstream: 'app', mode: 'report', cors: { ...cors, enforceOrigin: true } },
    { id: 'strict', path: '/strict/**', upstream: 'app', cors: { ...cors, enforceOrigin: true } },
    { id: 'slow', path: '/slow/**', upstream: 'app', access: 'public', timeout: '100ms' },
    { id: 'gone', path: '/gone/**', upstream: 'gone', access: 'public' },
    { id: 'cookies', path: '/cookies/**', upstream: 'app', access: 'public', cors: { ...cors, credentials: true } },
    { id: 'any', path: '/any/**', upstream: 'app', access: 'public', cors: { origins: ['*'] } },
    { id: 'off', path: '/off/**', upstream: 'app', access: 'public', cors: 'off' },
  ],
})

/** The service lets everybody read everything, in spellings that a reader may take for the same. */
const ITS_OWN = [
  ...['Access-Control-Allow-Origin', '*', 'access-control-allow-origin', 'https://evil.example.com'],
  ...['ACCESS-CONTROL-ALLOW-CREDENTIALS', 'true', 'Access-Control-Expose-Headers', '*'],
  ...['Access-Control-Allow-Methods', '*', 'Access-Control-Allow-Headers', '*', 'Access-Control-Max-Age', '86400'],
  ...['Access-Control-Allow-Private-Network', 'true', 'Vary', 'Accept', 'ETag', '"7"'],
]

function startService(): Promise<TestUpstream> {
  return startTestUpstream((incoming, response) => {
    const [, , last] = incoming.url?.split('/') ?? []
    if (last === 'hang') return
    if (last === 'broken') incoming.socket.destroy()
    else if (last === 'own') response.writeHead(200, ITS_OWN).end('own')
    else if (last === '304') response.writeHead(304, ITS_OWN).end()
    else if (last === '500') response.writeHead(500, ITS_OWN).end('oops')
    else echo(incoming, response)
  })
}

let overHttp1: RawStack
let overHttp2: Http2Stack
beforeAll(async () => {
  ;[overHttp1, overHttp2] = await Promise.all([
    startService().then(service => startRawStack(config, service)),
    startService().then(service => startHttp2Stack(config, service)),
  ])
})
afterAll(() => Promise.all([overHttp1.close(), overHttp2.close()]))

/** The lines of an answer that browsers go by. Two of one name are two here, or one whose value is no good. */
const corsLines = ({ head }: RawReply) =>
  fieldsOf(head)
    .filter(([name]) => /^(?:access-control-|vary$)/.test(name))
    .flatMap(([name, value]) => (name === 'vary' ? value.split(', ') : [value]).map(each => `${name}: ${each}`))
    .toSorted()
const READABLE = [
  `access-control-allow-origin: ${APP}`,
  `access-control-expose-headers: ${EXPOSED}`,
  'vary: Origin',
] as const

describe.each([
  ['HTTP/1.1', () => overHttp1],
  ['HTTP/2', () => overHttp2],
] as const)('over %s', (_version, started: () => Stack) => {
  async function answer(bytes: string): Promise<RawReply> {
    const reply = await started().exchange(bytes)
    if (reply === undefined) throw new Error(`no answer to ${bytes}`)
    return reply
  }
  const token = () => `Authorization: Bearer ${started().token}`
  const large = (lines: readonly string[]) =>
    request('POST /private/1 HTTP/1.1', [token(), 'Content-Length: 2000', ...lines], 'x'.repeat(2000))

  test.each<[string, number, (lines: readonly string[]) => string]>([
    ['the service', 200, lines => get('/private/1', [token(), ...lines])],
    ['a public service', 200, lines => get('/open/1', lines)],
    ['a service that fails', 500, lines => get('/open/500', lines)],
    ['the gateway, without a token', 401, lines => get('/private/1', lines)],
    ['the gateway, with a wrong token', 401, lines => get('/private/1', ['Authorization: Bearer wrong', ...lines])],
    ['the gateway, with two tokens', 400, lines => get('/private/1', [token(), token(), ...lines])],
    [
      'the gateway, with a token that is too large',
      401,
      lines => get('/private/1', [`${token()}${'x'.repeat(3000)}`, ...lines]),
    ],
    ['the gateway, without a scope', 403, lines => get('/scoped/1', [token(), ...lines])],
    ['the gateway, with a body that is too large', 413, large],
    ['the gateway, when the service is down', 502, lines => get('/gone/1', lines)],
    ['the gateway, when the service hangs up', 502, lines => get('/open/broken', lines)],
    ['the gateway, when the service is silent', 504, lines => get('/slow/hang', lines)],
  ])('the answer of %s is readable to a listed origin alone: %i', async (_name, status, bytes) => {
    const others = [['Origin: https://evil.example.com'], ['Origin: null'], []]
    const [listed, ...rest] = await Promise.all([[`Origin: ${APP}`], ...others].map(lines => answer(bytes(lines))))
    if (listed === undefined) throw new Error('nobody has asked')
    const itsOwn = status === 500 ? ['vary: Accept'] : []
    expect([listed.status, corsLines(listed)]).toEqual([status, [...READABLE, ...itsOwn].toSorted()])
    for (const reply of rest) expect([reply.status, corsLines(reply)]).toEqual([status, [...itsOwn, 'vary: Origin']])
  })

  test.each([
    ['own', 200],
    ['304', 304],
  ])('what the service says about origins is dropped: %s', async (last, status) => {
    const reply = await answer(get(`/open/${last}`, [`Origin: ${APP}`]))
    expect([reply.status, reply.headers.get('etag')]).toEqual([status, '"7"'])
    expect(corsLines(reply)).toEqual([...READABLE, 'vary: Accept'].toSorted())
    expect(corsLines(await answer(get(`/open/${last}`)))).toEqual(['vary: Accept', 'vary: Origin'])
  })

  test('cookies are allowed where the route says so', async () => {
    const allowed = 'access-control-allow-credentials: true'
    expect(corsLines(await answer(get('/cookies/1', [`Origin: ${APP}`])))).toEqual([allowed, ...READABLE])
    expect(corsLines(await answer(get('/cookies/own', ['Origin: https://evil.example.com'])))).toEqual([
      'vary: Accept',
      'vary: Origin',
    ])
  })

  test('an answer that everybody may read varies by no origin', async () => {
    const readable = [
      'access-control-allow-origin: *',
      `access-control-expose-headers: ${EXPOSED.replace(', ETag', '')}`,
    ]
    for (const lines of [[], ['Origin: null'], [`Origin: ${APP}`]]) {
      expect(corsLines(await answer(get('/any/1', lines)))).toEqual(readable)
      expect(corsLines(await answer(get('/any/own', lines)))).toEqual([...readable, 'vary: Accept'])
    }
  })

  test('without cors the service says what it likes', async () => {
    const lines = corsLines(await answer(get('/off/own', [`Origin: ${APP}`])))
    expect(lines).toEqual(expect.arrayContaining(['access-control-allow-private-network: true', 'vary: Accept']))
    expect(corsLines(await answer(get('/off/1', [`Origin: ${APP}`])))).toEqual([])
  })

  test('an origin that is enforced is judged before the token, and one of no page passes', async () => {
    const stack = started()
    const evil = 'Origin: https://evil.example.com'
    const reply = await stack.refuses(get('/strict/1', [evil]), 'origin_forbidden')
    expect(reply.status).toBe(403)
    expect(reply.headers.has('www-authenticate')).toBe(false)
    await stack.refuses(get('/strict/1', [evil, token()]), 'origin_forbidden')
    await stack.refuses(get('/strict/1', ['Origin: null', token()]), 'origin_forbidden')
    await stack.refuses(get('/strict/1', ['Origin:', token()]), 'origin_forbidden')
    await stack.refuses(get('/strict/1', [`Origin: ${APP}`, evil, token()]), 'request_malformed')
    for (const lines of [[], [`Origin: ${APP}`]])
      expect((await answer(get('/strict/1', [token(), ...lines]))).status).toBe(200)
  })

  test('a route that only reports lets other origins pass, and lets them read nothing', async () => {
    const reply = await answer(get('/tried/1', [token(), 'Origin: https://evil.example.com']))
    expect([reply.status, corsLines(reply)]).toEqual([200, ['vary: Origin']])
  })
})
