/** One session as this process knows it. With a store, it is a copy that is looked up again every few seconds. */
import type { Principal, SessionEnd } from '../types.ts'
import type { SessionRecord, SessionUse, StoredSession } from './session.ts'

export class LiveSession {
  readonly id: string
  record: SessionRecord
  use: SessionUse
  /** Why it is over; undefined while it is not. */
  end: SessionEnd | undefined

  /** Monotonic milliseconds of the last look at the store. */
  readAtMs: number
  /** `lastUsedAtMs` as the store has it. */
  notedAtMs: number
  /** True while the store lacks the record, which could not be written. */
  isUnwritten = false

  /** The refresh of the tokens that is under way. It never rejects. */
  refresh: Promise<void> | undefined
  failures = 0
  /** Monotonic milliseconds before which no other refresh is tried. */
  nextTryMs = 0
  /** Why the last refresh failed, in our words; undefined when it did not. */
  lastFailure: string | undefined
  /** True when that was for the store. */
  isStoreAway = false

  /** True when new tokens were refused like those before: others are not asked for at once. */
  wasRefused = false

  /** Stands for the login among the revocations, as a token would. */
  readonly login: Principal

  constructor(id: string, { record, use }: StoredSession, login: Principal, monotonicMs: number) {
    this.id = id
    this.record = record
    this.use = use
    this.login = login
    this.readAtMs = monotonicMs
    this.notedAtMs = use.lastUsedAtMs
  }

  /** Takes over what the store has, where that is newer. */
  adopt({ record, use }: StoredSession, monotonicMs: number): void {
    if (record.generation > this.record.generation) {
      this.record = record
      this.isUnwritten = false
    }
    this.use = laterOf(this.use, use)
    this.notedAtMs = Math.max(this.notedAtMs, use.lastUsedAtMs)
    this.readAtMs = monotonicMs
  }
}

function laterOf(one: SessionUse, other: SessionUse): SessionUse {
  const { seen, seenAtMs, seenBefore } = other.seen > one.seen ? other : one
  return {
    lastUsedAtMs: Math.max(one.lastUsedAtMs, other.lastUsedAtMs),
    seen,
    seenAtMs,
    seenBefore,
    endsAtMs: Math.min(one.endsAtMs, other.endsAtMs),
  }
}
