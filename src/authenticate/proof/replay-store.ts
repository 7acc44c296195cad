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
import type { StoreConnection } from '../../store/connection.ts'
import { StoreError, storeError } from '../../store/failure.ts'
import type { Store } from '../../store/store.ts'
import { proofName, type ReplayAnswer, type UsedProof } from './used-proof.ts'

interface ReplayStoreOptions {
  readonly store: Store
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly random: () => number
  readonly observer: ReplayStoreObserver
}

interface ReplayStoreObserver {
  /** Proofs are remembered from here on: for the first time, or after they were not. */
  connected(): void
  /** Proofs are not remembered from here on. @param reason continues "the store …" */
  lost(reason: string): void
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

/** How far apart attempts to connect begin, give or take a half. */
const RETRY_MS = 1_000

export function replayStore({ store, clock, scheduler, random, observer }: ReplayStoreOptions): ReplayStore {
  let state: 'idle' | 'running' | 'closed' = 'idle'
  /** What `observer` was told last. */
  let told: 'nothing' | 'connected' | 'lost' = 'nothing'
  let connection: StoreConnection | undefined
  let lastError: string | undefined
  let wake: () => void = () => {}

  const isClosed = (): boolean => state === 'closed'

  const failed = (error: unknown): void => {
    lastError = storeError(error).message
    if (isClosed() || told === 'lost') return
    told = 'lost'
    observer.lost(lastError)
  }

  const pause = (delayMs: number): Promise<void> =>
    new Promise(resolve => {
      const cancel = scheduler.after(delayMs, resolve)
      wake = () => {
        cancel()
        resolve()
      }
    })

  /** Resolves when the connection has ended. @throws {StoreError} there was none that proofs can be remembered on */
  const connect = async (): Promise<void> => {
    const probe = probeCommand(store)
    const opened = await store.connect(probe)
    try {
      await opened.send(probe)
      if (isClosed()) return
      connection = opened
      lastError = undefined
      if (told !== 'connected') observer.connected()
      told = 'connected'
      await opened.ended
    } finally {
      connection = undefined
      opened.close()
    }
  }

  const run = async (): Promise<void> => {
    while (!isClosed()) {
      // Attack: a thousand replicas that come back at the same moment.
      const nextMs = clock.monotonicMs() + RETRY_MS * (0.5 + random())
      await connect().catch(failed)
      // A connection that has lasted is replaced at once.
      const waitMs = nextMs - clock.monotonicMs()
      if (waitMs > 0 && !isClosed()) await pause(waitMs)
    }
  }

  const open = (): void => {
    if (state !== 'idle') return
    state = 'running'
    void run()
  }

  return {
    open,
    async remember(proof) {
      open()
      const server = connection
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
        if (connection === server) failed(error)
        server.close()
        return 'unavailable'
      }
    },
    status: () => ({ isConnected: connection !== undefined, lastError }),
    close() {
      state = 'closed'
      connection?.close()
      wake()
    },
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
