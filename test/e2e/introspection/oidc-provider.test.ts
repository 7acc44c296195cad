/** Opaque tokens of an authorization server that others have written, which is asked in each way that it knows. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { testAuthority } from '../../support/certificates.ts'
import { bearer, startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { type OpaqueIssuer, RESOURCES, startOpaqueIssuer } from '../../support/services/opaque-issuer.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'
import { opaqueToken, outcomeOf, SECRET } from './support.ts'

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
