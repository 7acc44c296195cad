/**
 * A real OpenID provider logs a user out by back-channel: one of three gateways hears of it, all refuse the tokens of
 * that session and close what is open, and the next login passes although it has the same session id.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { atEnd } from '../../support/at-end.ts'
import { bearer, startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { startStoreServer } from '../../support/services/store-server.ts'
import { closing, openWebSocket } from '../../support/services/websocket-service.ts'
import { SOON, WITHOUT_STORES } from './support.ts'

const AUDIENCE = 'https://orders.example.com'
const PATH = '/oauth/backchannel-logout'

/** What oidc-provider sends a logout token by, at the end of a session. */
interface Clients {
  readonly Client: {
    find(id: string): Promise<{ backchannelLogout(sub: string, sid: string): Promise<unknown> }>
  }
}

/** @param logoutUri where the provider sends its logout tokens */
async function startProvider(logoutUri: () => string) {
  const { Provider } = await import('oidc-provider/lib/provider.js')
  const { createMemoryAdapter } = await import('oidc-provider/lib/adapters/memory_adapter.js')
  const { privateKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...(await exportJWK(privateKey)), kid: 'k1', alg: 'RS256', use: 'sig' }
  let handle: ReturnType<InstanceType<typeof Provider>['callback']> | undefined
  const server = createServer((request, response) => void handle?.(request, response))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => new Promise(resolve => server.close(() => resolve(undefined)).closeAllConnections()))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = {
    client_id: 'shop',
    client_secret: 'x'.repeat(32),
    redirect_uris: ['https://shop.example.com/callback'],
    backchannel_logout_session_required: true,
  }
  const make = () =>
    new Provider(issuer, {
      adapter: createMemoryAdapter(),
      jwks: { keys: [jwk] },
      cookies: { keys: ['x'.repeat(32)] },
      clients: [{ ...client, backchannel_logout_uri: logoutUri() }],
      features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: false } },
      // It would not send anything to loopback otherwise.
      fetch: (url: string, { method, headers, body }: RequestInit) =>
        fetch(url, { method, headers, body } as RequestInit),
      interactions: { url: () => '/interaction' },
      findAccount: (_context: unknown, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    } as ConstructorParameters<typeof Provider>[1])
  const key = await importJWK(jwk, 'RS256')
  return {
    issuer,
    /** Call when the gateways listen. */
    begin() {
      const provider = make()
      handle = provider.callback()
      return provider
    },
    mint: (claims: Readonly<Record<string, unknown>>) =>
      new SignJWT({ client_id: 'shop', ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: 'k1', typ: 'at+jwt' })
        .setIssuer(issuer)
        .setAudience(AUDIENCE)
        .setJti(Math.random().toString(36))
        .setExpirationTime('5m')
        .sign(key),
  }
}

describe.skipIf(WITHOUT_STORES)('a logout at the provider', () => {
  test('is heard by one gateway, and all of them refuse the session and close what is open', async () => {
    const store = await startStoreServer()
    atEnd(store.stop)
    const service = createServer((_request, response) => response.end('ok'))
    new WebSocketServer({ server: service }).on('connection', () => {})
    await new Promise<void>(resolve => service.listen(0, '127.0.0.1', resolve))
    atEnd(() => new Promise(resolve => service.close(() => resolve(undefined)).closeAllConnections()))
    let first: TestGateway | undefined
    const provider = await startProvider(() => `${first?.url}${PATH}`)
    const gateways = await Promise.all(
      [1, 2, 3].map(() =>
        startTestGateway({
          providers: {
            main: {
              type: 'jwt',
              issuer: provider.issuer,
              audiences: [AUDIENCE],
              maxLifetime: '1h',
              keys: { jwksUri: `${provider.issuer}/jwks`, allowInsecureHttp: true },
            },
          },
          upstreams: { app: `http://127.0.0.1:${(service.address() as AddressInfo).port}` },
          store: { url: store.url },
          revocation: {
            whenStale: 'refuse',
            store: {},
            backchannelLogout: [{ provider: 'main', clientId: 'shop', path: PATH }],
          },
          routes: [{ id: 'app', path: '/**', streams: { onExpiry: 'keep' } }],
        }),
      ),
    )
    for (const each of gateways) atEnd(each.close)
    first = gateways[0]
    const oidc = provider.begin() as unknown as Clients
    const ask = async (token: string) =>
      Promise.all(gateways.map(async each => (await each.request('/x', { headers: bearer(token) })).status))

    const seconds = Math.floor(Date.now() / 1000)
    const session = await provider.mint({ sub: 'alice', sid: 's1', iat: seconds - 5 })
    const other = await provider.mint({ sub: 'alice', sid: 's2', iat: seconds - 5 })
    await expect.poll(() => ask(session), SOON).toEqual([200, 200, 200])
    const open = await Promise.all(gateways.map(({ url }) => openWebSocket(`${url}/x`, { token: session })))
    const ends = Promise.all(open.map(closing))

    const client = await oidc.Client.find('shop')
    await client.backchannelLogout('alice', 's1')

    await expect.poll(() => ask(session), SOON).toEqual([401, 401, 401])
    expect(await ends).toEqual(open.map(() => ({ code: 1008, reason: 'the access token was revoked' })))
    expect(await ask(other)).toEqual([200, 200, 200])
    // Keycloak gives the next login the same session id (keycloak#32197).
    const login = () => provider.mint({ sub: 'alice', sid: 's1', iat: Math.floor(Date.now() / 1000) })
    await expect.poll(async () => ask(await login()), SOON).toEqual([200, 200, 200])
    expect(await ask(session)).toEqual([401, 401, 401])
    expect(await first?.logged({ route: '(revocation)' })).toMatchObject({ status: 200 })
    const metrics = await first?.metrics()
    expect(metrics?.get('sallyport_revocation_events_total{source="logout",result="applied"}')).toBe(1)
  })
})
