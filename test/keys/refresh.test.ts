import { describe, expect, test } from 'vitest'
import { conditional, json, startKeyServer, status } from '../support/services/key-server.ts'
import { ecJwk, es256, selectNow, startedKeySet, TUNING } from './support.ts'

describe('refresh', () => {
  test('happens in the background before it is due, while requests are served from memory', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const source = { type: 'jwksUri', url: server.url, ...TUNING } as const
    const { keySet, advance } = await startedKeySet(source, { random: () => 0.999 })
    await advance(TUNING.refreshMs * 0.8)
    expect(server.requests).toHaveLength(1)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    await advance(TUNING.refreshMs * 0.01)
    expect(server.requests).toHaveLength(2)
  })

  test('a request for a key in hand does not wait for a refresh on its way', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, time } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    server.answer(() => {})
    await time.advance(TUNING.refreshMs)
    await server.received(2)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('an unchanged set is asked for with its ETag and stays in force as it is', async () => {
    const server = await startKeyServer()
    server.answer(conditional({ keys: [ecJwk('k1')] }, '"v1"'))
    const { keySet, advance, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    const [key] = selectNow(keySet, es256('k1'))
    const before = keySet.status().lastSuccessSeconds ?? 0
    await advance(TUNING.refreshMs)
    expect(server.requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"v1"'])
    expect(seen.fetches.map(({ result }) => result)).toEqual(['ok', 'not_modified'])
    expect(selectNow(keySet, es256('k1'))[0]).toBe(key)
    expect(keySet.status().lastSuccessSeconds).toBe(before + TUNING.refreshMs / 1_000)
  })

  test('304 counts as hearing from the provider: staleness starts anew', async () => {
    const server = await startKeyServer()
    server.answer(conditional({ keys: [ecJwk('k1')] }, '"v1"'))
    const source = { type: 'jwksUri', url: server.url, ...TUNING, maxStaleMs: TUNING.refreshMs } as const
    const { keySet, advance } = await startedKeySet(source)
    await advance(TUNING.refreshMs * 10 + 1)
    expect(keySet.status().usable).toBe(true)
  })

  test('304 to an unconditional request is a failure', async () => {
    const server = await startKeyServer()
    server.answer(status(304))
    const { keySet, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    expect(seen.fetches[0]?.result).toBe('http_status')
    expect(keySet.status().usable).toBe(false)
  })

  test('the ETag of an answer that was refused is not used', async () => {
    const server = await startKeyServer()
    const source = { type: 'jwksUri', url: server.url, ...TUNING } as const
    server.answer(conditional({ nothing: 'useful' }, '"bad"'))
    const { advance, seen } = await startedKeySet(source)
    await advance(1_000)
    expect(server.requests[1]?.headers['if-none-match']).toBeUndefined()
    expect(seen.fetches.map(({ result }) => result)).toEqual(['invalid', 'invalid'])
  })

  test.each([
    ['max-age=60', 60_000],
    ['public, max-age=120, must-revalidate', 120_000],
    ['max-age=1', TUNING.cooldownMs],
    ['no-store', TUNING.cooldownMs],
    ['max-age=999999999999999999999', TUNING.refreshMs],
    ['max-age=-5', TUNING.refreshMs],
    ['s-maxage=60', TUNING.refreshMs],
    ['nonsense', TUNING.refreshMs],
  ])('Cache-Control %s is respected between the cooldown and the refresh: %i ms', async (cacheControl, expectedMs) => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }, { 'cache-control': cacheControl }))
    const { time } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    expect(time.pendingMs()).toEqual([expectedMs])
  })

  test('keys are refreshed before they are too old to serve, however long the refresh', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const source = { type: 'jwksUri', url: server.url, ...TUNING, maxStaleMs: 120_000 } as const
    const { time } = await startedKeySet(source)
    expect(time.pendingMs()).toEqual([120_000])
  })

  test('Age is taken off max-age', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }, { 'cache-control': 'max-age=240', age: '100' }))
    const { time } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    expect(time.pendingMs()).toEqual([140_000])
  })

  test('failures back off to 30 s, and jitter only brings attempts forward', async () => {
    const server = await startKeyServer()
    server.answer(status(500))
    const source = { type: 'jwksUri', url: server.url, ...TUNING } as const
    const delays = async (random: () => number): Promise<number[]> => {
      const { time, advance } = await startedKeySet(source, { random })
      const seen: number[] = []
      for (let attempt = 0; attempt < 8; attempt++) {
        const [delayMs = 0] = time.pendingMs()
        seen.push(Math.round(delayMs))
        await advance(delayMs)
      }
      return seen
    }
    expect(await delays(() => 0)).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000])
    expect(await delays(() => 0.5)).toEqual([900, 1_800, 3_600, 7_200, 14_400, 27_000, 27_000, 27_000])
  })

  test('one log line per change of state, not per attempt', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1'), null] }))
    const source = { type: 'jwksUri', url: server.url, ...TUNING, maxStaleMs: 600_000 } as const
    const { advance, seen } = await startedKeySet(source)
    await advance(TUNING.refreshMs)
    server.answer(status(500))
    await advance(60 * 60_000)
    server.answer(json({ keys: [ecJwk('k1')] }))
    await advance(60 * 60_000)
    expect(seen.fetches.length).toBeGreaterThan(100)
    expect(seen.states).toEqual([
      { provider: 'main', from: 'starting', to: 'fresh', keys: 1, skipped: { malformed: 1 }, reason: undefined },
      expect.objectContaining({ from: 'fresh', to: 'stale', reason: `${server.url} answered 500` }),
      expect.objectContaining({ from: 'stale', to: 'unavailable' }),
      expect.objectContaining({ from: 'unavailable', to: 'fresh', skipped: {} }),
    ])
  })

  test('each attempt reports result, duration, keys and the last success', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1'), ecJwk('k2')] }))
    const { seen, time } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    expect(seen.fetches).toEqual([
      { provider: 'main', result: 'ok', durationSeconds: 0, keys: 2, lastSuccessSeconds: time.nowMs() / 1_000 },
    ])
  })
})
