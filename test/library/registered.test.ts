/** What the guard is to the application that registers it: its errors, its log, its reload, and what it has to say. */
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Fastify from 'fastify'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { parse } from 'yaml'
import sallyport, { ConfigError, decide, loadPolicy } from '../../src/library/index.ts'
import { bearer, testProvider } from '../support/gateway/gateway.ts'
import { type GuardedApp, startGuardedApp } from '../support/gateway/guarded-app.ts'
import { startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-registered-'))
const file = join(folder, 'sallyport.yaml')
let issuer: TestIssuer

beforeAll(async () => {
  issuer = await startTestIssuer()
})
afterAll(async () => {
  await issuer.close()
  rmSync(folder, { recursive: true, force: true })
})

function write(text: string): void {
  writeFileSync(file, text)
  chmodSync(file, 0o600)
}

const open = (path: string): string => `routes:\n  - { id: open, path: ${path}, access: public }\n`

async function rejection(config: string | Record<string, unknown>): Promise<unknown> {
  const app = Fastify()
  try {
    await app.register(sallyport, { config })
    return undefined
  } catch (error) {
    return error
  } finally {
    await app.close()
  }
}

describe('a bad configuration', () => {
  test('is told with its place in the file', async () => {
    write(`${open('/a')}  - { id: b, path: /b, acces: public }\n`)
    const error = await rejection(file)
    expect(error).toBeInstanceOf(ConfigError)
    expect(String(error)).toMatch(/sallyport\.yaml:3:\d+ routes\[1\]\.acces: .*access[\s\S]*> 3 \|/)
  })

  test('that is an object is told with its place in that', async () => {
    const error = await rejection({ routes: [{ id: 'a', path: 'no-slash', access: 'public' }] })
    expect(String(error)).toMatch(/sallyport\.config:\d+:\d+ routes\[0\]\.path: [\s\S]*"path": "no-slash"/)
  })

  test('that is none is told', async () => {
    expect(String(await rejection(join(folder, 'missing.yaml')))).toContain('the file cannot be read')
    expect(String(await rejection(undefined as unknown as string))).toContain('the option `config` must be')
  })

  test.for([
    ['routes[0].mcp.tools', { routes: [{ id: 'a', path: '/mcp', mcp: { tools: { 'orders.*': {} } } }] }],
    [
      'upstreams.app.exchange',
      {
        upstreams: {
          app: {
            url: 'http://127.0.0.1:9',
            exchange: {
              ...{ provider: 'main', endpoint: 'http://127.0.0.1:9/token' },
              client: { id: 'gateway', auth: 'basic', secretFile: 'secret.txt' },
            },
          },
        },
      },
    ],
    ['revocation.api', { revocation: { api: { tokenFile: 'secret.txt' } } }],
    ['providers.browser.type', parse(readFileSync(new URL('../../config/sessions.yaml', import.meta.url), 'utf8'))],
  ] as ReadonlyArray<readonly [string, Record<string, unknown>]>)(
    '%s is refused, because the guard could not keep it',
    async ([path, part]) => {
      const config = { providers: { main: testProvider(issuer) }, routes: [{ id: 'a', path: '/a' }], ...part }
      const error = await rejection(config)
      expect(error).toBeInstanceOf(ConfigError)
      expect((error as ConfigError).message).toMatch(new RegExp(`${path.replace(/[[\].]/g, '\\$&')}: .*application’s`))
    },
  )
})

describe('the file', () => {
  let guarded: GuardedApp
  const lines: Array<Record<string, unknown>> = []
  beforeAll(async () => {
    write(open('/a/**'))
    const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(JSON.parse(line)) })
    guarded = await startGuardedApp({ config: file, log })
  })
  afterAll(() => guarded.close())

  const status = async (path: string) =>
    (await guarded.exchange(`GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`))?.status

  test('is put in force when it changes', async () => {
    expect([await status('/a/x'), await status('/b/x')]).toEqual([200, 404])
    write(open('/b/**'))
    await expect.poll(() => status('/b/x')).toBe(200)
    expect(await status('/a/x')).toBe(404)
  })

  test('stays in force when the next one is bad, and the application can ask why', async () => {
    write('routes: []\n')
    const { isInForce, problems } = await guarded.app.sallyport.reload()
    expect([isInForce, problems]).toEqual([false, [expect.stringContaining('routes: must not be empty')]])
    expect(await status('/b/x')).toBe(200)
    write(open('/c/**'))
    expect(await guarded.app.sallyport.reload()).toEqual({ isInForce: true, problems: [] })
    expect(await status('/c/x')).toBe(200)
  })

  test('may change what has no effect', async () => {
    write(`${open('/d/**')}admin: { listen: 127.0.0.1:9090 }\nworkers: 3\nlisten: 0.0.0.0:81\n`)
    expect(await guarded.app.sallyport.reload()).toEqual({ isInForce: true, problems: [] })
    expect(await status('/d/x')).toBe(200)
  })

  test('each refusal is one line of the application’s log, and what passes is none', async () => {
    expect([await status('/nowhere'), await status('/d/x')]).toEqual([404, 200])
    await expect.poll(() => lines.filter(({ path }) => path === '/nowhere')).toHaveLength(1)
    const line = lines.find(({ path }) => path === '/nowhere')
    expect(line).toMatchObject({ level: 40, msg: 'request refused', code: 'route_unknown', status: 404 })
    expect(lines.filter(({ path }) => path === '/d/x')).toEqual([])
  })
})

test('a file for a gateway is taken, and what has no effect is told once', async () => {
  const lines: Array<Record<string, unknown>> = []
  const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const guarded = await startGuardedApp({
    config: {
      listen: { address: '0.0.0.0:8080', trustedProxies: ['10.0.0.0/8'] },
      admin: { listen: '127.0.0.1:9090' },
      workers: 4,
      upstreams: { orders: 'http://127.0.0.1:3000', users: 'http://127.0.0.1:3001' },
      limits: { connections: 10, bodyBytes: '1MiB' },
      streams: { onExpiry: 'close' },
      routes: [{ id: 'a', path: '/a', access: 'public', upstream: 'users' }],
    },
    log,
  })
  try {
    expect((await guarded.exchange('GET /a HTTP/1.1\r\nHost: a\r\n\r\n'))?.status).toBe(200)
    const told = lines.filter(({ keys }) => keys !== undefined)
    expect(told.map(({ keys }) => keys)).toEqual([['admin', 'workers', 'streams', 'limits.connections']])
  } finally {
    await guarded.close()
  }
})

test('a token becomes a principal that nobody can change for the next request', async () => {
  const config = { providers: { main: testProvider(issuer) }, routes: [{ id: 'a', path: '/**' }] }
  const guarded = await startGuardedApp({
    config,
    routes: app =>
      void app.get('/:how', async ({ principal, params }) => {
        const { how } = params as { readonly how: string }
        if (principal === null) return 'nobody'
        try {
          if (how === 'scope') (principal.scopes as Set<string>).add('admin')
          if (how === 'claim') Object.assign(principal.claims, { admin: true })
          if (how === 'deep') (principal.claims.groups as string[]).push('admin')
          if (how === 'provider') Object.assign(principal, { provider: 'other' })
        } catch (error) {
          return error instanceof TypeError ? 'refused' : 'odd'
        }
        return JSON.stringify({ ...principal, scopes: [...principal.scopes] })
      }),
  })
  try {
    const token = await issuer.mint({ scope: 'orders:read', groups: ['staff'] })
    const ask = async (how: string) =>
      (await guarded.exchange(`GET /${how} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n\r\n`))?.body ?? ''
    for (const how of ['scope', 'claim', 'deep', 'provider']) expect([how, await ask(how)]).toEqual([how, 'refused'])
    expect(await ask('look')).not.toContain('admin')
  } finally {
    await guarded.close()
  }
})

test('app.inject is judged, too, and a refusal leaves nothing to be done for a connection that there is not', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
  onTestFinished(() => {
    vi.useRealTimers()
  })
  const app = Fastify()
  await app.register(sallyport, {
    config: { providers: { main: testProvider(issuer) }, routes: [{ id: 'a', path: '/**' }] },
  })
  app.get('/x', async ({ principal }) => principal?.claims.sub)
  expect((await app.inject('/x')).json()).toMatchObject({ code: 'token_missing' })
  expect((await app.inject({ url: '/x', headers: bearer(await issuer.mint()) })).body).toBe('alice')
  expect(app.sallyport.ready()).toBe(true)
  expect(app.sallyport.status()).toMatchObject({ ready: true, config_hash: expect.any(String) })
  expect((await app.inject({ method: 'POST', url: '/x', payload: 'x' })).statusCode).toBe(401)
  vi.advanceTimersByTime(60_000)
  await app.close()
})

describe('a policy can be asked without an application', () => {
  test('about tokens, anonymous callers, preflights and report-only routes', async () => {
    const policy = await loadPolicy({
      providers: { main: testProvider(issuer) },
      routes: [
        { id: 'orders', path: '/orders/:id', methods: ['GET'], require: { scopes: ['orders:read'] } },
        { id: 'open', path: '/open', access: 'public' },
        { id: 'tried', path: '/tried', mode: 'report', require: { scopes: ['x'] } },
        { id: 'pages', path: '/pages', cors: { origins: ['https://app.example.com'] } },
      ],
    })
    try {
      const headers = bearer(await issuer.mint({ scope: 'orders:read' }))
      expect(policy.routes.map(({ id }) => id)).toEqual(['orders', 'open', 'tried', 'pages'])
      const allowed = await decide({ target: '/orders/1', headers: { ...headers, X_Auth_Subject: 'forged' } }, policy)
      expect(allowed).toMatchObject({ kind: 'allowed', route: 'orders', principal: { claims: { sub: 'alice' } } })
      expect(allowed.headers).toMatchObject({ 'x-auth-subject': 'alice', host: 'localhost' })
      expect(JSON.stringify(allowed.headers)).not.toContain('forged')
      const refused = await decide({ target: '/orders/1' }, policy)
      expect(refused).toMatchObject({ kind: 'refused', code: 'token_missing', status: 401, route: 'orders' })
      expect(await decide({ target: '/open' }, policy)).toMatchObject({ kind: 'allowed', principal: null })
      expect(await decide({ target: '/tried' }, policy)).toMatchObject({ kind: 'allowed', reported: 'token_missing' })
      const preflight = { Origin: 'https://app.example.com', 'Access-Control-Request-Method': 'GET' }
      const answered = await decide({ method: 'OPTIONS', target: '/pages', headers: preflight }, policy)
      expect(answered).toMatchObject({ kind: 'answered', status: 204 })
    } finally {
      await policy.close()
    }
  })

  test('but only one that was loaded', async () => {
    await expect(decide({ target: '/' }, { hash: '', routes: [], close: async () => {} })).rejects.toThrow(/loadPolicy/)
    await expect(loadPolicy({ routes: [] })).rejects.toThrow(ConfigError)
  })
})
