/** How long sessions last, and what outlives a reload, a new key and a restart. */
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { LOGIN_ROUTES } from '../../support/gateway/login-stack.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { closing, openWebSocket } from '../../support/services/websocket-service.ts'
import { counted, type SessionFleet, SOON, signedIn, startSessionFleet, WITHOUT_STORES } from './support.ts'

const MINUTE_MS = 60_000
const lifetime = { idle: '2m', absolute: '5m', refreshBefore: '0s', grace: '5s' }

/** Of the test that runs. */
let store: StoreServer | undefined

async function sealedRecords(): Promise<unknown> {
  const keys = (await store?.command('KEYS', '*:session:*')) ?? []
  return Promise.all([keys].flat().map(key => store?.command('HGET', String(key), 'd')))
}

async function started(kind: 'memory' | 'shared', changed: Partial<typeof lifetime> = {}): Promise<SessionFleet> {
  store = kind === 'shared' ? await startStoreServer() : undefined
  if (store !== undefined) atEnd(store.stop)
  const fleet = await startSessionFleet({
    gateways: store === undefined ? 1 : 2,
    session: { lifetime: { ...lifetime, ...changed }, store: kind },
    config: store === undefined ? {} : { store: { url: store.url, timeout: '10s' } },
  })
  atEnd(fleet.close)
  fleet.provider.set({ accessTokenSeconds: 3_000 })
  return fleet
}

const KINDS = WITHOUT_STORES ? (['memory'] as const) : (['memory', 'shared'] as const)

describe.each(KINDS)('a session in the store `%s`', kind => {
  test('ends when nobody has used it for a while, and no earlier', async () => {
    const fleet = await started(kind, { absolute: '20m' })
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    const last = `${fleet.urls.at(-1)}/api/x`
    const first = `${fleet.urls[0]}/api/x`
    // Each gateway hears of the use of others by the store.
    for (const url of [first, last, last]) {
      fleet.later(1.5 * MINUTE_MS)
      expect(await browser.ask(url)).toMatchObject({ status: 200 })
    }
    expect(await browser.ask(first)).toMatchObject({ status: 200 })
    fleet.later(3 * MINUTE_MS)
    expect(await browser.ask(first)).toMatchObject({ status: 401, code: 'session_expired' })
    expect(await fleet.metric('sessions_ended_total{provider="browser",reason="idle"}')).toBe(1)
    expect(browser.cookie()).toBeDefined()
    expect(await browser.open(`${fleet.urls[0]}/page`)).toMatchObject({ status: 302 })
  })

  test('ends when its time is up, however it is used', async () => {
    const fleet = await started(kind)
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    for (let minute = 1; minute < 5; minute += 1) {
      fleet.later(MINUTE_MS)
      expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
    }
    fleet.later(MINUTE_MS)
    for (const url of fleet.urls)
      expect(await browser.copy().ask(`${url}/api/x`)).toMatchObject({ status: 401, code: 'session_expired' })
    expect(await fleet.metric('sessions_ended_total{provider="browser",reason="absolute"}')).toBeGreaterThan(0)
  })

  test('ends with its access token where there is no refresh token, and a login helps', async () => {
    const fleet = await started(kind)
    fleet.provider.set({ refreshTokens: 'none' })
    fleet.lives(60)
    const [url = '', browser] = [fleet.urls[0], await signedIn(`${fleet.urls[0]}/page`)]
    expect(fleet.provider.given.at(-1)?.refreshToken).toBeUndefined()
    const headers = { cookie: browser.cookie() ?? '', origin: url }
    const closed = closing(await openWebSocket(`${url}/api/x`, { headers }))
    fleet.later(0.9 * MINUTE_MS)
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
    fleet.later(0.2 * MINUTE_MS)
    expect(await browser.open(`${url}/page`)).toMatchObject({ status: 302, location: '/auth/login?return=%2Fpage' })
    expect(counted(await fleet.askAll(browser))).toEqual({ '401 session_expired': fleet.urls.length })
    expect((await closed).code).toBe(1008)
    expect(await fleet.metric('sessions_ended_total{provider="browser",reason="expired"}')).toBeGreaterThan(0)
    expect(fleet.refreshes()).toBe(0)
    fleet.lives(60)
    await browser.signIn(`${url}/page`)
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
  })

  test('outlives a new key, and the end of the old one', async () => {
    const fleet = await started(kind)
    const [url, browser] = [fleet.urls[0], await signedIn(`${fleet.urls[0]}/page`)]
    const idle = browser.copy()
    const [old, fresh] = ['key-1', 'key-2']
    await fleet.reload({ session: { lifetime, store: kind, keyFiles: [fresh, old] } })
    const [before, sealed] = [browser.cookie(), await sealedRecords()]
    const reply = await browser.ask(`${url}/api/x`)
    expect(reply).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } })
    expect(browser.cookie()).not.toBe(before)
    const renewed = browser.cookie()
    expect(await browser.ask(`${url}/api/x`)).toMatchObject({ status: 200 })
    expect(browser.cookie()).toBe(renewed)
    // Whoever looks at the store the next time seals the record anew.
    fleet.later(10_000)
    expect(await browser.ask(`${url}/api/x`)).toMatchObject({ status: 200 })
    if (kind === 'shared') await expect.poll(sealedRecords, SOON).not.toEqual(sealed)
    await fleet.reload({ session: { lifetime, store: kind, keyFiles: [fresh] } })
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
    // Who has not come back in the meantime has a cookie that nobody knows any more.
    expect(await idle.ask(`${url}/api/x`)).toMatchObject({ status: 401, code: 'token_missing' })
  })

  test('goes on with its streams, whose refreshes count for the new key', async () => {
    const fleet = await started(kind)
    fleet.lives(60)
    const [url = '', browser] = [fleet.urls[0], await signedIn(`${fleet.urls[0]}/page`)]
    fleet.lives(3_000)
    const socket = await openWebSocket(`${url}/api/x`, { headers: { cookie: browser.cookie() ?? '', origin: url } })
    await fleet.reload({ session: { lifetime, store: kind, keyFiles: ['key-2', 'key-1'] } })
    expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
    // Nobody asks for anything now, so it is the stream that has the tokens refreshed, as under the policy before.
    fleet.later(1.1 * MINUTE_MS)
    const written = () => fleet.metric('session_refreshes_total{provider="browser",result="ok"}')
    await expect.poll(written, SOON).toBe(1)
    await fleet.reload({ session: { lifetime, store: kind, keyFiles: ['key-2'] } })
    if (kind === 'shared') await fleet.restart(0)
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
    expect(fleet.refreshes()).toBe(1)
    if (kind === 'memory') {
      socket.send('still?')
      expect(String((await once(socket, 'message'))[0])).toBe('still?')
      expect(await fleet.metric('streams_closed_total{route="api",reason="unconfirmed"}')).toBe(0)
    }
    socket.terminate()
  })

  test('outlives a reload of anything else', async () => {
    const fleet = await started(kind)
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    await fleet.reload({
      routes: [...LOGIN_ROUTES, { id: 'more', path: '/more/**', providers: ['browser'] }],
      session: { lifetime: { ...lifetime, idle: '1m' }, store: kind },
    })
    for (const url of fleet.urls) expect(await browser.ask(`${url}/more/x`)).toMatchObject({ status: 200 })
    expect(await fleet.metric('sessions{provider="browser"}')).toBe(fleet.urls.length)
    fleet.later(1.1 * MINUTE_MS)
    expect(await browser.ask(`${fleet.urls[0]}/more/x`)).toMatchObject({ status: 401, code: 'session_expired' })
  })

  test('is nothing to a configuration without its provider, and is there again with it', async () => {
    const fleet = await started(kind)
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    const config = store === undefined ? {} : { store: { url: store.url, timeout: '10s' } }
    const routes = [{ id: 'api', path: '/**', providers: ['main'] }]
    await fleet.reload({ routes, providers: () => ({ browser: undefined }), config: {} })
    await fleet.reload({})
    const metrics = await fleet.gateways[0]?.metrics()
    expect([...(metrics?.keys() ?? [])].filter(series => series.includes('"browser"'))).toEqual([])
    expect(await browser.ask(`${fleet.urls[0]}/api/x`)).toMatchObject({ status: 401, code: 'token_missing' })
    await fleet.reload({ routes: LOGIN_ROUTES, providers: undefined, config })
    expect(await browser.ask(`${fleet.urls[0]}/api/x`)).toMatchObject({ status: 200 })
  })

  test(`${kind === 'memory' ? 'ends with' : 'outlives'} a restart of the gateway`, async () => {
    const fleet = await started(kind)
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    await fleet.restart(0)
    const reply = await browser.copy().ask(`${fleet.urls[0]}/api/x`)
    if (kind === 'shared') expect(reply).toMatchObject({ status: 200 })
    else {
      expect(reply).toMatchObject({ status: 401, code: 'session_expired' })
      expect(await browser.open(`${fleet.urls[0]}/page`)).toMatchObject({ status: 302 })
    }
  })
})
