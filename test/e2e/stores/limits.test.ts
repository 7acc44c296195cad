/** Limits that gateways share by a real store: together they let through what the limit says, and never wait for it. */
import { Agent, request } from 'undici'
import { afterEach, describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/lib/clock.ts'
import { atEnd } from '../../support/at-end.ts'
import { type GatewayParts, startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { startGatewayOnFile } from '../../support/gateway/gateway-process.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { type StoreServer, startStoreServer } from '../../support/services/store-server.ts'
import { startTestUpstream } from '../../support/services/upstream.ts'
import { SOON, WITHOUT_STORES } from './support.ts'

/** Loops of requests at each of four gateways, one after the other in each loop. */
const UNEVEN = [12, 4, 1, 1]
const [RATE, BURST] = [25, 20]

let store: StoreServer
async function startStore(options?: Parameters<typeof startStoreServer>[0]): Promise<StoreServer> {
  store = await startStoreServer(options)
  atEnd(store.stop)
  return store
}
afterEach(() => store.resume())

/** All that the ledger has of one key: how far ahead it was, and when, in microseconds of the store's clock. */
async function aheadMs(): Promise<number> {
  const [key] = (await store.command('KEYS', '{sallyport}:limit:*')) as readonly string[]
  const value = key === undefined ? null : ((await store.command('GET', key)) as string | null)
  const [seconds = 0, micros = 0] = ((await store.command('TIME')) as readonly string[]).map(Number)
  const [far = 0, at = 0] = value?.split(' ').map(Number) ?? []
  return Math.max(0, (far - (seconds * 1e6 + micros - at)) / 1_000)
}

describe.skipIf(WITHOUT_STORES)('four gateways that are flooded unevenly', () => {
  test('let through together what the limit says, and owe what is more', { timeout: 60_000 }, async () => {
    await startStore()
    const upstream = await startTestUpstream()
    atEnd(upstream.close)
    const gateways = await Promise.all(
      UNEVEN.map(async () => {
        const gateway = await startGatewayOnFile({
          upstreams: { app: upstream.url },
          store: { url: store.url, timeout: '30s' },
          log: { access: 'off' },
          rateLimits: { all: { rate: `${RATE}/s`, burst: BURST, key: ['client'], store: true, onFailure: 'refuse' } },
          routes: [{ id: 'all', path: '/**', access: 'public', rateLimits: ['all'] }],
        })
        atEnd(gateway.stop)
        return gateway
      }),
    )
    await expect
      .poll(async () => Promise.all(gateways.map(async each => (await each.metrics()).get('sallyport_store_up'))), SOON)
      .toEqual([1, 1, 1, 1])
    const dispatcher = new Agent({ connections: null })
    atEnd(() => dispatcher.destroy())
    const statuses = new Map<number, number>()
    let isOver = false
    const loop = async (url: string): Promise<void> => {
      while (!isOver) {
        const { statusCode, body } = await request(url, { dispatcher })
        await body.dump()
        statuses.set(statusCode, (statuses.get(statusCode) ?? 0) + 1)
      }
    }
    const startedMs = systemClock.monotonicMs()
    const loops = gateways.flatMap(({ url }, index) => Array.from({ length: UNEVEN[index] ?? 0 }, () => loop(url)))
    await new Promise(resolve => setTimeout(resolve, 6_000))
    isOver = true
    await Promise.all(loops)
    const seconds = (systemClock.monotonicMs() - startedMs) / 1_000
    const passed = statuses.get(200) ?? 0
    // What is still to be told is told at the end, so that the ledger knows of every request by then.
    for (const { process: running } of gateways) running.child.kill('SIGTERM')
    expect(await Promise.all(gateways.map(({ process: running }) => running.exited))).toEqual([0, 0, 0, 0])
    const lateMs = Math.max(0, (await aheadMs()) - (1_000 * BURST) / RATE)
    const toldAfterSeconds = (systemClock.monotonicMs() - startedMs) / 1_000
    expect(statuses.get(429)).toBeGreaterThan(0)
    expect(passed).toBeLessThanOrEqual((BURST + RATE * (toldAfterSeconds + lateMs / 1_000)) * 1.03)
    expect(passed).toBeGreaterThanOrEqual(0.7 * RATE * seconds)
  })
})

interface Shared {
  readonly gateways: readonly TestGateway[]
  /** The status of a request to each gateway in turn, until all have answered. */
  statuses(path: string, count: number): Promise<readonly number[]>
}

async function startShared(timeout: string, parts: readonly GatewayParts[]): Promise<Shared> {
  const upstream = await startTestUpstream()
  atEnd(upstream.close)
  const rate = { rate: '1/h', burst: 10, key: ['client'], store: true, sync: '10ms' }
  const gateways = await Promise.all(
    parts.map(async each => {
      const gateway = await startTestGateway(
        {
          upstreams: { app: upstream.url },
          store: { url: store.url, timeout },
          rateLimits: {
            local: rate,
            refuse: { ...rate, onFailure: 'refuse' },
            exact: { ...rate, sync: undefined, exact: true },
            'exact-refuse': { ...rate, sync: undefined, exact: true, onFailure: 'refuse' },
          },
          routes: ['local', 'refuse', 'exact', 'exact-refuse'].map(id => ({
            ...{ id, path: `/${id}/**`, access: 'public', rateLimits: [id] },
          })),
        },
        each,
      )
      atEnd(gateway.close)
      await expect.poll(async () => (await gateway.metrics()).get('sallyport_store_up'), SOON).toBe(1)
      return gateway
    }),
  )
  return {
    gateways,
    async statuses(path, count) {
      const found: number[] = []
      for (let sent = 0; sent < count; sent += 1)
        found.push((await gateways[sent % gateways.length]?.request(path))?.status ?? 0)
      return found
    },
  }
}

const times = (count: number, status: number): readonly number[] => Array(count).fill(status)

describe.skipIf(WITHOUT_STORES)('while the store is stopped', () => {
  test('no request waits for it, and each process lets pass no more than the limit', async () => {
    await startStore()
    // Nobody can wait for an answer that may take as long as this.
    const { statuses } = await startShared('30s', [{}])
    store.pause()
    expect(await statuses('/local/x', 15)).toEqual([...times(10, 200), ...times(5, 429)])
    expect(await statuses('/refuse/x', 15)).toEqual([...times(10, 200), ...times(5, 429)])
  })

  test('each limit does what it says once that is known, and counts with the others afterwards', async () => {
    await startStore()
    const { gateways, statuses } = await startShared('100ms', [{}])
    const [gateway] = gateways
    store.pause()
    expect(await statuses('/local/x', 1)).toEqual([200])
    await expect.poll(async () => (await gateway?.metrics())?.get('sallyport_store_up'), SOON).toBe(0)
    expect(await statuses('/local/x', 12)).toEqual([...times(9, 200), ...times(3, 429)])
    expect(await statuses('/exact/x', 12)).toEqual([...times(10, 200), ...times(2, 429)])
    for (const path of ['/refuse/x', '/exact-refuse/x']) {
      const reply = await gateway?.request(path)
      expect([reply?.status, reply?.json().code]).toEqual([503, 'rate_limit_unavailable'])
    }
    store.resume()
    await expect.poll(async () => (await gateway?.request('/refuse/x'))?.status, SOON).toBe(200)
    expect(await statuses('/exact-refuse/x', 12)).toEqual([...times(10, 200), ...times(2, 429)])
    expect(await statuses('/local/x', 1)).toEqual([429])
  })

  test('a limit that is exact waits no longer than the time limit of the store, and then does what it says', async () => {
    await startStore()
    const { statuses } = await startShared('100ms', [{}])
    store.pause()
    expect(await statuses('/exact/x', 12)).toEqual([...times(10, 200), ...times(2, 429)])
    store.resume()
    await expect.poll(() => statuses('/exact-refuse/x', 1), SOON).toEqual([200])
    store.pause()
    expect(await statuses('/exact-refuse/x', 2)).toEqual([503, 503])
  })
})

test.skipIf(WITHOUT_STORES)(
  'before the store was there, a limit that may not count alone lets nothing pass',
  async () => {
    const upstream = await startTestUpstream()
    atEnd(upstream.close)
    await startStore()
    const gateway = await startTestGateway({
      upstreams: { app: upstream.url },
      store: { url: 'redis://127.0.0.1:1' },
      rateLimits: { all: { rate: '1/h', key: ['client'], store: true, onFailure: 'refuse' } },
      routes: [{ id: 'all', path: '/**', access: 'public', rateLimits: ['all'] }],
    })
    atEnd(gateway.close)
    expect((await gateway.request('/x')).json().code).toBe('rate_limit_unavailable')
  },
)

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('a limit that is exact, on %s', kind => {
  test('is exact to the request over two gateways, whatever their clocks say', async () => {
    await startStore({ kind })
    const offMs = 3_600_000
    const clock = {
      nowMs: () => systemClock.nowMs() + offMs,
      monotonicMs: () => systemClock.monotonicMs() + offMs,
    }
    const { gateways } = await startShared('10s', [{}, { clock }])
    const replies = await Promise.all(
      Array.from({ length: 40 }, (_, index) => gateways[index % 2]?.request('/exact/x')),
    )
    expect(replies.filter(reply => reply?.status === 200)).toHaveLength(10)
    expect(replies.filter(reply => reply?.status === 429)).toHaveLength(30)
  })
})
