/**
 * Asks the store whether it is there, and whether its access control list allows what the configuration uses.
 *
 * Nothing is written: an entry with the id `0-0` is refused by every stream, but only after the right to write was
 * looked at.
 */
import type { Config } from '../../config/schema/schema.ts'
import { systemClock } from '../../lib/clock.ts'
import { systemScheduler } from '../../lib/scheduler.ts'
import { probeRevocationStream } from '../../run/revocation-store.ts'

interface StoreResult {
  readonly kind: 'store'
  readonly id: string
  readonly detail: string
  readonly outcome: 'ok' | 'failed'
}

/** @returns nothing where the configuration uses no store */
export async function storeResults(config: Config): Promise<readonly StoreResult[]> {
  const { revocation, store } = config
  if (store === undefined || revocation?.store === undefined) return []
  const { api, backchannelLogout, signals } = revocation
  const use = [api, backchannelLogout, signals].every(each => each === undefined) ? 'read' : 'readAndWrite'
  const problem = await probeRevocationStream(config, use, { clock: systemClock, scheduler: systemScheduler })
  const found = { kind: 'store' as const, id: `${store.url.host}:${store.url.port}` }
  if (problem !== undefined) return [{ ...found, outcome: 'failed', detail: problem }]
  const rights = use === 'read' ? 'reading' : 'reading and writing'
  return [{ ...found, outcome: 'ok', detail: `allows ${rights} the stream of revocations` }]
}
