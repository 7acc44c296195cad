/**
 * Follows the stream of revocations in the store, for as long as the gateway runs.
 *
 * The stream is log, snapshot and clock at once: it is read from its beginning, then every answer to a blocking read,
 * also an empty one, proves that nothing is missing. A blocked reader does not notice that the stream was emptied or
 * that another server has taken over (redis#5625), so it asks every ten seconds, and after each connect, whether the
 * stream is still the one that it has read. If not, it reads all again; what was known stays known.
 *
 * What is read again may hold entries that were undone later. So the undone are looked for first, and such an entry is
 * left out: nobody may be refused for a moment because a connection broke.
 */
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Reply, StoreConnection } from '../store/connection.ts'
import { StoreError, storeError } from '../store/failure.ts'
import type { Store } from '../store/store.ts'
import { fingerprint } from './fingerprint.ts'
import type { Revocations } from './revocations.ts'
import type { RevocationChange } from './revoker.ts'
import { changeIn } from './stream-fields.ts'
import { compareIds, FIRST_ID, idMs } from './stream-id.ts'
import { entriesIn, infoIn, NO_STREAM, PAGE, type StreamEntry, type StreamInfo, streamPages } from './stream-pages.ts'

export interface StreamReaderOptions {
  readonly store: Store
  readonly stream: string
  readonly keepSeconds: number
  readonly revocations: Pick<Revocations, 'apply' | 'undo' | 'invalid' | 'proved' | 'failed'>
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: () => number
  readonly observer: StreamObserver
}

interface StreamObserver {
  connected(): void
  /** @param reason continues "the store …" */
  lost(reason: string): void
  historyLost(reason: string): void
  /** An entry has arrived that was written while the reader was there. */
  arrived(lagSeconds: number): void
}

export interface StreamReader {
  /** From here on it tells nothing any more. */
  close(): void
}

/** Long enough to make few answers, and short enough that freshness is proved in time. */
const BLOCK_MS = 1_000
/** Bounds how often one reader asks while many entries arrive one by one. */
const PAUSE_MS = 50
const LOOK_MS = 10_000
const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 5_000
/** Reading all again is costly, and little is likely to have expired since. */
const FULL_RETRY_MS = 30_000
const FULL = 'FULL'
/** The stream is cut at `keep` and this much, so an entry that is younger has to be there. */
const KEPT_LONGER_MS = 3_600_000

export function streamReader(options: StreamReaderOptions): StreamReader {
  const { store, keepSeconds, revocations, clock, scheduler, random, observer } = options
  const key = store.key(options.stream)
  let isClosed = false
  let connection: StoreConnection | undefined
  let isDown = false
  /** The last entry that was read; undefined before the first reading. */
  let cursor: string | undefined
  /** What the server said when all that it had was read, and how many entries were read since. */
  let seen = NO_STREAM
  let readSince = 0
  let wake: () => void = () => {}

  const pause = (delayMs: number): Promise<void> =>
    new Promise(resolve => {
      const cancel = scheduler.after(delayMs, resolve)
      wake = () => {
        cancel()
        resolve()
      }
    })

  const apply = ({ id, fields }: StreamEntry, undone?: ReadonlyMap<string, string>): boolean => {
    const change = changeIn(fields, idMs(id), keepSeconds)
    if (change === undefined) {
      revocations.invalid('store')
      return true
    }
    if (change.do === 'undo') {
      // What is read again may be old, and what was revoked here since may not be in the stream yet.
      revocations.undo(change.subject, 'store', undone === undefined ? undefined : idMs(id) / 1000)
      return true
    }
    const undoneBy = undone?.get(printOf(change))
    if (undoneBy !== undefined && compareIds(undoneBy, id) > 0) return true
    return revocations.apply(change.entry, 'store') !== 'full'
  }

  const pages = async (server: StoreConnection, visit: (entry: StreamEntry) => void): Promise<string> => {
    let last = FIRST_ID
    for await (const page of streamPages(server, key)) {
      for (const entry of page) visit(entry)
      last = page.at(-1)?.id ?? last
      if (isClosed) break
    }
    return last
  }

  const readAll = async (server: StoreConnection): Promise<void> => {
    const undone = new Map<string, string>()
    await pages(server, ({ id, fields }) => {
      if (!fields.includes('x')) return
      const change = changeIn(fields, idMs(id), keepSeconds)
      if (change?.do === 'undo') undone.set(printOf(change), id)
    })
    let left = 0
    const last = await pages(server, entry => {
      if (compareIds(entry.id, seen.lastId) > 0) readSince += 1
      if (!apply(entry, undone)) left += 1
    })
    // Without a cursor all is read again, for what was left out.
    if (left > 0) throw new StoreError(`holds ${left} entries more than \`revocation.entries\` has room for`, FULL)
    cursor = last
  }

  /** Looks whether the stream is the one that was read; reads all of it again if it is not, or was not read yet. */
  const look = async (server: StoreConnection): Promise<void> => {
    const now = infoIn(await server.send(['XINFO', 'STREAM', key]).catch(noStream))
    const reason = cursor === undefined ? undefined : await lossIn(server, now, cursor)
    if (reason !== undefined) {
      observer.historyLost(reason)
      cursor = undefined
    }
    if (cursor === undefined || cursor === now.lastId) {
      seen = now
      readSince = 0
    }
    if (cursor === undefined) await readAll(server)
  }

  const lossIn = async (server: StoreConnection, now: StreamInfo, last: string): Promise<string | undefined> => {
    if (!now.exists) return last !== FIRST_ID || seen.exists ? 'the stream is gone' : undefined
    if (compareIds(now.lastId, last) < 0) return 'the stream ends before what was read'
    // A stream that was deleted and written to again at once looks the same but for this.
    if (now.added !== undefined && seen.added !== undefined && now.added < seen.added + readSince)
      return 'the stream was begun anew'
    if (last === FIRST_ID || idMs(last) < clock.nowMs() - keepSeconds * 1000 - KEPT_LONGER_MS) return undefined
    const [found] = entriesIn(await server.send(['XRANGE', key, last, last]))
    return found === undefined ? 'the last entry that was read is gone' : undefined
  }

  const follow = async (server: StoreConnection): Promise<void> => {
    let lookedMs = clock.monotonicMs()
    await look(server)
    if (isClosed) return
    // The first read does not wait, so that a user who may not read is told before anything is called fine.
    let blockMs = 0
    while (!isClosed) {
      if (clock.monotonicMs() - lookedMs >= LOOK_MS) {
        lookedMs = clock.monotonicMs()
        await look(server)
      }
      const block = blockMs === 0 ? [] : ['BLOCK', String(blockMs)]
      const args = ['XREAD', ...block, 'COUNT', PAGE, 'STREAMS', key, cursor ?? FIRST_ID]
      const found = deliveredIn(await server.send(args, blockMs))
      if (isClosed) return
      let left = 0
      readSince += found.length
      for (const entry of found) {
        if (!apply(entry)) left += 1
        observer.arrived(Math.max(0, (clock.nowMs() - idMs(entry.id)) / 1000))
      }
      cursor = found.at(-1)?.id ?? cursor
      if (left > 0) {
        cursor = undefined
        throw new StoreError(`holds more entries than \`revocation.entries\` has room for`, FULL)
      }
      revocations.proved()
      if (blockMs === 0) {
        isDown = false
        observer.connected()
      }
      blockMs = BLOCK_MS
      if (found.length > 0) await pause(PAUSE_MS)
    }
  }

  const run = async (): Promise<void> => {
    let retryMs = FIRST_RETRY_MS
    while (!isClosed) {
      try {
        connection = await store.connect()
        if (isClosed) break
        await follow(connection)
      } catch (error) {
        if (isClosed) break
        const { message, code } = storeError(error)
        retryMs = isDown ? Math.min(retryMs * 2, LONGEST_RETRY_MS) : FIRST_RETRY_MS
        if (code === FULL) retryMs = FULL_RETRY_MS
        if (!isDown) observer.lost(message)
        isDown = true
        revocations.failed(`the store ${message}`)
      }
      connection?.close()
      connection = undefined
      // Attack: a thousand readers that come back at the same moment.
      if (!isClosed) await pause(retryMs * (0.5 + random()))
    }
    connection?.close()
  }

  void run()
  return {
    close() {
      isClosed = true
      connection?.close()
      wake()
    },
  }
}

function printOf(change: RevocationChange): string {
  return fingerprint(change.do === 'undo' ? change.subject : change.entry).join()
}

/** A stream that is not there yet is an empty one. */
function noStream(error: unknown): null {
  if (error instanceof StoreError && error.code === 'NOKEY') return null
  throw error
}

/** `[[key, entries]]`, or nothing when the time was up. */
function deliveredIn(reply: Reply): readonly StreamEntry[] {
  const [first] = Array.isArray(reply) ? reply : []
  return Array.isArray(first) ? entriesIn(first[1]) : []
}
