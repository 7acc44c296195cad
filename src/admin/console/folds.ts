/** Folds refusals of one kind that follow one another into one block, so that a flood leaves room for the others. */
import type { RecentRefusal } from '../recent.ts'

export interface Fold {
  /** What its refusals have in common. */
  readonly kind: string
  /** The newest first; there is at least one. */
  readonly refusals: readonly [newest: RecentRefusal, ...older: RecentRefusal[]]
}

/**
 * @param recent the oldest first
 * @returns the newest first
 */
export function folded(recent: readonly RecentRefusal[]): readonly Fold[] {
  const folds: Array<{ kind: string; refusals: [RecentRefusal, ...RecentRefusal[]] }> = []
  for (const refusal of recent.toReversed()) {
    const kind = kindOf(refusal)
    const last = folds.at(-1)
    if (last?.kind === kind) last.refusals.push(refusal)
    else folds.push({ kind, refusals: [refusal] })
  }
  return folds
}

function kindOf({ code, decision, method, route, evidence = {} }: RecentRefusal): string {
  return JSON.stringify([code, decision, method, route, evidence.reason, evidence.requirement, evidence.claim])
}
