/** People sign in to the demo with a browser, see what becomes of their session, and sign out. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { browserOfFile, type Page } from '../support/clients/browser.ts'
import { type Demo, startDemo } from '../support/gateway/demo.ts'
import { WITHOUT_BROWSER } from '../support/services/browser-programs.ts'

const browser = browserOfFile()

describe.skipIf(WITHOUT_BROWSER)('the page of the demo', () => {
  let demo: Demo
  beforeAll(async () => {
    demo = await startDemo()
  })
  afterAll(() => demo.stop())

  interface Visit {
    readonly page: Page
    /** What the browser complains about: mistakes of the scripts, and what the policy of a page forbids. */
    readonly complaints: readonly string[]
    /** The origins that it has asked for anything. */
    readonly origins: ReadonlySet<string>
  }

  /** Begins at the issuer, where whoever opens the page finds himself. */
  async function signIn(name: string): Promise<Visit> {
    const page = await browser.open(demo.page)
    const complaints: string[] = []
    const origins = new Set<string>()
    page.on('console', message => message.type() === 'error' && complaints.push(message.text()))
    page.on('pageerror', error => complaints.push(String(error)))
    page.on('request', request => origins.add(new URL(request.url()).origin))
    expect(new URL(page.url()).origin).toBe(demo.issuer)
    await page.getByLabel('Name').fill(name)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.waitForURL(demo.page)
    return { page, complaints, origins }
  }

  const says = (page: Page, selector: string, pattern: RegExp) =>
    page.locator(selector).filter({ hasText: pattern }).first().waitFor()

  test('goes from signing in to goodbye, through calls and refreshes of the token', { timeout: 90_000 }, async () => {
    const { page, complaints, origins } = await signIn('alice')
    expect(await page.locator('dt', { hasText: 'x-auth-subject' }).locator('+ dd').textContent()).toBe('alice')
    await says(page, '#state', /^The access token of alice expires in \d+ s\.$/)

    await page.getByRole('button', { name: 'GET /orders/42' }).click()
    await says(page, '#answer', /^GET \/orders\/42: 200/)
    await page.getByRole('button', { name: 'POST /orders/42/lines' }).click()
    await says(page, '#answer', /^POST \/orders\/42\/lines: 200/)
    const answer = (await page.locator('#answer').textContent()) ?? ''
    expect(answer).toContain('"x-auth-subject": "alice"')
    expect(answer).not.toMatch(/"(?:cookie|authorization)"/)

    await page.getByRole('button', { name: 'Open' }).click()
    await says(page, '#messages li', /hello, alice/)
    await page.locator('#refreshes li').first().waitFor({ timeout: 60_000 })
    await says(page, '#messages li', /message \d+/)

    const other = await page.context().newPage()
    await other.goto(demo.page)
    await other.getByRole('button', { name: 'Sign out' }).click()
    await other.waitForURL(new URL('/goodbye', demo.page).href)
    await other.getByRole('heading', { name: 'Goodbye' }).waitFor()
    await says(page, '#messages li', /closed: 1008/)
    await says(page, '#state', /^The session is over/)

    // The issuer has forgotten her as well.
    await other.getByRole('link', { name: 'Sign in again' }).click()
    await other.getByLabel('Name').waitFor()
    expect(origins).toEqual(new Set([new URL(demo.page).origin, demo.issuer]))
    expect(complaints.filter(text => !text.includes('status of 401'))).toEqual([])
  })

  test('shows a refusal to whoever may not do what he tries', async () => {
    const { page } = await signIn('<b>bob</b>')
    expect(await page.locator('dd').first().textContent()).toBe('<b>bob</b>')
    await page.getByRole('button', { name: 'POST /orders/42/lines' }).click()
    await says(page, '#answer', /^POST \/orders\/42\/lines: 403/)
    expect(await page.locator('#answer').textContent()).toContain('claim_forbidden')
  })

  test('is found by whoever types the address of the gateway, after one more click', async () => {
    const page = await browser.open(`${demo.urls.gateway}/`)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('link', { name: 'the start page' }).click()
    await page.getByRole('heading', { name: 'Who you are' }).waitFor()
    expect(page.url()).toBe(demo.page)
  })
})
