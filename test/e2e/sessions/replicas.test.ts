/** Gateways that share their sessions renew one at the moment of its expiry, once, whoever of them is killed. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type LoginStack, startLoginStack } from '../../support/gateway/login-stack.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { type Browser, counted, type Reply, SOON, signedIn, WITHOUT_STORES } from './support.ts'

const ACCESS_SECONDS = 4

describe.skipIf(WITHOUT_STORES)('three gateways with one store', () => {
  let store: StoreServer
  let stack: LoginStack
  /** Of those that nobody has killed. */
  let urls: readonly string[]
  beforeAll(async () => {
    store = await startStoreServer()
    stack = await startLoginStack({
      gateways: 3,
      config: { store: { url: store.url, timeout: '10s' } },
      session: { store: 'shared', lifetime: { refreshBefore: '0s' } },
    })
    urls = stack.urls
  })
  afterAll(async () => {
    await stack.close()
    await store.stop()
  })
  afterEach(() => stack.provider.heal())

  /** Signs in, and waits until the access token has expired. All gateways know the session. */
  async function expired(): Promise<Browser> {
    stack.provider.set({ accessTokenSeconds: ACCESS_SECONDS })
    const browser = await signedIn(`${urls[0]}/page`)
    const expiresMs = Date.now() + ACCESS_SECONDS * 1_000
    const known = await Promise.all(urls.map(url => browser.ask(`${url}/api/x`)))
    expect(counted(known)).toEqual({ 200: urls.length })
    stack.provider.set({ accessTokenSeconds: 300 })
    await expect.poll(() => Date.now(), SOON).toBeGreaterThan(expiresMs)
    return browser
  }

  const refreshes = () => stack.provider.count({ grantType: 'refresh_token' })
  const askEach = (browser: Browser, times: number, to: readonly string[]): Array<Promise<Reply>> =>
    to.flatMap(url => Array.from({ length: times }, () => browser.ask(`${url}/api/x`)))
  /** What each gateway has counted of refreshes. */
  const results = async (result: string): Promise<readonly number[]> => {
    const each = await Promise.all(stack.gateways.slice(-urls.length).map(gateway => gateway.metrics()))
    const series = `sallyport_session_refreshes_total{provider="browser",result="${result}"}`
    return each.map(metrics => metrics.get(series) ?? 0)
  }
  const added = (now: readonly number[], before: readonly number[]) =>
    now.map((count, index) => count - (before[index] ?? 0)).sort()
  /** Requests that the living gateways have not answered yet. */
  const inFlight = async (): Promise<number> => {
    const living = stack.gateways.slice(-urls.length)
    const each = await Promise.all(living.map(gateway => gateway.metrics()))
    return each.reduce((sum, metrics) => sum + (metrics.get('sallyport_requests_in_flight') ?? 0), 0)
  }

  /** The first gateway has the lock, and is waiting for the provider. Requests to the others wait for it. */
  async function owned(browser: Browser) {
    const [owner = '', ...others] = urls
    const lost = browser.ask(`${owner}/api/x`).catch(() => 'lost')
    await stack.provider.held(1)
    const waiting = askEach(browser, 10, others)
    await expect.poll(inFlight, SOON).toBe(1 + waiting.length)
    return {
      lost,
      waiting,
      kill() {
        stack.gateways.at(-urls.length)?.process.child.kill('SIGKILL')
        urls = others
      },
    }
  }

  test('redeem the refresh token once for 150 requests that all wait for it', async () => {
    const browser = await expired()
    const before = { redeemed: refreshes(), ok: await results('ok'), shared: await results('shared') }
    stack.provider.fail({ kind: 'held' }, 'refresh_token')
    const asked = askEach(browser, 50, urls)
    await expect.poll(inFlight, SOON).toBe(150)
    await stack.provider.held(1)
    stack.provider.heal()
    expect(counted(await Promise.all(asked))).toEqual({ 200: 150 })
    expect(refreshes() - before.redeemed).toBe(1)
    expect(added(await results('ok'), before.ok)).toEqual([0, 0, 1])
    expect(added(await results('shared'), before.shared)).toEqual([0, 1, 1])
  })

  test('go on when the one that renews is killed before the provider has seen the token', async () => {
    const browser = await expired()
    const before = refreshes()
    stack.provider.fail({ kind: 'held' }, 'refresh_token')
    const { lost, waiting, kill } = await owned(browser)
    kill()
    expect(await lost).toBe('lost')
    await expect.poll(() => refreshes() - before, SOON).toBe(2)
    stack.provider.heal()
    expect(counted(await Promise.all(waiting))).toEqual({ 200: 20 })
    expect(refreshes() - before).toBe(2)
  })

  test('end the session when the rotated token is lost with the one that is killed, and a login helps', async () => {
    const browser = await expired()
    stack.provider.fail({ kind: 'answer held' }, 'refresh_token')
    const { waiting, kill } = await owned(browser)
    kill()
    stack.provider.heal()
    expect(counted(await Promise.all(waiting))).toEqual({ '401 session_expired': 10 })
    expect(browser.cookie()).toBeDefined()
    const page = await browser.open(`${urls[0]}/page`)
    expect(page).toMatchObject({ status: 302, location: '/auth/login?return=%2Fpage' })
    const again = await signedIn(`${urls[0]}/page`)
    expect(await again.ask(`${urls[0]}/api/x`)).toMatchObject({ status: 200 })
  })
})

describe.skipIf(WITHOUT_STORES)('two gateways with Valkey', () => {
  test('share a session, and redeem its refresh token once', async () => {
    const store = await startStoreServer({ kind: 'valkey' })
    const { provider, urls, close } = await startLoginStack({
      gateways: 2,
      config: { store: { url: store.url, timeout: '10s' } },
      session: { store: 'shared' },
    })
    provider.set({ accessTokenSeconds: ACCESS_SECONDS })
    const browser = await signedIn(`${urls[0]}/page`)
    provider.set({ accessTokenSeconds: 300 })
    const ask = () => Promise.all(urls.map(url => browser.ask(`${url}/api/x`)))
    await expect
      .poll(async () => {
        expect(counted(await ask())).toEqual({ 200: 2 })
        return provider.count({ grantType: 'refresh_token' })
      }, SOON)
      .toBe(1)
    await close()
    await store.stop()
  })
})
