/**
 * Starts Chromium without a window for the tests of a file: open a page of some origin, and run functions in it.
 *
 * The browser sees nothing but loopback. Every name below `.test` is 127.0.0.1 to it, all others do not exist, and what
 * it would do by itself in the network is switched off. A function that runs in a page is sent there as text, so it can
 * use nothing but its argument and what a browser has.
 */
import { createHash, X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { afterAll, beforeAll } from 'vitest'
import { atEnd } from '../at-end.ts'
import type { Certificate } from '../certificates.ts'
import { BROWSER_PROGRAM, WITHOUT_BROWSER } from '../services/browser-programs.ts'

export type { Page } from 'playwright-core'

export interface TestBrowser {
  /**
   * Opens a page in a profile of its own: it shares no cookies, no connections and no remembered preflights with
   * others. Further pages of the profile come from `page.context()`. All of it is closed after the current test.
   */
  open(url: string): Promise<Page>
  /** Opens a page once for all tests, since that takes its time. Such pages share a profile, and stay open. */
  shared(url: string): Promise<Page>
  close(): Promise<void>
}

export interface TestBrowserOptions {
  /** Servers with one of these certificates are believed, whatever their names. */
  readonly trusted?: ReadonlyArray<Pick<Certificate, 'cert'>>
}

export async function startTestBrowser({ trusted = [] }: TestBrowserOptions = {}): Promise<TestBrowser> {
  // Chromium keeps its crash reports in the home folder.
  const home = mkdtempSync(join(tmpdir(), 'sallyport-browser-'))
  const removeHome = () => rmSync(home, { recursive: true, force: true, maxRetries: 5 })
  let browser: Browser
  try {
    browser = await chromium.launch({
      executablePath: BROWSER_PROGRAM,
      // Chromium refuses to run as root with its sandbox, which needs rights that containers do not give.
      chromiumSandbox: false,
      env: { PATH: process.env.PATH, HOME: home, TMPDIR: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
      args: [
        ...QUIET,
        '--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
        `--ignore-certificate-errors-spki-list=${trusted.map(keyHash).join(',')}`,
      ],
    })
  } catch (error) {
    removeHome()
    throw error
  }
  const profile = await browser.newContext()
  const pages = new Map<string, Promise<Page>>()
  return {
    async open(url) {
      const context = await browser.newContext()
      atEnd(() => context.close())
      return openIn(context, url)
    },
    shared(url) {
      const page = pages.get(url) ?? openIn(profile, url)
      pages.set(url, page)
      return page
    },
    async close() {
      await browser.close()
      removeHome()
    },
  }
}

async function openIn(profile: BrowserContext, url: string): Promise<Page> {
  // Chromium asks the name servers of the world what is wrong when it cannot find the name of a page.
  if (!LOOPBACK.test(new URL(url).hostname)) throw new Error(`not on loopback: ${url}`)
  const page = await profile.newPage()
  await page.goto(url)
  return page
}

const LOOPBACK = /(?:^127\.0\.0\.1|^localhost|\.test)$/

/**
 * Starts a browser for all tests of the file that calls it, unless there is none.
 *
 * @param options asked for when the browser starts
 */
export function browserOfFile(options: () => TestBrowserOptions = () => ({})): Omit<TestBrowser, 'close'> {
  let browser: TestBrowser | undefined
  if (!WITHOUT_BROWSER) {
    beforeAll(async () => {
      browser = await startTestBrowser(options())
    })
    afterAll(() => browser?.close())
  }
  const started = (): TestBrowser => {
    if (browser === undefined) throw new Error('the browser has not been started')
    return browser
  }
  return { open: url => started().open(url), shared: url => started().shared(url) }
}

/** What Playwright's own arguments leave on of what a browser does in the network without being asked. */
const QUIET = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-domain-reliability',
  '--disable-sync',
  '--no-pings',
  '--no-proxy-server',
  '--safebrowsing-disable-auto-update',
]

/** Chromium knows a trusted server by the hash of its public key. */
function keyHash({ cert }: Pick<Certificate, 'cert'>): string {
  const key = new X509Certificate(cert).publicKey.export({ type: 'spki', format: 'der' })
  return createHash('sha256').update(key).digest('base64')
}
