/**
 * Asks the store whether it is there, and whether its access control list allows what the configuration uses.
 *
 * Nothing stays written. An entry with the id `0-0` is refused by every stream, but only after the right to write was
 * looked at. Of a key no part is refused so, so a proof that no client can send is remembered for a millisecond.
 */
import type { Config } from '../../config/schema/schema.ts'
import { systemClock } from '../../lib/clock.ts'
import { systemScheduler } from '../../lib/scheduler.ts'
import { limitStoreDefinition, probeLimits } from '../../run/probed-limits.ts'
import { probeRevocationStream } from '../../run/revocation-store.ts'
import { probeReplays, replayDefinition } from '../../run/shared-replays.ts'
import { storeDefinition } from '../../run/store-definition.ts'
import { probeSharedSessions } from '../../session/session-rights.ts'

interface StoreResult {
  readonly kind: 'store'
  readonly id: string
  readonly detail: string
  readonly outcome: 'ok' | 'failed'
}

const DEPS = { clock: systemClock, scheduler: systemScheduler }

/** @returns nothing where the configuration uses no store */
export async function storeResults(config: Config): Promise<readonly StoreResult[]> {
  const { store } = config
  if (store === undefined) return []
  const id = `${store.url.host}:${store.url.port}`
  const found = await Promise.all(
    [revocationsFound, proofsFound, sessionsFound, limitsFound].map(ofUse => ofUse(config)),
  )
  return found.flatMap(each => (each === undefined ? [] : [{ kind: 'store' as const, id, ...each }]))
}

type Found = Pick<StoreResult, 'detail' | 'outcome'> | undefined

async function revocationsFound(config: Config): Promise<Found> {
  const { revocation } = config
  if (revocation?.store === undefined) return undefined
  const { api, backchannelLogout, signals } = revocation
  const use = [api, backchannelLogout, signals].every(each => each === undefined) ? 'read' : 'readAndWrite'
  const problem = await probeRevocationStream(config, use, DEPS)
  if (problem !== undefined) return { outcome: 'failed', detail: problem }
  const rights = use === 'read' ? 'reading' : 'reading and writing'
  return { outcome: 'ok', detail: `allows ${rights} the stream of revocations` }
}

async function proofsFound(config: Config): Promise<Found> {
  const definition = replayDefinition(config)
  if (definition === undefined) return undefined
  const problem = await probeReplays(definition, DEPS)
  if (problem !== undefined) return { outcome: 'failed', detail: problem }
  return { outcome: 'ok', detail: 'allows remembering the DPoP proofs that were used' }
}

async function limitsFound(config: Config): Promise<Found> {
  const definition = limitStoreDefinition(config)
  if (definition === undefined) return undefined
  const problem = await probeLimits(definition, DEPS)
  if (problem !== undefined) return { outcome: 'failed', detail: problem }
  return { outcome: 'ok', detail: 'allows counting for limits' }
}

async function sessionsFound({ store, providers }: Config): Promise<Found> {
  const isShared = Object.values(providers).some(each => each.type === 'session' && each.store === 'shared')
  if (store === undefined || !isShared) return undefined
  const deps = { scheduler: systemScheduler, monotonicMs: systemClock.monotonicMs }
  const problem = await probeSharedSessions(storeDefinition(store), 'serve', deps)
  if (problem !== undefined) return { outcome: 'failed', detail: problem }
  return { outcome: 'ok', detail: 'allows keeping the sessions of browsers' }
}
