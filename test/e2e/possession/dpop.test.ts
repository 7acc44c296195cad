/**
 * DPoP with real parts only: oidc-provider binds the tokens, `openid-client` and `dpop` make the proofs and answer
 * nonces by themselves, and nginx, HAProxy and Envoy end TLS and strip a prefix in front of the gateway.
 */
import { randomBytes } from 'node:crypto'
import { generateKeyPair, generateProof, type KeyPair } from 'dpop'
import {
  clientCredentialsGrant,
  fetchProtectedResource,
  getDPoPHandle,
  randomDPoPKeyPair,
  refreshTokenGrant,
  type TokenEndpointResponse,
} from 'openid-client'
import { type Agent, request } from 'undici'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { testAuthority } from '../../support/certificates.ts'
import { boundClient, certificateAgent, proofClient, signInBound } from '../../support/clients/bound-client.ts'
import { startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { BOUND_CLIENTS, type BoundIssuer, startBoundIssuer } from '../../support/services/bound-issuer.ts'
import { startTerminator, type Terminator } from '../../support/services/terminator.ts'
import { TERMINATOR_KINDS, WITHOUT_TERMINATORS } from '../../support/services/terminator-programs.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

const PREFIX = '/shop'
const scope = 'orders:read'
const authority = testAuthority()
const server = authority.issue('server', ['DNS:localhost', 'DNS:elsewhere.example'])
let issuer: BoundIssuer
let upstream: TestUpstream
let gateway: TestGateway
let agent: Agent
const terminators: Terminator[] = []

beforeAll(async () => {
  issuer = await startBoundIssuer(authority, { nonces: 'required' })
  upstream = await startTestUpstream()
  const config = (baseUrls: readonly string[]) => ({
    listen: { address: '127.0.0.1:0', trustedProxies: ['127.0.0.1'] },
    admin: { listen: '127.0.0.1:0' },
    providers: { main: issuer.provider },
    upstreams: { app: upstream.url },
    routes: [{ id: 'orders', path: '/orders/**', require: { scopes: [scope], proof: 'dpop' } }],
    dpop: { baseUrls, nonce: { secretFile: 'nonce-secret' } },
  })
  const files = { 'nonce-secret': randomBytes(32).toString('base64') }
  gateway = await startTestGateway(config(['https://localhost']), { files })
  if (!WITHOUT_TERMINATORS)
    for (const kind of TERMINATOR_KINDS)
      terminators.push(await startTerminator(kind, { server, to: gateway.url, prefix: PREFIX, nginxPath: 'exact' }))
  // Where clients see the gateway is known only now.
  gateway.write('sallyport.yaml', stringify(config(['https://localhost', ...terminators.map(({ url }) => url)])))
  await gateway.running.reload()
  await gateway.logged({ msg: 'configuration reloaded' })
  agent = certificateAgent(authority)
})
afterAll(async () => {
  for (const terminator of terminators) await terminator.stop()
  await agent.destroy()
  await gateway.close()
  await Promise.all([issuer.close(), upstream.close()])
  authority.remove()
  expect(issuer.errors).toEqual([])
})

/** How often proofs came to this, since the test has begun. */
let before: ReadonlyMap<string, number>
beforeEach(async () => {
  before = await gateway.metrics()
})
async function judged(): Promise<Record<string, number>> {
  const grown = [...(await gateway.metrics())].flatMap(([name, value]) => {
    const [, result = ''] = /^sallyport_proofs_total\{.*kind="dpop",result="(\w+)"\}$/.exec(name) ?? []
    const growth = value - (before.get(name) ?? 0)
    return result === '' || growth === 0 ? [] : [[result, growth] as const]
  })
  return Object.fromEntries(grown)
}

/** A token for a machine that sends with the `dpop` package. */
async function tokenBoundTo(keyPair: KeyPair): Promise<string> {
  const basic = Buffer.from(`${BOUND_CLIENTS.dpopMachine}:${issuer.clientSecret}`).toString('base64')
  const response = await proofClient(keyPair, agent).request(`${issuer.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope }),
  })
  return ((await response.json()) as TokenEndpointResponse).access_token
}

describe.skipIf(WITHOUT_TERMINATORS).for(TERMINATOR_KINDS)('behind %s', kind => {
  let base: string
  beforeAll(() => {
    base = terminators.find(terminator => terminator.kind === kind)?.url ?? ''
  })

  test('openid-client gets in with a token of oidc-provider, and answers for one nonce only', async () => {
    const client = await boundClient(issuer, 'dpopMachine')
    const DPoP = getDPoPHandle(client, await randomDPoPKeyPair('ES256'))
    const { access_token: token } = await clientCredentialsGrant(client, { scope }, { DPoP })
    for (const target of ['/orders/7?q=1', '/orders/caf%C3%A9~(1)', '/orders/a%20b'])
      for (const method of ['GET', 'DELETE']) {
        const url = new URL(base + target)
        const response = await fetchProtectedResource(client, token, url, method, undefined, undefined, { DPoP })
        expect(response.status).toBe(200)
        expect(upstream.seen.at(-1)).toMatchObject({ method, url: target })
        expect(upstream.seen.at(-1)?.headers).toMatchObject({ 'x-auth-subject': BOUND_CLIENTS.dpopMachine })
        expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('dpop')
        expect(upstream.seen.at(-1)?.headers).not.toHaveProperty('authorization')
      }
    expect(await judged()).toEqual({ nonce_required: 1, valid: 6 })
  })

  test('whoever signed in keeps getting in after a refresh, and nobody else with the same token', async () => {
    const app = await boundClient(issuer, 'app')
    const DPoP = getDPoPHandle(app, await randomDPoPKeyPair('Ed25519'))
    const first = await signInBound(app, { login: 'alice', scope, DPoP })
    const again = await refreshTokenGrant(app, first.refresh_token ?? '', undefined, { DPoP })
    const url = new URL(`${base}/orders/7`)
    const get = (token: string, handle = DPoP) =>
      fetchProtectedResource(app, token, url, 'GET', undefined, undefined, { DPoP: handle })
    for (const { access_token: token } of [first, again]) expect((await get(token)).status).toBe(200)
    expect(upstream.seen.at(-1)?.headers).toMatchObject({ 'x-auth-subject': 'alice' })

    const thief = getDPoPHandle(app, await randomDPoPKeyPair('Ed25519'))
    await expect(get(again.access_token, thief)).rejects.toMatchObject({ status: 401 })
    await expect(fetchProtectedResource(app, again.access_token, url, 'GET')).rejects.toMatchObject({ status: 401 })
    expect(await judged()).toEqual({ nonce_required: 2, valid: 2, mismatch: 1, required: 1 })
  })

  test('the dpop package gets in, and its proof is good once, here, and for this', async () => {
    const keyPair = await generateKeyPair('ES256')
    const token = await tokenBoundTo(keyPair)
    const client = proofClient(keyPair, agent)
    const url = `${base}/orders/7`
    expect((await client.request(url, { token, method: 'POST', body: 'x' })).status).toBe(200)
    expect(client.proofs).toHaveLength(2)
    const nonce = JSON.parse(Buffer.from(client.proofs[1]?.split('.')[1] ?? '', 'base64url').toString()).nonce as string

    const send = async (proof: string, method: 'GET' | 'POST', host = new URL(base).host) => {
      const headers = { authorization: `DPoP ${token}`, dpop: proof, host }
      const { statusCode, body } = await request(url, { dispatcher: agent, method, headers })
      const text = await body.text()
      return statusCode === 200 ? 'passed' : (JSON.parse(text) as { readonly code: string }).code
    }
    expect(await send(client.proofs[1] ?? '', 'POST')).toBe('proof_replayed')
    const origin = new URL(base).origin
    for (const htu of [`${origin}/orders/7`, `${gateway.url}/orders/7`, `${base}${PREFIX}/orders/7`, `${base}/orders`])
      expect(await send(await generateProof(keyPair, htu, 'GET', nonce, token), 'GET'), htu).toBe('proof_invalid')
    // Whatever Host says, the URL is where clients see us.
    const own = () => generateProof(keyPair, url, 'GET', nonce, token)
    expect(await send(await own(), 'GET', 'elsewhere.example')).toBe('passed')
    const elsewhere = await generateProof(keyPair, 'https://elsewhere.example/shop/orders/7', 'GET', nonce, token)
    expect(await send(elsewhere, 'GET', 'elsewhere.example')).toBe('proof_invalid')
    expect(await send(await own(), 'GET')).toBe('passed')
  })
})

test('a proof that another gateway of the same clients was sent gets nobody in here', async () => {
  const keyPair = await generateKeyPair('ES256')
  const token = await tokenBoundTo(keyPair)
  const seen: string[] = []
  for (const url of ['https://localhost/orders/7', 'https://other.example/orders/7']) {
    const proof = await generateProof(keyPair, url, 'GET', undefined, token)
    const headers = { authorization: `DPoP ${token}`, dpop: proof }
    const first = await gateway.request('/orders/7', { headers })
    const nonce = String(first.headers['dpop-nonce'])
    const dpop = await generateProof(keyPair, url, 'GET', nonce, token)
    const { status } = await gateway.request('/orders/7', { headers: { ...headers, dpop } })
    seen.push(`${first.status} ${status}`)
  }
  expect(seen).toEqual(['401 200', '401 401'])
})
