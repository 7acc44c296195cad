/**
 * Asks whether a DPoP proof was used before: the memory of this process first, then the one that all replicas share.
 *
 * RFC 9449 §11.1. The own memory costs nothing, and is what is left while the store is away. A proof that it knows is
 * not asked about a second time.
 */
import type { MaybePromise } from '../../lib/maybe-promise.ts'
import type { ReplayMemory } from './replay-memory.ts'
import type { ReplayStore } from './replay-store.ts'
import type { ReplayAnswer, UsedProof } from './used-proof.ts'

/** Remembers a proof, unless it was used. It returns a promise only when it has to ask the store. */
export type ReplayGuard = (proof: UsedProof) => MaybePromise<ReplayAnswer>

interface ReplayGuardOptions {
  readonly memory: ReplayMemory
  /** Undefined where each process remembers its own proofs alone. */
  readonly shared: ReplayStore | undefined
  /** What becomes of a proof that is new to this process while the store is away; with `local` it may be used. */
  readonly whenUnavailable: 'refuse' | 'local'
}

export function replayGuard({ memory, shared, whenUnavailable }: ReplayGuardOptions): ReplayGuard {
  if (shared === undefined) return proof => memory.remember(proof)
  return proof => {
    const here = memory.remember(proof)
    if (here !== 'new') return here
    return shared
      .remember(proof)
      .then(answer => (answer === 'unavailable' && whenUnavailable === 'local' ? 'local' : answer))
  }
}
