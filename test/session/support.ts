/** Sessions in a store, as several gateways share them. */
import { randomBytes } from 'node:crypto'
import { systemClock } from '../../src/lib/clock.ts'
import { systemScheduler } from '../../src/lib/scheduler.ts'
import type { SessionRecord, SessionUse, SharedSessions, StoredSession } from '../../src/session/session.ts'
import { newSessionId, sessionKeys } from '../../src/session/session-keys.ts'
import { sharedSessions } from '../../src/session/shared-sessions.ts'
import type { StoreDefinition } from '../../src/store/store.ts'
import { atEnd } from '../support/at-end.ts'
import { SECRET } from './parts.ts'

/** Tests that need servers of the store are skipped where the set-up of the run could not get them. */
export const WITHOUT_STORES = process.env.WITHOUT_STORES === '1'
/** How long a test asks for what is bound to come, only not when. */
export const SOON = { timeout: 20_000, interval: 20 } as const

export const KEYS = sessionKeys([SECRET], 'browser')
export const DEPS = { scheduler: systemScheduler, monotonicMs: systemClock.monotonicMs, onCommand() {} }

export interface Instance extends SharedSessions {
  /** What the observer was told, in order. */
  readonly told: readonly string[]
}

/** One gateway's view of a store; it ends with the test. */
export function instance(
  definition: StoreDefinition,
  more: Partial<Parameters<typeof sharedSessions>[0]> = {},
): Instance {
  const told: string[] = []
  const sessions = sharedSessions({
    store: definition,
    keys: () => KEYS,
    clock: systemClock,
    scheduler: systemScheduler,
    random: Math.random,
    onCommand() {},
    observer: { connected: () => told.push('connected'), lost: reason => told.push(`lost: ${reason}`) },
    ...more,
  })
  atEnd(sessions.close)
  return { ...sessions, told }
}

export const LIFE_MS = 1_800_000

/** Marks what no store may see. */
export const MARK = 'm4rked-s3cret'

export interface Made extends StoredSession {
  readonly id: string
  /** This session after one refresh. */
  readonly next: StoredSession
}

export function made(use: Partial<SessionUse> = {}): Made {
  const session: StoredSession = {
    record: recordOf(1),
    use: {
      lastUsedAtMs: 1_750_000_001_000,
      seen: 1,
      seenAtMs: 1_750_000_000_500,
      seenBefore: 0,
      endsAtMs: Number.POSITIVE_INFINITY,
      ...use,
    },
  }
  return { id: newSessionId(), ...session, next: { ...session, record: recordOf(2) } }
}

function recordOf(generation: number): SessionRecord {
  const token = (name: string): string => `${MARK}-${name}-${randomBytes(300).toString('base64url')}`
  return {
    generation,
    subject: `alice-${MARK}`,
    sid: `sid-${MARK}`,
    loginAtSeconds: 1_750_000_000,
    createdAtMs: 1_750_000_000_250,
    asked: { acrValues: 'phr', maxAgeSeconds: undefined },
    tokens: {
      accessToken: token('access'),
      expiresAtMs: 1_750_000_300_000,
      receivedAtMs: 1_750_000_000_250,
      refreshToken: generation === 1 ? token('refresh') : undefined,
      idToken: token('id'),
      idClaims: { iss: `https://auth.example.com/${MARK}`, sub: `alice-${MARK}`, sid: `sid-${MARK}` },
      scope: 'openid',
    },
  }
}

/** What a promise has come to without any input or output; undefined when it still waits. */
export async function atOnce(task: Promise<unknown>): Promise<unknown> {
  return Promise.race([task.catch((error: unknown) => error), new Promise(resolve => setImmediate(resolve))])
}
