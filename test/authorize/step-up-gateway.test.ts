/** Tests that a running gateway asks for the login and the age of a token with every request (RFC 9470). */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bearer, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'

let skewMs = 0
const clock = { nowMs: () => Date.now() + skewMs, monotonicMs: () => performance.now() }
const nowSeconds = () => Math.floor(Date.now() / 1000)

let stack: TestStack
beforeAll(async () => {
  stack = await startTestStack(
    issuer => ({
      providers: { main: { ...testProvider(issuer), acrOrder: ['low', 'mfa', 'hardware'] } },
      routes: [
        { id: 'recent', path: '/recent', require: { authAge: '5m' } },
        { id: 'longer', path: '/longer', require: { authAge: '20m' } },
        { id: 'young', path: '/young', require: { tokenAge: '2m' } },
        { id: 'strong', path: '/strong', require: { acr: ['mfa'] } },
        { id: 'strongest', path: '/strongest', require: { acr: ['hardware'] } },
        { id: 'scoped', path: '/scoped', require: { scopes: ['pay'], roles: ['clerk'], acr: ['mfa'], tokenAge: '1s' } },
        { id: 'maybe', path: '/maybe', access: 'optional', require: { acr: ['mfa'] } },
        { id: 'trial', path: '/trial', mode: 'report', require: { acr: ['mfa'], tokenAge: '2m' } },
        { id: 'open', path: '/open' },
      ],
    }),
    { clock },
  )
})
afterAll(() => stack.close())

async function at(minutes: number, ask: () => Promise<unknown>): Promise<unknown> {
  skewMs = minutes * 60_000
  try {
    return await ask()
  } finally {
    skewMs = 0
  }
}

const hits = async () => (await stack.metrics()).get('sallyport_token_cache_total{provider="main",result="hit"}') ?? 0

async function send(path: string, token?: string) {
  const { status, headers, text } = await stack.request(path, token === undefined ? {} : { headers: bearer(token) })
  return { status, challenge: headers['www-authenticate'], code: status < 400 ? 'allow' : JSON.parse(text).code }
}
const codeOf = async (path: string, token: string) => (await send(path, token)).code

describe('a token that is remembered', () => {
  test('is refused as soon as its login is too long ago, and still taken where an older one will do', async () => {
    const token = await stack.issuer.mint({ auth_time: nowSeconds() })
    expect(await codeOf('/recent', token)).toBe('allow')
    const before = await hits()
    expect(await at(4, () => codeOf('/recent', token))).toBe('allow')
    expect(await at(6, () => codeOf('/recent', token))).toBe('step_up_required')
    expect(await at(6, () => codeOf('/longer', token))).toBe('allow')
    expect(await hits()).toBe(before + 3)
  })

  test('is refused as soon as it is too old, with a challenge that asks for another token and for no login', async () => {
    const token = await stack.issuer.mint()
    expect(await codeOf('/young', token)).toBe('allow')
    const before = await hits()
    expect(await at(3, () => send('/young', token))).toEqual({
      status: 401,
      code: 'token_too_old',
      challenge:
        'Bearer realm="sallyport", error="invalid_token", error_description="The access token was issued too long ago"',
    })
    expect(await at(3, () => codeOf('/open', token))).toBe('allow')
    expect(await hits()).toBe(before + 2)
  })

  test('is judged by each route on its own', async () => {
    const token = await stack.issuer.mint({ acr: 'mfa' })
    expect(await codeOf('/strong', token)).toBe('allow')
    expect(await send('/strongest', token)).toEqual({
      status: 401,
      code: 'step_up_required',
      challenge:
        'Bearer realm="sallyport", error="insufficient_user_authentication", ' +
        'error_description="A stronger or more recent authentication is required", acr_values="hardware"',
    })
    expect(await codeOf('/strong', await stack.issuer.mint({ acr: 'hardware' }))).toBe('allow')
  })
})

test('a refreshed token with the time of its old login is refused: its iat is no login', async () => {
  const token = await stack.issuer.mint({ iat: nowSeconds(), auth_time: nowSeconds() - 3600 })
  expect(await codeOf('/recent', token)).toBe('step_up_required')
  expect(await codeOf('/recent', await stack.issuer.mint({ iat: nowSeconds() }))).toBe('step_up_required')
})

test('nobody is sent to log in who would not get in afterwards: scopes and roles are judged first', async () => {
  const iat = nowSeconds() - 60
  const scoped = async (claims: object) => codeOf('/scoped', await stack.issuer.mint({ iat, ...claims }))
  expect(await scoped({})).toBe('scope_missing')
  expect(await scoped({ scope: 'pay' })).toBe('claim_forbidden')
  expect(await scoped({ scope: 'pay', roles: ['clerk'] })).toBe('step_up_required')
  expect(await scoped({ scope: 'pay', roles: ['clerk'], acr: 'mfa' })).toBe('token_too_old')
})

test('where a token is optional, one that is sent has to suffice', async () => {
  expect((await send('/maybe')).code).toBe('allow')
  expect(await codeOf('/maybe', await stack.issuer.mint({ acr: 'low' }))).toBe('step_up_required')
  expect(await codeOf('/maybe', await stack.issuer.mint({ acr: 'mfa' }))).toBe('allow')
})

test('in report mode it is told and passes, with the identity of its caller, which is verified', async () => {
  const weak = await stack.issuer.mint({ sub: 'weak', acr: 'low' })
  expect(await codeOf('/trial', weak)).toBe('allow')
  expect(stack.upstream.seen.at(-1)?.headers['x-auth-subject']).toBe('weak')
  const series = (code: string) => `sallyport_report_denials_total{route="trial",code="${code}"}`
  expect((await stack.metrics()).get(series('step_up_required'))).toBe(1)
  const strong = await stack.issuer.mint({ acr: 'mfa' })
  expect(await at(3, () => codeOf('/trial', strong))).toBe('allow')
  expect((await stack.metrics()).get(series('token_too_old'))).toBe(1)
})
