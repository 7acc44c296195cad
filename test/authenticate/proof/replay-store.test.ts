/** The memory of used proofs that replicas share, on real servers: in all topologies, with few rights, and failing. */

import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ReplayStore, replayStore } from '../../../src/authenticate/proof/replay-store.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { systemScheduler } from '../../../src/lib/scheduler.ts'
import { type StoreDefinition, store } from '../../../src/store/store.ts'
import { atEnd } from '../../support/at-end.ts'
import { testAuthority } from '../../support/certificates.ts'
import { startStoreCluster } from '../../support/services/store-cluster.ts'
import { definitionOf } from '../../support/services/store-definition.ts'
import { STORE_KINDS } from '../../support/services/store-programs.ts'
import { startSentinels } from '../../support/services/store-sentinel.ts'
import { type StoreServerOptions, startStoreServer } from '../../support/services/store-server.ts'

const SOON = { timeout: 20_000, interval: 20 } as const
const LIFE_MS = 70_000

function addressOf(url: string) {
  const { hostname, port } = new URL(url)
  return { host: hostname, port: Number(port) }
}

interface Replica extends ReplayStore {
  readonly told: readonly string[]
  use(jti: string, lifeMs?: number): ReturnType<ReplayStore['remember']>
}

function replica(url: string, over: Partial<StoreDefinition> = {}): Replica {
  const address = addressOf(url)
  const definition = definitionOf(address, { url: address, ...over })
  const told: string[] = []
  const deps = { scheduler: systemScheduler, monotonicMs: systemClock.monotonicMs, onCommand() {} }
  const memory = replayStore({
    store: store(definition, deps),
    clock: systemClock,
    scheduler: systemScheduler,
    random: () => 0,
    observer: { connected: () => told.push('connected'), lost: reason => told.push(`lost: ${reason}`) },
  })
  atEnd(async () => memory.close())
  memory.open()
  const use = (jti: string, lifeMs = LIFE_MS) =>
    memory.remember({ jkt: 'key', jti, madeAtMs: systemClock.nowMs(), expiresAtMs: systemClock.nowMs() + lifeMs })
  return { ...memory, told, use }
}

/** Resolves when proofs are remembered. */
async function works({ use }: Replica): Promise<void> {
  await expect.poll(() => use(randomUUID()), SOON).toBe('new')
}

async function server(options?: StoreServerOptions) {
  const started = await startStoreServer(options)
  atEnd(started.stop)
  return started
}

function passwordFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-replay-'))
  atEnd(async () => rmSync(folder, { recursive: true }))
  const file = join(folder, 'password')
  writeFileSync(file, 'secret\n', { mode: 0o600 })
  return file
}

const KEYS = '{sallyport}:proof:*'
/** All that is needed. */
const SETTER = `setter on >secret ~${KEYS} resetchannels -@all +set`

describe.skipIf(process.env.WITHOUT_STORES === '1')('a store of used proofs', () => {
  describe.for(STORE_KINDS)('in %s', kind => {
    test('lets a proof be used once among all replicas, of two that use it at the same moment, too', async () => {
      const shared = await server({ kind })
      const [one, other] = [replica(shared.url), replica(shared.url)]
      await Promise.all([works(one), works(other)])
      expect(await one.use('1')).toBe('new')
      expect([await other.use('1'), await one.use('1')]).toEqual(['replayed', 'replayed'])
      for (let index = 0; index < 50; index += 1) {
        const answers = await Promise.all([one.use(`both-${index}`), other.use(`both-${index}`)])
        expect(answers.toSorted()).toEqual(['new', 'replayed'])
      }
    })

    test('forgets a proof when it has expired', async () => {
      const shared = await server({ kind })
      const memory = replica(shared.url)
      await works(memory)
      await shared.command('FLUSHALL')
      await memory.use('1', LIFE_MS)
      const [key] = (await shared.command('KEYS', '*')) as string[]
      expect(key).toMatch(/^\{sallyport\}:proof:[\w-]{43}$/)
      const leftMs = Number(await shared.command('PTTL', String(key)))
      expect(leftMs).toBeGreaterThan(0)
      expect(leftMs).toBeLessThanOrEqual(LIFE_MS)
      await memory.use('2', 30)
      await memory.use('3', -1)
      await expect.poll(() => shared.command('KEYS', '*'), SOON).toEqual([key])
    })

    test('that is killed is unavailable at once, and works again when it is back', async () => {
      const shared = await server({ kind })
      const memory = replica(shared.url)
      await works(memory)
      await shared.kill()
      await expect.poll(() => memory.told.at(-1), SOON).toMatch(/^lost: cannot be reached: nothing listens there/)
      expect(await Promise.all(['1', '2', '3'].map(jti => memory.use(jti)))).toEqual(Array(3).fill('unavailable'))
      await shared.restart()
      await works(memory)
      expect(memory.told).toEqual(['connected', memory.told[1], 'connected'])
    })

    test('whose servers are a cluster needs no further right there', async () => {
      const cluster = await startStoreCluster({ kind, users: [SETTER] })
      atEnd(cluster.stop)
      const owner = await cluster.ownerOf('{sallyport}:proof:')
      const others = cluster.servers.filter(each => each !== owner)
      const user = { username: 'setter', passwordFile: passwordFile() }
      const memories = others.map(({ url }) => replica(url, { topology: 'cluster', ...user }))
      await Promise.all(memories.map(works))
      expect(await Promise.all(memories.map(({ use }) => use('1')))).toEqual(
        expect.arrayContaining(['new', 'replayed']),
      )
      expect(memories.map(({ told }) => told)).toEqual([['connected'], ['connected']])
    })

    test('with sentinels is found again after a failover', async () => {
      const set = await startSentinels({ kind, sentinels: 3 })
      atEnd(set.stop)
      const master = { host: set.name, port: 26_379 }
      const nodes = set.nodes.map(node => addressOf(`redis://${node}`))
      const memory = replica(set.url, { topology: 'sentinel', url: master, nodes })
      await works(memory)
      expect(await memory.use('1')).toBe('new')
      await set.master.command('WAIT', 1, 0)
      await set.master.kill()
      await set.promoted(set.replica)
      await works(memory)
      expect(await memory.use('1')).toBe('replayed')
    })
  })

  test('that hangs costs those who wait for it one deadline, and nobody after them', async () => {
    const shared = await server()
    const memory = replica(shared.url, { timeoutMs: 300 })
    await works(memory)
    shared.pause()
    expect(await Promise.all([memory.use('1'), memory.use('2')])).toEqual(['unavailable', 'unavailable'])
    await expect.poll(() => memory.told.at(-1), SOON).toBe('lost: does not answer in time')
    shared.resume()
    await works(memory)
  })

  test('is unavailable until there is a connection, which the first proof asks for if nobody did', async () => {
    const shared = await server()
    const early = replica(shared.url)
    expect(await early.use('1')).toBe('unavailable')
    await works(early)
    expect(early.told).toEqual(['connected'])
  })

  test('that ends a connection is connected with again, and nobody is told', async () => {
    const shared = await server()
    const memory = replica(shared.url)
    await works(memory)
    await shared.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    await works(memory)
    expect(memory.told).toEqual(['connected'])
  })

  test('needs no other right than to set', async () => {
    const shared = await server({ password: 'another', users: [SETTER] })
    const memory = replica(shared.url, { username: 'setter', passwordFile: passwordFile() })
    await works(memory)
    expect([await memory.use('1'), await memory.use('1')]).toEqual(['new', 'replayed'])
  })

  test('that takes the right away says so, and works again when it is given back', async () => {
    const shared = await server({ users: [SETTER] })
    const memory = replica(shared.url, { username: 'setter', passwordFile: passwordFile() })
    await works(memory)
    await shared.command('ACL', 'SETUSER', 'setter', '-set')
    expect(await memory.use('1')).toBe('unavailable')
    expect(memory.told.at(-1)).toBe('lost: does not allow this user a command or a key that is needed (NOPERM to SET)')
    await shared.command('ACL', 'SETUSER', 'setter', '+set')
    await works(memory)
    expect(memory.told.at(-1)).toBe('connected')
  })

  test('that has no memory left evicts nothing, and is unavailable', async () => {
    const shared = await server({ config: ['maxmemory-policy noeviction'] })
    const memory = replica(shared.url)
    await works(memory)
    expect(await memory.use('1')).toBe('new')
    await shared.command('CONFIG', 'SET', 'maxmemory', '1')
    expect(await memory.use('2')).toBe('unavailable')
    expect(memory.told.at(-1)).toBe('lost: has no memory left (OOM to SET)')
    await shared.command('CONFIG', 'SET', 'maxmemory', '0')
    await works(memory)
    expect([await memory.use('1'), await memory.use('2')]).toEqual(['replayed', 'new'])
  })

  test('speaks TLS by the authority of the configuration, and with no other server', async () => {
    const [authority, stranger] = [testAuthority(), testAuthority()]
    atEnd(async () => [authority, stranger].forEach(each => void each.remove()))
    const shared = await server({ tls: { server: authority.issue('store', ['DNS:localhost']) } })
    const memory = replica(shared.url, { isTls: true, tls: { caFile: authority.certFile } })
    await works(memory)
    const fooled = replica(shared.url, { isTls: true, tls: { caFile: stranger.certFile } })
    await expect.poll(() => fooled.told, SOON).toEqual([expect.stringMatching(/^lost: cannot be reached: /)])
    expect(await fooled.use('1')).toBe('unavailable')
  })

  test('is left when the memory is closed: what is under way is unavailable, and nothing comes after it', async () => {
    const shared = await server()
    const memory = replica(shared.url, { timeoutMs: 300 })
    await works(memory)
    shared.pause()
    const underWay = memory.use('1')
    memory.close()
    expect([await underWay, await memory.use('2')]).toEqual(['unavailable', 'unavailable'])
    shared.resume()
    const connected = async () =>
      String(await shared.command('CLIENT', 'LIST', 'TYPE', 'normal'))
        .trim()
        .split('\n')
    // The one that is left is the test's own.
    await expect.poll(async () => (await connected()).length, SOON).toBe(1)
    expect(memory.told).toEqual(['connected'])
  })
})

test.each(['+QUEUED', ':0', '$3\r\nfoo', '*0'])(
  'a server that answers %j has not remembered the proof',
  async answer => {
    const odd = createServer(socket => socket.on('data', () => socket.write(`${answer}\r\n`)).on('error', () => {}))
    await new Promise<void>(resolve => odd.listen(0, '127.0.0.1', resolve))
    atEnd(async () => void odd.close())
    const memory = replica(`redis://127.0.0.1:${(odd.address() as AddressInfo).port}`)
    await expect.poll(() => memory.told, SOON).toContain('connected')
    expect(await memory.use('1')).toBe('unavailable')
  },
)
