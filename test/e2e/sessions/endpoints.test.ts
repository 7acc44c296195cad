/** What pages hear of their session, and how they end it: with a provider that hangs, and without the store. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { walk } from '../../support/clients/login-walk.ts'
import { LOGIN_ROUTES } from '../../support/gateway/login-stack.ts'
import type { ProviderFault } from '../../support/services/login-provider.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import {
  type Browser,
  counted,
  type Reply,
  type SessionFleet,
  SOON,
  signedIn,
  startSessionFleet,
  WITHOUT_STORES,
} from './support.ts'

const MINUTE_MS = 60_000
const LOGOUTS = 'sessions_ended_total{provider="browser",reason="logout"}'
const json = ({ text }: Reply) => JSON.parse(text) as Readonly<Record<string, unknown>>

describe('one gateway', () => {
  let fleet: SessionFleet
  let url: string
  /** Of another port of the same site. */
  const friend = 'http://localhost:1'
  beforeAll(async () => {
    fleet = await startSessionFleet({
      session: { lifetime: { idle: '10m', absolute: '2h' }, allowOrigins: [friend] },
      routes: LOGIN_ROUTES.map(route => ({ ...route, cors: { origins: [friend], credentials: true } })),
    })
    url = fleet.urls[0] ?? ''
  })
  afterAll(() => fleet.close())
  afterEach(() => fleet.provider.heal())

  function begun(): Promise<Browser> {
    fleet.lives(3_000)
    return signedIn(`${url}/page`)
  }
  const told = (browser: Browser) => fleet.ask(browser, { path: '/auth/session' })
  const logOut = (browser: Browser) => browser.ask(`${url}/auth/logout`, { method: 'POST' })

  describe('tells a page of its session', () => {
    test('whose it is and when it ends, and nothing that opens anything', async () => {
      const browser = await begun()
      const reply = await told(browser)
      expect(reply).toMatchObject({
        status: 200,
        headers: { 'content-type': 'application/json', 'cache-control': 'no-store' },
      })
      const { loggedInAt, idleEndsAt, endsAt, tokenExpiresAt, ...rest } = json(reply)
      expect(rest).toEqual({ sub: 'alice' })
      expect(Number(endsAt) - Number(loggedInAt)).toBe(7_200)
      expect(Number(idleEndsAt) - Number(loggedInAt)).toBeGreaterThanOrEqual(600)
      expect(Number(idleEndsAt) - Number(loggedInAt)).toBeLessThan(660)
      expect(Number(tokenExpiresAt) - Number(loggedInAt)).toBeGreaterThan(2_900)
      expect(Number(tokenExpiresAt) - Number(loggedInAt)).toBeLessThanOrEqual(3_000)
    })

    test('with every request, and that is no use of it', async () => {
      const browser = await begun()
      const { idleEndsAt: first, endsAt } = json(await told(browser))
      fleet.later(6 * MINUTE_MS)
      expect(json(await told(browser))).toMatchObject({ idleEndsAt: first, endsAt })
      expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
      const used = json(await told(browser))
      expect(used).toMatchObject({ endsAt })
      expect(Number(used.idleEndsAt) - Number(first)).toBeGreaterThanOrEqual(360)
      fleet.later(6 * MINUTE_MS)
      expect(json(await told(browser))).toMatchObject({ idleEndsAt: used.idleEndsAt })
      fleet.later(6 * MINUTE_MS)
      expect(await told(browser)).toMatchObject({ status: 401, code: 'session_expired' })
      expect(await fleet.ask(browser)).toMatchObject({ status: 401, code: 'session_expired' })
    })

    test('without a body for `HEAD`, and by no other method', async () => {
      const browser = await begun()
      expect(await browser.ask(`${url}/auth/session`, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
      const post = await browser.ask(`${url}/auth/session`, { method: 'POST' })
      expect([post.status, post.headers.allow]).toEqual([405, 'GET, HEAD'])
    })

    test('if it is one of ours, or of a listed origin', async () => {
      const browser = await begun()
      const from = (headers: Readonly<Record<string, string>>, method: 'GET' | 'OPTIONS' = 'GET') =>
        browser.ask(`${url}/auth/session`, { method, headers })
      const listed = { 'sec-fetch-site': 'same-site', origin: friend }
      const readable = { 'access-control-allow-origin': friend, 'access-control-allow-credentials': 'true' }
      expect(await from(listed)).toMatchObject({ status: 200, headers: readable })
      expect(await from({ ...listed, 'access-control-request-method': 'GET' }, 'OPTIONS')).toMatchObject({
        status: 204,
        headers: { ...readable, 'access-control-allow-methods': 'GET' },
      })
      const foreign = await from({ 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' })
      expect(foreign).toMatchObject({ status: 401, code: 'token_missing' })
      expect(foreign.headers['access-control-allow-origin']).toBeUndefined()
    })
  })

  describe('ends a session by a logout', () => {
    test.each<readonly [string, ProviderFault]>([
      ['hangs', { kind: 'held' }],
      ['answers 500', { kind: 'status', status: 500 }],
      ['cuts the connection', { kind: 'cut' }],
    ])('while the provider %s, and tells its operator', async (_way, fault) => {
      const browser = await begun()
      const old = browser.copy()
      const [before, lines] = [await fleet.metric(LOGOUTS), warnings()]
      fleet.provider.fail(fault, '/token/revocation')
      // One that hangs answers only when it is healed, which it is after the test.
      const reply = await logOut(browser)
      expect(reply).toMatchObject({ status: 200 })
      expect(String(json(reply).endSession)).toContain(`${fleet.provider.issuer}/session/end?id_token_hint=`)
      expect(browser.cookie()).toBeUndefined()
      expect(await fleet.ask(old)).toMatchObject({ status: 401, code: 'session_expired' })
      expect((await fleet.metric(LOGOUTS)) - before).toBe(1)
      expect(warnings() - lines).toBe(1)
    })

    test('which is asked for by `POST` alone', async () => {
      const browser = await begun()
      for (const method of ['GET', 'HEAD'] as const) {
        const reply = await browser.ask(`${url}/auth/logout`, { method })
        expect([reply.status, reply.headers.allow]).toEqual([405, 'POST'])
      }
      expect(await browser.open(`${url}/auth/logout`)).toMatchObject({ status: 405 })
      expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
    })
  })

  function warnings(): number {
    const msg = 'the refresh token of a session that ended was not revoked'
    return fleet.gateways[0]?.logs.filter(line => line.msg === msg).length ?? 0
  }
})

describe.skipIf(WITHOUT_STORES)('two gateways with a store', () => {
  let store: StoreServer
  let fleet: SessionFleet
  beforeAll(async () => {
    store = await startStoreServer({ persistence: 'appendonly' })
    fleet = await startSessionFleet({
      gateways: 2,
      session: { store: 'shared' },
      config: { store: { url: store.url, timeout: '1s' } },
    })
    fleet.lives(3_000)
  })
  afterAll(async () => {
    await fleet.close()
    await store.stop()
  })

  const away = async () => {
    await store.kill()
    await expect.poll(() => fleet.metric('store_up'), SOON).toBe(0)
  }
  /** Each gateway has found it again: the one begins a session, and the other hears of that. */
  const back = async () => {
    await store.restart()
    const begins = async () => counted(await fleet.askAll(await signedIn(`${fleet.urls[0]}/page`)))
    await expect.poll(begins, SOON).toEqual({ 200: 2 })
  }
  const codes = () => fleet.provider.count({ grantType: 'authorization_code' })
  const isUnavailable = { status: 503, code: 'session_store_unavailable' }

  test('tell what they know of a session while it is away, and end none that they cannot look up', async () => {
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    await away()
    // The second gateway has never heard of the session.
    const unknown = await fleet.ask(browser, { index: 1, path: '/auth/session' })
    expect(unknown).toMatchObject(isUnavailable)
    expect(Number(unknown.headers['retry-after'])).toBeGreaterThan(0)
    expect(await fleet.ask(browser, { path: '/auth/session' })).toMatchObject({ status: 200 })
    const before = fleet.provider.count({ path: '/token/revocation' })
    expect(await browser.ask(`${fleet.urls[1]}/auth/logout`, { method: 'POST' })).toMatchObject(isUnavailable)
    expect(fleet.provider.count({ path: '/token/revocation' })).toBe(before)
    expect(browser.cookie()).toBeDefined()
    await back()
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: 2 })
  })

  test('end a session that one of them knows while it is away, and the other hears of it later', async () => {
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: 2 })
    await away()
    const old = browser.copy()
    expect(await browser.ask(`${fleet.urls[0]}/auth/logout`, { method: 'POST' })).toMatchObject({ status: 200 })
    // It is over, and so is what was known of it here.
    expect(await fleet.ask(old)).toMatchObject(isUnavailable)
    await back()
    await expect.poll(async () => counted(await fleet.askAll(old.copy())), SOON).toEqual({ '401 session_expired': 2 })
  })

  test('begin no session while it is away, and need no other code afterwards', async () => {
    await away()
    const series = 'logins_total{provider="browser",result="unavailable"}'
    const [before, redeemed] = [await fleet.metric(series), codes()]
    const end = await walk(`${fleet.urls[0]}/page`)
    expect([end.status, end.headers['content-type']]).toEqual([503, 'text/html; charset=utf-8'])
    expect(end.text).toContain('<code>session_store_unavailable</code>')
    expect(Number(end.headers['retry-after'])).toBeGreaterThan(0)
    expect(end.url.startsWith(`${fleet.urls[0]}/auth/callback?`)).toBe(true)
    expect((await fleet.metric(series)) - before).toBe(1)
    expect(codes()).toBe(redeemed)
    await back()
    // The code is as good as before, so a reload of the page is enough.
    const again = await walk(end.url, { jar: end.jar })
    expect([again.status, again.url]).toEqual([200, `${fleet.urls[0]}/page`])
    expect(again.hops).toHaveLength(2)
  })

  test('redeem no code twice, whichever of them the browser comes back to', async () => {
    const isBack = (to: URL) => to.pathname === '/auth/callback'
    const { jar, stoppedBefore = '' } = await walk(`${fleet.urls[0]}/page`, { until: isBack })
    const failed = () => fleet.provider.count({ grantType: 'authorization_code', status: 400 })
    const before = failed()
    const ways = fleet.urls.map(url => stoppedBefore.replace(fleet.urls[0] ?? '', url))
    // Whoever comes second has a session by then, or gets one by another login.
    const ends = await Promise.all(ways.map(way => walk(way, { jar })))
    expect(ends.map(({ status }) => status)).toEqual([200, 200])
    expect(failed()).toBe(before)
  })
})
