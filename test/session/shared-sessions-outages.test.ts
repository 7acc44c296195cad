/** Sessions in a store that is killed, hangs, fails over or keeps its users short. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openSessionListing } from '../../src/session/session-listing.ts'
import { probeSharedSessions } from '../../src/session/session-rights.ts'
import { COMMANDS, LISTING_COMMANDS } from '../../src/session/session-scripts.ts'
import { StoreError } from '../../src/store/failure.ts'
import { atEnd } from '../support/at-end.ts'
import { manualTime } from '../support/manual-time.ts'
import { startStoreCluster } from '../support/services/store-cluster.ts'
import { definitionOf } from '../support/services/store-definition.ts'
import { STORE_KINDS } from '../support/services/store-programs.ts'
import { startSentinels } from '../support/services/store-sentinel.ts'
import { type StoreServer, startStoreServer } from '../support/services/store-server.ts'
import { atOnce, DEPS, instance, KEYS, LIFE_MS, made, SOON, WITHOUT_STORES } from './support.ts'

/** Resolves when the store does what it is asked for again. */
async function works(task: () => Promise<unknown>): Promise<void> {
  await expect.poll(() => task().then(() => 'works', String), SOON).toBe('works')
}

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('%s', kind => {
  describe('when it is killed', () => {
    let store: StoreServer
    beforeAll(async () => {
      store = await startStoreServer({ kind, persistence: 'appendonly' })
    })
    afterAll(() => store.stop())

    test('fails whoever asks, at once as soon as it is known to be down, and is found again', async () => {
      const one = instance(definitionOf(store))
      const { id, record, use } = made()
      await one.create(id, { record, use }, LIFE_MS)
      await store.kill()
      await expect.poll(() => one.told.at(-1), SOON).toMatch(/^lost: cannot be reached: .*ECONNREFUSED/)
      for (const task of [one.read(id), one.note(id, use, LIFE_MS), one.remove(id), one.lock(id)])
        expect(await atOnce(task)).toBeInstanceOf(StoreError)
      await store.restart()
      await works(() => one.read(id))
      expect(await one.read(id)).toEqual({ record, use })
      expect(one.told.map(each => each.split(':')[0])).toEqual(['connected', 'lost', 'connected'])
    })

    test('takes a refresh that was under way, once it is there again', async () => {
      const one = instance(definitionOf(store))
      const { id, record, use, next } = made()
      await one.create(id, { record, use }, LIFE_MS)
      const lock = await one.lock(id)
      if (lock === undefined) throw new Error('nobody else has it')
      await store.kill()
      await expect.poll(() => lock.isHeld, SOON).toBe(false)
      await expect(one.commit(id, next, lock, LIFE_MS)).rejects.toThrow(StoreError)
      await store.restart()
      await works(() => one.read(id))
      expect(await one.commit(id, next, lock, LIFE_MS)).toBe('written')
      expect(await one.read(id)).toEqual(next)
    })

    test('leaves a lock in doubt as soon as it was not renewed, and then without the one who held it', async () => {
      const time = manualTime()
      const [one, other] = [
        instance(definitionOf(store), { scheduler: time, clock: time }),
        instance(definitionOf(store)),
      ]
      const { id } = made()
      const lock = await one.lock(id)
      expect(await other.lock(id)).toBeUndefined()
      await store.kill()
      await time.advance(1_000)
      await expect.poll(() => lock?.isHeld, SOON).toBe(false)
      expect(time.monotonicMs()).toBe(1_000)
      await store.restart()
      await expect.poll(() => other.lock(id).catch(() => undefined), SOON).toBeDefined()
      await time.advance(5_000, () => new Promise(resolve => setImmediate(resolve)))
      expect(lock?.isHeld).toBe(false)
    })

    test('is not connected to before somebody asks, nor after the end', async () => {
      const one = instance(definitionOf({ port: 1 }))
      expect(one.told).toEqual([])
      await expect(one.read(made().id)).rejects.toThrow(/^cannot be reached: nothing listens there/)
      expect(one.told).toEqual(['lost: cannot be reached: nothing listens there (ECONNREFUSED)'])
      one.close()
      await expect(one.read(made().id)).rejects.toThrow('is not used any more')
    })
  })

  test('when it hangs, fails whoever asks by the deadline, and later at once', async () => {
    const store = await startStoreServer({ kind })
    atEnd(store.stop)
    const one = instance(definitionOf(store, { timeoutMs: 200 }))
    const { id, record, use } = made()
    await works(() => one.create(id, { record, use }, LIFE_MS))
    store.pause()
    await expect(one.read(id)).rejects.toThrow(/does not answer in time/)
    await expect.poll(() => one.told.at(-1), SOON).toBe('lost: does not answer in time')
    expect(await atOnce(one.read(id))).toBeInstanceOf(StoreError)
    store.resume()
    await works(() => one.read(id))
    expect(await one.read(id)).toEqual({ record, use })
  })

  test('as a replica, which takes no writes, is left, and looked for anew', async () => {
    const store = await startStoreServer({ kind })
    atEnd(store.stop)
    const one = instance(definitionOf(store))
    const { id, record, use } = made()
    await one.create(id, { record, use }, LIFE_MS)
    const before = String(await store.command('CLIENT', 'LIST', 'TYPE', 'normal'))
    // It never hears of this master, which would make it load other data.
    await store.command('REPLICAOF', '127.0.0.1', 1)
    await expect(one.note(id, use, LIFE_MS)).rejects.toThrow('READONLY')
    await store.command('REPLICAOF', 'NO', 'ONE')
    await works(() => one.create(id, { record, use }, LIFE_MS))
    expect(one.told).toEqual(['connected', 'lost: is a replica, which takes no writes (READONLY to EVAL)', 'connected'])
    const tcp = (list: string) => list.split('\n').filter(each => each.includes(`laddr=127.0.0.1:${store.port}`))
    const ids = (list: string) => tcp(list).map(each => /\bid=(\d+)/.exec(each)?.[1])
    expect(ids(before)).toHaveLength(1)
    expect(ids(String(await store.command('CLIENT', 'LIST', 'TYPE', 'normal')))).not.toEqual(ids(before))
  })

  test('as a cluster has all that is about a session on one server, and is listed', async () => {
    const cluster = await startStoreCluster({ kind })
    atEnd(cluster.stop)
    const [first, ...others] = cluster.servers
    if (first === undefined) throw new Error('a cluster has a first server')
    const nodes = others.map(({ port }) => ({ host: '127.0.0.1', port }))
    const definition = definitionOf(first, { topology: 'cluster', nodes })
    const [one, other] = [instance(definition), instance(definition)]
    const { id, record, use, next } = made()
    await one.create(id, { record, use }, LIFE_MS)
    const lock = await one.lock(id)
    expect(await other.lock(id)).toBeUndefined()
    expect(lock && (await one.commit(id, next, lock, LIFE_MS))).toBe('written')
    await lock?.release()
    expect(await other.read(id)).toEqual(next)
    const listing = await openSessionListing(definition, new Map([['browser', KEYS]]), DEPS)
    atEnd(listing.close)
    expect((await Array.fromAsync(listing.all())).map(({ handle }) => handle)).toEqual([KEYS.handleOf(id)])
    expect(await probeSharedSessions(definition, 'serve', DEPS)).toBeUndefined()
  })

  test('behind sentinels is followed to its new master, with the sessions', async () => {
    const sentinels = await startSentinels({ kind })
    atEnd(sentinels.stop)
    const definition = definitionOf(sentinels.master, {
      topology: 'sentinel',
      url: { host: sentinels.name, port: 0 },
      nodes: sentinels.sentinels.map(({ port }) => ({ host: '127.0.0.1', port })),
    })
    const one = instance(definition)
    const { id, record, use, next } = made()
    await one.create(id, { record, use }, LIFE_MS)
    await expect
      .poll(() => sentinels.replica.command('EXISTS', `{sallyport}:session:${KEYS.handleOf(id)}`), SOON)
      .toBe(1)
    await sentinels.master.kill()
    await sentinels.promoted(sentinels.replica)
    await works(() => one.read(id))
    // Whoever was renewing a session when it happened is given time to write that first.
    expect(await one.lock(id)).toBeUndefined()
    const taken = async () => {
      const lock = await one.lock(id)
      return lock && (await one.commit(id, next, lock, LIFE_MS))
    }
    await expect.poll(taken, SOON).toBe('written')
    expect(await one.read(id)).toEqual(next)
  })

  describe('with an access control list', () => {
    let folder: string
    let store: StoreServer
    const rights = (commands: readonly string[]): string => commands.map(each => `+${each.toLowerCase()}`).join(' ')
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'sallyport-sessions-'))
      writeFileSync(join(folder, 'password'), 'secret\n', { mode: 0o600 })
      const common = 'on >secret resetchannels -@all ~{sallyport}:session:*'
      store = await startStoreServer({
        kind,
        users: [
          `gateway ${common} ~{sallyport}:session-lock:* ${rights(COMMANDS)}`,
          `lister ${common} ${rights(LISTING_COMMANDS)}`,
          `unlocked ${common} ${rights(COMMANDS)}`,
          `nobody ${common}`,
        ],
      })
    })
    afterAll(async () => {
      await store.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    const as = (username: string) => definitionOf(store, { username, passwordFile: join(folder, 'password') })

    test('lets a gateway do everything by the commands that are listed', async () => {
      const definition = as('gateway')
      expect(await probeSharedSessions(definition, 'serve', DEPS)).toBeUndefined()
      const one = instance(definition)
      const { id, record, use, next } = made()
      await one.create(id, { record, use }, LIFE_MS)
      await one.note(id, { ...use, seen: 2, endsAtMs: 1, lastUsedAtMs: use.lastUsedAtMs + 1 }, LIFE_MS)
      const lock = await one.lock(id)
      expect(await one.lock(id)).toBeUndefined()
      const lockKey = `{sallyport}:session-lock:${KEYS.handleOf(id)}`
      await store.command('PEXPIRE', lockKey, 60_000)
      await expect.poll(async () => Number(await store.command('PTTL', lockKey)), SOON).toBeLessThan(3_001)
      expect(lock && (await one.commit(id, next, lock, LIFE_MS))).toBe('written')
      await lock?.release()
      expect(await store.command('EXISTS', lockKey)).toBe(0)
      expect((await one.read(id))?.record).toEqual(next.record)
      await one.remove(id)
      expect(await one.read(id)).toBeUndefined()
    })

    test('lets a command list and end sessions by less', async () => {
      expect(await probeSharedSessions(as('lister'), 'list', DEPS)).toBeUndefined()
      const { id, record, use } = made()
      await instance(as('gateway')).create(id, { record, use }, LIFE_MS)
      const listing = await openSessionListing(as('lister'), new Map([['browser', KEYS]]), DEPS)
      atEnd(listing.close)
      const handle = KEYS.handleOf(id)
      expect((await Array.fromAsync(listing.all())).map(each => each.handle)).toEqual([handle])
      expect(await listing.end(handle)).toBe(true)
    })

    test.for(COMMANDS)('that lacks %s is told so, and nothing is written', async command => {
      await store.command('ACL', 'SETUSER', 'gateway', `-${command.toLowerCase()}`)
      atEnd(() => store.command('ACL', 'SETUSER', 'gateway', `+${command.toLowerCase()}`))
      expect(await probeSharedSessions(as('gateway'), 'serve', DEPS)).toBe(
        'does not allow this user all that is needed; add to its access control list ' +
          `\`+${command.toLowerCase()} ~{sallyport}:session:* ~{sallyport}:session-lock:*\``,
      )
      expect(await store.command('DBSIZE')).toBe(0)
    })

    test('that lacks the keys or everything is told so', async () => {
      expect(await probeSharedSessions(as('unlocked'), 'serve', DEPS)).toContain('~{sallyport}:session-lock:*')
      expect(await probeSharedSessions(as('nobody'), 'list', DEPS)).toContain(
        '`+scan +hmget +del ~{sallyport}:session:*`',
      )
      expect(await probeSharedSessions(definitionOf({ port: 1 }), 'serve', DEPS)).toMatch(/^cannot be reached/)
    })
  })
})
