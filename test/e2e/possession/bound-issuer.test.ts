/** The issuer of bound tokens, and its clients, which other tests send to the gateway with. */
import { createHash, X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { calculateThumbprint, generateKeyPair } from 'dpop'
import {
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JWTPayload,
  customFetch as joseFetch,
  jwtVerify,
} from 'jose'
import {
  type Configuration,
  clientCredentialsGrant,
  customFetch,
  fetchProtectedResource,
  getDPoPHandle,
  randomDPoPKeyPair,
  refreshTokenGrant,
  type TokenEndpointResponse,
} from 'openid-client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { closeServer, listen } from '../../../src/demo/loopback.ts'
import { atEnd } from '../../support/at-end.ts'
import { type Certificate, testAuthority } from '../../support/certificates.ts'
import { boundClient, certificateAgent, proofClient, signInBound } from '../../support/clients/bound-client.ts'
import { BOUND_CLIENTS, type BoundIssuer, startBoundIssuer } from '../../support/services/bound-issuer.ts'
import { AUDIENCE } from '../../support/services/issuer.ts'

const authority = testAuthority()
const issuers = new Map<'none' | 'required', BoundIssuer>()
let issuer: BoundIssuer
beforeAll(async () => {
  for (const nonces of ['none', 'required'] as const) issuers.set(nonces, await startBoundIssuer(authority, { nonces }))
  issuer = issuerWith('none')
})
afterAll(async () => {
  for (const each of issuers.values()) {
    await each.close()
    expect(each.errors).toEqual([])
  }
  authority.remove()
})

function issuerWith(nonces: 'none' | 'required'): BoundIssuer {
  const found = issuers.get(nonces)
  if (found === undefined) throw new Error('not started')
  return found
}

/** Claims of the access token. */
function claims({
  access_token,
}: Pick<TokenEndpointResponse, 'access_token'>): JWTPayload & { readonly cnf?: unknown } {
  return decodeJwt(access_token)
}

function thumbprint({ cert }: Certificate): string {
  return createHash('sha256').update(new X509Certificate(cert).raw).digest('base64url')
}

async function dpopKey(client: Configuration) {
  const keyPair = await randomDPoPKeyPair('ES256')
  return { DPoP: getDPoPHandle(client, keyPair), jkt: await calculateThumbprint(keyPair.publicKey) }
}

const scope = 'orders:read'

describe('a token for a machine', () => {
  test.for(['none', 'required'] as const)('is bound to the key of the proof, nonces: %s', async nonces => {
    for (const name of ['dpopMachine', 'plainMachine'] as const) {
      const client = await boundClient(issuerWith(nonces), name)
      const { DPoP, jkt } = await dpopKey(client)
      const answer = await clientCredentialsGrant(client, { scope }, { DPoP })
      expect(answer.token_type).toBe('dpop')
      expect(claims(answer)).toMatchObject({ aud: AUDIENCE, sub: BOUND_CLIENTS[name], scope, cnf: { jkt } })
      expect(claims(answer).cnf).toEqual({ jkt })
    }
  })

  test.for(['none', 'required'] as const)('is got with the dpop package, too, nonces: %s', async nonces => {
    const { issuer: url, clientSecret } = issuerWith(nonces)
    const keyPair = await generateKeyPair('Ed25519')
    const agent = certificateAgent(authority)
    atEnd(() => agent.destroy())
    const client = proofClient(keyPair, agent)
    const basic = Buffer.from(`${BOUND_CLIENTS.dpopMachine}:${clientSecret}`).toString('base64')
    const response = await client.request(`${url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
    })
    const answer = (await response.json()) as TokenEndpointResponse
    expect(claims(answer).cnf).toEqual({ jkt: await calculateThumbprint(keyPair.publicKey) })
    expect(client.proofs).toHaveLength(nonces === 'required' ? 2 : 1)
  })

  test('is bound to the certificate that the client has shown, signed by itself or by the authority', async () => {
    for (const [name, certificate] of [
      ['tlsMachine', issuer.certificates.signed],
      ['selfSignedMachine', issuer.certificates.selfSigned],
    ] as const) {
      const client = await boundClient(issuer, name)
      const answer = await clientCredentialsGrant(client, { scope })
      expect(answer.token_type).toBe('bearer')
      expect(claims(answer)).toMatchObject({ sub: BOUND_CLIENTS[name], scope })
      expect(claims(answer).cnf).toEqual({ 'x5t#S256': thumbprint(certificate) })
    }
  })

  test('is refused to who shows another certificate than the registered one, or none', async () => {
    for (const name of ['tlsMachine', 'selfSignedMachine'] as const)
      for (const certificate of [authority.selfSigned('another'), 'none'] as const) {
        const client = await boundClient(issuer, name, { certificate })
        await expect(clientCredentialsGrant(client, { scope })).rejects.toThrow()
      }
  })

  test('is bound to both, and to nothing', async () => {
    const certificate = authority.selfSigned('both')
    const both = await boundClient(issuer, 'doublyBoundMachine', { certificate })
    const { DPoP, jkt } = await dpopKey(both)
    expect(claims(await clientCredentialsGrant(both, { scope }, { DPoP })).cnf).toEqual({
      jkt,
      'x5t#S256': thumbprint(certificate),
    })
    // What oidc-provider itself makes has one binding at most.
    const once = await boundClient(issuer, 'boundMachine', { certificate })
    expect(claims(await clientCredentialsGrant(once, { scope })).cnf).toEqual({ 'x5t#S256': thumbprint(certificate) })
    await expect(clientCredentialsGrant(once, { scope }, await dpopKey(once))).rejects.toMatchObject({
      error_description: 'multiple proof-of-possession mechanisms are not allowed',
    })
    const plain = await boundClient(issuer, 'plainMachine')
    expect(claims(await clientCredentialsGrant(plain, { scope }))).not.toHaveProperty('cnf')
  })

  test('is a JWT of RFC 9068 that says nothing of a login, and verifies by the keys of the issuer', async () => {
    const client = await boundClient(issuer, 'dpopMachine')
    const { access_token } = await clientCredentialsGrant(client, { scope }, await dpopKey(client))
    expect(decodeProtectedHeader(access_token)).toEqual({ typ: 'at+jwt', alg: 'ES256', kid: 'bound-ES256' })
    const send = client[customFetch]
    if (send === undefined) throw new Error('the client has no fetch of its own')
    const keys = createRemoteJWKSet(new URL(`${issuer.issuer}/jwks`), {
      [joseFetch]: (url, init) =>
        send(String(url), { body: undefined, headers: {}, method: 'GET', redirect: 'manual', signal: init.signal }),
    })
    const { payload } = await jwtVerify(access_token, keys, { issuer: issuer.issuer, audience: AUDIENCE })
    expect(payload).not.toHaveProperty('acr')
    expect(payload).not.toHaveProperty('auth_time')
  })
})

describe('a token for somebody who signed in', () => {
  const nowSeconds = () => Math.floor(Date.now() / 1_000)

  test.for(['none', 'required'] as const)('is bound to the key of the app, nonces: %s', async nonces => {
    const app = await boundClient(issuerWith(nonces), 'app')
    const { DPoP, jkt } = await dpopKey(app)
    const answer = await signInBound(app, { login: 'alice', scope, DPoP })
    expect(claims(answer)).toMatchObject({ sub: 'alice', client_id: 'app', scope, acr: 'low' })
    expect(claims(answer).cnf).toEqual({ jkt })
  })

  test('is bound to the certificate of the app', async () => {
    const certificate = authority.selfSigned('app')
    const app = await boundClient(issuer, 'boundApp', { certificate })
    const answer = await signInBound(app, { login: 'alice', scope })
    expect(claims(answer).cnf).toEqual({ 'x5t#S256': thumbprint(certificate) })
  })

  test('says how and when, as was asked for', async () => {
    const app = await boundClient(issuer, 'app')
    const asked = await signInBound(app, { login: 'alice', scope, acrValues: 'unknown hardware mfa', secondsAgo: 600 })
    const { acr, auth_time: authTime } = claims(asked)
    expect(acr).toBe('hardware')
    expect(Math.abs(nowSeconds() - 600 - Number(authTime))).toBeLessThan(30)
  })

  test('is of the same login again, unless the request needs another one', async () => {
    const app = await boundClient(issuer, 'app')
    const common = { login: 'alice', scope, cookies: new Map<string, string>() }
    const first = claims(await signInBound(app, { ...common, secondsAgo: 600 }))
    expect(claims(await signInBound(app, common))).toMatchObject({ auth_time: first.auth_time, acr: 'low' })
    expect(claims(await signInBound(app, { ...common, maxAge: 3_600 }))).toMatchObject({ auth_time: first.auth_time })
    const fresh = claims(await signInBound(app, { ...common, maxAge: 300 }))
    expect(Number(fresh.auth_time)).toBeGreaterThan(Number(first.auth_time) + 500)
    const stronger = claims(await signInBound(app, { ...common, acrValues: 'mfa' }))
    expect(stronger.acr).toBe('mfa')
    expect(claims(await signInBound(app, { ...common, acrValues: 'mfa' })).auth_time).toBe(stronger.auth_time)
  })

  test('keeps time, kind and key of the login when it is refreshed', async () => {
    const app = await boundClient(issuer, 'app')
    const { DPoP, jkt } = await dpopKey(app)
    const first = await signInBound(app, { login: 'alice', scope, acrValues: 'mfa', secondsAgo: 600, DPoP })
    const again = await refreshTokenGrant(app, first.refresh_token ?? '', undefined, { DPoP })
    expect(claims(again)).toMatchObject({ acr: 'mfa', auth_time: claims(first).auth_time, cnf: { jkt } })
  })
})

describe('a resource server that asks for a nonce', () => {
  /** It answers 200 to a proof with its nonce, and has a challenge line for each scheme else. */
  async function startResourceServer() {
    const seen: Array<{ readonly authorization: string | undefined; readonly proof: JWTPayload }> = []
    const { cert, key } = authority.issue('resource', ['DNS:localhost'])
    const server = createServer({ cert, key }, ({ headers }, response) => {
      const proof = decodeJwt(String(headers.dpop))
      seen.push({ authorization: headers.authorization, proof })
      if (proof.nonce === 'nonce-of-resource') response.end('ok')
      else
        response
          .writeHead(401, {
            'www-authenticate': [
              'Bearer realm="api"',
              'DPoP realm="api", error="use_dpop_nonce", algs="ES256 Ed25519"',
            ],
            'dpop-nonce': 'nonce-of-resource',
          })
          .end()
    })
    const url = new URL(`/orders/7?q=1`, `https://${await listen(server, 0)}`)
    url.hostname = 'localhost'
    atEnd(() => closeServer(server))
    return { url, seen }
  }

  test('is answered by openid-client, and by the client made with dpop, which keep the nonce', async () => {
    const app = await boundClient(issuer, 'dpopMachine')
    const { DPoP } = await dpopKey(app)
    const agent = certificateAgent(authority)
    atEnd(() => agent.destroy())
    const byDpop = proofClient(await generateKeyPair('ES256'), agent)
    for (const get of [
      (url: URL) => fetchProtectedResource(app, 'token', url, 'GET', undefined, undefined, { DPoP }),
      (url: URL) => byDpop.request(url.href, { token: 'token' }),
    ]) {
      const { url, seen } = await startResourceServer()
      for (let times = 0; times < 2; times += 1) expect((await get(url)).status).toBe(200)
      expect(seen.map(({ proof }) => proof.nonce)).toEqual([undefined, 'nonce-of-resource', 'nonce-of-resource'])
      expect(new Set(seen.map(({ proof }) => proof.jti)).size).toBe(3)
      expect(seen[0]).toMatchObject({
        authorization: 'DPoP token',
        proof: {
          htm: 'GET',
          htu: `${url.origin}/orders/7`,
          ath: createHash('sha256').update('token').digest('base64url'),
        },
      })
    }
  })
})
