/** Tries a refused connection again for a while, since a service may restart: nothing of a request was sent yet. */
import type { Scheduler } from '../lib/scheduler.ts'
import type { Connect } from './connector.ts'

interface RetriedConnectOptions {
  /** For how long; 0 is not at all. */
  readonly retryMs: number
  readonly scheduler: Scheduler
}

const PAUSE_MS = 100
/** Nobody listens on the port, or nobody has made the Unix socket yet. */
const NOBODY_THERE: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT'])

export function retriedConnect(connect: Connect, { retryMs, scheduler }: RetriedConnectOptions): Connect {
  if (retryMs === 0) return connect
  return async () => {
    for (let leftMs = retryMs; ; leftMs -= PAUSE_MS) {
      try {
        return await connect()
      } catch (error) {
        const isRefused = error instanceof Error && 'code' in error && NOBODY_THERE.has(error.code)
        if (!isRefused || leftMs <= 0) throw error
        await new Promise<void>(resolve => scheduler.after(Math.min(PAUSE_MS, leftMs), resolve))
      }
    }
  }
}
