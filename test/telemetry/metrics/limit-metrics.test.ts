/** Prometheus sees what rate limits count, from 0, through reloads that change a limit or take it away. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { type Scheduler, systemScheduler } from '../../../src/lib/scheduler.ts'
import { exposition, familiesOf } from '../../../src/telemetry/metrics/exposition.ts'
import { createMetrics } from '../../../src/telemetry/metrics/metrics.ts'
import { atEnd } from '../../support/at-end.ts'
import { bearer, startTestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { manualTime } from '../../support/manual-time.ts'
import { startTestIssuer, type TestIssuer } from '../../support/services/issuer.ts'
import { startStoreServer } from '../../support/services/store-server.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

/** The memory of proofs uses the store, too. */
const DPOP = { baseUrls: ['https://api.example.com'], replay: { store: true, whenUnavailable: 'local' } }
const SOON = { timeout: 20_000 } as const
/** A limit that no policy has is kept for a minute. */
const LINGER_MS = 60_000

type Found = Readonly<Record<string, number>>

/** @returns the series of limits, without their common beginning and buckets of times */
function ofLimits(metrics: ReadonlyMap<string, number>): Found {
  const ours = [...metrics].filter(([series]) => /^sallyport_rate_limit_(?!\w+_bucket)/.test(series))
  return Object.fromEntries(ours.map(([series, value]) => [series.replace('sallyport_rate_limit_', ''), value]))
}

function decisions(limit: string, counts: Readonly<Record<string, number>> = {}): Found {
  const results = { ok: 0, limited: 0, reported: 0, unavailable: 0, ...counts }
  return Object.fromEntries(
    Object.entries(results).map(([result, count]) => [`decisions_total{limit="${limit}",result="${result}"}`, count]),
  )
}

let issuer: TestIssuer
let upstream: TestUpstream
beforeAll(async () => {
  ;[issuer, upstream] = await Promise.all([startTestIssuer(), startTestUpstream()])
})
afterAll(async () => {
  await Promise.all([issuer.close(), upstream.close()])
})

function configOf(rateLimits: Readonly<Record<string, unknown>>, config: Readonly<Record<string, unknown>> = {}) {
  const names = Object.keys(rateLimits)
  return {
    providers: { main: testProvider(issuer) },
    upstreams: { app: upstream.url },
    ...(names.length > 0 && { rateLimits }),
    routes: [
      { id: 'all', path: '/**', ...(names.length > 0 && { rateLimits: names }) },
      { id: 'report', path: '/report', mode: 'report', ...(names.length > 0 && { rateLimits: names }) },
    ],
    ...config,
  }
}

async function startLimited(rateLimits: Readonly<Record<string, unknown>>, config?: Readonly<Record<string, unknown>>) {
  const time = manualTime()
  // What lingers waits for the test, and everything else goes its way.
  const after: Scheduler['after'] = (delayMs, task) =>
    delayMs < LINGER_MS ? systemScheduler.after(delayMs, task) : time.after(delayMs, task)
  const gateway = await startTestGateway(configOf(rateLimits, config), { scheduler: { after } })
  atEnd(gateway.close)
  await gateway.logged({ provider: 'main', to: 'fresh' })
  return {
    ...gateway,
    time,
    series: async () => ofLimits(await gateway.metrics()),
    async ask(sub: string, path = '/a') {
      return (await gateway.request(path, { headers: bearer(await issuer.mint({ sub })) })).status
    },
    async reload(next: Readonly<Record<string, unknown>>) {
      gateway.write(
        'sallyport.yaml',
        stringify({ listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, ...configOf(next, config) }),
      )
      await gateway.running.reload()
    },
  }
}

const SLOW = { rate: '1/m', burst: 2, key: ['claims.sub'] }

describe('a limit', () => {
  test('has series from the start, all 0, and none of what it does not do', async () => {
    const { series } = await startLimited({ one: SLOW })
    expect(await series()).toEqual({
      ...decisions('one'),
      'evictions_total{limit="one"}': 0,
      'keys{limit="one"}': 0,
    })
  })

  test('counts what passes, what is refused, what a route only reports, and keys that made room', async () => {
    const { ask, series } = await startLimited({ one: { ...SLOW, entries: 2 } })
    expect([await ask('a'), await ask('a'), await ask('a'), await ask('a', '/report')]).toEqual([200, 200, 429, 200])
    expect([await ask('b'), await ask('c')]).toEqual([200, 200])
    expect(await series()).toEqual({
      ...decisions('one', { ok: 4, limited: 1, reported: 1 }),
      'evictions_total{limit="one"}': 1,
      'keys{limit="one"}': 2,
    })
  })

  test('goes on counting where it was when a reload changes it, while the one before ends and after it', async () => {
    const { ask, series, reload, time } = await startLimited({ one: SLOW })
    expect(await ask('a')).toBe(200)
    await reload({ one: { ...SLOW, burst: 3 } })
    expect(await ask('a')).toBe(200)
    expect(await series()).toMatchObject(decisions('one', { ok: 2 }))
    await time.advance(LINGER_MS)
    expect(await ask('a')).toBe(200)
    expect(await series()).toEqual({
      ...decisions('one', { ok: 3 }),
      'evictions_total{limit="one"}': 0,
      'keys{limit="one"}': 1,
    })
  })

  test('goes on counting when a change is taken back before the one in between has ended', async () => {
    const { ask, series, reload, time } = await startLimited({ one: SLOW })
    expect(await ask('a')).toBe(200)
    await reload({ one: { ...SLOW, burst: 3 } })
    await reload({ one: SLOW })
    await time.advance(LINGER_MS)
    expect(await ask('b')).toBe(200)
    expect(await series()).toEqual({
      ...decisions('one', { ok: 2 }),
      'evictions_total{limit="one"}': 0,
      'keys{limit="one"}': 2,
    })
  })

  test('has no series any more a minute after a reload took it away, and begins at 0 when it comes back', async () => {
    const { ask, series, reload, time } = await startLimited({ one: SLOW, two: SLOW })
    expect(await ask('a')).toBe(200)
    await reload({ two: SLOW })
    expect(await series()).toMatchObject(decisions('one', { ok: 1 }))
    await time.advance(LINGER_MS)
    const left = Object.keys(await series())
    expect(left.filter(name => name.includes('limit="one"'))).toEqual([])
    expect(left).toContain('keys{limit="two"}')
    await reload({ one: SLOW, two: SLOW })
    expect(await series()).toMatchObject({ ...decisions('one'), 'keys{limit="one"}': 0 })
  })
})

test.skipIf(process.env.WITHOUT_STORES === '1')(
  'a limit that the store shares also counts how telling it goes, and what is refused without it',
  async () => {
    const server = await startStoreServer()
    atEnd(server.stop)
    const limits = {
      shared: { rate: '100/s', key: ['claims.sub'], store: true },
      strict: { rate: '100/s', key: ['claims.sub'], store: true, onFailure: 'refuse' },
      alone: { rate: '100/s', key: ['claims.sub'] },
    }
    const gateway = await startTestGateway(configOf(limits, { store: { url: server.url }, dpop: DPOP }))
    atEnd(gateway.close)
    const series = async () => ofLimits(await gateway.metrics())
    const ask = async () => (await gateway.request('/a', { headers: bearer(await issuer.mint()) })).status
    await gateway.logged({ msg: 'rate limits are shared by the store' })
    const begun = await series()
    for (const limit of ['shared', 'strict'])
      expect(begun).toMatchObject({
        [`syncs_total{limit="${limit}",result="ok"}`]: 0,
        [`syncs_total{limit="${limit}",result="error"}`]: 0,
        [`sync_duration_seconds_count{limit="${limit}"}`]: 0,
      })
    expect(Object.keys(begun).filter(name => /^sync.*"alone"/.test(name))).toEqual([])

    expect(await ask()).toBe(200)
    await expect
      .poll(series, SOON)
      .toMatchObject({ 'syncs_total{limit="shared",result="ok"}': 1, 'sync_duration_seconds_count{limit="shared"}': 1 })

    await server.kill()
    await gateway.logged({ msg: 'rate limits cannot be shared' })
    expect(await ask()).toBe(503)
    const after = await series()
    expect(after).toMatchObject(decisions('strict', { ok: 1, unavailable: 1 }))
    // What one limit refuses, no other counts.
    expect(after).toMatchObject(decisions('shared', { ok: 1 }))
  },
  60_000,
)

test('a limit that begins to share, and ends to do so, has the series of that time only', async () => {
  const { registry, limits } = createMetrics({ version: '0', node: '0', cacheResults: [], fetchResults: [] })
  const syncs = async () => {
    const text = (await Array.fromAsync(exposition(familiesOf(registry)))).join('')
    return text
      .split('\n')
      .filter(line => /^sallyport_rate_limit_sync\w+{.*result="ok"|_duration_seconds_count{limit/.test(line))
  }
  const [alone, shared, again] = [{ keys: 1 }, { keys: 2 }, { keys: 3 }]
  limits.held('one', alone, 'alone')
  expect(await syncs()).toEqual([])
  limits.held('one', shared, 'shares')
  limits.synced('one', 'ok', 5)
  limits.ended('one', alone)
  expect(await syncs()).toEqual([
    'sallyport_rate_limit_syncs_total{limit="one",result="ok"} 1',
    'sallyport_rate_limit_sync_duration_seconds_count{limit="one"} 1',
  ])
  limits.held('one', again, 'alone')
  // The one before has something left to tell.
  limits.synced('one', 'ok', 5)
  expect(await syncs()).toContain('sallyport_rate_limit_sync_duration_seconds_count{limit="one"} 2')
  limits.ended('one', shared)
  expect(await syncs()).toEqual([])
})
