/** Logs in at oidc-provider, whose own checks show that our messages are right. */
import { decodeJwt } from 'jose'
import { fetch as undiciFetch } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AuthorizationClientOptions } from '../../src/oauth/authorization-client.ts'
import { authorityOfFile } from '../support/certificates.ts'
import { certificateAgent } from '../support/clients/bound-client.ts'
import { browse } from '../support/clients/oidc-client.ts'
import {
  AFTER_LOGOUT,
  LOGIN_REDIRECT_URI,
  LOGIN_RESOURCE,
  type LoginClientName,
  type LoginIssuer,
  startLoginIssuer,
} from '../support/services/login-issuer.ts'
import { clientOf, failureOf, fileOf, secrets } from './support.ts'

const authority = authorityOfFile()
let offering: LoginIssuer
let plain: LoginIssuer

beforeAll(async () => {
  offering = await startLoginIssuer(authority)
  plain = await startLoginIssuer(authority, { pushedRequests: 'none' })
})
afterAll(async () => {
  await Promise.all([offering.close(), plain.close()])
})

function clientAt(issuer: LoginIssuer, name: LoginClientName, options: Partial<AuthorizationClientOptions> = {}) {
  return clientOf(issuer.issuer, {
    client: issuer.clients[name],
    caFile: issuer.caFile,
    redirectUri: LOGIN_REDIRECT_URI,
    resource: LOGIN_RESOURCE,
    parameters: { prompt: 'consent' },
    ...options,
  })
}

const agent = certificateAgent(authority)
const send = (url: string, init: object) =>
  undiciFetch(url, { ...init, dispatcher: agent }) as unknown as Promise<Response>

interface Person {
  readonly login: string
  readonly secondsAgo?: string
}

/** @returns the query with which the browser comes back */
async function sentBack(url: string, { login, secondsAgo = '0' }: Person): Promise<URLSearchParams> {
  return (await browse(new URL(url), LOGIN_REDIRECT_URI, { login, secondsAgo }, { fetch: send })).searchParams
}

async function loggedIn(client: ReturnType<typeof clientAt>, person: Person = { login: 'ada' }) {
  const login = secrets()
  const parameters = await sentBack(await client.authorizationUrl(login), person)
  return await client.redeem({ ...login, parameters })
}

describe.each([
  ['with PAR', () => offering, ['client_id', 'request_uri']],
  [
    'without PAR',
    () => plain,
    [
      ...['client_id', 'code_challenge', 'code_challenge_method', 'nonce', 'prompt', 'redirect_uri', 'resource'],
      ...['response_type', 'scope', 'state'],
    ],
  ],
] as const)('a login %s', (_how, issuerOf, parameters) => {
  test.each(['basic', 'post', 'assertion', 'tls'] as const)('by a client of the kind %s gives tokens', async name => {
    const issuer = issuerOf()
    const client = clientAt(issuer, name)
    const url = new URL(await client.authorizationUrl(secrets()))
    expect([...url.searchParams.keys()].sort()).toEqual(parameters)

    const answer = await loggedIn(client)
    expect(answer).toMatchObject({
      accessToken: expect.any(String),
      expiresInSeconds: 300,
      refreshToken: expect.any(String),
      // With a resource, oidc-provider names its scopes alone.
      scope: 'orders:read',
      idClaims: { iss: issuer.issuer, sub: 'ada', aud: issuer.clients[name].id },
    })
    expect(decodeJwt(answer.accessToken)).toMatchObject({ aud: LOGIN_RESOURCE, sub: 'ada', scope: 'orders:read' })
    expect(decodeJwt(answer.idToken ?? '')).toEqual(answer.idClaims)
    expect(issuer.errors).toEqual([])
  })
})

test('a code is redeemed once', async () => {
  const client = clientAt(offering, 'basic')
  const login = secrets()
  const parameters = await sentBack(await client.authorizationUrl(login), { login: 'ada' })
  await client.redeem({ ...login, parameters })
  expect(await failureOf(client.redeem({ ...login, parameters }))).toMatchObject({
    kind: 'refused',
    code: 'invalid_grant',
  })
})

test('a code is redeemed by nobody who lacks its verifier', async () => {
  const client = clientAt(offering, 'basic')
  const login = secrets()
  const parameters = await sentBack(await client.authorizationUrl(login), { login: 'ada' })
  const redeemed = client.redeem({ ...login, verifier: secrets().verifier, parameters })
  expect(await failureOf(redeemed)).toMatchObject({ kind: 'refused', code: 'invalid_grant' })
})

test('a person who is refused at the provider is refused here, without the text of the provider', async () => {
  const client = clientAt(offering, 'basic')
  const login = secrets()
  const parameters = await sentBack(await client.authorizationUrl(login), { login: 'nobody' })
  expect(parameters.get('error_description')).toBe('MARK')
  expect(await failureOf(client.redeem({ ...login, parameters }))).toEqual({
    kind: 'refused',
    code: 'access_denied',
    message: 'the provider refused: access_denied',
  })
})

describe('RFC 9207: iss', () => {
  test.each([
    ['is missing', (query: URLSearchParams) => query.delete('iss')],
    ['is that of another provider', (query: URLSearchParams) => query.set('iss', 'https://evil.example')],
  ])('an answer whose iss %s is wrong, and its code is not sent', async (_what, change) => {
    const client = clientAt(offering, 'basic')
    const login = secrets()
    const parameters = await sentBack(await client.authorizationUrl(login), { login: 'ada' })
    expect(parameters.get('iss')).toBe(offering.issuer)
    change(parameters)
    const before = offering.requests.length
    expect(await failureOf(client.redeem({ ...login, parameters }))).toMatchObject({ kind: 'invalid' })
    expect(offering.requests.slice(before)).toEqual([])
  })
})

describe('max_age', () => {
  test.each([
    ['the login', { asked: { acrValues: undefined, maxAgeSeconds: 60 } }, {}],
    ['the configuration', {}, { parameters: { prompt: 'consent', max_age: '60' } }],
  ])('asked for by %s holds a login that is older to be wrong', async (_who, asked, options) => {
    const client = clientAt(offering, 'basic', options)
    const login = { ...secrets(), ...asked }
    const parameters = await sentBack(await client.authorizationUrl(login), { login: 'ada', secondsAgo: '0' })
    const answer = await client.redeem({ ...login, parameters })
    expect(answer.idClaims?.auth_time).toEqual(expect.any(Number))

    // oidc-provider would ask the person again, so that the older login is one without `max_age`.
    const older = secrets()
    const plainClient = clientAt(offering, 'basic', { parameters: { prompt: 'consent', max_age: '1000' } })
    const query = await sentBack(await plainClient.authorizationUrl(older), { login: 'ada', secondsAgo: '600' })
    expect(await failureOf(client.redeem({ ...older, ...asked, parameters: query }))).toMatchObject({
      kind: 'invalid',
      message: expect.stringContaining('too much time has elapsed'),
    })
  })
})

describe('a refresh', () => {
  test.each(['basic', 'assertion', 'tls'] as const)('by %s gives new tokens of the same login', async name => {
    const client = clientAt(offering, name)
    const first = await loggedIn(client)
    const second = await client.refresh(first.refreshToken ?? '', { idClaims: first.idClaims })
    expect(second.refreshToken).not.toBe(first.refreshToken)
    expect(second.accessToken).not.toBe(first.accessToken)
    expect(decodeJwt(second.accessToken)).toMatchObject({ aud: LOGIN_RESOURCE, sub: 'ada', scope: 'orders:read' })
    expect(second.idClaims).toMatchObject({ sub: 'ada' })
  })

  test('by a token that was used before is invalid_grant, and ends the grant', async () => {
    const client = clientAt(offering, 'basic')
    const first = await loggedIn(client)
    const second = await client.refresh(first.refreshToken ?? '')
    const refused = { kind: 'refused', code: 'invalid_grant' }
    expect(await failureOf(client.refresh(first.refreshToken ?? ''))).toMatchObject(refused)
    expect(await failureOf(client.refresh(second.refreshToken ?? ''))).toMatchObject(refused)
  })

  test('by a token that was revoked is invalid_grant', async () => {
    const client = clientAt(offering, 'basic')
    const { refreshToken = '' } = await loggedIn(client)
    await client.revoke(refreshToken)
    expect(await failureOf(client.refresh(refreshToken))).toEqual({
      kind: 'refused',
      code: 'invalid_grant',
      message: `${offering.issuer}/token refused: invalid_grant`,
    })
  })

  test('by a client with a wrong secret is invalid_client', async () => {
    const { id } = offering.clients.basic
    const wrong = clientAt(offering, 'basic', { client: { id, auth: 'basic', secretFile: fileOf('wrong') } })
    expect(await failureOf(wrong.refresh('x'))).toMatchObject({ kind: 'refused', code: 'invalid_client' })
  })
})

test('a revocation of what the provider does not know is none of our business', async () => {
  await expect(clientAt(offering, 'basic').revoke('unknown')).resolves.toBeUndefined()
})

test('the provider takes the URL that ends a session, and sends back', async () => {
  const client = clientAt(offering, 'basic')
  const { idToken = '' } = await loggedIn(client)
  const url = new URL(client.endSessionUrl({ idToken, returnTo: AFTER_LOGOUT }) ?? '')
  expect([...url.searchParams.keys()].sort()).toEqual(['id_token_hint', 'post_logout_redirect_uri'])
  expect((await send(url.href, { redirect: 'manual' })).status).toBe(200)
  url.searchParams.set('post_logout_redirect_uri', 'https://evil.example/')
  expect((await send(url.href, { redirect: 'manual' })).status).toBe(400)
})
