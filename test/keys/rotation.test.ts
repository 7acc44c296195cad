import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { json, startKeyServer, status } from '../support/services/key-server.ts'
import { ecJwk, es256, outcome, refusedNow, selectNow, startedKeySet, TUNING } from './support.ts'

async function withKey(kid: string | undefined) {
  const server = await startKeyServer()
  const jwk = ecJwk(kid)
  server.answer(json({ keys: [jwk] }))
  return { server, jwk, ...(await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })) }
}

describe('rotation', () => {
  test('a new key works at once outside the cooldown, with one fetch for all who wait', async () => {
    const { server, jwk, keySet, advance } = await withKey('k1')
    await advance(TUNING.cooldownMs)
    server.answer(json({ keys: [jwk, ecJwk('k2')] }))
    const waiting = await Promise.all(Array.from({ length: 500 }, () => outcome(keySet, es256('k2'))))
    expect(waiting).toEqual(Array.from({ length: 500 }, () => ['k2']))
    expect(server.requests).toHaveLength(2)
  })

  test('within the cooldown an unknown kid is refused at once and without a fetch', async () => {
    const { server, keySet, advance, seen } = await withKey('k1')
    await advance(TUNING.cooldownMs - 1)
    expect(refusedNow(keySet, es256('k2'))).toMatchObject({ code: 'key_unknown', provider: 'main' })
    expect(server.requests).toHaveLength(1)
    expect(seen.unknownKeys).toBe(1)
  })

  test('the cooldown counts from attempts of any kind, good or bad', async () => {
    const { server, keySet, advance } = await withKey('k1')
    await advance(TUNING.refreshMs)
    expect(server.requests).toHaveLength(2)
    expect(refusedNow(keySet, es256('k2')).code).toBe('key_unknown')
    await advance(TUNING.cooldownMs)
    server.answer(status(500))
    expect(await outcome(keySet, es256('k2'))).toBe('keys_unavailable')
    server.answer(json({ keys: [ecJwk('k1')] }))
    expect(refusedNow(keySet, es256('k2')).code).toBe('keys_unavailable')
    expect(server.requests).toHaveLength(3)
  })

  test('a key that left the set is gone with the next refresh, also for verdicts it gave', async () => {
    const { server, keySet, advance } = await withKey('k1')
    const [key] = selectNow(keySet, es256('k1'))
    if (key === undefined) throw new Error('no key')
    server.answer(json({ keys: [ecJwk('k2')] }))
    await advance(TUNING.refreshMs)
    expect(keySet.isCurrent(key)).toBe(false)
    expect(refusedNow(keySet, es256('k1')).code).toBe('key_unknown')
    expect(selectNow(keySet, es256('k2'))).toHaveLength(1)
  })

  test('a key that stays keeps its object, whatever happens around it', async () => {
    const { server, jwk, keySet, advance } = await withKey('k1')
    const [key] = selectNow(keySet, es256('k1'))
    const reordered = Object.fromEntries(Object.entries(jwk).reverse())
    server.answer(json({ keys: [ecJwk('k2'), { ...reordered, x5t: 'changed' }] }))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('k1'))[0]).toBe(key)
  })

  test('the same kid with other key material, or another restriction, is another key', async () => {
    const { server, jwk, keySet, advance } = await withKey('k1')
    const [first] = selectNow(keySet, es256('k1'))
    server.answer(json({ keys: [{ ...jwk, alg: 'ES256' }] }))
    await advance(TUNING.refreshMs)
    const [second] = selectNow(keySet, es256('k1'))
    server.answer(json({ keys: [{ ...ecJwk('k1'), alg: 'ES256' }] }))
    await advance(TUNING.refreshMs)
    const [third] = selectNow(keySet, es256('k1'))
    expect(new Set([first, second, third]).size).toBe(3)
    expect([first, second].map(key => key && keySet.isCurrent(key))).toEqual([false, false])
  })

  test.each([
    ['is empty', { keys: [] }, {}],
    ['has no usable key', { keys: [{ ...ecJwk('k1'), use: 'enc' }, null] }, { not_for_signatures: 1, malformed: 1 }],
  ])('a set that %s is a failed fetch: the last good keys stay until maxStale', async (_what, document, skipped) => {
    const { server, jwk, keySet, advance, seen } = await withKey('k1')
    const [key] = selectNow(keySet, es256('k1'))
    if (key === undefined) throw new Error('no key')
    server.answer(json(document, { etag: '"empty"' }))
    await advance(TUNING.refreshMs)
    expect(keySet.isCurrent(key)).toBe(true)
    expect(selectNow(keySet, es256('k1'))).toEqual([key])
    expect(refusedNow(keySet, es256('new')).code).toBe('keys_unavailable')
    expect(keySet.status()).toMatchObject({
      usable: true,
      skipped,
      lastError: expect.stringContaining('no usable key'),
    })
    await advance(1_000)
    expect(seen.fetches.slice(-2).map(({ result }) => result)).toEqual(['no_keys', 'no_keys'])
    expect(server.requests.at(-1)?.headers['if-none-match']).toBeUndefined()
    await advance(TUNING.maxStaleMs)
    expect(refusedNow(keySet, es256('k1')).code).toBe('keys_unavailable')
    server.answer(json({ keys: [jwk] }))
    await advance(30_000)
    expect(selectNow(keySet, es256('k1'))).toEqual([key])
    expect(keySet.status()).toMatchObject({ usable: true, skipped: {}, lastError: undefined })
  })

  test('in the overlap of a rotation a token without kid is tried with both keys, the new one first', async () => {
    const { server, jwk, keySet, advance } = await withKey('old')
    server.answer(json({ keys: [jwk, ecJwk('new')] }))
    await advance(TUNING.refreshMs)
    expect(await outcome(keySet, es256(undefined))).toEqual(['new', 'old'])
    server.answer(json({ keys: [ecJwk('new')] }))
    await advance(TUNING.refreshMs)
    expect(await outcome(keySet, es256(undefined))).toEqual(['new'])
  })

  test('a token without kid that more than three keys fit causes no fetch, in an outage or out of it', async () => {
    const { server, jwk, keySet, advance } = await withKey('k1')
    server.answer(json({ keys: [jwk, ...['a', 'b', 'c'].map(kid => ecJwk(kid))] }))
    await advance(TUNING.refreshMs)
    const before = server.requests.length
    await advance(TUNING.cooldownMs)
    expect(refusedNow(keySet, es256(undefined))).toMatchObject({ code: 'key_unknown', evidence: { fitting_keys: 4 } })
    expect(server.requests).toHaveLength(before)
    server.answer(status(500))
    await advance(TUNING.refreshMs)
    expect(refusedNow(keySet, es256(undefined)).code).toBe('key_unknown')
  })

  test('a token that names a key is tried with those without a kid, once the provider has been asked for it', async () => {
    const { server, jwk, keySet, advance } = await withKey(undefined)
    expect(selectNow(keySet, es256('new'))).toHaveLength(1)
    await advance(TUNING.cooldownMs)
    const before = server.requests.length
    expect(await outcome(keySet, es256('new'))).toEqual([undefined])
    expect(server.requests).toHaveLength(before + 1)
    await advance(TUNING.cooldownMs - 1)
    expect(selectNow(keySet, es256('new'))).toHaveLength(1)
    server.answer(json({ keys: [jwk, ecJwk('new')] }))
    await advance(1)
    expect(await outcome(keySet, es256('new'))).toEqual(['new', undefined])
    server.answer(status(500))
    await advance(TUNING.refreshMs)
    expect(selectNow(keySet, es256('newer'))).toHaveLength(1)
  })

  test('a kid that was asked for in vain is asked for ever more rarely', async () => {
    const { server, keySet, advance } = await withKey('k1')
    const secondsOfRefetch: number[] = []
    for (let second = 0; second < 280; second += 10) {
      const before = server.requests.length
      await outcome(keySet, es256('old'))
      if (server.requests.length > before) secondsOfRefetch.push(second)
      await advance(10_000)
    }
    // The first one comes at 30 s, then they come after waits of 30 s, 60 s and 120 s.
    expect(secondsOfRefetch).toEqual([30, 60, 120, 240])
  })

  test('a change of the set makes every kid worth asking for again', async () => {
    const { server, jwk, keySet, advance } = await withKey('k1')
    for (const waitMs of [30_000, 30_000, 60_000]) {
      await advance(waitMs)
      expect(await outcome(keySet, es256('late'))).toBe('key_unknown')
    }
    // The key is not worth a fetch for two minutes now; but another new key is, and it comes.
    server.answer(json({ keys: [jwk, ecJwk('other')] }))
    await advance(TUNING.cooldownMs)
    expect(refusedNow(keySet, es256('late')).code).toBe('key_unknown')
    expect(await outcome(keySet, es256('other'))).toEqual(['other'])
    server.answer(json({ keys: [jwk, ecJwk('late')] }))
    await advance(TUNING.cooldownMs)
    expect(await outcome(keySet, es256('late'))).toEqual(['late'])
  })

  test('a key that many asked for before it was published works at the first request outside the cooldown', async () => {
    const { server, jwk, keySet, advance } = await withKey('k1')
    await advance(TUNING.cooldownMs)
    await Promise.all(Array.from({ length: 100 }, () => outcome(keySet, es256('k2'))))
    server.answer(json({ keys: [jwk, ecJwk('k2')] }))
    await advance(TUNING.cooldownMs)
    expect(await outcome(keySet, es256('k2'))).toEqual(['k2'])
  })

  test('a flood of 50,000 random kids costs a bounded number of fetches and bounded memory', async () => {
    const { keySet, advance, attempts } = await withKey('k1')
    const flood = async (): Promise<void> => {
      for (let second = 0; second < 100; second++) {
        for (let request = 0; request < 250; request++) {
          expect(await outcome(keySet, es256(randomUUID()))).toBe('key_unknown')
        }
        await outcome(keySet, es256(`${randomUUID()}${'x'.repeat(4_000)}`))
        await advance(1_000)
      }
    }
    await flood()
    const heapBefore = process.memoryUsage().heapUsed
    await flood()
    // They are 200 seconds at one fetch per cooldown of 30 s.
    expect(attempts()).toBeLessThanOrEqual(8)
    expect(process.memoryUsage().heapUsed - heapBefore).toBeLessThan(32 * 1_048_576)
  })

  test('a new key works within a cooldown even during such a flood', async () => {
    const { server, jwk, keySet, advance } = await withKey('k1')
    server.answer(json({ keys: [jwk, ecJwk('k2')] }))
    for (let second = 0; second <= TUNING.cooldownMs / 1_000; second++) {
      await outcome(keySet, es256(randomUUID()))
      await advance(1_000)
    }
    expect(selectNow(keySet, es256('k2'))).toHaveLength(1)
  })
})
