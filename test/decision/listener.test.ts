/** Tests the listener that proxies ask: it reads no body, forwards nothing, and is seen and stopped. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exchangeOverHttp2 } from '../support/clients/http2-exchange.ts'
import { dpopProof, proofSigner } from '../support/dpop-proof.ts'
import { startTestGateway } from '../support/gateway/gateway.ts'
import { startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { startTestUpstream } from '../support/services/upstream.ts'
import { openWire } from '../support/wire.ts'
import { type AskedStack, answerOf, CALLERS, codeOf, question, startAskedStack } from './support.ts'

const SOON = { timeout: 10_000, interval: 20 }
const MCP_URL = 'https://app.example/mcp'

let folder: string
let stack: AskedStack
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-decision-'))
  stack = await startAskedStack('nginx', {
    audit: { file: join(folder, 'audit.jsonl') },
    dpop: { baseUrls: ['https://app.example'] },
    resources: { tools: { url: MCP_URL } },
    routes: [
      { id: 'public', path: '/public/**', access: 'public' },
      { id: 'private', path: '/private/**' },
      { id: 'mcp', path: '/mcp', resource: 'tools', mode: 'report', mcp: { tools: { search: {} } } },
    ],
  })
})
afterAll(async () => {
  await stack.close()
  rmSync(folder, { recursive: true, force: true })
})

describe('the body of a question', () => {
  test.each(['Content-Length: 10', 'Transfer-Encoding: chunked'])('with %s is not waited for', async line => {
    const wire = openWire(stack.decidePort)
    // nginx passes the length of its client on where nobody has told it not to, and never sends that body.
    wire.write(question('nginx', { method: 'POST', lines: [line] }))
    const reply = await wire.reply()
    expect([reply?.status, reply?.headers.get('connection')]).toEqual([200, 'close'])
    wire.end()
  })

  test('is dropped, and makes no second question of what stands in it', async () => {
    const wire = openWire(stack.decidePort)
    const inside = question('nginx', { target: '/public/inside' })
    wire.write(question('nginx', { method: 'POST', lines: [`Content-Length: ${inside.length}`] }) + inside)
    expect((await wire.reply())?.status).toBe(200)
    await wire.closed
    expect(wire.rest()).toBe('')
  })

  test('is asked for by nobody who waits for `100 Continue`', async () => {
    const lines = ['Expect: 100-continue', 'Content-Length: 10']
    expect((await stack.ask({ method: 'PUT', lines })).head).toMatch(/^HTTP\/1\.1 200 /)
  })
})

describe('a connection', () => {
  test('carries one question after the other, also behind a refusal', async () => {
    const wire = openWire(stack.decidePort)
    for (const [target, status] of [
      ['/public/a', 200],
      ['/private/a', 401],
      ['/nowhere', 403],
      ['/public/b', 200],
    ] as const) {
      wire.write(question('nginx', { target }))
      expect((await wire.reply())?.status).toBe(status)
    }
    wire.end()
  })

  test('may be HTTP/1.0, which nginx speaks unless it is told otherwise', async () => {
    const asked = (target: string) => question('nginx', { target }).replace('HTTP/1.1', 'HTTP/1.0')
    expect((await answerOf(stack.decidePort, asked('/public/a'))).status).toBe(200)
    expect((await answerOf(stack.decidePort, asked('/private/a'))).status).toBe(401)
  })

  test('may ask with HEAD, and about HEAD', async () => {
    const asked = question('nginx', { method: 'HEAD', target: '/private/a' })
    expect((await answerOf(stack.decidePort, asked)).status).toBe(401)
    const head = await answerOf(stack.decidePort, asked.replace(/^GET/, 'HEAD'))
    expect([head.status, head.headers.get('x-sallyport-code')]).toEqual([401, 'token_missing'])
  })

  test.each(CALLERS)('may be HTTP/2 without TLS, as %s asks', async caller => {
    const asked = caller === 'nginx' ? stack : await startAskedStack(caller)
    const exchange = exchangeOverHttp2(undefined)
    const yes = await exchange(asked.decidePort, question(caller, { target: '/public/a' }))
    expect([yes?.status, yes?.headers.get('cache-control')]).toEqual([200, 'no-store'])
    const no = await exchange(asked.decidePort, question(caller, { target: '/private/a' }))
    expect(no?.status).toBe(401)
    if (asked !== stack) await asked.close()
  })

  test('that asks for a WebSocket gets an answer, and no tunnel', async () => {
    const handshake = ['Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13']
    const lines = [...handshake, 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==']
    expect((await stack.ask({ target: '/public/a', lines })).head).toMatch(/^HTTP\/1\.1 200 /)
    expect((await stack.ask({ target: '/private/a', lines })).head).toMatch(/^HTTP\/1\.1 401 /)
  })

  test('with bytes that are no question is refused', async () => {
    const reply = await answerOf(stack.decidePort, 'GET /decide HTTP/1.1\r\nA B\r\n\r\n')
    expect([reply.status, codeOf(reply)]).toEqual([400, 'request_malformed'])
  })
})

test('a proof of possession is judged by the URL that the client has asked for', async () => {
  const signer = await proofSigner()
  const token = await stack.issuer.mint({ cnf: { jkt: signer.jkt } })
  const ask = (url: string, method: string) =>
    stack.ask({
      method: 'PUT',
      target: '/private/a?b=c',
      lines: [`Authorization: DPoP ${token}`, `DPoP: ${dpopProof(signer, { url, method, token })}`],
    })
  expect((await ask('https://app.example/private/a', 'PUT')).status).toBe(200)
  expect(codeOf(await ask('https://app.example/private/a', 'GET'))).toBe('proof_invalid')
  expect(codeOf(await ask('https://app.example/decide', 'PUT'))).toBe('proof_invalid')
  expect(codeOf(await ask('https://sallyport/private/a', 'PUT'))).toBe('proof_invalid')
})

describe('what takes more than a yes or no', () => {
  test('calls of tools are refused before a token is looked at, though the route only reports', async () => {
    for (const lines of [[], [`Authorization: Bearer ${await stack.issuer.mint()}`]]) {
      const reply = await stack.ask({ method: 'POST', target: '/mcp', host: 'app.example', lines })
      expect([reply.status, codeOf(reply)]).toEqual([403, 'route_undecidable'])
    }
    expect(await stack.logged({ code: 'route_undecidable' })).toMatchObject({
      route: 'mcp',
      evidence: { reason: 'calls of tools are judged by bodies' },
    })
  })

  test('an endpoint of the gateway is answered by its traffic listener alone', async () => {
    const target = '/.well-known/oauth-protected-resource/mcp'
    const reply = await stack.ask({ target })
    expect([reply.status, codeOf(reply)]).toEqual([403, 'route_undecidable'])
    expect((await stack.request(target)).status).toBe(200)
  })
})

test('a decision is counted, logged and recorded like any other', async () => {
  const token = await stack.issuer.mint()
  const before = await stack.metrics()
  const lines = [`Authorization: Bearer ${token}`, 'X-Forwarded-For: 203.0.113.5', 'X-Request-Id: seen-1']
  await stack.ask({ method: 'PUT', target: '/private/a?secret=1', lines })
  await stack.ask({ target: '/private/a' })
  const grown = async (series: string): Promise<number> =>
    ((await stack.metrics()).get(series) ?? 0) - (before.get(series) ?? 0)
  await expect.poll(() => grown('sallyport_decisions_total{caller="nginx",result="allow"}'), SOON).toBe(1)
  expect(await grown('sallyport_decisions_total{caller="nginx",result="deny"}')).toBe(1)
  await expect.poll(() => grown('sallyport_requests_total{route="private",method="PUT",code="ok"}'), SOON).toBe(1)
  expect(await grown('sallyport_refusals_total{code="token_missing"}')).toBe(1)
  expect(await stack.logged({ request_id: 'seen-1' })).toMatchObject({
    method: 'PUT',
    path: '/private/a',
    host: 'app.example',
    client: '203.0.113.5',
    route: 'private',
    subject: 'alice',
    status: 200,
  })
  const record = () =>
    readFileSync(join(folder, 'audit.jsonl'), 'utf8')
      .split('\n')
      .find(line => line.includes('seen-1'))
  await expect.poll(record, SOON).toBeDefined()
  expect(JSON.parse(record() ?? '')).toMatchObject({
    decision: 'allow',
    route: 'private',
    method: 'PUT',
    host: 'app.example',
    path: '/private/a',
    client: '203.0.113.5',
    sub: 'alice',
  })
})

test('nothing that was asked has reached the service', () => {
  expect(stack.upstream.seen).toEqual([])
})

describe('without `listen`', () => {
  test('nothing serves traffic, no upstream is needed, and it is drained like the traffic would be', async () => {
    const { issuer } = stack
    const gateway = await startTestGateway({
      listen: undefined,
      decide: { listen: '127.0.0.1:0', caller: 'caddy' },
      providers: { main: { type: 'jwt', issuer: issuer.issuer, audiences: ['a'], keys: { jwksUri: issuer.jwksUri } } },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    const port = Number(new URL(gateway.running.decideUrl ?? '').port)
    expect(gateway.running.url).toBe(gateway.running.decideUrl)
    expect((await answerOf(port, question('caddy', {}))).status).toBe(200)
    const drained = gateway.running.drain()
    expect((await answerOf(port, question('caddy', {}))).headers.get('connection')).toBe('close')
    await drained
    await expect(answerOf(port, question('caddy', {}))).rejects.toThrow('no answer')
    await gateway.close()
  })
})

test('while the traffic drains, its proxy still gets answers, and none once that has ended', async () => {
  const held: ServerResponse[] = []
  const upstream = await startTestUpstream((_request, response) => void held.push(response))
  const gateway = await startTestGateway({
    decide: { listen: '127.0.0.1:0', caller: 'traefik' },
    upstreams: { app: upstream.url },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  })
  const port = Number(new URL(gateway.running.decideUrl ?? '').port)
  const served = gateway.request('/held')
  await expect.poll(() => held.length, SOON).toBe(1)
  let isDrained = false
  const drained = gateway.running.drain().then(() => {
    isDrained = true
  })
  // The listener of the traffic closes while its last request is under way.
  await expect.poll(() => gateway.raw('GET / HTTP/1.1\r\n\r\n').catch(() => 'refused'), SOON).toBe('refused')
  expect((await answerOf(port, question('traefik', {}))).status).toBe(200)
  expect(isDrained).toBe(false)
  held[0]?.end()
  expect((await served).status).toBe(200)
  await drained
  await expect(answerOf(port, question('traefik', {}))).rejects.toThrow('no answer')
  await Promise.all([gateway.close(), upstream.close()])
})

test.each([{}, { listen: undefined, upstreams: undefined }])('with %j a signal ends the process', async over => {
  const gateway = await startGatewayOnFile({
    decide: { listen: '127.0.0.1:0', caller: 'envoy' },
    upstreams: { app: 'http://127.0.0.1:9' },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
    ...over,
  })
  const { decide } = await gateway.logged({ msg: 'listening' })
  const port = Number(new URL(String(decide)).port)
  expect((await answerOf(port, question('envoy', {}))).status).toBe(200)
  gateway.process.child.kill('SIGTERM')
  expect(await gateway.process.exited).toBe(0)
  await gateway.stop()
})

test('a changed limit counts for the next question, and a changed `decide` needs a restart', async () => {
  const config = {
    decide: { listen: '127.0.0.1:0', caller: 'envoy' },
    upstreams: { app: 'http://127.0.0.1:9' },
    routes: [{ id: 'all', path: '/**', access: 'public' }],
  }
  const gateway = await startTestGateway(config)
  const port = Number(new URL(gateway.running.decideUrl ?? '').port)
  expect(await (await gateway.admin('/-/status')).json()).toMatchObject({
    decide: { caller: 'envoy', trusted_proxies: ['127.0.0.0/8', '::1', 'unix:'] },
  })
  const rewritten = async (over: Record<string, unknown>) => {
    gateway.write(
      'sallyport.yaml',
      JSON.stringify({ listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, ...config, ...over }),
    )
    await gateway.running.reload()
  }
  await rewritten({ routes: [{ id: 'other', path: '/other/**', access: 'public' }] })
  expect(codeOf(await answerOf(port, question('envoy', {})))).toBe('route_unknown')
  await rewritten({ decide: { ...config.decide, trustedProxies: ['10.0.0.0/8'] } })
  expect(gateway.logs.at(-1)).toMatchObject({ msg: expect.stringContaining('configuration') })
  expect(gateway.logText()).toContain('decide: was changed, which needs a restart')
  expect(codeOf(await answerOf(port, question('envoy', { target: '/other/a' })))).toBe('ok')
  await gateway.close()
})
