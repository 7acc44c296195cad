/**
 * Opaque tokens from end to end (RFC 7662): what the server says of one becomes the caller, and is judged on every use,
 * however often it is remembered.
 */
import { X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { testAuthority } from '../../support/certificates.ts'
import { dpopProof, proofSigner } from '../../support/dpop-proof.ts'
import { bearer, startTestGateway, type TestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { saysJson, startIntrospectionEndpoint, thumbprintOf } from '../../support/services/introspection-endpoint.ts'
import { AUDIENCE, startTestIssuer } from '../../support/services/issuer.ts'
import { type OpaqueIssuer, RESOURCES, startOpaqueIssuer } from '../../support/services/opaque-issuer.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { activeAnswer, opaqueProvider, opaqueToken, outcomeOf, SECRET, startOpaqueStack } from './support.ts'

const nowSeconds = () => Math.floor(Date.now() / 1000)

describe('a token that the server calls active', () => {
  test('makes its claims headers for the service, and stays here', async () => {
    const stack = await startOpaqueStack()
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer({ iss: stack.endpoint.issuer, roles: ['clerk'], client_id: 'app' }))
    const reply = await stack.request('/orders/7', { headers: bearer(token) })
    expect(reply.status).toBe(200)
    expect(reply.json().headers).toMatchObject({
      'x-auth-issuer': stack.endpoint.issuer,
      'x-auth-subject': 'alice',
      'x-auth-scope': 'orders:read',
      'x-auth-roles': '["clerk"]',
      'x-auth-client': 'app',
    })
    expect(stack.upstream.bytes().includes(token)).toBe(false)
    expect(stack.logText()).not.toContain(token)
    expect(stack.endpoint.questions.map(({ form }) => form.get('token'))).toEqual([token])
  })

  // Incident: oathkeeper#743, where cached answers were not held against the scopes of the rule.
  test('is judged by the rules of each route, remembered or not', async () => {
    const other = 'https://other.example.com'
    const stack = await startOpaqueStack({
      provider: { audiences: [AUDIENCE, other] },
      config: {
        routes: [
          { id: 'orders', path: '/orders/**', require: { scopes: ['orders:read'] } },
          { id: 'writes', path: '/writes/**', require: { scopes: ['orders:write'] } },
          { id: 'roles', path: '/roles/**', require: { roles: ['admin'] } },
          { id: 'other', path: '/other/**', audiences: [other] },
        ],
      },
    })
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer())
    for (let times = 0; times < 3; times += 1) {
      expect(await stack.outcome('/orders/7', token)).toBe('200')
      expect(await stack.outcome('/writes/7', token)).toBe('403 scope_missing')
      expect(await stack.outcome('/roles/7', token)).toBe('403 claim_forbidden')
      expect(await stack.outcome('/other/7', token)).toBe('401 audience_mismatch')
    }
    expect(stack.endpoint.questions).toHaveLength(1)
    expect(stack.upstream.seen).toHaveLength(3)
  })

  test.for([{ jti: 'the-jti' }, { sub: 'alice', before: nowSeconds() + 60 }])(
    'is refused when it is revoked here, although it is remembered: %o',
    async members => {
      const stack = await startOpaqueStack({
        config: { revocation: { file: 'revoked.yaml' } },
        files: { 'revoked.yaml': '' },
      })
      const token = opaqueToken()
      stack.endpoint.tokens.set(token, activeAnswer({ jti: 'the-jti', iat: nowSeconds() }))
      expect(await stack.outcome('/orders/7', token)).toBe('200')
      stack.write('revoked.yaml', JSON.stringify([{ issuer: stack.endpoint.issuer, ...members }]))
      await stack.running.reload()
      expect(await stack.outcome('/orders/7', token)).toBe('401 token_revoked')
      expect(stack.endpoint.questions).toHaveLength(1)
    },
  )

  test('expires when it says so, although its answer is still in force', async () => {
    const stack = await startOpaqueStack({ provider: { cache: { ttl: '1h' } } })
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer({ exp: nowSeconds() + 60 }))
    expect(await stack.outcome('/orders/7', token)).toBe('200')
    stack.clock.pass(70_000)
    expect(await stack.outcome('/orders/7', token)).toBe('401 token_expired')
    expect(stack.endpoint.questions).toHaveLength(1)
  })
})

describe('a token that is active, and no access token for us, is refused', () => {
  test.for([
    ['401 audience_mismatch', 'for another audience', { aud: 'https://other.example.com' }],
    ['401 audience_mismatch', 'for nobody', { aud: undefined }],
    ['401 issuer_unknown', 'of another issuer', { iss: 'https://other.example.com' }],
    ['401 issuer_unknown', 'of an issuer that is no text', { iss: ['https://other.example.com'] }],
    ['401 token_type_invalid', 'a refresh token, by token_use', { token_use: 'refresh_token' }],
    ['401 token_type_invalid', 'a refresh token, by token_type', { token_type: 'refresh_token' }],
    ['401 token_type_invalid', 'an ID token', { typ: 'ID' }],
    ['401 claim_invalid', 'DPoP without a key', { token_type: 'DPoP' }],
    ['401 token_expired', 'active for ever, by a server that does not look at exp', { exp: nowSeconds() - 600 }],
    ['401 token_not_yet_valid', 'not yet good', { nbf: nowSeconds() + 600 }],
    ['401 claim_invalid', 'of somebody who is no text', { sub: { name: 'alice' } }],
  ] as const)('%s: %s', async ([expected, , members]) => {
    const stack = await startOpaqueStack()
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer(members))
    for (let times = 0; times < 2; times += 1) expect(await stack.outcome('/all', token)).toBe(expected)
    expect(stack.upstream.seen).toEqual([])
  })

  test('but a missing audience is fine where the server looks at it', async () => {
    const stack = await startOpaqueStack({ provider: { audienceCheckedByServer: true } })
    const [without, wrong] = [opaqueToken(), opaqueToken()]
    stack.endpoint.tokens.set(without, activeAnswer({ aud: undefined }))
    stack.endpoint.tokens.set(wrong, activeAnswer({ aud: 'https://other.example.com' }))
    expect(await stack.outcome('/orders/7', without)).toBe('200')
    expect(await stack.outcome('/orders/7', wrong)).toBe('401 audience_mismatch')
  })
})

describe('a bound token needs its proof, remembered or not', () => {
  test('DPoP', async () => {
    const stack = await startOpaqueStack({ config: { dpop: { baseUrls: ['https://api.example.com'] } } })
    const [own, thief] = [await proofSigner(), await proofSigner()]
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer({ token_type: 'DPoP', cnf: { jkt: own.jkt } }))
    const url = 'https://api.example.com/orders/7'
    for (let times = 0; times < 2; times += 1) {
      const by = (signer: typeof own, options: object = {}) => ({
        authorization: `DPoP ${token}`,
        dpop: dpopProof(signer, { url, token, ...options }),
      })
      expect(await outcomeOf(stack, '/orders/7', by(own))).toBe('200')
      expect(await outcomeOf(stack, '/orders/7', by(thief))).toBe('401 proof_mismatch')
      expect(await outcomeOf(stack, '/orders/7', by(own, { token: 'another' }))).toBe('401 proof_invalid')
      expect(await outcomeOf(stack, '/orders/7', { authorization: `DPoP ${token}` })).toBe('401 proof_required')
      expect(await stack.outcome('/orders/7', token)).toBe('401 proof_required')
    }
    expect(stack.endpoint.questions).toHaveLength(1)
    expect(stack.upstream.seen).toHaveLength(2)
  })

  test('certificate', async () => {
    const authority = testAuthority()
    atEnd(() => authority.remove())
    const [own, other] = [authority.selfSigned('own'), authority.selfSigned('other')]
    const item = ({ cert }: typeof own) => `:${new X509Certificate(cert).raw.toString('base64')}:`
    const stack = await startOpaqueStack({
      config: {
        listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
        clientCertificate: { from: 'header' },
      },
    })
    const token = opaqueToken()
    stack.endpoint.tokens.set(token, activeAnswer({ cnf: { 'x5t#S256': thumbprintOf(own.cert) } }))
    for (let times = 0; times < 2; times += 1) {
      expect(await outcomeOf(stack, '/orders/7', { ...bearer(token), 'client-cert': item(own) })).toBe('200')
      const shown = { ...bearer(token), 'client-cert': item(other) }
      expect(await outcomeOf(stack, '/orders/7', shown)).toBe('401 proof_mismatch')
      expect(await stack.outcome('/orders/7', token)).toBe('401 proof_required')
    }
    expect(stack.endpoint.questions).toHaveLength(1)
  })
})

describe('which token is sent to which server', () => {
  test('opaque tokens and JWTs of one issuer pass side by side, and JWTs are never sent', async () => {
    const issuer = await startTestIssuer()
    atEnd(issuer.close)
    const stack = await startOpaqueStack({
      config: endpoint => ({
        providers: {
          jwt: testProvider(issuer),
          opaque: opaqueProvider(endpoint, { issuer: issuer.issuer, tokens: { jwts: false } }),
        },
      }),
    })
    const opaque = opaqueToken()
    stack.endpoint.tokens.set(opaque, activeAnswer({ iss: issuer.issuer, sub: 'opaque-alice' }))
    const jwt = await issuer.mint({ scope: 'orders:read', sub: 'jwt-alice' })
    for (const [token, sub] of [
      [opaque, 'opaque-alice'],
      [jwt, 'jwt-alice'],
    ] as const) {
      const reply = await stack.request('/orders/7', { headers: bearer(token) })
      expect(reply.json().headers).toMatchObject({ 'x-auth-subject': sub })
    }
    expect(stack.endpoint.questions.map(({ form }) => form.get('token'))).toEqual([opaque])
  })

  test('JWTs of its issuer are asked about, too, unless that is switched off', async () => {
    const issuer = await startTestIssuer()
    atEnd(issuer.close)
    const stack = await startOpaqueStack({
      config: endpoint => ({
        providers: {
          asks: opaqueProvider(endpoint, { issuer: issuer.issuer }),
          none: opaqueProvider(endpoint, { issuer: issuer.issuer, tokens: { jwts: false } }),
        },
        routes: [
          { id: 'asks', path: '/asks', providers: ['asks'] },
          { id: 'none', path: '/none', providers: ['none'] },
        ],
      }),
    })
    const jwt = await issuer.mint()
    stack.endpoint.tokens.set(jwt, activeAnswer())
    expect(await stack.outcome('/none', jwt)).toBe('401 issuer_unknown')
    expect(stack.endpoint.questions).toHaveLength(0)
    expect(await stack.outcome('/asks', jwt)).toBe('200')
    expect(await stack.outcome('/none', jwt)).toBe('401 issuer_unknown')
    expect(stack.endpoint.questions).toHaveLength(1)
  })

  test('what looks like a JWT or like an encrypted one is refused unasked, and so is what is too short', async () => {
    const stack = await startOpaqueStack({ provider: { tokens: { minBytes: 20 } } })
    stack.endpoint.answerWith(saysJson(activeAnswer()))
    const stranger = await startTestIssuer()
    atEnd(stranger.close)
    const jwt = await stranger.mint()
    for (const [token, expected] of [
      [jwt, '401 issuer_unknown'],
      ['three.parts-of-some.thing-opaque', '401 token_malformed'],
      ['five.parts.of-some.thing.opaque-here', '401 token_malformed'],
      ['short-token-19-byte', '401 token_malformed'],
      [`${jwt}.and.more`, '401 token_malformed'],
    ] as const) {
      expect([token, await stack.outcome('/orders/7', token)]).toEqual([token, expected])
    }
    expect(stack.endpoint.questions).toHaveLength(0)
    expect(stack.upstream.seen).toEqual([])
    expect(await stack.outcome('/orders/7', 'opaque-token-20-byte')).toBe('200')
  })

  test('prefixes say whose an opaque token is, and a token of nobody is refused unasked', async () => {
    const second = await startIntrospectionEndpoint()
    const stack = await startOpaqueStack({
      config: first => ({
        providers: {
          first: opaqueProvider(first, { tokens: { prefixes: ['one_'] } }),
          second: opaqueProvider(second, { tokens: { prefixes: ['two_', 'three_'] } }),
        },
      }),
    })
    for (const endpoint of [stack.endpoint, second]) endpoint.answerWith(saysJson(activeAnswer()))
    for (const token of ['one_token_of_a_test', 'two_token_of_a_test', 'three_token_of_a_test'])
      expect(await stack.outcome('/orders/7', token)).toBe('200')
    expect(await stack.outcome('/orders/7', 'four_token_of_a_test')).toBe('401 token_malformed')
    const asked = (endpoint: typeof second) => endpoint.questions.map(({ form }) => form.get('token'))
    expect(asked(stack.endpoint)).toEqual(['one_token_of_a_test'])
    expect(asked(second)).toEqual(['two_token_of_a_test', 'three_token_of_a_test'])
  })

  // Advisory: GHSA-4mq7, where the cache did not know the issuer that had answered.
  test('two providers never share an answer, even about the same token', async () => {
    const second = await startIntrospectionEndpoint()
    const stack = await startOpaqueStack({
      config: first => ({
        providers: { first: opaqueProvider(first), second: opaqueProvider(second) },
        routes: [
          { id: 'first', path: '/first', providers: ['first'] },
          { id: 'second', path: '/second', providers: ['second'] },
        ],
      }),
    })
    const [known, theirs] = [opaqueToken(), opaqueToken()]
    stack.endpoint.tokens.set(known, activeAnswer({ sub: 'alice-of-first' }))
    stack.endpoint.tokens.set(theirs, activeAnswer({ sub: 'alice-of-first' }))
    second.tokens.set(theirs, activeAnswer({ sub: 'alice-of-second' }))
    for (let times = 0; times < 3; times += 1) {
      expect(await stack.outcome('/first', known)).toBe('200')
      expect(await stack.outcome('/second', known)).toBe('401 token_inactive')
      for (const name of ['first', 'second']) {
        const reply = await stack.request(`/${name}`, { headers: bearer(theirs) })
        expect(reply.json().headers).toMatchObject({ 'x-auth-subject': `alice-of-${name}` })
      }
    }
    expect([stack.endpoint.questions.length, second.questions.length]).toEqual([2, 2])
  })
})

describe('oidc-provider', () => {
  const authority = testAuthority()
  let issuer: OpaqueIssuer
  let upstream: TestUpstream
  beforeAll(async () => {
    issuer = await startOpaqueIssuer(authority)
    upstream = await startTestUpstream()
  })
  afterAll(async () => {
    await issuer.close()
    await upstream.close()
    authority.remove()
    expect(issuer.errors).toEqual([])
  })

  const common = () => ({ issuer: issuer.issuer, caFile: authority.certFile })

  async function gatewayOf(opaque: Readonly<Record<string, unknown>>): Promise<TestGateway> {
    const { jwksUri } = issuer
    const gateway = await startTestGateway({
      providers: {
        jwt: {
          type: 'jwt',
          issuer: issuer.issuer,
          audiences: [RESOURCES.jwt],
          keys: { jwksUri, caFile: authority.certFile },
        },
        opaque: {
          type: 'introspection',
          ...common(),
          audiences: [RESOURCES.opaque],
          tokens: { jwts: false },
          ...opaque,
        },
      },
      upstreams: { app: upstream.url },
      routes: [{ id: 'orders', path: '/orders/**', require: { scopes: ['orders:read'] } }],
    })
    atEnd(gateway.close)
    return gateway
  }

  test.for(['basic', 'post', 'assertion', 'tls', 'selfSigned'] as const)(
    'lets in its opaque tokens and its JWTs on one route, when we prove who we are by: %s',
    async name => {
      const gateway = await gatewayOf({ client: issuer.clients[name] })
      const tokens = [await issuer.token({ resource: 'opaque' }), await issuer.token({ resource: 'jwt' })] as const
      for (const token of tokens) {
        const reply = await gateway.request('/orders/7', { headers: bearer(token) })
        expect(reply.json().headers).toMatchObject({ 'x-auth-client': issuer.tokenClientId })
      }
      const wrongScope = await issuer.token({ resource: 'opaque', scope: 'orders:write' })
      expect(await outcomeOf(gateway, '/orders/7', bearer(wrongScope))).toBe('403 scope_missing')
    },
  )

  test.for(['basic', 'encrypted'] as const)('signs its answers, for the client: %s', async name => {
    const { jwksUri, clients, answerKey } = issuer
    const keyFile = authority.certFile.replace(/[^/]*$/, `answers-${name}.jwk`)
    writeFileSync(keyFile, JSON.stringify({ ...answerKey.export({ format: 'jwk' }), kid: 'answers' }), { mode: 0o600 })
    const gateway = await gatewayOf({
      client: clients[name],
      response: 'jwt',
      keys: { jwksUri, caFile: authority.certFile },
      ...(name === 'encrypted' ? { decryption: { keyFiles: [keyFile], required: true } } : {}),
    })
    expect(await outcomeOf(gateway, '/orders/7', bearer(await issuer.token({ resource: 'opaque' })))).toBe('200')
    expect(await outcomeOf(gateway, '/orders/7', bearer(opaqueToken()))).toBe('401 token_inactive')
  })

  test('a token that was revoked there, one without an audience and a refresh token are refused', async () => {
    const gateway = await gatewayOf({ client: issuer.clients.basic, cache: { ttl: '0s' } })
    const send = (token: string) => outcomeOf(gateway, '/orders/7', bearer(token))
    const token = await issuer.token({ resource: 'opaque' })
    expect(await send(token)).toBe('200')
    await issuer.revoke(token)
    expect(await send(token)).toBe('401 token_inactive')
    expect(await send(await issuer.token())).toBe('401 audience_mismatch')
    expect(await send(await issuer.refreshToken())).not.toBe('200')
  })

  test('answers 401 to a wrong secret of ours, and callers hear 503', async () => {
    const gateway = await startTestGateway(
      {
        providers: {
          opaque: {
            type: 'introspection',
            ...common(),
            audiences: [RESOURCES.opaque],
            client: { ...issuer.clients.post, secretFile: 'secret' },
          },
        },
        upstreams: { app: upstream.url },
        routes: [{ id: 'all', path: '/**' }],
      },
      { files: { secret: SECRET } },
    )
    atEnd(gateway.close)
    const token = await issuer.token({ resource: 'opaque' })
    const reply = await gateway.request('/', { headers: bearer(token) })
    expect([reply.status, reply.json().code]).toEqual([503, 'introspection_unavailable'])
    expect(reply.headers['retry-after']).toBeDefined()
    const metrics = await gateway.metrics()
    expect(metrics.get('sallyport_introspections_total{provider="opaque",result="unauthorized"}')).toBe(1)
  })
})
