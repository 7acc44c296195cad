/**
 * The nouns of browser sessions: what is kept of one, in this process and in the store.
 *
 * A session is a login whose tokens stay here. Its browser has a cookie with the session's id and a generation, which
 * goes up with every refresh. Nothing in here exists at run time. Times are milliseconds since the epoch unless their
 * names say seconds.
 */
import type { AskedOfLogin, Claims } from '../types.ts'

/** What the provider has given, and gives anew with each refresh. */
export interface SessionTokens {
  readonly accessToken: string
  /** The earlier of `expires_in` and the access token's own `exp`. */
  readonly expiresAtMs: number
  readonly receivedAtMs: number
  /** Undefined: the session ends with the access token. */
  readonly refreshToken: string | undefined
  /** The last ID token, as it came: the provider wants it as a hint when the session ends. */
  readonly idToken: string
  /** Its claims, which were verified. */
  readonly idClaims: Claims
  /** `scope` of the token answer (RFC 6749 §5.1). */
  readonly scope: string | undefined
}

/** What only a refresh changes. */
export interface SessionRecord {
  /** Goes up by one with every refresh. It is the generation of the cookie, and the version of the record. */
  readonly generation: number
  readonly subject: string
  /** `sid` of the ID token (OpenID Connect Front-Channel Logout 1.0 §3). */
  readonly sid: string | undefined
  /** `iat` of the ID token of the login, by the provider's clock: a revocation is compared with it. */
  readonly loginAtSeconds: number
  readonly createdAtMs: number
  /** What the login asked for, so that nobody is sent to log in again for what the provider does not do. */
  readonly asked: AskedOfLogin | undefined
  readonly tokens: SessionTokens
}

/** What requests change. */
export interface SessionUse {
  readonly lastUsedAtMs: number
  /**
   * The highest generation that the browser has sent, when it was first sent, and the one before it. The browser may be
   * behind the record: see `generations.ts`.
   */
  readonly seen: number
  readonly seenAtMs: number
  readonly seenBefore: number
  /** Set when a new login has taken the place of the session; infinite otherwise. */
  readonly endsAtMs: number
}

export interface StoredSession {
  readonly record: SessionRecord
  readonly use: SessionUse
}

/**
 * The sessions that several processes share. Ids are those of cookies; a store never sees them.
 *
 * Every method rejects with a `StoreError` when the store cannot be asked in time.
 */
export interface SharedSessions {
  /**
   * Writes a session, unless there is one with this id that is as new. An older one is there when the store has lost
   * its data, and somebody with an older copy was the first to write it back.
   *
   * @param lifetimeMs the store forgets the session when nothing is written to it for so long
   */
  create(id: string, session: StoredSession, lifetimeMs: number): Promise<void>
  /** Undefined: it has ended, or was forgotten. It also says so of what no key in hand opens. */
  read(id: string): Promise<StoredSession | undefined>
  /**
   * Writes how the session is used. It is merged into what others have written: the later use counts, the higher
   * generation that was seen, with what belongs to it, and the earlier end. A session that is gone stays gone.
   */
  note(id: string, use: SessionUse, lifetimeMs: number): Promise<void>
  /**
   * Writes the record of a refresh if the generation before it is the one in the store, and nobody else has the lock.
   * `moved`: somebody else has written another, or is about to. `gone`: there is no such session.
   */
  commit(
    id: string,
    session: StoredSession,
    lock: SessionLock,
    lifetimeMs: number,
  ): Promise<'written' | 'moved' | 'gone'>
  remove(id: string): Promise<void>
  /**
   * Takes the right to redeem the session's refresh token, and keeps it until it is released. It is lost, to somebody
   * else's advantage, when this process dies or cannot reach the store for a few seconds.
   *
   * @returns undefined while somebody else has it, and for a few seconds after an outage of the store
   */
  lock(id: string): Promise<SessionLock | undefined>
  /**
   * Takes the right to redeem the code of a login, until it is given back.
   *
   * @returns undefined when somebody has it already
   */
  claim(state: string, rememberedMs: number): Promise<LoginClaim | undefined>
  /** Ends connections. */
  close(): void
}

export interface LoginClaim {
  /** Lets somebody else redeem the code, because it was not: nobody could be asked. Never rejects. */
  giveBack(): Promise<void>
}

export interface SessionLock {
  /** False as soon as somebody else may have it. */
  readonly isHeld: boolean
  /** Never rejects: a lock that cannot be released ends by itself. */
  release(): Promise<void>
}

/** What a cookie of ours says. */
export interface ReadCookie {
  readonly id: string
  readonly generation: number
  /** Whether another key than the first has made it. */
  readonly isOld: boolean
}

/** Secrets of a session provider: the first seals, all open. */
export interface SessionKeys {
  /** Makes the value of the cookie: id, generation and a MAC of both, 48 characters. */
  cookieOf(id: string, generation: number): string
  /** Undefined: no key has made it. `isOld`: it was not the first. */
  readCookie(value: string): ReadCookie | undefined
  /** What the store calls the session: a digest of its id, in base64url. */
  handleOf(id: string): string
  /** AES-256-GCM under a key that is made of the first secret and the id. */
  sealRecord(id: string, plain: Buffer): Buffer
  openRecord(id: string, sealed: Buffer): Buffer | undefined
  /** Whether the first secret has sealed it. */
  isRecordOfFirst(id: string, sealed: Buffer): boolean
  /**
   * The same under keys of the secret alone, for what is no session yet and for what commands list.
   *
   * @param purpose is part of the key
   */
  seal(purpose: 'login' | 'label', plain: Buffer): Buffer
  open(purpose: 'login' | 'label', sealed: Buffer): Buffer | undefined
}
