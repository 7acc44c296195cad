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
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'

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
})
