/** A login over a session that lives: two tabs have begun one each. The new session takes the place of the old one. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createCookieJar, walk } from '../../support/clients/login-walk.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { closing, openWebSocket } from '../../support/services/websocket-service.ts'
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
const LIFE_SECONDS = 60
const lifetime = { grace: `${GRACE_MS / 1_000}s`, refreshBefore: '0s' }
const identity = { headers: { 'x-sub': 'sub' } }

function replaced(start: () => Promise<SessionFleet>): void {
  let fleet: SessionFleet
  beforeAll(async () => {
    fleet = await start()
  })
  afterAll(() => fleet.close())

  const all = (kind: string) => ({ [kind]: fleet.urls.length })
  const askAll = async (browser: Browser) => counted(await fleet.askAll(browser))
  const ends = () => fleet.metric('sessions_ended_total{provider="browser",reason="replaced"}')
  const who = async (browser: Browser) => {
    const { text } = await fleet.ask(browser)
    return (JSON.parse(text) as { readonly headers: Readonly<Record<string, string>> }).headers['x-sub']
  }

  /** The browser of Alice, before and after somebody has logged in in its other tab, too. */
  async function loggedInTwice(second: string) {
    const [url, { issuer }] = [fleet.urls[0] ?? '', fleet.provider]
    const jar = createCookieJar()
    const isAtProvider = (to: URL) => to.origin === issuer
    const { stoppedBefore: tab = '' } = await walk(`${url}/page`, { jar, until: isAtProvider })
    fleet.lives(LIFE_SECONDS)
    fleet.provider.set({ login: 'alice' })
    const browser = await signedIn(`${url}/page`, { jar })
    const { refreshToken = '' } = fleet.provider.given.at(-1) ?? {}
    const old = browser.copy()
    expect(await askAll(old)).toEqual(all('200'))
    const stream = await openWebSocket(`${url}/api/x`, { headers: { cookie: old.cookie() ?? '', origin: url } })
    fleet.provider.set({ login: second })
    // The provider knows nobody in this tab, so it asks who it is.
    const isBack = (to: URL) => to.pathname === '/auth/callback'
    const { stoppedBefore: back = '' } = await walk(tab, { jar: createCookieJar(), until: isBack })
    fleet.provider.set({ login: 'alice' })
    const before = { ends: await ends(), revocations: revocations() }
    await walk(back, { jar })
    expect(browser.cookie()).not.toBe(old.cookie())
    return { browser, old, refreshToken, before, closed: closing(stream) }
  }
  const revocations = () => fleet.provider.count({ path: '/token/revocation' })

  test('of the same user goes on with the old cookie for the grace, and not after it', async () => {
    const { browser, old, before, closed } = await loggedInTwice('alice')
    const oldCookie = old.cookie()
    expect(await askAll(old)).toEqual(all('200'))
    expect(old.cookie()).toBe(oldCookie)
    expect(await askAll(browser)).toEqual(all('200'))
    fleet.later(GRACE_MS)
    await expect.poll(() => askAll(old.copy()), SOON).toEqual(all('401 session_expired'))
    expect((await closed).code).toBe(1008)
    expect(await askAll(browser)).toEqual(all('200'))
    expect((await ends()) - before.ends).toBeGreaterThan(0)
    // The new session may have the same grant, so it is left alone.
    fleet.later(LIFE_SECONDS * 1_000)
    fleet.lives(LIFE_SECONDS)
    expect(await askAll(browser)).toEqual(all('200'))
    expect(revocations()).toBe(before.revocations)
  })

  test('of another user ends the old session at once', async () => {
    const { browser, old, refreshToken, before, closed } = await loggedInTwice('bob')
    expect(await fleet.ask(old.copy())).toMatchObject({ status: 401, code: 'session_expired' })
    await expect.poll(() => askAll(old.copy()), SOON).toEqual(all('401 session_expired'))
    expect((await closed).code).toBe(1008)
    expect(await who(browser)).toBe('bob')
    expect(await askAll(browser)).toEqual(all('200'))
    expect((await ends()) - before.ends).toBeGreaterThan(0)
    expect(revocations()).toBe(before.revocations)
    expect(await fleet.provider.redeem(refreshToken)).toBeUndefined()
    fleet.later(LIFE_SECONDS * 1_000)
    fleet.lives(LIFE_SECONDS)
    expect(await askAll(browser)).toEqual(all('200'))
    expect(await who(browser)).toBe('bob')
  })
}

describe('with one gateway, a login', () =>
  replaced(() => startSessionFleet({ session: { lifetime }, config: { identity } })))

describe.skipIf(WITHOUT_STORES)('with two gateways and a store, a login', () => {
  let store: StoreServer
  afterAll(() => store.stop())
  replaced(async () => {
    store = await startStoreServer()
    return startSessionFleet({
      gateways: 2,
      session: { store: 'shared', lifetime },
      config: { identity, store: { url: store.url, timeout: '10s' } },
    })
  })
})
