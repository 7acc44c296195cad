import {
  type Configuration,
  clientCredentialsGrant,
  refreshTokenGrant,
  type TokenEndpointResponse,
  tokenRevocation,
} from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startIssuer } from '../../src/demo/issuer.ts'
import { MACHINE_CLIENTS } from '../../src/demo/issuer-configuration.ts'
import {
  APP_CLIENT,
  appClient,
  machineClient,
  SIGNING_ALGORITHMS,
  signInWithCode,
} from '../support/clients/oidc-client.ts'
import { type Demo, type ReceivedRequest, startDemo } from '../support/gateway/demo.ts'

let demo: Demo
let app: Configuration
let machine: Configuration
beforeAll(async () => {
  demo = await startDemo()
  app = await appClient(demo)
  machine = await machineClient(demo)
})
afterAll(() => demo.stop())

interface Request {
  readonly method?: string
  readonly token?: string | undefined
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

interface Reply {
  readonly status: number
  readonly challenge: string | null
  /** The request as the service received it; empty when it did not get there. */
  readonly received: Partial<ReceivedRequest>
  /** The reason why the gateway refused; undefined when it did not. */
  readonly code: string | undefined
}

async function send(path: string, { method = 'GET', token, headers = {}, body }: Request = {}): Promise<Reply> {
  const response = await fetch(`${demo.urls.gateway}${path}`, {
    method,
    headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
    ...(body === undefined ? {} : { body }),
  })
  const isRefusal = response.headers.get('content-type')?.startsWith('application/problem+json') === true
  const content = (await response.json()) as ReceivedRequest & { code: string }
  return {
    status: response.status,
    challenge: response.headers.get('www-authenticate'),
    received: isRefusal ? {} : content,
    code: isRefusal ? content.code : undefined,
  }
}

/** @returns those headers, of all that reached the service, that say who calls */
function identity({ received }: Reply): Readonly<Record<string, unknown>> {
  const entries = Object.entries(received.headers ?? {})
  return Object.fromEntries(entries.filter(([name]) => /^(x.auth|authorization)/.test(name)))
}

function signIn(login: string, scope: string): Promise<TokenEndpointResponse> {
  return signInWithCode(app, { login, scope: `openid ${scope}` })
}

describe('client credentials', () => {
  test.each(SIGNING_ALGORITHMS)('a token signed with %s gets a machine through under its own name', async algorithm => {
    const client = await machineClient(demo, algorithm)
    const { access_token } = await clientCredentialsGrant(client, { scope: 'orders:read orders:write' })
    const reply = await send('/orders/42?fields=id', { token: access_token })
    expect(reply.status).toBe(200)
    expect(reply.received).toMatchObject({ method: 'GET', path: '/orders/42?fields=id' })
    expect(identity(reply)).toEqual({
      'x-auth-subject': MACHINE_CLIENTS[algorithm],
      'x-auth-client': MACHINE_CLIENTS[algorithm],
      'x-auth-scope': 'orders:read orders:write',
      'x-auth-tenant': 'acme',
      'x-auth-roles': 'editor',
    })
  })

  test('a write goes through with its body', async () => {
    const { access_token } = await clientCredentialsGrant(machine, { scope: 'orders:write' })
    const reply = await send('/orders/42', { method: 'PUT', token: access_token, body: '{"total":7}' })
    expect(reply.received).toMatchObject({ method: 'PUT', path: '/orders/42', bodyBytes: 11 })
  })

  test('a token without the scope is told which one the route asks for', async () => {
    const { access_token } = await clientCredentialsGrant(machine, { scope: 'orders:read' })
    const reply = await send('/orders/42', { method: 'DELETE', token: access_token })
    expect(reply).toMatchObject({ status: 403, code: 'scope_missing', received: {} })
    expect(reply.challenge).toContain('error="insufficient_scope"')
    expect(reply.challenge).toContain('scope="orders:write"')
  })

  test('a token for another API is refused', async () => {
    const { access_token } = await clientCredentialsGrant(machine, {
      scope: 'orders:read',
      resource: 'https://other.example/',
    })
    expect(await send('/orders/42', { token: access_token })).toMatchObject({ status: 401, code: 'audience_mismatch' })
  })

  test('a forged identity does not survive, in any spelling', async () => {
    const { access_token } = await clientCredentialsGrant(machine, { scope: 'orders:read' })
    const reply = await send('/orders/42', {
      token: access_token,
      headers: { 'X-Auth-Subject': 'root', x_auth_subject: 'root', 'X.Auth.Roles': 'admin', 'X-Auth-Anything': 'root' },
    })
    expect(reply.status).toBe(200)
    expect(identity(reply)).toEqual({
      'x-auth-subject': 'demo-service',
      'x-auth-client': 'demo-service',
      'x-auth-scope': 'orders:read',
      'x-auth-tenant': 'acme',
      'x-auth-roles': 'editor',
    })
  })
})

describe('authorization code with PKCE', () => {
  test('the service learns who signed in, and through which client', async () => {
    const { access_token } = await signIn('alice', 'orders:read orders:write')
    const reply = await send('/orders/42', { method: 'DELETE', token: access_token })
    expect(reply.status).toBe(200)
    expect(identity(reply)).toEqual({
      'x-auth-subject': 'alice',
      'x-auth-client': APP_CLIENT.id,
      'x-auth-scope': 'orders:read orders:write',
      'x-auth-tenant': 'acme',
      'x-auth-roles': 'editor',
    })
  })

  test('a name beyond ASCII arrives encoded, not mangled', async () => {
    const { access_token } = await signIn('Zoë 東', 'orders:read')
    expect(identity(await send('/orders/42', { token: access_token }))).toMatchObject({
      'x-auth-subject': "UTF-8''Zo%C3%AB%20%E6%9D%B1",
    })
  })

  test('the scope is not enough where a role is asked for', async () => {
    const { access_token } = await signIn('bob', 'orders:read orders:write')
    expect(await send('/orders/42', { token: access_token })).toMatchObject({ status: 200 })
    expect(await send('/orders/42', { method: 'DELETE', token: access_token })).toMatchObject({
      status: 403,
      code: 'claim_forbidden',
      challenge: null,
      received: {},
    })
  })

  test('RFC 9068 §5: an ID token is no access token', async () => {
    const { id_token } = await signIn('alice', 'orders:read')
    expect(id_token).toBeDefined()
    expect(await send('/orders/42', { token: id_token })).toMatchObject({ status: 401, code: 'token_type_invalid' })
  })
})

describe('refresh', () => {
  test('the new token works in the same name', async () => {
    const first = await signIn('alice', 'orders:read')
    const second = await refreshTokenGrant(app, first.refresh_token ?? '')
    expect(second.access_token).not.toBe(first.access_token)
    const reply = await send('/orders/42', { token: second.access_token })
    expect(identity(reply)).toMatchObject({ 'x-auth-subject': 'alice', 'x-auth-scope': 'orders:read' })
  })

  test('a refresh can narrow the scope, and the gateway holds it to that', async () => {
    const first = await signIn('alice', 'orders:read orders:write')
    const { access_token } = await refreshTokenGrant(app, first.refresh_token ?? '', { scope: 'orders:read' })
    expect(await send('/orders/42', { token: access_token })).toMatchObject({ status: 200 })
    const write = await send('/orders/42', { method: 'DELETE', token: access_token })
    expect(write).toMatchObject({ status: 403, code: 'scope_missing' })
  })

  test('a rotated refresh token is refused, and its successor with it', async () => {
    const first = await signIn('alice', 'orders:read')
    const second = await refreshTokenGrant(app, first.refresh_token ?? '')
    expect(await send('/orders/42', { token: second.access_token })).toMatchObject({ status: 200 })
    for (const { refresh_token } of [first, second])
      await expect(refreshTokenGrant(app, refresh_token ?? '')).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('a revoked refresh token gives no further access token', async () => {
    const { refresh_token = '', access_token } = await signIn('alice', 'orders:read')
    expect(await send('/orders/42', { token: access_token })).toMatchObject({ status: 200 })
    await tokenRevocation(app, refresh_token)
    await expect(refreshTokenGrant(app, refresh_token)).rejects.toMatchObject({ error: 'invalid_grant' })
  })

  test('a refresh token opens nothing at the gateway', async () => {
    const { refresh_token } = await signIn('alice', 'orders:read')
    expect(await send('/orders/42', { token: refresh_token })).toMatchObject({ status: 401, code: 'token_malformed' })
  })
})

describe('another issuer', () => {
  test('its tokens are refused by name, and by key when it takes our name', async () => {
    const other = await startIssuer({ port: 0 })
    try {
      const theirs = await other.requestToken('orders:read')
      expect(await send('/orders/42', { token: theirs })).toMatchObject({ status: 401, code: 'issuer_unknown' })
      const forged = await other.mint({ claims: { iss: demo.issuer } })
      expect(await send('/orders/42', { token: forged })).toMatchObject({ status: 401, code: 'key_unknown' })
    } finally {
      await other.close()
    }
  })
})

describe('kinds of routes', () => {
  test('public: anyone gets through, and nobody as somebody', async () => {
    const reply = await send('/healthz', { token: 'nonsense', headers: { 'X-Auth-Subject': 'root' } })
    expect(reply.status).toBe(200)
    expect(identity(reply)).toEqual({})
  })

  test('optional: anonymous without a token, known with one, refused with a bad one', async () => {
    const anonymous = await send('/catalogue/shoes', { headers: { 'X-Auth-Subject': 'root' } })
    expect(anonymous.status).toBe(200)
    expect(identity(anonymous)).toEqual({})

    const { access_token } = await signIn('bob', 'orders:read')
    expect(identity(await send('/catalogue/shoes', { token: access_token }))).toMatchObject({ 'x-auth-subject': 'bob' })
    expect(await send('/catalogue/shoes', { token: 'nonsense' })).toMatchObject({
      status: 401,
      code: 'token_malformed',
    })
  })

  test('report: the verdict is not enforced, and only a verified caller has a name', async () => {
    const { access_token } = await signIn('bob', 'orders:read')
    expect(identity(await send('/reports/2026', { token: access_token }))).toMatchObject({ 'x-auth-subject': 'bob' })
    const stranger = await send('/reports/2026', { token: 'nonsense', headers: { 'X-Auth-Subject': 'root' } })
    expect(stranger.status).toBe(200)
    expect(identity(stranger)).toEqual({})
  })

  test('no route: nothing reaches the service, token or not', async () => {
    const { access_token } = await clientCredentialsGrant(machine, { scope: 'orders:read orders:write' })
    const unmatched: ReadonlyArray<readonly [string, string]> = [
      ['GET', '/nowhere'],
      ['POST', '/orders'],
      ['POST', '/healthz'],
      ['DELETE', '/orders/42/lines'],
    ]
    for (const [method, path] of unmatched)
      expect(await send(path, { method, token: access_token })).toMatchObject({ status: 404, code: 'route_unknown' })
  })
})
