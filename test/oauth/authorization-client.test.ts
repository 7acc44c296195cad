/** Lets a provider answer wrongly in every way, and looks at what becomes of it. */
import { gzipSync } from 'node:zlib'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import type { AuthorizationClientOptions } from '../../src/oauth/authorization-client.ts'
import { manualTime } from '../support/manual-time.ts'
import { startForwardProxy } from '../support/services/forward-proxy.ts'
import {
  CLIENT_ID,
  clientOf,
  failureOf,
  fileOf,
  idTokenOf,
  MARK,
  REDIRECT_URI,
  type ScriptedAnswer,
  type ScriptedProvider,
  SECRET,
  says,
  saysJson,
  saysStatus,
  scriptedProvider,
  secrets,
} from './support.ts'

const right = { access_token: 'at', token_type: 'Bearer', expires_in: 300, refresh_token: 'rt', scope: 'orders:read' }

/** @returns what a redemption gives when the token endpoint answers so */
async function redeemed(
  provider: ScriptedProvider,
  answer: Readonly<Record<string, unknown>>,
  {
    claims = {},
    options = {},
  }: { readonly claims?: object; readonly options?: Partial<AuthorizationClientOptions> } = {},
) {
  const login = secrets()
  const idToken = await idTokenOf(provider.issuer, login.nonce, { ...claims })
  provider.answer('/token', saysJson({ ...right, id_token: idToken, ...answer }))
  const client = clientOf(provider.issuer, options)
  return client.redeem({ ...login, parameters: callback(login) })
}

function callback({ state }: { readonly state: string }, more: Readonly<Record<string, string>> = {}): URLSearchParams {
  return new URLSearchParams({ code: 'the-code', state, ...more })
}

describe('the authorization request', () => {
  test('has code flow, PKCE, state, nonce, and what is configured and asked for', async () => {
    const { issuer, metadata } = await scriptedProvider()
    metadata.authorization_endpoint = `${issuer}/authorize?tenant=acme`
    const client = clientOf(issuer, {
      resource: 'https://orders.example.com',
      parameters: { prompt: 'consent', acr_values: 'low', state: 'theirs', redirect_uri: 'https://evil.example' },
    })
    const login = { state: 's', nonce: 'n', verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' }
    const url = await client.authorizationUrl({ ...login, asked: { acrValues: 'mfa hardware', maxAgeSeconds: 0 } })
    expect(url.split('?')[0]).toBe(`${issuer}/authorize`)
    expect(Object.fromEntries(new URL(url).searchParams)).toEqual({
      tenant: 'acme',
      client_id: CLIENT_ID,
      response_type: 'code',
      redirect_uri: REDIRECT_URI,
      scope: 'openid offline_access orders:read',
      resource: 'https://orders.example.com',
      prompt: 'consent',
      acr_values: 'mfa hardware',
      max_age: '0',
      state: 's',
      nonce: 'n',
      // RFC 7636, appendix B
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
    })
  })

  test('is pushed where that is offered, with our credentials', async () => {
    const provider = await scriptedProvider()
    provider.metadata.pushed_authorization_request_endpoint = `${provider.issuer}/par`
    const requestUri = 'urn:ietf:params:oauth:request_uri:1&x=y'
    provider.answer('/par', saysJson({ request_uri: requestUri, expires_in: 60 }, {}, 201))
    const url = new URL(await clientOf(provider.issuer).authorizationUrl(secrets()))
    expect(Object.fromEntries(url.searchParams)).toEqual({ client_id: CLIENT_ID, request_uri: requestUri })
    expect(provider.asked[0]?.headers.authorization).toBe(`Basic ${btoa(`${CLIENT_ID}:${SECRET}`)}`)
    expect(provider.asked[0]?.form.get('redirect_uri')).toBe(REDIRECT_URI)
  })

  test('is not pushed while 32 others are, and is again when they are done', async () => {
    const provider = await scriptedProvider()
    provider.metadata.pushed_authorization_request_endpoint = `${provider.issuer}/par`
    const release = Promise.withResolvers<void>()
    const good = saysJson({ request_uri: 'urn:x', expires_in: 60 }, {}, 201)
    provider.answer('/par', async (response, asked) => {
      await release.promise
      await good(response, asked)
    })
    const client = clientOf(provider.issuer)
    await client.ready()
    const others = Array.from({ length: 32 }, () => client.authorizationUrl(secrets()))
    await provider.wasAsked(32)
    expect(await failureOf(client.authorizationUrl(secrets()))).toEqual({
      kind: 'unavailable',
      code: undefined,
      message: '32 logins wait for the provider',
      retryAfterSeconds: 1,
    })
    release.resolve()
    expect(await Promise.all(others)).toHaveLength(32)
    expect(await client.authorizationUrl(secrets())).toContain('request_uri=urn')
  })

  test.each([
    ['says 200', saysJson({ request_uri: 'urn:x', expires_in: 60 }), 'invalid'],
    ['names no request', saysJson({ expires_in: 60 }, {}, 201), 'invalid'],
    ['refuses', saysJson({ error: 'invalid_scope', error_description: MARK }, {}, 400), 'refused'],
    ['is broken', saysStatus(502), 'unavailable'],
  ] as const)('fails where the endpoint for it %s', async (_what, answer, kind) => {
    const provider = await scriptedProvider()
    provider.metadata.pushed_authorization_request_endpoint = `${provider.issuer}/par`
    provider.answer('/par', answer)
    const failure = await failureOf(clientOf(provider.issuer).authorizationUrl(secrets()))
    expect(failure.kind).toBe(kind)
    expect(JSON.stringify(failure)).not.toContain(MARK)
  })
})

describe('the way back', () => {
  test.each([
    ['another state', { state: 'other' }, 'invalid', undefined],
    ['another iss', { iss: 'https://evil.example' }, 'invalid', undefined],
    ['no code', { code: '' }, 'invalid', undefined],
    ['a JARM answer', { response: 'x.y.z' }, 'invalid', undefined],
    ['tokens', { id_token: 'x.y.z' }, 'invalid', undefined],
    ['access_denied', { error: 'access_denied', error_description: MARK }, 'refused', 'access_denied'],
    ['login_required', { error: 'login_required' }, 'refused', 'login_required'],
    ['a code that nobody registered', { error: MARK }, 'refused', undefined],
    ['server_error', { error: 'server_error' }, 'unavailable', 'server_error'],
    ['temporarily_unavailable', { error: 'temporarily_unavailable' }, 'unavailable', 'temporarily_unavailable'],
  ] as const)('with %s fails, and no code is sent', async (_what, more, kind, code) => {
    const provider = await scriptedProvider()
    const login = secrets()
    const failure = await failureOf(clientOf(provider.issuer).redeem({ ...login, parameters: callback(login, more) }))
    expect(failure).toMatchObject({ kind, code })
    expect(JSON.stringify(failure)).not.toContain(MARK)
    expect(provider.asked).toEqual([])
  })

  test.each(['code', 'state', 'iss', 'error'])('with two of %s fails', async name => {
    const provider = await scriptedProvider()
    const login = secrets()
    const parameters = callback(login)
    parameters.append(name, parameters.get(name) ?? 'x')
    parameters.append(name, 'y')
    const failure = await failureOf(clientOf(provider.issuer).redeem({ ...login, parameters }))
    expect(failure).toMatchObject({ kind: 'invalid' })
    expect(provider.asked).toEqual([])
  })

  test('without iss fails only where the metadata promise it', async () => {
    const provider = await scriptedProvider()
    await expect(redeemed(provider, {})).resolves.toMatchObject({ accessToken: 'at' })
    provider.metadata.authorization_response_iss_parameter_supported = true
    expect(await failureOf(redeemed(provider, {}))).toMatchObject({ kind: 'invalid' })
  })
})

describe('a redemption', () => {
  test('sends code, verifier, redirect URI and resource, and gives what came', async () => {
    const provider = await scriptedProvider()
    const login = secrets()
    const idToken = await idTokenOf(provider.issuer, login.nonce, { sid: 's1' })
    provider.answer('/token', saysJson({ ...right, id_token: idToken }, { 'content-type': 'Application/JSON ; a=b' }))
    const client = clientOf(provider.issuer, { resource: 'https://orders.example.com' })
    expect(await client.redeem({ ...login, parameters: callback(login, { iss: provider.issuer }) })).toEqual({
      accessToken: 'at',
      expiresInSeconds: 300,
      refreshToken: 'rt',
      idToken,
      idClaims: decodeJwt(idToken),
      scope: 'orders:read',
    })
    expect(Object.fromEntries(provider.asked[0]?.form ?? [])).toEqual({
      grant_type: 'authorization_code',
      code: 'the-code',
      code_verifier: login.verifier,
      redirect_uri: REDIRECT_URI,
      resource: 'https://orders.example.com',
    })
    expect(provider.asked[0]?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      accept: 'application/json',
      'user-agent': 'sallyport',
    })
  })

  test.each([
    ['no expiry', { expires_in: undefined }, { expiresInSeconds: undefined }],
    ['an expiry as text', { expires_in: '300' }, { expiresInSeconds: 300 }],
    ['an expiry beyond all dates', { expires_in: 1e300 }, { expiresInSeconds: 315_360_000 }],
    ['no refresh token', { refresh_token: undefined }, { refreshToken: undefined }],
    ['no scope', { scope: undefined }, { scope: undefined }],
  ])('may bring %s', async (_what, answer, given) => {
    expect(await redeemed(await scriptedProvider(), answer)).toMatchObject(given)
  })

  test.each([
    ['no access token', { access_token: undefined }],
    ['an empty access token', { access_token: '' }],
    ['no token type', { token_type: undefined }],
    ['a token bound to a key', { token_type: 'DPoP' }],
    ['a type nobody knows', { token_type: MARK }],
    ['an expiry in the past', { expires_in: -1 }],
    ['a refresh token that is no text', { refresh_token: 1 }],
    ['no ID token', { id_token: undefined }],
    ['an ID token that is none', { id_token: MARK }],
    ['an encrypted ID token', { id_token: 'a.b.c.d.e' }],
  ])('that brings %s is invalid', async (_what, answer) => {
    const failure = await failureOf(redeemed(await scriptedProvider(), answer))
    expect(failure).toMatchObject({ kind: 'invalid', code: undefined })
    expect(failure.message).toMatch(/^the provider did not answer well: /)
    expect(JSON.stringify(failure)).not.toContain(MARK)
  })

  test.each([
    ['another nonce', { nonce: MARK }],
    ['no nonce', { nonce: undefined }],
    ['another issuer', { iss: 'https://evil.example' }],
    ['another audience', { aud: MARK }],
    ['two audiences and no azp', { aud: [CLIENT_ID, 'other'] }],
    ['two audiences and another azp', { aud: [CLIENT_ID, 'other'], azp: MARK }],
    ['an end in the past', { exp: 1_000 }],
    ['a beginning in the future', { nbf: 99_999_999_999 }],
    ['no subject', { sub: undefined }],
    ['no end', { exp: undefined }],
    ['no beginning', { iat: undefined }],
  ])('whose ID token has %s is invalid', async (_what, claims) => {
    const failure = await failureOf(redeemed(await scriptedProvider(), {}, { claims }))
    expect(failure).toMatchObject({ kind: 'invalid', code: undefined })
    expect(JSON.stringify(failure)).not.toContain(MARK)
  })

  test('of an ID token for two audiences needs our id in azp', async () => {
    const claims = { aud: ['other', CLIENT_ID], azp: CLIENT_ID }
    await expect(redeemed(await scriptedProvider(), {}, { claims })).resolves.toMatchObject({ accessToken: 'at' })
  })

  test.each([
    ['is missing', {}, false],
    ['is too long ago', { auth_time: Math.floor(Date.now() / 1_000) - 600 }, false],
    ['is recent', { auth_time: Math.floor(Date.now() / 1_000) - 30 }, true],
  ])('under max_age, when auth_time %s', async (_what, claims, isGood) => {
    const provider = await scriptedProvider()
    const login = { ...secrets(), asked: { acrValues: undefined, maxAgeSeconds: 60 } }
    provider.answer('/token', saysJson({ ...right, id_token: await idTokenOf(provider.issuer, login.nonce, claims) }))
    const answer = clientOf(provider.issuer).redeem({ ...login, parameters: callback(login) })
    expect(await failureOf(answer)).toMatchObject(
      isGood ? { message: expect.stringMatching(/^gave/) } : { kind: 'invalid' },
    )
  })

  test.each(['none', 'HS256', 'HS512', 'RS1'])(
    'whose ID token has the algorithm %s is invalid, though the metadata list it',
    async alg => {
      const provider = await scriptedProvider()
      provider.metadata.id_token_signing_alg_values_supported = [alg, 'ES256']
      const login = secrets()
      const [, payload] = (await idTokenOf(provider.issuer, login.nonce)).split('.')
      const header = Buffer.from(JSON.stringify({ alg })).toString('base64url')
      for (const signature of ['', 'AAAA']) {
        provider.answer('/token', saysJson({ ...right, id_token: `${header}.${payload}.${signature}` }))
        const failure = await failureOf(clientOf(provider.issuer).redeem({ ...login, parameters: callback(login) }))
        expect(failure).toMatchObject({ kind: 'invalid', message: expect.stringContaining('"alg"') })
      }
    },
  )

  test('judges times by our clock', async () => {
    const provider = await scriptedProvider()
    const time = manualTime(systemClock.nowMs() + 86_400_000)
    const now = Math.floor(time.nowMs() / 1_000)
    const options = { clock: time }
    expect(await failureOf(redeemed(provider, {}, { options }))).toMatchObject({ kind: 'invalid' })
    const claims = { iat: now, exp: now + 10 }
    await expect(redeemed(provider, {}, { options, claims })).resolves.toMatchObject({ accessToken: 'at' })
  })
})

describe('a refresh', () => {
  const refreshed = async (provider: ScriptedProvider, answer: ScriptedAnswer, idClaims?: Record<string, string>) => {
    provider.answer('/token', answer)
    return await clientOf(provider.issuer, { resource: 'https://orders.example.com' }).refresh('old', { idClaims })
  }

  test('sends the refresh token and the resource, and says what is new', async () => {
    const provider = await scriptedProvider()
    const answer = { ...right, refresh_token: undefined, scope: undefined }
    expect(await refreshed(provider, saysJson(answer))).toEqual({
      accessToken: 'at',
      expiresInSeconds: 300,
      refreshToken: undefined,
      idToken: undefined,
      idClaims: undefined,
      scope: undefined,
    })
    expect(Object.fromEntries(provider.asked[0]?.form ?? [])).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'old',
      resource: 'https://orders.example.com',
    })
  })

  test.each([
    ['the same', {}, true],
    ['the same audience as a list', { aud: [CLIENT_ID] }, true],
    ['another subject', { sub: 'eve' }, false],
    ['another audience besides', { aud: [CLIENT_ID, 'other'], azp: CLIENT_ID }, false],
    ['another issuer', { iss: 'https://evil.example' }, false],
  ])('may bring an ID token of the same login only: %s', async (_what, claims, isGood) => {
    const provider = await scriptedProvider()
    const idToken = await idTokenOf(provider.issuer, 'n', { ...claims, nonce: undefined })
    const before = { iss: provider.issuer, sub: 'ada', aud: CLIENT_ID }
    const answer = refreshed(provider, saysJson({ ...right, id_token: idToken }), before)
    expect(await failureOf(answer)).toMatchObject(
      isGood ? { message: expect.stringMatching(/^gave/) } : { kind: 'invalid' },
    )
  })

  test.each(['invalid_grant', 'invalid_client', 'invalid_target', 'unauthorized_client'])(
    'that is refused says so: %s',
    async error => {
      const provider = await scriptedProvider()
      const answer = saysJson({ error, error_description: MARK, error_uri: MARK }, {}, 400)
      expect(await failureOf(refreshed(provider, answer))).toEqual({
        kind: 'refused',
        code: error,
        message: `${provider.issuer}/token refused: ${error}`,
        retryAfterSeconds: undefined,
      })
    },
  )

  test('keeps the code of a refusal that also has a challenge', async () => {
    const challenge = { 'www-authenticate': `Basic realm="${MARK}"` }
    const answer = saysJson({ error: 'invalid_client' }, challenge, 401)
    expect(await failureOf(refreshed(await scriptedProvider(), answer))).toMatchObject({ code: 'invalid_client' })
  })

  const huge = JSON.stringify({ ...right, access_token: 'x'.repeat(100_000) })
  test.each([
    ['a code nobody registered', saysJson({ error: MARK }, {}, 400), 'refused'],
    ['server_error', saysJson({ error: 'server_error' }, {}, 400), 'unavailable'],
    ['temporarily_unavailable', saysJson({ error: 'temporarily_unavailable' }, {}, 400), 'unavailable'],
    ['an error that is no text', saysJson({ error: { a: MARK } }, {}, 400), 'invalid'],
    ['an error without a code', saysJson({}, {}, 400), 'invalid'],
    ['a page with 400', saysStatus(400), 'invalid'],
    ['invalid_grant as a page', says('{"error":"invalid_grant"}', { 'content-type': 'text/html' }, 400), 'invalid'],
    ['invalid_grant with 200', saysJson({ error: 'invalid_grant' }), 'invalid'],
    ['invalid_grant with 500', saysJson({ error: 'invalid_grant' }, {}, 500), 'unavailable'],
    ['invalid_grant with 302', saysJson({ error: 'invalid_grant' }, { location: '/' }, 302), 'invalid'],
    ['a huge invalid_grant', says(`{"error":"invalid_grant","x":"${'x'.repeat(100_000)}"}`, {}, 400), 'invalid'],
    ['401', saysStatus(401, { 'www-authenticate': 'Basic' }), 'invalid'],
    ['403', saysStatus(403), 'invalid'],
    ['404', saysStatus(404), 'invalid'],
    ['408', saysStatus(408), 'unavailable'],
    ['429', saysStatus(429), 'unavailable'],
    ['500', saysStatus(500), 'unavailable'],
    ['503', saysStatus(503), 'unavailable'],
    ['201', saysJson(right, {}, 201), 'invalid'],
    ['204', response => void response.writeHead(204).end(), 'invalid'],
    ['a redirect', saysStatus(307, { location: '/elsewhere' }), 'invalid'],
    ['a page with 200', saysStatus(200), 'invalid'],
    ['no content type', response => void response.writeHead(200).end(JSON.stringify(right)), 'invalid'],
    ['broken JSON', says(`{"access_token":"${MARK}`), 'invalid'],
    ['a member twice', says('{"access_token":"a","access_token":"b","token_type":"Bearer"}'), 'invalid'],
    ['a list', saysJson([right]), 'invalid'],
    ['null', says('null'), 'invalid'],
    ['nothing', says(''), 'invalid'],
    ['too much', says(huge), 'invalid'],
    ['a little that becomes much', says(gzipSync(huge), { 'content-encoding': 'gzip' }), 'invalid'],
    ['headers without an end', says('{}', { 'x-large': 'x'.repeat(32 * 1024) }), 'unavailable'],
    ['a reset', response => void response.socket?.resetAndDestroy(), 'unavailable'],
    [
      'half an answer',
      response => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 })
        response.write('{"access_token":', () => response.socket?.destroy())
      },
      'unavailable',
    ],
  ] satisfies readonly [string, ScriptedAnswer, string][])('that is answered with %s', async (_what, answer, kind) => {
    const provider = await scriptedProvider()
    const failure = await failureOf(refreshed(provider, answer))
    expect(failure).toEqual({ kind, code: failure.code, message: expect.any(String), retryAfterSeconds: undefined })
    expect(failure.message).not.toMatch(`${MARK}|${SECRET}|old`)
    expect(provider.asked).toHaveLength(1)
  })

  test.each([
    [429, '7', 7],
    [503, '120', 120],
    [500, '120', undefined],
    [429, 'soon', undefined],
  ])('is told by %i with Retry-After %s when to come again', async (status, value, retryAfterSeconds) => {
    const failure = await failureOf(refreshed(await scriptedProvider(), saysStatus(status, { 'retry-after': value })))
    expect(failure).toMatchObject({ kind: 'unavailable', retryAfterSeconds })
  })

  test.each([
    ['says nothing', () => {}],
    [
      'does not end its answer',
      (response: Parameters<ScriptedAnswer>[0]) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('{')
      },
    ],
    [
      'does not end its refusal',
      (response: Parameters<ScriptedAnswer>[0]) => {
        response.writeHead(400, { 'content-type': 'application/json' })
        response.write('{"error":')
      },
    ],
  ])('of a provider that %s ends with its time', async (_what, answer) => {
    const provider = await scriptedProvider()
    const time = manualTime()
    provider.answer('/token', answer)
    const call = failureOf(clientOf(provider.issuer, { scheduler: time }).refresh('old'))
    await provider.wasAsked(1)
    await time.advance(10_000)
    expect(await call).toMatchObject({
      kind: 'unavailable',
      message: `the provider ${provider.issuer} did not answer within 10000 ms`,
    })
    expect(time.pendingMs()).toEqual([])
  })

  test('without a file that it needs is our own fault, and names the option', async () => {
    const provider = await scriptedProvider()
    const client = { id: CLIENT_ID, auth: 'basic', secretFile: '/nowhere/secret' } as const
    const failure = await failureOf(clientOf(provider.issuer, { client }).refresh('old'))
    expect(failure).toMatchObject({ kind: 'unavailable', message: expect.stringContaining('client.secretFile') })
  })
})

test('an assertion has the times of our clock', async () => {
  const { generateKeyPairSync } = await import('node:crypto')
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const keyFile = fileOf(String(privateKey.export({ format: 'pem', type: 'pkcs8' })))
  const provider = await scriptedProvider()
  provider.answer('/token', saysJson(right))
  const time = manualTime()
  const client = { id: CLIENT_ID, auth: 'private_key_jwt', keyFile } as const
  await clientOf(provider.issuer, { client, clock: time }).refresh('old')
  const assertion = provider.asked[0]?.form.get('client_assertion') ?? ''
  expect(decodeProtectedHeader(assertion)).toEqual({ alg: 'ES256' })
  expect(decodeJwt(assertion)).toMatchObject({ iat: Math.floor(time.nowMs() / 1_000), aud: provider.issuer })
})

describe('a revocation', () => {
  test('sends the token and what it is', async () => {
    const provider = await scriptedProvider()
    provider.answer('/revoke', response => void response.writeHead(200).end('whatever'))
    await clientOf(provider.issuer).revoke('old')
    expect(Object.fromEntries(provider.asked[0]?.form ?? [])).toEqual({
      token: 'old',
      token_type_hint: 'refresh_token',
    })
  })

  test('is not there where the provider has no endpoint for it', async () => {
    const provider = await scriptedProvider()
    provider.metadata.revocation_endpoint = undefined
    await clientOf(provider.issuer).revoke('old')
    expect(provider.asked).toEqual([])
  })

  test('that fails says so', async () => {
    const provider = await scriptedProvider()
    provider.answer('/revoke', saysStatus(503, { 'retry-after': '3' }))
    const failure = await failureOf(clientOf(provider.issuer).revoke('old'))
    expect(failure).toMatchObject({ kind: 'unavailable', retryAfterSeconds: 3 })
  })

  test('ends with the signal of whoever waits for it', async () => {
    const provider = await scriptedProvider()
    provider.answer('/revoke', () => {})
    const enough = new AbortController()
    const call = clientOf(provider.issuer).revoke('old', enough.signal)
    const ended = expect(call).rejects.toThrow('enough')
    await provider.wasAsked(1)
    enough.abort(new Error('enough'))
    await ended
  })
})

describe('the end of a session', () => {
  test('goes by the ID token, and by the client where that is too long', async () => {
    const provider = await scriptedProvider()
    provider.metadata.end_session_endpoint = `${provider.issuer}/end?tenant=acme`
    const client = clientOf(provider.issuer)
    const returnTo = 'https://shop.example.com/?a=b&c'
    const parameters = (idToken: string) =>
      Object.fromEntries(new URL(client.endSessionUrl({ idToken, returnTo }) ?? '').searchParams)
    expect(client.endSessionUrl({ idToken: 'x', returnTo })).toBeUndefined()
    await client.ready()
    const common = { tenant: 'acme', post_logout_redirect_uri: returnTo }
    expect(parameters('x.y.z')).toEqual({ ...common, id_token_hint: 'x.y.z' })
    expect(parameters('x'.repeat(4_097))).toEqual({ ...common, client_id: CLIENT_ID })
  })

  test('is not there where the provider has no endpoint for it', async () => {
    const client = clientOf((await scriptedProvider()).issuer)
    await client.ready()
    expect(client.endSessionUrl({ idToken: 'x', returnTo: 'https://shop.example.com/' })).toBeUndefined()
  })
})

describe('the metadata', () => {
  test.each([
    'authorization_endpoint',
    'token_endpoint',
    'pushed_authorization_request_endpoint',
    'revocation_endpoint',
    'end_session_endpoint',
  ])('with %s elsewhere are of no use', async name => {
    for (const address of ['https://evil.example/x', 'javascript:alert(1)', 'http://user:pass@127.0.0.1/', 'x']) {
      const provider = await scriptedProvider()
      provider.metadata[name] = address
      const client = clientOf(provider.issuer)
      await client.ready()
      for (const call of [client.authorizationUrl(secrets()), client.refresh('old'), client.revoke('old')])
        expect(await failureOf(call)).toMatchObject({
          kind: 'unavailable',
          message: expect.stringContaining(`the ${name} of the discovery document`),
        })
      expect(client.endSessionUrl({ idToken: 'x', returnTo: 'https://shop.example.com/' })).toBeUndefined()
      expect(provider.asked).toEqual([])
    }
  })

  test.each(['authorization_endpoint', 'token_endpoint'])('without %s are of no use', async name => {
    const provider = await scriptedProvider()
    provider.metadata[name] = undefined
    expect(await failureOf(clientOf(provider.issuer).refresh('old'))).toMatchObject({
      kind: 'unavailable',
      message: expect.stringContaining(`has no ${name}`),
    })
  })

  test('of another issuer are of no use', async () => {
    const provider = await scriptedProvider()
    provider.metadata.issuer = 'https://evil.example'
    expect(await failureOf(clientOf(provider.issuer).refresh('old'))).toMatchObject({ kind: 'unavailable' })
  })

  test('are looked for once by all who need them at first, and again when that failed', async () => {
    const provider = await scriptedProvider()
    provider.answer('/token', saysJson(right))
    provider.answer('/metadata', saysStatus(503))
    const client = clientOf(provider.issuer)
    await client.ready()
    expect(await failureOf(client.refresh('old'))).toMatchObject({ kind: 'unavailable' })
    provider.answer('/metadata', saysJson(provider.metadata))
    const before = provider.searches()
    await Promise.all(Array.from({ length: 20 }, () => client.refresh('old')))
    expect(provider.searches()).toBe(before + 1)
  })

  test('are looked for again after an hour, beside the calls, and stay when that fails', async () => {
    const provider = await scriptedProvider()
    provider.answer('/token', saysJson(right))
    const time = manualTime()
    const client = clientOf(provider.issuer, { clock: time })
    await client.refresh('old')
    await time.advance(3_599_000)
    await client.refresh('old')
    expect(provider.searches()).toBe(1)
    const searched = Promise.withResolvers<void>()
    provider.answer('/metadata', () => searched.resolve())
    await time.advance(1_000)
    await client.refresh('old')
    await searched.promise
    await client.refresh('old')
    expect(provider.searches()).toBe(2)
    client.close()
  })

  test('send a client with a certificate to the aliases', async () => {
    const provider = await scriptedProvider()
    provider.metadata.mtls_endpoint_aliases = { token_endpoint: 'https://evil.example/token' }
    const tls = { id: CLIENT_ID, auth: 'tls', certFile: '/nowhere', keyFile: '/nowhere' } as const
    expect(await failureOf(clientOf(provider.issuer, { client: tls }).refresh('old'))).toMatchObject({
      message: expect.stringContaining('token_endpoint of the discovery document is not on the issuer’s host'),
    })
    provider.answer('/token', saysJson(right))
    await expect(clientOf(provider.issuer).refresh('old')).resolves.toMatchObject({ accessToken: 'at' })
  })
})

test('everything goes through the proxy, and over plain http only where that is allowed', async () => {
  const provider = await scriptedProvider()
  const proxy = await startForwardProxy({ hosts: { 'auth.test:80': Number(new URL(provider.issuer).port) } })
  const issuer = 'http://auth.test'
  Object.assign(provider.metadata, {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/revoke`,
  })
  provider.answer('/token', saysJson(right))
  const egress = { proxy: proxy.url, noProxy: [] }
  const allowed = clientOf(issuer, { egress, allowInsecureHttp: true })
  await expect(allowed.refresh('old')).resolves.toMatchObject({ accessToken: 'at' })
  expect(proxy.asked.map(({ target }) => target)).toEqual(['auth.test:80', 'auth.test:80'])
  expect(await failureOf(clientOf(issuer, { egress }).refresh('old'))).toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('is not https'),
  })
})
