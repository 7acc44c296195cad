/**
 * Finds the session of a cookie: in this process, and in the store where this process does not know enough.
 *
 * A request waits for the store only when there is no copy here, or when its cookie is newer than the copy. A copy in
 * use is looked up again every few seconds, beside the requests. So an outage of the store is felt by nobody whose
 * session is known here, for as long as the access token lives.
 */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { LiveSession } from './live-session.ts'
import type { ReadCookie, SharedSessions, StoredSession } from './session.ts'
import type { SessionMemory } from './session-memory.ts'
import type { SessionTimes } from './session-times.ts'

interface SessionCopiesOptions {
  readonly provider: string
  readonly clock: Clock
  readonly memory: SessionMemory
  /** Undefined: there is no store, and what is not here is nowhere. */
  readonly shared: SharedSessions | undefined
  readonly times: SessionTimes
  readonly liveOf: (id: string, stored: StoredSession) => LiveSession
}

interface SessionCopies {
  /** @throws {Denial} `session_expired`, `session_store_unavailable` */
  found(cookie: ReadCookie): MaybePromise<LiveSession>
  /** Writes a session that has just begun. @throws {Denial} `session_store_unavailable` */
  add(session: LiveSession): MaybePromise<LiveSession>
  /** Looks the session up again if that is due, and does not wait for it. */
  lookBeside(session: LiveSession): void
}

/** The store is asked again about a session in use after this time. */
const COPY_MS = 5_000

export function sessionCopies({ provider, clock, memory, shared, times, liveOf }: SessionCopiesOptions): SessionCopies {
  const loading = new Map<string, Promise<LiveSession>>()

  function held(session: LiveSession): LiveSession {
    memory.add(session)
    return session
  }

  function load(id: string, from: SharedSessions): Promise<LiveSession> {
    const loaded = loading.get(id) ?? loadedFrom(from, id).finally(() => loading.delete(id))
    loading.set(id, loaded)
    return loaded
  }

  async function loadedFrom(from: SharedSessions, id: string): Promise<LiveSession> {
    const stored = await asked(from.read(id))
    if (stored === undefined) throw nowhere()
    const known = memory.get(id)
    known?.adopt(stored, clock.monotonicMs())
    return known ?? held(liveOf(id, stored))
  }

  /** A session that the store has lost, and that is known here to be alive, is written back. */
  async function lookAgain(live: LiveSession, from: SharedSessions): Promise<LiveSession> {
    const stored = await asked(from.read(live.id))
    if (stored !== undefined) live.adopt(stored, clock.monotonicMs())
    const isBehind = stored === undefined || stored.record.generation < live.record.generation
    if (isBehind && live.end === undefined && times.over(live) === undefined) {
      live.readAtMs = clock.monotonicMs()
      await asked(from.create(live.id, live, times.leftMs(live)))
    }
    return live
  }

  function lookBeside(live: LiveSession): void {
    if (shared === undefined || clock.monotonicMs() - live.readAtMs < COPY_MS) return
    live.readAtMs = clock.monotonicMs()
    // What a look would have found is found by the next.
    lookAgain(live, shared).catch(() => {})
  }

  function asked<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : undefined
      throw new Denial('session_store_unavailable', { provider, evidence: { reason } })
    })
  }

  function nowhere(): Denial {
    return new Denial('session_expired', { provider, evidence: { reason: 'unknown' } })
  }

  return {
    found({ id, generation }) {
      const live = memory.get(id)
      if (live !== undefined && live.id !== id) throw new Error('the session of another cookie was found')
      if (shared === undefined) {
        if (live === undefined) throw nowhere()
        return live
      }
      if (live === undefined) return load(id, shared)
      // Another process may have renewed the session, or have seen it used.
      if (generation > live.record.generation || times.over(live) === 'idle') return lookAgain(live, shared)
      lookBeside(live)
      return live
    },
    add(session) {
      if (shared === undefined) return held(session)
      return asked(shared.create(session.id, session, times.leftMs(session))).then(() => held(session))
    },
    lookBeside,
  }
}
