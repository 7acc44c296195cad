/** Measures how long it takes from the moment when a revocation is written to the store until every reader knows it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import { fingerprint } from '../../src/revocation/fingerprint.ts'
import { type Revocations, revocations } from '../../src/revocation/revocations.ts'
import { streamReader } from '../../src/revocation/stream-reader.ts'
import { store as storeOf } from '../../src/store/store.ts'
import { ensurePrograms } from '../lib/programs.ts'
import { freePort } from './processes.ts'

const ISSUER = 'https://auth.example.com/'

/** Milliseconds from the write, for each entry and each reader. */
export async function spreadMs(readerCount: number, entries: number): Promise<readonly number[]> {
  await ensurePrograms({ 'redis-server': 'redis-server' })
  const port = await freePort()
  const server = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], {
    stdio: 'ignore',
  })
  try {
    return await measured(port, readerCount, entries)
  } finally {
    await ended(server)
  }
}

async function measured(port: number, readerCount: number, entries: number): Promise<readonly number[]> {
  const store = storeOf(
    {
      topology: 'single',
      url: { host: '127.0.0.1', port },
      nodes: [],
      isTls: false,
      database: 0,
      username: undefined,
      passwordFile: undefined,
      tls: undefined,
      prefix: 'sallyport',
      timeoutMs: 10_000,
    },
    { scheduler: systemScheduler, monotonicMs: systemClock.monotonicMs, onCommand() {} },
  )
  const found: number[] = []
  let writtenMs = 0
  const readers = Array.from({ length: readerCount }, () => {
    const known = revocations({ clock: systemClock, scheduler: systemScheduler, onEvent: heard, onState() {} })
    known.configure({ entries: 1_000, maxStaleMs: 60_000, fileEntries: [] })
    const options = { store, stream: 'revocations', keepSeconds: 3600, revocations: known, random: Math.random }
    const observer = { connected() {}, lost() {}, historyLost() {}, arrived() {} }
    const reader = streamReader({ ...options, clock: systemClock, scheduler: systemScheduler, observer })
    return { known, reader }
  })
  function heard(): void {
    if (writtenMs > 0) found.push(performance.now() - writtenMs)
  }
  const isEvery = (holds: (known: Revocations) => boolean): boolean => readers.every(({ known }) => holds(known))
  while (!isEvery(({ state }) => state === 'fresh')) await pause(50)
  const writer = await store.connect()
  for (let index = 0; index < entries; index += 1) {
    const subject = { issuer: ISSUER, kind: 'sub', value: `user-${index}` } as const
    // Readers are at any point of their blocking reads, as they are in a fleet.
    await pause(500 + Math.random() * 1_000)
    writtenMs = performance.now()
    await writer.send(['XADD', store.key('revocations'), '*', 'v', '1', 'i', ISSUER, 's', subject.value])
    const print = fingerprint(subject)
    while (!isEvery(known => known.find([print], undefined) !== undefined)) await pause(5)
  }
  writer.close()
  for (const { known, reader } of readers) {
    reader.close()
    known.close()
  }
  return found
}

async function ended(server: ChildProcess): Promise<void> {
  const closed = once(server, 'close')
  server.kill()
  await closed
}
