/** The decision end to end: real tokens, real sockets, a real service behind. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack } from './support/gateway/gateway.ts'

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack()
})
afterAll(() => stack.close())

describe('a request with a good token', () => {
  test('reaches the service on the path it was sent to, with the identity and without the token', async () => {
    const token = await stack.issuer.mint({ scope: 'orders:read other', roles: ['editor'], client_id: 'shop' })
    const reply = await stack.request('/orders/7?b=2&a=%20', { headers: bearer(token) })
    expect(reply.status).toBe(200)
    const { url, headers } = reply.json() as { url: string; headers: Record<string, string> }
    expect(url).toBe('/orders/7?b=2&a=%20')
    expect(headers).toMatchObject({
      'x-auth-issuer': stack.issuer.issuer,
      'x-auth-subject': 'alice',
      'x-auth-client': 'shop',
      'x-auth-scope': 'orders:read other',
      'x-auth-roles': '["editor"]',
    })
    expect(headers).not.toHaveProperty('authorization')
  })

  test.each(['RS256', 'ES256', 'EdDSA'] as const)('signed with %s is accepted', async alg => {
    const token = await stack.issuer.mint({ scope: 'orders:read' }, { alg })
    expect((await stack.request('/orders/1', { headers: bearer(token) })).status).toBe(200)
  })

  test('is judged by the most specific route, by its method', async () => {
    const reader = bearer(await stack.issuer.mint({ scope: 'orders:read' }))
    const writer = bearer(await stack.issuer.mint({ scope: 'orders:write' }))
    expect((await stack.request('/orders/1', { headers: reader })).status).toBe(200)
    expect((await stack.request('/orders/1', { method: 'HEAD', headers: reader })).status).toBe(200)
    expect((await stack.request('/orders/1', { method: 'DELETE', headers: reader })).status).toBe(403)
    expect((await stack.request('/orders/1', { method: 'DELETE', headers: writer })).status).toBe(200)
    expect((await stack.request('/orders/1', { headers: writer })).status).toBe(403)
    expect((await stack.request('/orders/1', { method: 'POST', headers: writer })).status).toBe(404)
  })
})

const SPELLINGS = [
  'X-Auth-Subject',
  'x-auth-subject',
  'X_Auth_Subject',
  'X-AUTH_SUBJECT',
  'X.Auth.Subject',
  'X-Auth.Subject',
  'X~Auth~Subject',
  'X|Auth|Subject',
  'X-Auth-Issuer',
  'X_AUTH_SCOPE',
  'X-Auth-Client',
  'X+Auth+Roles',
]

describe('identity headers that a client made up', () => {
  /** What the service was sent under any name that some server may read as ours. */
  async function seen(path: string, lines: readonly string[], authorization?: string) {
    const head = [`GET ${path} HTTP/1.1`, 'Host: a', 'Connection: close', ...lines]
    if (authorization !== undefined) head.push(`Authorization: ${authorization}`)
    expect(await stack.raw(`${head.join('\r\n')}\r\n\r\n`)).toMatch(/^HTTP\/1\.1 200 /)
    const { rawHeaders } = stack.upstream.seen.at(-1) ?? { rawHeaders: [] }
    return rawHeaders.flatMap((name, index) =>
      index % 2 === 0 && /^x[^a-z0-9]auth/i.test(name) ? [`${name}: ${rawHeaders[index + 1]}`] : [],
    )
  }
  const forged = SPELLINGS.map(name => `${name}: root`)

  test.each(['/public/a', '/optional/a', '/report/a'])('are gone on %s, where nobody is logged in', async path => {
    expect(await seen(path, forged)).toEqual([])
    expect(await seen(path, ['Connection: close, X-Auth-Subject', 'X-Auth-Subject: root'])).toEqual([])
    expect(await seen(path, ['X-Auth-Subject: root', 'X-Auth-Subject: admin'])).toEqual([])
  })

  test.each(['/private/a', '/optional/a', '/report/a'])('give way to the real ones on %s', async path => {
    const { authorization } = bearer(await stack.issuer.mint({ roles: ['r'] }))
    const real = [`X-Auth-Issuer: ${stack.issuer.issuer}`, 'X-Auth-Subject: alice', 'X-Auth-Roles: ["r"]']
    expect((await seen(path, forged, authorization)).sort()).toEqual(real.sort())
    // Nor does naming them in Connection take the real ones away.
    expect((await seen(path, ['Connection: close, X-Auth-Subject'], authorization)).sort()).toEqual(real.sort())
  })

  test('a token on a public route is not looked at and makes no identity', async () => {
    const { authorization } = bearer(await stack.issuer.mint())
    expect(await seen('/public/a', [], authorization)).toEqual([])
    expect(await seen('/public/a', [], 'Bearer nonsense')).toEqual([])
  })
})

describe('access: optional', () => {
  test('lets nobody in particular through, and refuses a token that is not good', async () => {
    expect((await stack.request('/optional/a')).status).toBe(200)
    const expired = await stack.issuer.mint({ iat: 1, exp: 2 })
    const reply = await stack.request('/optional/a', { headers: bearer(expired) })
    expect(reply.status).toBe(401)
    expect(reply.json()).toMatchObject({ code: 'token_expired' })
  })
})

describe('mode: report', () => {
  test('a token without the scope passes with its identity, is logged and counted', async () => {
    const series = 'sallyport_report_denials_total{route="report",code="scope_missing"}'
    const before = await stack.metrics()
    const token = await stack.issuer.mint({ sub: 'reported' })
    const reply = await stack.request('/report/a', { headers: bearer(token) })
    expect(reply.status).toBe(200)
    expect(reply.json()).toMatchObject({ headers: { 'x-auth-subject': 'reported' } })
    expect(await stack.logged({ route: 'report', subject: 'reported' })).toMatchObject({
      level: 'warn',
      msg: 'request passed',
      code: 'ok',
      reported: 'scope_missing',
      provider: 'main',
      evidence: { missing: ['report:read'] },
    })
    const after = await stack.metrics()
    expect(after.get(series)).toBe((before.get(series) ?? Number.NaN) + 1)
    const passed = 'sallyport_requests_total{route="report",method="GET",code="ok"}'
    expect((after.get(passed) ?? 0) - (before.get(passed) ?? 0)).toBe(1)
  })

  test.each([
    ['none', undefined, 'token_missing'],
    ['a broken one', 'Bearer a.b.c', 'token_malformed'],
    ['another scheme', 'Basic abc', 'scheme_unsupported'],
  ])('a request whose token is %s passes without an identity', async (_name, authorization, code) => {
    const series = `sallyport_report_denials_total{route="report",code="${code}"}`
    const before = (await stack.metrics()).get(series)
    const reply = await stack.request('/report/a', authorization === undefined ? {} : { headers: { authorization } })
    expect(reply.status).toBe(200)
    expect(reply.text).not.toMatch(/x-auth|authorization/i)
    expect((await stack.metrics()).get(series)).toBe((before ?? Number.NaN) + 1)
  })

  test('path, framing and limits refuse there, too', async () => {
    const refused = async (lines: string) => stack.raw(`${lines}\r\nHost: a\r\nConnection: close\r\n\r\n`)
    expect(await refused('GET /report/../a HTTP/1.1')).toMatch(/^HTTP\/1\.1 400 [\s\S]*path_invalid/)
    expect(await refused('GET /report/a HTTP/1.1\r\nContent_Length: 5')).toMatch(/^HTTP\/1\.1 400 /)
    expect(await refused('PUT /report/a HTTP/1.1\r\nContent-Length: 999999999')).toMatch(/^HTTP\/1\.1 413 /)
  })
})

test('identity.forwardToken passes the Authorization line on, and only then', async () => {
  const forwarding = await startTestStack({ identity: { forwardToken: true } })
  const headers = bearer(await forwarding.issuer.mint())
  expect((await forwarding.request('/private/a', { headers })).json()).toMatchObject({ headers })
  expect((await forwarding.request('/public/a', { headers })).json()).toMatchObject({ headers })
  await forwarding.close()
  const keeping = await stack.request('/private/a', { headers: bearer(await stack.issuer.mint()) })
  expect(keeping.text).not.toMatch(/authorization|eyJ/i)
  expect((await stack.request('/public/a', { headers })).text).not.toMatch(/authorization|eyJ/i)
})

test('a token in the query or the body never helps', async () => {
  const token = await stack.issuer.mint()
  expect((await stack.request(`/private/a?access_token=${token}`)).status).toBe(401)
  const form = { method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' } }
  expect((await stack.request('/private/a', { ...form, body: `access_token=${token}` })).status).toBe(401)
})
