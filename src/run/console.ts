/**
 * Makes what `admin.console` asks for: the memory of refusals in each process, and the paths of the admin listener that
 * show it. Only who asks for it has its code.
 */
import { randomBytes } from 'node:crypto'
import type { AdminConsole } from '../admin/admin.ts'
import type { RecentPart, RecentQuestion } from '../admin/recent.ts'
import type { RefusalMemory } from '../admin/refusal-memory.ts'
import type { Config, ConsoleConfig } from '../config/schema/schema.ts'
import type { Clock } from '../lib/clock.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Scheduler } from '../lib/scheduler.ts'

export async function refusalsOf(
  { admin }: Pick<Config, 'admin'>,
  { clock }: { readonly clock: Clock },
): Promise<RefusalMemory | undefined> {
  if (admin?.console === undefined) return undefined
  const { refusalMemory } = await import('../admin/refusal-memory.ts')
  const { recent, subjects } = admin.console
  return refusalMemory({ entries: recent, subjects, clock })
}

export interface ConsoleDeps {
  readonly scheduler: Scheduler
  /** Asks every process; one that has not answered in time is undefined. */
  readonly parts: (question: RecentQuestion, subjectKey: string) => MaybePromise<ReadonlyArray<RecentPart | undefined>>
}

export async function shownConsole({ from }: ConsoleConfig, { scheduler, parts }: ConsoleDeps): Promise<AdminConsole> {
  const { recentConsole } = await import('../admin/recent-routes.ts')
  // One key for all processes, so that their hashes of one subject are the same.
  const key = randomBytes(32).toString('base64')
  return recentConsole({
    from,
    scheduler,
    parts: async question => (await parts(question, key)).filter(part => part !== undefined),
  })
}
