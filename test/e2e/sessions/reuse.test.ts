/** Somebody uses a copy of an old cookie: the session ends for everybody, at the provider, too. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import {
  type Browser,
  counted,
  type SessionFleet,
  SOON,
  signedIn,
  startSessionFleet,
  WITHOUT_STORES,
} from './support.ts'

const GRACE_MS = 5_000
const LIFE_SECONDS = 20
const lifetime = { grace: `${GRACE_MS / 1_000}s`, refreshBefore: '0s' }

function reuse(start: () => Promise<SessionFleet>): void {
  let fleet: SessionFleet
  beforeAll(async () => {
    fleet = await start()
  })
  afterAll(() => fleet.close())

  /** The tokens are renewed, and the browser has the next cookie and has sent it. */
  async function rotated(browser: Browser): Promise<void> {
    const before = browser.cookie()
    fleet.later(Math.max(LIFE_SECONDS * 1_000, 2 * GRACE_MS))
    fleet.lives(LIFE_SECONDS)
    await expect
      .poll(async () => {
        expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
        return browser.cookie()
      }, SOON)
      .not.toBe(before)
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
  }

  async function begun(): Promise<Browser> {
    fleet.provider.set({ sid: 'everywhere' })
    fleet.lives(LIFE_SECONDS)
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: fleet.urls.length })
    return browser
  }

  const ends = () => fleet.metric('sessions_ended_total{provider="browser",reason="reused"}')

  test('a cookie that was copied away and is used after the grace ends the session everywhere', async () => {
    const browser = await begun()
    const thief = browser.copy()
    await rotated(browser)
    await rotated(browser)
    const { accessToken = '', refreshToken = '' } = fleet.provider.given.at(-1) ?? {}
    const withToken = () =>
      Promise.all(
        fleet.gateways.map(async gateway => {
          const reply = await gateway.request('/api/x', { headers: { authorization: `Bearer ${accessToken}` } })
          return reply.json().code ?? reply.status
        }),
      )
    expect(await withToken()).toEqual(fleet.urls.map(() => 200))
    fleet.later(GRACE_MS)
    const before = await ends()

    expect(await thief.ask(`${fleet.urls.at(-1)}/api/x`)).toMatchObject({ status: 401, code: 'session_reused' })

    expect(thief.cookie()).toBeDefined()
    await expect.poll(withToken, SOON).toEqual(fleet.urls.map(() => 'token_revoked'))
    expect(counted(await fleet.askAll(browser))).toEqual({ '401 session_expired': fleet.urls.length })
    expect((await ends()) - before).toBe(1)
    const isAlert = ({ level, msg }: Readonly<Record<string, unknown>>) =>
      level === 'error' && msg === 'a session was ended, because its cookie was used twice'
    const alerts = fleet.gateways.flatMap(({ logs }) => logs.filter(isAlert))
    expect(alerts).toMatchObject([{ provider: 'browser' }])
    await expect.poll(() => fleet.provider.count({ path: '/token/revocation', status: 200 }), SOON).toBe(1)
    expect(await fleet.provider.redeem(refreshToken)).toBe('invalid_grant')
  })

  test('the cookie before the newest passes for the grace, and not after it', async () => {
    const browser = await begun()
    const slow = browser.copy()
    await rotated(browser)
    expect(await slow.copy().ask(`${fleet.urls[0]}/api/x`)).toMatchObject({ status: 200 })
    fleet.later(GRACE_MS)
    expect(await slow.ask(`${fleet.urls[0]}/api/x`)).toMatchObject({ status: 401, code: 'session_reused' })
  })

  test('a browser that lost the answers with its next cookie goes on with the one that it has', async () => {
    const browser = await begun()
    const url = `${fleet.urls[0]}/api/x`
    for (let round = 0; round < 3; round += 1) {
      fleet.later(Math.max(LIFE_SECONDS * 1_000, 2 * GRACE_MS))
      fleet.lives(LIFE_SECONDS)
      // Whoever answers is not heard: the copies are thrown away.
      expect(await browser.copy().ask(url)).toMatchObject({ status: 200 })
    }
    expect(await browser.ask(url)).toMatchObject({ status: 200 })
  })
}

describe('with one gateway', () => reuse(() => startSessionFleet({ session: { lifetime } })))

describe.skipIf(WITHOUT_STORES)('with two gateways and a store', () => {
  let store: StoreServer
  afterAll(() => store.stop())
  reuse(async () => {
    store = await startStoreServer()
    return startSessionFleet({
      gateways: 2,
      session: { store: 'shared', lifetime },
      config: { store: { url: store.url, timeout: '10s' } },
    })
  })
})
