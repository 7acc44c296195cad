/** A gateway takes the JWT-SVIDs of a trust domain, with its bundle from an endpoint or from a file. */
import { expect, test, vi } from 'vitest'
import { privateNetwork } from '../keys/certificates.ts'
import { bearer, startTestGateway, type TestGateway } from '../support/gateway/gateway.ts'
import { AUDIENCE, startTestIssuer } from '../support/services/issuer.ts'
import { json, startKeyServer } from '../support/services/key-server.ts'
import { svidAuthority } from '../support/services/svid-authority.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const CHECKOUT = 'spiffe://example.org/ns/shop/sa/checkout'
const SOON = { timeout: 20_000, interval: 50 }

async function callAs(gateway: TestGateway, token: string, path = '/orders') {
  const { status, text } = await gateway.request(path, { headers: bearer(token) })
  return [status, status === 200 ? undefined : (JSON.parse(text) as { code: string }).code]
}

test('workloads and users call one API, and each token counts by the keys of its own', async () => {
  const [upstream, issuer, authority] = await Promise.all([startTestUpstream(), startTestIssuer(), svidAuthority()])
  const { caFile, ...tls } = privateNetwork()
  const endpoint = await startKeyServer(tls)
  endpoint.answer(json(authority.bundle({ spiffe_refresh_hint: 1 })))
  const workloads = {
    ...{ type: 'spiffe', trustDomain: 'example.org', audiences: [AUDIENCE] },
    bundle: { url: `${endpoint.origin}/`, caFile, cooldown: '100ms', refresh: '1h' },
  }
  const main = { type: 'jwt', issuer: issuer.issuer, audiences: [AUDIENCE], keys: { jwksUri: issuer.jwksUri } }
  const gateway = await startTestGateway(
    {
      providers: { main, workloads },
      upstreams: { app: upstream.url },
      resources: { api: { url: AUDIENCE } },
      revocation: { file: 'revoked.yaml' },
      routes: [
        { id: 'orders', path: '/orders', resource: 'api' },
        { id: 'shop', path: '/shop', require: { when: `claims.sub.startsWith("${CHECKOUT}")` } },
        { id: 'machines', path: '/machines', providers: ['workloads'] },
      ],
    },
    { files: { 'revoked.yaml': '[]\n' } },
  )
  try {
    const svid = (claims: object = {}) => authority.svid({ sub: CHECKOUT, aud: AUDIENCE, ...claims })
    const good = await svid()
    expect(await callAs(gateway, good)).toEqual([200, undefined])
    const heard = upstream.seen.at(-1)?.headers
    expect([heard?.['x-auth-subject'], heard?.['x-auth-issuer']]).toEqual([CHECKOUT, undefined])
    expect(await callAs(gateway, good, '/shop')).toEqual([200, undefined])
    expect(await callAs(gateway, await issuer.mint())).toEqual([200, undefined])

    // What says that it is of the issuer is judged by the keys of the issuer, on every route.
    const posing = await svid({ iss: issuer.issuer })
    expect(await callAs(gateway, posing)).toEqual([401, 'key_unknown'])
    expect(await callAs(gateway, posing, '/machines')).toEqual([401, 'issuer_unknown'])
    const named = await svid({ iss: 'https://oidc.example.org' })
    expect(await callAs(gateway, named, '/machines')).toEqual([200, undefined])
    expect(upstream.seen.at(-1)?.headers['x-auth-issuer']).toBe('https://oidc.example.org')

    const { text: metadata } = await gateway.request(`/.well-known/oauth-protected-resource`)
    expect(JSON.parse(metadata)).toMatchObject({ authorization_servers: [issuer.issuer] })
    const { providers } = (await gateway.admin('/-/status')).json()
    expect(providers).toContainEqual(
      expect.objectContaining({ id: 'workloads', issuer: 'spiffe://example.org', usable: true }),
    )

    const inTwoSeconds = new Date(Date.now() + 2_000).toISOString()
    gateway.write('revoked.yaml', `[{ issuer: "spiffe://example.org", sub: "${CHECKOUT}", before: ${inTwoSeconds} }]\n`)
    await vi.waitFor(async () => expect(await callAs(gateway, good)).toEqual([401, 'token_revoked']), SOON)
    expect(await callAs(gateway, named, '/machines')).toEqual([401, 'token_revoked'])

    const billing = await svid({ sub: 'spiffe://example.org/billing' })
    expect(await callAs(gateway, billing)).toEqual([200, undefined])
    await authority.rotate()
    endpoint.answer(json(authority.bundle({ spiffe_refresh_hint: 1 })))
    await vi.waitFor(async () => expect(await callAs(gateway, billing)).toEqual([401, 'key_unknown']), SOON)
    expect(await callAs(gateway, await svid({ sub: 'spiffe://example.org/billing' }))).toEqual([200, undefined])

    endpoint.answer(json({ keys: [] }))
    const metric = 'sallyport_jwks_keys{provider="workloads"}'
    await vi.waitFor(async () => expect((await gateway.metrics()).get(metric)).toBe(0), SOON)
    const last = await svid({ sub: 'spiffe://example.org/billing' })
    expect(await callAs(gateway, last)).toEqual([401, 'key_unknown'])
    expect((await gateway.admin('/readyz')).status).toBe(200)
    await gateway.logged({ msg: 'keys changed state', provider: 'workloads', to: 'unavailable' })
  } finally {
    await gateway.close()
    await Promise.all([upstream.close(), issuer.close()])
  }
})

test('a bundle in a file is read anew when it changes, also when it revokes all keys', async () => {
  const [upstream, authority] = await Promise.all([startTestUpstream(), svidAuthority()])
  const bundle = () => JSON.stringify(authority.bundle())
  const gateway = await startTestGateway(
    {
      providers: {
        workloads: {
          ...{ type: 'spiffe', trustDomain: 'example.org', audiences: [AUDIENCE] },
          bundle: { file: 'bundle.json' },
        },
      },
      upstreams: { app: upstream.url },
      routes: [{ id: 'all', path: '/**' }],
    },
    { files: { 'bundle.json': bundle() } },
  )
  try {
    const svid = () => authority.svid({ sub: CHECKOUT, aud: AUDIENCE })
    const old = await svid()
    expect(await callAs(gateway, old)).toEqual([200, undefined])
    await authority.rotate()
    gateway.write('bundle.json', bundle())
    await vi.waitFor(async () => expect(await callAs(gateway, old)).toEqual([401, 'key_unknown']), SOON)
    const next = await svid()
    expect(await callAs(gateway, next)).toEqual([200, undefined])
    gateway.write('bundle.json', '{"keys":[]}')
    await vi.waitFor(async () => expect(await callAs(gateway, next)).toEqual([401, 'key_unknown']), SOON)
  } finally {
    await gateway.close()
    await upstream.close()
  }
})
