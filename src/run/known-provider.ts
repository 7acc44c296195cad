/**
 * Looks for the metadata of a login provider until they are there: while the gateway is not ready for want of them,
 * no request comes that would.
 */
import type { Scheduler } from '../lib/scheduler.ts'
import type { AuthorizationClient } from '../oauth/authorization-client.ts'

export interface KnownProvider {
  readonly client: AuthorizationClient
  /** Resolves when the metadata are known, or that was tried. */
  ready(): Promise<void>
  close(): void
}

const AGAIN_MS = 5_000

/** Begins at once, and does not wait. */
export function knownProvider(client: AuthorizationClient, scheduler: Scheduler): KnownProvider {
  let isClosed = false
  let cancel = (): void => {}
  const search = async (): Promise<void> => {
    await client.ready()
    if (!client.discovery.isDone && !isClosed)
      cancel = scheduler.after(AGAIN_MS, () => {
        tried = search()
      })
  }
  let tried = search()
  return {
    client,
    ready: () => tried,
    close() {
      isClosed = true
      cancel()
      client.close()
    },
  }
}
