/** Chromium keeps a session’s cookie from scripts, and no service and no script can put another in its place. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { asks, jsonOf, ownCookies, SESSION_COOKIE, type Shop, startShop } from './shop.ts'

const browser = browserOfFile()

/** How somebody may try to set it, and how it may be told to be forgotten. */
const ATTEMPTS = [
  '__Host-sallyport=evil; Secure; Path=/',
  '__Host-sallyport=evil; Secure; HttpOnly; Path=/; SameSite=Lax',
  '__Host-sallyport=evil; Secure; Path=/api',
  '__Host-sallyport=; Secure; Path=/; Max-Age=0',
  '__Host-sallyport="evil"; Secure; Path=/',
  '__host-sallyport=evil; Secure; Path=/',
  '__HOST-SALLYPORT=evil; Secure; Path=/',
  ' \t__Host-sallyport\t =evil; Secure; Path=/',
  '__Host-sallyport; Secure; Path=/',
  '=__Host-sallyport=evil; Secure; Path=/',
  '%5F%5FHost-sallyport=evil; Secure; Path=/',
  '..Host sallyport=evil; Secure; Path=/',
  '__Host-sallyport-login-abcdefgh=evil; Secure; Path=/',
] as const

describe.skipIf(WITHOUT_BROWSER)('the cookie of a session', () => {
  let shop: Shop
  beforeAll(async () => {
    shop = await startShop()
  })
  afterAll(() => shop.close())

  const start = (): Promise<Page> => browser.open(`${shop.url}/orders`)

  test('is for this host, this browser and TLS alone, and no script reads it', async () => {
    const page = await start()
    const [cookie, ...others] = await ownCookies(page.context(), shop)
    expect(others).toEqual([])
    expect(cookie).toMatchObject({
      name: SESSION_COOKIE,
      value: expect.stringMatching(/^[\w-]{48}$/),
      domain: 'localhost',
      path: '/',
      expires: -1,
      httpOnly: true,
      secure: true,
      sameSite: 'Lax',
    })
    expect(await page.evaluate('document.cookie')).toBe('')
    expect(await page.evaluate('cookieStore.getAll()')).toEqual([])
  })

  test('is not sent to the service, whose own cookies pass in both directions', async () => {
    const page = await start()
    expect(jsonOf(await asks(page, '/api/first'))).not.toHaveProperty('headers.cookie')
    const set = ['theme=dark; Path=/', 'basket=7; Path=/api; HttpOnly']
    await asks(page, `/api/cookies?${new URLSearchParams(set.map(line => ['set', line]))}`)
    expect(await page.evaluate('document.cookie')).toBe('theme=dark')
    const cookie = jsonOf(await asks(page, '/api/second')).headers as { cookie: string }
    expect(cookie.cookie.split('; ').toSorted()).toEqual(['basket=7', 'theme=dark'])
    for (const { headers } of shop.service.seen) expect(headers.cookie ?? '').not.toMatch(/sallyport/i)
  })

  test('is not set by the service, in whatever spelling', async () => {
    const page = await start()
    const before = await ownCookies(page.context(), shop)
    for (const line of ATTEMPTS) {
      const seen = await asks(page, `/api/cookies?${new URLSearchParams({ set: line })}`)
      expect(seen, line).toMatchObject({ status: 200 })
      expect(await ownCookies(page.context(), shop), line).toEqual(before)
    }
    await asks(page, `/api/cookies?${new URLSearchParams({ set: 'theme=dark; Path=/, __Host-sallyport=evil' })}`)
    expect(await ownCookies(page.context(), shop)).toEqual(before)
    expect(await asks(page, '/api/after')).toMatchObject({ status: 200 })
  })

  test('is not overwritten by a script, in whatever spelling, and the session goes on', async () => {
    const page = await start()
    const [before] = await ownCookies(page.context(), shop)
    for (const line of ATTEMPTS) {
      await page.evaluate(`document.cookie = ${JSON.stringify(line)}`)
      const own = (await ownCookies(page.context(), shop)).find(({ name }) => name === SESSION_COOKIE)
      expect(own, line).toEqual(before)
      const { headers } = jsonOf(await asks(page, '/api/after'))
      expect(headers, line).toMatchObject({ 'x-auth-subject': 'alice' })
      expect(headers, line).not.toHaveProperty('cookie', expect.stringMatching(/sallyport/i))
    }
    const set = `cookieStore.set({ name: '${SESSION_COOKIE}', value: 'evil' }).then(() => 'set', () => 'refused')`
    await page.evaluate(set)
    expect(await asks(page, '/api/after')).toMatchObject({ status: 200 })
  })
})
