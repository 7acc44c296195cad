/** The gateway vouches to its service with a token of its own, through every change of the keys that sign it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Clock } from '../../src/lib/clock.ts'
import { type Scheduler, systemScheduler } from '../../src/lib/scheduler.ts'
import { privateJwk, privatePem } from '../signing/support.ts'
import { bearer, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { startGuardedApp } from '../support/gateway/guarded-app.ts'
import { startTestIssuer } from '../support/services/issuer.ts'

const ISSUER = 'https://orders.internal/'
const AUDIENCE = 'https://orders.internal'
const TOKEN = { issuer: ISSUER, audience: AUDIENCE }
const JWKS_PATH = '/.well-known/internal-jwks'

const folders: string[] = []
function keyFolder(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-signing-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 })
  return folder
}
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** Looks at the keys as often as a test looks at what comes of it. */
const QUICK_KEYS: Scheduler = {
  after: (delayMs, task) => systemScheduler.after(delayMs === 60_000 ? 50 : delayMs, task),
}

/** Moves with the time of the system, which files are stamped with, and as far ahead of it as a test says. */
function shiftedClock(): Clock & { shiftMs: number } {
  const clock = {
    shiftMs: 0,
    nowMs: () => Date.now() + clock.shiftMs,
    monotonicMs: () => performance.now() + clock.shiftMs,
  }
  return clock
}

async function told(stack: TestStack, token: string, header = 'x-auth-token'): Promise<string> {
  const { status, text } = await stack.request('/private/a', { headers: bearer(token) })
  expect([status, text]).toEqual([200, expect.anything()])
  return String(stack.upstream.seen.at(-1)?.headers[header])
}

async function published(stack: TestStack): Promise<JSONWebKeySet> {
  return (await stack.admin('/-/jwks')).json() as unknown as JSONWebKeySet
}

async function verified(stack: TestStack, token: string, now?: Date) {
  const { payload } = await jwtVerify(token, createLocalJWKSet(await published(stack)), {
    ...{ issuer: ISSUER, audience: AUDIENCE, typ: 'JWT', algorithms: ['ES256', 'EdDSA'] },
    ...(now !== undefined && { currentDate: now }),
  })
  return payload
}

describe('with keys in memory', () => {
  let stack: TestStack
  beforeAll(async () => {
    stack = await startTestStack({ identity: { token: { ...TOKEN, jwksPath: JWKS_PATH } } })
  })
  afterAll(() => stack.close())

  test('a service is told who is calling by a token that its own keys verify', async () => {
    const payload = await verified(stack, await told(stack, await stack.issuer.mint({ scope: 'a b', azp: 'shop' })))
    expect(payload).toEqual({
      ...{ iss: ISSUER, aud: AUDIENCE, sub: 'alice', scope: 'a b', client_id: 'shop' },
      ...{ orig_iss: stack.issuer.issuer, jti: expect.stringMatching(/^[0-9a-f-]{36}$/) },
      ...{ iat: expect.any(Number), exp: (payload.iat ?? 0) + 300 },
    })
  })

  test('its keys are at the path of the configuration, and by its library for remote sets', async () => {
    const token = await told(stack, await stack.issuer.mint())
    const keys = createRemoteJWKSet(new URL(stack.url + JWKS_PATH))
    await expect(jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE })).resolves.toMatchObject({
      payload: { sub: 'alice' },
    })
    const { headers } = await stack.request(JWKS_PATH)
    expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'max-age=300' })
    expect((await stack.request(JWKS_PATH, { method: 'POST' })).status).toBe(405)
  })

  test('is the same token for every request of a caller, and counted once', async () => {
    const token = await stack.issuer.mint({ sub: 'bob' })
    const before = (await stack.metrics()).get('sallyport_internal_tokens_minted_total') ?? 0
    const first = await told(stack, token)
    expect(await told(stack, token)).toBe(first)
    expect((await stack.metrics()).get('sallyport_internal_tokens_minted_total')).toBe(before + 1)
  })

  test('it never outlives the token of the caller', async () => {
    const exp = Math.floor(Date.now() / 1000) + 60
    expect(decodeJwt(await told(stack, await stack.issuer.mint({ exp })))).toMatchObject({ exp })
  })

  test.each(['X-Auth-Token', 'x_auth_token', 'X-AUTH_TOKEN', 'x.auth.token'])(
    'what a client sends as %s does not reach the service',
    async name => {
      const headers = { [name]: 'forged' }
      await stack.request('/private/a', { headers: { ...bearer(await stack.issuer.mint()), ...headers } })
      await stack.request('/public/a', { headers })
      await stack.request('/optional/a', { headers })
      for (const seen of stack.upstream.seen.slice(-3)) expect(JSON.stringify(seen.rawHeaders)).not.toContain('forged')
    },
  )

  test('anonymous callers have none', async () => {
    for (const path of ['/public/a', '/optional/a']) {
      expect((await stack.request(path)).status).toBe(200)
      expect(stack.upstream.seen.at(-1)?.headers).not.toHaveProperty('x-auth-token')
    }
  })
})

describe('with keys in a folder', () => {
  let stack: TestStack | undefined
  afterEach(() => stack?.close())

  async function start(keysDir: string, parts: Parameters<typeof startTestStack>[1], more: object = {}) {
    stack = await startTestStack({ identity: { token: { ...TOKEN, keysDir, ...more } } }, parts)
    return stack
  }

  const kidOf = (token: string) => decodeProtectedHeader(token).kid

  test('a new key is published at once, signs after ten minutes, and the old one is published while its tokens live', async () => {
    const clock = shiftedClock()
    const folder = keyFolder({ 'a.jwk': privateJwk('P-256', { kid: 'a' }) })
    const gateway = await start(folder, { clock, scheduler: QUICK_KEYS })
    const caller = await gateway.issuer.mint({ exp: Math.floor(Date.now() / 1000) + 86_400 })
    const first = await told(gateway, caller)
    expect(kidOf(first)).toBe('a')

    writeFileSync(join(folder, 'b.pem'), privatePem(), { mode: 0o600 })
    await expect.poll(async () => (await published(gateway)).keys.length).toBe(2)
    clock.shiftMs = 9 * 60_000
    expect(kidOf(await told(gateway, caller))).toBe('a')
    clock.shiftMs = 10 * 60_000 + 5_000
    await expect.poll(async () => kidOf(await told(gateway, caller))).not.toBe('a')
    const second = await told(gateway, caller)
    await verified(gateway, second, new Date(clock.nowMs()))

    rmSync(join(folder, 'a.jwk'))
    clock.shiftMs = 14 * 60_000
    await gateway.logged({ msg: 'a signing key was taken out, it signs no more' })
    await verified(gateway, first, new Date(Date.now()))
    clock.shiftMs = 21 * 60_000
    await expect.poll(async () => (await published(gateway)).keys.map(({ kid }) => kid)).toEqual([kidOf(second)])
  })

  test('a file that is no key changes nothing but what an operator sees, and the next good one counts', async () => {
    const folder = keyFolder({ 'a.jwk': privateJwk('P-256', { kid: 'a' }) })
    const gateway = await start(folder, { scheduler: QUICK_KEYS })
    const signing = async () => (await gateway.admin('/-/status')).json().signing as Record<string, unknown>
    writeFileSync(join(folder, 'b.jwk'), '{"kty":"EC"', { mode: 0o600 })
    rmSync(join(folder, 'a.jwk'))
    await expect
      .poll(async () => (await signing()).last_error)
      .toBe('has a file `b.jwk` that is no JSON object: write one private key as a JWK, with each member once')
    expect(await signing()).toMatchObject({ kid: 'a', published: ['a'], folder })
    expect((await gateway.metrics()).get('sallyport_signing_keys_up')).toBe(0)
    const caller = await gateway.issuer.mint()
    await verified(gateway, await told(gateway, caller))

    writeFileSync(join(folder, 'b.jwk'), privateJwk('P-256', { kid: 'b' }), { mode: 0o600 })
    // The other one was taken out meanwhile, so that nobody else is there to sign.
    await expect.poll(async () => kidOf(await told(gateway, caller))).toBe('b')
    expect(await signing()).toMatchObject({ kid: 'b', published: ['b', 'a'] })
    expect(await signing()).not.toHaveProperty('last_error')
    expect((await gateway.metrics()).get('sallyport_signing_keys_up')).toBe(1)
  })

  test('keys are replaced while a configuration is rejected, and a reload keeps those that sign', async () => {
    const folder = keyFolder({ 'a.jwk': privateJwk('P-256', { kid: 'a' }), 'e.pem': privatePem('Ed25519') })
    const gateway = await start(folder, { scheduler: QUICK_KEYS })
    const caller = await gateway.issuer.mint()
    const first = await told(gateway, caller)
    gateway.write('sallyport.yaml', 'listen: nothing')
    await gateway.running.reload()
    writeFileSync(join(folder, 'b.jwk'), privateJwk('P-256', { kid: 'b' }), { mode: 0o600 })
    await gateway.logged({ msg: 'a signing key was found, it is published from now on', kid: 'b' })

    const { config } = gateway.running
    const next = (token: object) =>
      JSON.stringify({
        listen: new URL(gateway.url).host,
        admin: { listen: '127.0.0.1:0' },
        providers: { main: testProvider(gateway.issuer) },
        upstreams: { app: gateway.upstream.url },
        routes: config.routes.map(({ id, path, access }) => ({ id, path, access })),
        identity: { token: { ...TOKEN, keysDir: folder, ...token } },
      })
    gateway.write('sallyport.yaml', next({ algorithm: 'EdDSA' }).replace(new URL(gateway.url).host, '127.0.0.1:0'))
    await gateway.running.reload()
    const second = await told(gateway, caller)
    expect(decodeProtectedHeader(second).alg).toBe('EdDSA')
    await verified(gateway, first)
    await verified(gateway, second)
  })
})

describe('in Authorization', () => {
  let stack: TestStack
  beforeAll(async () => {
    stack = await startTestStack({ identity: { token: { ...TOKEN, header: 'Authorization', algorithm: 'EdDSA' } } })
  })
  afterAll(() => stack.close())

  test('it takes the place of the caller’s token', async () => {
    const caller = await stack.issuer.mint()
    const sent = await told(stack, caller, 'authorization')
    expect(sent).toMatch(/^Bearer /)
    await expect(verified(stack, sent.slice('Bearer '.length))).resolves.toMatchObject({ sub: 'alice' })
    expect(JSON.stringify(stack.upstream.seen.at(-1)?.rawHeaders)).not.toContain(caller)
  })

  test('nobody’s own gets through, in any spelling, on any route', async () => {
    for (const name of ['Authorization', 'AUTHORIZATION', 'authorization'])
      for (const path of ['/public/a', '/private/a', '/optional/a'])
        await stack.request(path, { headers: { [name]: 'Basic forged' } })
    await stack.request('/private/a', { headers: { ...bearer(await stack.issuer.mint()), 'x.authorization': 'kept' } })
    await stack.request('/public/a', { headers: { Authorization_: 'kept' } })
    expect(JSON.stringify(stack.upstream.seen)).not.toContain('forged')
  })
})

test('without it there are no keys, and no header', async () => {
  const stack = await startTestStack()
  try {
    expect((await stack.admin('/-/jwks')).status).toBe(404)
    await told(stack, await stack.issuer.mint())
    expect(stack.upstream.seen.at(-1)?.headers).not.toHaveProperty('x-auth-token')
    expect((await stack.metrics()).has('sallyport_signing_keys_up')).toBe(false)
  } finally {
    await stack.close()
  }
})

test('an application behind the guard reads the same token, and its own keys verify it', async () => {
  const issuer = await startTestIssuer()
  const app = await startGuardedApp({
    config: {
      providers: { main: testProvider(issuer) },
      identity: { token: { ...TOKEN, jwksPath: JWKS_PATH } },
      routes: [{ id: 'all', path: '/**' }],
    },
  })
  try {
    const headers = bearer(await issuer.mint())
    const text = await (await fetch(`http://127.0.0.1:${app.port}/a`, { headers })).text()
    const [token = ''] = /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(text) ?? []
    const keys = createRemoteJWKSet(new URL(`http://127.0.0.1:${app.port}${JWKS_PATH}`))
    await expect(jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE })).resolves.toMatchObject({
      payload: { sub: 'alice' },
    })
  } finally {
    await app.close()
    await issuer.close()
  }
})
