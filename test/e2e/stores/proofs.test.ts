/** DPoP proofs that several gateways remember together, by a real store: none takes what another has taken. */
import { calculateThumbprint, generateKeyPair, generateProof, type KeyPair } from 'dpop'
import { describe, expect, test } from 'vitest'
import { atEnd } from '../../support/at-end.ts'
import { startTestGateway, type TestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { startTestIssuer } from '../../support/services/issuer.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { startTestUpstream } from '../../support/services/upstream.ts'
import { SOON, WITHOUT_STORES } from './support.ts'

const URL = 'https://api.example.com/app'

interface Gateways {
  readonly gateways: readonly TestGateway[]
  /** The headers of a request with a new proof. */
  proved(): Promise<Record<string, string>>
  /** Waits until every gateway says that the store is there, or is not. */
  storeIs(up: 0 | 1): Promise<void>
}

async function startGateways(store: object, replay: object = {}, count = 2): Promise<Gateways> {
  const issuer = await startTestIssuer()
  atEnd(issuer.close)
  const service = await startTestUpstream()
  atEnd(service.close)
  const keys: KeyPair = await generateKeyPair('ES256')
  const token = await issuer.mint({ cnf: { jkt: await calculateThumbprint(keys.publicKey) } })
  const gateways = await Promise.all(
    Array.from({ length: count }, async () => {
      const gateway = await startTestGateway({
        providers: { main: testProvider(issuer) },
        upstreams: { app: service.url },
        store,
        dpop: { baseUrls: ['https://api.example.com'], replay: { store: true, ...replay } },
        routes: [{ id: 'app', path: '/app' }],
      })
      atEnd(gateway.close)
      return gateway
    }),
  )
  const storeUp = async () => Promise.all(gateways.map(async each => (await each.metrics()).get('sallyport_store_up')))
  return {
    gateways,
    async proved() {
      const proof = await generateProof(keys, URL, 'GET', undefined, token)
      return { authorization: `DPoP ${token}`, dpop: proof }
    },
    storeIs: up => expect.poll(storeUp, SOON).toEqual(gateways.map(() => up)),
  }
}

async function outcome(gateway: TestGateway | undefined, headers: Record<string, string>): Promise<string> {
  const reply = await gateway?.request('/app', { headers })
  return reply?.status === 200 ? 'passes' : String(reply?.json().code)
}

async function started(options: Parameters<typeof startStoreServer>[0]): Promise<StoreServer> {
  const store = await startStoreServer(options)
  atEnd(store.stop)
  return store
}

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('gateways that share the memory of proofs by %s', kind => {
  test('take a proof once, whichever of them was asked first', async () => {
    const store = await started({ kind })
    const { gateways, proved, storeIs } = await startGateways({ url: store.url, timeout: '10s' })
    const [one, other] = gateways
    await storeIs(1)
    const proof = await proved()
    expect(await outcome(one, proof)).toBe('passes')
    expect(await outcome(other, proof)).toBe('proof_replayed')
    expect(await outcome(one, proof)).toBe('proof_replayed')
    expect(await outcome(other, await proved())).toBe('passes')
    const keys = await store.command('KEYS', '*')
    expect(keys).toHaveLength(2)
    for (const key of keys as readonly string[]) {
      expect(key).toMatch(/^\{sallyport\}:proof:[\w-]{43}$/)
      const lifeMs = Number(await store.command('PTTL', key))
      expect(lifeMs).toBeGreaterThan(0)
      expect(lifeMs).toBeLessThanOrEqual(65_000 + 5_000)
    }
  })

  test('of a hundred at once with one proof, exactly one passes', async () => {
    const store = await started({ kind })
    const { gateways, proved, storeIs } = await startGateways({ url: store.url, timeout: '10s' })
    await storeIs(1)
    const proof = await proved()
    const outcomes = await Promise.all(Array.from({ length: 100 }, (_, index) => outcome(gateways[index % 2], proof)))
    expect(outcomes.filter(each => each === 'passes')).toHaveLength(1)
    expect(new Set(outcomes)).toEqual(new Set(['passes', 'proof_replayed']))
  })

  test('refuse proofs while the store is away, with the time of another try, and take them again after that', async () => {
    const store = await started({ kind })
    const { gateways, proved, storeIs } = await startGateways({ url: store.url, timeout: '10s' }, {}, 1)
    const [gateway] = gateways
    await storeIs(1)
    await store.kill()
    await storeIs(0)
    const refused = await gateway?.request('/app', { headers: await proved() })
    expect(refused?.status).toBe(503)
    expect(refused?.json().code).toBe('replay_store_unavailable')
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused?.headers).not.toHaveProperty('www-authenticate')
    expect((await gateway?.metrics())?.get(proofs('unavailable'))).toBe(1)
    const { proofs: shown, ready } = (await gateway?.admin('/-/status'))?.json() ?? {}
    expect(shown).toMatchObject({ remembered: 1, entries: 500_000, shared: false, last_error: expect.any(String) })
    expect(ready).toBe(true)
    await store.restart()
    await storeIs(1)
    expect(await outcome(gateway, await proved())).toBe('passes')
    const told = gateway?.logs.filter(({ msg }) => /^DPoP proofs/.test(String(msg))).map(({ msg }) => msg)
    expect(told).toEqual([
      'DPoP proofs are shared by the store',
      'DPoP proofs cannot be shared',
      'DPoP proofs are shared by the store',
    ])
  })

  test('judge by the memory of the process meanwhile where that is chosen, and count it', async () => {
    const store = await started({ kind })
    const { gateways, proved, storeIs } = await startGateways(
      { url: store.url, timeout: '10s' },
      { whenUnavailable: 'local' },
      1,
    )
    const [gateway] = gateways
    await storeIs(1)
    const before = await proved()
    expect(await outcome(gateway, before)).toBe('passes')
    await store.kill()
    await storeIs(0)
    const meanwhile = await proved()
    expect(await outcome(gateway, before)).toBe('proof_replayed')
    expect(await outcome(gateway, meanwhile)).toBe('passes')
    expect(await outcome(gateway, meanwhile)).toBe('proof_replayed')
    expect((await gateway?.metrics())?.get(proofs('valid_local'))).toBe(1)
  })
})

test.skipIf(WITHOUT_STORES)('a gateway starts and refuses while the store was never there', async () => {
  const { gateways, proved } = await startGateways({ url: 'redis://127.0.0.1:1' }, {}, 1)
  expect(await outcome(gateways[0], await proved())).toBe('replay_store_unavailable')
})

function proofs(result: string): string {
  return `sallyport_proofs_total{provider="main",kind="dpop",result="${result}"}`
}
