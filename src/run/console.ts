/**
 * Makes what `admin.console` asks for: the memory of refusals in each process, and the paths of the admin listener that
 * show it. Only who asks for it has its code.
 */
import { randomBytes } from 'node:crypto'
import type { AdminConsole } from '../admin/admin.ts'
import type { RecentPart, RecentQuestion } from '../admin/recent.ts'
import type { RefusalMemory } from '../admin/refusal-memory.ts'
import type { Status } from '../admin/status-answer.ts'
import type { Config, ConsoleConfig } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Family } from '../telemetry/metrics/family.ts'

export async function refusalsOf(
  { admin }: Pick<Config, 'admin'>,
  { clock, scheduler }: { readonly clock: Clock; readonly scheduler: Scheduler },
): Promise<RefusalMemory | undefined> {
  if (admin?.console === undefined) return undefined
  const { refusalMemory } = await import('../admin/refusal-memory.ts')
  const { recent, subjects } = admin.console
  return refusalMemory({ entries: recent, subjects, clock, scheduler })
}

export interface ConsoleDeps {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly status: () => Status | Promise<Status>
  /** The metrics of all processes. */
  readonly families: () => AsyncIterable<Family>
  /** Asks every process; one that has not answered in time is undefined. */
  readonly parts: (question: RecentQuestion, subjectKey: string) => MaybePromise<ReadonlyArray<RecentPart | undefined>>
}

export async function shownConsole({ from }: ConsoleConfig, deps: ConsoleDeps): Promise<AdminConsole> {
  const { recentConsole } = await import('../admin/recent-routes.ts')
  const { merged } = await import('../admin/recent.ts')
  const { consolePage } = await import('../admin/console/console.ts')
  const { withPage } = await import('../admin/console/routes.ts')
  // One key for all processes, so that their hashes of one subject are the same.
  const key = randomBytes(32).toString('base64')
  const parts = async (question: RecentQuestion): Promise<readonly RecentPart[]> =>
    (await deps.parts(question, key)).filter(part => part !== undefined)
  const recent = async () => merged(await parts({}), {}).entries.map(({ refusal }) => refusal)
  return withPage(recentConsole({ from, scheduler: deps.scheduler, parts }), consolePage({ ...deps, recent }))
}
