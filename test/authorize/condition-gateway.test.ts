/** Tests what a running gateway does with conditions: what it answers, logs, counts and tells of the request. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack } from '../support/gateway/gateway.ts'

const OWN = 'claims.tenant == params.tenant'

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack({
    routes: [
      { id: 'own', path: '/t/:tenant/**', require: { when: { 'own-tenant': OWN, level: 'claims.level >= 3' } } },
      { id: 'trial', path: '/trial/:tenant', mode: 'report', require: { when: OWN } },
      { id: 'open', path: '/open/:tenant', access: 'optional', require: { when: OWN } },
      { id: 'header', path: '/header', require: { when: 'request.headers["x-tenant"] == claims.tenant' } },
      { id: 'slash', path: '/slash/:tenant', pathAllow: ['encodedSlash'], require: { when: OWN } },
    ],
  })
})
afterAll(() => stack.close())

const as = async (claims: object = { tenant: 'acme', level: 3 }) => bearer(await stack.issuer.mint({ ...claims }))
const status = async (path: string, headers: Record<string, string | string[]>) =>
  (await stack.request(path, { headers })).status

describe('a condition on a parameter', () => {
  test.each([
    ['/t/acme/x', 200],
    ['/t/a%63me/x', 400],
    ['/t/globex/x', 403],
    ['/t/ACME/x', 403],
    ['/t/acme%20/x', 403],
    ['/t/acme%2f/x', 400],
    ['/t/acme%00/x', 400],
    ['/t/acme%ff/x', 400],
    ['/t//x', 400],
    ['/slash/acme', 200],
    ['/slash/acme%2f', 403],
    ['/slash/acme%2fb', 403],
  ])('%s: %i', async (path, expected) => {
    expect(await status(path, await as())).toBe(expected)
  })

  test('with a slash in it compares as it is decoded', async () => {
    expect(await status('/slash/acme%2Fb', await as({ tenant: 'acme/b' }))).toBe(200)
  })
})

test('the letter case of the path is as it was sent, where routes ignore it', async () => {
  const own = await startTestStack({
    paths: { ignoreCase: true },
    routes: [{ id: 'own', path: '/t/:tenant', require: { when: OWN } }],
  })
  const headers = bearer(await own.issuer.mint({ tenant: 'Acme' }))
  expect((await own.request('/T/Acme', { headers })).status).toBe(200)
  expect((await own.request('/t/acme', { headers })).status).toBe(403)
  await own.close()
})

test.each([
  ['acme', 200],
  ['globex', 403],
  [['acme', 'acme'], 403],
  ['', 403],
] as const)('a condition on a header that is %j: %i', async (value, expected) => {
  const headers = { ...(await as()), 'X-Tenant': typeof value === 'string' ? value : [...value] }
  expect(await status('/header', headers)).toBe(expected)
})

test('a route that only reports lets the request pass, and counts what would have been', async () => {
  expect(await status('/trial/globex', await as())).toBe(200)
  const metrics = await stack.metrics()
  expect(metrics.get('sallyport_report_denials_total{route="trial",code="claim_forbidden"}')).toBe(1)
  expect(metrics.get('sallyport_conditions_total{route="trial",outcome="false"}')).toBe(1)
})

test('nobody asks an anonymous caller, and everybody else', async () => {
  expect(await status('/open/acme', {})).toBe(200)
  expect(await status('/open/globex', await as())).toBe(403)
})

test('the refusal tells the client nothing, and the log which condition it was, without a value', async () => {
  const secret = 'tenant-that-nobody-may-see'
  const { status: refused, text } = await stack.request('/t/globex/x', {
    headers: await as({ tenant: secret, level: 3 }),
  })
  expect(refused).toBe(403)
  expect(text).not.toContain('own-tenant')
  const evidence = (condition: string) =>
    stack.logs.find(({ evidence: told }) => (told as { condition?: string } | undefined)?.condition === condition)
  await expect.poll(() => evidence('own-tenant')).toMatchObject({ route: 'own', code: 'claim_forbidden' })
  const line = stack.logs.findLast(({ route, code }) => route === 'own' && code === 'claim_forbidden')
  expect(line?.evidence).toEqual({ requirement: 'when', condition: 'own-tenant', outcome: 'false' })
  await stack.request('/t/acme/x', { headers: await as({ tenant: 'acme' }) })
  await expect
    .poll(() => evidence('level')?.evidence)
    .toEqual({
      ...{ requirement: 'when', condition: 'level' },
      ...{ outcome: 'error', error: 'no_such_key', key: 'claims.level' },
    })
  expect(stack.logText()).not.toContain(secret)
})
