/** The page of the console in Chromium, on a gateway that refuses requests of many kinds. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { browserOfFile, type Page } from '../../support/clients/browser.ts'
import { ask, UNREADABLE } from '../../support/clients/page-requests.ts'
import { bearer, startTestGateway, startTestStack } from '../../support/gateway/gateway.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import { type DrivenGateway, startDrivenGateway } from './driven.ts'

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-ancestors 'none'; " +
  "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"

/** Text that would do something, if any part of the page took it for markup. */
const MARKUP = '</script><img/src=x/onerror=alert(1)>'
/** Turns the direction of what follows round. */
const TURNED = '\u202egpj.exe'
const COLOURED = '\u001b[31mred'

let gateway: DrivenGateway
const browser = browserOfFile()

beforeAll(async () => {
  gateway = await startDrivenGateway({ console: { subjects: 'plain' } })
  await gateway.reject()
  await gateway.pass(10)
  await gateway.drive('once')
  await gateway.drive('once')
  await sendMarkup()
})
afterAll(() => gateway.close())

async function sendMarkup(): Promise<void> {
  const { issuer, request, url } = gateway
  const hostile = await issuer.mint({ scope: 'orders:read', sub: `${MARKUP}${TURNED}${COLOURED}` })
  await request('/invoices/1', { headers: bearer(hostile) })
  const strangeKey = await issuer.mint({}, { header: { kid: `${MARKUP}${TURNED}` } })
  await request('/orders/1', { headers: bearer(strangeKey) })
  await gateway.raw(`GET /orders/${MARKUP} HTTP/1.1\r\nHost: ${new URL(url).host}\r\nConnection: close\r\n\r\n`)
}

describe('the paths of the console', () => {
  const paths = ['/-/', '/-/console.js', '/-/console.css', '/-/view']

  test.each(paths)('%s says who may use it and how, and that nobody keeps it', async path => {
    const { status, headers } = await gateway.admin(path)
    expect(status).toBe(200)
    expect(headers).toMatchObject({
      'content-security-policy': POLICY,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    })
  })

  test.each(paths)('%s answers HEAD without a body, and no method that could change anything', async path => {
    expect(await gateway.admin(path, { method: 'HEAD' })).toMatchObject({ status: 200, text: '' })
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
      expect(await gateway.admin(path, { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
  })

  test.each(paths)('%s is not for a page of another origin, nor under another name', async path => {
    const foreign = [{ host: 'rebound.example' }, { origin: 'https://elsewhere.example' }, { origin: 'null' }]
    for (const headers of foreign) {
      const { status, text } = await gateway.admin(path, { headers })
      expect(status).toBe(400)
      expect(text).not.toContain('orders')
    }
  })

  test('are not there when the configuration does not ask for them', async () => {
    const plain = await startTestGateway({
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    atEnd(() => plain.close())
    for (const path of paths) expect((await plain.admin(path)).status).toBe(404)
  })

  test('send less than 40 KB of script and style', async () => {
    const texts = await Promise.all(
      ['/-/console.js', '/-/console.css'].map(async path => (await gateway.admin(path)).text),
    )
    expect(texts.join('').length).toBeLessThan(40_000)
  })

  test('send the parts of the view that their reader does not have', async () => {
    const { parts } = (await gateway.admin('/-/view')).json() as { parts: Array<{ id: string; mark: string }> }
    const recent = parts.find(({ id }) => id === 'recent')
    const { text } = await gateway.admin(`/-/view?have=recent.${recent?.mark},configuration.unlike`)
    const later = JSON.parse(text) as { parts: Array<{ id: string }> }
    expect(later.parts.map(({ id }) => id)).not.toContain('recent')
    expect(later.parts.map(({ id }) => id)).toContain('configuration')
  })
})

test('of very many routes, the page shows the fifty with most requests, and says how many more there are', async () => {
  const stack = await startTestStack(() => ({
    admin: { listen: '127.0.0.1:0', console: {} },
    routes: Array.from({ length: 120 }, (_, at) => ({ id: `route-${at}`, path: `/r${at}/**`, access: 'public' })),
  }))
  atEnd(() => stack.close())
  await stack.request('/r111/')
  const { text } = await stack.admin('/-/')
  expect(text.match(/data-by="route" data-value="route-\d+"/g)).toHaveLength(50)
  expect(text).toContain('data-value="route-111"')
  expect(text).toContain('70 more routes')
})

describe.skipIf(WITHOUT_BROWSER)('in a browser', () => {
  const BLOCKS = 'ol.recent > li:visible'

  /** Everything a reader has to find, whether or not a script runs. */
  const FACTS = [
    'Not ready',
    'The last configuration was rejected',
    'wanted a token, saw none',
    'provider partners: no usable keys',
    'The access token lacks a required scope',
    'Have the client ask for a token with the missing scopes',
    'PUT /orders/17',
    'orders:write',
    'kim@example.com',
    'sallyport explain',
    'https://login.partners.example/',
    'test-RS256',
    'Did you mean "scopes"?',
    'Added by Sallyport',
    'claim email_verified true',
    'only reports',
    'Verified tokens held',
  ]

  test('the page shows why requests were refused, breaks none of its rules, and fits a telephone', async () => {
    const { page, complaints } = await opened()
    expect(await page.locator(BLOCKS).count()).toBe(20)
    await page.click('#more')
    expect(await page.locator(BLOCKS).count()).toBe(33)
    await openAll(page)
    const text = await textOf(page)
    for (const fact of FACTS) expect(text).toContain(fact)
    await page.locator('#recent a.filter[data-value="scope_missing"]').first().click()
    expect(await shownCodes(page)).toEqual(new Set(['scope_missing']))
    expect(await textOf(page)).toMatch(/7 of 33 shown: code scope_missing/)
    await page.click('#unfilter')
    expect(await page.locator(BLOCKS).count()).toBe(33)
    await page.click('#routes a.filter[data-value="invoices"]')
    expect(await page.locator(BLOCKS).count()).toBe(5)
    await page.locator(`${BLOCKS} button.copy`).first().click()
    expect(await page.locator('#pause').getAttribute('aria-pressed')).toBe('false')
    await page.click('#pause')
    expect(await textOf(page)).toContain('Paused')
    await page.click('#pause')
    await page.click('#unfilter')
    const size = page.viewportSize()
    await page.setViewportSize({ width: 375, height: 800 })
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(375)
    if (size !== null) await page.setViewportSize(size)
    expect(complaints).toEqual([])
  })

  test('without a script the page has the same facts, as tables', async () => {
    const { page: scripted } = await opened()
    const context = await scripted.context().browser()?.newContext({ javaScriptEnabled: false })
    if (context === undefined) throw new Error('there is no browser')
    atEnd(() => context.close())
    const page = await context.newPage()
    await page.goto(`${gateway.adminUrl}/-/`)
    expect(await page.locator(BLOCKS).count()).toBe(33)
    await openAll(page)
    const text = await textOf(page)
    for (const fact of FACTS) expect(text).toContain(fact)
    expect(await page.locator('button:visible').count()).toBe(0)
    expect(await page.locator('table th[scope="col"]').count()).toBeGreaterThan(15)
  })

  test('what strangers sent stays text', async () => {
    const { page, complaints } = await opened()
    const text = await page.locator('#recent').textContent()
    // The path, the id of a key, and the subject.
    expect(text).toContain(`/orders/${MARKUP}`)
    expect(text).toContain(`${MARKUP}?gpj.exe`)
    expect(text).toContain(`${MARKUP}?gpj.exe?[31mred`)
    expect(await page.locator('img, script:not([src]), [onerror]').count()).toBe(0)
    expect(await page.locator('script').count()).toBe(1)
    expect(complaints).toEqual([])
  })

  test('a refusal arrives by itself, and what is selected and scrolled to stays', async () => {
    const { page } = await opened()
    await page.evaluate(`
      getSelection().selectAllChildren(document.querySelector('ol.recent > li .target code'))
      scrollTo(0, 700)`)
    const selected = await page.evaluate('String(getSelection())')
    const path = `/orders/arrived-${Date.now()}`
    await gateway.request(path)
    await page.locator('#recent', { hasText: path }).waitFor()
    expect(await page.evaluate('String(getSelection())')).toBe(selected)
    expect(await page.locator('ol.recent > li').first().textContent()).toContain(path)
  })

  test('a refusal that is open stays so, and where it is, when others of its kind make a block of it', async () => {
    const { page } = await opened()
    const send = async (name: string): Promise<void> => {
      await gateway.request(`/orders/${name}`, { method: 'PUT' })
      await expect
        .poll(() => {
          // The page asks at once when it hears that the network is back.
          void page.evaluate("dispatchEvent(new Event('online'))")
          return page.locator('#recent').textContent()
        })
        .toContain(`/orders/${name}`)
    }
    const block = page.locator('ol.recent > li', { hasText: '/orders/kept-1' })
    const shown = block.locator('.ones > li:visible')
    await send('kept-1')
    await shown.locator('summary').click()
    await page.evaluate(`
      document.querySelector('.one[open] .whole').scrollIntoView({ behavior: 'instant' })
      getSelection().selectAllChildren(document.querySelector('.one[open] .whole pre'))`)
    const selected = await page.evaluate('String(getSelection())')
    const topOf = async (): Promise<number> => (await shown.locator('.whole').boundingBox())?.y ?? Number.NaN
    const top = await topOf()
    await send('kept-2')
    expect(await block.locator('.fold > summary').innerText()).toMatch(/2 × in \d+ s/)
    expect(await shown.count()).toBe(1)
    expect(await shown.locator('.whole').innerText()).toContain('/orders/kept-1')
    expect(await page.evaluate('String(getSelection())')).toBe(selected)
    // Scrolling is by whole pixels.
    expect(Math.abs((await topOf()) - top)).toBeLessThan(1)
    await block.locator('.fold > summary').click()
    await send('kept-3')
    expect(await shown.count()).toBe(3)
    await block.locator('.fold > summary').click()
    expect(await shown.count()).toBe(0)
  })

  test('a connection that is lost is told, and comes back by itself', async () => {
    const { page } = await opened()
    await page.context().setOffline(true)
    await page.locator('#connection', { hasText: 'Connection lost' }).waitFor()
    await page.context().setOffline(false)
    await page.locator('#connection', { hasText: /^Live$/ }).waitFor()
  })

  test('a page of another site can neither frame nor read it', async () => {
    const site = createServer((_request, response) => {
      response.setHeader('content-type', 'text/html')
      response.end(`<!doctype html><title>Elsewhere</title><iframe src="${gateway.adminUrl}/-/"></iframe>`)
    }).listen(0, '127.0.0.1')
    await once(site, 'listening')
    atEnd(() => void site.close())
    const page = await browser.open(`http://elsewhere.test:${(site.address() as AddressInfo).port}/`)
    await expect.poll(() => page.frames()[1]?.url()).toMatch(/^chrome-error:/)
    expect(await page.evaluate(ask, { url: `${gateway.adminUrl}/-/view` })).toBe(UNREADABLE)
    expect(await page.evaluate(ask, { url: `${gateway.adminUrl}/-/console.js`, mode: 'no-cors' as const })).toBe(
      UNREADABLE,
    )
  })

  let drawn: ReturnType<typeof open> | undefined

  /** The page as its script has drawn it: one for all tests, because opening it takes longer than most of them. */
  function opened(): ReturnType<typeof open> {
    drawn ??= open()
    return drawn
  }

  async function open(): Promise<{ readonly page: Page; readonly complaints: readonly string[] }> {
    const page = await browser.shared(`${gateway.adminUrl}/-/`)
    const complaints: string[] = []
    page.on('console', message => complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(error.message))
    await page.addInitScript(`
      document.addEventListener('securitypolicyviolation', ({ violatedDirective }) => console.error(violatedDirective))`)
    await page.reload()
    await page.waitForFunction("document.title.startsWith('Sallyport:')")
    return { page, complaints }
  }

  async function textOf(page: Page): Promise<string> {
    return (await page.locator('body').innerText()).replaceAll(/\s+/g, ' ')
  }

  async function shownCodes(page: Page): Promise<ReadonlySet<string | null>> {
    const blocks = await page.locator(BLOCKS).all()
    return new Set(await Promise.all(blocks.map(block => block.getAttribute('data-code'))))
  }

  /** Opens what a person can open, as clicks do it. */
  async function openAll(page: Page): Promise<void> {
    await page.evaluate(
      "document.querySelectorAll('details:not([open]) > summary').forEach(summary => summary.click())",
    )
  }
})
