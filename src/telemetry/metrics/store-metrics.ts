/** Measures the store: whether it can be used, and how long commands take. */
import { LAG_BUCKETS, type Series } from './series.ts'

/** Commands whose time is shown. A blocking read is none of them: it waits on purpose. */
const STORE_COMMANDS: ReadonlySet<string> = new Set(['EVALSHA', 'HMGET', 'SET', 'XADD', 'XINFO', 'XRANGE'])

export function storeMetrics({ histogram, gauge }: Series) {
  const storeUp = gauge(
    'store_up',
    '0: the store cannot be used; revocations, proofs, sessions and limits go by whenStale, whenUnavailable, onFailure.',
    'min',
  )
  const storeUses = new Map<object, boolean>()
  // Without a store, nobody has to be alarmed that it is down.
  storeUp.remove()
  const storeDurations = histogram(
    'store_command_duration_seconds',
    'Time of a command to the store. Above some ms: the store or the network is slow, and requests wait for it.',
    LAG_BUCKETS,
    'command',
  )

  return {
    /** Whether a use of the store works; undefined: there is no such use any more. @param use any object of its own */
    storeUp(use: object, isUp: boolean | undefined): void {
      if (isUp === undefined) storeUses.delete(use)
      else storeUses.set(use, isUp)
      if (storeUses.size === 0) storeUp.remove()
      else storeUp.set([...storeUses.values()].every(Boolean) ? 1 : 0)
    },
    /** The store has answered a command. */
    storeAnswered(command: string, seconds: number): void {
      if (STORE_COMMANDS.has(command)) storeDurations.of(command).observe(seconds)
    },
  }
}
