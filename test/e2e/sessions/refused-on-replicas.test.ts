/** A gateway that was not asked before says the same of a refused token as one that was: no browser is sent round. */
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createCookieJar, walk } from '../../support/clients/login-walk.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { counted, type SessionFleet, SOON, signedIn, startSessionFleet, WITHOUT_STORES } from './support.ts'

const SECRET = 's'.repeat(40)
/** What has just come from the provider is not asked for again. */
const NOT_JUST_MS = 6_000
const main = { maxLifetime: '12h' }

describe.skipIf(WITHOUT_STORES)('of two gateways with a store', () => {
  let store: StoreServer
  let fleet: SessionFleet
  let urls: readonly string[]
  beforeAll(async () => {
    store = await startStoreServer()
    fleet = await startSessionFleet({
      gateways: 2,
      main,
      session: { store: 'shared' },
      config: {
        store: { url: store.url, timeout: '10s' },
        revocation: { api: { tokenFile: 'admin-secret' }, keep: '12h' },
      },
    })
    urls = fleet.urls
  })
  afterAll(async () => {
    await fleet.close()
    await store.stop()
  })
  afterEach(() => fleet.reload({ main }))

  const authorizations = () => fleet.provider.count({ path: '/auth' })

  test('the one that has refused nothing yet begins a real login, too', async () => {
    fleet.lives(3_000)
    const jar = createCookieJar()
    const browser = await signedIn(`${urls[0]}/page`, { jar })
    expect(counted(await fleet.askAll(browser))).toEqual({ '200': 2 })
    fleet.later(NOT_JUST_MS)
    await fleet.reload({ main: { ...main, requiredClaims: ['plan'] } })
    expect(await fleet.ask(browser)).toMatchObject({ status: 401, code: 'claim_invalid' })
    const login = await browser.open(`${urls[1]}/auth/login?return=%2Fpage`)
    expect(login.status).toBe(302)
    expect(login.location?.startsWith(`${fleet.provider.issuer}/auth?`)).toBe(true)
    const before = authorizations()
    const end = await walk(`${urls[1]}/page`, { jar })
    expect(end.status).toBe(400)
    expect(end.text).toContain('login_failed')
    expect(authorizations() - before).toBe(1)
    await fleet.reload({ main })
    expect(counted(await fleet.askAll(browser))).toEqual({ '200': 2 })
  })

  test('both end a session whose own access token is revoked, and the provider hears of it', async () => {
    fleet.lives(3_000)
    const browser = await signedIn(`${urls[0]}/page`)
    expect(counted(await fleet.askAll(browser))).toEqual({ '200': 2 })
    const { accessToken = '', refreshToken = '' } = fleet.provider.given.at(-1) ?? {}
    const { jti } = decodeJwt(accessToken)
    const reply = await fleet.gateways[0]?.admin('/-/revocations', {
      method: 'POST',
      headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
      body: JSON.stringify({ jti, issuer: fleet.provider.issuer }),
    })
    expect(reply?.status).toBeLessThan(300)
    expect(await fleet.ask(browser.copy())).toMatchObject({ status: 401, code: 'session_expired' })
    const askAll = async () => counted(await fleet.askAll(browser.copy()))
    await expect.poll(askAll, SOON).toEqual({ '401 session_expired': 2 })
    await expect.poll(() => fleet.provider.redeem(refreshToken), SOON).toBe('invalid_grant')
  })
})
