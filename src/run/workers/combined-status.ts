/** Joins the statuses of several processes to one for `readyz` and `-/status`. It is ready when each of them is. */
import type { ShownLimit, Status } from '../../admin/status-answer.ts'
import type { RevocationState } from '../../revocation/revocations.ts'

interface WorkerAnswer {
  readonly pid: number
  /** The last status that the worker gave. */
  readonly status: Status
  /** False when the worker was asked and has not answered in time. */
  readonly isCurrent: boolean
}

interface CombinedStatusSource {
  /** How many workers there should be. */
  readonly count: number
  /** The answers of the workers that listen. */
  readonly answers: readonly WorkerAnswer[]
  readonly isDraining: boolean
  readonly version: string
  /** When the first of all processes was started. */
  readonly startedMs: number
}

/** Details come from a process that is not ready, if there is one: they explain why. */
export function combinedStatus({ count, answers, isDraining, version, startedMs }: CombinedStatusSource): Status {
  const shown = answers.find(({ status }) => !status.ready) ?? answers[0]
  const started = new Date(startedMs).toISOString()
  const config = shown?.status.config ?? { hash: '', since: started, last_rejected: undefined }
  const missing = count - answers.length
  const reasons = new Set([
    ...(isDraining ? ['draining'] : []),
    // While the gateway drains, workers end because they are done.
    ...(missing > 0 && !isDraining ? [`${missing} of ${count} workers are not running`] : []),
    ...answers.filter(({ isCurrent }) => !isCurrent).map(({ pid }) => `worker ${pid} does not answer`),
    ...answers.flatMap(({ status }) => status.reasons),
  ])
  return {
    ...(shown?.status ?? {
      version,
      config_hash: '',
      routes: [],
      providers: [],
      revocation: undefined,
      proofs: undefined,
      limits: undefined,
      audit: undefined,
      decide: undefined,
      signing: undefined,
      exchange: undefined,
    }),
    started,
    config: { ...config, last_rejected: lastRejected(answers) },
    providers: (shown?.status.providers ?? []).map(provider =>
      withSessionsOfAll(withQuestionsOfAll(provider, answers), answers),
    ),
    ready: reasons.size === 0,
    reasons: [...reasons],
    revocation: leastFresh(answers),
    proofs: fullest(answers),
    limits: shown?.status.limits?.map(limit => limitOfAll(limit, answers)),
    audit: worstAudit(answers),
    signing: worstSigning(answers),
    exchange: shown?.status.exchange?.map(exchange => worstExchange(exchange, answers)),
    workers: answers.map(({ pid, status, isCurrent }) => ({
      pid,
      ready: status.ready && isCurrent,
      config_hash: status.config_hash,
    })),
  }
}

/** Each process loads the file by itself; the last one that did not like it has the news. */
function lastRejected(answers: readonly WorkerAnswer[]): Status['config']['last_rejected'] {
  return answers
    .flatMap(({ status }) => status.config.last_rejected ?? [])
    .toSorted((a, b) => (a.at < b.at ? -1 : 1))
    .at(-1)
}

type ProviderStatus = Status['providers'][number]

/**
 * Each process asks about tokens by itself. Of their pictures, returns the one that has most to tell, with the
 * questions of all. How many tokens are remembered is said of the fullest memory, since most tokens are in several.
 */
function withQuestionsOfAll(provider: ProviderStatus, answers: readonly WorkerAnswer[]): ProviderStatus {
  const asking = answers.flatMap(({ status: { providers } }) => {
    const same = providers.find(({ id }) => id === provider.id)
    return same?.introspection === undefined ? [] : [{ ...same, introspection: same.introspection }]
  })
  const [shown] = asking.toSorted((one, other) => soundness(one) - soundness(other))
  if (shown === undefined) return provider
  const all = asking.map(({ introspection }) => introspection)
  return {
    ...shown,
    introspection: {
      ...shown.introspection,
      in_flight: all.reduce((sum, { in_flight }) => sum + in_flight, 0),
      queued: all.reduce((sum, { queued }) => sum + queued, 0),
      active_tokens: Math.max(...all.map(({ active_tokens }) => active_tokens)),
      inactive_tokens: Math.max(...all.map(({ inactive_tokens }) => inactive_tokens)),
    },
  }
}

/** Of the pictures of sessions, returns the last failures, the store as the worst of them sees it, and the sum. */
function withSessionsOfAll(provider: ProviderStatus, answers: readonly WorkerAnswer[]): ProviderStatus {
  const all = answers.flatMap(({ status: { providers } }) => {
    const sessions = providers.find(({ id }) => id === provider.id)?.sessions
    return sessions === undefined ? [] : [sessions]
  })
  const [failing] = all.toSorted(newestBy('refresh_failure_age_seconds'))
  const [turnedAway] = all.toSorted(newestBy('login_failure_age_seconds'))
  const [cutOff] = all.toSorted(
    (one, other) => STORE_SOUNDNESS[one.store ?? 'up'] - STORE_SOUNDNESS[other.store ?? 'up'],
  )
  if (failing === undefined || turnedAway === undefined || cutOff === undefined) return provider
  const { last_login_error, last_login_failure, login_failure_age_seconds } = turnedAway
  const { store, store_error } = cutOff
  return {
    ...provider,
    sessions: {
      ...failing,
      held: all.reduce((sum, { held }) => sum + held, 0),
      last_login_error,
      last_login_failure,
      login_failure_age_seconds,
      store,
      store_error,
    },
  }
}

type ShownSessions = NonNullable<ProviderStatus['sessions']>

function newestBy(member: 'refresh_failure_age_seconds' | 'login_failure_age_seconds') {
  return (one: ShownSessions, other: ShownSessions): number =>
    (one[member] ?? Number.POSITIVE_INFINITY) - (other[member] ?? Number.POSITIVE_INFINITY)
}

const STORE_SOUNDNESS = { down: 0, up: 1, unused: 2 } as const

/** One that does not know whom to ask comes first, then one that leaves the server alone, then one that has failed. */
function soundness({ usable, last_error, introspection }: ProviderStatus): number {
  if (!usable) return 0
  return 1 + 2 * BREAKER_SOUNDNESS[introspection?.breaker ?? 'closed'] + (last_error === undefined ? 1 : 0)
}

const BREAKER_SOUNDNESS = { open: 0, probing: 1, closed: 2 } as const

/** Of the memories of proofs, returns the fullest, and whether all of them are shared. */
function fullest(answers: readonly WorkerAnswer[]): Status['proofs'] {
  const known = answers.flatMap(({ status: { proofs } }) => (proofs === undefined ? [] : [proofs]))
  const [first] = known.toSorted((one, other) => other.remembered - one.remembered)
  const alone = known.find(({ shared }) => shared === false)
  return first && { ...first, ...(alone && { shared: false, last_error: alone.last_error }) }
}

/** Of the tables of a limit, returns the fullest, as that process sees the store which sees it worst. */
function limitOfAll(limit: ShownLimit, answers: readonly WorkerAnswer[]): ShownLimit {
  const all = answers.flatMap(({ status: { limits } }) => limits?.filter(({ id }) => id === limit.id) ?? [])
  const [worst = limit] = all.toSorted((one, other) => SHARING[one.mode] - SHARING[other.mode])
  return { ...worst, keys: Math.max(...all.map(({ keys }) => keys)) }
}

const SHARING = { refuse: 0, local: 1, shared: 2 } as const

/** Returns the audit log as a worker sees it who cannot write it, if there is one, with all records that wait. */
function worstAudit(answers: readonly WorkerAnswer[]): Status['audit'] {
  const known = answers.flatMap(({ status: { audit } }) => (audit === undefined ? [] : [audit]))
  const shown = known.find(({ state }) => state === 'failing') ?? known[0]
  return shown && { ...shown, queued: known.reduce((sum, { queued }) => sum + queued, 0) }
}

/** Returns the signing keys as a worker sees them who cannot read them all, if there is one. */
function worstSigning(answers: readonly WorkerAnswer[]): Status['signing'] {
  const known = answers.flatMap(({ status: { signing } }) => (signing === undefined ? [] : [signing]))
  return known.find(({ last_error }) => last_error !== undefined) ?? known[0]
}

type ExchangeStatus = NonNullable<Status['exchange']>[number]

/** Each process has tokens issued by itself: returns how the server looks to the one that it looks worst to. */
function worstExchange(shown: ExchangeStatus, answers: readonly WorkerAnswer[]): ExchangeStatus {
  const all = answers.flatMap(
    ({ status: { exchange } }) => exchange?.filter(({ upstream }) => upstream === shown.upstream) ?? [],
  )
  const [worst = shown] = all.toSorted(
    (one, other) =>
      BREAKER_SOUNDNESS[one.breaker] - BREAKER_SOUNDNESS[other.breaker] ||
      Number(one.last_error === undefined) - Number(other.last_error === undefined),
  )
  return worst
}

/** Of what the workers know of revocations, returns that which is least up to date. */
function leastFresh(answers: readonly WorkerAnswer[]): Status['revocation'] {
  const known = answers.flatMap(({ status: { revocation } }) => (revocation === undefined ? [] : [revocation]))
  return known.toSorted(
    (one, other) => FRESHNESS[one.state] - FRESHNESS[other.state] || (other.age_seconds ?? 0) - (one.age_seconds ?? 0),
  )[0]
}

const FRESHNESS: Readonly<Record<RevocationState, number>> = { stale: 0, starting: 1, fresh: 2 }
