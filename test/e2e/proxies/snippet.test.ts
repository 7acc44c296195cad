/**
 * Real proxies on the configuration that `sallyport snippet` prints: whatever their clients send, the service sees what
 * was decided, or nothing.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ODD_TARGETS } from '../../decision/targets.ts'
import {
  ASKING_KINDS,
  type AskingKind,
  startAskingProxy,
  WITHOUT_PROXIES,
} from '../../support/services/asking-proxy.ts'
import { freePort } from '../../support/services/free-port.ts'
import type { SeenRequest } from '../../support/services/upstream.ts'
import type { RawReply } from '../../support/wire.ts'
import { type ProxiedStack, printedSnippet, type Sent, sendAll, sendRaw, startProxiedStack } from './support.ts'

const LONG_NAME = `X-Account-${'Long-'.repeat(22)}Name`

const CONFIG = {
  identity: {
    reserved: ['X-Auth-*', 'X-Tenant'],
    headers: { 'X-Auth-Subject': 'sub', 'X-Name': 'name', Status: 'state', [LONG_NAME]: 'plan' },
  },
  credentials: ['authorization', { header: 'X-Access-Token' }, { query: 'token', only: ['websocket'] }],
  rateLimits: { few: { rate: '1/h', burst: 1, key: ['client'] } },
  routes: [
    { id: 'public', path: '/public/**', access: 'public' },
    { id: 'optional', path: '/optional/**', access: 'optional' },
    { id: 'private', path: '/private/**' },
    { id: 'scoped', path: '/scoped/**', require: { scopes: ['admin'] } },
    { id: 'api', path: '/api/**', resource: 'api' },
    { id: 'semicolon', path: '/matrix/**', access: 'public', pathAllow: ['semicolon'] },
    { id: 'slash', path: '/packages/:name', access: 'public', pathAllow: ['encodedSlash'] },
    { id: 'empty', path: '/s3/**', access: 'public', pathAllow: ['emptySegment'] },
    { id: 'exact', path: '/exact', access: 'public' },
    { id: 'folder', path: '/folder/', access: 'public' },
    { id: 'admin', path: '/public/admin/**' },
    { id: 'pages', path: '/pages/**', cors: { origins: ['https://app.example.com'] } },
    { id: 'few', path: '/few/**', access: 'public', rateLimits: ['few'] },
    { id: 'plan', path: '/plan/**', require: { when: 'request.headers["x-plan"] == "gold"' } },
    { id: 'of', path: '/of/**', require: { when: 'request.headers["plan-of"] == "team"' } },
    { id: 'passing', path: '/passing/**', access: 'public', passAuthorization: true },
  ],
  resources: { api: { url: 'https://app.example/' } },
}

/** Each forges something; whoever sees `evil` at the service has found a hole. */
const FORGED: ReadonlyArray<readonly string[]> = [
  ['X-Auth-Subject: evil', 'x-auth-subject: evil', 'X-AUTH-ROLES: ["evil"]'],
  ['X_Auth_Subject: evil', 'X-Auth_Subject: evil', 'x_tenant: evil'],
  ['X.Auth.Subject: evil', 'X-Auth~Subject: evil', 'X.Tenant: evil'],
  ['X-Auth-Admin: evil', 'X-Tenant: evil'],
  ['X-Auth-Scope: evil', 'X-Auth-Issuer: evil', 'X-Auth-Client: evil'],
  ['X-Original-URI: /public/evil', 'X-Original-Method: EVIL', 'X-Original-URL: /evil', 'X-Rewrite-URL: /evil'],
  ['X-Forwarded-Uri: /public/evil', 'X-Forwarded-Method: EVIL', 'X-Forwarded-Host: evil.example'],
  ['X_Original_URI: /public/evil', 'X_Forwarded_Uri: /evil', 'X.Forwarded.Uri: /evil', 'X.Original-Method: evil'],
  ['X-Forwarded-For: 6.6.6.6, evil', 'X-Forwarded-Proto: evil', 'Forwarded: for=evil', 'X-Real-IP: evil'],
  ['X-Access-Token: evil'],
  ['X-HTTP-Method-Override: EVIL', 'X-Forwarded-Prefix: /evil', 'X-Forwarded-Port: 666evil'],
  ['Connection: X-Auth-Subject, X-Forwarded-For', 'X-Auth-Subject: evil', 'Client-Cert: :evil:'],
]

const PLAIN = ['/public/a', '/optional/a', '/private/a', '/exact', '/public/a?b=/../c', '/packages/@a%2fb']
const TARGETS = [...new Set([...PLAIN, '/optional/../private/a', '/nowhere', ...ODD_TARGETS])]

describe.skipIf(WITHOUT_PROXIES).for(ASKING_KINDS)('behind %s', kind => {
  let stack: ProxiedStack
  let token = ''
  beforeAll(async () => {
    stack = await startProxiedStack(kind, CONFIG)
    token = await stack.issuer.mint({ scope: 'orders:read' })
  })
  afterAll(() => stack.close())

  const bearer = (): string => `Authorization: Bearer ${token}`
  const seenOf = (id: string) => stack.service.seen.filter(({ headers }) => headers['x-probe'] === id)

  test('60 odd paths and 12 forgeries show what was decided at the service, or nothing', async () => {
    const probes = TARGETS.flatMap((target, t) =>
      FORGED.map((forged, f) => ({ target, forged, withToken: PLAIN.includes(target) || (t + f) % 2 === 0 })),
    )
    const replies = await sendAll(
      stack.proxy.port,
      probes.map(
        ({ target, forged, withToken }, at): Sent => ({
          target,
          lines: [`X-Probe: ${at}`, ...(withToken ? [bearer()] : []), ...forged],
        }),
      ),
    )
    const expected: unknown[] = []
    const seen: unknown[] = []
    for (const [at, probe] of probes.entries()) {
      const status = replies[at]?.status
      const arrived = seenOf(String(at))
      if (arrived.length === 0) {
        // No answer of the service, and no failure of the proxy.
        expected.push({ probe, isRefused: true })
        seen.push({ probe, isRefused: status === undefined || (status >= 400 && status < 500) })
        continue
      }
      const [{ url, headers, rawHeaders }] = arrived as [SeenRequest]
      const decided = await stack.gateway.logged({ request_id: headers['x-request-id'] })
      const isJudged = ['private', 'optional', 'admin'].includes(String(decided.route))
      expected.push({
        probe,
        arrivals: 1,
        status: 200,
        code: 'ok',
        url: written(kind, probe.target),
        path: url.split('?')[0],
        host: headers.host,
        client: kind === 'envoy' ? decided.client : '127.0.0.1',
        subject: isJudged && probe.withToken ? 'alice' : undefined,
        token: undefined,
        forged: [],
      })
      seen.push({
        probe,
        arrivals: arrived.length,
        status,
        code: decided.code,
        url,
        path: decided.path,
        host: decided.host,
        client: decided.client,
        subject: headers['x-auth-subject'],
        token: headers.authorization,
        // A target may name another host than `Host` does, and which of them counts is up to the proxy.
        forged: rawHeaders.filter(value => value !== headers.host && /evil|6\.6\.6\.6/i.test(value)),
      })
    }
    expect(seen).toEqual(expected)
    const plain = probes.flatMap(({ target }, at) => (PLAIN.includes(target) ? [seenOf(String(at)).length] : []))
    expect(plain.filter(count => count === 1).length).toBeGreaterThan(PLAIN.length * (FORGED.length - 4))
    expect(probes.length).toBeGreaterThan(60 * 12)
  })

  const ask = async (sent: Sent): Promise<RawReply> => {
    const [reply] = await sendAll(stack.proxy.port, [sent])
    if (reply === undefined) throw new Error('no answer')
    return reply
  }

  test('a refusal has its status, its challenge and its code', async () => {
    const refused = await ask({ target: '/api/a', lines: ['X-Probe: refused'] })
    expect([refused.status, JSON.parse(refused.body)]).toMatchObject([401, { status: 401, code: 'token_missing' }])
    expect(refused.headers.get('www-authenticate')).toMatch(
      /^Bearer .*resource_metadata="https:\/\/app\.example\/\.well-known\/oauth-protected-resource"/,
    )
    expect(refused.head.match(/^www-authenticate:/gim)).toHaveLength(1)
    expect(JSON.parse(refused.body)).toMatchObject({ request_id: refused.headers.get('x-request-id') })
    const scoped = await ask({ target: '/scoped/a', lines: [bearer(), 'X-Probe: refused'] })
    expect([scoped.status, scoped.headers.get('www-authenticate')]).toEqual([
      403,
      expect.stringContaining('error="insufficient_scope"'),
    ])
    const unknown = await ask({ target: '/nowhere', lines: ['X-Probe: refused'] })
    expect([unknown.status, JSON.parse(unknown.body)]).toMatchObject([404, { status: 404, code: 'route_unknown' }])
    expect((await ask({ target: '/few/a', lines: [] })).status).toBe(200)
    const limited = await ask({ target: '/few/a', lines: ['X-Forwarded-For: 203.0.113.9', 'X-Probe: refused'] })
    expect([limited.status, JSON.parse(limited.body)]).toMatchObject([429, { code: 'rate_limited' }])
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(limited.headers.get('ratelimit')).toMatch(/few/)
    expect(seenOf('refused')).toEqual([])
  })

  test('a page gets its preflight answered, and may read what it asks for', async () => {
    const origin = 'Origin: https://app.example.com'
    const preflight = { method: 'OPTIONS', target: '/pages/a', lines: [origin, 'X-Probe: preflight'] }
    const wanted = 'Access-Control-Request-Method: PUT'
    const answered = await ask({ ...preflight, lines: [...preflight.lines, wanted] })
    expect([answered.status, answered.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'https://app.example.com',
    ])
    expect(answered.headers.get('access-control-allow-methods')).toContain('PUT')
    const foreign = await ask({ ...preflight, lines: ['Origin: https://evil.example', wanted, 'X-Probe: preflight'] })
    expect([foreign.status, foreign.headers.has('access-control-allow-origin')]).toEqual([403, false])
    expect(seenOf('preflight')).toEqual([])
    const page = await ask({ target: '/pages/a', lines: [origin, bearer()] })
    expect([page.status, page.headers.get('access-control-allow-origin')]).toEqual([200, 'https://app.example.com'])
    expect((await ask({ target: '/pages/a', lines: [origin] })).headers.get('access-control-allow-origin')).toBe(
      'https://app.example.com',
    )
  })

  test('a decision reads the header of a condition, and a header with a token', async () => {
    expect((await ask({ target: '/plan/a', lines: [bearer(), 'X-Plan: gold'] })).status).toBe(200)
    expect((await ask({ target: '/plan/a', lines: [bearer(), 'X-Plan: none'] })).status).toBe(403)
    // Some service would read the second as the first.
    const respelled = ['X-Probe: respelled', 'X-Plan: gold', 'X.Plan: evil']
    await ask({ target: '/plan/a', lines: [bearer(), ...respelled] })
    expect(JSON.stringify(seenOf('respelled'))).not.toContain('evil')
    await ask({ target: '/of/a', lines: [bearer(), 'X-Probe: other', 'Plan-Of: team', 'Plan.Of: evil'] })
    expect(JSON.stringify(seenOf('other'))).not.toContain('evil')
    const own = await ask({ target: '/private/a', lines: [`X-Access-Token: ${token}`, 'X-Probe: own'] })
    expect(own.status).toBe(200)
    expect(seenOf('own')).toMatchObject([{ headers: { 'x-auth-subject': 'alice' } }])
    expect(seenOf('own')[0]?.headers).not.toHaveProperty('x-access-token')
  })

  test('a token that nobody judges passes, and a body arrives', async () => {
    const lines = ['Authorization: Basic eDp5', 'X-Probe: passing', 'Content-Length: 5', '', 'hello']
    const reply = await sendRaw(stack.proxy.port, 'POST /passing/a', lines)
    expect(JSON.parse(reply.body)).toMatchObject({ bodyBytes: 5, headers: { authorization: 'Basic eDp5' } })
  })

  test('a connection becomes a WebSocket, and nothing in which requests come that nobody asks about', async () => {
    const socket = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13']
    const offers = [['h2c'], ['h2c, websocket'], ['h2c', 'WebSocket'], ['TLS/1.0'], ['WebSocket']]
    for (const [at, protocols] of offers.entries())
      await ask({
        target: '/public/a',
        lines: ['Connection: Upgrade', ...protocols.map(each => `Upgrade: ${each}`), ...socket, `X-Probe: offer-${at}`],
      }).catch(() => undefined)
    const upgrades = offers.map((_, at) => seenOf(`offer-${at}`).map(({ headers }) => headers.upgrade?.toLowerCase()))
    for (const seen of upgrades.flat()) expect([undefined, 'websocket']).toContain(seen)
    expect(upgrades.at(-1)).toEqual(['websocket'])
  })

  test('a handshake is judged as one', async () => {
    const target = `/private/a?token=${token}`
    const socket = ['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', 'X-Probe: handshake']
    expect((await ask({ target, lines: ['X-Probe: handshake'] })).status).toBe(401)
    await ask({ target, lines: ['Connection: Upgrade', 'Upgrade: websocket', ...socket] }).catch(() => undefined)
    expect(seenOf('handshake')).toMatchObject([{ headers: { 'x-auth-subject': 'alice' } }])
    // The next question goes over the same connection.
    expect((await ask({ target: '/private/a', lines: [bearer()] })).status).toBe(200)
  })

  test('a long token is judged, and what the gateway says of it arrives', async () => {
    const name = 'x'.repeat(7000)
    const long = await stack.issuer.mint({ name, plan: 'gold' })
    const reply = await ask({ target: '/private/a', lines: [`Authorization: Bearer ${long}`, 'X-Probe: long'] })
    expect([long.length > 8192, reply.status]).toEqual([true, 200])
    expect(seenOf('long')).toMatchObject([{ headers: { 'x-name': name, [LONG_NAME.toLowerCase()]: 'gold' } }])
  })

  test('the gateway answers its own paths itself', async () => {
    const own = await ask({ target: '/.well-known/oauth-protected-resource', lines: ['Origin: https://b.example'] })
    expect([own.status, JSON.parse(own.body)]).toMatchObject([200, { resource: 'https://app.example/' }])
    // Pages of all origins may read it, whatever a route says of its own.
    expect(own.headers.get('access-control-allow-origin')).toBe('*')
    expect(own.headers.get('x-request-id')).toMatch(/./)
  })

  test('nothing passes where the gateway is not there', async () => {
    await stack.gateway.close()
    const reply = await ask({ target: '/public/a', lines: ['X-Probe: gone'] })
    expect(reply.status).toBe(kind === 'caddy' ? 502 : 503)
    expect(seenOf('gone')).toEqual([])
  })

  test('nothing waits for ever where the gateway takes connections and says nothing', async () => {
    const hanging = new Set<Socket>()
    const silent = createServer(socket => void hanging.add(socket.on('error', () => {})))
    await once(silent.listen(stack.decidePort, '127.0.0.1'), 'listening')
    const port = await freePort()
    const printed = await printedSnippet(kind, stack.file, port)
    expect(printed).toMatch(/10s/)
    const impatient = await startAskingProxy(kind, printed.replace(/\b10s/, kind === 'envoy' ? '0.3s' : '300ms'), port)
    try {
      const [reply] = await sendAll(port, [{ target: '/public/a', lines: ['X-Probe: silent'] }])
      expect(reply?.status).toBeGreaterThanOrEqual(500)
      expect(seenOf('silent')).toEqual([])
    } finally {
      await impatient.stop()
      for (const socket of hanging) socket.destroy()
      silent.close()
    }
  })
})

describe.skipIf(WITHOUT_PROXIES).for(ASKING_KINDS)('behind %s, which asks by a Unix socket', kind => {
  let stack: ProxiedStack
  let folder = ''
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-asked-'))
    stack = await startProxiedStack(kind, {
      ...CONFIG,
      decide: { listen: `unix:${join(folder, 'decide.sock')}`, caller: kind },
    })
  })
  afterAll(async () => {
    await stack.close()
    rmSync(folder, { recursive: true })
  })

  test('a request is judged, and its service told who is calling', async () => {
    const authorization = `Authorization: Bearer ${await stack.issuer.mint()}`
    const replies = await sendAll(stack.proxy.port, [
      { target: '/private/a', lines: ['X-Probe: socket'] },
      { target: '/private/a', lines: ['X-Probe: socket', authorization] },
    ])
    expect(replies.map(reply => reply?.status)).toEqual([401, 200])
    const seen = stack.service.seen.filter(({ headers }) => headers['x-probe'] === 'socket')
    expect(seen).toMatchObject([{ headers: { 'x-auth-subject': 'alice' } }])
  })
})

/** Caddy asks about, and forwards, what it has escaped. */
function written(kind: AskingKind, target: string): string {
  const path = target.replace(/^\w+:\/\/[^/]*/, '')
  return kind === 'caddy' ? path.replaceAll(/[#|`]/g, each => encodeURIComponent(each)) : path
}
