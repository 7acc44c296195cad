/**
 * Fetches the keys of one provider in the background and serves them from memory, so that requests
 * survive an outage of it.
 *
 * A fetch happens for four reasons only: the start, a refresh that is due, a retry after a failure, and a token with an
 * unknown key. The last is the only one that traffic can cause, and it needs three things: no fetch is on its way, the
 * last attempt succeeded, and a cooldown has passed since that attempt began. So attempts are bounded whatever the
 * traffic, and while the provider is away only the retry timer asks.
 *
 * A token whose key is not in hand gets this:
 *
 * | last attempt | set in hand | answer |
 * |---|---|---|
 * | none has ended | none | waits for it, at most its timeout |
 * | succeeded, within the cooldown | usable | 401: the provider has just told us all its keys |
 * | succeeded, cooldown over | usable | one fetch for all who wait, then judged again |
 * | failed | any | 503 at once: the key may be new, and our not knowing is not the caller's fault |
 *
 * Where the set has keys without a `kid`, a token with an unknown one is tried with those, once the provider has been
 * asked by the same rules.
 *
 * RFC 7517 §5, RFC 9111. A failed fetch changes nothing but the schedule; a good one replaces the set whole, so that a
 * key that left is gone at once. What a set without a usable key means, its format says: a failed fetch, since a
 * provider that publishes one has a fault, and its tokens would all be refused for it; or that all keys are revoked, so
 * that every token is 401. This file verifies no signatures and does not judge which algorithms a provider may use.
 */
import { Denial } from '../errors.ts'
import type { Clock } from '../lib/clock.ts'
import { type Deadline, deadline } from '../lib/deadline.ts'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'
import type { KeyHint, KeySetStatus, VerificationKey } from '../types.ts'
import type { CacheFile } from './cache-file.ts'
import { FetchFailure } from './fetch/fetch-failure.ts'
import { EMPTY_JWK_SET, isSameSet, type JwkSet, keyUnknown, type SetFormat } from './jwk-set.ts'
import {
  type FetchResult,
  type KeySetObserver,
  type KeySetState,
  type LiveKeySet,
  NoUsableKeys,
} from './key-set-events.ts'
import type { FetchedSet, KeySource, KnownSet } from './key-source.ts'
import { type RefreshBounds, refreshDelayMs, retryDelayMs } from './refresh-schedule.ts'
import { type UnknownKeys, unknownKeys } from './unknown-keys.ts'

interface RemoteKeySetOptions extends RefreshBounds {
  /** The provider's id in the configuration. */
  readonly provider: string
  readonly source: KeySource
  readonly format: SetFormat
  /** The longest time that one attempt may take: discovery, headers and bodies together. */
  readonly timeoutMs: number
  readonly cacheFile: CacheFile | undefined
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly observer: KeySetObserver
}

export function remoteKeySet(options: RemoteKeySetOptions): LiveKeySet {
  return new RemoteKeySet(options)
}

class RemoteKeySet implements LiveKeySet {
  readonly #options: RemoteKeySetOptions
  readonly #unknown: UnknownKeys
  readonly #ready = Promise.withResolvers<void>()
  #set: JwkSet = EMPTY_JWK_SET
  /** Why members of the set that came last were skipped, whether it is in force or not. */
  #skipped: JwkSet['skipped'] = {}
  /** The document that the set was read from, for the cache file. */
  #document: unknown
  #known: KnownSet | undefined
  /** The monotonic time up to which the set may serve. */
  #usableUntilMs = Number.NEGATIVE_INFINITY
  #lastSuccessSeconds: number | undefined
  /** Why tokens are refused: the last attempt failed, or brought a set that revokes all keys. */
  #lastFailure: FetchFailure | NoUsableKeys | undefined
  #failures = 0
  #state: KeySetState = 'starting'
  #attempt: Promise<void> | undefined
  #attemptStartedMs = Number.NEGATIVE_INFINITY
  #deadline: Deadline | undefined
  #nextAttemptMs = 0
  #cancelNext: Cancel = () => {}
  #isClosed = false

  constructor(options: RemoteKeySetOptions) {
    this.#options = options
    this.#unknown = unknownKeys(options)
  }

  start(): void {
    if (this.#attempt !== undefined || this.#state !== 'starting' || this.#isClosed) return
    this.#loadCache()
    this.#begin()
  }

  ready(): Promise<void> {
    return this.#ready.promise
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#cancelNext()
    this.#deadline?.end(new FetchFailure('timeout', 'the gateway stopped using this provider'))
    this.#ready.resolve()
    await this.#attempt
    await this.#options.cacheFile?.settled()
  }

  select(hint: KeyHint): readonly VerificationKey[] | Promise<readonly VerificationKey[]> {
    const keys = this.#find(hint)
    if (keys.length > 0 && (isNamed(keys, hint) || !this.#isWorthWaiting(hint))) return keys
    if (this.#isUsable()) this.#options.observer.unknownKey({ provider: this.#options.provider })
    if (this.#failures > 0 || this.#isClosed) throw this.#unavailable()
    if (this.#attempt === undefined && this.#mayAskFor(hint)) this.#begin()
    if (this.#attempt === undefined) throw this.#missing(hint)
    return this.#attempt.then(() => this.#selectAfterAttempt(hint))
  }

  isCurrent(key: VerificationKey): boolean {
    return this.#set.has(key) && this.#isUsable()
  }

  status(): KeySetStatus {
    return {
      usable: this.#isUsable(),
      keys: this.#set.keys.map(({ kid, algorithms }) => ({ kid, algorithms: [...algorithms] })),
      skipped: this.#skipped,
      lastSuccessSeconds: this.#lastSuccessSeconds,
      lastError: this.#lastFailure?.message,
    }
  }

  #find(hint: KeyHint): readonly VerificationKey[] {
    return this.#isUsable() ? this.#set.find(hint) : []
  }

  #isUsable(): boolean {
    const isSet = this.#set.keys.length > 0 || this.#options.format.emptySet === 'revokes'
    return isSet && this.#options.clock.monotonicMs() <= this.#usableUntilMs
  }

  #mayAskFor(hint: KeyHint): boolean {
    const nowMs = this.#options.clock.monotonicMs()
    const isCoolingDown = nowMs - this.#attemptStartedMs < this.#options.cooldownMs
    return !isCoolingDown && !this.#unknown.isKnownMissing(hint, nowMs)
  }

  /** Says whether the provider may have the key that a token names, although there are others to try it with. */
  #isWorthWaiting(hint: KeyHint): boolean {
    if (this.#failures > 0 || this.#isClosed) return false
    if (this.#attempt === undefined) return this.#mayAskFor(hint)
    return !this.#unknown.isKnownMissing(hint, this.#options.clock.monotonicMs())
  }

  #selectAfterAttempt(hint: KeyHint): readonly VerificationKey[] {
    const keys = this.#find(hint)
    if (!isNamed(keys, hint) && this.#failures === 0) this.#unknown.remember(hint, this.#attemptStartedMs)
    if (keys.length > 0) return keys
    throw this.#missing(hint)
  }

  /** Only a provider that answered can have told us that a key does not exist. */
  #missing(hint: KeyHint): Denial {
    if (this.#failures > 0 || !this.#isUsable()) return this.#unavailable()
    return keyUnknown(this.#set, hint, this.#options.provider)
  }

  #unavailable(): Denial {
    const waitMs = this.#nextAttemptMs - this.#options.clock.monotonicMs()
    return new Denial('keys_unavailable', {
      provider: this.#options.provider,
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
      evidence: { reason: this.#lastFailure?.message ?? 'no keys have been fetched yet' },
      // A failure that we foresaw has no cause.
      cause: this.#lastFailure?.cause,
    })
  }

  #begin(): void {
    this.#cancelNext()
    this.#attemptStartedMs = this.#options.clock.monotonicMs()
    this.#attempt = this.#run()
  }

  async #run(): Promise<void> {
    const { clock, observer, provider } = this.#options
    const outcome = await this.#fetch()
    this.#attempt = undefined
    if (this.#isClosed) return
    const nowMs = clock.monotonicMs()
    this.#nextAttemptMs = nowMs + outcome.delayMs
    this.#cancelNext = this.#options.scheduler.after(outcome.delayMs, () => this.#begin())
    this.#ready.resolve()
    observer.fetched({
      provider,
      result: outcome.result,
      durationSeconds: (nowMs - this.#attemptStartedMs) / 1_000,
      keys: this.#set.keys.length,
      lastSuccessSeconds: this.#lastSuccessSeconds,
    })
    this.#announceState()
  }

  async #fetch(): Promise<{ readonly result: FetchResult; readonly delayMs: number }> {
    const { scheduler, source, timeoutMs } = this.#options
    const way = source.proxy === undefined ? '' : ` through the proxy ${source.proxy}; see that it takes CONNECT`
    const timeout = new FetchFailure('timeout', `no complete answer within ${timeoutMs} ms${way}`)
    this.#deadline = deadline(scheduler, timeoutMs, timeout)
    try {
      const answer = await this.#deadline.run(signal => source.fetch(this.#known, signal))
      this.#adopt(answer)
      const hintSeconds = this.#set.refreshHintSeconds
      const delayMs = refreshDelayMs({ ...answer, hintSeconds }, this.#options)
      return { result: this.#lastFailure?.result ?? (answer.json ? 'ok' : 'not_modified'), delayMs }
    } catch (error) {
      const isForeseen = error instanceof FetchFailure || error instanceof NoUsableKeys
      this.#failures += 1
      this.#lastFailure = isForeseen ? error : new FetchFailure('invalid', 'unexpected failure', error)
      return { result: this.#lastFailure.result, delayMs: retryDelayMs(this.#failures, this.#options) }
    }
  }

  /** Puts the set in force. @throws {FetchFailure | NoUsableKeys} it cannot be, and the one before it stays */
  #adopt({ json, url, etag }: FetchedSet): void {
    const { clock, cacheFile, maxStaleMs, format } = this.#options
    const set = json ? format.read(json.value, this.#set) : this.#set
    this.#skipped = set.skipped
    const lack = set.keys.length > 0 ? undefined : noUsableKeys(set, format)
    if (lack !== undefined && format.emptySet === 'fault') throw lack
    if (!isSameSet(set, this.#set)) this.#unknown.clear()
    this.#set = set
    this.#document = json ? json.value : this.#document
    this.#known = { url, etag }
    const fetchedAtMs = clock.nowMs()
    this.#usableUntilMs = clock.monotonicMs() + maxStaleMs
    this.#lastSuccessSeconds = fetchedAtMs / 1_000
    this.#lastFailure = lack
    this.#failures = 0
    cacheFile?.save({ url, fetchedAtMs, document: this.#document })
  }

  #announceState(): void {
    const from = this.#state
    this.#state =
      this.#lastFailure === undefined
        ? 'fresh'
        : this.#isUsable() && this.#set.keys.length > 0
          ? 'stale'
          : 'unavailable'
    if (this.#state === from) return
    this.#options.observer.stateChanged({
      provider: this.#options.provider,
      from,
      to: this.#state,
      keys: this.#set.keys.length,
      skipped: this.#skipped,
      reason: this.#lastFailure?.message,
    })
  }

  #loadCache(): void {
    const { cacheFile, clock, maxStaleMs } = this.#options
    const cached = cacheFile?.load(clock.nowMs())
    if (cached === undefined) return
    this.#set = cached.set
    this.#skipped = cached.set.skipped
    this.#document = cached.document
    this.#known = { url: cached.url, etag: undefined }
    this.#usableUntilMs = clock.monotonicMs() + maxStaleMs - Math.max(0, clock.nowMs() - cached.fetchedAtMs)
    this.#lastSuccessSeconds = cached.fetchedAtMs / 1_000
    this.#ready.resolve()
  }
}

function noUsableKeys({ skipped }: JwkSet, { emptySet }: SetFormat): NoUsableKeys {
  const what =
    emptySet === 'revokes' ? 'the bundle revokes all keys: it has no usable one' : 'the JWK Set has no usable key'
  return new NoUsableKeys(`${what} (skipped: ${JSON.stringify(skipped)})`)
}

/** Is false where a token names a key, and only keys without a name are there to try. */
function isNamed([best]: readonly VerificationKey[], { kid }: KeyHint): boolean {
  return best !== undefined && best.kid === (kid ?? best.kid)
}
