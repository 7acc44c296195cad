/**
 * Offers what an operator can see of a running gateway and do to it. The gateway's admin listener serves that, or,
 * where several processes share the traffic, the admin listener of the primary does.
 */
import type { Registry } from 'prom-client'
import { type AppProbe, type AppProbes, appProbes } from '../admin/app-probes.ts'
import type { PublishedKeys } from '../admin/published-keys.ts'
import type { RecentPart, RecentQuestion } from '../admin/recent.ts'
import type { RefusalMemory } from '../admin/refusal-memory.ts'
import type { AnswerRevocations } from '../admin/revocations.ts'
import { statusOf } from '../admin/status.ts'
import type { ShownLimit, Status } from '../admin/status-answer.ts'
import type { Config } from '../config/schema/schema.ts'
import type { Drain } from '../downstream/drain.ts'
import type { PolicyStore } from '../policy-store.ts'
import type { AuditSink } from '../telemetry/audit/audit-file.ts'
import type { Upstream } from '../upstream/connections.ts'
import type { Prepared } from './prepare.ts'
import type { Reloader } from './reload.ts'
import { revocationsApi } from './revocations-api.ts'
import type { Services } from './services.ts'
import type { SigningStatus } from './signing.ts'

export interface Operations {
  status(): Status
  /** Brings every metric up to date. */
  metrics(): Registry
  readonly appProbes: AppProbes
  /** Takes the gateway out of service; the process goes on. */
  drain(): void
  /** Answers `/-/revocations`. */
  readonly revocations: AnswerRevocations
  /** The keys by which services verify our tokens; undefined where none are signed. */
  readonly publishedKeys: () => PublishedKeys | undefined
  /**
   * Tells what this process remembers of refusals; undefined without `admin.console`.
   *
   * @param subjectKey makes hashes of the names of callers
   */
  readonly recent: ((question: RecentQuestion, subjectKey: string) => RecentPart) | undefined
}

interface OperationsOptions {
  readonly version: string
  /** The configuration in force when the process started. */
  readonly config: Config
  readonly policies: PolicyStore
  readonly reloads: Reloader
  readonly drain: Pick<Drain, 'isDraining' | 'begin'>
  readonly services: Services
  readonly refusals: RefusalMemory | undefined
}

export function operations({
  version,
  config,
  policies,
  reloads,
  drain,
  services,
  refusals,
}: OperationsOptions): Operations {
  const startedMs = reloads.inForceSinceMs
  const { metrics, tokenCache, replays, revocations, clock, scheduler } = services
  return {
    status: () =>
      statusOf({
        version,
        startedMs,
        config: {
          sinceMs: reloads.inForceSinceMs,
          includes: reloads.inForce.config.include?.map(({ file }) => file),
          lastRejected: reloads.lastRejected,
        },
        policy: policies.current,
        revocation: reloads.inForce.config.revocation === undefined ? undefined : revocations.status(),
        proofs: proofStatus(reloads.inForce, replays),
        limits: limitStatus(reloads.inForce),
        audit: auditStatus(services.audits.sink),
        decide: decideStatus(reloads.inForce.config),
        signing: signingStatus(services.signing.status()),
        exchange: exchangeStatus(reloads.inForce),
        sessionsOf: id => reloads.inForce.sessions.get(id)?.(),
        isRefusingStale: isRefusingStale(reloads.inForce.config),
        isDraining: drain.isDraining,
        nowMs: clock.nowMs(),
      }),
    metrics() {
      metrics.tokenCacheEntries.set(tokenCache.size)
      metrics.proofReplayEntries.set(replays.size)
      metrics.showRevocations(reloads.inForce.config.revocation === undefined ? undefined : revocations.status())
      metrics.showSigning(services.signing.status(), clock.nowMs())
      for (const { id, health } of policies.current.providers) metrics.showProvider(id, health())
      return metrics.registry
    },
    appProbes: appProbes(probesOf(config), { scheduler, upstream: id => probedUpstream(id, reloads.inForce) }),
    drain: () => drain.begin('admin'),
    publishedKeys: services.signing.published,
    revocations: revocationsApi(services, () => reloads.inForce),
    recent: refusals?.part,
  }
}

/** A store that is away does not make the gateway unready, since tokens without a proof still pass. */
function proofStatus({ config: { dpop }, sharedReplays }: Prepared, replays: Services['replays']): Status['proofs'] {
  if (dpop === undefined) return undefined
  return {
    remembered: replays.size,
    entries: dpop.replay.entries,
    shared: sharedReplays?.status().isConnected,
    last_error: sharedReplays?.status().lastError,
  }
}

/** As with proofs, a store that is away does not make the gateway unready, whatever `onFailure` says. */
function limitStatus({ config: { rateLimits }, limits }: Prepared): Status['limits'] {
  if (limits.size === 0) return undefined
  return [...limits.values()].map(({ definition: { id, entries, onFailure }, keys, ledger }): ShownLimit => {
    const known = { id, keys, entries }
    if (ledger === undefined || rateLimits[id]?.store !== true)
      return { ...known, mode: 'local', last_error: undefined }
    const { isUp, lastError = 'is away' } = ledger.status()
    if (isUp) return { ...known, mode: 'shared', last_error: undefined }
    return { ...known, mode: onFailure, last_error: `the store ${lastError}; ${UNTIL_THEN[onFailure]}` }
  })
}

const UNTIL_THEN = {
  local: 'each process counts for itself until it is back',
  refuse: 'requests are refused until it is back',
} as const

function decideStatus({ decide }: Config): Status['decide'] {
  return decide && { caller: decide.caller, trusted_proxies: decide.trustedProxies }
}

function signingStatus(status: SigningStatus | undefined): Status['signing'] {
  if (status === undefined) return undefined
  const { sinceMs, nextMs, lastError, ...shown } = status
  return {
    ...shown,
    since: new Date(sinceMs).toISOString(),
    next_rotation: nextMs === undefined ? undefined : new Date(nextMs).toISOString(),
    last_error: lastError,
  }
}

/** A server that is away does not make the gateway unready: another upstream may need no tokens of it. */
function exchangeStatus({ issuedTokens }: Prepared): Status['exchange'] {
  if (issuedTokens.size === 0) return undefined
  return [...issuedTokens].map(([upstream, tokens]) => {
    const { endpoint, breaker, lastError, ...seconds } = tokens.status()
    return {
      upstream,
      endpoint,
      breaker,
      next_try: timeText(seconds.nextTrySeconds),
      last_success: timeText(seconds.lastSuccessSeconds),
      last_failure: timeText(seconds.lastFailureSeconds),
      last_error: lastError,
    }
  })
}

function timeText(seconds: number | undefined): string | undefined {
  return seconds === undefined ? undefined : new Date(seconds * 1_000).toISOString()
}

function auditStatus(sink: AuditSink | undefined): Status['audit'] {
  if (sink === undefined) return undefined
  const { lastError, ...shown } = sink.status()
  return { ...shown, last_error: lastError }
}

/** Whether some route refuses requests while revocations may be missing. */
function isRefusingStale({ revocation, routes }: Config): boolean {
  if (revocation === undefined) return false
  return routes.some(
    ({ access, revocation: own }) => access !== 'public' && (own?.whenStale ?? revocation.whenStale) !== 'allow',
  )
}

/** Probes with their upstreams: one that names none means the only one. */
function probesOf({ admin: listener, upstreams }: Config): readonly AppProbe[] {
  const [only = ''] = Object.keys(upstreams)
  return (listener?.appProbes ?? []).map(({ path, upstream = only }) => ({ path, upstream }))
}

/** Finds the upstream of a probe; where there is only one, a reload may have given it another name. */
function probedUpstream(id: string, { upstreams }: Prepared): Upstream | undefined {
  const [first] = upstreams.values()
  return upstreams.get(id) ?? (upstreams.size === 1 ? first : undefined)
}
