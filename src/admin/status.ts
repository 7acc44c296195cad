/** Makes the picture of a running gateway for `readyz` and `-/status`. No secret and no key material is in it. */
import type { Policy } from '../policy.ts'
import type { RevocationStatus } from '../revocation/revocations.ts'
import type { IntrospectionStatus, SessionStatus } from '../types.ts'
import type { ShownIntrospection, ShownSessions, Status } from './status-answer.ts'

interface StatusSource {
  readonly version: string
  readonly startedMs: number
  readonly config: {
    readonly sinceMs: number
    readonly includes?: readonly string[] | undefined
    readonly lastRejected:
      | { readonly atMs: number; readonly trigger: string; readonly problems: readonly string[] }
      | undefined
  }
  readonly policy: Pick<Policy, 'hash' | 'routes' | 'providers'>
  readonly revocation: RevocationStatus | undefined
  readonly proofs: Status['proofs']
  readonly limits: Status['limits']
  readonly audit: Status['audit']
  readonly decide: Status['decide']
  readonly signing: Status['signing']
  readonly exchange: Status['exchange']
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
    limits,
    audit,
    decide,
    signing,
    exchange,
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
      includes: config.includes,
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
      asks: Object.fromEntries(JSON.parse(asks) as ReadonlyArray<readonly [key: string, value: unknown]>),
    })),
    providers,
    revocation: revocation && {
      state: revocation.state,
      entries: revocation.entries,
      ...ageOf(revocation.lastSuccessSeconds, nowMs),
      last_error: revocation.lastError,
    },
    proofs,
    limits,
    audit,
    decide,
    signing,
    exchange,
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
