/**
 * Makes what is kept of a session out of what the provider answers, when the answer is verified.
 *
 * OpenID Connect Core 1.0 §3.1.3.7 (the ID token: its signature is judged here, its claims by the client), §12.2 (a
 * refresh may bring a new one).
 */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import type { TokenAnswer } from '../oauth/token-answer.ts'
import type { AskedOfLogin, Authenticator, RequestFacts, StatementVerifier } from '../types.ts'
import { NO_REQUEST, noNotes } from './no-request.ts'
import type { SessionRecord, SessionTokens } from './session.ts'

interface SessionRecordsOptions {
  readonly provider: string
  readonly clock: Clock
  readonly absoluteMs: number
  readonly events: Pick<StatementVerifier, 'verify'>
  /** Judges access tokens by themselves. */
  readonly authenticate: Authenticator
  /** Judges them as a route would. */
  readonly judge: Authenticator
  /** Throws where an ID token that says who it is cannot be read. */
  readonly requireReadable: (record: SessionRecord) => void
  /** False where the ID token says who it is, and nobody looks into the access token. */
  readonly takesAccessTokens: boolean
}

type IdToken = Pick<SessionTokens, 'idToken' | 'idClaims'>

export interface SessionRecords {
  /**
   * Makes the first record of a session.
   *
   * @throws {Denial} `login_failed`, or why the ID token or the access token is not accepted
   */
  recordOf(answer: TokenAnswer, asked: AskedOfLogin | undefined, facts: RequestFacts): Promise<SessionRecord>
  /** Whether a route would take the access token. @throws {Denial} nobody can tell at the moment (503) */
  isAccepted(tokens: SessionTokens, facts: RequestFacts): Promise<boolean>
  /** What a refresh brings, and what was there before where it brings nothing, or nothing that is the provider's. */
  tokensOf(answer: TokenAnswer, record: SessionRecord): Promise<SessionTokens>
}

export function sessionRecords(options: SessionRecordsOptions): SessionRecords {
  const { provider, clock, absoluteMs, events, authenticate, judge, requireReadable, takesAccessTokens } = options

  /** The earlier of what the answer and what the token itself says. Each request hears why a token is not accepted. */
  async function expiryOf({ accessToken, expiresInSeconds = Number.POSITIVE_INFINITY }: TokenAnswer): Promise<number> {
    const toldMs = clock.nowMs() + expiresInSeconds * 1_000
    if (!takesAccessTokens) return toldMs
    try {
      const { expiresAtSeconds } = await authenticate(credentialOf(accessToken), NO_REQUEST, noNotes())
      return Math.min(toldMs, expiresAtSeconds * 1_000)
    } catch {
      // The refresh token that came with it must not get lost.
      return toldMs
    }
  }

  /** @param id the ID token, and its claims when it was verified */
  async function tokens(
    answer: TokenAnswer,
    id: IdToken,
    endsAtMs: number,
    before?: SessionTokens,
  ): Promise<SessionTokens> {
    return {
      accessToken: answer.accessToken,
      expiresAtMs: Math.min(await expiryOf(answer), endsAtMs),
      receivedAtMs: clock.nowMs(),
      refreshToken: answer.refreshToken ?? before?.refreshToken,
      ...id,
      scope: answer.scope ?? before?.scope,
    }
  }

  /** @throws {Denial} it is not the provider's, or nobody can tell */
  async function idOf(idToken: string | undefined): Promise<IdToken | undefined> {
    return idToken === undefined ? undefined : { idToken, idClaims: (await events.verify(idToken)).claims }
  }

  async function isAccepted({ accessToken }: SessionTokens, facts: RequestFacts): Promise<boolean> {
    if (!takesAccessTokens) return true
    try {
      await judge(credentialOf(accessToken), facts, noNotes())
      return true
    } catch (error) {
      if (error instanceof Denial && error.spec.status === 401) return false
      throw error
    }
  }

  return {
    isAccepted,
    async tokensOf(answer, { createdAtMs, tokens: before }) {
      // The new refresh token is the only one that counts. So what is wrong with the ID token costs that alone.
      const id = await idOf(answer.idToken).catch(() => undefined)
      return tokens(
        answer,
        id ?? { idToken: before.idToken, idClaims: before.idClaims },
        createdAtMs + absoluteMs,
        before,
      )
    },
    async recordOf(answer, asked, facts) {
      const id = await idOf(answer.idToken)
      if (id === undefined) throw failed('the provider gave no ID token')
      const createdAtMs = clock.nowMs()
      const first = await tokens(answer, id, createdAtMs + absoluteMs)
      const { sub, sid, iat } = first.idClaims
      if (typeof sub !== 'string' || sub === '' || typeof iat !== 'number')
        throw failed('the ID token lacks `sub` or `iat`')
      // Nobody would be logged in by it, and the browser would come back for another.
      if (first.expiresAtMs <= clock.nowMs()) throw failed('the access token has expired already')
      // What a route would refuse at once, the login refuses: or the browser would go round in a circle.
      if (takesAccessTokens) await judge(credentialOf(first.accessToken), facts, noNotes())
      const record: SessionRecord = {
        generation: 1,
        subject: sub,
        sid: typeof sid === 'string' ? sid : undefined,
        loginAtSeconds: iat,
        createdAtMs,
        asked,
        tokens: first,
      }
      requireReadable(record)
      return record
    },
  }

  function failed(reason: string): Denial {
    return new Denial('login_failed', { provider, evidence: { reason } })
  }
}

function credentialOf(token: string) {
  return { token, scheme: 'Bearer', place: 'session' } as const
}
