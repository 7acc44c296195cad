/** The stream of revocations on a real server: what is written arrives, and whatever is lost is noticed. */

import { beforeEach, describe, expect, test, vi } from 'vitest'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { type RevocationEntry, withTimes } from '../../src/revocation/entry.ts'
import { type Revocations, revocations } from '../../src/revocation/revocations.ts'
import { streamReader } from '../../src/revocation/stream-reader.ts'
import { type StreamWriter, streamWriter } from '../../src/revocation/stream-writer.ts'
import { type StoreDefinition, store } from '../../src/store/store.ts'
import { atEnd } from '../support/at-end.ts'
import { definitionOf } from '../support/services/store-definition.ts'
import { type StoreServer, startStoreServer } from '../support/services/store-server.ts'

const KEY = '{sallyport}:revocations'
const KEEP = 3600
const ISSUER = 'https://auth.example.com/'
const SOON = { timeout: 15_000, interval: 10 }

let server: StoreServer
let laterMs: number
const clock = {
  nowMs: systemClock.nowMs,
  monotonicMs: () => systemClock.monotonicMs() + laterMs,
}

const named = (value: string): RevocationEntry =>
  withTimes(
    { issuer: ISSUER, kind: 'sub', value, before: undefined, until: undefined, reason: undefined },
    Math.floor(clock.nowMs() / 1000),
    KEEP,
  )
const revoke = (value: string) => ({ do: 'revoke', entry: named(value) }) as const
const undo = (value: string) => ({ do: 'undo', subject: named(value) }) as const

function definition(over: Partial<StoreDefinition> = {}): StoreDefinition {
  return definitionOf(server, { timeoutMs: 300, ...over })
}

function shared(over?: Partial<StoreDefinition>) {
  const deps = { scheduler: systemScheduler, monotonicMs: clock.monotonicMs, onCommand() {} }
  return {
    store: store(definition(over), deps),
    stream: 'revocations',
    keepSeconds: KEEP,
    clock,
    scheduler: systemScheduler,
  }
}

interface Reading {
  readonly known: Revocations
  /** What the reader says, in order. */
  readonly told: string[]
  has(value: string): boolean
}

function read({ entries = 1000, over }: { entries?: number; over?: Partial<StoreDefinition> } = {}): Reading {
  const told: string[] = []
  const known = revocations({
    clock,
    scheduler: systemScheduler,
    onEvent: (_source, result) => void (result === 'invalid' && told.push('invalid')),
    onState() {},
  })
  known.configure({ entries, maxStaleMs: 3_000, fileEntries: [] })
  const reader = streamReader({
    ...shared(over),
    revocations: known,
    random: () => 0,
    observer: {
      connected: () => told.push('connected'),
      lost: reason => told.push(`lost: ${reason}`),
      historyLost: reason => told.push(`history lost: ${reason}`),
      arrived() {},
    },
  })
  atEnd(async () => {
    reader.close()
    known.close()
  })
  return { known, told, has: value => known.inForce(named(value), 0) !== undefined }
}

function write(over?: Partial<StoreDefinition>): { writer: StreamWriter; told: string[] } {
  const told: string[] = []
  const writer = streamWriter({
    ...shared(over),
    observer: {
      failed: reason => told.push(`failed: ${reason}`),
      caughtUp: written => told.push(`caught up: ${written}`),
      dropped: waiting => told.push(`dropped: ${waiting}`),
    },
  })
  atEnd(async () => writer.close())
  return { writer, told }
}

describe.skipIf(process.env.WITHOUT_STORES === '1')('the stream', () => {
  beforeEach(async () => {
    laterMs = 0
    server = await startStoreServer()
    atEnd(server.stop)
  })

  test('that does not exist yet is empty, and known to be', async () => {
    const { known, told } = read()
    await vi.waitFor(() => expect(known.state).toBe('fresh'), SOON)
    expect(told).toEqual(['connected'])
  })

  test('brings what was written before, more than a page of it, and what is written from now on', async () => {
    const { writer } = write()
    await Promise.all(Array.from({ length: 2_500 }, (_, at) => writer.write(revoke(`old-${at}`))))
    const { known, has } = read({ entries: 5_000 })
    await vi.waitFor(() => expect(known.state).toBe('fresh'), SOON)
    expect([has('old-0'), has('old-2499'), has('new')]).toEqual([true, true, false])
    expect(await writer.write(revoke('new'))).toMatch(/^\d+-\d+$/)
    await vi.waitFor(() => expect(has('new')).toBe(true), SOON)
    await writer.write(undo('old-0'))
    await vi.waitFor(() => expect(has('old-0')).toBe(false), SOON)
    const later = read({ entries: 5_000 })
    await vi.waitFor(() => expect(later.known.state).toBe('fresh'), SOON)
    expect([later.has('old-0'), later.has('old-1'), later.has('new')]).toEqual([false, true, true])
  })

  test('may hold what is no entry, which is counted and left out', async () => {
    await server.command('XADD', KEY, '*', 'v', '2', 'i', ISSUER, 's', 'alice')
    await server.command('XADD', KEY, '*', 'v', '1', 'i', ISSUER, 's', 'bob')
    const { known, told, has } = read()
    await vi.waitFor(() => expect(known.state).toBe('fresh'), SOON)
    expect([told, has('alice'), has('bob')]).toEqual([['invalid', 'connected'], false, true])
  })

  test('is cut at its beginning, so that it does not grow for ever', async () => {
    await server.command('XADD', KEY, '1-1', 'v', '1', 'i', ISSUER, 's', 'ancient')
    for (let at = 0; at < 200; at += 1) await server.command('XADD', KEY, `2-${at}`, 'v', '1', 'i', ISSUER, 's', 'old')
    await write().writer.write(revoke('alice'))
    expect(Number(await server.command('XLEN', KEY))).toBeLessThan(120)
  })

  test.each<readonly [string, () => Promise<unknown>]>([
    ['is deleted', () => server.command('DEL', KEY)],
    ['goes with everything else', () => server.command('FLUSHALL')],
    ['is lost with a restart', () => server.restart()],
    [
      'is deleted and longer again',
      async () => {
        await server.command('DEL', KEY)
        for (const each of ['x', 'y', 'z']) await server.command('XADD', KEY, '*', 'v', '1', 'i', ISSUER, 's', each)
      },
    ],
  ])('that %s is missed once, and nothing is forgotten', async (_what, lose) => {
    const { writer } = write()
    await writer.write(revoke('alice'))
    const { known, told, has } = read()
    await vi.waitFor(() => expect(has('alice')).toBe(true), SOON)
    await lose()
    await vi.waitFor(() => {
      laterMs += 11_000
      expect(told.filter(each => each.startsWith('history lost'))).toHaveLength(1)
    }, SOON)
    await writer.write(revoke('bob'))
    await vi.waitFor(() => expect(has('bob')).toBe(true), SOON)
    laterMs += 11_000
    await vi.waitFor(() => expect(known.state).toBe('fresh'), SOON)
    expect(has('alice')).toBe(true)
    expect(told.filter(each => each.startsWith('history lost'))).toHaveLength(1)
  })

  test('with more than there is room for is never called known', async () => {
    const { writer } = write()
    for (const each of ['a', 'b', 'c', 'd']) await writer.write(revoke(each))
    const { known, told } = read({ entries: 3 })
    await vi.waitFor(() => expect(told).not.toEqual([]), SOON)
    expect(told).toEqual(['lost: holds 1 entries more than `revocation.entries` has room for'])
    await new Promise(resolve => setTimeout(resolve, 1_500))
    expect([told.length, known.status().lastSuccessSeconds]).toEqual([1, undefined])
    expect(known.status().lastError).toContain('has room for')
  })

  test('of a server that hangs counts as silent, and goes on when it answers again', async () => {
    const { known, told, has } = read()
    await vi.waitFor(() => expect(known.state).toBe('fresh'), SOON)
    server.pause()
    await vi.waitFor(() => expect(told).toEqual(['connected', 'lost: does not answer in time']), SOON)
    const { writer, told: ofWriter } = write()
    const startedMs = performance.now()
    expect(await writer.write(revoke('alice'))).toBeUndefined()
    expect(performance.now() - startedMs).toBeLessThan(1_500)
    expect(await writer.write(revoke('bob'))).toBeUndefined()
    expect([writer.waiting, ofWriter]).toEqual([2, ['failed: does not answer in time']])
    server.resume()
    await vi.waitFor(() => expect([has('alice'), has('bob')]).toEqual([true, true]), SOON)
    expect([writer.waiting, ofWriter.at(-1)]).toEqual([0, 'caught up: 2'])
  })

  test('takes a thousand changes that wait, in their order, and no more', async () => {
    const { writer, told } = write()
    const { has } = read()
    await server.kill()
    expect(await writer.write(revoke('first'))).toBeUndefined()
    for (let at = 1; at < 999; at += 1) await writer.write(revoke(`waiting-${at}`))
    await writer.write(undo('first'))
    await expect(writer.write(revoke('too many'))).rejects.toThrow('is down, and as many changes wait for it as may')
    expect(told).toHaveLength(1)
    await server.restart()
    await vi.waitFor(() => expect(has('waiting-998')).toBe(true), SOON)
    await vi.waitFor(() => expect(told).toContain('caught up: 1000'), SOON)
    // The reader may be a page behind the writer.
    await vi.waitFor(() => expect(has('first')).toBe(false), SOON)
  })

  test('that a reader may not read is told once, and never called known', async () => {
    await server.command('ACL', 'SETUSER', 'default', 'resetkeys', '~{sallyport}:*', '-xread')
    const { told } = read()
    await vi.waitFor(() => expect(told).not.toEqual([]), SOON)
    await new Promise(resolve => setTimeout(resolve, 1_000))
    expect(told).toEqual([expect.stringMatching(/^lost: does not allow this user a command .*\(NOPERM to XREAD\)$/)])
  })

  test('that the writer may not write to is told once, with the reason', async () => {
    await server.command('ACL', 'SETUSER', 'default', '-xadd')
    const { writer, told } = write()
    expect(await writer.write(revoke('alice'))).toBeUndefined()
    expect(told).toEqual([expect.stringMatching(/^failed: does not allow this user a command .*\(NOPERM to XADD\)$/)])
    await server.command('ACL', 'SETUSER', 'default', '+xadd')
    await vi.waitFor(() => expect(told.at(-1)).toBe('caught up: 1'), SOON)
  })
})
