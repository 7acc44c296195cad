/**
 * The ledger that gateways share, on real servers: what it enters, how long it keeps it, with few rights, and failing.
 */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { type Ledger, MOST_DEBITS } from '../../src/limit/ledger.ts'
import { LEDGER_COMMANDS, storeLedger } from '../../src/limit/store-ledger.ts'
import { type StoreDefinition, store } from '../../src/store/store.ts'
import { atEnd } from '../support/at-end.ts'
import { startStoreCluster } from '../support/services/store-cluster.ts'
import { definitionOf } from '../support/services/store-definition.ts'
import { STORE_KINDS } from '../support/services/store-programs.ts'
import { startSentinels } from '../support/services/store-sentinel.ts'
import { type StoreServer, startStoreServer } from '../support/services/store-server.ts'

/** Tests that need servers of the store are skipped where the set-up of the run could not get them. */
const WITHOUT_STORES = process.env.WITHOUT_STORES === '1'
const SOON = { timeout: 20_000, interval: 20 } as const
const HOUR_MS = 3_600_000

interface TestLedger extends Ledger {
  readonly told: readonly string[]
  spend(name: string, spentMs: number, sinceMs?: number): Promise<number>
}

function ledgerOf(url: string, over: Partial<StoreDefinition> = {}): TestLedger {
  const { hostname: host, port } = new URL(url)
  const address = { host, port: Number(port) }
  const told: string[] = []
  const deps = { scheduler: systemScheduler, monotonicMs: systemClock.monotonicMs, onCommand() {} }
  const ledger = storeLedger({
    store: store(definitionOf(address, { url: address, ...over }), deps),
    clock: systemClock,
    scheduler: systemScheduler,
    random: () => 0,
    observer: { connected: () => told.push('connected'), lost: reason => told.push(`lost: ${reason}`) },
  })
  atEnd(async () => ledger.close())
  ledger.open()
  return {
    ...ledger,
    told,
    async spend(name, spentMs, sinceMs = 0) {
      const [aheadMs = Number.NaN] = await ledger.debit([{ name, spentMs, sinceMs }])
      return aheadMs
    },
  }
}

async function connected(url: string, over?: Partial<StoreDefinition>): Promise<TestLedger> {
  const ledger = ledgerOf(url, over)
  await expect.poll(ledger.isUp, SOON).toBe(true)
  return ledger
}

/** Time goes on between two questions, so that it is somewhat less. */
function isAlmost(expectedMs: number) {
  return { asymmetricMatch: (ms: number) => ms <= expectedMs && ms > expectedMs - 30_000 }
}

const keyOf = (name: string): string => `{sallyport}:${name}`

describe.skipIf(WITHOUT_STORES).for(STORE_KINDS)('on %s', kind => {
  let server: StoreServer
  beforeAll(async () => {
    server = await startStoreServer({ kind })
  })
  afterAll(() => server.stop())

  test('what is spent adds up, whoever tells it, and what is given back is taken off', async () => {
    const [one, other, name] = [await connected(server.url), await connected(server.url), `limit:x:${randomUUID()}`]
    expect(await one.spend(name, HOUR_MS)).toBe(HOUR_MS)
    expect(await other.spend(name, HOUR_MS)).toEqual(isAlmost(2 * HOUR_MS))
    expect(await one.spend(name, 0)).toEqual(isAlmost(2 * HOUR_MS))
    expect(await one.spend(name, -HOUR_MS)).toEqual(isAlmost(HOUR_MS))
    expect(await one.spend(name, -2 * HOUR_MS)).toBeLessThan(0)
    expect(await server.command('EXISTS', keyOf(name))).toBe(0)
  })

  test('what was spent a while ago is paid for since then, unless others have spent meanwhile', async () => {
    const [ledger, name] = [await connected(server.url), `limit:x:${randomUUID()}`]
    expect(await ledger.spend(name, 3 * HOUR_MS, -HOUR_MS)).toBe(2 * HOUR_MS)
    expect(await ledger.spend(name, HOUR_MS, -HOUR_MS)).toEqual(isAlmost(3 * HOUR_MS))
    expect(await ledger.spend(`${name}-old`, HOUR_MS, -2 * HOUR_MS)).toBe(-HOUR_MS)
    expect(await server.command('EXISTS', keyOf(`${name}-old`))).toBe(0)
  })

  test('what each says of the same time is merged, and not added up', async () => {
    const [ledger, name] = [await connected(server.url), `limit:x:${randomUUID()}`]
    expect(await ledger.spend(name, 0, HOUR_MS)).toBe(HOUR_MS)
    expect(await ledger.spend(name, 0, 2 * HOUR_MS)).toBe(2 * HOUR_MS)
    expect(await ledger.spend(name, 0, HOUR_MS)).toEqual(isAlmost(2 * HOUR_MS))
  })

  test('a question may be about as many keys as there may be, twice about one of them, and is answered in order', async () => {
    const ledger = await connected(server.url)
    const names = Array.from({ length: MOST_DEBITS }, () => `limit:x:${randomUUID()}`)
    const debits = names.map((name, index) => ({ name, spentMs: HOUR_MS * index, sinceMs: 0 }))
    expect(await ledger.debit(debits)).toEqual(debits.map(({ spentMs }) => spentMs))
    const [again, more] = await ledger.debit([0, 1].map(() => ({ name: `${names[0]}`, spentMs: HOUR_MS, sinceMs: 0 })))
    expect([again, more]).toEqual([HOUR_MS, 2 * HOUR_MS])
  })

  test('a key is kept until it has paid, and a second', async () => {
    const [ledger, name] = [await connected(server.url), `limit:x:${randomUUID()}`]
    for (const spentMs of [0.5, 1_500, HOUR_MS]) {
      const aheadMs = await ledger.spend(name, spentMs)
      const lifeMs = Number(await server.command('PTTL', keyOf(name)))
      expect(lifeMs).toBeGreaterThan(0)
      expect(lifeMs).toBeLessThanOrEqual(Math.ceil(aheadMs) + 1_000)
    }
    await ledger.take([{ name, spentMs: HOUR_MS, burst: 10 }])
    const lifeMs = Number(await server.command('PTTL', keyOf(name)))
    expect(lifeMs).toBeLessThanOrEqual(2 * HOUR_MS + 3_000)
  })

  test('a clock that is set back adds nothing to what a key owes, and one that is set on pays for it', async () => {
    const [ledger, name] = [await connected(server.url), `limit:x:${randomUUID()}`]
    const now = ((await server.command('TIME')) as readonly string[]).map(Number)
    const nowUs = (now[0] ?? 0) * 1e6 + (now[1] ?? 0)
    // What an hour ahead of now was written by a clock that was a day ahead, and by one that was two hours behind.
    await server.command('SET', keyOf(name), `${HOUR_MS * 1e3} ${nowUs + 24 * HOUR_MS * 1e3}`)
    expect(await ledger.spend(name, 0)).toBe(HOUR_MS)
    expect(await ledger.spend(name, 0)).toEqual(isAlmost(HOUR_MS))
    await server.command('SET', keyOf(name), `${HOUR_MS * 1e3} ${nowUs - 2 * HOUR_MS * 1e3}`)
    expect(await ledger.spend(name, HOUR_MS)).toBe(HOUR_MS)
  })

  test('a key with something else in it begins anew', async () => {
    const [ledger, name] = [await connected(server.url), `limit:x:${randomUUID()}`]
    for (const found of ['', 'x', '1', '-5 3', '1 2 3', '9e99 1']) {
      await server.command('SET', keyOf(name), found)
      expect(await ledger.spend(name, HOUR_MS)).toBe(HOUR_MS)
    }
  })

  test('a limit that is exact lets as many pass as it says, to the request, over two gateways', async () => {
    const gateways = [await connected(server.url), await connected(server.url)]
    // An interval that is no whole number of microseconds does not add up to one request more or less.
    for (const [burst, spentMs] of [
      [10, HOUR_MS / 10],
      [700, HOUR_MS / 700],
    ] as const) {
      const taking = { name: `limit:x:${randomUUID()}`, spentMs, burst }
      const taken = await Promise.all(
        Array.from({ length: burst + 50 }, (_, index) => gateways[index % 2]?.take([taking])),
      )
      const within = taken.filter(each => each?.isWithin)
      // While they are asked, time goes on: at this rate not long enough for another one.
      expect(within).toHaveLength(burst)
    }
  })

  test('of several limits that are exact, one that refuses leaves the others as they were', async () => {
    const ledger = await connected(server.url)
    const [wide, narrow] = ['a', 'b'].map(name => `limit:${name}:${randomUUID()}`) as [string, string]
    const takings = [
      { name: wide, spentMs: HOUR_MS, burst: 5 },
      { name: narrow, spentMs: HOUR_MS, burst: 1 },
    ]
    expect(await ledger.take(takings)).toEqual({ isWithin: true, aheadMs: [HOUR_MS, HOUR_MS] })
    expect(await ledger.take(takings)).toEqual({ isWithin: false, aheadMs: [isAlmost(HOUR_MS), isAlmost(HOUR_MS)] })
  })

  test('a server that has forgotten the scripts is sent them again', async () => {
    const [ledger, name] = [await connected(server.url), `limit:x:${randomUUID()}`]
    await server.command('SCRIPT', 'FLUSH')
    expect(await ledger.spend(name, HOUR_MS)).toBe(HOUR_MS)
    await server.command('SCRIPT', 'FLUSH')
    expect((await ledger.take([{ name, spentMs: HOUR_MS, burst: 2 }])).isWithin).toBe(true)
    expect(ledger.told).toEqual(['connected'])
  })
})

describe.skipIf(WITHOUT_STORES)('in a store', () => {
  test.for(STORE_KINDS)('that is a cluster of %s, it is asked on the server that has our keys', async kind => {
    const cluster = await startStoreCluster({ kind })
    atEnd(cluster.stop)
    const owner = await cluster.ownerOf(keyOf(''))
    const [other] = cluster.servers.filter(each => each !== owner)
    const ledger = await connected(`redis://${other?.address}`, { topology: 'cluster' })
    expect(await ledger.spend('limit:x:a', HOUR_MS)).toBe(HOUR_MS)
    expect((await ledger.take([{ name: 'limit:x:a', spentMs: HOUR_MS, burst: 2 }])).isWithin).toBe(true)
  })

  test('with sentinels, it goes on after a failover, with what the replica had', async () => {
    const set = await startSentinels({ sentinels: 3 })
    atEnd(set.stop)
    const nodes = set.nodes.map(node => ({ host: '127.0.0.1', port: Number(node.split(':').at(-1)) }))
    const url = { host: new URL(set.url).hostname, port: 0 }
    const ledger = await connected('redis://127.0.0.1:1', { topology: 'sentinel', url, nodes })
    await ledger.spend('limit:x:a', HOUR_MS)
    await set.master.command('WAIT', 1, 0)
    await set.master.kill()
    await set.promoted(set.replica)
    await expect.poll(() => ledger.spend('limit:x:a', HOUR_MS).catch(() => 0), SOON).toEqual(isAlmost(2 * HOUR_MS))
  })
})

describe.skipIf(WITHOUT_STORES)('a user of the store', () => {
  let folder: string
  let server: StoreServer
  const rights = LEDGER_COMMANDS.map(command => `+${command.toLowerCase()}`)
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sallyport-ledger-'))
    writeFileSync(join(folder, 'password'), 'secret\n', { mode: 0o600 })
    const common = '>secret ~{sallyport}:* resetchannels -@all'
    server = await startStoreServer({
      users: [
        `enough on ${common} ${rights.join(' ')}`,
        ...rights.map(
          right => `without-${right.slice(1)} on ${common} ${rights.filter(each => each !== right).join(' ')}`,
        ),
        `elsewhere on >secret ~other:* resetchannels -@all ${rights.join(' ')}`,
      ],
    })
  })
  afterAll(async () => {
    await server.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  const as = (username: string) => ledgerOf(server.url, { username, passwordFile: join(folder, 'password') })

  test('with the rights that are asked for has enough', async () => {
    const ledger = as('enough')
    await expect.poll(ledger.isUp, SOON).toBe(true)
    await server.command('SCRIPT', 'FLUSH')
    expect(await ledger.spend('limit:x:enough', 0.01)).toBe(0.01)
    expect(await ledger.spend('limit:x:enough', -HOUR_MS)).toBeLessThan(0)
    expect((await ledger.take([{ name: 'limit:x:enough', spentMs: 1, burst: 2 }])).isWithin).toBe(true)
    expect(ledger.told).toEqual(['connected'])
  })

  // Every script is sent by its digest first, and works so once anybody has sent it whole.
  test.for([...rights.filter(right => right !== '+evalsha').map(right => `without-${right.slice(1)}`), 'elsewhere'])(
    '%s is told before anything is counted',
    async username => {
      const ledger = as(username)
      await expect.poll(() => ledger.told, SOON).toEqual([expect.stringMatching(/^lost: .*(?:NOPERM|permission)/i)])
      expect(ledger.isUp()).toBe(false)
    },
  )
})

describe('a store that', () => {
  test.skipIf(WITHOUT_STORES)('has no memory left is away until it has some', async () => {
    const server = await startStoreServer({ config: ['maxmemory-policy noeviction'] })
    atEnd(server.stop)
    const ledger = await connected(server.url)
    await server.command('CONFIG', 'SET', 'maxmemory', '1')
    await expect(ledger.spend('limit:x:a', HOUR_MS)).rejects.toThrow()
    await expect.poll(() => ledger.status().lastError, SOON).toMatch(/OOM|memory/)
    expect(ledger.told).toHaveLength(2)
    await server.command('CONFIG', 'SET', 'maxmemory', '0')
    await expect.poll(() => ledger.spend('limit:x:a', HOUR_MS).catch(() => 0), SOON).toBe(HOUR_MS)
  })

  test.skipIf(WITHOUT_STORES)('is hung is away after its time limit, and is asked again when it answers', async () => {
    const server = await startStoreServer()
    atEnd(server.stop)
    const ledger = await connected(server.url, { timeoutMs: 200 })
    server.pause()
    await expect(ledger.spend('limit:x:a', HOUR_MS)).rejects.toThrow('does not answer in time')
    expect(ledger.isUp()).toBe(false)
    await expect(ledger.spend('limit:x:a', HOUR_MS)).rejects.toThrow('is away')
    server.resume()
    await expect.poll(ledger.isUp, SOON).toBe(true)
  })

  test.for([
    ['answers with a text', '$2\r\nOK\r\n'],
    ['answers with fewer numbers', '*0\r\n'],
    ['answers with more numbers', '*3\r\n:1\r\n:2\r\n:3\r\n'],
    ['answers with texts', '*2\r\n$1\r\n1\r\n$1\r\n2\r\n'],
    ['answers with nothing', '$-1\r\n'],
    ['speaks another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['says no', '-ERR unknown command\r\n'],
  ] as const)('%s has counted nothing', async ([_name, answer]) => {
    // The first answers are to the question whether it can be used.
    let asked = 0
    const fake = createServer(socket => {
      asked = 0
      socket
        .on('error', () => {})
        .on('data', () => {
          asked += 1
          socket.write(asked === 1 ? '*2\r\n:1\r\n:-999\r\n' : answer)
        })
    })
    await new Promise<void>(resolve => fake.listen(0, '127.0.0.1', resolve))
    atEnd(async () => void fake.close())
    const ledger = ledgerOf(`redis://127.0.0.1:${(fake.address() as AddressInfo).port}`, { timeoutMs: 1_000 })
    await expect.poll(ledger.isUp, SOON).toBe(true)
    await expect(ledger.debit([1, 2].map(spentMs => ({ name: 'limit:x:a', spentMs, sinceMs: 0 })))).rejects.toThrow()
  })
})
