/** Remembers for a while which ids were used. There is a bound to how many: of more, the oldest are forgotten. */
import type { Clock } from '../lib/clock.ts'

interface UsedIdsOptions {
  readonly clock: Clock
  readonly mostIds: number
  readonly keptMs: number
}

export interface UsedIds {
  has(id: string): boolean
  add(id: string): void
  delete(id: string): void
}

export function usedIds({ clock, mostIds, keptMs }: UsedIdsOptions): UsedIds {
  /** When each may be forgotten. All are kept for the same time, so the oldest stands first. */
  const ids = new Map<string, number>()

  const forgetOld = (): void => {
    const nowMs = clock.monotonicMs()
    for (const [id, untilMs] of ids) {
      if (untilMs > nowMs) return
      ids.delete(id)
    }
  }

  return {
    has(id) {
      forgetOld()
      return ids.has(id)
    },
    add(id) {
      forgetOld()
      if (ids.size >= mostIds) for (const oldest of ids.keys()) if (ids.delete(oldest)) break
      ids.set(id, clock.monotonicMs() + keptMs)
    },
    delete: id => void ids.delete(id),
  }
}
