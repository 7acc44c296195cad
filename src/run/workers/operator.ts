/**
 * Offers what an operator can see of all workers and do to them, as `run/operations.ts` does for one process: it asks
 * every worker that listens, and joins the answers.
 */
import { Registry } from 'prom-client'
import type { AdminOptions } from '../../admin/admin.ts'
import { APP_PROBE_PREFIX } from '../../admin/app-probes.ts'
import { NOBODY_ANSWERS } from '../../admin/revocations.ts'
import type { Status } from '../../admin/status-answer.ts'
import type { Config } from '../../config/schema/schema.ts'
import { DENIALS } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import { exposition, familiesOf, packed } from '../../telemetry/metrics/exposition.ts'
import type { Family } from '../../telemetry/metrics/family.ts'
import { collectProcessMetrics } from '../../telemetry/metrics/process-metrics.ts'
import { type ConsoleDeps, shownConsole } from '../console.ts'
import { listedPaths } from '../listed-paths.ts'
import { combinedStatus } from './combined-status.ts'
import type { Member } from './member.ts'
import { NOT_HEARD, type SharedRevocations } from './shared-revocations.ts'
import type { Totals } from './totals.ts'

interface OperatorOptions {
  readonly config: Config
  readonly version: string
  /** When the primary was started. */
  readonly startedMs: number
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** The workers that there are at present, whether or not they listen. */
  readonly members: ReadonlySet<Member>
  readonly sums: Totals<Member>
  readonly shared: Pick<SharedRevocations, 'isHeard'>
  readonly isDraining: () => boolean
  /** Takes every worker out of service. */
  readonly drain: () => void
}

/** A worker that takes longer to answer is shown as it was last known. */
const LONGEST_ANSWER_MS = 1_000
/** This is longer than a worker waits for the service. */
const LONGEST_PROBE_MS = 11_000
/** This is longer than a worker waits for the store. */
const LONGEST_CHANGE_MS = 35_000

export async function operator(options: OperatorOptions): Promise<AdminOptions> {
  const { config, version, startedMs, clock, scheduler, members, sums, shared, isDraining, drain } = options
  const lastStatus = new WeakMap<Member, Status>()
  const own = new Registry()
  const probed = new Set(config.admin?.appProbes.map(({ path }) => APP_PROBE_PREFIX + path))
  collectProcessMetrics(own)

  const listening = (): readonly Member[] => [...members].filter(({ isListening }) => isListening)

  async function status(): Promise<Status> {
    const answers = await Promise.all(
      listening().map(async each => {
        const answer = await each.ask({ ask: 'status' }, LONGEST_ANSWER_MS)
        if (answer !== undefined) lastStatus.set(each, answer)
        const known = lastStatus.get(each)
        // A worker that has ended meanwhile counts as missing, and so does one that has never answered.
        return known && each.isListening ? [{ pid: each.pid, status: known, isCurrent: answer !== undefined }] : []
      }),
    )
    return combinedStatus({
      count: config.workers,
      answers: answers.flat(),
      isDraining: isDraining(),
      version,
      startedMs,
    })
  }

  async function* families(): AsyncGenerator<Family> {
    await Promise.all(
      listening().map(async each => {
        const families = await each.ask({ ask: 'metrics' }, LONGEST_ANSWER_MS)
        if (families !== undefined && members.has(each)) sums.heard(each, families)
      }),
    )
    yield* sums.families((await Array.fromAsync(packed(familiesOf(own)))).flat())
  }

  const parts: ConsoleDeps['parts'] = (question, subjectKey) =>
    Promise.all(listening().map(each => each.ask({ ask: 'recent', question, subjectKey }, LONGEST_ANSWER_MS)))
  const shown = config.admin?.console

  return {
    status,
    metricsText: () => exposition(families()),
    metricsContentType: own.contentType,
    appProbes: {
      has: path => probed.has(path),
      async status(path) {
        const answer = await listening()[0]?.ask({ ask: 'probe', path }, LONGEST_PROBE_MS)
        return answer ?? DENIALS.upstream_unreachable.status
      },
    },
    hosts: config.admin?.hosts ?? [],
    listed: () => listedPaths(config),
    drain,
    async revocations(request) {
      // One worker answers, so that one tells the store.
      const answer = await listening()[0]?.ask({ ask: 'revocations', request }, LONGEST_CHANGE_MS)
      if (answer === undefined) return NOBODY_ANSWERS
      return (await shared.isHeard()) ? answer : NOT_HEARD
    },
    async publishedKeys() {
      const answers = await Promise.all(listening().map(each => each.ask({ ask: 'publishedKeys' }, LONGEST_ANSWER_MS)))
      const known = answers.flatMap(answer => answer ?? [])
      if (answers.every(answer => answer === undefined)) return undefined
      // Each of them reads the folder by itself, and one may be ahead of another for a moment.
      return known.filter(({ kid }, index) => known.findIndex(other => other.kid === kid) === index)
    },
    console: shown && (await shownConsole(shown, { clock, scheduler, status, families, parts })),
  }
}
