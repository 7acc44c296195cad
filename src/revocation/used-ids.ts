/** Remembers for a while which ids were used, so that nobody can use one twice. There is a bound to how many. */
import type { Clock } from '../lib/clock.ts'

interface UsedIdsOptions {
  readonly clock: Clock
  readonly mostIds: number
  readonly keptMs: number
  /** What gives way when there is no place: the new id, or the oldest one. */
  readonly whenFull: 'refuse' | 'forgetOldest'
}

export interface UsedIds {
  has(id: string): boolean
  /** @returns false when there is no place for it */
  add(id: string): boolean
  delete(id: string): void
}

export function usedIds({ clock, mostIds, keptMs, whenFull }: UsedIdsOptions): UsedIds {
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
      if (ids.size >= mostIds && whenFull === 'refuse') return false
      if (ids.size >= mostIds) for (const oldest of ids.keys()) if (ids.delete(oldest)) break
      ids.set(id, clock.monotonicMs() + keptMs)
      return true
    },
    delete: id => void ids.delete(id),
  }
}
