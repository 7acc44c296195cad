/**
 * Keeps the sessions of one provider: finds the one that a cookie stands for, and ends those whose time is over.
 *
 * A session ends when nothing has used it for a while, when its time is up, when it was revoked, or when its cookie
 * turns up twice. Where the store comes in is for `session-copies.ts` to say, and how tokens are renewed for
 * `refreshes.ts`.
 */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { andThen, type MaybePromise } from '../lib/maybe-promise.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { GrantEnd, Principal, SessionEnd } from '../types.ts'
import { noted, standingOf } from './generations.ts'
import { knownCookies } from './known-cookies.ts'
import { LiveSession } from './live-session.ts'
import type { Refreshes } from './refreshes.ts'
import type { ReadCookie, SessionKeys, SessionRecord, SessionTokens, SharedSessions, StoredSession } from './session.ts'
import { sessionCopies } from './session-copies.ts'
import type { SessionMemory } from './session-memory.ts'
import { type SessionLifetime, sessionTimes } from './session-times.ts'

interface SessionsOptions {
  readonly provider: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly keys: SessionKeys
  readonly lifetime: SessionLifetime
  readonly memory: SessionMemory
  /** Undefined: sessions are those of this process. */
  readonly shared: SharedSessions | undefined
  readonly refreshes: Refreshes
  /** Makes of a login what is looked up among the revocations. */
  readonly loginOf: (record: SessionRecord, handle: string) => Principal
  readonly findRevocation: (login: Principal) => Revocation | undefined
  /** Tells everybody that a session is over, by its own name, and by that of the provider where that is meant. */
  readonly tell: (session: LiveSession, whose: 'session' | 'login') => void
  readonly onEnded: (reason: SessionEnd) => void
}

/** What is known of a revocation. */
export interface Revocation {
  /** Seconds since the epoch; undefined: whenever the login was. */
  readonly before: number | undefined
}

export interface FoundSession {
  readonly session: LiveSession
  /** What the browser should have in place of the cookie that it has sent; undefined: it may keep that. */
  readonly cookie: string | undefined
}

export interface Sessions {
  /** Undefined: none of our keys has made this cookie. */
  readCookie(value: string): ReadCookie | undefined
  /**
   * Finds a session for a request that uses it, with tokens that count.
   *
   * @throws {Denial} `session_expired`, `session_reused`, `login_unavailable`, `session_store_unavailable`
   */
  use(cookie: ReadCookie): MaybePromise<FoundSession>
  /** Finds a session without using it. @throws {Denial} as {@link Sessions.use}, but for `login_unavailable` */
  look(cookie: ReadCookie): MaybePromise<LiveSession>
  /** Begins a session, and ends the one that its browser had. @throws {Denial} `session_store_unavailable` */
  begin(id: string, record: SessionRecord, replaced: LiveSession | undefined): MaybePromise<LiveSession>
  end(session: LiveSession, reason: SessionEnd): void
  /**
   * Sees to it that the session has other tokens than these, which were refused.
   *
   * @throws {Denial} the refusal, where the others would be refused, too; or as {@link Sessions.use}
   */
  replaceTokens(session: LiveSession, refused: SessionTokens, refusal: Denial): Promise<void>
  /** Renews tokens that are too old, where that can be. @throws {Denial} as {@link Sessions.replaceTokens} */
  refreshed(session: LiveSession, old: SessionTokens): Promise<unknown>
  /** The revocation of what a login has brought; undefined: there is none. */
  revocationOf(record: SessionRecord): Revocation | undefined
  /** The cookie of a session that has just begun. */
  firstCookie(session: LiveSession): string
  /** Why a stream of the session has to end. The tokens are renewed while it goes on; nothing is waited for. */
  endOf(session: LiveSession): GrantEnd | undefined
  /** How long the store is to keep a session of which it hears nothing more. */
  leftMs(session: LiveSession): number
  isOver(session: LiveSession): boolean
  /** Call it when the policy is in force: from here on, this says what becomes of streams and of too many sessions. */
  takeOver(): void
  /** Ends the look-out for sessions whose time is over. */
  close(): void
}

/** The store is told at most so often that a session is used, and often enough for the idle time. */
const NOTE_MS = 60_000
const SWEEP_MS = 60_000

export function sessions(options: SessionsOptions): Sessions {
  const {
    provider,
    clock,
    scheduler,
    keys,
    lifetime,
    memory,
    shared,
    refreshes,
    loginOf,
    findRevocation,
    tell,
    onEnded,
  } = options
  const times = sessionTimes({ clock, lifetime, isRevoked: login => findRevocation(login) !== undefined })
  const { over, leftMs } = times
  const liveOf = (id: string, stored: StoredSession): LiveSession =>
    new LiveSession(id, stored, loginOf(stored.record, keys.handleOf(id)), clock.monotonicMs())
  const copies = sessionCopies({ provider, clock, memory, shared, times, liveOf })

  function expired(reason: SessionEnd | 'unknown'): Denial {
    return new Denial('session_expired', { provider, evidence: { reason } })
  }

  function end(live: LiveSession, reason: SessionEnd): void {
    if (live.end !== undefined) return
    live.end = reason
    memory.delete(live.id)
    onEnded(reason)
    // Other processes are told of what they cannot see by themselves, as they see that its time is over.
    if (reason === 'logout' || reason === 'refused' || reason === 'reused') tell(live, 'login')
    else if (reason === 'replaced') tell(live, 'session')
    // If the store does not hear it, the session is over all the same: by what was just told, or by its times.
    if (shared !== undefined && reason !== 'evicted') shared.remove(live.id).catch(() => {})
  }

  function requireAlive(live: LiveSession): void {
    const reason = live.end ?? over(live)
    if (reason === undefined) return
    end(live, reason)
    throw expired(reason)
  }

  /**
   * @param arrivedMs of the request: it may wait for new tokens longer than the grace, while others are heard
   * @returns the generation that the browser should have from now on
   */
  function requireCurrent(live: LiveSession, { generation }: ReadCookie, arrivedMs: number): number {
    const standing = standingOf(live.record.generation, live.use, generation, arrivedMs, lifetime.graceMs)
    if (standing.kind === 'unknown') throw expired('unknown')
    if (standing.kind === 'current') return generation
    if (standing.kind === 'older') return standing.next
    end(live, 'reused')
    refreshes.giveUp(live)
    const { seen } = live.use
    const { subject: sub } = live.record
    throw new Denial('session_reused', { provider, evidence: { sub, generation, seen } })
  }

  /** Notes that a request has come, here at once, and in the store now and then. */
  function note(live: LiveSession, { generation }: ReadCookie): void {
    const nowMs = clock.nowMs()
    const seen = noted(live.use, generation, nowMs)
    const isNewer = seen !== live.use
    live.use = { ...seen, lastUsedAtMs: Math.max(seen.lastUsedAtMs, nowMs) }
    if (shared === undefined) return
    if (!isNewer && nowMs - live.notedAtMs < Math.min(NOTE_MS, lifetime.idleMs / 10)) return
    live.notedAtMs = nowMs
    shared.note(live.id, live.use, leftMs(live)).catch(() => {
      live.notedAtMs = 0
    })
  }

  function look(cookie: ReadCookie, arrivedMs: number): MaybePromise<LiveSession> {
    return andThen(copies.found(cookie), live => {
      requireAlive(live)
      requireCurrent(live, cookie, arrivedMs)
      return live
    })
  }

  function endOf(live: LiveSession): GrantEnd | undefined {
    if (live.end === undefined) copies.lookBeside(live)
    const reason = live.end ?? over(live)
    if (reason !== undefined) {
      // Another process may have seen it used; a look at the store is under way then.
      if (reason !== 'idle' || shared === undefined) end(live, reason)
      return reason === 'idle' || reason === 'absolute' || reason === 'expired' ? 'expired' : 'revoked'
    }
    return refreshes.keepAlive(live)
  }

  /** Much may have happened while the tokens were renewed. */
  async function refreshedAlive(live: LiveSession, old: SessionTokens): Promise<boolean> {
    const isRenewed = await refreshes.replaced(live, old)
    requireAlive(live)
    return isRenewed
  }

  function sweep(): void {
    for (const live of [...memory.all()]) {
      const reason = over(live)
      if (reason === undefined) continue
      if (shared === undefined) end(live, reason)
      else memory.delete(live.id)
    }
    cancelSweep = scheduler.after(SWEEP_MS, sweep)
  }
  let cancelSweep = scheduler.after(SWEEP_MS, sweep)

  return {
    readCookie: knownCookies(keys),
    look: cookie => look(cookie, clock.nowMs()),
    use(cookie) {
      const arrivedMs = clock.nowMs()
      return andThen(look(cookie, arrivedMs), live => {
        note(live, cookie)
        return andThen(refreshes.current(live), () => {
          // Much may have happened while the tokens were renewed.
          requireAlive(live)
          const next = requireCurrent(live, cookie, arrivedMs)
          // The browser has the cookie of another session by now, or will have it soon.
          const isReplaced = live.use.endsAtMs !== Number.POSITIVE_INFINITY
          const isKept = isReplaced || (next === cookie.generation && !cookie.isOld)
          return { session: live, cookie: isKept ? undefined : keys.cookieOf(live.id, next) }
        })
      })
    },
    begin(id, record, replaced) {
      const nowMs = clock.nowMs()
      const { generation } = record
      const use = {
        lastUsedAtMs: nowMs,
        seen: generation,
        seenAtMs: nowMs,
        seenBefore: generation,
        endsAtMs: Number.POSITIVE_INFINITY,
      }
      const live = liveOf(id, { record, use })
      return andThen(copies.add(live), begun => {
        if (replaced !== undefined) replace(replaced, record)
        return begun
      })
    },
    end,
    async replaceTokens(live, refused, { code, evidence }) {
      // Whoever revokes a token means whoever has it.
      if (code === 'token_revoked' && live.record.tokens === refused) {
        end(live, 'revoked')
        tell(live, 'session')
        refreshes.giveUp(live)
        throw new Denial('session_expired', { provider, evidence: { ...evidence, reason: code } })
      }
      if (await refreshedAlive(live, refused)) return
      // The policy may be wrong, and be put right again, so the session is kept. A login shows whether it is.
      live.wasRefused = true
      throw new Denial(code, { provider, evidence: evidence ?? {}, loginHelps: true })
    },
    refreshed: refreshedAlive,
    revocationOf: record => findRevocation(loginOf(record, '')),
    firstCookie: ({ id, record }) => keys.cookieOf(id, record.generation),
    // The keeper of a policy that was replaced may have lost what it is built on.
    endOf: live => (memory.inForce ?? { endOf }).endOf(live),
    takeOver() {
      memory.inForce = { endOf }
      // With a store, what goes here is looked up again there.
      memory.onEvicted(live => {
        if (shared === undefined) end(live, 'evicted')
      })
    },
    leftMs,
    isOver: live => live.end !== undefined || over(live) !== undefined,
    close() {
      cancelSweep()
      refreshes.close()
    },
  }

  /** Requests of other tabs may be under way with the old cookie, unless somebody else has logged in. */
  function replace(live: LiveSession, { subject }: SessionRecord): void {
    if (live.record.subject !== subject) {
      end(live, 'replaced')
      return
    }
    live.use = { ...live.use, endsAtMs: Math.min(live.use.endsAtMs, clock.nowMs() + lifetime.graceMs) }
    shared?.note(live.id, live.use, leftMs(live)).catch(() => {})
  }
}
