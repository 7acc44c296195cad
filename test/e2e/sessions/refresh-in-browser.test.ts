/** Tabs of Chromium stay logged in while their session’s tokens are renewed behind their backs, and see none of it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { connect, connection, say } from '../../support/clients/page-requests.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { asks, jsonOf, SESSION_COOKIE, type Shop, sessionCookie, startShop, who } from './shop.ts'

const browser = browserOfFile()
const PATIENTLY = { timeout: 25_000, interval: 50 }

describe.skipIf(WITHOUT_BROWSER)('a session whose tokens live for seconds', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await startShop({ session: { lifetime: { refreshBefore: '1s', grace: '1s' } } })
    shop.provider.set({ accessTokenSeconds: 3 })
  })
  afterAll(() => shop.close())

  const start = (): Promise<Page> => browser.open(`${shop.url}/orders`)
  const refreshes = (): number => shop.provider.count({ grantType: 'refresh_token', status: 200 })
  /** Asks again and again, and expects to be let in each time, until `isSo`. */
  async function useUntil(pages: readonly Page[], isSo: () => boolean | Promise<boolean>): Promise<void> {
    await expect
      .poll(async () => {
        for (const page of pages)
          expect(jsonOf(await asks(page, '/api/poll'))).toMatchObject({ headers: { 'x-auth-subject': 'alice' } })
        return isSo()
      }, PATIENTLY)
      .toBe(true)
  }

  test('lets two tabs fetch through several expiries, and rotates their cookie', async () => {
    const page = await start()
    const other = await page.context().newPage()
    await other.goto(`${shop.url}/orders/other`)
    const before = refreshes()
    const cookies = new Set<string>()
    await useUntil([page, other], async () => {
      cookies.add(await sessionCookie(page.context(), shop))
      return refreshes() >= before + 4 && cookies.size >= 3
    })
    expect(shop.provider.count({ path: '/auth' })).toBe(1)
    await page.reload()
    expect(await who(page)).toBe('alice')
  })

  test('keeps a WebSocket open, which alone keeps the tokens fresh', async () => {
    const page = await start()
    expect(await page.evaluate(connect, `${shop.url}/feed/live`.replace('http', 'ws'))).toBe(true)
    const before = refreshes()
    await expect.poll(refreshes, PATIENTLY).toBeGreaterThanOrEqual(before + 3)
    await page.evaluate(say, 'still here')
    await expect.poll(() => page.evaluate(connection)).toEqual({ code: 0, messages: ['still here'] })
    expect(await asks(page, '/api/after')).toMatchObject({ status: 200 })
  })

  test('ends when an old copy of its cookie turns up, for both who have it', async () => {
    const page = await start()
    const copy = await sessionCookie(page.context(), shop)
    const seen = new Set([copy])
    await useUntil([page], async () => seen.add(await sessionCookie(page.context(), shop)).size >= 3)
    const thief = await browser.open(`${shop.url}/open/start`)
    await thief.context().addCookies([
      {
        name: SESSION_COOKIE,
        value: copy,
        domain: 'localhost',
        path: '/',
        secure: true,
        httpOnly: true,
        sameSite: 'Lax',
      },
    ])
    const refused = await asks(thief, '/api/stolen')
    expect([refused, jsonOf(refused)]).toMatchObject([
      { status: 401 },
      { code: 'session_reused', login: '/auth/login' },
    ])
    expect(jsonOf(await asks(page, '/api/mine'))).toMatchObject({ code: 'session_expired', login: '/auth/login' })
    await page.goto(`${shop.url}/orders/anew`)
    expect(await who(page)).toBe('alice')
    expect(jsonOf(await asks(thief, '/api/stolen'))).toMatchObject({ code: 'session_expired' })
  })
})
