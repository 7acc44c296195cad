/**
 * Revokes on behalf of those who ask this gateway to: the admin API, logout tokens and signals.
 *
 * A change is in force here before anybody else hears of it. Then the other processes of this gateway are told, and the
 * store, where there is one. A store that is down is told later.
 */
import type { RevocationEntry, RevocationSubject } from './entry.ts'
import { fingerprint } from './fingerprint.ts'
import type { RevocationSource, Revocations } from './revocations.ts'

/** What is told to others. */
export type RevocationChange =
  | { readonly do: 'revoke'; readonly entry: RevocationEntry }
  | { readonly do: 'undo'; readonly subject: RevocationSubject }

/** What became of a change. `full`: there is no place for it, and it is in force nowhere. */
export interface Revoked {
  readonly result: 'applied' | 'duplicate' | 'expired' | 'full' | 'undone'
  /** Who has heard: every gateway that reads the store, or the processes of this one. */
  readonly scope: 'fleet' | 'process'
  /** Id of the stream entry; undefined where none was written. */
  readonly id: string | undefined
  /** The store is down, and is told when it is back. */
  readonly isQueued: boolean
}

export interface Revoker {
  revoke(entry: RevocationEntry, source: RevocationSource): Promise<Revoked>
  undo(subject: RevocationSubject, source: RevocationSource): Promise<Revoked>
}

/** Writes changes to the store that others read. */
export interface ChangeWriter {
  /**
   * @returns the id in the stream; undefined when it was queued, because the store is down
   * @throws {Error} the queue is full
   */
  write(change: RevocationChange): Promise<string | undefined>
}

interface RevokerOptions {
  readonly revocations: Revocations
  /** Tells the other processes of this gateway. */
  readonly tellSiblings: (change: RevocationChange, source: RevocationSource) => void
  /** Asked each time, since a reload may bring another; undefined where there is no store. */
  readonly writer: () => ChangeWriter | undefined
}

export function revoker({ revocations, tellSiblings, writer }: RevokerOptions): Revoker {
  const tell = async (
    change: RevocationChange,
    source: RevocationSource,
    result: Revoked['result'],
  ): Promise<Revoked> => {
    tellSiblings(change, source)
    const store = writer()
    if (store === undefined) return { result, scope: 'process', id: undefined, isQueued: false }
    const id = await store.write(change)
    return { result, scope: id === undefined ? 'process' : 'fleet', id, isQueued: id === undefined }
  }
  return {
    async revoke(entry, source) {
      const result = revocations.apply(entry, source)
      // A duplicate is told all the same: whoever repeats it may have reason to, such as a store that was emptied.
      if (result === 'applied' || result === 'duplicate') return tell({ do: 'revoke', entry }, source, result)
      return { result, scope: 'process', id: undefined, isQueued: false }
    },
    async undo(subject, source) {
      return tell({ do: 'undo', subject }, source, revocations.undo(subject, source))
    },
  }
}

/** Puts in force here what another process of this gateway has. */
export function heard(change: RevocationChange, source: RevocationSource, revocations: Revocations): void {
  if (change.do === 'revoke') revocations.apply(change.entry, source)
  else revocations.undoFingerprint(fingerprint(change.subject), source)
}
