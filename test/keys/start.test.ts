import { describe, expect, test } from 'vitest'
import { hang, json, startKeyServer } from '../support/services/key-server.ts'
import { ecJwk, es256, outcome, refusedNow, selectNow, startedKeySet, startKeySet, TUNING } from './support.ts'

describe('start', () => {
  test('a provider that is down refuses with 503 and Retry-After, and heals within one retry interval', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    await server.down()
    const { keySet, advance, time, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    expect(keySet.status()).toMatchObject({ usable: false, keys: [], lastSuccessSeconds: undefined })
    expect(keySet.status().lastError).toContain('ECONNREFUSED')

    const refusal = refusedNow(keySet, es256('k1'))
    expect(refusal.code).toBe('keys_unavailable')
    expect(refusal.provider).toBe('main')
    expect(refusal.retryAfterSeconds).toBe(1)

    await advance(10 * 60_000)
    expect(time.pendingMs()[0]).toBeLessThanOrEqual(30_000)
    await server.up()
    await advance(30_000)
    expect(selectNow(keySet, es256('k1')).map(({ kid }) => kid)).toEqual(['k1'])
    expect(keySet.status()).toMatchObject({ usable: true, lastError: undefined })
    expect(seen.states.map(({ from, to }) => [from, to])).toEqual([
      ['starting', 'unavailable'],
      ['unavailable', 'fresh'],
    ])
  })

  test('Retry-After names the next attempt', async () => {
    const server = await startKeyServer()
    await server.down()
    const { keySet, advance } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    await advance(60_000)
    // Attempts come at 0, 1, 3, 7, 15, 31 and then every 30 s, so the next one is at 61.
    expect(refusedNow(keySet, es256('k1')).retryAfterSeconds).toBe(1)
    await advance(1_000)
    expect(refusedNow(keySet, es256('k1')).retryAfterSeconds).toBe(30)
  })

  test('requests wait for the first answer of a slow provider together, with one fetch', async () => {
    const server = await startKeyServer()
    const k1 = ecJwk('k1')
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    server.answer((request, response) => void released.then(() => json({ keys: [k1] })(request, response)))
    const { keySet } = startKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    const waiting = Array.from({ length: 1_000 }, () => outcome(keySet, es256('k1')))
    await server.received(1)
    release()
    expect(new Set((await Promise.all(waiting)).flat() as string[])).toEqual(new Set(['k1']))
    expect(server.requests).toHaveLength(1)
  })

  test('a provider that hangs holds requests for the fetch timeout at most, then they are refused at once', async () => {
    const server = await startKeyServer()
    server.answer(hang)
    const { keySet, time, lease, seen } = startKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    const waiting = outcome(keySet, es256('k1'))
    await server.received(1)
    await time.advance(TUNING.timeoutMs)
    expect(await waiting).toBe('keys_unavailable')
    await lease.ready()
    expect(seen.fetches.map(({ result }) => result)).toEqual(['timeout'])

    // The retry is on its way and hangs, too: nobody waits for it.
    await time.advance(1_000)
    await server.received(2)
    expect(refusedNow(keySet, es256('k1')).code).toBe('keys_unavailable')
  })

  test('a key set that was closed asks nobody and refuses with 503', async () => {
    const server = await startKeyServer()
    const { keySet, registry } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    await registry.close()
    expect(refusedNow(keySet, es256('k1')).code).toBe('keys_unavailable')
    expect(server.requests).toHaveLength(1)
  })

  test('close ends a hanging fetch, the requests that wait for it, and every timer and socket', async () => {
    const server = await startKeyServer()
    server.answer(hang)
    const { keySet, registry, time } = startKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    const waiting = outcome(keySet, es256('k1'))
    await server.received(1)
    await registry.close()
    expect(await waiting).toBe('keys_unavailable')
    expect(time.pendingMs()).toEqual([])
    await expect.poll(() => server.openSockets()).toBe(0)
  })

  test('one provider’s outage does not touch another', async () => {
    const [good, bad] = [await startKeyServer(), await startKeyServer()]
    good.answer(json({ keys: [ecJwk('k1')] }))
    bad.answer(hang)
    const { registry, keySet } = await startedKeySet({ type: 'jwksUri', url: good.url, ...TUNING })
    const source = { type: 'jwksUri', url: bad.url, ...TUNING } as const
    const other = registry.acquire({ provider: 'other', issuer: 'https://other.example', source })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    expect(other.value.status().usable).toBe(false)
    expect(keySet.status().usable).toBe(true)
  })
})
