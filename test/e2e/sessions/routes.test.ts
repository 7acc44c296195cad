/** What routes of every kind make of a session: who is anonymous, what a refusal asks for, and what is noted. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Browser, type Reply, type SessionFleet, signedIn, startSessionFleet } from './support.ts'

const SECOND_MS = 1_000
const MOST_TOKEN_AGE_S = 60

let fleet: SessionFleet
let url: string
beforeAll(async () => {
  const sessions = { providers: ['browser'] }
  const both = { providers: ['browser', 'main'] }
  fleet = await startSessionFleet({
    // A token that the provider's clock makes older than the route allows by less than that is let pass.
    main: { clockTolerance: `${MOST_TOKEN_AGE_S}s` },
    routes: [
      { id: 'pages', path: '/**', ...sessions, anonymous: 'login' },
      { id: 'only', path: '/only/**', ...sessions },
      { id: 'api', path: '/api/**', ...both },
      { id: 'maybe', path: '/maybe/**', ...sessions, access: 'optional' },
      { id: 'maybe-both', path: '/maybe/both', ...both, access: 'optional' },
      { id: 'report', path: '/report/**', ...sessions, mode: 'report' },
      { id: 'fresh', path: '/fresh/**', ...sessions, require: { tokenAge: `${MOST_TOKEN_AGE_S}s` } },
    ],
    config: { identity: { headers: { 'x-sub': 'sub', 'x-jti': 'jti' } } },
  })
  url = fleet.urls[0] ?? ''
  fleet.lives(3_000)
})
afterAll(() => fleet.close())

const begun = (): Promise<Browser> => signedIn(`${url}/page`)

/** A browser whose session has ended elsewhere, so that it has the cookie still. */
async function over(): Promise<Browser> {
  const browser = await begun()
  expect(await browser.copy().ask(`${url}/auth/logout`, { method: 'POST' })).toMatchObject({ status: 200 })
  return browser
}

async function stranger(): Promise<Browser> {
  const browser = await begun()
  expect(await browser.ask(`${url}/auth/logout`, { method: 'POST' })).toMatchObject({ status: 200 })
  expect(browser.cookie()).toBeUndefined()
  return browser
}

const headersOf = ({ text }: Reply) =>
  (JSON.parse(text) as { readonly headers: Readonly<Record<string, string | undefined>> }).headers
const challengesOf = ({ headers }: Reply) => [headers['www-authenticate']].flat()

describe('a refusal for want of a session', () => {
  test.each(['/only/x', '/page', '/auth/session'])('says of %s that a session is what helps', async path => {
    for (const browser of [await stranger(), await over()]) {
      const reply = await fleet.ask(browser, { path })
      const code = browser.cookie() === undefined ? 'token_missing' : 'session_expired'
      expect(reply).toMatchObject({ status: 401, code })
      expect(challengesOf(reply)).toEqual(['Session realm="sallyport"'])
      expect(JSON.parse(reply.text)).toMatchObject({ login: '/auth/login' })
    }
  })

  test('names the scheme of tokens, too, where they are taken', async () => {
    for (const browser of [await stranger(), await over()]) {
      const reply = await fleet.ask(browser)
      expect(reply.status).toBe(401)
      expect(challengesOf(reply)).toEqual(['Bearer realm="sallyport"'])
      expect(JSON.parse(reply.text)).toMatchObject({ login: '/auth/login' })
    }
    const browser = await begun()
    const wrong = await browser.ask(`${url}/api/x`, { headers: { authorization: 'Bearer wrong' } })
    expect(wrong).toMatchObject({ status: 401, code: 'token_malformed' })
    expect(challengesOf(wrong)).toEqual([expect.stringMatching(/^Bearer realm="sallyport", error="invalid_token"/)])
    expect(JSON.parse(wrong.text)).toMatchObject({ login: '/auth/login' })
  })
})

describe.each(['/maybe/x', '/maybe/both'])('on the route of %s, where access is optional', path => {
  test('who has a session that lives is known', async () => {
    const reply = await fleet.ask(await begun(), { path })
    expect([reply.status, headersOf(reply)['x-sub']]).toEqual([200, 'alice'])
    expect(reply.headers['cache-control']).toBe('private')
  })

  test('who has none, or one that is over, is anonymous, and the service sees no cookie', async () => {
    for (const browser of [await stranger(), await over()]) {
      const reply = await fleet.ask(browser, { path })
      expect([reply.status, headersOf(reply)['x-sub'], headersOf(reply).cookie]).toEqual([200, undefined, undefined])
    }
  })

  test('who comes from another site is anonymous when the request is safe, and refused when it is not', async () => {
    const browser = await begun()
    const headers = { 'sec-fetch-site': 'cross-site' }
    const safe = await browser.ask(url + path, { headers })
    expect([safe.status, headersOf(safe)['x-sub']]).toEqual([200, undefined])
    expect(await browser.ask(url + path, { method: 'POST', headers })).toMatchObject({
      status: 403,
      code: 'csrf_rejected',
    })
  })
})

describe('a report-only route notes, and lets pass without an identity,', () => {
  const noted = (code: string) => fleet.metric(`report_denials_total{route="report",code="${code}"}`)

  test('what another site sends', async () => {
    const browser = await begun()
    const before = await noted('csrf_rejected')
    const headers = { 'sec-fetch-site': 'cross-site' }
    const reply = await browser.ask(`${url}/report/forged`, { method: 'POST', headers })
    expect([reply.status, headersOf(reply)['x-sub'], headersOf(reply).cookie]).toEqual([200, undefined, undefined])
    expect((await noted('csrf_rejected')) - before).toBe(1)
    const line = await fleet.gateways[0]?.logged({ path: '/report/forged' })
    expect(line).toMatchObject({ reported: 'csrf_rejected' })
  })

  test('who has a session that is over', async () => {
    const browser = await over()
    const before = await noted('session_expired')
    const reply = await fleet.ask(browser, { path: '/report/over' })
    expect([reply.status, headersOf(reply)['x-sub'], headersOf(reply).cookie]).toEqual([200, undefined, undefined])
    expect((await noted('session_expired')) - before).toBe(1)
    expect(await fleet.gateways[0]?.logged({ path: '/report/over' })).toMatchObject({ reported: 'session_expired' })
    const page = await browser.open(`${url}/report/over`)
    expect([page.status, page.location]).toEqual([200, undefined])
  })

  test('nothing about a session that lives', async () => {
    const reply = await fleet.ask(await begun(), { path: '/report/x' })
    expect([reply.status, headersOf(reply)['x-sub']]).toEqual([200, 'alice'])
  })
})

// It moves the clock so far that the provider's new tokens are old.
test('a route that asks for young tokens has them refreshed, and says so where the provider gives none', async () => {
  const browser = await begun()
  const young = await fleet.ask(browser, { path: '/fresh/x' })
  const before = fleet.refreshes()
  fleet.later((MOST_TOKEN_AGE_S + 1) * SECOND_MS)
  expect(headersOf(await fleet.ask(browser))['x-jti']).toBe(headersOf(young)['x-jti'])
  expect(fleet.refreshes()).toBe(before)
  const again = await fleet.ask(browser, { path: '/fresh/x' })
  expect([young.status, again.status]).toEqual([200, 200])
  expect(headersOf(again)['x-jti']).not.toBe(headersOf(young)['x-jti'])
  expect(fleet.refreshes() - before).toBe(1)
  expect(await fleet.ask(browser, { path: '/fresh/x' })).toMatchObject({ status: 200 })
  expect(fleet.refreshes() - before).toBe(1)

  fleet.later(MOST_TOKEN_AGE_S * SECOND_MS)
  expect(await fleet.ask(browser, { path: '/fresh/x' })).toMatchObject({ status: 401, code: 'token_too_old' })
  expect(fleet.refreshes() - before).toBe(2)
  expect(await browser.open(`${url}/fresh/x`)).toMatchObject({ status: 401, location: undefined })
  expect(fleet.refreshes() - before).toBe(2)
  expect(await fleet.ask(browser)).toMatchObject({ status: 200 })
})
