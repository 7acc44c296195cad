/**
 * Writes changes to the stream in the store, on a connection of its own.
 *
 * While the store is down, changes wait in order, a thousand at most, and are written when it is back. Whoever tells
 * a change waits for one attempt, no longer.
 */
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { StoreConnection } from '../store/connection.ts'
import { StoreError, storeError } from '../store/failure.ts'
import type { Store } from '../store/store.ts'
import type { ChangeWriter, RevocationChange } from './revoker.ts'
import { streamFields } from './stream-fields.ts'

interface StreamWriterOptions {
  readonly store: Store
  readonly stream: string
  readonly keepSeconds: number
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly observer: WriterObserver
}

interface WriterObserver {
  /** From here on changes wait. @param reason continues "the store …" */
  failed(reason: string): void
  /** @param written how many had waited */
  caughtUp(written: number): void
  /** So many waited when the writer was closed. */
  dropped(waiting: number): void
}

export interface StreamWriter extends ChangeWriter {
  /** How many changes wait for the store. */
  readonly waiting: number
  /** What waits is tried once more. */
  close(): Promise<void>
}

const MOST_WAITING = 1_000
const RETRY_MS = 1_000
const KEPT_LONGER_SECONDS = 3_600

/** The command that appends a change, and cuts off what is over by more than an hour. */
export function appendCommand(
  key: string,
  change: RevocationChange,
  keepSeconds: number,
  nowMs: number,
): readonly string[] {
  const oldest = Math.max(0, Math.floor(nowMs) - (keepSeconds + KEPT_LONGER_SECONDS) * 1000)
  return ['XADD', key, 'MINID', '~', String(oldest), '*', ...streamFields(change)]
}

export function streamWriter({
  store,
  stream,
  keepSeconds,
  clock,
  scheduler,
  observer,
}: StreamWriterOptions): StreamWriter {
  const key = store.key(stream)
  const queue: RevocationChange[] = []
  let connection: Promise<StoreConnection> | undefined
  let isRetryDue = false
  /** How many of those that have waited are written. */
  let written = 0
  let isClosed = false
  /** One command after the other, so that changes keep their order. */
  let last: Promise<unknown> = Promise.resolve()

  const forget = (over: Promise<StoreConnection> | undefined): void => {
    if (connection === over) connection = undefined
  }

  const connected = (): Promise<StoreConnection> => {
    connection ??= store.connect().then(opened => {
      void opened.ended.then(() => forget(opening))
      return opened
    })
    const opening = connection
    opening.catch(() => forget(opening))
    return opening
  }

  /** @throws {StoreError} it was not written, as far as anybody knows */
  const append = async (change: RevocationChange): Promise<string> => {
    const server = await connected()
    const args = appendCommand(key, change, keepSeconds, clock.nowMs())
    return String(await server.send(args).catch(error => leave(server, error)))
  }

  /** Another server may take it. */
  const leave = (server: StoreConnection, error: unknown): never => {
    server.close()
    throw storeError(error)
  }

  const flush = async (): Promise<void> => {
    for (let [first] = queue; first !== undefined; [first] = queue) {
      await append(first)
      queue.shift()
      written += 1
    }
    observer.caughtUp(written)
    written = 0
  }

  const retry = (): void => {
    if (isRetryDue || isClosed || queue.length === 0) return
    isRetryDue = true
    scheduler.after(RETRY_MS, () => {
      isRetryDue = false
      if (!isClosed) last = last.then(flush).catch(retry)
    })
  }

  const attempt = async (change: RevocationChange): Promise<string | undefined> => {
    if (queue.length === 0) {
      try {
        return await append(change)
      } catch (error) {
        // It waits, as those behind it do.
        observer.failed(storeError(error).message)
      }
    }
    if (queue.length >= MOST_WAITING) throw new StoreError('is down, and as many changes wait for it as may')
    queue.push(change)
    retry()
    return undefined
  }

  return {
    get waiting() {
      return queue.length
    },
    write(change) {
      const written = last.then(() => attempt(change))
      last = written.catch(() => {})
      return written
    },
    async close() {
      isClosed = true
      if (queue.length > 0) await last.then(flush).catch(() => {})
      if (queue.length > 0) observer.dropped(queue.length)
      void connection?.then(opened => opened.close()).catch(() => {})
    },
  }
}
