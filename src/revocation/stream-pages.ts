/** Reads the stream of revocations a page at a time, and what the server says of it. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Reply, StoreConnection } from '../store/connection.ts'
import { FIRST_ID } from './stream-id.ts'

export interface StreamEntry {
  readonly id: string
  /** Names and values, one after the other. */
  readonly fields: readonly string[]
}

export interface StreamInfo {
  readonly exists: boolean
  readonly lastId: string
  /** How many entries were ever added; undefined before Redis 7. */
  readonly added: number | undefined
}

export const NO_STREAM: StreamInfo = { exists: false, lastId: FIRST_ID, added: undefined }

/** A larger page holds up the event loop: 5,000 entries took 148 ms, and a thousand 14. */
export const PAGE = '1000'

/** Goes over the stream from its beginning. @throws {StoreError} */
export async function* streamPages(server: StoreConnection, key: string): AsyncGenerator<readonly StreamEntry[]> {
  let from = '-'
  for (;;) {
    const page = entriesIn(await server.send(['XRANGE', key, from, '+', 'COUNT', PAGE]))
    yield page
    const last = page.at(-1)
    if (last === undefined || page.length < Number(PAGE)) return
    from = `(${last.id}`
    await nextTurn()
  }
}

export function infoIn(reply: Reply): StreamInfo {
  if (!Array.isArray(reply)) return NO_STREAM
  const members = new Map<unknown, Reply>()
  for (let index = 0; index + 1 < reply.length; index += 2) members.set(reply[index], reply[index + 1] ?? null)
  const added = members.get('entries-added')
  return {
    exists: true,
    lastId: String(members.get('last-generated-id') ?? FIRST_ID),
    added: added === undefined ? undefined : Number(added),
  }
}

/** Each is `[id, [name, value, …]]`. */
export function entriesIn(reply: Reply | undefined): readonly StreamEntry[] {
  if (!Array.isArray(reply)) return []
  return reply.flatMap(entry => {
    if (!Array.isArray(entry)) return []
    const [id, fields] = entry
    return [{ id: String(id), fields: Array.isArray(fields) ? fields.map(String) : [] }]
  })
}
