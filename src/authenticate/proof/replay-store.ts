/**
 * Remembers which DPoP proofs were used in Redis or Valkey, so that all replicas together take none twice.
 *
 * There is one connection, which is kept open in the background. While the store is down nothing waits for it: a
 * request learns at once that nobody knows whether its proof was used. The server forgets a proof by its own clock,
 * when it has expired. It needs the right to `set`, and no other. A server that evicts keys forgets proofs early, so
 * it has to have `maxmemory-policy noeviction`.
 */
import { hash } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'
import type { Scheduler } from '../../lib/scheduler.ts'
import { StoreError } from '../../store/failure.ts'
import { type ConnectionObserver, reconnection } from '../../store/reconnection.ts'
import type { Store } from '../../store/store.ts'
import { proofName, type ReplayAnswer, type UsedProof } from './used-proof.ts'

interface ReplayStoreOptions {
  readonly store: Store
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: () => number
  /** Proofs are remembered while there is a connection. */
  readonly observer: ConnectionObserver
}

export interface ReplayStore {
  /** Begins to connect, which takes a moment. The first proof does so, too, but comes too early itself. */
  open(): void
  remember(proof: UsedProof): Promise<Extract<ReplayAnswer, 'new' | 'replayed' | 'unavailable'>>
  /** `lastError` continues "the store …", and is undefined while there is a connection. */
  status(): { readonly isConnected: boolean; readonly lastError: string | undefined }
  /** What is under way is `unavailable`, and so is everything from here on. */
  close(): void
}

export function replayStore(options: ReplayStoreOptions): ReplayStore {
  const { store, clock } = options
  const kept = reconnection({ ...options, probe: probeCommand(store) })

  return {
    open: kept.open,
    async remember(proof) {
      kept.open()
      const server = kept.connection()
      if (server === undefined) return 'unavailable'
      try {
        const lifeMs = Math.max(1, Math.ceil(proof.expiresAtMs - clock.nowMs()))
        const reply = await server.send(setCommand(store, digestOf(proof), lifeMs))
        if (reply === 'OK') return 'new'
        if (reply === null) return 'replayed'
        // Whatever it is that answers so, it has not said that it remembers the proof.
        throw new StoreError('answers with something else than a store does')
      } catch (error) {
        // After a refusal, too, another server or another password may do. What has ended already is replaced by now.
        kept.giveUp(server, error)
        return 'unavailable'
      }
    },
    status: () => ({ isConnected: kept.connection() !== undefined, lastError: kept.lastError() }),
    close: kept.close,
  }
}

/** Does what is done for each proof, for one that no client can send, and for a millisecond. */
export function probeCommand(store: Store): readonly string[] {
  return setCommand(store, '', 1)
}

function setCommand(store: Store, name: string, lifeMs: number): readonly string[] {
  return ['SET', store.key(`proof:${name}`), '1', 'NX', 'PX', String(lifeMs)]
}

/** The hash has no key, because all replicas have to agree. */
function digestOf(proof: UsedProof): string {
  return hash('sha256', proofName(proof), 'base64url')
}
