/** One gateway renews the tokens of a session: once, ahead of time, and through whatever happens to the provider. */
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { createCookieJar } from '../../support/clients/login-walk.ts'
import type { ProviderFault } from '../../support/services/login-provider.ts'
import { type Browser, counted, type SessionFleet, SOON, signedIn, startSessionFleet } from './support.ts'

/** By so much the clock of the gateway is moved past the end of a token. */
const LIFE_SECONDS = 20
const REFRESH_BEFORE_MS = 10_000

let fleet: SessionFleet
let url: string
beforeAll(async () => {
  fleet = await startSessionFleet({
    session: { lifetime: { refreshBefore: `${REFRESH_BEFORE_MS / 1_000}s` } },
    config: { identity: { headers: { 'x-jti': 'jti' } } },
  })
  url = fleet.urls[0] ?? ''
})
afterAll(() => fleet.close())
afterEach(() => fleet.provider.heal())

const held = () => fleet.provider.fail({ kind: 'held' }, 'refresh_token')
const ask = (browser: Browser, times = 1) =>
  Promise.all(Array.from({ length: times }, () => browser.ask(`${url}/api/x`)))
/** `jti` of the access token, as the service hears it. */
const tokenOf = async (browser: Browser) => {
  const { status, text } = await browser.ask(`${url}/api/x`)
  expect(status).toBe(200)
  return (JSON.parse(text) as { headers: Record<string, string> }).headers['x-jti']
}

/** A session whose access token lives for a little, and which is given long-lived ones from now on. */
async function begun(leftMs: number): Promise<Browser> {
  fleet.lives(LIFE_SECONDS)
  const browser = await signedIn(`${url}/page`)
  fleet.provider.set({ accessTokenSeconds: 86_400 })
  fleet.later(LIFE_SECONDS * 1_000 - leftMs)
  return browser
}

const EXPIRED = -1_000
const DUE = 5_000

describe('a session at the end of its access token', () => {
  test('is renewed once for a hundred requests that wait for it', async () => {
    const browser = await begun(EXPIRED)
    const before = fleet.refreshes()
    held()
    const asked = ask(browser, 100)
    await expect.poll(() => fleet.metric('requests_in_flight'), SOON).toBe(100)
    fleet.provider.heal()
    expect(counted(await asked)).toEqual({ 200: 100 })
    expect(fleet.refreshes() - before).toBe(1)
  })

  test('is renewed ahead of it, while requests are answered at once', async () => {
    const browser = await begun(DUE)
    const before = fleet.refreshes()
    held()
    const first = await tokenOf(browser)
    await fleet.provider.held(1)
    expect(counted(await ask(browser, 20))).toEqual({ 200: 20 })
    expect(await tokenOf(browser)).toBe(first)
    fleet.provider.heal()
    await expect.poll(() => tokenOf(browser), SOON).not.toBe(first)
    expect(fleet.refreshes() - before).toBe(1)
    fleet.later(DUE * 2)
    expect(counted(await ask(browser))).toEqual({ 200: 1 })
    expect(fleet.refreshes() - before).toBe(1)
  })

  test.each([
    ['answers 500', { kind: 'status', status: 500 }],
    ['answers 429', { kind: 'status', status: 429, headers: { 'retry-after': '7' } }],
    ['answers what is no JSON', { kind: 'status', status: 200, headers: { 'content-type': 'application/json' } }],
    ['cuts the connection', { kind: 'cut' }],
  ] as ReadonlyArray<readonly [string, ProviderFault]>)('waits for the provider when that %s', async (way, fault) => {
    const browser = await begun(EXPIRED)
    fleet.provider.fail(fault, 'refresh_token')
    const [refused] = await ask(browser)
    expect(refused).toMatchObject({ status: 503, code: 'login_unavailable' })
    const seconds = Number(refused?.headers['retry-after'])
    expect(seconds).toBeGreaterThan(0)
    expect(seconds).toBeLessThanOrEqual(7)
    if (way === 'answers 429') expect(seconds).toBe(7)
    expect(browser.cookie()).toBeDefined()
    // A page is no reason for a login either, and nobody asks again before the time that was told.
    const before = fleet.refreshes()
    expect(await browser.open(`${url}/page`)).toMatchObject({ status: 503, location: undefined })
    expect(fleet.refreshes()).toBe(before)
    fleet.provider.heal()
    fleet.later(seconds * 1_000)
    expect(counted(await ask(browser))).toEqual({ 200: 1 })
    expect(fleet.refreshes() - before).toBe(1)
  })

  test('is kept while the token lives and the provider is out of order', async () => {
    const browser = await begun(DUE)
    fleet.provider.fail({ kind: 'cut' }, 'refresh_token')
    expect(counted(await ask(browser, 5))).toEqual({ 200: 5 })
    expect(await browser.open(`${url}/page`)).toMatchObject({ status: 200 })
  })

  test('ends with `invalid_grant`, and its `sid` is revoked for tokens, too', async () => {
    fleet.provider.set({ sid: 'everywhere' })
    const browser = await begun(DUE)
    const { accessToken = '', refreshToken = '' } = fleet.provider.given.at(-1) ?? {}
    const asBearer = () => withToken(accessToken)
    expect(refreshToken).not.toBe('')
    expect(await asBearer()).toMatchObject({ status: 200 })
    const series = 'sessions_ended_total{provider="browser",reason="refused"}'
    const before = await fleet.metric(series)
    fleet.provider.revokeGrants('alice')
    fleet.later(DUE + 1_000)
    expect(await ask(browser)).toMatchObject([{ status: 401, code: 'session_expired' }])
    expect(browser.cookie()).toBeDefined()
    expect(await browser.open(`${url}/page`)).toMatchObject({ status: 302, location: '/auth/login?return=%2Fpage' })
    expect(await asBearer()).toMatchObject({ status: 401, code: 'token_revoked' })
    expect((await fleet.metric(series)) - before).toBe(1)
  })
})

async function withToken(token: string) {
  const reply = await fleet.gateways[0]?.request('/api/x', { headers: { authorization: `Bearer ${token}` } })
  return { status: reply?.status, code: reply?.json().code }
}

test('a clock that is ahead of the provider’s keeps nobody out who signs in again after such an end', async () => {
  const own = await startSessionFleet()
  atEnd(own.close)
  const page = `${own.urls[0]}/page`
  own.later(4_000)
  own.lives(6)
  const jar = createCookieJar()
  const browser = await signedIn(page, { jar })
  own.provider.revokeGrants('alice')
  await expect.poll(async () => (await browser.ask(`${own.urls[0]}/api/x`)).code, SOON).toBe('session_expired')
  const again = await signedIn(page, { jar })
  const [first, second] = own.provider.given.map(({ idToken = '' }) => decodeJwt(idToken).sid)
  expect(second).toBe(first)
  expect(await again.ask(`${own.urls[0]}/api/x`)).toMatchObject({ status: 200 })
})

test('a request that waits for longer than the grace is no reuse of the cookie that it came with', async () => {
  const own = await startSessionFleet({ session: { lifetime: { refreshBefore: '0s', grace: '5s' } } })
  atEnd(own.close)
  const api = `${own.urls[0]}/api/x`
  own.provider.set({ accessTokenSeconds: 20 })
  const browser = await signedIn(`${own.urls[0]}/page`)
  const tab = browser.copy()
  own.later(20_000)
  own.provider.set({ accessTokenSeconds: 40 })
  expect(await browser.ask(api)).toMatchObject({ status: 200 })
  expect(browser.cookie()).not.toBe(tab.cookie())
  own.later(20_000)
  own.provider.set({ accessTokenSeconds: 3_000 })
  own.provider.fail({ kind: 'held' }, 'refresh_token')
  // Both are under way at the same time, the one with the older cookie and the one with the newer.
  const replies = [tab.ask(api), browser.ask(api)]
  await expect.poll(() => own.metric('requests_in_flight'), SOON).toBe(2)
  own.later(6_000)
  own.provider.heal()
  expect(counted(await Promise.all(replies))).toEqual({ 200: 2 })
  expect(await browser.ask(api)).toMatchObject({ status: 200 })
})
