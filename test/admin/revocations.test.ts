/** `/-/revocations`: who may take tokens back there, what an entry has to be, and what the answers mean. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import {
  bearer,
  exchangeBytes,
  type GatewayParts,
  type Reply,
  type RequestInit,
  startTestGateway,
  startTestStack,
  type TestStack,
  testProvider,
} from '../support/gateway/gateway.ts'

const PATH = '/-/revocations'
const SECRET = 'the-secret-of-the-operator-0123456789'
const OTHER_SECRET = 'the-secret-that-comes-after-0123456789'

interface Stack extends TestStack {
  readonly secretFile: string
  api(method: string, entry?: unknown, query?: string): Promise<Reply>
}

async function startStack(
  revocation: Record<string, unknown> = {},
  config: Record<string, unknown> = {},
  parts: GatewayParts = {},
): Promise<Stack> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-revoker-'))
  const secretFile = join(folder, 'secrets')
  writeFileSync(secretFile, `${SECRET}\n`, { mode: 0o600 })
  const stack = await startTestStack(
    issuer => ({
      providers: { main: { ...testProvider(issuer), maxLifetime: '24h' } },
      ...config,
      revocation: { api: { tokenFile: secretFile }, ...revocation },
    }),
    parts,
  )
  return {
    ...stack,
    secretFile,
    api: (method, entry, query = '') => stack.admin(PATH + query, asked(method, entry)),
    async close() {
      await stack.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function asked(method: string, entry?: unknown, headers: Record<string, string> = {}): RequestInit {
  const withBody = entry === undefined ? {} : { 'content-type': 'application/json' }
  const body = typeof entry === 'string' || entry === undefined ? entry : JSON.stringify(entry)
  return { method, body: body ?? null, headers: { ...bearer(SECRET), ...withBody, ...headers } }
}

let stack: Stack
let port: number
let issuer: string
beforeAll(async () => {
  stack = await startStack()
  port = Number(new URL(stack.adminUrl).port)
  issuer = stack.issuer.issuer
})
afterAll(() => stack.close())

const call = async (claims: Record<string, unknown>): Promise<number> =>
  (await stack.request('/private/x', { headers: bearer(await stack.issuer.mint(claims)) })).status

describe('a revocation', () => {
  test('is in force when it is answered, is told about, and can be undone', async () => {
    // A token of the next second would be a new one, which the revocation leaves alone.
    const bob = bearer(await stack.issuer.mint({ sub: 'bob' }))
    const statusOfBob = async () => (await stack.request('/private/x', { headers: bob })).status
    expect(await statusOfBob()).toBe(200)
    const made = await stack.api('POST', { issuer, sub: 'bob', reason: 'left' })
    expect(made.status).toBe(200)
    const { entry, ...rest } = made.json() as { entry: { before: number; until: number } }
    expect(rest).toEqual({ result: 'applied', scope: 'process' })
    const now = Date.now() / 1000
    expect(entry).toEqual({ issuer, sub: 'bob', reason: 'left', before: expect.any(Number), until: expect.any(Number) })
    expect(Math.abs(entry.before - now)).toBeLessThan(30)
    expect(entry.until - entry.before).toBe(24 * 3600)
    expect(await statusOfBob()).toBe(401)
    expect(await call({ sub: 'carol' })).toBe(200)
    expect((await stack.api('GET', undefined, `?issuer=${issuer}&sub=bob`)).json()).toEqual({
      inForce: true,
      before: entry.before,
      source: 'told',
    })
    const undone = await stack.api('DELETE', { issuer, sub: 'bob' })
    expect([undone.status, undone.json()]).toEqual([200, { result: 'undone', scope: 'process' }])
    expect(await statusOfBob()).toBe(200)
    expect((await stack.api('DELETE', { issuer, sub: 'bob' })).json()).toMatchObject({ result: 'duplicate' })
    expect((await stack.api('GET', undefined, `?issuer=${issuer}&sub=bob`)).json()).toEqual({ inForce: false })
  })

  test('can be of any kind', async () => {
    const stays = { before: Math.floor(Date.now() / 1000) + 60 }
    for (const [subject, claims] of [
      [{ jti: 'j1' }, { jti: 'j1' }],
      [{ sid: 's1' }, { sid: 's1' }],
      [{ client: 'c1' }, { azp: 'c1' }],
      [{ all: true }, {}],
    ] as const) {
      expect(await call(claims)).toBe(200)
      expect((await stack.api('POST', { issuer, ...subject, ...stays })).json()).toMatchObject({
        result: 'applied',
        entry: subject,
      })
      expect(await call(claims)).toBe(401)
      const [[name, value] = []] = Object.entries(subject)
      const query = `?issuer=${encodeURIComponent(issuer)}&${name}=${value}`
      expect((await stack.api('GET', undefined, query)).json()).toMatchObject({ inForce: true })
      await stack.api('DELETE', { issuer, ...subject })
      expect(await call(claims)).toBe(200)
    }
  })

  test('that says nothing new is a duplicate, and one that is over has no effect', async () => {
    const entry = { issuer, sub: 'dave', before: 1000 }
    expect((await stack.api('POST', { ...entry, until: 4_000_000_000 })).json()).toMatchObject({ result: 'applied' })
    expect((await stack.api('POST', { ...entry, until: 4_000_000_000 })).json()).toMatchObject({ result: 'duplicate' })
    const over = await stack.api('POST', { issuer, sub: 'erin', until: 1000 })
    expect([over.status, over.json()]).toEqual([200, expect.objectContaining({ result: 'expired' })])
  })

  test('is asked about by the second of a token, too', async () => {
    await stack.api('POST', { issuer, sub: 'frank', before: 1000 })
    const asks = async (more: string) =>
      (await stack.api('GET', undefined, `?issuer=${issuer}&sub=frank${more}`)).json()
    expect(await asks('')).toEqual({ inForce: true, before: 1000, source: 'told' })
    expect(await asks('&iat=1000')).toMatchObject({ inForce: true })
    expect(await asks('&iat=1001')).toEqual({ inForce: false })
  })

  test('is logged with what it is about, and without the secret', async () => {
    await stack.api('POST', { issuer, sub: 'grace', reason: 'lost laptop' })
    expect(await stack.logged({ msg: 'a revocation came by the admin API', subject: 'grace' })).toMatchObject({
      revoked_by: 'sub',
      issuer,
      result: 'applied',
      scope: 'process',
      reason: 'lost laptop',
    })
    expect(stack.logText()).not.toContain(SECRET)
  })

  test('of the file is not undone here, and the answer says so', async () => {
    const own = await startStack(
      { file: 'revoked.yaml' },
      {},
      { files: { 'revoked.yaml': '[{ issuer: https://a.example, sub: bob, before: 1000 }]' } },
    )
    atEnd(own.close)
    const undone = await own.api('DELETE', { issuer: 'https://a.example', sub: 'bob' })
    expect([undone.status, undone.json()]).toEqual([
      200,
      {
        result: 'duplicate',
        scope: 'process',
        inForceByFile: true,
        remedy: 'take the entry out of `revocation.file`, too',
      },
    ])
    expect((await own.api('GET', undefined, '?issuer=https://a.example&sub=bob')).json()).toEqual({
      inForce: true,
      before: 1000,
      source: 'file',
    })
  })

  test('without a place is refused with 503', async () => {
    const own = await startStack({ entries: 1000 })
    atEnd(own.close)
    const by = own.issuer.issuer
    for (let made = 0; made < 1000; made++) await own.api('POST', { issuer: by, jti: `${made}` })
    const refused = await own.api('POST', { issuer: by, jti: 'one more' })
    expect(refused.status).toBe(503)
    expect(refused.headers['retry-after']).toBe('5')
    expect(refused.text).toContain('`revocation.entries`')
  })
})

describe('an issuer', () => {
  test('of no provider is refused, since it would revoke nobody', async () => {
    const { status, text } = await stack.api('POST', { issuer: `${issuer}/`, sub: 'alice' })
    expect(status).toBe(400)
    expect(text).toContain(`is that of no provider; there are ${issuer}`)
  })

  test('may be named by any of its spellings, to revoke, to ask and to undo', async () => {
    const alias = 'https://alias.example.com/'
    const own = await startStack()
    atEnd(own.close)
    const config = { ...testProvider(own.issuer), maxLifetime: '24h', issuerAliases: [alias] }
    const aliased = await startStack({}, { providers: { main: config } })
    atEnd(aliased.close)
    await aliased.api('POST', { issuer: alias, sub: 'zed' })
    const query = `?issuer=${encodeURIComponent(own.issuer.issuer)}&sub=zed`
    expect((await aliased.api('GET', undefined, query)).json()).toMatchObject({ inForce: true })
    const undone = await aliased.api('DELETE', { issuer: own.issuer.issuer, sub: 'zed' })
    expect(undone.json()).toMatchObject({ result: 'undone' })
    expect((await aliased.api('GET', undefined, query)).json()).toMatchObject({ inForce: false })
  })
})

describe('counts', () => {
  test('are shown without names', async () => {
    await stack.api('POST', { issuer, sub: 'a-name-that-is-not-shown' })
    const reply = await stack.api('GET')
    expect(reply.status).toBe(200)
    expect(reply.json()).toMatchObject({ state: 'fresh', entries: { sub: expect.any(Number), jti: 0 } })
    expect(reply.text).not.toContain('a-name')
    const head = await stack.api('HEAD')
    expect([head.status, head.text]).toEqual([200, ''])
    expect(reply.headers['cache-control']).toBe('no-store')
  })
})

describe('who may ask', () => {
  test.each([
    undefined,
    'Bearer',
    'Bearer ',
    `Basic ${SECRET}`,
    `Bearer ${SECRET}x`,
    'Bearer x',
    SECRET,
    'Bearer \u00e9',
  ])('not one who sends %j', async authorization => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      const headers = authorization === undefined ? {} : { authorization }
      const reply = await stack.admin(PATH, { method, headers })
      expect(reply.status, method).toBe(401)
      expect(reply.headers['www-authenticate']).toBe('Bearer realm="sallyport-admin"')
    }
  })

  test('whoever has the secret, however the scheme is written', async () => {
    for (const authorization of [`bearer ${SECRET}`, `BEARER   ${SECRET}`])
      expect((await stack.admin(PATH, { headers: { authorization } })).status).toBe(200)
  })

  test('the rules about Host and Origin come first', async () => {
    for (const line of ['Host: evil.example', 'Host: localhost\r\nOrigin: http://evil.example'])
      for (const method of ['GET', 'POST', 'DELETE', 'PUT']) {
        const head = `${method} ${PATH} HTTP/1.1\r\n${line}\r\nAuthorization: Bearer ${SECRET}\r\nConnection: close\r\n\r\n`
        expect(await exchangeBytes(port, head)).toMatch(/^HTTP\/1\.1 400 /)
      }
  })

  test('with two lines both count, and a line that is taken away does not any more', async () => {
    const own = await startStack()
    atEnd(own.close)
    const status = async (secret: string) => (await own.admin(PATH, { headers: bearer(secret) })).status
    expect([await status(SECRET), await status(OTHER_SECRET)]).toEqual([200, 401])
    writeFileSync(own.secretFile, `${OTHER_SECRET}\r\n${SECRET}\n`)
    await own.running.reload()
    expect([await status(SECRET), await status(OTHER_SECRET)]).toEqual([200, 200])
    writeFileSync(own.secretFile, OTHER_SECRET)
    await own.running.reload()
    expect([await status(SECRET), await status(OTHER_SECRET)]).toEqual([401, 200])
  })

  test('a file that others may write, or with a short secret, is not put in force', async () => {
    const own = await startStack()
    atEnd(own.close)
    writeFileSync(own.secretFile, 'short')
    await own.running.reload()
    await own.logged({ msg: 'configuration rejected, the old one stays' })
    expect((await own.admin(PATH, { headers: bearer('short') })).status).toBe(401)
    writeFileSync(own.secretFile, OTHER_SECRET)
    chmodSync(own.secretFile, 0o666)
    await own.running.reload()
    expect((await own.admin(PATH, { headers: bearer(OTHER_SECRET) })).status).toBe(401)
    expect((await own.admin(PATH, { headers: bearer(SECRET) })).status).toBe(200)
  })
})

describe('what is no entry', () => {
  test.each([
    ['{', 'is no JSON text'],
    ['', 'is no JSON text'],
    ['\ufeff{}', 'is no JSON text'],
    ['[]', 'the entry must be an object'],
    ['null', 'the entry must be an object'],
    ['{"issuer":"i","sub":"a","sub":"b"}', 'duplicate member name'],
    ['{"sub":"a"}', '`issuer` is missing'],
    ['{"issuer":"i"}', 'the entry must have exactly one of'],
    ['{"issuer":"i","sub":"a","jti":"b"}', 'not `jti` and `sub`'],
    ['{"issuer":"i","sub":5}', '`sub` must be text'],
    ['{"issuer":"i","sub":""}', '`sub` must be text of one line'],
    ['{"issuer":"i","all":false}', '`all` must be `true`'],
    ['{"issuer":"i","sub":"a","before":"2026-01-01T00:00:00Z"}', '`before` must be whole seconds'],
    ['{"issuer":"i","sub":"a","before":1767225600000}', '`before` must be whole seconds'],
    ['{"issuer":"i","sub":"a","undo":true}', '`undo` is no member of an entry; leave it out'],
  ])('%s is refused with what to do', async (text, said) => {
    for (const method of ['POST', 'DELETE']) {
      const reply = await stack.api(method, text)
      expect(reply.status).toBe(400)
      expect(reply.json()).toMatchObject({ error: expect.stringContaining(said) })
    }
  })

  test('names the member', async () => {
    const reply = await stack.api('POST', { issuer, sub: 'a', before: -1 })
    expect(reply.json()).toMatchObject({ problems: [{ member: 'before', message: expect.any(String) }] })
  })

  test.each([
    ['?sub=a', '`issuer` is missing'],
    ['?issuer=i', 'exactly one of'],
    ['?issuer=i&sub=a&sub=b', '`sub` is there twice'],
    ['?issuer=i&sub=a&iat=x', '`iat` must be whole seconds'],
    ['?issuer=i&all=yes', '`all` must be `true`'],
    ['?issuer=i&sub=a&before=1', '`before` cannot be asked by'],
    ['?issuer=i&sub=a&__proto__=1', '`__proto__` cannot be asked by'],
  ])('cannot be asked about: %s', async (query, said) => {
    const reply = await stack.api('GET', undefined, query)
    expect([reply.status, reply.json()]).toEqual([
      400,
      expect.objectContaining({ error: expect.stringContaining(said) }),
    ])
  })

  test('another content type is 415, and a body that is too large 413', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonx']) {
      const reply = await stack.admin(PATH, asked('POST', { issuer, sub: 'a' }, { 'content-type': type }))
      expect(reply.status).toBe(415)
    }
    const fine = await stack.admin(
      PATH,
      asked('POST', { issuer, sub: 'a' }, { 'content-type': 'application/json; charset=utf-8' }),
    )
    expect(fine.status).toBe(200)
    const untyped = `POST ${PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${SECRET}\r\nContent-Length: 2\r\n`
    expect(await exchangeBytes(port, `${untyped}Connection: close\r\n\r\n{}`)).toMatch(/^HTTP\/1\.1 415 /)
    const large = { issuer, sub: 'a', reason: 'x'.repeat(64 * 1024) }
    expect((await stack.api('POST', large)).status).toBe(413)
    expect(
      (await stack.admin(PATH, { ...asked('POST', large), headers: { 'content-type': 'application/json' } })).status,
    ).toBe(401)
  })
})

test('other methods are 405', async () => {
  for (const method of ['PUT', 'PATCH', 'OPTIONS', 'PROPFIND']) {
    const text = await exchangeBytes(port, `${method} ${PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 405 /)
    expect(text).toMatch(/\r\nallow: GET, HEAD, POST, DELETE\r\n/i)
  }
})

test('the path is unknown where no secrets are named, whatever is asked', async () => {
  const plain = await startTestGateway(
    {
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
      revocation: { file: 'revoked.yaml' },
    },
    { files: { 'revoked.yaml': '' } },
  )
  atEnd(plain.close)
  for (const method of ['GET', 'POST', 'DELETE', 'PUT']) {
    const reply = await plain.admin(PATH, asked(method, method === 'POST' ? { issuer: 'i', sub: 'a' } : undefined))
    expect([reply.status, reply.text]).toEqual([404, 'not found\n'])
  }
})
