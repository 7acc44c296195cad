/** Several processes behind one listener count together where there is no store. */
import { expect, test } from 'vitest'
import { sharedLimits } from '../../../src/run/workers/shared-limits.ts'
import { manualTime } from '../../support/manual-time.ts'
import { requests, startWorkers, until } from './support.ts'

const [WORKERS, BURST] = [4, 8]
const OK = 'sallyport_rate_limit_decisions_total{limit="all",result="ok"}'
const TOLD = 'sallyport_rate_limit_syncs_total{limit="all",result="ok"}'

test('four workers let through what the limit says, and the end of one gives nobody a new quota', async () => {
  const { gateway, pids } = await startWorkers({
    workers: WORKERS,
    log: { access: 'off' },
    rateLimits: { all: { rate: '1/h', burst: BURST, key: ['client'], sync: '10ms' } },
    routes: [{ id: 'all', path: '/**', access: 'public', rateLimits: ['all'] }],
  })
  /** Sends one request and waits until the primary knows of it. @returns whether it passed */
  let told = 0
  const passes = async (): Promise<boolean> => {
    const [status] = await requests(gateway.url, 1)
    if (status !== 200) return false
    const found = await until(gateway.metrics, metrics => (metrics.get(TOLD) ?? 0) > told)
    told = found.get(TOLD) ?? 0
    return true
  }
  const passing = async (count: number): Promise<number> => {
    let passed = 0
    for (let sent = 0; sent < count; sent += 1) if (await passes()) passed += 1
    return passed
  }
  // Every worker learns what the others have spent when it tells what it has: the last request of each may be too many.
  const first = await passing(BURST + 10 * WORKERS)
  expect(first).toBeGreaterThanOrEqual(BURST)
  expect(first).toBeLessThan(BURST + WORKERS)
  expect((await gateway.metrics()).get(OK)).toBe(first)
  expect(await passing(WORKERS)).toBe(0)

  const [victim] = await pids()
  process.kill(Number(victim), 'SIGKILL')
  await until(pids, found => found.length === WORKERS && !found.includes(Number(victim)))
  // The one that took its place lets one pass, and hears then what was spent.
  expect(await passing(10 * WORKERS)).toBeLessThanOrEqual(1)
})

test('the primary keeps as many keys of a limit as a worker, and forgets limits that are gone', async () => {
  const time = manualTime()
  const limits = sharedLimits(time)
  const spend = (limit: string, name: string) =>
    limits.spent({ limit, entries: 2, debits: [{ name, spentMs: 48 * 3_600_000, sinceMs: 0 }] })[0] ?? 0
  expect(spend('a', 'x')).toBe(48 * 3_600_000)
  expect(spend('b', 'x')).toBe(48 * 3_600_000)
  expect(spend('a', 'x')).toBe(96 * 3_600_000)
  for (const name of ['y', 'z', 'v', 'w']) spend('a', name)
  expect(spend('a', 'y')).toBe(48 * 3_600_000)
  await time.advance(25 * 3_600_000)
  spend('c', 'x')
  expect(limits.size).toBe(1)
})
