/**
 * Keeps audit records in a file: lines wait in a bounded queue and are written many at a time, off the way of requests.
 *
 * A record waits 100 ms at most. The path is looked at before each write, and once a second: when it leads to another
 * file, as after a rotation, that one is opened. What cannot be written waits, and is tried again every second. The log
 * tells once that trouble begins, and once that it is over. A process that is killed takes what waits with it.
 *
 * A write to a file system whose server is gone does not fail: it does not end. One that takes longer than a few
 * seconds counts as trouble, too, and the end of the process does not wait for it.
 */
import { codeOf, fileFailureText } from '../../lib/failure-text.ts'
import { type LineBatch, type LineFile, openLineFile } from '../../lib/line-file.ts'
import type { Cancel, Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import { UntrustedFile } from '../../lib/trusted-file.ts'
import type { Log } from '../log.ts'
import type { AuditResult } from '../metrics/audit-metrics.ts'

interface AuditStatus {
  readonly file: string
  readonly state: 'ok' | 'failing'
  /** Why records cannot be written, in our words; undefined when they can. */
  readonly lastError: string | undefined
  /** Records that wait. */
  readonly queued: number
}

/** Where records go. */
export interface AuditSink {
  /** Takes one line, with its end. @returns false: it cannot be kept, and was counted as dropped */
  add(line: string): boolean
  /** Why a record would not be kept now; undefined: it would. */
  readonly trouble: string | undefined
  status(): AuditStatus
  /** Begins to write: until then nothing is opened, and no file is made. */
  open(): void
  /** Opens the file anew. */
  reopen(): void
  /** Writes what waits at once, for a process that is about to end. */
  flushNow(): void
  /** Writes what waits, and closes the file. */
  close(): Promise<void>
}

interface AuditFileOptions {
  readonly path: string
  readonly scheduler: Scheduler
  readonly log: Log
  readonly onRecords: (result: AuditResult, count: number) => void
  /** Told whether records can be written. */
  readonly onState: (isUp: boolean) => void
  /** By default 16 MiB, which are some 40,000 records. */
  readonly mostQueuedBytes?: number
}

const MOST_QUEUED_BYTES = 16 * 1024 * 1024
const WRITE_BYTES = 64 * 1024
const LONGEST_WAIT_MS = 100
const LOOK_MS = 1_000
/** So many looks in a row find the same write under way before it counts as one that does not end. */
const MOST_IDLE_LOOKS = 5
/** Whoever closes the file waits this long at most for what is under way. */
const LONGEST_END_MS = 5_000
const QUEUE_FULL = 'more records come than can be written'
const HANGING = 'a write does not end'
/** After these the same file is written to again: a line may have been cut. */
const NO_SPACE: ReadonlySet<string | undefined> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

interface Batch extends LineBatch {
  readonly count: number
}

export function auditFile(options: AuditFileOptions): AuditSink {
  const { path, scheduler, log, onRecords, onState, mostQueuedBytes = MOST_QUEUED_BYTES } = options
  let queue: string[] = []
  /** Characters, nearly all of which are bytes. */
  let queuedBytes = 0
  let batch: Batch | undefined
  let file: LineFile | undefined
  let round: Promise<void> | undefined
  let failure: string | undefined
  /** How many were dropped since trouble began, which the log was told of. */
  let dropped: number | undefined
  let mustReopen = false
  let isClosed = false
  /** Looks since a step of the round under way has ended. */
  let idleLooks = 0
  let cancelWrite: Cancel | undefined
  let cancelLook: Cancel = () => {}

  function add(line: string): boolean {
    if (queuedBytes + line.length > mostQueuedBytes) {
      onRecords('dropped', 1)
      begun(QUEUE_FULL)
      if (dropped !== undefined) dropped++
      return false
    }
    queue.push(line)
    queuedBytes += line.length
    if (failure !== undefined) return true
    if (queuedBytes >= WRITE_BYTES) write()
    else cancelWrite ??= scheduler.after(LONGEST_WAIT_MS, write)
    return true
  }

  function write(): void {
    cancelWrite?.()
    cancelWrite = undefined
    round ??= writeAll().finally(async () => {
      // Nobody else does it for a round that ends late. Node ends a process that forgets an open file.
      if (isClosed) await closeFile()
      round = undefined
      idleLooks = 0
      if (failure === undefined && queue.length > 0) cancelWrite ??= scheduler.after(LONGEST_WAIT_MS, write)
    })
  }

  async function writeAll(): Promise<void> {
    try {
      await followPath()
      for (batch ??= nextBatch(); batch !== undefined; batch = nextBatch()) {
        const writing = batch
        await (await followPath()).append(writing)
        idleLooks = 0
        // Whoever has closed meanwhile has counted it as dropped.
        if (batch === writing) onRecords('written', writing.count)
      }
      ended()
    } catch (error) {
      failure = reasonOf(error)
      if (!NO_SPACE.has(codeOf(error))) await closeFile()
      begun(failure)
    }
  }

  /** Returns the file that the path leads to: one that was moved may be compressed and gone before long. */
  async function followPath(): Promise<LineFile> {
    if (mustReopen || (await file?.isMoved()) === true) await closeFile()
    mustReopen = false
    file ??= await openLineFile(path)
    return file
  }

  async function closeFile(): Promise<void> {
    const closing = file
    file = undefined
    await closing?.close().catch(() => {})
  }

  function nextBatch(): Batch | undefined {
    if (queue.length === 0) return undefined
    let count = 0
    let length = 0
    while (count < queue.length && length < WRITE_BYTES) length += queue[count++]?.length ?? 0
    const lines = queue.slice(0, count)
    queue = count === queue.length ? [] : queue.slice(count)
    queuedBytes -= length
    return { bytes: Buffer.from(lines.join('')), done: 0, count }
  }

  function begun(reason: string): void {
    if (dropped !== undefined) return
    dropped = 0
    onState(false)
    log.error({ file: path, reason }, 'audit records cannot be written')
  }

  function ended(): void {
    failure = undefined
    onState(true)
    if (dropped === undefined) return
    log.info({ file: path, dropped }, 'audit records are written again')
    dropped = undefined
  }

  function look(): void {
    if (round !== undefined && ++idleLooks === MOST_IDLE_LOOKS) {
      failure = HANGING
      begun(failure)
    }
    write()
    cancelLook = scheduler.after(LOOK_MS, look)
  }

  return {
    add,
    get trouble() {
      return failure ?? (queuedBytes >= mostQueuedBytes || dropped !== undefined ? QUEUE_FULL : undefined)
    },
    status: () => ({
      file: path,
      state: dropped === undefined ? 'ok' : 'failing',
      lastError: failure ?? (dropped === undefined ? undefined : QUEUE_FULL),
      queued: queue.length + (batch?.count ?? 0),
    }),
    open: look,
    reopen() {
      mustReopen = true
      write()
    },
    flushNow() {
      if (file === undefined) return
      // A batch that is on its way is written by a thread that Node waits for.
      const left = [round === undefined ? batch : undefined, nextBatchOfAll()]
      try {
        for (const each of left) if (each !== undefined) file.appendNow(each)
      } catch {
        // Nobody is left to be told.
      }
    },
    async close() {
      cancelLook()
      if (await isOver(round)) {
        write()
        await isOver(round)
      }
      cancelWrite?.()
      const left = queue.length + (batch?.count ?? 0)
      if (left > 0) onRecords('dropped', left)
      queue = []
      queuedBytes = 0
      batch = undefined
      isClosed = true
      if (round === undefined) await isOver(closeFile())
    },
  }

  async function isOver(work: Promise<void> | undefined): Promise<boolean> {
    return work === undefined || (await settledWithin(scheduler, LONGEST_END_MS, work))
  }

  function nextBatchOfAll(): Batch | undefined {
    const bytes = Buffer.from(queue.join(''))
    const count = queue.length
    queue = []
    queuedBytes = 0
    return count === 0 ? undefined : { bytes, done: 0, count }
  }
}

function reasonOf(error: unknown): string {
  return error instanceof UntrustedFile ? `it ${error.message}` : fileFailureText(error)
}
