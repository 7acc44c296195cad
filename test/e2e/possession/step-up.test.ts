/** Tests step-up from end to end (RFC 9470 §3–§5): the challenge is what the client asks oidc-provider for. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { testAuthority } from '../../support/certificates.ts'
import { boundClient, signInBound } from '../../support/clients/bound-client.ts'
import { bearer, startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { type BoundIssuer, startBoundIssuer } from '../../support/services/bound-issuer.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

const authority = testAuthority()
let issuer: BoundIssuer
let upstream: TestUpstream
let gateway: TestGateway
beforeAll(async () => {
  issuer = await startBoundIssuer(authority)
  upstream = await startTestUpstream()
  gateway = await startTestGateway({
    providers: { main: { ...issuer.provider, acrOrder: ['low', 'mfa', 'hardware'] } },
    upstreams: { app: upstream.url },
    routes: [
      { id: 'transfers', path: '/transfers', require: { scopes: ['orders:read'], acr: ['mfa'], authAge: '5m' } },
      { id: 'keys', path: '/keys', require: { acr: ['hardware'] } },
      { id: 'all', path: '/**' },
    ],
  })
  await gateway.logged({ provider: 'main', to: 'fresh' })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
  await issuer.close()
  expect(issuer.errors).toEqual([])
  authority.remove()
})

const scope = 'orders:read'

/** Sends, and reads from a refusal what an authorization request has to ask for. */
async function send(path: string, token: string) {
  const { status, headers } = await gateway.request(path, { headers: bearer(token) })
  const lines = String(headers['www-authenticate'] ?? '')
  const parameter = (name: string) => new RegExp(`[ ,]${name}="([^"]*)"`).exec(lines)?.[1]
  return { status, error: parameter('error'), acrValues: parameter('acr_values'), maxAge: parameter('max_age') }
}

describe('a client that asks for exactly what the challenge says gets in', () => {
  test('with a stronger login', async () => {
    const app = await boundClient(issuer, 'app')
    const cookies = new Map<string, string>()
    const weak = await signInBound(app, { login: 'alice', scope, cookies })
    expect(await send('/elsewhere', weak.access_token)).toMatchObject({ status: 200 })
    const { status, error, acrValues, maxAge } = await send('/transfers', weak.access_token)
    expect({ status, error, acrValues, maxAge }).toEqual({
      status: 401,
      error: 'insufficient_user_authentication',
      acrValues: 'mfa',
      maxAge: '300',
    })
    if (acrValues === undefined || maxAge === undefined) throw new Error('the challenge asks for nothing')
    const strong = await signInBound(app, { login: 'alice', scope, cookies, acrValues, maxAge })
    expect(await send('/transfers', strong.access_token)).toMatchObject({ status: 200 })
    expect(upstream.seen.at(-1)?.headers['x-auth-subject']).toBe('alice')
  })

  test('with a more recent login, where the old one is strong enough', async () => {
    const app = await boundClient(issuer, 'app')
    const cookies = new Map<string, string>()
    const old = await signInBound(app, { login: 'bob', scope, cookies, acrValues: 'hardware', secondsAgo: 600 })
    expect(await send('/keys', old.access_token)).toMatchObject({ status: 200 })
    const { status, acrValues, maxAge } = await send('/transfers', old.access_token)
    expect(status).toBe(401)
    // Without the hint, the issuer would take the login of its session, and the client would go around in circles.
    const same = await signInBound(app, { login: 'bob', scope, cookies })
    expect(decodeJwt(same.access_token).auth_time).toBe(decodeJwt(old.access_token).auth_time)
    expect(await send('/transfers', same.access_token)).toMatchObject({ status: 401 })
    if (acrValues === undefined || maxAge === undefined) throw new Error('the challenge asks for nothing')
    const recent = await signInBound(app, { login: 'bob', scope, cookies, acrValues, maxAge })
    expect(await send('/transfers', recent.access_token)).toMatchObject({ status: 200 })
    expect(await send('/keys', recent.access_token)).toMatchObject({ status: 401, acrValues: 'hardware' })
  })
})
