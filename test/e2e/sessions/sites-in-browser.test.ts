/** Pages of other origins and of other sites do with a session in Chromium what its owner allows, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { type Asking, connect, type Seen, UNREADABLE } from '../../support/clients/page-requests.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { asks, jsonOf, type Shop, startShop, who } from './shop.ts'

const browser = browserOfFile()

describe.skipIf(WITHOUT_BROWSER)('a page', () => {
  let shop: Shop
  let servers: readonly TestUpstream[]
  /** On another port of the same host, which is the same site. */
  let listed: string
  let unlisted: string
  /** On another site. */
  let foreign: string
  beforeAll(async () => {
    const page = () =>
      startTestUpstream((_request, response) => {
        response.setHeader('content-type', 'text/html')
        response.end('<!doctype html><link rel="icon" href="data:,"><title>Another</title>')
      })
    servers = await Promise.all([page(), page()])
    const [one = '', other = ''] = servers.map(({ url }) => url)
    listed = one.replace('127.0.0.1', 'localhost')
    unlisted = other.replace('127.0.0.1', 'localhost')
    foreign = other
    shop = await startShop({
      session: { allowOrigins: [listed] },
      config: { cors: { origins: [listed], credentials: true, headers: ['content-type'] } },
    })
  })
  afterAll(() => Promise.all([shop.close(), ...servers.map(each => each.close())]))

  /** Logs in, and opens a page of an origin in the same browser. */
  async function open(origin: string): Promise<Page> {
    const page = await browser.open(`${shop.url}/orders`)
    await page.goto(`${origin}/`)
    return page
  }
  let paths = 0
  /** Asks for a path of its own. @returns what the page sees, what the gateway says, and what came through */
  async function sent(page: Page, asking: Omit<Asking, 'url'>) {
    const path = `/api/sent/${paths++}`
    const seen = await asks(page, shop.url + path, asking)
    return { seen, said: await codeFor(path), came: shop.asked(path).map(({ method }) => method) }
  }
  async function codeFor(path: string): Promise<unknown> {
    return (await shop.gateways[0]?.logged({ path }))?.code
  }
  /** Submits a form. @returns what the browser is then shown */
  async function submitted(page: Page, path: string, head = ''): Promise<Pick<Seen, 'status' | 'text'>> {
    await page.setContent(`${head}<form method="post" action="${shop.url}${path}"><button>Send</button></form>`)
    const answer = page.waitForResponse(shop.url + path)
    await page.getByRole('button').click()
    const { status, text } = await answer.then(async each => ({ status: each.status(), text: await each.text() }))
    return { status, text }
  }
  const socket = (page: Page, path: string): Promise<boolean> =>
    page.evaluate(connect, `${shop.url}${path}`.replace('http', 'ws'))
  const JSON_POST = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' } as const

  describe('of the gateway’s own origin', () => {
    test('sends everything with its session', async () => {
      const page = await browser.open(`${shop.url}/orders`)
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']) {
        const { seen, came } = await sent(page, { method })
        expect([method, seen]).toEqual([method, expect.objectContaining({ status: 200 })])
        expect(came).toEqual([method])
      }
      expect(await socket(page, '/feed/own')).toBe(true)
    })

    test('submits forms, also without telling its origin', async () => {
      const page = await browser.open(`${shop.url}/orders`)
      for (const head of ['', '<meta name="referrer" content="no-referrer">']) {
        const path = `/api/form/${head.length}`
        expect(await submitted(page, path, head)).toMatchObject({ status: 200 })
        const origin = head === '' ? shop.url : 'null'
        expect(shop.asked(path)[0]?.headers).toMatchObject({ 'x-auth-subject': 'alice', origin })
        await page.goto(`${shop.url}/orders`)
      }
    })
  })

  describe('of another site', () => {
    test('cannot submit a form with the session', async () => {
      const page = await open(foreign)
      const { status, text } = await submitted(page, '/api/form/foreign')
      expect([status, text]).toEqual([401, expect.stringContaining('<code>token_missing</code>')])
      expect(shop.asked('/api/form/foreign')).toEqual([])
    })

    test('cannot fetch or connect with it', async () => {
      const page = await open(foreign)
      for (const method of ['GET', 'POST']) {
        const asked = await sent(page, { method, credentials: 'include' })
        expect(asked).toEqual({ seen: UNREADABLE, said: 'token_missing', came: [] })
      }
      expect(await socket(page, '/feed/foreign')).toBe(false)
      expect(await codeFor('/feed/foreign')).toBe('token_missing')
    })

    test('leads to pages of the session by a link', async () => {
      const page = await open(foreign)
      await page.setContent(`<a href="${shop.url}/linked?from=afar">To the shop</a>`)
      await page.getByRole('link').click()
      await page.waitForURL(`${shop.url}/linked?from=afar`)
      expect(await who(page)).toBe('alice')
      expect(shop.asked('/linked?from=afar')[0]?.headers).toMatchObject({ 'sec-fetch-site': 'cross-site' })
    })
  })

  describe('of another origin on the same site, of which nothing is said', () => {
    test('cannot submit a form, although its browser sends the cookie', async () => {
      const page = await open(unlisted)
      const { status, text } = await submitted(page, '/api/form/unlisted')
      expect([status, text]).toEqual([403, expect.stringContaining('<code>csrf_rejected</code>')])
      expect(shop.asked('/api/form/unlisted')).toEqual([])
    })

    test('cannot fetch or connect with the session', async () => {
      const page = await open(unlisted)
      expect(await sent(page, { credentials: 'include' })).toEqual({
        seen: UNREADABLE,
        said: 'token_missing',
        came: [],
      })
      expect(await sent(page, { method: 'POST', credentials: 'include' })).toEqual({
        seen: UNREADABLE,
        said: 'csrf_rejected',
        came: [],
      })
      expect(await socket(page, '/feed/unlisted')).toBe(false)
      expect(await codeFor('/feed/unlisted')).toBe('csrf_rejected')
    })

    test('cannot end the session, or learn of it', async () => {
      const page = await open(unlisted)
      expect(await asks(page, `${shop.url}/auth/logout`, { method: 'POST', credentials: 'include' })).toBe(UNREADABLE)
      expect(await asks(page, `${shop.url}/auth/session`, { credentials: 'include' })).toBe(UNREADABLE)
      await page.goto(`${shop.url}/still`)
      expect(await who(page)).toBe('alice')
    })
  })

  describe('of another origin on the same site, which is listed', () => {
    test('fetches and connects with the session, and reads the answers', async () => {
      const page = await open(listed)
      for (const asking of [{}, { method: 'POST' }, JSON_POST]) {
        const { seen } = await sent(page, { ...asking, credentials: 'include' })
        expect(jsonOf(seen)).toMatchObject({ headers: { 'x-auth-subject': 'alice' } })
      }
      expect(await socket(page, '/feed/listed')).toBe(true)
    })

    test('reads that nobody is logged in, and where to log in', async () => {
      const page = await browser.open(`${listed}/`)
      const { seen } = await sent(page, { ...JSON_POST, credentials: 'include' })
      expect(jsonOf(seen)).toMatchObject({ code: 'token_missing', login: '/auth/login' })
    })

    test('reads whose session it is, and ends it', async () => {
      const page = await open(listed)
      const session = await asks(page, `${shop.url}/auth/session`, { credentials: 'include' })
      expect(jsonOf(session)).toMatchObject({ sub: 'alice' })
      const end = { method: 'POST', credentials: 'include' } as const
      expect(jsonOf(await asks(page, `${shop.url}/auth/logout`, end))).toMatchObject({ endSession: expect.any(String) })
      const { seen } = await sent(page, { credentials: 'include' })
      expect(jsonOf(seen)).toMatchObject({ code: 'token_missing' })
    })
  })
})
