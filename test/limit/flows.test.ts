/** Which requests are counted against a limit, whatever way they take, and what is on record of those over it. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { activeAnswer, opaqueToken, startOpaqueStack } from '../e2e/introspection/support.ts'
import { atEnd } from '../support/at-end.ts'
import { dpopProof, proofSigner } from '../support/dpop-proof.ts'
import {
  bearer,
  type Reply,
  type RequestInit,
  startTestGateway,
  startTestStack,
  type TestStack,
  testProvider,
} from '../support/gateway/gateway.ts'
import { startRawUpstream } from '../support/services/raw-upstream.ts'
import { echo, startTestUpstream } from '../support/services/upstream.ts'
import { openWebSocket } from '../support/services/websocket-service.ts'
import { openWire } from '../support/wire.ts'
import { toldLimits } from './told-limits.ts'

const BURST = 3
const CLIENTS_SEE = 'https://api.example.com'
const LIMITS = {
  caller: { rate: '1/h', burst: BURST, key: ['claims.sub'] },
  address: { rate: '1/h', burst: BURST, key: ['client'] },
}
const TOOLS = { free: {}, locked: { scopes: ['tools:locked'] } }

let stack: TestStack
const sockets = new WebSocketServer({ noServer: true })
sockets.on('connection', socket => socket.on('message', data => socket.send(data)))
beforeAll(async () => {
  const upstream = await startTestUpstream((request, response) => {
    if (request.url === '/private/events') sendEvents(response)
    else echo(request, response)
  })
  stack = await startTestStack(
    {
      listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
      dpop: { baseUrls: [CLIENTS_SEE] },
      rateLimits: LIMITS,
      routes: [
        { id: 'private', path: '/private/**', rateLimits: ['caller'] },
        { id: 'scoped', path: '/scoped/**', require: { scopes: ['read'] }, rateLimits: ['caller'] },
        { id: 'open', path: '/open/**', access: 'public', rateLimits: ['address'] },
        { id: 'either', path: '/either/**', access: 'optional', rateLimits: ['address'] },
        {
          id: 'rehearsed',
          path: '/rehearsed/**',
          mode: 'report',
          require: { scopes: ['read'] },
          rateLimits: ['caller'],
        },
        { id: 'tools', path: '/mcp', require: { scopes: ['mcp'] }, mcp: { tools: TOOLS }, rateLimits: ['caller'] },
      ],
    },
    { upstream },
  )
})
afterAll(() => stack.close())

function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let n = 0; n < 5; n++) response.write(`data: ${n}\n\n`)
  response.end()
}

/** A caller who has spent nothing yet. */
async function newCaller(claims: Readonly<Record<string, unknown>> = {}) {
  const sub = randomUUID()
  const token = await stack.issuer.mint({ sub, ...claims })
  return {
    sub,
    token,
    ask: (path: string, init: RequestInit = {}) =>
      stack.request(path, { ...init, headers: { ...bearer(token), ...init.headers } }),
  }
}

/** What an answer says is left of a limit. */
function left(reply: Reply, limit: keyof typeof LIMITS = 'caller'): unknown {
  const fields = Object.entries(reply.headers).map(([name, value]) => [name, String(value)] as const)
  const head = fields.map(([name, value]) => `${name}: ${value}`).join('\r\n')
  return toldLimits({ head, headers: new Map(fields) }).rests[limit]?.r
}

let addresses = 0
/** An address that nobody has come from yet. */
function newAddress(): string {
  addresses += 1
  return `198.51.100.${addresses}`
}

describe('what is refused before spends nothing:', () => {
  test.each([
    ['an expired token', 401, '/private/a', { exp: 1_000_000_000 }],
    ['a token for somebody else', 401, '/private/a', { aud: 'https://other.example' }],
    ['a token without the scope', 403, '/scoped/a', {}],
  ])('%s', async (_, status, path, claims) => {
    const { ask, sub } = await newCaller()
    const wrong = await stack.issuer.mint({ sub, ...claims })
    for (let times = 0; times <= BURST; times++)
      expect((await stack.request(path, { headers: bearer(wrong) })).status).toBe(status)
    expect(left(await ask('/private/a'))).toBe(BURST - 1)
  })

  test('a path without a route, and a body that is announced to be too long', async () => {
    const { ask, token } = await newCaller()
    expect((await ask('/nowhere')).status).toBe(404)
    const lines = ['Host: a', `Authorization: Bearer ${token}`, 'Content-Length: 99999999999']
    expect(await stack.raw(`POST /private/a HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1.1 413/)
    expect(left(await ask('/private/a'))).toBe(BURST - 1)
  })

  test('a proof that was used before', async () => {
    const signer = await proofSigner()
    const sub = randomUUID()
    const token = await stack.issuer.mint({ sub, cnf: { jkt: signer.jkt } })
    const proof = dpopProof(signer, { url: `${CLIENTS_SEE}/private/a`, token })
    const send = (by: string) => stack.request('/private/a', { headers: { authorization: `DPoP ${token}`, dpop: by } })
    expect(left(await send(proof))).toBe(BURST - 1)
    for (let times = 0; times < BURST; times++) expect((await send(proof)).status).toBe(401)
    expect(left(await send(dpopProof(signer, { url: `${CLIENTS_SEE}/private/a`, token })))).toBe(BURST - 2)
  })
})

describe('every access is counted:', () => {
  test('public and optional routes by the address, with and without a token', async () => {
    const { token } = await newCaller()
    const from = newAddress()
    const ask = async (path: string, headers: Record<string, string> = {}) =>
      left(await stack.request(path, { headers: { 'x-forwarded-for': from, ...headers } }), 'address')
    expect(await ask('/open/a')).toBe(BURST - 1)
    expect(await ask('/either/a')).toBe(BURST - 2)
    expect(await ask('/either/a', bearer(token))).toBe(BURST - 3)
    const refused = await stack.request('/open/a', { headers: { 'x-forwarded-for': from } })
    expect(refused.status).toBe(429)
  })

  test('addresses that a client makes up are its own address still', async () => {
    const from = newAddress()
    const ask = (forged: string) => stack.request('/open/a', { headers: { 'x-forwarded-for': `${forged}, ${from}` } })
    for (let times = 0; times < BURST; times++) expect(left(await ask(newAddress()), 'address')).toBe(BURST - 1 - times)
    expect((await ask(newAddress())).status).toBe(429)
    expect((await ask(`${from}, ${newAddress()}`)).status).toBe(429)
  })

  test('where no proxy is trusted, no address is believed', async () => {
    const gateway = await startTestGateway({
      providers: { main: testProvider(stack.issuer) },
      upstreams: { app: stack.upstream.url },
      rateLimits: LIMITS,
      routes: [{ id: 'open', path: '/**', access: 'public', rateLimits: ['address'] }],
    })
    atEnd(gateway.close)
    const statuses = []
    for (let times = 0; times <= BURST; times++) {
      const forged = { 'x-forwarded-for': newAddress(), forwarded: `for=${newAddress()}`, 'x-real-ip': newAddress() }
      statuses.push((await gateway.request('/a', { headers: forged })).status)
    }
    expect(statuses).toEqual([200, 200, 200, 429])
  })

  test('a caller whose token has to be asked about', async () => {
    const opaque = await startOpaqueStack({
      config: { rateLimits: LIMITS, routes: [{ id: 'all', path: '/**', rateLimits: ['caller'] }] },
    })
    const [token, stranger] = [opaqueToken(), opaqueToken()]
    opaque.endpoint.tokens.set(token, activeAnswer())
    const outcomes = []
    for (const each of [stranger, token, token, token, token]) outcomes.push(await opaque.outcome('/a', each))
    expect(outcomes).toEqual(['401 token_inactive', '200', '200', '200', '429 rate_limited'])
  })
})

describe('a request is counted once, however long it is:', () => {
  test('a stream of events', async () => {
    const { ask } = await newCaller()
    const events = await ask('/private/events')
    expect(events.text.match(/data:/g)).toHaveLength(5)
    expect(left(events)).toBe(BURST - 1)
    expect(left(await ask('/private/a'))).toBe(BURST - 2)
  })

  test('an upload in pieces', async () => {
    const { ask } = await newCaller()
    async function* pieces() {
      for (let n = 0; n < 5; n++) yield Buffer.alloc(1_000)
    }
    const stored = await ask('/private/a', { method: 'PUT', body: pieces() as never })
    expect(stored.json().bodyBytes).toBe(5_000)
    expect(left(stored)).toBe(BURST - 1)
    expect(left(await ask('/private/a'))).toBe(BURST - 2)
  })

  test('a tunnel with many messages', async () => {
    const server = createServer(echo)
    server.on('upgrade', (request: IncomingMessage, socket, head) =>
      sockets.handleUpgrade(request, socket, head, each => sockets.emit('connection', each)),
    )
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as { readonly port: number }
    const gateway = await startTestGateway({
      providers: { main: testProvider(stack.issuer) },
      upstreams: { app: `http://127.0.0.1:${port}` },
      rateLimits: LIMITS,
      routes: [{ id: 'all', path: '/**', rateLimits: ['caller'] }],
    })
    atEnd(() => server.close())
    atEnd(gateway.close)
    const { token } = await newCaller()
    const socket = await openWebSocket(`${gateway.url}/`, { token })
    for (let n = 0; n < 2 * BURST; n++) {
      socket.send(String(n))
      await once(socket, 'message')
    }
    expect(left(await gateway.request('/', { headers: bearer(token) }))).toBe(BURST - 2)
    socket.terminate()
  })

  test('one that is sent again, because the connection to the service was gone', async () => {
    const heads: string[] = []
    const fickle = await startRawUpstream(({ socket, write }) => {
      let count = 0
      socket.on('data', (text: string) => {
        heads.push(text)
        count += 1
        if (count === 1) write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        else socket.destroy()
      })
    })
    const gateway = await startTestGateway({
      providers: { main: testProvider(stack.issuer) },
      upstreams: { app: fickle.url },
      rateLimits: LIMITS,
      routes: [{ id: 'all', path: '/**', rateLimits: ['caller'] }],
    })
    atEnd(fickle.close)
    atEnd(gateway.close)
    const { token } = await newCaller()
    const rests = []
    for (let n = 0; n < 2; n++) rests.push(left(await gateway.request('/', { headers: bearer(token) })))
    expect(heads).toHaveLength(3)
    expect(rests).toEqual([BURST - 1, BURST - 2])
  })
})

describe('on a report-only route', () => {
  test('a request over the limit passes, is told so, and is on record and counted as reported', async () => {
    const { ask, sub } = await newCaller({ scope: 'read' })
    for (let times = 0; times < BURST; times++) await ask('/rehearsed/a')
    const before = (await stack.metrics()).get('sallyport_rate_limit_decisions_total{limit="caller",result="reported"}')
    const over = await ask('/rehearsed/a')
    expect(over.status).toBe(200)
    expect(left(over)).toBe(0)
    expect(over.headers).not.toHaveProperty('retry-after')
    const line = await stack.logged({ request_id: String(over.headers['x-request-id']) })
    expect(line).toMatchObject({
      code: 'ok',
      reported: 'rate_limited',
      subject: sub,
      evidence: { limits: ['caller'], rates: ['1/h'], bursts: [BURST], retry_after_ms: expect.any(Number) },
    })
    const after = (await stack.metrics()).get('sallyport_rate_limit_decisions_total{limit="caller",result="reported"}')
    expect((after ?? 0) - (before ?? 0)).toBe(1)
  })

  test('a request that would have been refused before spends nothing', async () => {
    const { ask } = await newCaller()
    for (let times = 0; times <= BURST; times++) expect((await ask('/rehearsed/a')).status).toBe(200)
    expect(left(await ask('/private/a'))).toBe(BURST - 1)
  })
})

describe('in front of tools', () => {
  const call = (tool: string): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool } }),
  })

  test('a caller over the limit is refused before the body is read', async () => {
    const { ask, token } = await newCaller({ scope: 'mcp' })
    for (let times = 0; times < BURST; times++) expect((await ask('/mcp', call('free'))).status).toBe(200)
    const lines = ['Host: a', `Authorization: Bearer ${token}`, 'Content-Type: application/json', 'Content-Length: 9']
    const wire = openWire(Number(new URL(stack.url).port))
    wire.write(`POST /mcp HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`)
    const reply = await wire.reply()
    wire.end()
    expect(reply?.status).toBe(429)
    expect(JSON.parse(reply?.body ?? '')).toMatchObject({ code: 'rate_limited', 'violated-policies': ['caller'] })
  })

  test('a caller without the scope of the route spends nothing, and one without that of the tool does', async () => {
    const { ask, sub } = await newCaller({ scope: 'mcp' })
    const lacking = await stack.issuer.mint({ sub, scope: 'other' })
    for (let times = 0; times <= BURST; times++) {
      const { method = 'POST', headers, body } = call('locked')
      const refused = await stack.request('/mcp', {
        method,
        headers: { ...headers, ...bearer(lacking) },
        body: body ?? null,
      })
      expect(refused.status).toBe(403)
      expect(String(refused.headers['www-authenticate'])).toContain('scope="mcp tools:locked"')
    }
    const forbidden = await ask('/mcp', call('locked'))
    expect([forbidden.status, left(forbidden)]).toEqual([403, BURST - 1])
    expect(left(await ask('/mcp', call('free')))).toBe(BURST - 2)
  })
})

test('the record of a request over the limit names the limit and the pace, and no key', async () => {
  const from = newAddress()
  let id = ''
  for (let times = 0; times <= BURST; times++)
    id = String((await stack.request('/open/a', { headers: { 'x-forwarded-for': from } })).headers['x-request-id'])
  const line = await stack.logged({ request_id: id })
  expect(line).toMatchObject({ code: 'rate_limited', status: 429, route: 'open', client: from })
  const { retry_after_ms: waitMs, ...evidence } = line.evidence as Record<string, unknown>
  expect(evidence).toEqual({ limits: ['address'], rates: ['1/h'], bursts: [BURST] })
  expect(waitMs).toBeGreaterThan(3_500_000)
  expect(waitMs).toBeLessThanOrEqual(3_600_000)
})
