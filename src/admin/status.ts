/** The picture of a running gateway for `readyz` and `-/status`: names, ages and counts; no secret, no key material. */
import type { Policy } from '../policy.ts'
import type { RevocationStatus } from '../revocation/revocations.ts'
import type { IntrospectionStatus, KeySetStatus, SessionStatus } from '../types.ts'

export interface Status {
  readonly ready: boolean
  /** The reasons why it is not ready, one line each; there are none when it is. */
  readonly reasons: readonly string[]
  readonly version: string
  /** When the gateway was started. */
  readonly started: string
  readonly config_hash: string
  readonly config: ShownConfig
  readonly routes: ReadonlyArray<{
    readonly id: string
    readonly path: string
    readonly methods: readonly string[] | 'all'
    readonly access: string
    readonly mode: string
    readonly upstream: string
    /** What is asked of a request, as one text. */
    readonly asks: string
  }>
  readonly providers: ReadonlyArray<{
    readonly id: string
    /** Undefined for a provider that takes no JWT. */
    readonly issuer: string | undefined
    readonly usable: boolean
    /** These two are undefined for a provider that verifies nothing by keys. */
    readonly keys: KeySetStatus['keys'] | undefined
    readonly skipped: KeySetStatus['skipped'] | undefined
    /** These two are undefined for a provider that neither fetches nor asks. */
    readonly last_success: string | undefined
    readonly age_seconds: number | undefined
    readonly last_error: string | undefined
    /** Undefined for a provider that asks nobody. */
    readonly introspection: ShownIntrospection | undefined
    /** Undefined for a provider that logs nobody in. */
    readonly sessions: ShownSessions | undefined
    /** Which keys open encrypted tokens; undefined where none are taken. */
    readonly decryption: { readonly kids: readonly string[] } | undefined
  }>
  /** Undefined when the configuration asks for no revocation. */
  readonly revocation:
    | {
        readonly state: RevocationStatus['state']
        /** In force, by what they revoke by. */
        readonly entries: RevocationStatus['entries']
        /** These three are undefined without a store. */
        readonly last_success: string | undefined
        readonly age_seconds: number | undefined
        readonly last_error: string | undefined
      }
    | undefined
  /** The memory of DPoP proofs; undefined when the configuration judges none. */
  readonly proofs:
    | {
        /** How many are remembered by this process, and how many can be. */
        readonly remembered: number
        readonly entries: number
        /** These two are undefined where the store does not share them. */
        readonly shared: boolean | undefined
        readonly last_error: string | undefined
      }
    | undefined
  /** Where decisions are recorded; undefined when the configuration asks for no records. */
  readonly audit:
    | {
        readonly file: string
        readonly state: 'ok' | 'failing'
        /** Why records cannot be written; undefined when they can. */
        readonly last_error: string | undefined
        /** Records that wait to be written. */
        readonly queued: number
      }
    | undefined
  /**
   * Each process, where several share the listener. The details above then come from one that is not ready, if any, and
   * what each has of its own is shown where it is worst.
   */
  readonly workers?: readonly WorkerStatus[]
}

interface ShownConfig {
  readonly hash: string
  /** When it was put in force. */
  readonly since: string
  /** The file that was not, since then: why, and what caused it to be loaded. */
  readonly last_rejected:
    | { readonly at: string; readonly trigger: string; readonly problems: readonly string[] }
    | undefined
}

interface ShownIntrospection {
  /** Undefined until it is discovered. */
  readonly endpoint: string | undefined
  readonly breaker: IntrospectionStatus['breaker']
  /** When the next question is tried; undefined while the breaker is closed. */
  readonly next_try: string | undefined
  /** These two are undefined before the first failure. */
  readonly last_failure: string | undefined
  readonly failure_age_seconds: number | undefined
  /** Questions under way, and those that wait. */
  readonly in_flight: number
  readonly queued: number
  /** How many tokens are remembered. */
  readonly active_tokens: number
  readonly inactive_tokens: number
}

interface ShownSessions {
  /** How many this process knows. */
  readonly held: number
  /** These three are undefined before the first failure. */
  readonly last_refresh_error: string | undefined
  readonly last_refresh_failure: string | undefined
  readonly refresh_failure_age_seconds: number | undefined
  /** These three are undefined before the first login that did not succeed. */
  readonly last_login_error: string | undefined
  readonly last_login_failure: string | undefined
  readonly login_failure_age_seconds: number | undefined
  /** These two are undefined where the store does not share them. */
  readonly store: NonNullable<SessionStatus['store']>['state'] | undefined
  readonly store_error: string | undefined
}

interface WorkerStatus {
  readonly pid: number
  readonly ready: boolean
  readonly config_hash: string
}

interface StatusSource {
  readonly version: string
  readonly startedMs: number
  readonly config: {
    readonly sinceMs: number
    readonly lastRejected:
      | { readonly atMs: number; readonly trigger: string; readonly problems: readonly string[] }
      | undefined
  }
  readonly policy: Pick<Policy, 'hash' | 'routes' | 'providers'>
  readonly revocation: RevocationStatus | undefined
  readonly proofs: Status['proofs']
  readonly audit: Status['audit']
  /** @returns undefined for a provider that logs nobody in */
  readonly sessionsOf: (provider: string) => SessionStatus | undefined
  /** Whether a request may be refused because revocations may be missing. */
  readonly isRefusingStale: boolean
  readonly isDraining: boolean
  readonly nowMs: number
}

export function statusOf(source: StatusSource): Status {
  const {
    version,
    startedMs,
    config,
    policy,
    revocation,
    proofs,
    audit,
    sessionsOf,
    isRefusingStale,
    isDraining,
    nowMs,
  } = source
  const providers = policy.providers.map(({ id, issuer, health, decryptionKeys }) => {
    const found = health()
    const sessions = sessionsOf(id)
    const { isDone, lastError: lastSearchError } = sessions?.discovery ?? NOTHING_TO_FIND
    const { usable, lastError } = found
    const keySet = found.kind === 'keys' ? found.keySet : undefined
    const asking = found.kind === 'introspection' ? found.introspection : undefined
    const { lastSuccessSeconds } = keySet ?? asking ?? NEITHER
    return {
      id,
      issuer,
      usable: usable && isDone,
      keys: keySet?.keys,
      skipped: keySet?.skipped,
      ...ageOf(lastSuccessSeconds, nowMs),
      last_error: lastError ?? (isDone ? undefined : lastSearchError),
      sessions: sessions && shownSessions(sessions, nowMs),
      introspection: asking && shownIntrospection(asking, nowMs),
      decryption: decryptionKeys && { kids: decryptionKeys },
    }
  })
  const unusable = providers.filter(({ usable }) => !usable).map(unusableText)
  const reasons = [...(isDraining ? ['draining'] : []), ...unusable, ...staleTexts(revocation, isRefusingStale)]
  return {
    ready: reasons.length === 0,
    reasons,
    version,
    started: new Date(startedMs).toISOString(),
    config_hash: policy.hash,
    config: {
      hash: policy.hash,
      since: new Date(config.sinceMs).toISOString(),
      last_rejected: config.lastRejected && {
        at: new Date(config.lastRejected.atMs).toISOString(),
        trigger: config.lastRejected.trigger,
        problems: config.lastRejected.problems,
      },
    },
    routes: policy.routes.map(({ id, path, methods, access, mode, upstream, asks }) => ({
      id,
      path,
      methods: methods === undefined ? 'all' : [...methods],
      access,
      mode,
      upstream: upstream.id,
      asks,
    })),
    providers,
    revocation: revocation && {
      state: revocation.state,
      entries: revocation.entries,
      ...ageOf(revocation.lastSuccessSeconds, nowMs),
      last_error: revocation.lastError,
    },
    proofs,
    audit,
  }
}

/** Who logs nobody in need not know where to do so. */
const NOTHING_TO_FIND = { isDone: true, lastError: undefined }

/** What neither fetches nor asks has no last success. */
const NEITHER = { lastSuccessSeconds: undefined }

function shownIntrospection(status: IntrospectionStatus, nowMs: number): ShownIntrospection {
  return {
    endpoint: status.endpoint,
    breaker: status.breaker,
    next_try: timeText(status.nextTrySeconds),
    last_failure: timeText(status.lastFailureSeconds),
    failure_age_seconds: ageSeconds(status.lastFailureSeconds, nowMs),
    in_flight: status.inFlight,
    queued: status.queued,
    active_tokens: status.activeTokens,
    inactive_tokens: status.inactiveTokens,
  }
}

function shownSessions(
  { held, lastRefreshFailure, lastLoginFailure, store }: SessionStatus,
  nowMs: number,
): ShownSessions {
  return {
    held,
    last_refresh_error: lastRefreshFailure?.reason,
    last_refresh_failure: timeText(lastRefreshFailure?.atSeconds),
    refresh_failure_age_seconds: ageSeconds(lastRefreshFailure?.atSeconds, nowMs),
    last_login_error: lastLoginFailure?.reason,
    last_login_failure: timeText(lastLoginFailure?.atSeconds),
    login_failure_age_seconds: ageSeconds(lastLoginFailure?.atSeconds, nowMs),
    store: store?.state,
    store_error: store?.lastError,
  }
}

function ageOf(seconds: number | undefined, nowMs: number) {
  return { last_success: timeText(seconds), age_seconds: ageSeconds(seconds, nowMs) }
}

function timeText(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1000).toISOString()
}

function ageSeconds(seconds: number | undefined, nowMs: number): number | undefined {
  return seconds === undefined ? undefined : Math.round(nowMs / 1000 - seconds)
}

function staleTexts(revocation: RevocationStatus | undefined, isRefusingStale: boolean): readonly string[] {
  if (revocation === undefined || revocation.state === 'fresh' || !isRefusingStale) return []
  const { state, lastError } = revocation
  return [`revocations: ${state}${lastError === undefined ? '' : `: ${lastError}`}`]
}

function unusableText({ id, keys, sessions, last_error: lastError }: Status['providers'][number]): string {
  const what =
    sessions !== undefined ? 'cannot log users in' : keys === undefined ? 'cannot judge tokens' : 'no usable keys'
  return `provider ${id}: ${what}${lastError === undefined ? '' : `: ${lastError}`}`
}
