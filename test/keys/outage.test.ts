import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { manualTime } from '../support/manual-time.ts'
import { json, startKeyServer, status } from '../support/services/key-server.ts'
import { ecJwk, es256, outcome, refusedNow, selectNow, startedKeySet, TUNING } from './support.ts'

async function temporaryFile(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-keys-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return join(folder, 'keys.json')
}

describe('outage after success', () => {
  test('the last good keys serve until maxStale, then 503, and verdicts they gave die', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, advance } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    const [key] = selectNow(keySet, es256('k1'))
    if (key === undefined) throw new Error('no key')
    await server.down()
    await advance(TUNING.maxStaleMs)
    expect(selectNow(keySet, es256('k1'))[0]).toBe(key)
    expect(keySet.isCurrent(key)).toBe(true)
    expect(keySet.status()).toMatchObject({ usable: true, lastError: expect.stringContaining('ECONNREFUSED') })

    await advance(1)
    expect(keySet.isCurrent(key)).toBe(false)
    expect(refusedNow(keySet, es256('k1')).code).toBe('keys_unavailable')
    expect(keySet.status().usable).toBe(false)

    await server.up()
    await advance(30_000)
    expect(selectNow(keySet, es256('k1'))[0]).toBe(key)
    expect(keySet.isCurrent(key)).toBe(true)
  })

  test('an unknown kid is 503 while the provider is away: it may be a new key', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, advance } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    server.answer(status(502))
    await advance(TUNING.refreshMs + 60_000)
    expect(refusedNow(keySet, es256('new')).code).toBe('keys_unavailable')
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })

  test('an unknown kid whose refetch fails is 503, too', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, advance } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
    await advance(TUNING.cooldownMs)
    server.answer(status(502))
    expect(await outcome(keySet, es256('new'))).toBe('keys_unavailable')
  })

  test('10,000 requests in a minute of outage cause no more fetches than one', async () => {
    const server = await startKeyServer()
    server.answer(json({ keys: [ecJwk('k1')] }))
    const fetchesDuringOutage = async (requestsPerSecond: number): Promise<number> => {
      const { keySet, advance, attempts } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING })
      await server.down()
      await advance(TUNING.refreshMs)
      const before = attempts()
      for (let second = 0; second < 60; second++) {
        for (let request = 0; request < requestsPerSecond; request++) {
          expect(await outcome(keySet, es256(`new-${request}`))).toBe('keys_unavailable')
        }
        await advance(1_000)
      }
      await server.up()
      return attempts() - before
    }
    const quiet = await fetchesDuringOutage(0)
    expect(await fetchesDuringOutage(167)).toBe(quiet)
    expect(quiet).toBeLessThanOrEqual(7)
  })

  test('the cache file serves a restart during the outage, with what is left of maxStale', async () => {
    const [server, cacheFile] = [await startKeyServer(), await temporaryFile()]
    const source = { type: 'jwksUri', url: server.url, ...TUNING, cacheFile } as const
    server.answer(json({ keys: [ecJwk('k1')] }))
    const first = await startedKeySet(source)
    await first.registry.close()
    await server.down()

    const later = manualTime(first.time.nowMs() + TUNING.maxStaleMs - 60_000)
    const { keySet, advance, seen } = await startedKeySet(source, { time: later })
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    expect(seen.cacheFiles).toEqual([{ provider: 'main', outcome: 'loaded', reason: undefined }])
    await advance(60_000)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    await advance(1)
    expect(refusedNow(keySet, es256('k1')).code).toBe('keys_unavailable')
  })

  test('the cache file is replaced whole, readable by its owner only, and leaves nothing beside it', async () => {
    const [server, cacheFile] = [await startKeyServer(), await temporaryFile()]
    await writeFile(cacheFile, 'old', { mode: 0o644 })
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { registry } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, cacheFile })
    await registry.close()
    expect((await stat(cacheFile)).mode & 0o777).toBe(0o600)
    expect(await readdir(join(cacheFile, '..'))).toEqual(['keys.json'])
    expect(JSON.parse(await readFile(cacheFile, 'utf8'))).toMatchObject({
      version: 1,
      issuer: 'https://issuer.example/',
      url: server.url,
      document: { keys: [{ kid: 'k1' }] },
    })
  })

  const cached = (url: string) => ({
    version: 1,
    issuer: 'https://issuer.example/',
    url,
    fetchedAtMs: manualTime().nowMs(),
    document: { keys: [ecJwk('k1')] },
  })
  test.each([
    ['another issuer', { issuer: 'https://issuer.example' }, 'it is about another issuer'],
    ['another URL', { url: 'https://issuer.example/other.json' }, 'it comes from another URL'],
    ['too old a set', { fetchedAtMs: manualTime().nowMs() - TUNING.maxStaleMs - 1 }, 'it is older than maxStale'],
    ['a set from the future', { fetchedAtMs: manualTime().nowMs() + 60_001 }, 'it is from the future'],
    ['another version', { version: 2 }, 'it is not a key cache'],
    ['a date as text', { fetchedAtMs: '1' }, 'it is not a key cache'],
    ['something else than a JWK Set', { document: { keys: 'none' } }, 'not a JWK Set: no "keys" array'],
    ['too many bytes', { padding: 'x'.repeat(TUNING.maxBytes + 16 * 1024) }, 'it is larger than 1064960 bytes'],
  ])('a cache file with %s is refused', async (_what, change, reason) => {
    const [server, cacheFile] = [await startKeyServer(), await temporaryFile()]
    await server.down()
    await writeFile(cacheFile, JSON.stringify({ ...cached(server.url), ...change }))
    const { keySet, seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, cacheFile })
    expect(seen.cacheFiles).toEqual([{ provider: 'main', outcome: 'refused', reason }])
    expect(refusedNow(keySet, es256('k1')).code).toBe('keys_unavailable')
  })

  test.each(['', '{"version":1', 'null', '[]', '\0'])('a cache file that holds %j is refused', async text => {
    const [server, cacheFile] = [await startKeyServer(), await temporaryFile()]
    await server.down()
    await writeFile(cacheFile, text)
    const { seen } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, cacheFile })
    expect(seen.cacheFiles).toEqual([{ provider: 'main', outcome: 'refused', reason: 'it is not a key cache' }])
  })

  test('a private key in the cache file is skipped as in a response', async () => {
    const [server, cacheFile] = [await startKeyServer(), await temporaryFile()]
    await server.down()
    const document = { keys: [{ ...ecJwk('k1'), d: 'AA' }] }
    await writeFile(cacheFile, JSON.stringify({ ...cached(server.url), document }))
    const { keySet } = await startedKeySet({ type: 'jwksUri', url: server.url, ...TUNING, cacheFile })
    expect(keySet.status()).toMatchObject({ usable: false, keys: [], skipped: { private: 1 } })
  })

  test('a cache file that cannot be written is reported once and changes nothing else', async () => {
    const [server, cacheFile] = [await startKeyServer(), join(await temporaryFile(), 'missing', 'keys.json')]
    server.answer(json({ keys: [ecJwk('k1')] }))
    const { keySet, advance, seen, registry } = await startedKeySet({
      ...{ type: 'jwksUri', url: server.url, ...TUNING },
      cacheFile,
    })
    await advance(TUNING.refreshMs * 3)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
    await registry.close()
    expect(seen.cacheFiles).toEqual([
      { provider: 'main', outcome: 'failed', reason: 'it cannot be written: there is no such file or folder (ENOENT)' },
    ])
  })

  test('withdrawn keys do not come back from the cache file', async () => {
    const [server, cacheFile] = [await startKeyServer(), await temporaryFile()]
    const source = { type: 'jwksUri', url: server.url, ...TUNING, cacheFile } as const
    server.answer(json({ keys: [ecJwk('k1')] }))
    const first = await startedKeySet(source)
    server.answer(json({ keys: [ecJwk('k2')] }))
    await first.advance(TUNING.refreshMs)
    await first.registry.close()
    await server.down()
    const { keySet } = await startedKeySet(source)
    expect(refusedNow(keySet, es256('k1')).code).toBe('keys_unavailable')
  })

  test('an empty set of the provider leaves the cache file as it is', async () => {
    const [server, cacheFile] = [await startKeyServer(), await temporaryFile()]
    const source = { type: 'jwksUri', url: server.url, ...TUNING, cacheFile } as const
    server.answer(json({ keys: [ecJwk('k1')] }))
    const first = await startedKeySet(source)
    server.answer(json({ keys: [] }))
    await first.advance(TUNING.refreshMs)
    await first.registry.close()
    const { keySet } = await startedKeySet(source)
    expect(selectNow(keySet, es256('k1'))).toHaveLength(1)
  })
})
