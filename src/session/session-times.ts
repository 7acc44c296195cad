/** Says when a session is over, by what is known of it in this process. */
import type { Clock } from '../lib/clock.ts'
import type { Principal, SessionEnd } from '../types.ts'
import type { LiveSession } from './live-session.ts'

export interface SessionLifetime {
  readonly idleMs: number
  readonly absoluteMs: number
  readonly refreshBeforeMs: number
  readonly graceMs: number
}

interface SessionTimesOptions {
  readonly clock: Clock
  readonly lifetime: SessionLifetime
  readonly isRevoked: (login: Principal) => boolean
}

export interface SessionTimes {
  /** Undefined while it goes on. */
  over(session: LiveSession): SessionEnd | undefined
  /** How long the store is to keep a session of which it hears nothing more. */
  leftMs(session: LiveSession): number
}

export function sessionTimes({ clock, lifetime, isRevoked }: SessionTimesOptions): SessionTimes {
  return {
    over({ record, use, login }) {
      const nowMs = clock.nowMs()
      if (nowMs >= record.createdAtMs + lifetime.absoluteMs) return 'absolute'
      if (nowMs >= use.endsAtMs) return 'replaced'
      if (nowMs >= use.lastUsedAtMs + lifetime.idleMs) return 'idle'
      return isRevoked(login) ? 'revoked' : undefined
    },
    leftMs({ record, use }) {
      const endsAtMs = Math.min(record.createdAtMs + lifetime.absoluteMs, use.endsAtMs)
      return Math.max(1, Math.ceil(Math.min(endsAtMs - clock.nowMs(), lifetime.idleMs)))
    },
  }
}
