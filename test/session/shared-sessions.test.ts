/** Sessions that gateways share by a real store: what one writes others read, and nobody overwrites what is newer. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newSessionId, sessionKeys } from '../../src/session/session-keys.ts'
import { openSessionListing } from '../../src/session/session-listing.ts'
import { StoreError } from '../../src/store/failure.ts'
import { atEnd } from '../support/at-end.ts'
import { manualTime } from '../support/manual-time.ts'
import { definitionOf } from '../support/services/store-definition.ts'
import { STORE_KINDS } from '../support/services/store-programs.ts'
import { type StoreServer, startStoreServer } from '../support/services/store-server.ts'
import { SECRET } from './parts.ts'
import { DEPS, instance, KEYS, LIFE_MS, MARK, made, SOON, WITHOUT_STORES } from './support.ts'

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('sessions in %s', kind => {
  let store: StoreServer
  beforeAll(async () => {
    store = await startStoreServer({ kind })
  })
  afterAll(() => store.stop())
  beforeEach(async () => {
    await store.command('FLUSHALL')
  })
  const gateway = (more: Parameters<typeof instance>[1] = {}) => instance(definitionOf(store), more)
  const keyOf = (id: string): string => `{sallyport}:session:${KEYS.handleOf(id)}`
  const lockKeyOf = (id: string): string => `{sallyport}:session-lock:${KEYS.handleOf(id)}`

  test('are read by another gateway as they were written', async () => {
    const [one, other] = [gateway(), gateway()]
    const { id, record, use } = made()
    await one.create(id, { record, use }, LIFE_MS)
    expect(await other.read(id)).toEqual({ record, use })
    expect(await other.read(newSessionId())).toBeUndefined()
    expect(other.told).toEqual(['connected'])
  })

  test('are forgotten when their lifetime ends', async () => {
    const one = gateway()
    const { id, record, use } = made()
    await one.create(id, { record, use }, LIFE_MS)
    const lifeMs = Number(await store.command('PTTL', keyOf(id)))
    expect(lifeMs).toBeGreaterThan(LIFE_MS - 60_000)
    expect(lifeMs).toBeLessThanOrEqual(LIFE_MS)
    await one.note(id, use, 0.5)
    await expect.poll(() => one.read(id), SOON).toBeUndefined()
  })

  test('are the newest that anybody has written back', async () => {
    const one = gateway()
    const { id, record, use, next } = made()
    await one.create(id, { record, use }, LIFE_MS)
    await one.create(id, next, LIFE_MS)
    await one.create(id, { record, use }, LIFE_MS)
    expect(await one.read(id)).toEqual(next)
  })

  test('end for all', async () => {
    const [one, other] = [gateway(), gateway()]
    const { id, record, use, next } = made()
    await one.create(id, { record, use }, LIFE_MS)
    const lock = await other.lock(id)
    await one.remove(id)
    expect(await other.read(id)).toBeUndefined()
    expect(lock && (await other.commit(id, next, lock, LIFE_MS))).toBe('gone')
    await other.note(id, use, LIFE_MS)
    expect(await store.command('EXISTS', keyOf(id))).toBe(0)
  })

  test('are refreshed over the generation that the refresh began with, and no other', async () => {
    const [one, other] = [gateway(), gateway()]
    const { id, record, use, next } = made()
    await one.create(id, { record, use }, LIFE_MS)
    const lock = await one.lock(id)
    if (lock === undefined) throw new Error('nobody else has it')
    expect(await one.commit(id, next, lock, LIFE_MS)).toBe('written')
    expect(await other.read(id)).toEqual(next)
    expect(await one.commit(id, next, lock, LIFE_MS)).toBe('moved')
    await lock.release()
    expect(lock.isHeld).toBe(false)
    expect(await store.command('EXISTS', lockKeyOf(id))).toBe(0)
  })

  test('are not refreshed by one whose lock somebody else has by now', async () => {
    const [one, other] = [gateway(), gateway()]
    const { id, record, use, next } = made()
    await one.create(id, { record, use }, LIFE_MS)
    const lost = await one.lock(id)
    await store.command('DEL', lockKeyOf(id))
    const lock = await other.lock(id)
    if (lost === undefined || lock === undefined) throw new Error('nobody else has it')
    expect(await one.commit(id, next, lost, LIFE_MS)).toBe('moved')
    await expect.poll(() => lost.isHeld, SOON).toBe(false)
    await lost.release()
    expect(lock.isHeld).toBe(true)
    expect(await other.commit(id, next, lock, LIFE_MS)).toBe('written')
  })

  test('are refreshed by one whose lock has ended, while nobody else has it', async () => {
    const one = gateway()
    const { id, record, use, next } = made()
    await one.create(id, { record, use }, LIFE_MS)
    const lock = await one.lock(id)
    await store.command('DEL', lockKeyOf(id))
    expect(lock && (await one.commit(id, next, lock, LIFE_MS))).toBe('written')
  })

  test('are redeemed once by three gateways with fifty requests each', async () => {
    const gateways = [gateway(), gateway(), gateway()]
    const { id, record, use, next } = made()
    await gateways[0]?.create(id, { record, use }, LIFE_MS)
    let redeemed = 0
    const refreshed = async (one = gateways[0]): Promise<number | undefined> => {
      const before = await one?.read(id)
      if (before?.record.generation !== 1) return before?.record.generation
      const lock = await one?.lock(id)
      if (lock === undefined) return refreshed(one)
      try {
        if ((await one?.read(id))?.record.generation !== 1) return refreshed(one)
        redeemed += 1
        expect(await one?.commit(id, next, lock, LIFE_MS)).toBe('written')
        return 2
      } finally {
        await lock.release()
      }
    }
    const generations = await Promise.all(Array.from({ length: 150 }, (_, index) => refreshed(gateways[index % 3])))
    expect(new Set(generations)).toEqual(new Set([2]))
    expect(redeemed).toBe(1)
  })

  describe('what requests change', () => {
    test.for([
      ['a later use counts', { lastUsedAtMs: 5_000 }, { lastUsedAtMs: 7_000 }, { lastUsedAtMs: 7_000 }],
      ['an earlier use does not', { lastUsedAtMs: 5_000 }, { lastUsedAtMs: 4_000 }, { lastUsedAtMs: 5_000 }],
      [
        'a higher generation comes with what belongs to it',
        { seen: 2, seenAtMs: 1_000, seenBefore: 1 },
        { seen: 4, seenAtMs: 500, seenBefore: 3 },
        { seen: 4, seenAtMs: 500, seenBefore: 3 },
      ],
      [
        'a lower generation changes nothing',
        { seen: 4, seenAtMs: 1_000, seenBefore: 3 },
        { seen: 3, seenAtMs: 2_000, seenBefore: 1 },
        { seen: 4, seenAtMs: 1_000, seenBefore: 3 },
      ],
      [
        'a generation was first sent when somebody first saw it',
        { seen: 2, seenAtMs: 1_000, seenBefore: 1 },
        { seen: 2, seenAtMs: 900, seenBefore: 0 },
        { seen: 2, seenAtMs: 900, seenBefore: 0 },
      ],
      ['an end is an end', {}, { endsAtMs: 9_000 }, { endsAtMs: 9_000 }],
      ['the earlier end counts', { endsAtMs: 9_000 }, { endsAtMs: 8_000 }, { endsAtMs: 8_000 }],
      ['a later end does not', { endsAtMs: 9_000 }, { endsAtMs: 10_000 }, { endsAtMs: 9_000 }],
      ['an end does not go away', { endsAtMs: 9_000 }, {}, { endsAtMs: 9_000 }],
    ] as const)('%s', async ([_name, first, second, merged]) => {
      const one = gateway()
      const { id, record, use, next } = made(first)
      await one.create(id, { record, use }, LIFE_MS)
      await one.note(id, { ...use, endsAtMs: Number.POSITIVE_INFINITY, ...second }, LIFE_MS)
      expect(await one.read(id)).toEqual({ record, use: { ...use, ...merged } })
      // A refresh merges in the same way what its process knows.
      const lock = await one.lock(id)
      expect(lock && (await one.commit(id, { record: next.record, use }, lock, LIFE_MS))).toBe('written')
      expect((await one.read(id))?.use).toMatchObject(merged)
    })
  })

  describe('a lock', () => {
    test('is for one of many who want it at once, and for the next when it is released', async () => {
      const gateways = [gateway(), gateway(), gateway()]
      const id = newSessionId()
      const all = await Promise.all(Array.from({ length: 90 }, (_, index) => gateways[index % 3]?.lock(id)))
      const [lock, ...others] = all.filter(each => each !== undefined)
      expect(others).toEqual([])
      expect(lock?.isHeld).toBe(true)
      await lock?.release()
      expect(await gateways[1]?.lock(id)).toBeDefined()
    })

    test('is renewed while it is held, and not after its release', async () => {
      const time = manualTime()
      const one = gateway({ scheduler: time, clock: time })
      const id = newSessionId()
      const lock = await one.lock(id)
      for (let count = 1; count <= 5; count += 1) {
        await store.command('PEXPIRE', lockKeyOf(id), 60_000)
        await time.advance(1_000)
        await expect.poll(async () => Number(await store.command('PTTL', lockKeyOf(id))), SOON).toBeLessThan(3_001)
        await expect.poll(() => time.pendingMs(), SOON).toEqual([1_000])
        expect(lock?.isHeld).toBe(true)
      }
      await lock?.release()
      expect(time.pendingMs()).toEqual([])
    })

    test('is not held any more when it was not renewed in time, until it is known that nobody else had it', async () => {
      const time = manualTime()
      const one = gateway({ scheduler: time, clock: time })
      const lock = await one.lock(newSessionId())
      await time.advance(2_999)
      expect(lock?.isHeld).toBe(true)
      await time.advance(1)
      expect(lock?.isHeld).toBe(false)
      await expect.poll(() => lock?.isHeld, SOON).toBe(true)
    })

    test('that somebody else has by now is neither renewed nor released', async () => {
      const time = manualTime()
      const one = gateway({ scheduler: time, clock: time })
      const ids = [newSessionId(), newSessionId()] as const
      const [released, renewed] = [await one.lock(ids[0]), await one.lock(ids[1])]
      for (const id of ids) await store.command('SET', lockKeyOf(id), 'somebody else')
      await released?.release()
      await time.advance(1_000)
      await expect.poll(() => renewed?.isHeld, SOON).toBe(false)
      await renewed?.release()
      for (const id of ids) {
        expect(await store.command('GET', lockKeyOf(id))).toBe('somebody else')
        expect(await store.command('PTTL', lockKeyOf(id))).toBe(-1)
      }
    })

    test('ends with its process, and another one takes it over', async () => {
      const id = newSessionId()
      const holder = spawn(
        process.execPath,
        [fileURLToPath(new URL('lock-holder.ts', import.meta.url)), String(store.port), id],
        {
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      )
      atEnd(() => holder.kill('SIGKILL'))
      const [said] = await once(holder.stdout, 'data')
      expect(String(said)).toBe('held\n')
      const one = gateway()
      expect(await one.lock(id)).toBeUndefined()
      holder.kill('SIGKILL')
      await once(holder, 'close')
      await expect.poll(() => one.lock(id), SOON).toBeDefined()
    })

    test('outlives a connection that is cut', async () => {
      const one = gateway()
      const id = newSessionId()
      const lock = await one.lock(id)
      await store.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await store.command('PEXPIRE', lockKeyOf(id), 60_000)
      await expect.poll(async () => Number(await store.command('PTTL', lockKeyOf(id))), SOON).toBeLessThan(3_001)
      await expect.poll(() => lock?.isHeld, SOON).toBe(true)
      await lock?.release()
      expect(await store.command('EXISTS', lockKeyOf(id))).toBe(0)
    })

    test('is renewed no more once the gateway has closed its sessions', async () => {
      const [one, other] = [gateway(), gateway()]
      const id = newSessionId()
      const lock = await one.lock(id)
      one.close()
      expect(lock?.isHeld).toBe(false)
      await lock?.release()
      await expect(one.read(id)).rejects.toThrow(StoreError)
      await expect.poll(() => other.lock(id), SOON).toBeDefined()
    })
  })

  describe('the store', () => {
    test('sees no token, no subject and no id', async () => {
      const one = gateway()
      const { id, record, use, next } = made()
      await one.create(id, { record, use }, LIFE_MS)
      const lock = await one.lock(id)
      if (lock !== undefined) await one.commit(id, next, lock, LIFE_MS)
      const names = ((await store.command('KEYS', '*')) as readonly string[]).toSorted()
      expect(names).toEqual([lockKeyOf(id), keyOf(id)].toSorted())
      const dumped = JSON.stringify([names, await store.command('HGETALL', keyOf(id))])
      const words = dumped.match(/[\w-]+/g) ?? []
      const readable = [dumped, ...words.map(word => Buffer.from(word, 'base64url').toString('latin1'))].join('\n')
      expect(words.length).toBeGreaterThan(10)
      for (const secret of [MARK, id, Buffer.from(MARK).toString('base64url'), 'alice', 'auth.example.com'])
        expect(readable).not.toContain(secret)
    })

    test('keeps records that an older key has sealed, and seals them by the new one when it reads them', async () => {
      const { id, record, use, next } = made()
      await gateway().create(id, { record, use }, LIFE_MS)
      const newest = Buffer.alloc(32, 'n')
      const both = gateway({ keys: () => sessionKeys([newest, SECRET], 'browser') })
      const newestOnly = gateway({ keys: () => sessionKeys([newest], 'browser') })
      expect(await newestOnly.read(id)).toBeUndefined()
      expect(await both.read(id)).toEqual({ record, use })
      await expect.poll(() => newestOnly.read(id), SOON).toEqual({ record, use })
      const lock = await both.lock(id)
      if (lock !== undefined) await both.commit(id, next, lock, LIFE_MS)
      expect(await newestOnly.read(id)).toEqual(next)
    })

    test('cannot put a record under another generation or another session', async () => {
      const one = gateway()
      const [first, second] = [made(), made()]
      for (const { id, record, use } of [first, second]) await one.create(id, { record, use }, LIFE_MS)
      await store.command('HSET', keyOf(first.id), 'g', '2')
      expect(await one.read(first.id)).toBeUndefined()
      const foreign = await store.command('HGET', keyOf(first.id), 'd')
      await store.command('HSET', keyOf(second.id), 'd', String(foreign))
      expect(await one.read(second.id)).toBeUndefined()
    })

    test('forgets its scripts, and is told them again', async () => {
      const one = gateway()
      const { id, record, use } = made()
      await one.create(id, { record, use }, LIFE_MS)
      await store.command('SCRIPT', 'FLUSH')
      await one.note(id, { ...use, lastUsedAtMs: use.lastUsedAtMs + 1 }, LIFE_MS)
      expect((await one.read(id))?.use.lastUsedAtMs).toBe(use.lastUsedAtMs + 1)
      expect(one.told).toEqual(['connected'])
    })
  })

  test('are listed with their labels, and ended by their handles', async () => {
    const one = gateway()
    const foreign = gateway({ keys: () => sessionKeys([Buffer.alloc(32, 'f')], 'browser') })
    const all = Array.from({ length: 2_500 }, () => made())
    await Promise.all(all.map(({ id, record, use }) => one.create(id, { record, use }, LIFE_MS)))
    const other = made()
    await foreign.create(other.id, other, LIFE_MS)
    const listing = await openSessionListing(definitionOf(store), new Map([['browser', KEYS]]), DEPS)
    atEnd(listing.close)
    const listed = await Array.fromAsync(listing.all())
    expect(listed.map(({ handle }) => handle).toSorted()).toEqual(
      [...all, other].map(({ id }) => KEYS.handleOf(id)).toSorted(),
    )
    const [first] = all
    const handle = KEYS.handleOf(first?.id ?? '')
    expect(listed.find(each => each.handle === handle)).toEqual({
      handle,
      generation: 1,
      lastUsedAtMs: first?.use.lastUsedAtMs,
      known: {
        provider: 'browser',
        label: {
          issuer: `https://auth.example.com/${MARK}`,
          subject: `alice-${MARK}`,
          sid: `sid-${MARK}`,
          createdAtMs: first?.record.createdAtMs,
        },
      },
    })
    expect(listed.find(each => each.handle === KEYS.handleOf(other.id))?.known).toBeUndefined()
    expect(await listing.end(handle)).toBe(true)
    expect(await listing.end(handle)).toBe(false)
    expect(await one.read(first?.id ?? '')).toBeUndefined()
  })
})
