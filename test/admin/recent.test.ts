/** What a gateway remembers of refusals, to whom it tells that, and the command that decides them once more. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { get, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RecentAnswer, RecentPart, RecentRefusal } from '../../src/admin/recent.ts'
import { recentConsole } from '../../src/admin/recent-routes.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { atEnd } from '../support/at-end.ts'
import { runCommand } from '../support/gateway/command.ts'
import { bearer, exchangeBytes, startTestStack, type TestStack } from '../support/gateway/gateway.ts'
import { manualTime } from '../support/manual-time.ts'
import { AUDIENCE } from '../support/services/issuer.ts'
import { startTestUpstream } from '../support/services/upstream.ts'
import { folder } from '../tools/support.ts'

const RECENT = 12
const FOREIGN = Object.values(networkInterfaces())
  .flatMap(each => each ?? [])
  .filter(({ internal, family }) => !internal && family === 'IPv4')
  .map(({ address }) => address)

const files = folder()
let stack: TestStack
let port: number
beforeAll(async () => {
  stack = await startTestStack(
    { admin: { listen: '0.0.0.0:0', console: { recent: RECENT } }, limits: { requests: 2 } },
    {
      upstream: await startTestUpstream((request, response) => {
        if (request.url === '/report/broken') response.destroy()
        else if (request.url?.startsWith('/public/held') !== true) response.end('{}')
        else held.push(response)
      }),
    },
  )
  port = Number(new URL(stack.adminUrl).port)
  await stack.logged({ provider: 'main', to: 'fresh' })
})
afterAll(() => stack.close())
const held: ServerResponse[] = []

let asked = 0
/** Sends a request that will be refused or reported, and waits until that is written down. @returns its id */
async function refused(path: string, init: Parameters<TestStack['request']>[1] = {}): Promise<string> {
  const id = `request-${++asked}`
  await stack.request(path, { ...init, headers: { ...init?.headers, 'x-request-id': id } })
  await stack.logged({ request_id: id })
  return id
}

async function recent(query = '', from = stack): Promise<RecentAnswer> {
  const { status, text } = await from.admin(`/-/recent${query}`)
  expect(status).toBe(200)
  return JSON.parse(text) as RecentAnswer
}

async function recordOf(id: string): Promise<RecentRefusal> {
  const { records } = await recent(`?request=${id}`)
  expect(records).toHaveLength(1)
  return records[0] as RecentRefusal
}

describe('a record', () => {
  test('is made of what a report-only route would have refused, also when the request then fails', async () => {
    const id = await refused('/report/broken', { method: 'POST', headers: bearer(await stack.issuer.mint()) })
    const { records } = await recent(`?request=${id}`)
    expect(records.map(({ decision, code, status }) => [decision, code, status])).toEqual([
      ['report', 'scope_missing', 502],
      ['deny', 'upstream_unreachable', 502],
    ])
  })

  test('names the trace and the address that the log line names, also of a request that is only reported', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    for (const path of ['/orders/1', '/report/1']) {
      const id = await refused(path, { headers: { traceparent, 'x-forwarded-for': '203.0.113.9' } })
      const { trace_id, client } = await recordOf(id)
      expect([trace_id, client]).toEqual(['4bf92f3577b34da6a3ce929d0e0e4736', '127.0.0.1'])
      expect(await stack.logged({ request_id: id })).toMatchObject({ trace_id, client })
    }
  })

  test('says what was asked, decided, wanted and seen, names the caller by a hash, and holds no token', async () => {
    const token = await stack.issuer.mint({ scope: 'orders:read' })
    const id = await refused('/orders/17?secret=1', { method: 'DELETE', headers: bearer(token) })
    const record = await recordOf(id)
    expect(record).toEqual({
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      request_id: id,
      decision: 'deny',
      code: 'scope_missing',
      status: 403,
      method: 'DELETE',
      host: new URL(stack.url).host,
      path: '/orders/17',
      route: 'orders-write',
      provider: 'main',
      subject: expect.stringMatching(/^[0-9a-f]{12}$/),
      client: '127.0.0.1',
      evidence: { requirement: 'scopes', missing: ['orders:write'] },
      explain: 'sallyport explain DELETE /orders/17 --token @token.txt',
    })
    const other = await recordOf(await refused('/report/1', { headers: bearer(token) }))
    expect(other).toMatchObject({ decision: 'report', code: 'scope_missing', status: 200, subject: record.subject })
  })

  test('has no query and nothing that looks like a token, and a long path is cut', async () => {
    const token = await stack.issuer.mint()
    expect(await recordOf(await refused(`/private/${token}?t=${token}`))).toMatchObject({ path: '/private/[redacted]' })
    const { path, explain } = await recordOf(await refused(`/private/${'x'.repeat(4000)}?a`))
    expect(path).toMatch(/^\/private\/x{400,512}…$/)
    expect(explain).toBeUndefined()
    expect((await stack.admin('/-/recent')).text).not.toContain(token.slice(0, 40))
  })

  test.each(['hash', 'plain', 'none'] as const)(
    'names callers by `subjects: %s`, in the evidence, too',
    async subjects => {
      const other = await startTestStack(({ issuer, jwksUri }) => ({
        admin: { listen: '127.0.0.1:0', console: { subjects } },
        providers: { main: { type: 'jwt', issuer, audiences: [AUDIENCE], keys: { jwksUri } } },
        dpop: { baseUrls: ['http://localhost'] },
      }))
      atEnd(other.close)
      await other.logged({ provider: 'main', to: 'fresh' })
      const bound = await other.issuer.mint({ sub: 'marked-alice', cnf: { jkt: 'x'.repeat(43) } })
      for (const token of [await other.issuer.mint({ sub: 'marked-alice' }), bound])
        await other.request('/orders/1', { headers: bearer(token) })
      const { records } = await recent('', other)
      expect(records.map(({ code }) => code)).toEqual(['scope_missing', 'proof_required'])
      const expected = { hash: expect.stringMatching(/^[0-9a-f]{12}$/), plain: 'marked-alice', none: undefined }
      for (const { subject, evidence } of records) {
        expect(subject).toEqual(expected[subjects])
        expect(JSON.stringify(evidence ?? {})).not.toContain('marked')
      }
      expect(records[0]?.subject).toBe(records[1]?.subject)
    },
  )

  test('is made of bytes that are no request, too', async () => {
    await stack.raw('NONSENSE\r\n\r\n')
    const { records } = await recent()
    expect(records.at(-1)).toMatchObject({ code: 'request_malformed', method: '', path: '' })
    expect(records.at(-1)).not.toHaveProperty('explain')
  })
})

describe('the memory', () => {
  test('keeps what is rare when one code comes in a flood', async () => {
    const rare = await refused('/nowhere')
    const token = bearer(await stack.issuer.mint())
    for (let sent = 0; sent < 3 * RECENT; sent++) await refused('/orders/1', { headers: token })
    const { records } = await recent()
    expect(records).toHaveLength(RECENT)
    expect(records.map(({ request_id }) => request_id)).toContain(rare)
    expect(records.at(-1)).toMatchObject({ code: 'scope_missing', request_id: `request-${asked}` })
  })

  test('keeps one a second of requests that are shed', async () => {
    const waiting = [stack.request('/public/held/1'), stack.request('/public/held/2')]
    while (held.length < 2) await new Promise(resolve => setTimeout(resolve, 5))
    const shed = await Promise.all(Array.from({ length: 6 }, () => stack.request('/public/1')))
    expect(new Set(shed.map(({ status }) => status))).toEqual(new Set([503]))
    for (const response of held.splice(0)) response.end()
    await Promise.all(waiting)
    const { records } = await recent()
    const kept = records.filter(({ code }) => code === 'overloaded').length
    expect(kept).toBeGreaterThan(0)
    expect(kept).toBeLessThan(6)
  })

  test('is told on from a cursor, once each', async () => {
    const { next } = await recent()
    expect(await recent(`?after=${next}`)).toEqual({ records: [], next })
    const ids = [await refused('/orders/1'), await refused('/orders/2')]
    const more = await recent(`?after=${next}`)
    expect(more.records.map(({ request_id }) => request_id)).toEqual(ids)
    expect((await recent(`?after=${more.next}`)).records).toEqual([])
    for (const unreadable of ['x', '..', `${next}.1`, '%00'])
      expect((await recent(`?after=${unreadable}`)).records.length).toBeGreaterThan(2)
    // A cursor of a gateway that is not there any more: everything is new.
    expect((await recent('?after=00000000.5')).records.length).toBeGreaterThan(2)
  })
})

describe('who may look', () => {
  const LOCAL = 'Host: localhost'
  const raw = (lines: readonly string[], to = port): Promise<string> =>
    exchangeBytes(to, `${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`)

  test('is this machine: others are told how to come from here', async () => {
    for (const address of FOREIGN) {
      for (const path of ['/-/recent', '/-/live']) {
        const reply = await fetch(`http://${address}:${port}${path}`)
        expect(reply.status).toBe(403)
        const text = await reply.text()
        expect(text).toContain('kubectl port-forward')
        expect(text).not.toContain('request_id')
      }
      expect((await fetch(`http://${address}:${port}/livez`)).status).toBe(200)
    }
  })

  test.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['::1', true],
    ['::ffff:127.0.0.1', true],
    ['192.0.2.7', true],
    ['::ffff:192.0.2.7', true],
    ['192.0.3.7', false],
    ['::ffff:10.0.0.1', false],
    ['fe80::1%eth0', false],
    ['2001:db8::1', true],
    ['2001:db9::1', false],
    [undefined, false],
  ])('from %s: %s, where two networks are listed', (remoteAddress, may) => {
    const shown = recentConsole({ from: ['192.0.2.0/24', '2001:db8::/32'], scheduler: manualTime(), parts: () => [] })
    const server = { server: { address: () => ({ address: '::', port: 9090 }) } }
    expect(shown.maySee({ socket: { remoteAddress }, server } as unknown as Parameters<typeof shown.maySee>[0])).toBe(
      may,
    )
  })

  test('is whoever reaches a Unix socket, and whoever is listed', async () => {
    const path = join(files.path, 'admin.sock')
    const other = await startTestStack({ admin: { listen: `unix:${path}`, console: {} } })
    atEnd(other.close)
    const [response] = (await once(
      get({ socketPath: path, path: '/-/recent', headers: { host: 'localhost' } }),
      'response',
    )) as [IncomingMessage]
    expect(response.statusCode).toBe(200)
    response.destroy()
    for (const address of FOREIGN) {
      const listed = await startTestStack({ admin: { listen: '0.0.0.0:0', console: { from: [address] } } })
      atEnd(listed.close)
      const { port: its } = new URL(listed.adminUrl)
      expect((await fetch(`http://${address}:${its}/-/recent`)).status).toBe(200)
    }
  })

  test('is no page of another origin, by whatever name, and nobody may keep, frame or change anything', async () => {
    for (const path of ['/-/recent', '/-/live']) {
      expect(await raw([`GET ${path} HTTP/1.1`, 'Host: evil.example'])).toMatch(/^HTTP\/1\.1 400 /)
      expect(await raw([`GET ${path} HTTP/1.1`, LOCAL, 'Origin: http://evil.example'])).toMatch(/^HTTP\/1\.1 400 /)
      expect(await raw([`GET ${path} HTTP/1.0`])).toMatch(/^HTTP\/1\.1 400 /)
      expect(await raw([`POST ${path} HTTP/1.1`, LOCAL])).toMatch(/^HTTP\/1\.1 405 /)
      expect(await raw([`GET ${path}/ HTTP/1.1`, LOCAL])).toMatch(/^HTTP\/1\.1 404 /)
    }
    const { headers } = await stack.admin('/-/recent')
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'content-type': 'application/json; charset=utf-8',
    })
    expect(headers).not.toHaveProperty('access-control-allow-origin')
  })

  test('is nobody without `admin.console`', async () => {
    const without = await startTestStack()
    atEnd(without.close)
    await without.request('/orders/1')
    for (const path of ['/-/recent', '/-/live']) expect((await without.admin(path)).status).toBe(404)
    expect((await without.admin('/')).text).not.toContain('/-/recent')
  })
})

describe('the live stream', () => {
  /** Reads events until there are so many. */
  async function events(count: number, { query = '', lastId }: { query?: string; lastId?: string } = {}) {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId }
    const [response] = (await once(get(`${stack.adminUrl}/-/live${query}`, { headers }), 'response')) as [
      IncomingMessage,
    ]
    expect(response.headers['content-type']).toBe('text/event-stream')
    let text = ''
    for await (const piece of response) {
      text += String(piece)
      if (text.split('event: refusal\n').length > count) break
    }
    return [...text.matchAll(/event: refusal\nid: (\S+)\ndata: (.*)\n\n/g)].map(([, id = '', data = '']) => ({
      id,
      refusal: JSON.parse(data) as RecentRefusal,
    }))
  }

  test('tells what is refused from a cursor on, and goes on where its reader has read', async () => {
    const { next } = await recent()
    const ids = [await refused('/orders/1'), await refused('/orders/2'), await refused('/orders/3')]
    const [first] = await events(1, { query: `?after=${next}` })
    expect(first?.refusal.request_id).toBe(ids[0])
    const rest = await events(2, { query: `?after=${next}`, lastId: first?.id ?? '' })
    expect(rest.map(({ refusal }) => refusal.request_id)).toEqual(ids.slice(1))
  })

  test('is there for eight readers, and ends with the gateway', async () => {
    const other = await startTestStack({ admin: { listen: '127.0.0.1:0', console: {} } })
    const open = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const [response] = (await once(get(`${other.adminUrl}/-/live`), 'response')) as [IncomingMessage]
        return response.on('error', () => {}).resume()
      }),
    )
    expect((await other.admin('/-/live')).status).toBe(503)
    const closed = open.map(response => new Promise(resolve => response.once('close', resolve)))
    open[0]?.destroy()
    await closed[0]
    await other.close()
    await Promise.all(closed)
  })

  test('lets go of a reader that takes nothing, and gathers nothing for it', async () => {
    const time = manualTime()
    let number = 0
    const parts = (): readonly RecentPart[] => [
      {
        source: '00000001',
        last: number + 200,
        records: Array.from({ length: 200 }, () => ({ number: ++number, refusal: LARGE })),
      },
    ]
    const app = Fastify()
    recentConsole({ from: [], scheduler: time, parts }).serve(app)
    await app.listen({ port: 0, host: '127.0.0.1' })
    const socket = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
    socket.on('error', () => {}).write('GET /-/live HTTP/1.1\r\nHost: localhost\r\n\r\n')
    const gone = once(app.server, 'connection').then(([theirs]) => once(theirs as IncomingMessage, 'close'))
    while (time.pendingMs().length === 0) await new Promise(resolve => setTimeout(resolve, 5))
    const settle = () => new Promise<void>(resolve => setTimeout(resolve, 2))
    for (let looks = 0; looks < 60 && time.pendingMs().length > 0; looks++) await time.advance(500, settle)
    await gone
    // Nobody has asked for more than the system’s buffers hold.
    expect(number).toBeLessThan(200 * 25)
    socket.destroy()
    await app.close()
  })

  const LARGE: RecentRefusal = {
    time: '2026-01-01T00:00:00.000Z',
    request_id: 'x',
    decision: 'deny',
    code: 'token_missing',
    method: 'GET',
    host: 'localhost',
    path: `/${'x'.repeat(3000)}`,
  }
})

describe('the line to paste', () => {
  test('runs in a shell as one command, and gives the same code, whatever a stranger has asked for', async () => {
    const { issuer, jwksUri } = stack.issuer
    const config = files.write(
      'sallyport.yaml',
      JSON.stringify({
        listen: '127.0.0.1:8080',
        providers: { main: { type: 'jwt', issuer, audiences: [AUDIENCE], keys: { jwksUri } } },
        upstreams: { app: 'http://127.0.0.1:3000' },
        routes: [
          { id: 'private', path: '/private/**' },
          {
            id: 'orders-write',
            path: '/orders/:id',
            methods: ['PUT', 'DELETE'],
            require: { scopes: ['orders:write'] },
          },
        ],
      }),
    )
    const tokens = {
      scope_missing: await stack.issuer.mint(),
      token_expired: await stack.issuer.mint({ exp: 1_000_000 }),
      audience_mismatch: await stack.issuer.mint({ aud: 'other' }),
    }
    const cases: ReadonlyArray<readonly [string, string, Record<string, string>?]> = [
      ['GET', "/private/'$(touch$IFS.owned)'`id`;id|id&&id>x"],
      ['GET', '/private/!!~*?x=1'],
      ['GET', "/nowhere/'--claims='{}", { host: 'orders.example:8443' }],
      ['DELETE', '/orders/--token=@x', bearer(tokens.scope_missing)],
      ['GET', '/private/1', bearer(tokens.token_expired)],
      ['GET', '/private/1', bearer(tokens.audience_mismatch)],
    ]
    for (const [method, path, headers = {}] of cases) {
      const id = `shell-${++asked}`
      const lines = Object.entries({ host: 'localhost', ...headers, 'x-request-id': id })
      await stack.raw(
        `${method} ${path} HTTP/1.1\r\n${lines.map(line => line.join(': ')).join('\r\n')}\r\n\r\n`,
        /\r\n\r\n/,
      )
      await stack.logged({ request_id: id })
      const { code, explain = '' } = await recordOf(id)
      // The word of fish for a quote begins with a backslash, within quotes, too.
      expect(explain).toMatch(/^sallyport explain [\x20-\x5b\x5d-\x7e]+$/)
      expect(explain).not.toMatch(/eyJ/)
      // The shell is real; what it starts prints the words that it was given, and nothing else is printed.
      const printed = execFileSync('/bin/sh', ['-c', `sallyport() { printf '%s\\0' "$@"; }\n${explain}`], {
        encoding: 'utf8',
        cwd: files.path,
      })
      const [command, ...args] = printed.split('\0').slice(0, -1)
      expect(command).toBe('explain')
      const file = files.write('token.txt', headers.authorization?.slice('Bearer '.length) ?? '')
      const filledIn = args.map(arg => (arg === '@token.txt' ? `@${file}` : arg))
      const { stdout, stderr } = await runCommand(explainCommand, [...filledIn, '-c', config, '--json'])
      expect(stderr).toBe('')
      expect(JSON.parse(stdout), explain).toMatchObject({ decision: code })
    }
  })

  test('is not there for what a terminal would not show as it is, and where it would not be decided alike', async () => {
    const heads = [
      'GET /private/\x1b[2J HTTP/1.1\r\nHost: localhost',
      'GET /private/\u00e9\u009b2J HTTP/1.1\r\nHost: localhost',
      "GET /private/1 HTTP/1.1\r\nHost: x'$(id)`id`",
      "GET /private/\\';touch$IFS.owned;' HTTP/1.1\r\nHost: localhost",
    ]
    const { next } = await recent()
    for (const head of heads) await stack.raw(`${head}\r\nConnection: close\r\n\r\n`)
    const { records } = await recent(`?after=${next}`)
    expect(new Set(records.map(({ code }) => code))).toEqual(
      new Set(['request_malformed', 'host_invalid', 'path_invalid']),
    )
    for (const record of records) {
      expect(JSON.stringify(record)).toMatch(/^[\x20-\x7e]*$/)
      expect(record).not.toHaveProperty('explain')
    }
  })

  test('is not there where the host is a token, which is shown nowhere', async () => {
    const token = (await stack.issuer.mint()).slice(0, 200)
    const { code, host, explain } = await recordOf(await refused('/nowhere', { headers: { host: token } }))
    expect([code, host, explain]).toEqual(['route_unknown', '[redacted]', undefined])
  })
})
