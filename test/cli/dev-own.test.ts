/** `sallyport dev` in front of somebody's own service, with a file that was written for a cluster. */
import { execFile } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { walk } from '../support/clients/login-walk.ts'
import { type RunningSallyport, sallyport } from '../support/gateway/running.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const folder = mkdtempSync(join(tmpdir(), 'sallyport-dev-own-'))
const file = join(folder, 'sallyport.yaml')
const cacheFile = join(folder, 'keys.json')

const FILE = `listen: 0.0.0.0:0
admin: { listen: 0.0.0.0:0 }
providers:
  main:
    type: jwt
    issuer: https://auth.example.com/
    audiences: [orders]
    algorithms: [PS256]
    rolesClaim: /realm/roles
    maxLifetime: 30m
    requiredClaims: [tenant]
    keys: { cacheFile: ${cacheFile} }
    decryption: { keyFiles: [/run/secrets/absent.pem] }
  opaque:
    type: introspection
    issuer: https://old.example.com
    audiences: [orders]
    client: { auth: basic, id: gateway, secretFile: /run/secrets/absent }
    tokens: { prefixes: [op_], jwts: false }
  web:
    type: session
    issuer: https://auth.example.com/
    client: { auth: basic, id: gateway, secretFile: /run/secrets/absent }
    scopes: [openid, orders:read]
    principal: main
    publicUrl: https://shop.example.com
    keyFiles: [/run/secrets/absent]
    store: shared
store: { url: "redis://redis.example.com:6379" }
rateLimits: { many: { rate: 1000/s, key: [claims.sub], store: true, exact: true, onFailure: refuse } }
revocation: { store: {}, whenStale: refuse, cacheFile: ${join(folder, 'revoked.json')} }
audit: { file: /var/log/absent/audit.log }
upstreams: { app: { url: "https://orders.example.com", tls: { caFile: /run/secrets/absent.crt } } }
identity: { headers: { X-User: sub, X-Roles: /realm/roles } }
routes:
  - { id: health, path: /healthz, access: public }
  - id: read
    path: /orders/**
    methods: [GET]
    providers: [main, web]
    require: { scopes: [orders:read], anyRole: [editor, admin], claims: { tenant: [acme, globex] }, authAge: 5m }
  - { id: legacy, path: /legacy/:id, methods: [PUT], rateLimits: [many], providers: [opaque], require: { anyScope: [a, b] } }
  - { id: page, path: /page, providers: [web], anonymous: login }
`

interface Up {
  readonly gateway: string
  readonly issuer: string
}

const started: RunningSallyport[] = []
const upstream = await startTestUpstream()
afterAll(async () => {
  for (const { child } of started) child.kill('SIGTERM')
  await Promise.all(started.map(({ exited }) => exited))
  await upstream.close()
  rmSync(folder, { recursive: true, force: true })
})

const IS_UP = /^# forged header.*\n(?:.+\n)+\n/m

function dev(...args: readonly string[]): RunningSallyport {
  const running = sallyport(['dev', '--issuer-port', '0', ...args], { cwd: folder })
  started.push(running)
  return running
}

function urlsIn(screen: string): Up {
  const [, gateway = ''] = /^ {2}gateway +(\S+)/m.exec(screen) ?? []
  const [, issuer = ''] = /^ {2}issuer +(\S+)/m.exec(screen) ?? []
  return { gateway, issuer }
}

describe('with a file', () => {
  let running: RunningSallyport
  let screen: string
  let up: Up
  beforeAll(async () => {
    writeFileSync(file, FILE)
    running = dev('--upstream', upstream.url, '-c', 'sallyport.yaml', '--claims', '{"team":"blue"}')
    screen = await running.printed(IS_UP)
    up = urlsIn(screen)
  })

  const tokenOf = async (name: string): Promise<string> => (await fetch(`${up.issuer}/demo/tokens/${name}`)).text()
  const called = async (path: string, token: string, method = 'GET'): Promise<Response> =>
    fetch(`${up.gateway}${path}`, { method, headers: { authorization: `Bearer ${token}` } })

  test('everything listens on this machine alone, whatever the file says', () => {
    expect([...screen.matchAll(/https?:\/\/([\w.]+):\d+\b/g)].map(([, host]) => host)).not.toContain('0.0.0.0')
    expect(new URL(up.gateway).hostname).toBe('127.0.0.1')
  })

  test('the token of a route has the issuer, the audience and the claims that the file asks for, and those given', async () => {
    const token = await tokenOf('read')
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, number>
    expect(claims).toMatchObject({
      iss: 'https://auth.example.com/',
      aud: 'orders',
      scope: 'orders:read',
      realm: { roles: ['editor'] },
      tenant: 'acme',
      team: 'blue',
    })
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(30 * 60)
    const { status } = await called('/orders/1', token)
    expect(status).toBe(200)
    expect(upstream.seen.at(-1)?.headers).toMatchObject({ 'x-user': 'alice', 'x-roles': '["editor"]' })
  })

  test('a server is asked about an opaque token, and only the embedded issuer is that', async () => {
    const token = await tokenOf('legacy')
    expect(token).toMatch(/^op_/)
    expect((await called('/legacy/1', token, 'PUT')).status).toBe(200)
    expect((await called('/legacy/1', `${token}x`, 'PUT')).status).toBe(401)
  })

  test.each([
    ['plain', 403],
    ['expired', 401],
    ['read?scope=other', 403],
    ['read?tenant=initech', 403],
  ])('what is asked for stays asked for: with the token %s the answer is %i', async (name, status) => {
    expect((await called('/orders/1', await tokenOf(name))).status).toBe(status)
  })

  test('a route that takes no tokens, or does not exist, has none', async () => {
    for (const name of ['page', 'absent']) expect((await fetch(`${up.issuer}/demo/tokens/${name}`)).status).toBe(404)
  })

  test('people sign in at the embedded issuer, and their session opens what the routes ask', async () => {
    const page = /^Open (\S+) in a browser/m.exec(screen)?.[1] ?? ''
    const { status, url, jar } = await walk(page, { form: { login: 'alice' } })
    expect({ status, url }).toEqual({ status: 200, url: page })
    const orders = new URL('/orders/1', page)
    const reply = await fetch(orders, { headers: { cookie: jar.header(orders) ?? '' } })
    expect(reply.status).toBe(200)
    const bob = await walk(page, { form: { login: 'bob' } })
    const refused = await fetch(orders, { headers: { cookie: bob.jar.header(orders) ?? '' } })
    expect(refused.status).toBe(403)
  })

  test('each printed line does what its title says', async () => {
    const titles: string[] = []
    for (const [, title = '', line = ''] of screen.matchAll(/^# (.*)\n(curl (?:.*\\\n)*.*)$/gm)) {
      titles.push(title)
      const { stdout } = await promisify(execFile)('bash', ['-c', line])
      const wanted = /: (\d{3})/.exec(title)?.[1] ?? '200'
      expect(stdout.slice(0, 'HTTP/1.1 200'.length), title).toBe(`HTTP/1.1 ${wanted}`)
      if (title.startsWith('forged')) expect(upstream.seen.at(-1)?.headers).toMatchObject({ 'x-user': 'alice' })
    }
    expect(titles.map(title => title.split(':')[0])).toEqual(['allowed', 'no token', 'missing scope', 'forged header'])
  })

  test.each([
    ['providers.main.keys', 'those of the embedded issuer'],
    ['providers.main.algorithms', 'RS256, in place of PS256'],
    ['providers.main.decryption', 'left out'],
    ['providers.opaque.endpoint', 'the embedded issuer'],
    ['providers.web', 'people sign in at the embedded issuer'],
    ['store', 'left out: sessions, revocations, proofs and limits are those of this process'],
    ['audit', 'left out'],
    ['upstreams.app', 'not https://orders.example.com'],
  ])('the screen says what stands in for %s', (at, text) => {
    const lines = screen.replaceAll(/\n {10,}/g, ' ')
    expect(lines).toMatch(new RegExp(`^ {2}${at.replaceAll('.', '\\.')} +.*${text}`, 'm'))
  })

  test('a bad edit is shown where it is, and the policy of before stays; a good one says which routes changed', async () => {
    writeFileSync(file, `${FILE}  - { id: more, path: /more, acces: public }\n`)
    expect(await running.printed(/not in force[\s\S]*\^/)).toMatch(
      /not in force: the policy of before goes on\nsallyport\.yaml:\d+:\d+ routes\[4\]\.acces: .*Did you mean "access"/,
    )
    expect((await called('/orders/1', await tokenOf('read'))).status).toBe(200)
    writeFileSync(file, `${FILE.replace('/legacy/:id', '/old/:id')}  - { id: more, path: /more, access: public }\n`)
    expect(await running.printed(/^reloaded.*$/m)).toMatch(/^reloaded: .*routes added: more; changed: legacy$/m)
    expect((await called('/old/1', await tokenOf('legacy'), 'PUT')).status).toBe(200)
  })

  test('nothing is written where the file says, and the file is as it was', () => {
    expect(existsSync(cacheFile)).toBe(false)
    expect(readFileSync(file, 'utf8')).toContain('0.0.0.0:0')
  })

  test('the end says how much passed and was refused', async () => {
    running.child.kill('SIGINT')
    expect(await running.exited).toBe(0)
    expect(running.stdout()).toMatch(/\nGoodbye: \d+ requests passed, \d+ refused\.\n$/)
    expect(running.stderr()).toBe('')
  })
})

describe('without a file', () => {
  test('every path needs a token, and the service may come later; --save writes that policy', async () => {
    const running = dev('--upstream', 'http://127.0.0.1:1', '--port', '0', '--admin-port', '0', '--save', 'made.yaml')
    const screen = await running.printed(/forged header/)
    const { gateway, issuer } = urlsIn(screen)
    expect(screen.replaceAll(/\s+/g, ' ')).toContain('app: http://127.0.0.1:1 does not answer: nothing listens there')
    expect((await fetch(`${gateway}/any/path`)).status).toBe(401)
    const token = await (await fetch(`${issuer}/demo/tokens/all`)).text()
    const reply = await fetch(`${gateway}/any/path`, { headers: { authorization: `Bearer ${token}` } })
    expect(reply.status).toBe(502)
    const checked = sallyport(['check', 'made.yaml'], { cwd: folder })
    expect(await checked.exited).toBe(0)
    const again = dev('--upstream', 'http://127.0.0.1:1', '--save', 'made.yaml')
    expect(await again.exited).toBe(2)
    expect(again.stderr()).toContain('made.yaml is there already: use it with -c made.yaml')
  })
})

describe('wrong usage is told with the way out', () => {
  test.each([
    [['--upstream', '127.0.0.1:3000'], '--upstream 127.0.0.1:3000 is no URL; write `http://127.0.0.1:3000`'],
    [['--upstream', 'http://127.0.0.1:3000/api'], 'must end after the port'],
    [['-c', 'absent.yaml'], 'absent.yaml: the file cannot be read'],
    [['-c', 'two.yaml', '--upstream', 'http://127.0.0.1:1'], 'write --upstream a=http://127.0.0.1:1 (there are a, b)'],
    [['-c', 'two.yaml', '--upstream', 'c=http://127.0.0.1:1'], 'the file has no upstream "c": there are a, b'],
    [['--claims', '{}'], '--claims needs --upstream URL, or -c FILE'],
    [['--only', 'gateway'], '--only takes `issuer` or `service`'],
    [['--upstream', 'http://127.0.0.1:1', '--claims', '{"a":'], 'the claims cannot be read'],
  ])('%j', async (args, message) => {
    writeFileSync(
      join(folder, 'two.yaml'),
      'listen: 127.0.0.1:0\nupstreams: { a: "http://127.0.0.1:1", b: "http://127.0.0.1:2" }\nroutes: [{ id: all, path: /**, access: public, upstream: a }]\n',
    )
    const running = dev(...args)
    expect(await running.exited).toBe(2)
    expect(running.stderr()).toContain(message)
  })
})
