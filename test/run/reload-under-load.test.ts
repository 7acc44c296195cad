/** Fifty reloads between two policies while requests run: none fails, and none sees a part of each. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Agent, request } from 'undici'
import { expect, test } from 'vitest'
import { bearer, testProvider } from '../support/gateway/gateway.ts'
import { startGatewayOnFile } from '../support/gateway/gateway-process.ts'
import { startTestIssuer } from '../support/services/issuer.ts'
import { startTestUpstream } from '../support/services/upstream.ts'

const RELOADS = 50
const CONNECTIONS = 16

test('50 reloads under load: no request fails, none sees a mixture', { timeout: 120_000 }, async () => {
  const issuer = await startTestIssuer()
  const [one, two] = [await startTestUpstream(), await namedUpstream()]
  /**
   * What differs: the service, the headers it gets, whether the other policy's header is stripped, and which scope
   * opens which route. A request that met parts of both would show a pair that neither policy makes.
   */
  const policy = (name: 'one' | 'two') => ({
    providers: { main: testProvider(issuer) },
    upstreams: { app: name === 'one' ? one.url : two.url },
    identity: { headers: { [`X-Policy-${name}`]: 'sub', [`X-Also-${name}`]: 'scope' }, reserved: [`X-Only-${name}-*`] },
    routes: [
      { id: 'all', path: '/**', require: { scopes: ['read'] } },
      { id: 'door', path: '/door', require: { scopes: [name] } },
    ],
  })
  const gateway = await startGatewayOnFile(policy('one'))
  await gateway.logged({ provider: 'main', to: 'fresh' })
  const tokens = await Promise.all(
    Array.from({ length: 20 }, (_, index) => issuer.mint({ sub: `user-${index}`, scope: 'read one' })),
  )
  const agent = new Agent({ connections: CONNECTIONS })
  const seen = new Map<string, number>()
  let isOver = false

  const client = async (number: number): Promise<void> => {
    for (let turn = number; !isOver; turn += 1) {
      const isDoor = turn % 3 === 0
      const { statusCode, body } = await request(gateway.url + (isDoor ? '/door' : '/any'), {
        dispatcher: agent,
        method: turn % 2 === 0 ? 'GET' : 'POST',
        body: turn % 2 === 0 ? null : 'a body',
        headers: { ...bearer(tokens[turn % tokens.length] ?? ''), 'x-only-one-a': 'x', 'x-only-two-a': 'x' },
      })
      const text = await body.text()
      const what = statusCode === 200 ? marks(text) : `refused: ${(JSON.parse(text) as { code: string }).code}`
      const key = `${isDoor ? 'door' : 'any'} ${what}`
      seen.set(key, (seen.get(key) ?? 0) + 1)
    }
  }
  const load = Promise.all(Array.from({ length: CONNECTIONS }, (_, number) => client(number)))
  for (let reload = 1; reload <= RELOADS; reload += 1) {
    gateway.write('sallyport.yaml', policy(reload % 2 === 1 ? 'two' : 'one'))
    await Promise.race([gateway.logged({ msg: 'configuration reloaded' }, reload), load])
  }
  isOver = true
  await load

  const one_ = 'x-also-one x-only-two-a x-policy-one, at one'
  const two_ = 'x-also-two x-only-one-a x-policy-two, at two'
  expect(new Set(seen.keys())).toEqual(
    new Set([`any ${one_}`, `any ${two_}`, `door ${one_}`, 'door refused: scope_missing']),
  )
  const total = [...seen.values()].reduce((sum, count) => sum + count, 0)
  let metrics = await gateway.metrics()
  // A request is counted a moment after its answer has arrived.
  while (requestsIn(metrics) < total) metrics = await gateway.metrics()
  expect(requestsIn(metrics)).toBe(total)
  expect(total).toBeGreaterThan(RELOADS * CONNECTIONS)
  expect(metrics.get('sallyport_config_reloads_total{result="success"}')).toBe(RELOADS)
  expect(metrics.get('sallyport_config_reloads_total{result="failure"}')).toBe(0)
  // Fetched once, verified once each, and not a connection per reload.
  expect(metrics.get('sallyport_jwks_fetches_total{provider="main",result="ok"}')).toBe(1)
  const cache = (result: string) => metrics.get(`sallyport_token_cache_total{provider="main",result="${result}"}`) ?? 0
  expect(cache('miss')).toBe(tokens.length)
  expect(cache('stale')).toBe(0)
  expect(one.sockets.size).toBeLessThanOrEqual(CONNECTIONS)

  await agent.destroy()
  await gateway.stop()
  await Promise.all([issuer.close(), one.close(), two.close()])
})

function requestsIn(metrics: ReadonlyMap<string, number>): number {
  const counts = [...metrics].filter(([series]) => series.startsWith('sallyport_requests_total{'))
  return counts.reduce((sum, [, count]) => sum + count, 0)
}

/** Which identity and reserved headers arrived, and where. */
function marks(text: string): string {
  const { headers, at = 'one' } = JSON.parse(text) as { headers: Record<string, string>; at?: string }
  const names = Object.keys(headers).filter(name => /^x-(policy|also|only)-/.test(name))
  return `${names.sort().join(' ')}, at ${at}`
}

/** The echo of {@link startTestUpstream}, with a name in it. */
async function namedUpstream() {
  const server = createServer((incoming, response) => {
    incoming.resume().once('end', () => response.end(JSON.stringify({ headers: incoming.headers, at: 'two' })))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
