/**
 * Puts a gateway with browser sessions in front of a shop whose pages tell what they were asked, for tests with a real
 * browser: the shop is on `localhost`, and the provider of logins on `127.0.0.1`, which is another site.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BrowserContext } from 'playwright-core'
import type { Page } from '../../support/clients/browser.ts'
import { type Asking, ask, type Seen } from '../../support/clients/page-requests.ts'
import { type LoginStack, startLoginStack } from '../../support/gateway/login-stack.ts'
import { echo, type SeenRequest } from '../../support/services/upstream.ts'
import { startWebSocketService, type WebSocketService } from '../../support/services/websocket-service.ts'

type StackOptions = NonNullable<Parameters<typeof startLoginStack>[0]>

export interface Shop extends LoginStack {
  /** The service behind `/feed/**`. */
  readonly feed: WebSocketService
  /** By which browsers find the first gateway. */
  readonly url: string
  /** What the service was asked for at a path, oldest first. */
  asked(path: string): readonly SeenRequest[]
}

export const SESSION_COOKIE = '__Host-sallyport'

const ROUTES = [
  { id: 'pages', path: '/**', upstream: 'app', providers: ['browser'], anonymous: 'login' },
  { id: 'api', path: '/api/**', upstream: 'app', providers: ['browser', 'main'] },
  { id: 'open', path: '/open/**', upstream: 'app', access: 'public' },
  { id: 'feed', path: '/feed/**', upstream: 'feed', providers: ['browser'] },
] as const

/** @param options routes come before those that every shop has */
export async function startShop({ routes = [], config, ...options }: StackOptions = {}): Promise<Shop> {
  const feed = await startWebSocketService()
  const stack = await startLoginStack({
    service: serve,
    ...options,
    upstreams: { feed: feed.url },
    routes: [...routes, ...ROUTES],
    config: { identity: { headers: { 'X-Auth-Subject': 'sub', 'X-Auth-Scope': 'scope' } }, ...config },
  })
  const [url = ''] = stack.urls
  return {
    ...stack,
    feed,
    url,
    asked: path => stack.service.seen.filter(each => each.url === path),
    async close() {
      await Promise.all([stack.close(), feed.close()])
    },
  }
}

/** People get a page that says who they are, and can sign out there. Scripts get what the service saw. */
export function serve(request: IncomingMessage, response: ServerResponse): void {
  const { accept, 'x-auth-subject': subject } = request.headers
  if (request.url?.startsWith('/api/cookies') === true)
    response.setHeader('Set-Cookie', new URL(request.url, 'http://shop').searchParams.getAll('set'))
  if (accept?.includes('text/html') !== true) {
    echo(request, response)
    return
  }
  if (request.url === '/secret') response.setHeader('Cache-Control', 'no-store')
  response.setHeader('Content-Type', 'text/html; charset=utf-8')
  response.end(`<!doctype html>
<link rel="icon" href="data:,">
<title>The shop</title>
<p id="who">${subject ?? 'nobody'}</p>
<form method="post" action="/auth/logout"><button>Sign out</button></form>
`)
}

/** Runs what a script of the page would send. */
export function asks(page: Page, url: string, asking: Omit<Asking, 'url'> = {}): Promise<Seen | string> {
  return page.evaluate(ask, { url, ...asking })
}

/** The JSON of an answer that the page could read. */
export function jsonOf(seen: Seen | string): Readonly<Record<string, unknown>> {
  if (typeof seen === 'string') throw new Error(seen)
  return JSON.parse(seen.text) as Readonly<Record<string, unknown>>
}

/** Sends off the provider's form in which the page is, and waits for the page that follows in the shop. */
export async function signIn(page: Page, shop: Pick<Shop, 'url'>): Promise<void> {
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(url => url.origin === shop.url)
}

export function who(page: Page): Promise<string | null> {
  return page.textContent('#who')
}

/** The cookies of ours that a profile has, by name. */
export async function ownCookies(profile: BrowserContext, { url }: Pick<Shop, 'url'>) {
  const cookies = await profile.cookies(url)
  return cookies.filter(({ name }) => /sallyport/i.test(name))
}

/** The value of the session's cookie. @throws {Error} there is none */
export async function sessionCookie(profile: BrowserContext, shop: Pick<Shop, 'url'>): Promise<string> {
  const found = (await ownCookies(profile, shop)).find(({ name }) => name === SESSION_COOKIE)
  if (found === undefined) throw new Error('the browser has no session')
  return found.value
}
