/** The audit log as an auditor reads it: who was let in or refused, on real files, full disks and rotations. */
import { mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { bearer, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'

type AuditRecord = Readonly<Record<string, unknown>>

const MARKER = `m4rk3r${Math.random().toString(36).slice(2)}`
const TRACE_ID = 'ab'.repeat(16)
const SOON = { timeout: 10_000, interval: 20 }

let folder: string
let stack: TestStack
/** Writes to a device that is always full. */
let full: TestStack
const at = (name: string): string => join(folder, name)

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-audit-'))
  stack = await startTestStack(
    (issuer, upstream) => ({
      providers: { main: { ...testProvider(issuer), maxLifetime: '2h' } },
      listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
      log: { level: 'error', access: 'off' },
      audit: { file: at('audit.jsonl') },
      upstreams: { app: upstream.url, away: 'http://127.0.0.1:1' },
      revocation: { api: { tokenFile: 'secret' } },
      routes: [
        { id: 'orders', path: '/orders/**', upstream: 'app', require: { scopes: ['orders:read'] } },
        { id: 'report', path: '/report/**', upstream: 'app', mode: 'report', require: { scopes: ['report:read'] } },
        { id: 'public', path: '/public/**', upstream: 'app', access: 'public' },
        { id: 'pages', path: '/pages/**', upstream: 'app', access: 'public', cors: { origins: ['https://a.example'] } },
        { id: 'away', path: '/away/**', upstream: 'away', access: 'public' },
      ],
    }),
    { files: { secret: SECRET } },
  )
  full = await startTestStack({ audit: { file: '/dev/full', onFull: 'refuse' } })
})
afterAll(async () => {
  await Promise.all([stack.close(), full.close()])
  rmSync(folder, { recursive: true, force: true })
})

const SECRET = 'a-secret-of-at-least-thirty-two-bytes'

function records(file = at('audit.jsonl')): readonly AuditRecord[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line) as AuditRecord)
}

/** The records of a request, once there is one. */
async function recordsOf(requestId: string, count = 1): Promise<readonly AuditRecord[]> {
  const found = (): readonly AuditRecord[] => records().filter(each => each.request_id === requestId)
  await expect.poll(() => found().length, SOON).toBeGreaterThanOrEqual(count)
  return found()
}

describe('a decision leaves one record', () => {
  test('with who it was, where, and on whose behalf', async () => {
    const token = await stack.issuer.mint({ scope: 'orders:read', jti: 'token-1', azp: 'shop' })
    const reply = await stack.request('/orders/17?page=2', {
      headers: {
        ...bearer(token),
        'x-forwarded-for': '203.0.113.9',
        traceparent: `00-${TRACE_ID}-${'cd'.repeat(8)}-01`,
      },
    })
    const [record, ...more] = await recordsOf(String(reply.headers['x-request-id']))
    expect(more).toEqual([])
    expect(record).toEqual({
      type: 'audit',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      request_id: reply.headers['x-request-id'],
      trace_id: TRACE_ID,
      decision: 'allow',
      code: 'ok',
      route: 'orders',
      method: 'GET',
      host: new URL(stack.url).host,
      path: '/orders/17',
      client: '203.0.113.9',
      provider: 'main',
      iss: stack.issuer.issuer,
      sub: 'alice',
      client_id: 'shop',
      jti: 'token-1',
    })
  })

  test.each<[string, string, Record<string, string>, AuditRecord]>([
    ['a refusal', '/orders/1', {}, { decision: 'deny', code: 'token_missing', status: 401, route: 'orders' }],
    ['no route', '/nowhere', {}, { decision: 'deny', code: 'route_unknown', status: 404, path: '/nowhere' }],
    ['a reported one', '/report/1', {}, { decision: 'report', code: 'token_missing', route: 'report' }],
    ['a public route', '/public/1', {}, { decision: 'allow', code: 'ok', route: 'public' }],
    ['a service that is away', '/away/1', {}, { decision: 'allow', code: 'ok', route: 'away' }],
  ])('%s', async (_name, path, headers, expected) => {
    const reply = await stack.request(path, { headers })
    const found = await recordsOf(String(reply.headers['x-request-id']))
    expect(found).toEqual([expect.objectContaining(expected)])
  })

  test('a caller who is known and refused, with the reason', async () => {
    const reply = await stack.request('/orders/1', { headers: bearer(await stack.issuer.mint({ scope: 'other' })) })
    const [record] = await recordsOf(String(reply.headers['x-request-id']))
    expect(record).toMatchObject({
      decision: 'deny',
      code: 'scope_missing',
      status: 403,
      sub: 'alice',
      provider: 'main',
    })
    expect(record?.evidence).toBeDefined()
  })

  test('a preflight that the gateway answers, and one that it refuses', async () => {
    const preflight = (origin: string) =>
      stack.request('/pages/1', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET' } })
    const answered = await preflight('https://a.example')
    const refused = await preflight('https://b.example')
    expect(await recordsOf(String(answered.headers['x-request-id']))).toMatchObject([
      { decision: 'allow', status: 204 },
    ])
    expect(await recordsOf(String(refused.headers['x-request-id']))).toMatchObject([
      { code: 'cors_refused', status: 403 },
    ])
  })

  test('bytes that are no request, and a body that breaks after the request was let through', async () => {
    const answer = await stack.raw('GARBAGE\r\n\r\n')
    const id = /x-request-id: (\S+)/i.exec(answer)?.[1] ?? ''
    expect(await recordsOf(id)).toMatchObject([
      { decision: 'deny', code: 'request_malformed', status: 400, client: '127.0.0.1' },
    ])
    const id2 = `broken-${MARKER.slice(6)}`
    await stack.raw(
      `POST /public/1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id2}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n`,
    )
    expect(await recordsOf(id2)).toMatchObject([{ decision: 'allow', method: 'POST' }])
  })

  test('a stream that is ended for a revoked token leaves a second one', async () => {
    const token = await stack.issuer.mint({ scope: 'orders:read', jti: 'to-revoke' })
    const id = `stream-${MARKER.slice(6)}`
    const answered = stack.raw(
      `POST /orders/slow HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${id}\r\nAuthorization: Bearer ${token}\r\nContent-Length: 10\r\n\r\nhello`,
    )
    expect(await recordsOf(id)).toMatchObject([{ decision: 'allow' }])
    const revoked = await stack.admin('/-/revocations', {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
      body: JSON.stringify({ issuer: stack.issuer.issuer, jti: 'to-revoke' }),
    })
    expect(revoked.status).toBeLessThan(300)
    await answered
    const [, ending, ...more] = await recordsOf(id, 2)
    expect(ending).toMatchObject({ event: 'stream_end', decision: 'deny', code: 'revoked', jti: 'to-revoke' })
    expect(more).toEqual([])
  })
})

test('no secret is in any record', async () => {
  const token = await stack.issuer.mint({ scope: 'orders:read', note: MARKER }, { header: { 'x-note': MARKER } })
  const [header = '', payload = '', signature = ''] = token.split('.')
  const targets = [
    `/orders/1?access_token=${token}`,
    `/orders/${token}`,
    `/orders/a%23${token}`,
    `http://${MARKER}:${MARKER}@a/orders/1`,
    `/orders/a/../${token}`,
  ]
  const secret = `Cookie: session=${MARKER}\r\nX-Api-Key: ${MARKER}\r\nProxy-Authorization: Basic ${MARKER}`
  const last = `last-${Math.random().toString(36).slice(2)}`
  for (const target of targets)
    for (const credential of [token, `${header}.${payload}.${MARKER}`, MARKER, `${header}.${payload}`])
      await stack.raw(
        `GET ${target} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${credential}\r\n${secret}\r\nConnection: close\r\n\r\n`,
      )
  const short = `${header.slice(0, 40)}.${payload.slice(0, 40)}.${MARKER}`
  await stack.raw(`GET /orders/1 HTTP/1.1\r\nHost: ${short}\r\nX-Request-Id: ${short}\r\nConnection: close\r\n\r\n`)
  await stack.raw(`${MARKER} / HTTP/1.1\r\n\r\n`)
  await stack.raw(`GET / HTTP/1.1\r\n${MARKER}\r\n\r\n`)
  await stack.raw(`GET /public/1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${last}\r\nConnection: close\r\n\r\n`)
  await recordsOf(last)
  const text = readFileSync(at('audit.jsonl'), 'utf8')
  expect(text).not.toContain('eyJ')
  for (const each of [MARKER, header.slice(0, -2), payload.slice(0, -2), signature.slice(0, -8)])
    expect(text).not.toContain(each)
})

test('a file that was renamed or removed is followed by a new one, which nobody else may read', async () => {
  for (const leave of [() => renameSync(at('audit.jsonl'), at('audit.1')), () => rmSync(at('audit.jsonl'))]) {
    leave()
    const replies: string[] = []
    await expect
      .poll(async () => {
        replies.push(String((await stack.request('/public/1')).headers['x-request-id']))
        return statSync(at('audit.jsonl'), { throwIfNoEntry: false })?.size ?? 0
      }, SOON)
      .toBeGreaterThan(0)
    expect(statSync(at('audit.jsonl')).mode & 0o777).toBe(0o600)
    expect(records().every(({ decision }) => decision === 'allow')).toBe(true)
  }
})

test('the status and the metrics tell how it is doing', async () => {
  const { audit } = (await stack.admin('/-/status')).json()
  expect(audit).toMatchObject({ file: at('audit.jsonl'), state: 'ok' })
  const metrics = await stack.metrics()
  expect(metrics.get('sallyport_audit_up')).toBe(1)
  expect(metrics.get('sallyport_audit_records_total{result="dropped"}')).toBe(0)
})

describe('on a disk that is full, `onFull: refuse`', () => {
  test('refuses whatever would pass, before anything reaches the service, and leaves refusals as they are', async () => {
    const token = await full.issuer.mint({ scope: 'orders:read' })
    const orders = () => full.request('/orders/1', { headers: bearer(token) })
    // Those of the first moment pass, since nobody knows yet.
    await expect.poll(async () => (await orders()).status, SOON).toBe(503)
    const before = full.upstream.seen.length
    for (const reply of [await orders(), await full.request('/public/1'), await full.request('/report/1')]) {
      expect(reply.status).toBe(503)
      expect(reply.json()).toMatchObject({ code: 'audit_unavailable' })
      expect(reply.headers['retry-after']).toBe('5')
    }
    expect((await full.request('/orders/1')).status).toBe(401)
    expect((await full.request('/nowhere')).status).toBe(404)
    expect(full.upstream.seen.length).toBe(before)
  })

  test('and says so once in the log, in the status and in the metrics', async () => {
    const line = await full.logged({ msg: 'audit records cannot be written' })
    expect(line).toMatchObject({ file: '/dev/full', reason: 'there is no space left (ENOSPC)', level: 'error' })
    expect((await full.admin('/-/status')).json().audit).toMatchObject({
      state: 'failing',
      last_error: 'there is no space left (ENOSPC)',
    })
    expect((await full.metrics()).get('sallyport_audit_up')).toBe(0)
    expect(full.logs.filter(({ msg }) => msg === 'audit records cannot be written')).toHaveLength(1)
  })
})

describe('a reload', () => {
  const base = (): Record<string, unknown> => ({
    listen: '127.0.0.1:0',
    upstreams: { app: small.upstream.url },
    routes: [{ id: 'public', path: '/**', access: 'public' }],
  })
  let small: TestStack
  beforeAll(async () => {
    small = await startTestStack((_issuer, upstream) => ({
      upstreams: { app: upstream.url },
      routes: [{ id: 'public', path: '/**', access: 'public' }],
    }))
  })
  afterAll(() => small.close())

  async function reloaded(audit: Record<string, unknown> | undefined): Promise<void> {
    small.write(
      'sallyport.yaml',
      stringify({
        ...base(),
        admin: { listen: '127.0.0.1:0' },
        providers: { main: testProvider(small.issuer) },
        ...(audit && { audit }),
      }),
    )
    await small.running.reload()
  }

  async function recordOf(file: string): Promise<AuditRecord | undefined> {
    const { headers } = await small.request('/a')
    const found = () => records(file).find(each => each.request_id === headers['x-request-id'])
    await expect.poll(found, SOON).toBeDefined()
    return found()
  }

  test('adds it, changes where it goes, and removes it', async () => {
    expect((await small.admin('/-/status')).json()).not.toHaveProperty('audit')
    await reloaded({ file: at('one.jsonl') })
    expect(await recordOf(at('one.jsonl'))).toMatchObject({ decision: 'allow' })
    await reloaded({ file: at('two.jsonl') })
    expect(await recordOf(at('two.jsonl'))).toMatchObject({ decision: 'allow' })
    const before = records(at('two.jsonl')).length
    await reloaded({ file: at('two.jsonl'), what: 'denied' })
    await small.request('/a')
    await small.raw('GET /a HTTP/1.1\r\n\r\n')
    await expect.poll(() => records(at('two.jsonl')).slice(before), SOON).toMatchObject([{ code: 'host_invalid' }])
    await reloaded(undefined)
    expect((await small.metrics()).has('sallyport_audit_up')).toBe(false)
    await small.request('/a')
    expect((await small.admin('/-/status')).json()).not.toHaveProperty('audit')
    expect(records(at('two.jsonl'))).toHaveLength(before + 1)
  })

  test('with `onFull: drop` requests pass on a disk that is full, and so do those that need no record', async () => {
    await reloaded({ file: '/dev/full' })
    await small.request('/a')
    await expect.poll(async () => (await small.metrics()).get('sallyport_audit_up'), SOON).toBe(0)
    expect((await small.request('/a')).status).toBe(200)
    await reloaded({ file: '/dev/full', onFull: 'refuse' })
    expect((await small.request('/a')).status).toBe(503)
    await reloaded({ file: '/dev/full', onFull: 'refuse', what: 'denied' })
    expect((await small.request('/a')).status).toBe(200)
  })

  test('with a file that cannot be written is rejected as a whole, with the line and what to do', async () => {
    await reloaded({ file: at('one.jsonl') })
    await reloaded({ file: at('missing/audit.jsonl'), onFull: 'refuse' })
    const { problems } = await small.logged({ msg: 'configuration rejected, the old one stays' })
    expect(problems).toEqual([
      expect.stringMatching(
        /^\d+:9 audit\.file: is in a folder that cannot be written: .*\(ENOENT\); make the folder$/,
      ),
    ])
    expect(await recordOf(at('one.jsonl'))).toMatchObject({ decision: 'allow' })
  })
})
