/**
 * Makes a session something that can be revoked: it stands among the revocations as a token would, with the subject and
 * the `sid` of its login, and with a name of its own as its `jti`.
 *
 * So whatever tells of revocations ends sessions, too: the admin API, the store, logout tokens, signals. A session that
 * ends by itself is revoked by its own name, which other gateways hear of; and by its `sid`, if all that began with the
 * login is to end.
 */
import type { Clock } from '../lib/clock.ts'
import { withTimes } from '../revocation/entry.ts'
import type { Revoker } from '../revocation/revoker.ts'
import type { Principal } from '../types.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionRecord } from './session.ts'

interface SessionRevocationOptions {
  readonly provider: string
  readonly issuer: string
  readonly clientId: string
  /** How long an entry counts: as long as a session can live. */
  readonly keepSeconds: number
  readonly handleOf: (session: LiveSession) => string
  readonly clock: Clock
  readonly revoker: Pick<Revoker, 'revoke'>
  readonly onUntold: (error: unknown) => void
}

interface SessionRevocation {
  loginOf(record: SessionRecord, handle: string): Principal
  tell(session: LiveSession, whose: 'session' | 'login'): void
}

export function sessionRevocation(options: SessionRevocationOptions): SessionRevocation {
  const { provider, issuer, clientId, keepSeconds, handleOf, clock, revoker, onUntold } = options
  return {
    loginOf: ({ subject, sid, loginAtSeconds }, handle) => ({
      provider,
      claims: {
        iss: issuer,
        sub: subject,
        ...(sid !== undefined && { sid }),
        jti: revocationName(handle),
        client_id: clientId,
        iat: loginAtSeconds,
      },
      scopes: NOTHING,
      roles: NOTHING,
      audiences: [],
      expiresAtSeconds: Number.POSITIVE_INFINITY,
      validUntilMs: Number.POSITIVE_INFINITY,
      confirmation: undefined,
      standing: { fingerprints: [], reader: undefined, clearAt: 0 },
      kept: { newest: undefined },
      tenure: undefined,
    }),
    tell(session, whose) {
      const { sid, loginAtSeconds, createdAtMs } = session.record
      const nowSeconds = Math.floor(clock.nowMs() / 1_000)
      const common = { issuer, until: undefined, reason: undefined }
      const ofSession = { ...common, kind: 'jti', value: revocationName(handleOf(session)), before: undefined } as const
      // It is compared with `iat`, which the provider writes by its own clock.
      const theirSeconds = loginAtSeconds + Math.floor((clock.nowMs() - createdAtMs) / 1_000)
      // A login that follows in the same second may have the same `sid`, and is not meant.
      const before = Math.max(loginAtSeconds, theirSeconds - 1)
      const ofLogin =
        sid === undefined || whose === 'session' ? [] : [{ ...common, kind: 'sid', value: sid, before } as const]
      for (const entry of [ofSession, ...ofLogin])
        revoker.revoke(withTimes(entry, nowSeconds, keepSeconds), 'logout').catch(onUntold)
    },
  }
}

const NOTHING: ReadonlySet<string> = new Set()

/** The name by which one session is revoked. No token has such a `jti`. */
export function revocationName(handle: string): string {
  return `sallyport:${handle}`
}
