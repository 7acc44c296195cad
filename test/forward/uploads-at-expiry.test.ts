/** An upload ends with the token that let its request in, over each version of HTTP, and the service sees it cut. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { atEnd } from '../support/at-end.ts'
import { testAuthority } from '../support/certificates.ts'
import {
  CODES,
  data,
  END_HEADERS,
  END_STREAM,
  type Field,
  type Http2Frames,
  headers,
  http2Frames,
  requestFields,
  TYPES,
} from '../support/clients/http2-frame-client.ts'
import { type RawClient, rawClient } from '../support/clients/raw-client.ts'
import { QUICK_ROUNDS, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'

const MINUTE_MS = 60_000
/** The time that the tokens of {@link TestIssuer.mint} live. */
const LIFETIME_MS = 60 * MINUTE_MS
const EXPIRED_MS = LIFETIME_MS + 2 * MINUTE_MS

let laterMs = 0
const clock = { ...systemClock, nowMs: () => systemClock.nowMs() + laterMs }
const authority = testAuthority()
const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])

let issuer: TestIssuer
let service: TestUpstream
let token: string
const arrivals = new Map<string, { readonly request: IncomingMessage; readonly response: ServerResponse }>()
const gateways: Partial<Record<'http' | 'https', TestGateway>> = {}
beforeAll(async () => {
  issuer = await startTestIssuer()
  token = await issuer.mint()
  service = await startTestUpstream((request, response) => {
    arrivals.set(request.url ?? '', { request: request.resume(), response })
    request.on('error', () => {})
  })
  for (const scheme of ['http', 'https'] as const) {
    const tls = scheme === 'https' && { tls: { certFile, keyFile } }
    gateways[scheme] = await startTestGateway(
      {
        listen: { address: '127.0.0.1:0', ...tls },
        providers: { main: { ...testProvider(issuer), clockTolerance: '1m' } },
        upstreams: { app: service.url },
        routes: [
          { id: 'kept', path: '/kept', streams: { onExpiry: 'keep' } },
          { id: 'graced', path: '/graced', streams: { grace: '10m' } },
          { id: 'judged', path: '/judged', mcp: { tools: { any: {} } } },
          { id: 'all', path: '/**' },
        ],
      },
      { clock, scheduler: QUICK_ROUNDS },
    )
  }
})
afterAll(async () => {
  for (const gateway of Object.values(gateways)) await gateway.close()
  await Promise.all([service.close(), issuer.close()])
  authority.remove()
})
afterEach(() => {
  laterMs = 0
  arrivals.clear()
})

function gatewayOf(scheme: 'http' | 'https'): TestGateway {
  const gateway = gateways[scheme]
  if (gateway === undefined) throw new Error('not started')
  return gateway
}

async function arrived(path: string) {
  for (;;) {
    const found = arrivals.get(path)
    if (found !== undefined) return found
    await service.arrival()
  }
}

/** Resolves with whether the service saw the end of the request, when it is over there. */
async function endAtService(path: string): Promise<'whole' | 'cut'> {
  const { request } = await arrived(path)
  if (!request.closed) await new Promise(resolve => request.once('close', resolve))
  return request.complete ? 'whole' : 'cut'
}

const closedOf = (gateway: TestGateway) =>
  gateway.metrics().then(all => all.get('sallyport_streams_closed_total{route="all",reason="expired"}') ?? 0)

describe('over HTTP/1.1', () => {
  function upload(path: string, framing: string, body: string): RawClient {
    const client = rawClient(Number(new URL(gatewayOf('http').url).port))
    atEnd(() => client.socket.destroy())
    client.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n${framing}\r\n\r\n${body}`)
    return client
  }
  const chunked = (path: string) => upload(path, 'Transfer-Encoding: chunked', '4\r\nhalf\r\n')

  test('one is refused when its token expires, whatever is known of its length, and its connection ends', async () => {
    const before = await closedOf(gatewayOf('http'))
    const begun = ['/chunked', '/counted']
    const uploads = [
      { path: '/chunked', client: chunked('/chunked') },
      { path: '/counted', client: upload('/counted', 'Content-Length: 8', 'half') },
      // Of this one nothing has come.
      { path: '/silent', client: upload('/silent', 'Content-Length: 8', '') },
    ]
    await Promise.all(begun.map(arrived))
    while ((await gatewayOf('http').metrics()).get('sallyport_requests_in_flight') !== uploads.length);
    laterMs = EXPIRED_MS
    for (const { path, client } of uploads) {
      expect((await client.closed).text).toMatch(
        /^HTTP\/1\.1 401 [\s\S]*connection: close[\s\S]*"code":"token_expired"/i,
      )
      expect(await gatewayOf('http').logged({ path })).toMatchObject({ code: 'token_expired', closed: 'expired' })
    }
    for (const path of begun) expect(await endAtService(path)).toBe('cut')
    expect(await closedOf(gatewayOf('http'))).toBe(before + uploads.length)
  })

  test('one that has to be judged first is refused, and nothing of it reaches the service', async () => {
    const client = upload('/judged', 'Content-Type: application/json\r\nContent-Length: 8', 'half')
    while ((await gatewayOf('http').metrics()).get('sallyport_requests_in_flight') === 0);
    laterMs = EXPIRED_MS
    const { text } = await client.closed
    expect(text).toMatch(/^HTTP\/1\.1 401 [\s\S]*connection: close[\s\S]*"code":"token_expired"/i)
    expect(await gatewayOf('http').logged({ path: '/judged' })).toMatchObject({ closed: 'expired' })
    expect(arrivals).toEqual(new Map())
  })

  test('one goes on where streams are kept or have a grace, and one that is whole may wait for its answer', async () => {
    const ended = chunked('/ended')
    const going = ['/kept', '/graced'].map(path => ({ path, client: chunked(path) }))
    const whole = upload('/whole', 'Content-Length: 4', 'done')
    await Promise.all(['/ended', '/kept', '/graced', '/whole'].map(arrived))
    laterMs = EXPIRED_MS
    await ended.closed
    for (const { path, client } of going) {
      client.write('0\r\n\r\n')
      expect(await endAtService(path)).toBe('whole')
      ;(await arrived(path)).response.end('taken')
      expect(await client.until(/taken/)).toMatch(/^HTTP\/1\.1 200 /)
    }
    ;(await arrived('/whole')).response.end('taken')
    expect(await whole.until(/taken/)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('one whose answer has begun is cut off', async () => {
    const client = chunked('/answered')
    const { response } = await arrived('/answered')
    response.writeHead(200).write('first')
    await client.until(/first/)
    laterMs = EXPIRED_MS
    expect((await client.closed).text).not.toMatch(/\r\n0\r\n\r\n$/)
    expect(await endAtService('/answered')).toBe('cut')
  })
})

describe.each(['https', 'http'] as const)('over HTTP/2 and %s', scheme => {
  let client: Http2Frames
  beforeAll(async () => {
    client = await http2Frames(gatewayOf(scheme).url, scheme === 'https' ? authority.cert : undefined)
  })
  afterAll(() => void client.socket.destroy())
  let id = -1
  function upload(path: string, more: readonly Field[] = []): number {
    id += 2
    const fields = requestFields('POST', path, [['authorization', `Bearer ${token}`], ...more])
    client.write(headers(id, fields, END_HEADERS), data(id, 'half'))
    return id
  }

  test('an upload and a client-streaming call are refused when their token expires, and then reset', async () => {
    const grpc = [
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
    ] as const
    const ending = [
      { path: '/h2', stream: upload('/h2'), status: 401 },
      { path: '/h2.Service/Call', stream: upload('/h2.Service/Call', grpc), status: 200 },
    ]
    const kept = upload('/kept')
    await Promise.all(['/h2', '/h2.Service/Call', '/kept'].map(arrived))
    laterMs = EXPIRED_MS
    for (const { path, stream, status } of ending) {
      expect(await client.ended(stream)).toMatchObject({ status, how: 'whole' })
      const { payload } = await client.until(({ type, id: of }) => type === TYPES.reset && of === stream)
      expect(payload.readUInt32BE(0)).toBe(CODES.none)
      expect(await endAtService(path)).toBe('cut')
      const line = await gatewayOf(scheme).logged({ path })
      expect(line).toMatchObject({ code: 'token_expired', closed: 'expired', status })
    }
    // One goes on where streams are kept.
    client.write(data(kept, '', END_STREAM))
    expect(await endAtService('/kept')).toBe('whole')
    ;(await arrived('/kept')).response.end('taken')
    expect(await client.ended(kept)).toMatchObject({ status: 200, body: 'taken', how: 'whole' })
  })
})
