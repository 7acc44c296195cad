/** People log in with Chromium, in one tab and in many, and come back to the page that they wanted. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { walk } from '../../support/clients/login-walk.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { asks, jsonOf, ownCookies, SESSION_COOKIE, type Shop, sessionCookie, signIn, startShop, who } from './shop.ts'

const browser = browserOfFile()

describe.skipIf(WITHOUT_BROWSER)('a login', () => {
  let shop: Shop
  /** Another site, whose page links to whatever its query says. */
  let elsewhere: TestUpstream
  beforeAll(async () => {
    shop = await startShop()
    elsewhere = await startTestUpstream(({ url = '' }, response) => {
      const to = new URL(url, 'http://elsewhere').searchParams.get('to')
      response.setHeader('content-type', 'text/html')
      response.end(`<link rel="icon" href="data:,"><a href="${to}">To the shop</a>`)
    })
  })
  afterAll(() => Promise.all([shop.close(), elsewhere.close()]))
  beforeEach(() => shop.provider.set({ signIn: 'form', paddingBytes: 0 }))

  /** A page that needs no login, in a profile of its own. */
  const start = (): Promise<Page> => browser.open(`${shop.url}/open/start`)
  /** How often a browser was sent to the provider so far. */
  const begun = (): number => shop.provider.count({ path: '/auth' })
  /** Notes where documents are asked for, without queries, from now on. */
  function way(page: Page): string[] {
    const urls: string[] = []
    page.on('request', request => {
      if (request.isNavigationRequest()) urls.push(`${request.method()} ${request.url().replace(/\?.*/, '')}`)
    })
    return urls
  }

  test('leads from a typed address over the provider’s form back to that very page, query and all', async () => {
    const page = await start()
    const urls = way(page)
    const wanted = `${shop.url}/orders/7?view=full&note=a%20b%2F%C3%A9&&x`
    await page.goto(wanted)
    expect(page.url()).toMatch(`${shop.provider.issuer}/interaction/`)
    const form = page.url()
    await signIn(page, shop)
    expect(page.url()).toBe(wanted)
    expect(await who(page)).toBe('alice')
    const uid = form.split('/').at(-1)
    expect(urls).toEqual([
      `GET ${shop.url}/orders/7`,
      `GET ${shop.url}/auth/login`,
      `GET ${shop.provider.issuer}/auth`,
      `GET ${form}`,
      `POST ${form}`,
      `GET ${shop.provider.issuer}/auth/${uid}`,
      `GET ${shop.url}/auth/callback`,
      `GET ${shop.url}/orders/7`,
    ])
    const [seen] = shop.asked('/orders/7?view=full&note=a%20b%2F%C3%A9&&x')
    expect(seen?.headers).toMatchObject({
      'x-auth-subject': 'alice',
      'x-auth-scope': expect.stringMatching('orders:read'),
    })
    expect((await ownCookies(page.context(), shop)).map(({ name }) => name)).toEqual([SESSION_COOKIE])
  })

  test('holds for a reload, the back button, further tabs and pages to which another site links', async () => {
    const page = await start()
    const link = `${elsewhere.url}/?to=${encodeURIComponent(`${shop.url}/deep/page?of=1`)}`
    await page.goto(link)
    await page.getByRole('link').click()
    await page.waitForURL(`${shop.provider.issuer}/**`)
    await signIn(page, shop)
    expect(page.url()).toBe(`${shop.url}/deep/page?of=1`)
    const logins = begun()
    await page.reload()
    expect(await who(page)).toBe('alice')
    await page.goto(`${shop.url}/next`)
    await page.goBack()
    expect(page.url()).toBe(`${shop.url}/deep/page?of=1`)
    expect(await who(page)).toBe('alice')
    const other = await page.context().newPage()
    await other.goto(link)
    await other.getByRole('link').click()
    await other.waitForURL(`${shop.url}/deep/page?of=1`)
    expect(await who(other)).toBe('alice')
    expect(begun()).toBe(logins)
  })

  test('that the provider refuses ends on a plain page, once', async () => {
    shop.provider.set({ signIn: 'refuse' })
    const page = await start()
    const logins = begun()
    const answer = await page.goto(`${shop.url}/orders/refused`)
    expect(answer?.status()).toBe(400)
    expect(await answer?.headerValue('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    expect(new URL(page.url()).pathname).toBe('/auth/callback')
    expect(await page.textContent('code')).toBe('login_failed')
    expect(begun()).toBe(logins + 1)
    expect(await ownCookies(page.context(), shop)).toEqual([])
    expect(shop.asked('/orders/refused')).toEqual([])
  })

  // The eleven tabs below are finished in reverse.
  test('of ten tabs at once, finished in some order, brings each to its own page', async () => {
    const first = await start()
    const tabs = [first, ...(await Promise.all(Array.from({ length: 9 }, () => first.context().newPage())))]
    await Promise.all(tabs.map((tab, index) => tab.goto(`${shop.url}/tabs/${index}?own=${index}`)))
    expect((await ownCookies(first.context(), shop)).length).toBe(10)
    for (const index of [4, 9, 0, 7, 2, 8, 5, 1, 6, 3]) await signIn(tabs[index] as Page, shop)
    expect(tabs.map(tab => tab.url())).toEqual(tabs.map((_, index) => `${shop.url}/tabs/${index}?own=${index}`))
    expect(await Promise.all(tabs.map(who))).toEqual(tabs.map(() => 'alice'))
    expect((await ownCookies(first.context(), shop)).map(({ name }) => name)).toEqual([SESSION_COOKIE])
  })

  test('of an eleventh tab lets the oldest end at the start page', async () => {
    const first = await start()
    const tabs = [first, ...(await Promise.all(Array.from({ length: 10 }, () => first.context().newPage())))]
    for (const [index, tab] of tabs.entries()) await tab.goto(`${shop.url}/tabs/${index}`)
    expect((await ownCookies(first.context(), shop)).length).toBe(10)
    for (const tab of tabs.toReversed()) await signIn(tab, shop)
    const paths = tabs.map((_, index) => `${shop.url}${index === 0 ? '/' : `/tabs/${index}`}`)
    expect(tabs.map(tab => tab.url())).toEqual(paths)
  })

  test('is begun by no fetch, which hears where to log in instead', async () => {
    const page = await start()
    const logins = begun()
    // One after the other: a gateway that many ask at once may refuse some for being busy.
    const answers = await page.evaluate(
      async urls => {
        const heard = []
        for (const url of urls) {
          const answer = await fetch(url)
          heard.push({ status: answer.status, text: await answer.text() })
        }
        return heard
      },
      Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? `/api/orders/${index}` : `/orders/${index}`)),
    )
    for (const { status, text } of answers) {
      expect(status).toBe(401)
      expect(JSON.parse(text)).toMatchObject({ code: 'token_missing', login: '/auth/login' })
    }
    expect(begun()).toBe(logins)
    expect(await page.context().cookies()).toEqual([])
  })

  test('is begun by no frame and by no prefetch', async () => {
    const page = await start()
    const logins = begun()
    const heard = page.waitForResponse(`${shop.url}/framed`)
    const fetched = page.waitForResponse(`${shop.url}/prefetched`)
    await page.setContent(`
      <iframe src="/framed"></iframe>
      <link rel="prefetch" href="/prefetched">
      <script type="speculationrules">
        { "prefetch": [{ "urls": ["/speculated"], "eagerness": "immediate" }] }
      </script>`)
    expect((await heard).status()).toBe(401)
    expect((await fetched).status()).toBe(401)
    await shop.gateways[0]?.logged({ path: '/speculated', status: 401 })
    expect(begun()).toBe(logins)
    expect(await page.context().cookies()).toEqual([])
  })

  test('with an access token of 8 KiB is one login, and a short cookie', async () => {
    shop.provider.set({ signIn: 'automatic', paddingBytes: 8192 })
    const page = await start()
    const logins = begun()
    await page.goto(`${shop.url}/orders/heavy`)
    expect(await who(page)).toBe('alice')
    expect(SESSION_COOKIE.length + 1 + (await sessionCookie(page.context(), shop)).length).toBeLessThan(80)
    expect(await asks(page, '/api/heavy')).toMatchObject({ status: 200 })
    expect(begun()).toBe(logins + 1)
  })

  test('whose way back is opened again leads to the start page', async () => {
    shop.provider.set({ signIn: 'automatic' })
    const page = await start()
    const callback = page.waitForRequest(`${shop.url}/auth/callback?**`)
    await page.goto(`${shop.url}/orders/again`)
    const before = await sessionCookie(page.context(), shop)
    await page.goto((await callback).url())
    expect(page.url()).toBe(`${shop.url}/`)
    expect(await who(page)).toBe('alice')
    expect(await sessionCookie(page.context(), shop)).toBe(before)
  })

  test('counts only in the browser that has begun it', async () => {
    shop.provider.set({ signIn: 'automatic' })
    const isCallback = (url: URL): boolean => url.pathname === '/auth/callback'
    const { jar, stoppedBefore: stolen = '' } = await walk(`${shop.url}/orders/mine`, { until: isCallback })
    const mallory = await start()
    for (const url of [
      stolen,
      `${shop.url}/auth/callback?code=a&state=bbbbbbbbcccccccc`,
      `${shop.url}/auth/callback`,
    ]) {
      expect((await mallory.goto(url))?.status()).toBe(400)
      expect(await mallory.textContent('code')).toBe('login_failed')
    }
    expect(await ownCookies(mallory.context(), shop)).toEqual([])
    expect(await walk(stolen, { jar })).toMatchObject({ status: 200, url: `${shop.url}/orders/mine` })
  })

  test('begins a session of its own each time', async () => {
    shop.provider.set({ signIn: 'automatic' })
    const page = await start()
    await page.goto(`${shop.url}/orders/1`)
    const before = await sessionCookie(page.context(), shop)
    await page.context().clearCookies({ name: SESSION_COOKIE })
    await page.goto(`${shop.url}/orders/1`)
    expect((await sessionCookie(page.context(), shop)).slice(0, 21)).not.toBe(before.slice(0, 21))
  })

  const ABSOLUTE = [
    '//evil.test/',
    '/\\evil.test/',
    '\\\\evil.test/',
    'https://evil.test/',
    'https:evil.test',
    'javascript:alert(1)',
    '/\t/evil.test/',
    '/\r\nLocation: https://evil.test/',
    '\t//evil.test',
    '@evil.test/',
    '.evil.test/',
    '/#//evil.test',
    '/auth/logout',
  ]
  test('returns to the start page when it is asked to return to anything that is not ours', async () => {
    shop.provider.set({ signIn: 'automatic' })
    const page = await start()
    for (const isLoggedIn of [false, true])
      for (const target of ABSOLUTE) {
        if (!isLoggedIn) await page.context().clearCookies({ name: SESSION_COOKIE })
        await page.goto(`${shop.url}/auth/login?return=${encodeURIComponent(target)}`)
        expect([target, page.url()]).toEqual([target, `${shop.url}/`])
        expect(await who(page)).toBe('alice')
      }
  })

  test('is told to a script by the address that its 401 names', async () => {
    shop.provider.set({ signIn: 'automatic' })
    const page = await start()
    const { login } = jsonOf(await asks(page, '/api/orders'))
    await page.goto(`${shop.url}${login}?return=${encodeURIComponent('/open/start?then=1')}`)
    expect(page.url()).toBe(`${shop.url}/open/start?then=1`)
    expect(jsonOf(await asks(page, '/api/orders'))).toMatchObject({ headers: { 'x-auth-subject': 'alice' } })
    const session = jsonOf(await asks(page, '/auth/session'))
    expect(session).toMatchObject({ sub: 'alice', loggedInAt: expect.any(Number), tokenExpiresAt: expect.any(Number) })
    expect(JSON.stringify(session)).not.toMatch(/eyJ/)
  })
})
