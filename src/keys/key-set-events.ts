/**
 * Says what key sets report to metrics and log, and holds the closed lists behind it.
 *
 * Nothing here carries key material, a secret or a part of a response's body.
 */
import type { KeySet } from '../types.ts'
import { FETCH_FAILURES } from './fetch/fetch-failure.ts'

/** How one attempt to fetch the keys ended: the metric label `result`. */
export const FETCH_RESULTS = [
  'ok',
  'not_modified',
  /** The answer is a key set that is empty or has no usable key, so the last good keys stay in force. */
  'no_keys',
  ...FETCH_FAILURES,
] as const

export type FetchResult = (typeof FETCH_RESULTS)[number]

/** The provider answered with a set that holds no usable key, which counts as a failure. */
export class NoUsableKeys extends Error {
  override readonly name = 'NoUsableKeys'
  readonly result = 'no_keys'
}

/**
 * It is `starting` while no attempt has ended, `fresh` when the last attempt succeeded, `stale` when it failed and the
 * last good keys serve, and `unavailable` when it failed and there are none to serve.
 */
export type KeySetState = 'starting' | 'fresh' | 'stale' | 'unavailable'

interface FetchEvent {
  readonly provider: string
  readonly result: FetchResult
  readonly durationSeconds: number
  /** The number of usable keys in force after the attempt. */
  readonly keys: number
  /** Seconds since the epoch; undefined before the first success. */
  readonly lastSuccessSeconds: number | undefined
}

interface StateEvent {
  readonly provider: string
  readonly from: KeySetState
  readonly to: KeySetState
  readonly keys: number
  readonly skipped: Readonly<Record<string, number>>
  /** The reason why the last attempt failed; undefined when it did not. */
  readonly reason: string | undefined
}

interface CacheFileEvent {
  readonly provider: string
  /** A failure is reported once, until writing works again. */
  readonly outcome: 'loaded' | 'refused' | 'failed'
  readonly reason: string | undefined
}

/** Must not throw. `fetched` and `unknownKey` feed the metrics; each `stateChanged` and `cacheFile` is one log line. */
export interface KeySetObserver {
  fetched(event: FetchEvent): void
  /** A token named a key that is not in the set in hand; it is called once per request. */
  unknownKey(event: { readonly provider: string }): void
  stateChanged(event: StateEvent): void
  cacheFile(event: CacheFileEvent): void
}

/** A key set that is started once and closed once. */
export interface LiveKeySet extends KeySet {
  /** Begins fetching. Never throws and never waits. */
  start(): void
  /**
   * Resolves when the first attempt has ended, well or badly, or keys are in hand: after the fetch
   * timeout at the latest.
   */
  ready(): Promise<void>
  /** Ends timers, fetches and waiting requests (503), and resolves when nothing is left open. */
  close(): Promise<void>
}
