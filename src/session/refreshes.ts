/**
 * Renews the tokens of sessions before they expire, once for all requests and for all processes that share a store.
 *
 * A request waits only when its access token has expired. While the provider cannot be asked, sessions are kept, and
 * asked for again after a while; only its word that the grant is over ends one (RFC 6749 §5.2, `invalid_grant`).
 * With a store, whoever has the lock redeems the refresh token. The others look at the store until the new tokens are
 * there, or until the lock is free because its owner is gone.
 */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { AuthorizationClient } from '../oauth/authorization-client.ts'
import { OAuthFailure } from '../oauth/oauth-failure.ts'
import type { TokenAnswer } from '../oauth/token-answer.ts'
import { StoreError } from '../store/failure.ts'
import type { GrantEnd, RefreshResult, SessionEnd } from '../types.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionLock, SessionRecord, SessionTokens, SharedSessions } from './session.ts'

interface RefreshesOptions {
  readonly provider: string
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: () => number
  readonly client: Pick<AuthorizationClient, 'refresh' | 'revoke'>
  readonly shared: SharedSessions | undefined
  readonly refreshBeforeMs: number
  /** Longest time that one process waits for another's refresh. */
  readonly waitMs: number
  /** Milliseconds that the store is to keep a session for. */
  readonly leftMs: (session: LiveSession) => number
  /** Makes tokens of an answer; `before` is what it may leave out. */
  readonly tokensOf: (answer: TokenAnswer, record: SessionRecord) => Promise<SessionTokens>
  readonly end: (session: LiveSession, reason: SessionEnd) => void
  readonly isOver: (session: LiveSession) => boolean
  readonly onRefreshed: (result: RefreshResult, seconds: number, reason: string | undefined) => void
}

export interface Refreshes {
  /**
   * Sees to it that the access token counts, and begins to renew it when it soon will not.
   *
   * @throws {Denial} `session_expired`, `login_unavailable`, `session_store_unavailable`
   */
  current(session: LiveSession): MaybePromise<void>
  /**
   * Renews tokens that were refused, unless they have been replaced already.
   *
   * @returns false where that is no help: there is no refresh token, the grant is over, or they have just come
   * @throws {Denial} `login_unavailable`, `session_store_unavailable`
   */
  replaced(session: LiveSession, refused: SessionTokens): Promise<boolean>
  /** The same for a stream, which waits for nothing. */
  keepAlive(session: LiveSession): GrantEnd | undefined
  /** Has the provider revoke the refresh token, and does not wait for it. */
  giveUp(session: LiveSession): void
  /** Ends what is tried again and again. */
  close(): void
}

/** Another process is looked for so often. */
const LOOK_MS = 100
const FIRST_PAUSE_MS = 1_000
/** The provider has nothing better to give than what it gave just now. */
const JUST_RECEIVED_MS = 5_000
/** The same where what it gave was refused: the record tells every gateway when that was. */
const REFUSED_MS = 30_000
const LONGEST_PAUSE_MS = 30_000

export function refreshes(options: RefreshesOptions): Refreshes {
  const { provider, clock, scheduler, random, client, shared, refreshBeforeMs, waitMs, leftMs, tokensOf } = options
  const { end, isOver, onRefreshed } = options

  let isClosed = false

  const isDue = ({ tokens }: SessionRecord): boolean => {
    // A token that lives for less than that before is not renewed with every request.
    const beforeMs = Math.min(refreshBeforeMs, (tokens.expiresAtMs - tokens.receivedAtMs) / 2)
    return clock.nowMs() >= tokens.expiresAtMs - beforeMs
  }
  const hasExpired = ({ tokens }: SessionRecord): boolean => clock.nowMs() >= tokens.expiresAtMs

  function unavailable({ lastFailure, nextTryMs, isStoreAway }: LiveSession): Denial {
    const retryAfterSeconds = Math.max(1, Math.ceil((nextTryMs - clock.monotonicMs()) / 1_000))
    const code = isStoreAway ? 'session_store_unavailable' : 'login_unavailable'
    return new Denial(code, { provider, retryAfterSeconds, evidence: { reason: lastFailure } })
  }

  /** @returns undefined while a failure is too recent for another attempt */
  function begin(live: LiveSession): Promise<void> | undefined {
    if (live.refresh !== undefined) return live.refresh
    if (clock.monotonicMs() < live.nextTryMs) return undefined
    live.refresh = refreshNow(live).finally(() => {
      live.refresh = undefined
    })
    return live.refresh
  }

  async function refreshNow(live: LiveSession): Promise<void> {
    const startedMs = clock.monotonicMs()
    const told = (result: RefreshResult, reason?: string): void =>
      onRefreshed(result, (clock.monotonicMs() - startedMs) / 1_000, reason)
    try {
      const result = shared === undefined ? await alone(live) : await together(live, shared)
      if (live.end === undefined && hasExpired(live.record))
        throw new OAuthFailure('invalid', 'the new access token has expired already')
      live.failures = 0
      live.lastFailure = undefined
      told(result)
    } catch (error) {
      live.failures += 1
      live.lastFailure = error instanceof Error ? error.message : 'the refresh failed for an unknown reason'
      live.isStoreAway = error instanceof StoreError
      const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (live.failures - 1)) * (0.75 + random() / 2)
      const toldMs = error instanceof OAuthFailure ? (error.retryAfterSeconds ?? 0) * 1_000 : 0
      live.nextTryMs = clock.monotonicMs() + Math.max(pauseMs, Math.min(toldMs, LONGEST_PAUSE_MS))
      told(error instanceof OAuthFailure && error.kind === 'unavailable' ? 'timeout' : 'error', live.lastFailure)
    }
  }

  /** Redeems the refresh token of a record. @throws {OAuthFailure} nothing is known about the grant */
  async function redeemed(live: LiveSession, record: SessionRecord): Promise<'ok' | 'refused'> {
    const { refreshToken = '', idClaims } = record.tokens
    let answer: TokenAnswer
    try {
      answer = await client.refresh(refreshToken, { idClaims })
    } catch (error) {
      if (!(error instanceof OAuthFailure) || error.code !== 'invalid_grant') throw error
      return 'refused'
    }
    const tokens = await tokensOf(answer, record)
    live.record = { ...record, generation: record.generation + 1, tokens }
    // The session ended while its tokens were renewed, here or elsewhere, so these are nobody's.
    if (isOver(live)) giveUp(live)
    return 'ok'
  }

  async function alone(live: LiveSession): Promise<RefreshResult> {
    const result = await redeemed(live, live.record)
    if (result === 'refused') end(live, result)
    return result
  }

  async function together(live: LiveSession, store: SharedSessions): Promise<RefreshResult> {
    const before = live.record.generation
    const dueMs = clock.monotonicMs() + waitMs
    for (;;) {
      const lock = await store.lock(live.id)
      if (lock !== undefined) return await locked(live, store, lock)
      await pause(LOOK_MS)
      if (await isRenewedElsewhere(live, store, before)) return 'shared'
      if (live.end !== undefined || clock.monotonicMs() >= dueMs)
        throw new OAuthFailure('unavailable', 'another gateway has been refreshing the session for too long')
    }
  }

  async function locked(live: LiveSession, store: SharedSessions, lock: SessionLock): Promise<RefreshResult> {
    const before = live.record.generation
    try {
      if (await isRenewedElsewhere(live, store, before)) return 'shared'
      const result = await redeemed(live, live.record)
      if (result === 'refused') {
        // Whoever has redeemed it before may have written what came of it by now.
        if (await isRenewedElsewhere(live, store, before)) return 'shared'
        end(live, 'refused')
        return 'refused'
      }
      // The new refresh token is the only one that counts, so what cannot be written is used here all the same.
      live.isUnwritten = true
      await write(live, store, lock).catch(() => scheduleWrite(live, store, lock))
      return 'ok'
    } finally {
      void lock.release()
    }
  }

  async function write(live: LiveSession, store: SharedSessions, lock: SessionLock): Promise<void> {
    if (isOver(live)) return
    const result = await store.commit(live.id, live, lock, leftMs(live))
    // The store has lost the session, or its lock. What is newest there counts.
    if (result === 'gone') await store.create(live.id, live, leftMs(live))
    else if (result === 'moved') await isRenewedElsewhere(live, store, live.record.generation - 1)
    live.isUnwritten = false
  }

  /** @param lock may have ended, which is no obstacle while nobody else has it */
  function scheduleWrite(live: LiveSession, store: SharedSessions, lock: SessionLock): void {
    scheduler.after(FIRST_PAUSE_MS, () => {
      if (isClosed || isOver(live) || !live.isUnwritten) return
      write(live, store, lock).catch(() => scheduleWrite(live, store, lock))
    })
  }

  async function isRenewedElsewhere(live: LiveSession, store: SharedSessions, before: number): Promise<boolean> {
    const stored = await store.read(live.id)
    if (stored !== undefined) live.adopt(stored, clock.monotonicMs())
    return live.record.generation > before
  }

  function pause(ms: number): Promise<void> {
    return new Promise(resolve => scheduler.after(ms, resolve))
  }

  function giveUp({ record }: LiveSession): void {
    const { refreshToken } = record.tokens
    if (refreshToken !== undefined) client.revoke(refreshToken).catch(() => {})
  }

  return {
    current(live) {
      const { record } = live
      if (!isDue(record)) return
      if (record.tokens.refreshToken === undefined) {
        if (!hasExpired(record)) return
        end(live, 'expired')
        throw new Denial('session_expired', { provider, evidence: { reason: 'no refresh token' } })
      }
      const refresh = begin(live)
      if (!hasExpired(record)) return
      if (refresh === undefined) throw unavailable(live)
      return refresh.then(() => {
        if (live.end === undefined && hasExpired(live.record)) throw unavailable(live)
      })
    },
    async replaced(live, refused) {
      if (live.end !== undefined) return false
      if (live.record.tokens !== refused) return true
      const restMs = live.wasRefused ? REFUSED_MS : JUST_RECEIVED_MS
      if (refused.refreshToken === undefined || clock.nowMs() - refused.receivedAtMs < restMs) return false
      await begin(live)
      if (live.record.tokens !== refused) return live.end === undefined
      // While the token lives, the provider's outage is not what its refusal is about.
      if (live.end === undefined && hasExpired(live.record)) throw unavailable(live)
      return false
    },
    keepAlive(live) {
      if (!isDue(live.record)) return undefined
      if (live.record.tokens.refreshToken === undefined) return hasExpired(live.record) ? 'expired' : undefined
      const refresh = begin(live)
      return refresh === undefined && hasExpired(live.record) ? 'unconfirmed' : undefined
    },
    giveUp,
    close() {
      isClosed = true
    },
  }
}
