/**
 * Keeps what was read of a server's metadata: found when first needed, and renewed beside those who use it.
 *
 * What was found is looked up again after an hour, and stays in force when that fails. Several who need it at first
 * wait for one search. There is no timer here: a search ends with the signal of whoever began it.
 */
import type { Egress } from '../egress/egress.ts'
import type { TraceRequest } from '../keys/fetch/request-trace.ts'
import type { Clock } from '../lib/clock.ts'
import { unlessAborted } from '../lib/unless-aborted.ts'
import { type FoundMetadata, findMetadata, type Metadata } from './metadata.ts'

interface KeptMetadataOptions<T> {
  readonly issuer: string
  readonly clock: Clock
  readonly caFile?: string | undefined
  readonly egress?: Egress | undefined
  readonly trace?: TraceRequest | undefined
  /** Takes what is needed from a document; it throws `FetchFailure` `invalid`. */
  readonly read: (metadata: Metadata) => T
}

interface KeptMetadata<T> {
  readonly known: T | undefined
  /** @throws {FetchFailure} it cannot be found; or the reason of `signal` */
  find(signal: AbortSignal): Promise<T>
  /** Ends a search that is under way beside those who use what is known. */
  close(): void
}

const FRESH_MS = 3_600_000
/** A search that failed, or never ended, is followed by the next after this time. */
const RETRY_MS = 300_000
const MOST_METADATA_BYTES = 1_048_576

interface Search<T> {
  readonly signal: AbortSignal
  readonly done: Promise<T>
}

export function keptMetadata<T>(options: KeptMetadataOptions<T>): KeptMetadata<T> {
  const { issuer, clock, caFile, egress, trace } = options
  let found: FoundMetadata<T> | undefined
  let nextMs = 0
  let first: Search<T> | undefined
  let renewal: AbortController | undefined

  async function search(signal: AbortSignal): Promise<T> {
    const limits = { issuer, maxBytes: MOST_METADATA_BYTES, caFile, egress, trace }
    found = await findMetadata(limits, options.read, found, signal)
    nextMs = clock.monotonicMs() + FRESH_MS
    return found.content
  }

  function renewBeside(signal: AbortSignal): void {
    if (clock.monotonicMs() < nextMs) return
    nextMs = clock.monotonicMs() + RETRY_MS
    renewal?.abort()
    renewal = new AbortController()
    // What is known stays in force, and the next search tells again.
    search(AbortSignal.any([signal, renewal.signal])).catch(() => {})
  }

  /** Several may wait for one search. When whoever began it gives up, one of the others begins anew. */
  async function firstFound(signal: AbortSignal): Promise<T> {
    for (;;) {
      first ??= { signal, done: search(signal) }
      const current = first
      try {
        return await unlessAborted(current.done, signal)
      } catch (error) {
        if (first === current) first = undefined
        if (signal.aborted || !current.signal.aborted) throw error
      }
    }
  }

  return {
    get known() {
      return found?.content
    },
    async find(signal) {
      if (found === undefined) return await firstFound(signal)
      renewBeside(signal)
      return found.content
    },
    close: () => renewal?.abort(),
  }
}
