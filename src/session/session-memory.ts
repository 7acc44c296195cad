/**
 * Holds the sessions that this process knows, across reloads. Of too many, those that were not used for the longest
 * time go; and of one subject alike, so that nobody can log others out by logging in again and again.
 */
import { LRUCache } from 'lru-cache'
import type { GrantEnd } from '../types.ts'
import type { LiveSession } from './live-session.ts'

export interface SessionMemory {
  /** What says of the sessions when their streams end: that of the newest policy. */
  inForce: { endOf(session: LiveSession): GrantEnd | undefined } | undefined
  readonly size: number
  get(id: string): LiveSession | undefined
  add(session: LiveSession): void
  delete(id: string): void
  all(): Iterable<LiveSession>
  /** Has this, and nobody before, told of each session that goes because there are too many. */
  onEvicted(listener: (session: LiveSession) => void): void
}

interface SessionMemoryOptions {
  readonly entries: number
  readonly onSize: (sessions: number) => void
}

/** Somebody who is logged in in more browsers than that is a program. */
const MOST_OF_SUBJECT = 100
/** What sessions may weigh on average; with heavier tokens there are fewer. */
const AVERAGE_BYTES = 16 * 1024

export function sessionMemory({ entries, onSize }: SessionMemoryOptions): SessionMemory {
  let onEvicted = (_session: LiveSession): void => {}
  const bySubject = new Map<string, Set<LiveSession>>()

  function forget(session: LiveSession): void {
    const { subject } = session.record
    const theirs = bySubject.get(subject)
    theirs?.delete(session)
    if (theirs?.size === 0) bySubject.delete(subject)
  }

  const held = new LRUCache<string, LiveSession>({
    max: entries,
    maxSize: entries * AVERAGE_BYTES,
    sizeCalculation: weightBytes,
    // Whoever is told may delete others, for which the cache has to have come to rest.
    disposeAfter(session, _id, reason) {
      forget(session)
      if (reason === 'evict') onEvicted(session)
    },
  })

  return {
    inForce: undefined,
    get size() {
      return held.size
    },
    get: id => held.get(id),
    add(session) {
      const { subject } = session.record
      const theirs = bySubject.get(subject) ?? new Set()
      bySubject.set(subject, theirs)
      theirs.add(session)
      held.set(session.id, session)
      if (theirs.size > MOST_OF_SUBJECT) {
        const idlest = [...theirs]
          .toSorted((one, other) => one.use.lastUsedAtMs - other.use.lastUsedAtMs)
          .find(isAtRest)
        if (idlest !== undefined) {
          held.delete(idlest.id)
          onEvicted(idlest)
        }
      }
      onSize(held.size)
    },
    delete(id) {
      held.delete(id)
      onSize(held.size)
    },
    onEvicted(listener) {
      onEvicted = listener
    },
    all: () => held.values(),
  }
}

/** A copy that has what the store lacks stays. */
function isAtRest({ refresh, isUnwritten }: LiveSession): boolean {
  return refresh === undefined && !isUnwritten
}

/** Measured by its tokens, which are strings of one byte a character; what they were read into is about as much. */
function weightBytes({ record: { tokens } }: LiveSession): number {
  const { accessToken, refreshToken = '', idToken } = tokens
  return 1024 + 2 * (accessToken.length + refreshToken.length + idToken.length)
}
