/** The store of sessions is killed, stopped and emptied: nobody sees a login page while the access token lives. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import {
  type Browser,
  counted,
  type SessionFleet,
  SOON,
  signedIn,
  startSessionFleet,
  WITHOUT_STORES,
} from './support.ts'

const LIFE_SECONDS = 40
const DUE_MS = 25_000
const EXPIRED_MS = 45_000
/** Whoever waits for a store that is stopped waits for so long. */
const STORE_TIMEOUT_MS = 5_000

/** What the gateway took for a request, if the line of the log is of one. */
const overheadMs = ({ overhead_ms: ms }: Readonly<Record<string, unknown>>) => (typeof ms === 'number' ? ms : undefined)

describe.skipIf(WITHOUT_STORES).each([
  ['redis', 'appendonly'],
  ['redis', 'none'],
  ['valkey', 'none'],
] as const)('two gateways with %s, persistence %s', (kind, persistence) => {
  let store: StoreServer
  let fleet: SessionFleet
  beforeAll(async () => {
    store = await startStoreServer({ kind, persistence })
    fleet = await startSessionFleet({
      gateways: 2,
      session: { store: 'shared', lifetime: { refreshBefore: '20s' } },
      config: {
        store: { url: store.url, timeout: `${STORE_TIMEOUT_MS}ms` },
        identity: { headers: { 'x-jti': 'jti' } },
      },
    })
  })
  afterAll(async () => {
    await fleet.close()
    await store.stop()
  })

  const up = async (value: 0 | 1) =>
    eventually(async () => {
      const each = await Promise.all(fleet.gateways.map(({ metrics }) => metrics()))
      return each.every(metrics => metrics.get('sallyport_store_up') === value)
    })
  const tokenOf = async (browser: Browser, index = 0) => {
    const { status, text } = await fleet.ask(browser, { index })
    expect(status).toBe(200)
    return (JSON.parse(text) as { headers: Record<string, string> }).headers['x-jti']
  }

  /** @param known how many gateways have a copy */
  async function begun(known: number): Promise<Browser> {
    fleet.lives(LIFE_SECONDS)
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    for (let index = 0; index < known; index += 1) expect((await fleet.ask(browser, { index })).status).toBe(200)
    return browser
  }

  test('go on with copies when it is killed during a refresh, and keep the new refresh token', async () => {
    const browser = await begun(2)
    const stranger = await begun(1)
    fleet.later(DUE_MS)
    fleet.lives(LIFE_SECONDS)
    fleet.provider.fail({ kind: 'held' }, 'refresh_token')
    const first = await tokenOf(browser)
    await fleet.provider.held(1)
    await store.kill()
    await up(0)
    fleet.provider.heal()

    await expect.poll(() => tokenOf(browser), SOON).not.toBe(first)
    const renewed = await tokenOf(browser)
    // The other one has not heard of it, and its own copy of the token lives.
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: 2 })
    expect(await browser.open(`${fleet.urls[1]}/page`)).toMatchObject({ status: 200 })
    // Who has no copy knows nothing of the session.
    expect(await fleet.ask(stranger, { index: 1 })).toMatchObject({ status: 503, code: 'session_store_unavailable' })
    expect(await stranger.open(`${fleet.urls[1]}/page`)).toMatchObject({ status: 503, location: undefined })
    expect(stranger.cookie()).toBeDefined()

    await store.restart()
    await up(1)
    await expect.poll(() => tokenOf(browser, 1), SOON).toBe(renewed)
    const before = fleet.refreshes()
    fleet.later(EXPIRED_MS)
    fleet.lives(300)
    expect(counted(await fleet.askAll(browser))).toEqual({ 200: 2 })
    expect(fleet.refreshes() - before).toBe(1)
    expect(await tokenOf(browser, 1)).not.toBe(renewed)
  })

  test('say 503 past the end of the access token while it is away, and recover', async () => {
    const browser = await begun(2)
    await store.kill()
    await up(0)
    fleet.later(EXPIRED_MS)
    fleet.lives(300)
    const refused = await fleet.askAll(browser)
    expect(counted(refused)).toEqual({ '503 session_store_unavailable': 2 })
    for (const { headers } of refused) expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    expect(await browser.open(`${fleet.urls[0]}/page`)).toMatchObject({ status: 503, location: undefined })
    expect(browser.cookie()).toBeDefined()
    await store.restart()
    await up(1)
    fleet.later(60_000)
    fleet.lives(300)
    await expect.poll(async () => counted(await fleet.askAll(browser)), SOON).toEqual({ 200: 2 })
  })

  test('answer from copies at once while it is stopped', async () => {
    const browser = await begun(2)
    const before = fleet.gateways.map(({ logs }) => logs.length)
    store.pause()
    // Each gateway asks the store for news now, which takes its time limit, and nobody waits for it.
    fleet.later(6_000)
    expect(counted((await Promise.all(Array.from({ length: 20 }, () => fleet.askAll(browser)))).flat())).toEqual({
      200: 40,
    })
    const overheads = () => fleet.gateways.flatMap(({ logs }, index) => logs.slice(before[index]).map(overheadMs))
    await expect.poll(() => overheads().filter(ms => ms !== undefined), SOON).toHaveLength(40)
    for (const ms of overheads()) expect(ms ?? 0).toBeLessThan(STORE_TIMEOUT_MS)
    store.resume()
  })
})
