/**
 * Locks a session in the store for the one process that redeems its refresh token.
 *
 * A lock has a random owner and lasts three seconds. While it is held it is renewed every second, so that it outlives
 * any answer of the provider, and ends soon after its process. Who cannot renew it in time does not hold it any more.
 */
import type { Clock } from '../lib/clock.ts'
import { randomHex } from '../lib/random-hex.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Reply } from '../store/connection.ts'
import { run } from '../store/script.ts'
import type { SessionLock } from './session.ts'
import { LOCK_MS, RELEASE, RENEW } from './session-scripts.ts'

interface SessionLocksOptions {
  readonly send: (args: readonly string[]) => Promise<Reply>
  readonly clock: Clock
  readonly scheduler: Scheduler
}

interface SessionLocks {
  /** @returns undefined while somebody else has it @throws {StoreError} */
  take(key: string): Promise<SessionLock | undefined>
  /** What the store has while this lock is held; of a lock from elsewhere, what it never has. */
  ownerOf(lock: SessionLock): string
  /** Nothing is renewed any more. */
  close(): void
}

const RENEW_MS = 1_000

export function sessionLocks({ send, clock, scheduler }: SessionLocksOptions): SessionLocks {
  const owners = new WeakMap<SessionLock, string>()
  const renewals = new Set<() => void>()

  const held = (key: string, owner: string, takenMs: number): SessionLock => {
    let state: 'held' | 'doubtful' | 'lost' = 'held'
    /** When the last command was sent that is known to have made the lock last. */
    let sinceMs = takenMs
    let cancel = (): void => {}

    const stop = (): void => {
      state = 'lost'
      cancel()
      renewals.delete(stop)
    }
    const renewLater = (): void => {
      cancel = scheduler.after(RENEW_MS, () => void renew())
    }
    const renew = async (): Promise<void> => {
      const sentMs = clock.monotonicMs()
      try {
        const reply = await run(send, RENEW, [key], [owner, String(LOCK_MS)])
        if (state === 'lost') return
        if (reply !== 1) return stop()
        sinceMs = sentMs
        state = 'held'
      } catch {
        // The store may have lost the lock with what it has lost. When it says later that we have it, it never did.
        if (state !== 'lost') state = 'doubtful'
      }
      if (state !== 'lost') renewLater()
    }

    renewals.add(stop)
    renewLater()
    return {
      get isHeld() {
        return state === 'held' && clock.monotonicMs() - sinceMs < LOCK_MS
      },
      async release() {
        if (state === 'lost') return
        stop()
        // What cannot be released ends by itself.
        await run(send, RELEASE, [key], [owner]).catch(() => {})
      },
    }
  }

  return {
    async take(key) {
      const owner = randomHex(16)
      const takenMs = clock.monotonicMs()
      if ((await send(['SET', key, owner, 'NX', 'PX', String(LOCK_MS)])) !== 'OK') return undefined
      const lock = held(key, owner, takenMs)
      owners.set(lock, owner)
      return lock
    },
    ownerOf: lock => owners.get(lock) ?? '',
    close() {
      for (const stop of renewals) stop()
    },
  }
}
