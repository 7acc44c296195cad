/** Pages that ask for a stronger or a newer login send people in Chromium to log in for that, and never in circles. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { asks, jsonOf, type Shop, startShop, who } from './shop.ts'

const browser = browserOfFile()

describe.skipIf(WITHOUT_BROWSER)('a page', () => {
  let shop: Shop
  beforeAll(async () => {
    const pages = { upstream: 'app', providers: ['browser'], anonymous: 'login' }
    shop = await startShop({
      routes: [
        { ...pages, id: 'mfa', path: '/mfa/**', require: { acr: ['mfa'] } },
        { ...pages, id: 'gold', path: '/gold/**', require: { acr: ['gold'] } },
        { ...pages, id: 'recent', path: '/recent/**', require: { authAge: '1s' } },
      ],
    })
  })
  afterAll(() => shop.close())

  const start = (path = '/orders'): Promise<Page> => browser.open(shop.url + path)
  const begun = (): number => shop.provider.count({ path: '/auth' })
  /** What the provider is asked for, from now on. */
  function authorizations(page: Page): URLSearchParams[] {
    const seen: URLSearchParams[] = []
    page.on('request', request => {
      const url = new URL(request.url())
      if (url.origin === shop.provider.issuer && url.pathname === '/auth') seen.push(url.searchParams)
    })
    return seen
  }

  test('that asks for a second factor gets one by another login, and keeps it', async () => {
    const page = await start()
    const refused = await asks(page, '/mfa/1')
    expect(refused).toMatchObject({ status: 401 })
    expect(jsonOf(refused)).toMatchObject({ code: 'step_up_required', login: '/auth/login?for=GET%20%2Fmfa%2F1' })
    const seen = authorizations(page)
    await page.goto(`${shop.url}/mfa/1?of=2`)
    expect(page.url()).toBe(`${shop.url}/mfa/1?of=2`)
    expect(await who(page)).toBe('alice')
    expect(seen.map(each => each.get('acr_values'))).toEqual(['mfa'])
    expect(await asks(page, '/mfa/2')).toMatchObject({ status: 200 })
    expect(await asks(page, '/api/2')).toMatchObject({ status: 200 })
    await page.goto(`${shop.url}/mfa/3`)
    expect(seen.length).toBe(1)
  })

  test('that asks for a second factor gets it by the first login, too', async () => {
    const before = begun()
    const page = await start('/mfa/1')
    expect(await who(page)).toBe('alice')
    expect(begun()).toBe(before + 1)
  })

  test('that asks for what the provider does not give says so, once', async () => {
    const page = await start()
    const seen = authorizations(page)
    const answer = await page.goto(`${shop.url}/gold/1`)
    expect(answer?.status()).toBe(403)
    expect(await page.textContent('code')).toBe('step_up_failed')
    expect(seen.map(each => each.get('acr_values'))).toEqual(['gold'])
    await page.reload()
    expect(await page.textContent('code')).toBe('step_up_failed')
    expect(seen.length).toBe(1)
    expect(shop.asked('/gold/1')).toEqual([])
    await page.goto(`${shop.url}/orders/after`)
    expect(await who(page)).toBe('alice')
  })

  test('that asks for a recent login gets another one when that is due, again and again', async () => {
    const page = await start('/recent/1')
    expect(await who(page)).toBe('alice')
    const seen = authorizations(page)
    for (const round of [1, 2]) {
      const asked = async () => (await asks(page, '/recent/poll')) as { status: number }
      await expect.poll(asked, { timeout: 20_000, interval: 100 }).toMatchObject({ status: 401 })
      await page.goto(`${shop.url}/recent/${round}`)
      expect(page.url()).toBe(`${shop.url}/recent/${round}`)
      expect(await who(page)).toBe('alice')
      expect(seen.map(each => each.get('max_age'))).toEqual(Array.from({ length: round }, () => '1'))
    }
  })
})
