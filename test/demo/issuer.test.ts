/** Tests the embedded issuer with the client libraries that applications use. */
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, type JWTPayload, jwtVerify } from 'jose'
import {
  authorizationCodeGrant,
  buildAuthorizationUrl,
  calculatePKCECodeChallenge,
  clientCredentialsGrant,
  randomPKCECodeVerifier,
  refreshTokenGrant,
  tokenIntrospection,
  tokenRevocation,
} from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Issuer, startIssuer } from '../../src/demo/issuer.ts'
import { DEMO_AUDIENCE, MACHINE_CLIENTS } from '../../src/demo/issuer-configuration.ts'
import {
  APP_CLIENT,
  appClient,
  browse,
  machineClient,
  SIGNING_ALGORITHMS,
  signInWithCode,
} from '../support/clients/oidc-client.ts'
import { exchangeOnce } from '../support/gateway/guarded-app.ts'

let issuer: Issuer
const failures: Error[] = []
const terminal = (['log', 'info', 'warn', 'error'] as const).map(method => vi.spyOn(console, method))
beforeAll(async () => {
  issuer = await startIssuer({ port: 0, onError: error => failures.push(error) })
})
afterEach(() => {
  expect(failures.splice(0)).toEqual([])
  for (const spy of terminal) expect(spy).not.toHaveBeenCalled()
})
afterAll(() => issuer.close())

function verify(token: string): Promise<{ payload: JWTPayload }> {
  return jwtVerify(token, createRemoteJWKSet(new URL(`${issuer.issuer}/jwks`)), {
    issuer: issuer.issuer,
    audience: DEMO_AUDIENCE,
    typ: 'at+jwt',
  })
}

describe('RFC 6749 §4.4: client credentials', () => {
  test.each(SIGNING_ALGORITHMS)('a machine client gets an access token signed with %s', async algorithm => {
    const { access_token } = await clientCredentialsGrant(await machineClient(issuer, algorithm), {
      scope: 'orders:read',
    })
    expect(decodeProtectedHeader(access_token)).toMatchObject({ alg: algorithm, typ: 'at+jwt' })
    const { payload } = await verify(access_token)
    expect(payload).toMatchObject({
      sub: MACHINE_CLIENTS[algorithm],
      client_id: MACHINE_CLIENTS[algorithm],
      scope: 'orders:read',
      roles: ['editor'],
      tenant: 'acme',
      email_verified: true,
    })
  })

  test('a wrong secret gets none', async () => {
    const client = await machineClient({ ...issuer, clientSecret: 'wrong' })
    await expect(clientCredentialsGrant(client)).rejects.toMatchObject({ error: 'invalid_client' })
  })

  test('RFC 8707: a token asked for another resource names that one as its audience', async () => {
    const client = await machineClient(issuer)
    const { access_token } = await clientCredentialsGrant(client, { resource: 'https://other.example/' })
    expect(decodeJwt(access_token).aud).toBe('https://other.example/')
  })
})

describe('RFC 6749 §4.1, RFC 7636: authorization code with PKCE', () => {
  test('whoever signs in gets tokens in their own name', async () => {
    const tokens = await signInWithCode(await appClient(issuer), { login: 'bob', scope: 'openid orders:read' })
    expect(tokens.claims()).toMatchObject({ sub: 'bob', iss: issuer.issuer, aud: APP_CLIENT.id })
    const { payload } = await verify(tokens.access_token)
    expect(payload).toMatchObject({ sub: 'bob', client_id: APP_CLIENT.id, scope: 'orders:read', roles: ['viewer'] })
  })

  test('a scope that the API does not know is left out', async () => {
    const tokens = await signInWithCode(await appClient(issuer), {
      login: 'alice',
      scope: 'openid offline_access orders:read orders:write',
    })
    const { payload } = await verify(tokens.access_token)
    expect(payload.scope).toBe('orders:read orders:write')
  })

  test('a code without its verifier is worth nothing', async () => {
    const client = await appClient(issuer)
    const url = buildAuthorizationUrl(client, {
      redirect_uri: APP_CLIENT.redirectUri,
      scope: 'openid',
      code_challenge: await calculatePKCECodeChallenge(randomPKCECodeVerifier()),
      code_challenge_method: 'S256',
    })
    const callback = await browse(url, APP_CLIENT.redirectUri, { login: 'alice' })
    const stolen = authorizationCodeGrant(client, callback, { pkceCodeVerifier: randomPKCECodeVerifier() })
    await expect(stolen).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('an authorization request without a challenge is turned away', async () => {
    const url = buildAuthorizationUrl(await appClient(issuer), {
      redirect_uri: APP_CLIENT.redirectUri,
      scope: 'openid',
    })
    const callback = await browse(url, APP_CLIENT.redirectUri, { login: 'alice' })
    expect(callback.searchParams.get('error')).toBe('invalid_request')
  })

  test('a sign-in that was never begun is a 400', async () => {
    const response = await fetch(`${issuer.issuer}/interaction/none`, { method: 'POST' })
    expect(response.status).toBe(400)
  })
})

describe('RFC 6749 §6: refresh tokens', () => {
  test('a refresh gives a new access token and a new refresh token', async () => {
    const client = await appClient(issuer)
    const first = await signInWithCode(client, { login: 'alice', scope: 'openid orders:read' })
    const second = await refreshTokenGrant(client, first.refresh_token ?? '')
    expect(second.refresh_token).not.toBe(first.refresh_token)
    const { payload } = await verify(second.access_token)
    expect(payload).toMatchObject({ sub: 'alice', scope: 'orders:read' })
  })

  test('RFC 9700 §4.14.2: a used refresh token is refused and takes its successor down', async () => {
    const client = await appClient(issuer)
    const first = await signInWithCode(client, { login: 'alice', scope: 'openid orders:read' })
    const second = await refreshTokenGrant(client, first.refresh_token ?? '')
    for (const { refresh_token } of [first, second])
      await expect(refreshTokenGrant(client, refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('RFC 7009: a revoked refresh token is refused', async () => {
    const client = await appClient(issuer)
    const { refresh_token = '' } = await signInWithCode(client, { login: 'alice', scope: 'openid orders:read' })
    await tokenRevocation(client, refresh_token)
    await expect(refreshTokenGrant(client, refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('RFC 7662: introspection tells a live refresh token from a revoked one', async () => {
    const [app, machine] = await Promise.all([appClient(issuer), machineClient(issuer)])
    const { refresh_token = '' } = await signInWithCode(app, { login: 'alice', scope: 'openid orders:read' })
    expect(await tokenIntrospection(machine, refresh_token)).toMatchObject({ active: true, sub: 'alice' })
    await tokenRevocation(app, refresh_token)
    expect(await tokenIntrospection(machine, refresh_token)).toEqual({ active: false })
  })
})

describe('minted tokens', () => {
  test.each(SIGNING_ALGORITHMS)('a token minted with %s verifies like an issued one', async algorithm => {
    const { payload } = await verify(await issuer.mint({ algorithm, claims: { tenant: 'globex' } }))
    expect(payload).toMatchObject({ sub: MACHINE_CLIENTS[algorithm], tenant: 'globex' })
  })

  test('a claim can be left out', async () => {
    const { payload } = await verify(await issuer.mint({ claims: { sub: undefined } }))
    expect(payload).not.toHaveProperty('sub')
  })

  test('an expired token is refused for that and nothing else', async () => {
    const expired = await issuer.mint({ expiresInSeconds: -1 })
    await expect(verify(expired)).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' })
  })
})

test('the demo hands out tokens for its curl lines', async () => {
  const token = async (kind: string) => (await fetch(`${issuer.issuer}/demo/tokens/${kind}`)).text()
  expect((await verify(await token('reader'))).payload.scope).toBe('orders:read')
  expect((await verify(await token('writer'))).payload.scope).toBe('orders:read orders:write')
  await expect(verify(await token('expired'))).rejects.toMatchObject({ code: 'ERR_JWT_EXPIRED' })
})

test('a page whose name leads to this machine is given no token', async () => {
  const { port } = new URL(issuer.issuer)
  const ask = (host: string, path: string) =>
    exchangeOnce(Number(port), `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  for (const host of [`evil.example:${port}`, `127.0.0.1.evil.example:${port}`, 'localhost.evil.example', ''])
    expect([host, (await ask(host, '/demo/tokens/reader'))?.status]).toEqual([host, 421])
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST'])
    expect([host, (await ask(host, '/demo/tokens/reader'))?.status]).toEqual([host, 200])
  expect((await ask(`127.0.0.1:${port}`, '/demo/tokens/%zz'))?.status).toBe(404)
})

test('the metadata names each algorithm that these tests sign with, and no other', async () => {
  const metadata = (await appClient(issuer)).serverMetadata()
  expect(metadata.id_token_signing_alg_values_supported).toEqual([...SIGNING_ALGORITHMS])
})

test('the key set shows no private member', async () => {
  const response = await fetch(`${issuer.issuer}/jwks`)
  const { keys } = (await response.json()) as { keys: ReadonlyArray<Record<string, unknown>> }
  expect(keys.map(key => key.alg)).toEqual([...SIGNING_ALGORITHMS])
  for (const key of keys)
    expect(Object.keys(key).filter(name => ['d', 'p', 'q', 'dp', 'dq', 'qi'].includes(name))).toEqual([])
})

test('two issuers share neither keys nor secrets', async () => {
  const other = await startIssuer({ port: 0 })
  try {
    expect(other.clientSecret).not.toBe(issuer.clientSecret)
    const forged = await other.mint({ claims: { iss: issuer.issuer } })
    await expect(verify(forged)).rejects.toMatchObject({ code: 'ERR_JWKS_NO_MATCHING_KEY' })
  } finally {
    await other.close()
  }
})

test('a taken port is refused by its number', async () => {
  const port = Number(new URL(issuer.issuer).port)
  await expect(startIssuer({ port })).rejects.toMatchObject({ code: 'EADDRINUSE', port })
})
