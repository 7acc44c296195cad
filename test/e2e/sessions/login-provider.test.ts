/** The provider of logins and the walk through it do what tests of sessions count on, with another relying party. */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { decodeJwt } from 'jose'
import * as oidc from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { closeServer, listen } from '../../../src/demo/loopback.ts'
import { browserOfFile } from '../../support/clients/browser.ts'
import { createCookieJar, logIn, walk } from '../../support/clients/login-walk.ts'
import { WITHOUT_BROWSER } from '../../support/services/browser-programs.ts'
import {
  LOGIN_RESOURCE,
  type LoginProvider,
  type LoginProviderOptions,
  startLoginProvider,
} from '../../support/services/login-provider.ts'

const COOKIE = '__Host-party'

/** A relying party made of `openid-client`: `/page` signs in, and the cookie is the number of the login. */
async function startParty(options: LoginProviderOptions = {}) {
  const provider = await startLoginProvider(options)
  const logins: Array<Awaited<ReturnType<typeof oidc.authorizationCodeGrant>>> = []
  const logoutTokens: string[] = []
  const begun = new Map<string, string>()
  let configuration: oidc.Configuration | undefined
  let asked: Readonly<Record<string, string>> = {}
  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? '', party.url)
    const sent = (location: string, cookie?: string) =>
      response.writeHead(302, { location, ...(cookie === undefined ? {} : { 'set-cookie': cookie }) }).end()
    if (configuration === undefined) return response.writeHead(503).end()
    if (url.pathname === '/auth/backchannel-logout') {
      logoutTokens.push(new URLSearchParams(await text(request)).get('logout_token') ?? '')
      return response.end()
    }
    if (url.pathname === '/auth/callback') {
      const state = url.searchParams.get('state') ?? ''
      const pkceCodeVerifier = begun.get(state) ?? ''
      try {
        const tokens = await oidc.authorizationCodeGrant(configuration, url, { expectedState: state, pkceCodeVerifier })
        const cookie = `${COOKIE}=${logins.push(tokens)}; Secure; HttpOnly; Path=/; SameSite=Lax`
        return sent('/page', cookie)
      } catch (error) {
        return response.writeHead(400).end(`${error}: ${url.searchParams.get('error')}`)
      }
    }
    if (request.headers.cookie?.includes(COOKIE) === true) {
      return response.setHeader('content-type', 'text/html').end('<link rel="icon" href="data:,"><h1>Welcome</h1>')
    }
    const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
    const state = oidc.randomState()
    begun.set(state, pkceCodeVerifier)
    const parameters = {
      redirect_uri: `${party.url}/auth/callback`,
      scope: 'openid orders:read',
      resource: LOGIN_RESOURCE,
      state,
      code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      ...asked,
    }
    const isPushed = options.par !== undefined
    const authorize = isPushed ? oidc.buildAuthorizationUrlWithPAR : oidc.buildAuthorizationUrl
    return sent((await authorize(configuration, parameters)).href)
  })
  const party = { url: `http://localhost:${(await listen(server, 0)).split(':')[1]}` }
  provider.trust(party)
  configuration = await oidc.discovery(new URL(provider.issuer), provider.clientId, undefined, await proof(provider), {
    execute: [oidc.allowInsecureRequests],
  })
  const client = configuration
  return {
    provider,
    client,
    url: party.url,
    page: `${party.url}/page`,
    logins,
    logoutTokens,
    /** Further parameters of authorization requests. */
    ask(parameters: Readonly<Record<string, string>>) {
      asked = parameters
    },
    refresh: (refreshToken = '') => oidc.refreshTokenGrant(client, refreshToken),
    async close() {
      await closeServer(server)
      await provider.close()
      expect(provider.errors).toEqual([])
    },
  }
}

async function proof({ client }: LoginProvider): Promise<oidc.ClientAuth> {
  const read = (name: string) => readFileSync(String(client[name]), 'utf8').trim()
  if (client.auth === 'basic') return oidc.ClientSecretBasic(read('secretFile'))
  const { kid, ...jwk } = JSON.parse(read('keyFile'))
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' }
  return oidc.PrivateKeyJwt({ key: await crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']), kid })
}

let party: Awaited<ReturnType<typeof startParty>>
beforeAll(async () => {
  party = await startParty()
})
afterAll(() => party.close())
afterEach(() => {
  party.ask({})
  party.provider.heal()
  party.provider.set({ signIn: 'automatic', accessTokenSeconds: 300, refreshTokens: 'rotated', paddingBytes: 0 })
})

async function loggedIn(parameters: Readonly<Record<string, string>> = {}, jar = createCookieJar()) {
  party.ask(parameters)
  const walked = await logIn(party.page, { jar }, COOKIE)
  const tokens = party.logins[Number(walked.jar.get(party.page, COOKIE)) - 1]
  if (tokens?.id_token === undefined) throw new Error('there are no tokens')
  return { ...walked, tokens, idToken: tokens.id_token, refreshToken: tokens.refresh_token }
}

const browser = browserOfFile()

describe('a login', () => {
  test('without a page gives a JWT for the resource, an ID token with sid, and a refresh token', async () => {
    const { text: page, cookie, tokens, idToken } = await loggedIn()
    expect(page).toContain('Welcome')
    expect(cookie).toMatch(/^__Host-party=\d+$/)
    const { aud, sub, scope, exp = 0, iat = 0 } = decodeJwt(tokens.access_token)
    expect({ aud, sub, scope, life: exp - iat }).toEqual({
      aud: LOGIN_RESOURCE,
      sub: 'alice',
      scope: 'orders:read',
      life: 300,
    })
    expect(decodeJwt(idToken)).toMatchObject({ sub: 'alice', sid: expect.any(String) })
    expect(tokens.refresh_token).toBeTypeOf('string')
  })

  test('is of whom the hint names, although somebody else has signed in before', async () => {
    const { jar } = await loggedIn({ login_hint: 'alice' })
    jar.keep(party.page, [
      {
        name: COOKIE,
        value: '',
        attributes: new Map([
          ['max-age', '0'],
          ['path', '/'],
        ]),
        line: '',
      },
    ])
    const { idToken } = await loggedIn({ login_hint: 'bob' }, jar)
    expect(decodeJwt(idToken).sub).toBe('bob')
  })

  test('with a form is of whom the form names', async () => {
    party.provider.set({ signIn: 'form' })
    const { jar } = await logIn(party.page, { form: { login: 'carol' } }, COOKIE)
    expect(party.logins[Number(jar.get(party.page, COOKIE)) - 1]?.claims()?.sub).toBe('carol')
  })

  test('that the user refuses comes back with an error', async () => {
    party.provider.set({ signIn: 'refuse' })
    expect(await walk(party.page)).toMatchObject({ status: 400, text: expect.stringContaining('access_denied') })
  })

  test('stops where the walk is told to, and can go on from there', async () => {
    const { jar, stoppedBefore = '' } = await walk(party.page, {
      until: ({ pathname }) => pathname === '/auth/callback',
    })
    expect(jar.get(party.page, COOKIE)).toBeUndefined()
    expect(await walk(stoppedBefore, { jar })).toMatchObject({ status: 200, url: party.page })
  })

  test('is of the kind that is asked for, and as recent', async () => {
    const { jar, tokens } = await loggedIn()
    expect(decodeJwt(tokens.access_token)).toMatchObject({ acr: 'low', auth_time: expect.any(Number) })
    jar.keep(party.page, [
      {
        name: COOKIE,
        value: '',
        attributes: new Map([
          ['max-age', '0'],
          ['path', '/'],
        ]),
        line: '',
      },
    ])
    const stronger = await loggedIn({ acr_values: 'mfa', max_age: '60' }, jar)
    expect(decodeJwt(stronger.tokens.access_token)).toMatchObject({ acr: 'mfa' })
    expect(decodeJwt(stronger.idToken)).toMatchObject({ acr: 'mfa', auth_time: expect.any(Number) })
  })

  test.skipIf(WITHOUT_BROWSER)('is a click in a browser', async () => {
    party.provider.set({ signIn: 'form' })
    const page = await browser.open(party.page)
    await page.fill('input[name=login]', 'dora')
    await page.click('button')
    await page.waitForURL(party.page)
    expect(await page.textContent('h1')).toBe('Welcome')
    expect(party.logins.at(-1)?.claims()?.sub).toBe('dora')
  })

  test('works with a signed assertion and a pushed request', async () => {
    const other = await startParty({ clientAuth: 'private_key_jwt', par: 'required' })
    expect(await logIn(other.page, {}, COOKIE)).toMatchObject({ status: 200 })
    expect(other.provider.count({ path: '/request', status: 201 })).toBe(1)
    await other.close()
  })
})

describe('the token endpoint', () => {
  test('rotates refresh tokens, and an old one ends its grant', async () => {
    const { refreshToken } = await loggedIn()
    const second = await party.refresh(refreshToken)
    expect(second.refresh_token).not.toBe(refreshToken)
    await expect(party.refresh(refreshToken)).rejects.toMatchObject({ error: 'invalid_grant' })
    await expect(party.refresh(second.refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('keeps them when it is told to, and gives none when it is told to', async () => {
    party.provider.set({ refreshTokens: 'kept' })
    const { refreshToken } = await loggedIn()
    expect((await party.refresh(refreshToken)).refresh_token).toBe(refreshToken)
    party.provider.set({ refreshTokens: 'none' })
    expect((await loggedIn()).refreshToken).toBeUndefined()
    party.provider.set({ refreshTokens: 'offline' })
    expect((await loggedIn({ scope: 'openid offline_access' })).refreshToken).toBeUndefined()
    const asked = { scope: 'openid offline_access', prompt: 'consent' }
    expect((await loggedIn(asked)).refreshToken).toBeTypeOf('string')
  })

  test('gives tokens as short-lived and as large as it is told to, also for a refresh', async () => {
    party.provider.set({ accessTokenSeconds: 2, paddingBytes: 8_192 })
    const { tokens, refreshToken } = await loggedIn()
    for (const { access_token, expires_in } of [tokens, await party.refresh(refreshToken)]) {
      const { exp = 0, iat = 0 } = decodeJwt(access_token)
      expect({ life: exp - iat, expires_in }).toEqual({ life: 2, expires_in: 2 })
      expect(access_token.length).toBeGreaterThan(8_192)
    }
  })

  test('fails in each of the ways there are, for the grant that is meant', async () => {
    const { refreshToken } = await loggedIn()
    const { provider } = party
    const before = provider.count({ grantType: 'refresh_token' })
    provider.fail({ kind: 'status', status: 429, headers: { 'retry-after': '1' } }, 'refresh_token')
    await expect(party.refresh(refreshToken)).rejects.toThrow()
    expect(provider.asked.at(-1)).toMatchObject({ grantType: 'refresh_token', status: 429 })
    await loggedIn()
    provider.fail({ kind: 'cut' })
    await expect(party.refresh(refreshToken)).rejects.toThrow('fetch failed')
    provider.fail({ kind: 'slow', ms: 20 })
    const rotated = await party.refresh(refreshToken)
    provider.fail({ kind: 'answer lost' })
    await expect(party.refresh(rotated.refresh_token)).rejects.toThrow('fetch failed')
    provider.heal()
    await expect(party.refresh(rotated.refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' })
    expect(provider.count({ grantType: 'refresh_token' }) - before).toBe(5)
  })

  test('holds requests until it heals', async () => {
    const each = [await loggedIn(), await loggedIn()]
    party.provider.fail({ kind: 'held' })
    const refreshes = each.map(({ refreshToken }) => party.refresh(refreshToken))
    await party.provider.held(2)
    party.provider.heal()
    for (const { access_token } of await Promise.all(refreshes)) expect(decodeJwt(access_token).sub).toBe('alice')
  })

  test('takes back a refresh token that its client revokes, and those of a user', async () => {
    const { refreshToken = '' } = await loggedIn()
    await oidc.tokenRevocation(party.client, refreshToken)
    await expect(party.refresh(refreshToken)).rejects.toMatchObject({ error: 'invalid_grant' })
    const other = await loggedIn({ login_hint: 'erin' })
    party.provider.revokeGrants('erin')
    await expect(party.refresh(other.refreshToken)).rejects.toMatchObject({ error: 'invalid_grant' })
  })
})

describe('a logout', () => {
  test('at the provider by the browser comes back, and sends a logout token with the sid', async () => {
    const { jar, idToken } = await loggedIn()
    const end = oidc.buildEndSessionUrl(party.client, {
      id_token_hint: idToken,
      post_logout_redirect_uri: `${party.url}/`,
    })
    const { stoppedBefore } = await walk(end.href, {
      jar,
      until: ({ origin }) => origin === party.url,
    })
    expect(stoppedBefore).toBe(`${party.url}/`)
    const { sid } = decodeJwt(idToken)
    expect(decodeJwt(party.logoutTokens.at(-1) ?? '')).toMatchObject({ sub: 'alice', sid, aud: 'shop' })
    expect(party.provider.logouts.at(-1)).toEqual({ login: 'alice', sid, result: 'taken' })
  })

  test('of a user by the provider sends one logout token for each session', async () => {
    const sids = [await loggedIn({ login_hint: 'frank' }), await loggedIn({ login_hint: 'frank' })].map(
      ({ idToken }) => decodeJwt(idToken).sid,
    )
    const before = party.logoutTokens.length
    await party.provider.logOut('frank')
    const told = party.logoutTokens.slice(before).map(token => decodeJwt(token).sid)
    expect(told.sort()).toEqual(sids.sort())
  })
})
