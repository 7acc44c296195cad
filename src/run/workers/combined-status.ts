/** Joins the statuses of several processes to one for `readyz` and `-/status`. It is ready when each of them is. */
import type { Status } from '../../admin/status.ts'
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
}

/** Details come from a process that is not ready, if there is one: they explain why. */
export function combinedStatus({ count, answers, isDraining, version }: CombinedStatusSource): Status {
  const shown = answers.find(({ status }) => !status.ready) ?? answers[0]
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
    }),
    ready: reasons.size === 0,
    reasons: [...reasons],
    revocation: leastFresh(answers),
    proofs: fullest(answers),
    workers: answers.map(({ pid, status, isCurrent }) => ({
      pid,
      ready: status.ready && isCurrent,
      config_hash: status.config_hash,
    })),
  }
}

/** Of the memories of proofs, returns the fullest, and whether all of them are shared. */
function fullest(answers: readonly WorkerAnswer[]): Status['proofs'] {
  const known = answers.flatMap(({ status: { proofs } }) => (proofs === undefined ? [] : [proofs]))
  const [first] = known.toSorted((one, other) => other.remembered - one.remembered)
  const alone = known.find(({ shared }) => shared === false)
  return first && { ...first, ...(alone && { shared: false, last_error: alone.last_error }) }
}

/** Of what the workers know of revocations, returns that which is least up to date. */
function leastFresh(answers: readonly WorkerAnswer[]): Status['revocation'] {
  const known = answers.flatMap(({ status: { revocation } }) => (revocation === undefined ? [] : [revocation]))
  return known.toSorted(
    (one, other) => FRESHNESS[one.state] - FRESHNESS[other.state] || (other.age_seconds ?? 0) - (one.age_seconds ?? 0),
  )[0]
}

const FRESHNESS: Readonly<Record<RevocationState, number>> = { stale: 0, starting: 1, fresh: 2 }
