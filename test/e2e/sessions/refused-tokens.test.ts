/** An access token that is refused is refreshed once. If that is no help, the session waits for another policy. */
import { decodeJwt } from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { walk } from '../../support/clients/login-walk.ts'
import { LOGIN_ROUTES } from '../../support/gateway/login-stack.ts'
import { type Browser, type SessionFleet, signedIn, startSessionFleet } from './support.ts'

const SECRET = 's'.repeat(40)
/** What has just come from the provider is not asked for again. */
const NOT_JUST_MS = 6_000
const ENDS = ['logout', 'revoked', 'idle', 'absolute', 'refused', 'reused', 'replaced', 'expired', 'evicted']

let fleet: SessionFleet
let url: string
const main = { maxLifetime: '12h' }
beforeAll(async () => {
  fleet = await startSessionFleet({
    main,
    config: { revocation: { api: { tokenFile: 'admin-secret' }, keep: '12h' } },
  })
  url = fleet.urls[0] ?? ''
  fleet.provider.set({ sid: 'everywhere' })
})
afterAll(() => fleet.close())
afterEach(() => {
  fleet.provider.set({ claims: () => ({}) })
  return fleet.reload({ main, routes: LOGIN_ROUTES })
})

async function ended(): Promise<number> {
  const each = ENDS.map(reason => fleet.metric(`sessions_ended_total{provider="browser",reason="${reason}"}`))
  return (await Promise.all(each)).reduce((sum, count) => sum + count, 0)
}

async function asBearer(token: string) {
  const reply = await fleet.gateways[0]?.request('/api/x', { headers: { authorization: `Bearer ${token}` } })
  return { status: reply?.status, code: reply?.json().code }
}

async function begun(): Promise<Browser> {
  fleet.lives(3_000)
  const browser = await signedIn(`${url}/page`)
  expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
  fleet.later(NOT_JUST_MS)
  return browser
}

const accessToken = () => fleet.provider.given.at(-1)?.accessToken ?? ''

describe.each<readonly [string, Readonly<Record<string, unknown>>, string]>([
  ['an audience', { audiences: ['https://others.example.com'] }, 'audience_mismatch'],
  ['a claim', { requiredClaims: ['plan'] }, 'claim_invalid'],
  ['a shorter life', { maxLifetime: '1m' }, 'token_lifetime_exceeded'],
])('a policy that asks for %s which tokens do not have', (_what, slip, code) => {
  test('refuses the requests of a session, and the session goes on when it is put right again', async () => {
    const browser = await begun()
    const [endedBefore, refreshesBefore] = [await ended(), fleet.refreshes()]
    await fleet.reload({ main: { ...main, ...slip } })
    const refused = await fleet.ask(browser)
    expect(refused).toMatchObject({ status: 401, code })
    expect(JSON.parse(refused.text)).toMatchObject({ login: '/auth/login' })
    expect(await fleet.ask(browser)).toMatchObject({ status: 401, code })
    expect(fleet.refreshes() - refreshesBefore).toBe(1)
    expect(await ended()).toBe(endedBefore)
    await fleet.reload({ main })
    expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
    expect(await browser.open(`${url}/page`)).toMatchObject({ status: 200 })
    expect(await asBearer(accessToken())).toMatchObject({ status: 200 })
    expect(await ended()).toBe(endedBefore)
  })

  test('sends pages to a real login, which says that it has failed, and in no circle', async () => {
    const browser = await begun()
    const begin = fleet.provider.count({ path: '/auth' })
    await fleet.reload({ main: { ...main, ...slip } })
    expect(await browser.open(`${url}/page`)).toMatchObject({ status: 302, location: '/auth/login?return=%2Fpage' })
    const login = await browser.open(`${url}/auth/login?return=%2Fpage`)
    expect(login.status).toBe(302)
    expect(login.location?.startsWith(`${fleet.provider.issuer}/auth?`)).toBe(true)
    const end = await walk(`${url}/page`, { headers: { cookie: browser.cookie() ?? '' } })
    expect(end.hops.filter(hop => hop.url.startsWith(`${fleet.provider.issuer}/auth?`))).toHaveLength(1)
    expect(fleet.provider.count({ path: '/auth' }) - begin).toBe(1)
    await fleet.reload({ main })
    expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
  })

  test('on a report-only route is noted, and the request passes', async () => {
    const browser = await begun()
    await fleet.reload({
      main: { ...main, ...slip },
      routes: [{ id: 'report', path: '/report/**', providers: ['browser'], mode: 'report' }, ...LOGIN_ROUTES],
    })
    expect(await fleet.ask(browser, { path: '/report/x' })).toMatchObject({ status: 200 })
    expect(await fleet.metric(`report_denials_total{route="report",code="${code}"}`)).toBe(1)
    await fleet.reload({ main })
    expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
  })
})

test('a refresh that brings what the policy asks for is all that it takes', async () => {
  const browser = await begun()
  const [endedBefore, before] = [await ended(), fleet.refreshes()]
  fleet.provider.set({ claims: () => ({ plan: 'gold' }) })
  await fleet.reload({ main: { ...main, requiredClaims: ['plan'] } })
  expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
  expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
  expect(fleet.refreshes() - before).toBe(1)
  expect(await ended()).toBe(endedBefore)
})

test('an access token that is revoked takes its session along, and no other token of the same login', async () => {
  fleet.lives(20)
  const browser = await signedIn(`${url}/page`)
  fleet.lives(3_000)
  const first = accessToken()
  const endedBefore = await ended()
  expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
  fleet.later(10_000)
  // It is due before the first has expired, so both live.
  await expect.poll(async () => (await fleet.ask(browser)).status && accessToken()).not.toBe(first)
  const [{ jti, sid }, before] = [decodeJwt(accessToken()), decodeJwt(first)]
  expect([sid, jti === before.jti]).toEqual([before.sid, false])
  const reply = await fleet.gateways[0]?.admin('/-/revocations', {
    method: 'POST',
    headers: { authorization: `Bearer ${SECRET}`, 'content-type': 'application/json' },
    body: JSON.stringify({ jti, issuer: fleet.provider.issuer }),
  })
  expect(reply?.status).toBeLessThan(300)
  expect(await fleet.ask(browser)).toMatchObject({ status: 401, code: 'session_expired' })
  expect((await ended()) - endedBefore).toBe(1)
  expect(await asBearer(first)).toMatchObject({ status: 200 })
  expect(await browser.open(`${url}/page`)).toMatchObject({ status: 302 })
})

test('a refused token is what is told while it lives, whatever its refresh comes to', async () => {
  const browser = await begun()
  await fleet.reload({ main: { ...main, requiredClaims: ['plan'] } })
  const body = JSON.stringify({ error: 'unauthorized_client' })
  const headers = { 'content-type': 'application/json' }
  fleet.provider.fail({ kind: 'status', status: 400, headers, body }, 'refresh_token')
  try {
    expect(await fleet.ask(browser)).toMatchObject({ status: 401, code: 'claim_invalid' })
  } finally {
    fleet.provider.heal()
  }
  await fleet.reload({ main })
  expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
})

test('a form that is refused for a weak login leads to the login that it needs, and not back to what it sent', async () => {
  const browser = await begun()
  await fleet.reload({
    routes: [
      {
        id: 'pay',
        path: '/pay',
        methods: ['POST'],
        providers: ['browser'],
        anonymous: 'login',
        require: { acr: ['gold'] },
      },
      ...LOGIN_ROUTES,
    ],
  })
  const navigation = { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', origin: url }
  const refused = await browser.ask(`${url}/pay?of=1`, { method: 'POST', headers: navigation })
  expect(refused.status).toBe(401)
  expect(refused.headers['www-authenticate']).toContain('insufficient_user_authentication')
  const [, link = ''] = /href="([^"]*)"/.exec(refused.text) ?? []
  expect(link.replaceAll('&amp;', '&')).toBe('/auth/login?for=POST%20%2Fpay&return=%2F')
  const login = await browser.open(url + link.replaceAll('&amp;', '&'))
  expect(new URL(login.location ?? '').searchParams.get('acr_values')).toBe('gold')
})
