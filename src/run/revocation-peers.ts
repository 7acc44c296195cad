/** Says what the processes of one gateway tell each other of revocations, as far as one of them has to know. */
import type { RevocationSource, Revocations } from '../revocation/revocations.ts'
import type { RevocationChange } from '../revocation/revoker.ts'

/** The other processes that share the listener. */
export interface RevocationPeers {
  /** Tells them of a change that is in force here. */
  tell(change: RevocationChange, source: RevocationSource): void
  /**
   * Hears from here on what they are told. It resolves when all that they were told before is in force here, or nobody
   * can be asked.
   */
  join(revocations: Revocations): Promise<JoinedPeers>
}

export interface JoinedPeers {
  /** Of all processes, one keeps the cache file. */
  readonly keepsCache: boolean
}
