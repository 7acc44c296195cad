/** What becomes of records that cannot be written: they wait, then they are dropped, and somebody is told. */
import { execFileSync } from 'node:child_process'
import {
  close,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  open,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Exchange } from '../../../src/exchange.ts'
import { systemClock } from '../../../src/lib/clock.ts'
import { type Scheduler, systemScheduler } from '../../../src/lib/scheduler.ts'
import { audit } from '../../../src/telemetry/audit/audit.ts'
import { auditFile } from '../../../src/telemetry/audit/audit-file.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { manualTime } from '../../support/manual-time.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-records-'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

function started(path: string, scheduler: Scheduler = systemScheduler) {
  const logs: Array<Record<string, unknown>> = []
  const counts = { written: 0, dropped: 0 }
  const states: boolean[] = []
  const sink = auditFile({
    path,
    scheduler,
    log: createLog('info', { write: line => void logs.push(JSON.parse(line)) }),
    onRecords: (result, count) => {
      counts[result] += count
    },
    onState: isUp => states.push(isUp),
    mostQueuedBytes: 100,
  })
  sink.open()
  return { sink, logs, counts, states }
}

test('they wait while there is room, are dropped and counted when there is none, and told of once', async () => {
  const path = join(folder, 'later', 'audit.jsonl')
  const { sink, logs, counts, states } = started(path)
  await expect.poll(() => sink.trouble).toBe('there is no such file or folder (ENOENT)')
  for (let i = 0; i < 20; i++) sink.add(`${JSON.stringify({ i: 10 + i })}\n`)
  expect(sink.status()).toEqual({ file: path, state: 'failing', lastError: sink.trouble, queued: 11 })
  expect(counts).toEqual({ written: 0, dropped: 9 })
  mkdirSync(join(folder, 'later'))
  sink.reopen()
  await expect.poll(() => counts.written).toBe(11)
  expect(sink.trouble).toBeUndefined()
  expect(logs).toMatchObject([
    { level: 'error', msg: 'audit records cannot be written', file: path },
    { level: 'info', msg: 'audit records are written again', dropped: 9 },
  ])
  expect([states[0], states.at(-1)]).toEqual([false, true])
  sink.add('{"last":1}\n')
  await sink.close()
  expect(
    readFileSync(path, 'utf8')
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line)),
  ).toEqual([...Array.from({ length: 11 }, (_, i) => ({ i: 10 + i })), { last: 1 }])
})

test('a request whose record is the first that finds no room does not pass', async () => {
  const { sink, counts } = started(join(folder, 'narrow.jsonl'))
  const { passed } = audit({ what: 'all', onFull: 'refuse', sink, clock: systemClock })
  const exchange = {
    requestId: 'a',
    facts: { method: 'GET', target: `/${'a'.repeat(200)}` },
    findings: { host: 'localhost' },
    sender: {},
  } as Exchange
  expect(sink.trouble).toBeUndefined()
  expect(passed(exchange)).toMatchObject({ code: 'audit_unavailable' })
  expect(counts.dropped).toBe(1)
  await sink.close()
})

test('what comes after a rotation is in the new file', async () => {
  const path = join(folder, 'rotated.jsonl')
  const { sink, counts } = started(path)
  for (let rotation = 1; rotation <= 3; rotation++) {
    sink.add(`${rotation}\n`)
    await expect.poll(() => counts.written).toBe(rotation)
    renameSync(path, `${path}.${rotation}`)
    expect(readFileSync(`${path}.${rotation}`, 'utf8')).toBe(`${rotation}\n`)
  }
  sink.add('4\n')
  await sink.close()
  expect(readFileSync(path, 'utf8')).toBe('4\n')
})

test('what still cannot be written at the end counts as dropped', async () => {
  const { sink, counts } = started('/dev/full')
  sink.add('{"a":1}\n')
  await sink.close()
  expect(counts).toEqual({ written: 0, dropped: 1 })
})

test('what waits is written at once by a process that is about to end', async () => {
  const path = join(folder, 'ending.jsonl')
  const { sink, states } = started(path)
  await expect.poll(() => states).toContain(true)
  sink.add('{"a":1}\n')
  sink.add('{"b":1}\n')
  sink.flushNow()
  expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":1}\n')
  await sink.close()
  expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":1}\n')
})

/** Occupies every thread that Node writes files with: each waits for somebody to write into a pipe. @returns ends it */
async function occupyThreads(): Promise<() => void> {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  for (let i = 0; i < 4; i++) open(pipe, constants.O_RDONLY, (_error, fd) => close(fd))
  return () => close(openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK))
}

/** @returns which descriptors of this process are of a file */
function openedAs(path: string): readonly string[] {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path
    } catch {
      // It was closed meanwhile.
      return false
    }
  })
}

test('a write that does not end is trouble after seconds, holds up no end, and is over when it ends after all', async () => {
  const path = join(folder, 'hanging.jsonl')
  const time = manualTime()
  const other = join(folder, 'other.jsonl')
  const { sink, logs, counts, states } = started(path, time)
  sink.add('{"first":1}\n')
  await time.advance(100)
  await expect.poll(() => counts.written).toBe(1)
  const release = await occupyThreads()
  try {
    sink.add('{"second":1}\n')
    await time.advance(4_500)
    expect(sink.trouble).toBeUndefined()
    await time.advance(2_000)
    expect(sink.trouble).toBe('a write does not end')
    expect([sink.status().state, states.at(-1)]).toEqual(['failing', false])
    const otherOne = started(other, time)
    otherOne.sink.add('{"never":1}\n')
    const closing = otherOne.sink.close()
    await time.advance(10_000)
    await closing
    expect(otherOne.counts).toEqual({ written: 0, dropped: 1 })
  } finally {
    release()
  }
  await expect.poll(() => existsSync(other)).toBe(true)
  await expect.poll(() => openedAs(other)).toEqual([])
  expect(readFileSync(other, 'utf8')).toBe('')
  await expect.poll(() => counts.written).toBe(2)
  expect(sink.trouble).toBeUndefined()
  expect(logs.map(({ msg }) => msg)).toEqual(['audit records cannot be written', 'audit records are written again'])
  await sink.close()
})
