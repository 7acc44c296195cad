/**
 * Requests with a proof of possession on their way through, over HTTP/1.1, HTTP/2, WebSocket and gRPC: the proof ends
 * here, and what the gateway says about proofs replaces what the service says.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Metadata, status } from '@grpc/grpc-js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { grpcClient, unary } from '../e2e/grpc/support.ts'
import { type Http2Client, http2Client } from '../support/clients/http2-client.ts'
import { dpopProof, type ProofOptions, type ProofSigner, proofSigner, withBadSignature } from '../support/dpop-proof.ts'
import { type GatewayParts, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { http2TransportsOfFile } from '../support/http2-transports.ts'
import { manualTime } from '../support/manual-time.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'
import { echo, startTestUpstream, type TestUpstream } from '../support/services/upstream.ts'
import {
  closing,
  openWebSocket,
  refusedHandshake,
  startWebSocketService,
  type WebSocketService,
  webSocket,
} from '../support/services/websocket-service.ts'

const BASE = 'https://api.example.com'
const LIFETIME_MS = 300_000

let issuer: TestIssuer
let upstream: TestUpstream
let sockets: WebSocketService
let signer: ProofSigner
let token: string
let unbound: string
const closers: Array<() => unknown> = []

beforeAll(async () => {
  issuer = await startTestIssuer()
  // The service hands out nonces of its own, in several spellings.
  upstream = await startTestUpstream((request, response) => {
    response.setHeader('dpop-nonce', ['of-service-1', 'of-service-2'])
    response.setHeader('DPoP_Nonce', 'of-service-3')
    echo(request, response)
  })
  sockets = await startWebSocketService()
  signer = await proofSigner()
  token = await issuer.mint({ cnf: { jkt: signer.jkt } })
  unbound = await issuer.mint()
})
afterAll(async () => {
  for (const close of closers) await close()
  await Promise.all([issuer.close(), upstream.close(), sockets.close()])
})

async function startGateway(change: Record<string, unknown> = {}, parts: GatewayParts = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(
    {
      providers: { main: testProvider(issuer) },
      upstreams: { app: upstream.url, sockets: sockets.url },
      routes: [
        { id: 'auth', path: '/oauth/token', access: 'public', passAuthorization: true, upstream: 'app' },
        { id: 'public', path: '/public/**', access: 'public', upstream: 'app' },
        { id: 'sockets', path: '/sockets/**', upstream: 'sockets' },
        { id: 'all', path: '/**', upstream: 'app' },
      ],
      dpop: { baseUrls: [BASE] },
      ...change,
    },
    parts,
  )
  closers.unshift(() => gateway.close())
  return gateway
}

const proof = (path: string, options: Partial<ProofOptions> = {}): string =>
  dpopProof(signer, { url: BASE + path, token, ...options })

const bound = (path: string, options?: Partial<ProofOptions>) => ({
  authorization: `DPoP ${token}`,
  dpop: proof(path, options),
})

describe('the proof', () => {
  /** Every spelling that some service reads as `DPoP`, and one line that is no proof. */
  const spellings = (text: string) => [`DPOP: ${text}`, 'X-Dpop: stays', 'DPoP-Nonce: stays']

  test.for([
    [false, undefined],
    [true, 'DPoP'],
    ['asBearer', 'Bearer'],
  ] as const)('never reaches the service, with forwardToken: %s the scheme is %s', async ([forwardToken, scheme]) => {
    const gateway = await startGateway({ identity: { forwardToken } })
    for (const written of ['DPoP', 'dpop', 'DPOP']) {
      const seenBefore = upstream.seen.length
      const lines = [`Authorization: ${written} ${token}`, ...spellings(proof('/orders'))]
      const answer = await gateway.raw(
        `GET /orders HTTP/1.1\r\nHost: a\r\n${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`,
      )
      expect(answer).toMatch(/^HTTP\/1.1 200 /)
      const headers = upstream.seen[seenBefore]?.headers ?? {}
      expect(headers).not.toHaveProperty('dpop')
      expect(headers).toMatchObject({ 'x-dpop': 'stays', 'dpop-nonce': 'stays', 'x-auth-subject': 'alice' })
      const expected = scheme === 'Bearer' ? `Bearer ${token}` : `${written} ${token}`
      expect(headers.authorization).toBe(scheme === undefined ? undefined : expected)
    }
    // A bearer token stays one, and a proof beside it ends here, too.
    expect(
      (await gateway.request('/orders', { headers: { authorization: `Bearer ${unbound}`, dpop: 'x' } })).status,
    ).toBe(200)
    expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('dpop')
    expect(upstream.seen.at(-1)?.headers.authorization).toBe(scheme === undefined ? undefined : `Bearer ${unbound}`)
  })

  test('passes with its token where nobody judges either, and nowhere else', async () => {
    const gateway = await startGateway()
    const headers = { authorization: 'DPoP any', dpop: 'any proof' }
    expect((await gateway.request('/oauth/token', { headers })).status).toBe(200)
    expect(upstream.seen.at(-1)?.headers).toMatchObject(headers)
    expect((await gateway.request('/public/a', { headers })).status).toBe(200)
    expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('dpop')
    expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('authorization')
  })

  test('named in Connection is judged all the same, and ends here', async () => {
    const gateway = await startGateway()
    const head = (text: string) =>
      `GET /orders HTTP/1.1\r\nHost: a\r\nAuthorization: DPoP ${token}\r\nDPoP: ${text}\r\nConnection: close, DPoP\r\n\r\n`
    expect(await gateway.raw(head(proof('/orders')))).toMatch(/^HTTP\/1.1 200 /)
    expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('dpop')
    expect(await gateway.raw(head(proof('/other')))).toMatch(/^HTTP\/1.1 401 /)
  })
})

test('a token on a public route stays one that needs a proof, whatever forwardToken says', async () => {
  const gateway = await startGateway({ identity: { forwardToken: 'asBearer' } })
  const seenBefore = upstream.seen.length
  expect((await gateway.request('/public/a', { headers: { authorization: `DPoP ${token}` } })).status).toBe(200)
  expect(upstream.seen[seenBefore]?.headers.authorization).toBe(`DPoP ${token}`)
})

describe('DPoP-Nonce', () => {
  test('of the service never reaches a client whose proofs it does not get, and the one of the gateway does', async () => {
    const time = manualTime(Math.floor(Date.now() / LIFETIME_MS) * LIFETIME_MS)
    const iat = Math.floor(time.nowMs() / 1000)
    const timed = await issuer.mint({ cnf: { jkt: signer.jkt }, iat, exp: iat + 3600 })
    const files = { secret: randomBytes(32).toString('base64') }
    const nonce = { secretFile: 'secret', lifetime: `${LIFETIME_MS}ms` }
    const gateway = await startGateway({ dpop: { baseUrls: [BASE], nonce } }, { clock: time, files })
    const ask = async (path: string, given: string) => {
      const text = proof(path, { token: timed, nowMs: time.nowMs(), nonce: given })
      return gateway.request(path, { headers: { authorization: `DPoP ${timed}`, dpop: text } })
    }
    const refused = await ask('/orders', 'none')
    expect(refused.status).toBe(401)
    const first = String(refused.headers['dpop-nonce'])
    const young = await ask('/orders', first)
    expect(young.status).toBe(200)
    for (const name of ['dpop-nonce', 'dpop_nonce']) expect(young.headers).not.toHaveProperty(name)
    await time.advance((LIFETIME_MS * 2) / 3)
    const old = await ask('/orders', first)
    expect(old.status).toBe(200)
    expect(old.headers['dpop-nonce']).toMatch(/^[0-9a-f]{32}$/)
    expect(old.headers['dpop-nonce']).not.toBe(first)
    expect(old.headers).not.toHaveProperty('dpop_nonce')
    // A handshake is answered with one, too, whatever its answer is.
    const text = proof('/sockets/a', { token: timed, nowMs: time.nowMs(), nonce: first })
    const headers = { authorization: `DPoP ${timed}`, dpop: text }
    const socket = await openUpgrade(`${gateway.url}/sockets/a`, headers)
    expect(socket.nonce).toBe(old.headers['dpop-nonce'])
    socket.close()
    const handshake = await refusedHandshake(`${gateway.url}/sockets/a`, {
      headers: { ...headers, dpop: proof('/sockets/a', { token: timed }) },
    })
    expect(handshake).toMatchObject({ status: 401, headers: { 'dpop-nonce': old.headers['dpop-nonce'] } })
  })
})

/** Opens a WebSocket and tells the nonce of the answer. */
async function openUpgrade(url: string, headers: Record<string, string>) {
  const socket = webSocket(url, { headers })
  const [[response]] = (await Promise.all([once(socket, 'upgrade'), once(socket, 'open')])) as unknown as [
    [{ readonly headers: Record<string, string> }],
  ]
  return { nonce: response.headers['dpop-nonce'], close: () => socket.terminate() }
}

describe('a WebSocket', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway()
  })

  test('is opened with a proof for GET and the https URL, which is used up by that', async () => {
    const headers = bound('/sockets/chat')
    const socket = await openWebSocket(`${gateway.url}/sockets/chat?room=1`, { headers })
    socket.send('hello')
    const [echoed] = (await once(socket, 'message')) as [Buffer]
    expect(echoed.toString()).toBe('hello')
    expect(sockets.seen.at(-1)?.headers).not.toHaveProperty('dpop')
    const again = await refusedHandshake(`${gateway.url}/sockets/chat?room=1`, { headers })
    expect(again.status).toBe(401)
    expect(JSON.parse(again.text)).toMatchObject({ code: 'proof_replayed' })
    const closed = closing(socket)
    socket.close()
    await closed
  })

  test('is refused without a proof, and with one for the wss URL', async () => {
    const url = `${gateway.url}/sockets/chat`
    for (const [headers, code] of [
      [{ authorization: `DPoP ${token}` }, 'proof_required'],
      [{ authorization: `Bearer ${token}` }, 'proof_required'],
      [bound('/sockets/chat', { url: 'wss://api.example.com/sockets/chat' }), 'proof_invalid'],
      [bound('/sockets/chat', { method: 'POST' }), 'proof_invalid'],
    ] as const) {
      const { status: refused, text, headers: answer } = await refusedHandshake(url, { headers })
      expect(refused).toBe(401)
      expect(JSON.parse(text)).toMatchObject({ code })
      expect(String(answer['www-authenticate'])).toContain('DPoP ')
    }
  })
})

describe.each(http2TransportsOfFile())('over HTTP/2 with $name', ({ listen, ca }) => {
  let gateway: TestGateway
  let client: Http2Client
  beforeAll(async () => {
    gateway = await startGateway({ listen })
    client = http2Client(gateway.url, ca)
    closers.unshift(() => client.destroy())
  })
  const ask = (lines: readonly string[], authority?: string) =>
    client.request('/orders?a=1', { lines, ...(authority === undefined ? {} : { authority }) })
  const code = (body: string) => (JSON.parse(body) as Record<string, unknown>).code

  test('a proof passes once, whatever authority the request names', async () => {
    const lines = ['authorization', `DPoP ${token}`, 'dpop', proof('/orders')]
    expect((await ask(lines, 'evil.example')).status).toBe(200)
    expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('dpop')
    const again = await ask(lines)
    expect(again.status).toBe(401)
    expect(code(again.body)).toBe('proof_replayed')
  })

  test('a proof for the authority of the request is none for us', async () => {
    const text = proof('/orders', { url: 'https://evil.example/orders' })
    const refused = await ask(['authorization', `DPoP ${token}`, 'dpop', text], 'evil.example')
    expect(code(refused.body)).toBe('proof_invalid')
  })

  test('two proofs are refused, and the challenges stand in lines of their own', async () => {
    const refused = await ask(['authorization', `DPoP ${token}`, 'dpop', proof('/orders'), 'dpop', proof('/orders')])
    expect(refused.status).toBe(401)
    expect(code(refused.body)).toBe('proof_invalid')
    const challenges = refused.rawHeaders.filter((_, index, all) => all[index - 1] === 'www-authenticate')
    expect(challenges).toHaveLength(2)
    expect(challenges[0]).toBe('Bearer realm="sallyport"')
    expect(challenges[1]).toMatch(/^DPoP realm="sallyport", error="invalid_dpop_proof"/)
  })

  test('a gRPC call without a good proof is UNAUTHENTICATED', async () => {
    const grpc = grpcClient(gateway.url, ca)
    try {
      for (const text of [undefined, 'x', withBadSignature(proof('/shop.Orders/Get', { method: 'POST' }))]) {
        const metadata = new Metadata()
        metadata.set('authorization', `DPoP ${token}`)
        if (text !== undefined) metadata.set('dpop', text)
        const { status: outcome } = await unary(grpc, 'x', metadata, { path: '/shop.Orders/Get' })
        expect(outcome.code).toBe(status.UNAUTHENTICATED)
        expect(outcome.metadata.get('www-authenticate').join()).toContain('DPoP realm="sallyport"')
      }
    } finally {
      grpc.close()
    }
  })
})
