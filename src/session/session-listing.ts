/** Lists the sessions in the store for a command, which has the keys but no cookie, and ends those that it is told. */
import type { ConnectionDeps, Reply } from '../store/connection.ts'
import { type StoreDefinition, store } from '../store/store.ts'
import type { SessionKeys } from './session.ts'
import { sessionName } from './session-scripts.ts'
import { openedLabel, type SessionLabel } from './stored-record.ts'

interface ListedSession {
  readonly handle: string
  readonly generation: number
  readonly lastUsedAtMs: number
  /** Whose keys open the label, and what it says; undefined: nobody's do. */
  readonly known: { readonly provider: string; readonly label: SessionLabel } | undefined
}

interface SessionListing {
  /** Every session that is there from the first to the last, in no order. @throws {StoreError} */
  all(): AsyncGenerator<ListedSession>
  /** @returns false when there was none @throws {StoreError} */
  end(handle: string): Promise<boolean>
  close(): void
}

const PAGE = '1000'

/**
 * @param keys those of all session providers of the file, by the provider's id
 * @throws {StoreError} there is no connection
 */
export async function openSessionListing(
  definition: StoreDefinition,
  keys: ReadonlyMap<string, SessionKeys>,
  deps: ConnectionDeps,
): Promise<SessionListing> {
  const server = store(definition, deps)
  const start = server.key(sessionName(''))
  const connection = await server.connect(['HMGET', start, 'g'])

  /** @returns nothing for a session that has just ended */
  const listed = async (key: string): Promise<readonly ListedSession[]> => {
    const [generation, lastUsed, label] = listIn(await connection.send(['HMGET', key, 'g', 'lastUsed', 'n']))
    if (typeof generation !== 'string' || typeof label !== 'string') return []
    return [
      {
        handle: key.slice(start.length),
        generation: Number(generation),
        lastUsedAtMs: Number(lastUsed),
        known: opened(keys, label),
      },
    ]
  }

  return {
    async *all() {
      /** The server may name a key more than once. */
      const known = new Set<string>()
      let cursor = '0'
      do {
        // Braces mean nothing in a pattern, and a prefix has no character that does.
        const [next, names] = listIn(await connection.send(['SCAN', cursor, 'MATCH', `${start}*`, 'COUNT', PAGE]))
        const fresh = listIn(names)
          .map(String)
          .filter(each => !known.has(each))
        for (const each of fresh) known.add(each)
        for (const found of await Promise.all(fresh.map(listed))) yield* found
        cursor = String(next)
      } while (cursor !== '0')
    },
    end: async handle => (await connection.send(['DEL', server.key(sessionName(handle))])) === 1,
    close: () => connection.close(),
  }
}

function opened(keys: ReadonlyMap<string, SessionKeys>, sealed: string): ListedSession['known'] {
  for (const [provider, each] of keys) {
    const label = openedLabel(each, sealed)
    if (label !== undefined) return { provider, label }
  }
  return undefined
}

function listIn(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? reply : []
}
