/** Who a session's caller is when its access token is opaque, or is not looked at. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { LOGIN_RESOURCE } from '../../support/services/login-provider.ts'
import { type SessionFleet, SOON, signedIn, startSessionFleet } from './support.ts'

const routes = [
  { id: 'write', path: '/api/write', providers: ['browser'], require: { scopes: ['orders:write'] } },
  { id: 'read', path: '/api/**', providers: ['browser'], require: { scopes: ['orders:read'] } },
  { id: 'pages', path: '/**', providers: ['browser'], anonymous: 'login' },
]
const identity = { headers: { 'x-sub': 'sub', 'x-scope': 'scope', 'x-client': 'client_id', 'x-sid': 'sid' } }
const lifetime = { refreshBefore: '0s' }

describe.each([
  ['idToken', { 'x-sub': 'alice', 'x-scope': 'orders:read', 'x-sid': expect.any(String) }],
  ['asked', { 'x-sub': 'alice', 'x-scope': 'orders:read', 'x-client': 'shop' }],
] as const)('with `principal: %s` and opaque access tokens', (principal, expected) => {
  let fleet: SessionFleet
  beforeAll(async () => {
    fleet = await startSessionFleet({
      routes,
      session: { principal, lifetime },
      config: { identity },
      providers: ({ issuer, client }) => ({
        main: undefined,
        ...(principal === 'asked'
          ? { asked: { type: 'introspection', issuer, audiences: [LOGIN_RESOURCE], client, allowInsecureHttp: true } }
          : {}),
      }),
    })
    fleet.provider.set({ accessTokens: 'opaque' })
  })
  afterAll(() => fleet.close())

  test('the caller has the scopes and the headers, before a refresh and after it', async () => {
    const url = fleet.urls[0] ?? ''
    fleet.provider.set({ accessTokenSeconds: 20 })
    const browser = await signedIn(`${url}/page`)
    const refreshes = () => fleet.provider.count({ grantType: 'refresh_token' })
    const told = async () => {
      const { status, text } = await browser.ask(`${url}/api/x`)
      expect(status).toBe(200)
      const { headers } = JSON.parse(text) as { readonly headers: Readonly<Record<string, string>> }
      return Object.fromEntries(Object.keys(expected).map(name => [name, headers[name]]))
    }
    expect(fleet.provider.given.at(-1)?.accessToken).not.toContain('.')
    expect(await told()).toEqual(expected)
    expect(await browser.ask(`${url}/api/write`)).toMatchObject({ status: 403, code: 'scope_missing' })
    const before = refreshes()
    fleet.provider.set({ accessTokenSeconds: 3_000 })
    fleet.later(25_000)
    expect(await told()).toEqual(expected)
    expect(refreshes() - before).toBe(1)
  })

  test('a grant that is over ends the session', async () => {
    const url = fleet.urls[0] ?? ''
    fleet.provider.set({ accessTokenSeconds: 60 })
    const browser = await signedIn(`${url}/page`)
    expect(await browser.ask(`${url}/api/x`)).toMatchObject({ status: 200 })
    fleet.provider.revokeGrants('alice')
    fleet.later(61_000)
    await expect.poll(async () => (await browser.ask(`${url}/api/x`)).status, SOON).toBe(401)
    expect(await browser.open(`${url}/page`)).toMatchObject({ status: 302 })
  })
})

test('with `forwardToken` the service has the access token of the moment, and never that of a forged header', async () => {
  const fleet = await startSessionFleet({
    routes,
    session: { lifetime },
    config: { identity: { forwardToken: true } },
  })
  atEnd(() => fleet.close())
  const url = fleet.urls[0] ?? ''
  const authorization = async (): Promise<string | undefined> => {
    const { text } = await browser.ask(`${url}/api/x`)
    return (JSON.parse(text) as { readonly headers: Readonly<Record<string, string>> }).headers.authorization
  }
  fleet.provider.set({ accessTokenSeconds: 20 })
  const browser = await signedIn(`${url}/page`)
  expect(await authorization()).toBe(`Bearer ${fleet.provider.given.at(-1)?.accessToken}`)
  fleet.provider.set({ accessTokenSeconds: 3_000 })
  fleet.later(25_000)
  expect(await authorization()).toBe(`Bearer ${fleet.provider.given.at(-1)?.accessToken}`)
  expect(fleet.provider.given).toHaveLength(2)
})
