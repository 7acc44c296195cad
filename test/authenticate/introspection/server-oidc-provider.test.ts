import { compactDecrypt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { AnsweringServer } from '../../../src/authenticate/introspection/answer.ts'
import { introspectionServer } from '../../../src/authenticate/introspection/server.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import type { KeySet } from '../../../src/types.ts'
import { startedKeySet, TUNING } from '../../keys/support.ts'
import { type TestAuthority, testAuthority } from '../../support/certificates.ts'
import {
  type OpaqueClientName,
  type OpaqueIssuer,
  RESOURCES,
  startOpaqueIssuer,
} from '../../support/services/opaque-issuer.ts'
import { failureOf, fileOf, never, type ServerOptions } from './server-support.ts'

let authority: TestAuthority
let issuer: OpaqueIssuer
beforeAll(async () => {
  authority = testAuthority()
  issuer = await startOpaqueIssuer(authority)
})
afterAll(async () => {
  await issuer.close()
  authority.remove()
})

function serverFor(name: OpaqueClientName, options: Partial<ServerOptions> = {}): AnsweringServer {
  const server = introspectionServer({
    issuer: issuer.issuer,
    endpoint: undefined,
    client: issuer.clients[name],
    response: 'json',
    clock: systemClock,
    clockToleranceSeconds: 5,
    caFile: authority.certFile,
    allowInsecureHttp: false,
    connections: 2,
    ...options,
  })
  onTestFinished(() => server.close())
  return server
}

async function keys(): Promise<KeySet> {
  const source = { type: 'jwksUri', url: issuer.jwksUri, ...TUNING, caFile: authority.certFile } as const
  return (await startedKeySet(source, { issuer: issuer.issuer })).keySet
}

const NAMES = ['basic', 'post', 'assertion', 'tls', 'selfSigned'] as const

describe('oidc-provider', () => {
  test.each(NAMES)('takes the credentials of %s, and answers in JSON and signed', async name => {
    const token = await issuer.token({ resource: 'opaque', scope: 'orders:read orders:write' })
    const expected = {
      active: true,
      claims: {
        iss: issuer.issuer,
        client_id: issuer.tokenClientId,
        aud: RESOURCES.opaque,
        scope: 'orders:read orders:write',
        token_type: 'Bearer',
        iat: expect.any(Number),
        exp: expect.any(Number),
      },
    }
    const inJson = serverFor(name)
    const inJwt = serverFor(name, { response: 'jwt', keySet: await keys() })
    for (const server of [inJson, inJwt]) {
      expect(await server.ask(token, never)).toEqual(expected)
      expect(await server.ask('unknown', never)).toEqual({ active: false })
      expect(server.endpoint).toBe(issuer.introspectionEndpoint)
    }
    await issuer.revoke(token)
    for (const server of [inJson, inJwt]) expect(await server.ask(token, never)).toEqual({ active: false })
    expect(issuer.errors).toEqual([])
  })

  test('encrypts its answers for a client that wants that', async () => {
    const token = await issuer.token({ resource: 'opaque' })
    const decrypt = async (jwe: string): Promise<string> =>
      Buffer.from((await compactDecrypt(jwe, issuer.answerKey)).plaintext).toString()
    const keySet = await keys()
    const server = serverFor('encrypted', { response: 'jwt', keySet, decrypt })
    expect(await server.ask(token, never)).toMatchObject({ active: true, claims: { aud: RESOURCES.opaque } })
    expect(await failureOf(serverFor('encrypted', { response: 'jwt', keySet }).ask(token, never))).toMatchObject({
      result: 'invalid',
      message: expect.stringMatching(/there is no key to decrypt it$/),
    })
  })

  test('refuses wrong credentials of ours, which is an outage', async () => {
    const client = { id: 'gateway-post', auth: 'post', secretFile: fileOf('wrong') } as const
    expect(await failureOf(serverFor('post', { client }).ask('t', never))).toMatchObject({
      result: 'unauthorized',
      message: `${issuer.introspectionEndpoint} refuses our client credentials (401); see \`client\``,
    })
  })

  test('says of a refresh token that it is active, without a token_type', async () => {
    const answer = await serverFor('basic').ask(await issuer.refreshToken(), never)
    expect(answer).toMatchObject({ active: true, claims: { sub: 'ada', client_id: issuer.tokenClientId } })
    const { claims } = answer as { readonly claims: object }
    expect(Object.keys(claims)).not.toContain('token_type')
    expect(Object.keys(claims)).not.toContain('token_use')
  })

  test('has opaque tokens without an audience, JWTs and encrypted JWTs', async () => {
    const answer = await serverFor('basic').ask(await issuer.token(), never)
    expect(answer).toMatchObject({ active: true, claims: { token_type: 'Bearer' } })
    expect(Object.keys((answer as { readonly claims: object }).claims)).not.toContain('aud')
    expect(decodeProtectedHeader(await issuer.token({ resource: 'jwt' }))).toMatchObject({ typ: 'at+jwt' })
    const jwe = await issuer.token({ resource: 'encrypted' })
    expect(decodeProtectedHeader(jwe)).toMatchObject({ alg: 'ECDH-ES', enc: 'A256GCM', cty: 'at+jwt' })
    const { plaintext } = await compactDecrypt(jwe, issuer.encryptionKey)
    expect(decodeProtectedHeader(Buffer.from(plaintext).toString())).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
  })

  test('answers no question about a JWT', async () => {
    const token = await issuer.token({ resource: 'jwt' })
    expect(await failureOf(serverFor('basic').ask(token, never))).toMatchObject({
      result: 'error',
      message: `${issuer.introspectionEndpoint} answered 400`,
    })
  })
})
