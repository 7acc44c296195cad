/**
 * Opaque tokens from end to end (RFC 7662): what the server says of one becomes the caller, and is judged on every use,
 * however often it is remembered.
 */
import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { testAuthority } from '../../support/certificates.ts'
import { dpopProof, proofSigner } from '../../support/dpop-proof.ts'
import { bearer } from '../../support/gateway/gateway.ts'
import { thumbprintOf } from '../../support/services/introspection-endpoint.ts'
import { AUDIENCE } from '../../support/services/issuer.ts'
import { activeAnswer, opaqueToken, outcomeOf, startOpaqueStack } from './support.ts'

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
