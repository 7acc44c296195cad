/** People log out in one tab of Chromium, or at their provider, and are logged out in all tabs and at all gateways. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { connect, connection } from '../../support/clients/page-requests.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { asks, jsonOf, ownCookies, SESSION_COOKIE, type Shop, sessionCookie, signIn, startShop, who } from './shop.ts'

const browser = browserOfFile()
const SOON = { timeout: 5_000, interval: 20 }

describe.skipIf(WITHOUT_BROWSER || process.env.WITHOUT_STORES === '1')('a logout', () => {
  let store: StoreServer
  let shop: Shop
  /** The second gateway, to which the browser sends the same cookies. */
  let second: string
  beforeAll(async () => {
    store = await startStoreServer()
    shop = await startShop({
      gateways: 2,
      afterLogout: '/open/bye',
      session: { store: 'shared' },
      config: { store: { url: store.url } },
    })
    second = shop.urls[1] ?? ''
  })
  afterAll(() => Promise.all([shop.close(), store.stop()]))
  beforeEach(() => shop.provider.set({ signIn: 'automatic' }))

  interface Tabs {
    readonly page: Page
    /** Tabs with an open WebSocket, one at each gateway. */
    readonly others: readonly Page[]
    readonly cookie: string
  }
  async function logIn(): Promise<Tabs> {
    const page = await browser.open(`${shop.url}/orders`)
    const others = await Promise.all(
      shop.urls.map(async url => {
        const tab = await page.context().newPage()
        await tab.goto(`${url}/orders/other`)
        expect(await tab.evaluate(connect, `${url}/feed/live`.replace('http', 'ws'))).toBe(true)
        return tab
      }),
    )
    return { page, others, cookie: await sessionCookie(page.context(), shop) }
  }

  async function expectEnded({ others, cookie }: Tabs): Promise<void> {
    for (const tab of others) await expect.poll(() => tab.evaluate(connection), SOON).toMatchObject({ code: 1008 })
    for (const tab of others) {
      const heard = await asks(tab, '/api/orders')
      expect(heard).toMatchObject({ status: 401 })
      expect(jsonOf(heard)).toMatchObject({ login: '/auth/login' })
    }
    // Whoever has a copy of the cookie has nothing any more.
    for (const url of shop.urls) {
      const answer = await fetch(`${url}/api/orders`, { headers: { cookie: `${SESSION_COOKIE}=${cookie}` } })
      expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'session_expired' }])
    }
  }

  test('by a form leads over the provider to the page that follows it, and holds everywhere', async () => {
    const tabs = await logIn()
    const { page } = tabs
    const revoked = shop.provider.count({ path: '/token/revocation', status: 200 })
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${shop.url}/open/bye`)
    expect(await who(page)).toBe('nobody')
    expect(await ownCookies(page.context(), shop)).toEqual([])
    expect(shop.provider.count({ path: '/token/revocation', status: 200 })).toBe(revoked + 1)
    await expectEnded(tabs)
    shop.provider.set({ signIn: 'form' })
    await page.goto(`${shop.url}/orders/anew`)
    await signIn(page, shop)
    expect(page.url()).toBe(`${shop.url}/orders/anew`)
    expect(await who(page)).toBe('alice')
  })

  test('by a fetch names the provider’s page for it, and a login right after it holds', async () => {
    const tabs = await logIn()
    const { page } = tabs
    // Revocations know whole seconds, so a login is told from one before it only if that was in an earlier second.
    const { loggedInAt } = jsonOf(await asks(page, '/auth/session'))
    await expect.poll(() => Math.floor(Date.now() / 1_000)).toBeGreaterThan(Number(loggedInAt))
    const { endSession } = jsonOf(await asks(page, '/auth/logout', { method: 'POST' })) as { endSession: string }
    expect(endSession).toMatch(`${shop.provider.issuer}/session/end?`)
    expect(await ownCookies(page.context(), shop)).toEqual([])
    // The provider was not told, so that its session and the name of that are the same as before.
    await page.goto(`${shop.url}/orders/at-once`)
    expect(await who(page)).toBe('alice')
    expect(await asks(page, '/api/at-once')).toMatchObject({ status: 200 })
    await page.goto(`${second}/orders/at-once`)
    expect(await who(page)).toBe('alice')
    for (const tab of tabs.others) await expect.poll(() => tab.evaluate(connection), SOON).toMatchObject({ code: 1008 })
    for (const url of shop.urls) {
      const headers = { cookie: `${SESSION_COOKIE}=${tabs.cookie}` }
      expect((await fetch(`${url}/api/orders`, { headers })).status).toBe(401)
    }
    const end = jsonOf(await asks(page, '/auth/logout', { method: 'POST' })) as { endSession: string }
    await page.goto(end.endSession)
    await page.waitForURL(url => url.pathname === '/open/bye')
  })

  test('at the provider ends the session at both gateways, and a login right after it holds', async () => {
    const tabs = await logIn()
    await shop.provider.logOut('alice')
    expect(shop.provider.logouts.map(({ result }) => result)).not.toContainEqual(expect.any(Error))
    await expectEnded(tabs)
    await tabs.page.goto(`${shop.url}/orders/anew`)
    expect(await who(tabs.page)).toBe('alice')
    expect(await asks(tabs.page, '/api/anew')).toMatchObject({ status: 200 })
  })

  test('without a session leads to the page that follows it all the same', async () => {
    const page = await browser.open(`${shop.url}/open/start`)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.waitForURL(`${shop.url}/open/bye`)
    expect(jsonOf(await asks(page, '/auth/logout', { method: 'POST' }))).toEqual({ endSession: `${shop.url}/open/bye` })
  })

  test('is not begun by opening its address', async () => {
    const { page } = await logIn()
    expect(await asks(page, '/auth/logout')).toMatchObject({ status: 405 })
    await page.goto(`${shop.url}/orders/still`)
    expect(await who(page)).toBe('alice')
  })

  test('hides from the back button what the service lets no browser keep', async () => {
    const { page } = await logIn()
    for (const [path, title] of [
      ['/orders/kept', 'The shop'],
      ['/secret', 'Sign in'],
    ]) {
      shop.provider.set({ signIn: 'automatic' })
      await page.goto(shop.url + path)
      expect(await who(page)).toBe('alice')
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.waitForURL(`${shop.url}/open/bye`)
      shop.provider.set({ signIn: 'form' })
      await page.goBack()
      expect([path, await page.title()]).toEqual([path, title])
      if (path === '/orders/kept') expect(await asks(page, '/api/orders')).toMatchObject({ status: 401 })
    }
  })
})
