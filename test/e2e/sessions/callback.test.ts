/** Logins that do not succeed: what people and scripts are told, what is counted, and that nobody goes in circles. */
import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createCookieJar, type Walk, walk } from '../../support/clients/login-walk.ts'
import type { FaultPlace, ProviderFault } from '../../support/services/login-provider.ts'
import { type SessionFleet, signedIn, startSessionFleet } from './support.ts'

const JSON_TYPE = { 'content-type': 'application/json' }

let fleet: SessionFleet
let url: string
beforeAll(async () => {
  fleet = await startSessionFleet({ provider: { par: 'offered' } })
  url = fleet.urls[0] ?? ''
})
afterAll(() => fleet.close())
afterEach(() => {
  fleet.provider.heal()
  fleet.provider.set({ signIn: 'automatic' })
})

const RESULTS = ['begun', 'ok', 'failed', 'unavailable'] as const

/** What was counted since: `{ begun: 1, ok: 1 }`, without those that were not. */
async function logins(): Promise<() => Promise<Readonly<Record<string, number>>>> {
  const read = () =>
    Promise.all(RESULTS.map(result => fleet.metric(`logins_total{provider="browser",result="${result}"}`)))
  const before = await read()
  return async () => {
    const now = await read()
    const counts = RESULTS.map((result, index) => [result, (now[index] ?? 0) - (before[index] ?? 0)] as const)
    return Object.fromEntries(counts.filter(([, count]) => count !== 0))
  }
}

/** A page for people, which names the request, runs nothing and is kept by nobody. */
function expectPage({ status, headers, text }: Pick<Walk, 'status' | 'headers' | 'text'>, as: number, code: string) {
  expect([status, headers['content-type']]).toEqual([as, 'text/html; charset=utf-8'])
  const id = String(headers['x-request-id'])
  expect(id).toMatch(/^[\w-]{8,}$/)
  expect(text).toContain(`<code>${code}</code>, request <code>${id}</code>`)
  expect(headers).toMatchObject({
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  })
}

/** An answer whose ID token is another one: its signature holds, but it is of another login. */
function ofAnotherLogin(): ProviderFault {
  return { kind: 'answer changed', members: { id_token: fleet.provider.given.at(-1)?.idToken } }
}

function withoutSignature(): ProviderFault {
  const [header, claims] = fleet.provider.given.at(-1)?.idToken?.split('.') ?? []
  const id_token = `${header}.${claims}.${randomBytes(64).toString('base64url')}`
  return { kind: 'answer changed', members: { id_token } }
}

const invalidGrant = { kind: 'status', status: 400, headers: JSON_TYPE, body: '{"error":"invalid_grant"}' } as const
const noJson = { kind: 'status', status: 200, headers: JSON_TYPE } as const
const noTokens = { kind: 'status', status: 200, headers: JSON_TYPE, body: '{}' } as const

describe('the way back from the provider', () => {
  test.each<readonly [string, () => ProviderFault, number, string]>([
    ['answers 500', () => ({ kind: 'status', status: 500 }), 503, 'login_unavailable'],
    ['answers 429', () => ({ kind: 'status', status: 429, headers: { 'retry-after': '7' } }), 503, 'login_unavailable'],
    ['does not answer', () => ({ kind: 'cut' }), 503, 'login_unavailable'],
    ['loses its answer', () => ({ kind: 'answer lost' }), 503, 'login_unavailable'],
    ['does not know the code', () => invalidGrant, 400, 'login_failed'],
    ['answers what is no JSON', () => noJson, 400, 'login_failed'],
    ['gives no tokens', () => noTokens, 400, 'login_failed'],
    ['gives no ID token', () => ({ kind: 'answer changed', members: { id_token: undefined } }), 400, 'login_failed'],
    ['gives the ID token of another login', ofAnotherLogin, 400, 'login_failed'],
    ['gives an ID token that it has not signed', withoutSignature, 400, 'login_failed'],
    [
      'gives what is no access token',
      () => ({ kind: 'answer changed', members: { access_token: 'x' } }),
      400,
      'login_failed',
    ],
  ])('ends at a page when its token endpoint %s', async (way, fault, status, code) => {
    await signedIn(`${url}/page`)
    const count = await logins()
    fleet.provider.fail(fault(), 'authorization_code')
    const end = await walk(`${url}/page`)
    expectPage(end, status, code)
    expect(end.url.startsWith(`${url}/auth/callback?`)).toBe(true)
    if (way === 'answers 429') expect(end.headers['retry-after']).toBe('7')
    // What nobody could tell may be tried again; every other login is over.
    expect(end.jar.names(`${url}/`)).toEqual(status === 503 ? [expect.stringMatching(/-login-/)] : [])
    expect(await count()).toEqual({ begun: 1, [status === 503 ? 'unavailable' : 'failed']: 1 })
    fleet.provider.heal()
    const again = await logins()
    await signedIn(`${url}/page`, { jar: end.jar })
    expect(await again()).toEqual({ begun: 1, ok: 1 })
  })

  test('may be taken again when the provider is back, before its code was redeemed', async () => {
    fleet.provider.fail({ kind: 'status', status: 500 }, 'authorization_code')
    const end = await walk(`${url}/page`)
    expectPage(end, 503, 'login_unavailable')
    fleet.provider.heal()
    const again = await walk(end.url, { jar: end.jar })
    expect([again.status, again.url]).toEqual([200, `${url}/page`])
  })

  test('ends at a page when the user says no', async () => {
    const count = await logins()
    fleet.provider.set({ signIn: 'refuse' })
    const end = await walk(`${url}/page`)
    expectPage(end, 400, 'login_failed')
    expect(end.jar.names(`${url}/`)).toEqual([])
    expect(await count()).toEqual({ begun: 1, failed: 1 })
  })

  test('ends at a page when the policy does not take the access token', async () => {
    const count = await logins()
    await fleet.reload({ main: { audiences: ['https://others.example.com'] } })
    const end = await walk(`${url}/page`)
    await fleet.reload({ main: {} })
    expectPage(end, 400, 'login_failed')
    expect(await count()).toEqual({ begun: 1, failed: 1 })
  })

  test('tells scripts in JSON', async () => {
    const headers = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }
    const { text, ...end } = await walk(`${url}/auth/callback?state=s&code=c`, { headers })
    expect(end).toMatchObject({ status: 400, headers: { 'content-type': 'application/problem+json' } })
    expect(JSON.parse(text)).toMatchObject({ code: 'login_failed' })
  })

  test('counts for nothing when it is a stranger who comes by it', async () => {
    const count = await logins()
    expectPage(await walk(`${url}/auth/callback?state=s&code=c`), 400, 'login_failed')
    expect(await count()).toEqual({})
  })

  test('ends at a hint, and in no circle, in a browser that refuses the cookies', async () => {
    // Over plain http, some refuse those whose names begin with `__Host-`.
    const jar = createCookieJar()
    const refusing = {
      ...jar,
      keep: (from: string | URL, cookies: Parameters<typeof jar.keep>[1]) =>
        jar.keep(
          from,
          cookies.filter(({ name }) => !name.startsWith('__Host-')),
        ),
    }
    const end = await walk(`${url}/page`, { jar: refusing })
    expectPage(end, 400, 'login_failed')
    expect(end.text).toContain('A browser that accepts no cookies cannot log in')
    expect(end.hops.filter(hop => hop.url.startsWith(`${url}/auth/callback?`))).toHaveLength(1)
  })
})

describe('the way to the provider', () => {
  test.each<readonly [string, ProviderFault, FaultPlace]>([
    ['takes no authorization requests', { kind: 'cut' }, '/request'],
    ['answers 500', { kind: 'status', status: 500 }, '/request'],
    [
      'refuses ours',
      { kind: 'status', status: 400, headers: JSON_TYPE, body: '{"error":"invalid_client"}' },
      '/request',
    ],
  ])('ends at a page when that %s', async (_way, fault, place) => {
    const count = await logins()
    fleet.provider.fail(fault, place)
    const end = await walk(`${url}/page`)
    expectPage(end, 503, 'login_unavailable')
    expect(end.url).toBe(`${url}/auth/login?return=%2Fpage`)
    expect(end.jar.names(`${url}/`)).toEqual([])
    expect(await count()).toEqual({ unavailable: 1 })
    fleet.provider.heal()
    await signedIn(`${url}/page`, { jar: end.jar })
  })
})
