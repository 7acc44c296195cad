/** A session that is ended by its user, its provider or an administrator is over in all gateways, streams included. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { closing, openWebSocket } from '../../support/services/websocket-service.ts'
import {
  type Browser,
  counted,
  type SessionFleet,
  SOON,
  signedIn,
  startSessionFleet,
  WITHOUT_STORES,
} from './support.ts'

const SECRET = 's'.repeat(40)

function ends(start: () => Promise<SessionFleet>): void {
  let fleet: SessionFleet
  beforeAll(async () => {
    fleet = await start()
  })
  afterAll(() => fleet.close())

  const askAll = async (browser: Browser) => counted(await fleet.askAll(browser.copy()))
  const all = (kind: string) => ({ [kind]: fleet.urls.length })
  /** Streams of the session, one for each gateway, and how they will end. */
  const streams = async (browser: Browser) => {
    const headers = { cookie: browser.cookie() ?? '', origin: fleet.urls[0] ?? '' }
    const open = await Promise.all(fleet.urls.map(url => openWebSocket(`${url}/api/x`, { headers })))
    return { closed: Promise.all(open.map(closing)) }
  }
  async function begun(): Promise<Browser> {
    const browser = await signedIn(`${fleet.urls[0]}/page`)
    expect(await askAll(browser)).toEqual(all('200'))
    return browser
  }
  async function isOver(browser: Browser, closed: Promise<ReadonlyArray<{ readonly code: number }>>): Promise<void> {
    await expect.poll(() => askAll(browser), SOON).toEqual(all('401 session_expired'))
    for (const { code } of await closed) expect(code).toBe(1008)
  }

  test('by a logout, which revokes the refresh token first', async () => {
    const browser = await begun()
    const other = await begun()
    const { refreshToken = '' } = fleet.provider.given.at(-2) ?? {}
    const old = browser.copy()
    const { closed } = await streams(browser)
    const origin = fleet.urls[0] ?? ''
    const foreign = await browser.ask(`${origin}/auth/logout`, {
      method: 'POST',
      headers: { 'sec-fetch-site': 'cross-site' },
    })
    expect(foreign).toMatchObject({ status: 403, code: 'csrf_rejected' })
    const reply = await browser.ask(`${origin}/auth/logout`, { method: 'POST' })
    expect(reply.status).toBe(200)
    const { endSession } = JSON.parse(reply.text) as { readonly endSession: string }
    expect(endSession.startsWith(`${fleet.provider.issuer}/session/end?id_token_hint=`)).toBe(true)
    expect(browser.cookie()).toBeUndefined()
    expect(await fleet.provider.redeem(refreshToken)).toBe('invalid_grant')
    await isOver(old, closed)
    expect(await askAll(other)).toEqual(all('200'))
    const again = await browser.ask(`${origin}/auth/logout`, { method: 'POST' })
    expect(JSON.parse(again.text)).toEqual({ endSession: `${origin}/` })
  })

  test('by a logout when the provider has ended the grant before', async () => {
    const browser = await begun()
    const old = browser.copy()
    const { closed } = await streams(browser)
    fleet.provider.revokeGrants('alice')
    expect(await browser.ask(`${fleet.urls[0]}/auth/logout`, { method: 'POST' })).toMatchObject({ status: 200 })
    await isOver(old, closed)
  })

  test('by a logout token of the provider', async () => {
    const browser = await begun()
    const { closed } = await streams(browser)
    await fleet.provider.logOut('alice')
    expect(fleet.provider.logouts.at(-1)?.result).toBe('taken')
    await isOver(browser, closed)
  })

  test('by an administrator who revokes its user', async () => {
    const browser = await begun()
    const { closed } = await streams(browser)
    const reply = await fleet.gateways[0]?.admin('/-/revocations', {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
      body: JSON.stringify({ sub: 'alice', issuer: fleet.provider.issuer }),
    })
    expect(reply?.status).toBeLessThan(300)
    await isOver(browser, closed)
    expect(await browser.open(`${fleet.urls[0]}/page`)).toMatchObject({ status: 302 })
  })
}

const main = { maxLifetime: '12h' }
const revocation = { api: { tokenFile: 'admin-secret' }, keep: '12h' }

describe('one gateway ends a session', () => ends(() => startSessionFleet({ main, config: { revocation } })))

describe.skipIf(WITHOUT_STORES)('three gateways with a store end a session', () => {
  let store: StoreServer
  afterAll(() => store.stop())
  ends(async () => {
    store = await startStoreServer()
    return startSessionFleet({
      gateways: 3,
      main,
      session: { store: 'shared' },
      config: { store: { url: store.url, timeout: '10s' }, revocation },
    })
  })
})
