/**
 * Knows at any moment what is revoked, and whether that knowledge is up to date. There is one in a process; it outlives
 * every policy and every connection that feeds it, so nothing that was known is forgotten.
 *
 * What is told by others (store, admin API, logout tokens, signals) goes into one table and stays there until it
 * expires or is undone. The entries of the file have a table of their own, which the next version of the file replaces.
 *
 * `generation` is the whole cost of a request: while it stands still, a token that was found clear is clear.
 */
import type { Clock } from '../lib/clock.ts'
import type { Cancel, Scheduler } from '../lib/scheduler.ts'
import type { RevocationEntry, RevocationKind, RevocationSubject } from './entry.ts'
import { type Fingerprint, fingerprint, kindOf } from './fingerprint.ts'
import { type Addition, type KeptEntry, type RevocationTable, revocationTable } from './table.ts'

/** Who told of a revocation; the label of its metric. */
export const REVOCATION_SOURCES = ['api', 'store', 'logout', 'signals', 'cache'] as const
export type RevocationSource = (typeof REVOCATION_SOURCES)[number]

/** What became of what was told. */
export const REVOCATION_RESULTS = ['applied', 'duplicate', 'expired', 'full', 'undone', 'ignored', 'invalid'] as const
export type RevocationResult = (typeof REVOCATION_RESULTS)[number]

/**
 * - `starting`: no set is known yet, and the source of it has had no time to answer.
 * - `fresh`: whatever was revoked longer ago than a moment is known.
 * - `stale`: the last proof of that is older than it may be.
 *
 * What is known refuses in each of them.
 */
export type RevocationState = 'starting' | 'fresh' | 'stale'

/** The entry that revokes a token. */
export interface RevocationHit {
  readonly kind: RevocationKind
  /** Seconds since the epoch; undefined: whenever the token was issued. */
  readonly before: number | undefined
  /** `file`, or `told` for what others told. */
  readonly source: 'file' | 'told'
}

/** What the configuration says of revocation, as far as it is needed here. */
export interface RevocationSettings {
  readonly entries: number
  /** How old the last proof of freshness may be; undefined: no source is remote, so that nothing gets stale. */
  readonly maxStaleMs: number | undefined
  /** Says which remote source it is: the proofs of one say nothing about another. */
  readonly remote?: string | undefined
  /** The content of the file. */
  readonly fileEntries: readonly RevocationEntry[]
}

export interface RevocationStatus {
  readonly state: RevocationState
  readonly entries: Readonly<Record<RevocationKind, number>>
  /** Seconds since the epoch of the last proof of freshness; undefined without a remote source, or before the first. */
  readonly lastSuccessSeconds: number | undefined
  /** Why the last attempt to read the remote source failed, in our words; undefined when it did not. */
  readonly lastError: string | undefined
}

export interface Revocations {
  /** Another number whenever something was revoked or undone, and whenever the state has changed. */
  readonly generation: number
  readonly state: RevocationState
  /** The entry that revokes a token with these fingerprints, if any does. @param iat seconds since the epoch */
  find(fingerprints: readonly Fingerprint[], iat: number | undefined): RevocationHit | undefined
  /** In force when it returns. */
  apply(entry: RevocationEntry, source: RevocationSource): Addition
  /**
   * Takes back what was told about a subject, whatever its `before`; the file is not touched.
   *
   * @param saidSeconds when that was said, if that may be long ago: an entry with a later `before` is newer, and stays
   */
  undo(subject: RevocationSubject, source: RevocationSource, saidSeconds?: number): 'undone' | 'duplicate'
  /**
   * Like {@link Revocations.apply}, for what another process of this gateway has applied, or a cache file holds.
   *
   * @returns how many had no place
   */
  applyPacked(words: Uint32Array, source: RevocationSource): number
  undoFingerprint(print: Fingerprint, source: RevocationSource): 'undone' | 'duplicate'
  /** Counts what could not be read. */
  invalid(source: RevocationSource): void
  /** Counts what was told and changes nothing: it is known already, or about nothing that is judged here. */
  acknowledged(source: RevocationSource, result: 'duplicate' | 'ignored'): void
  /** Whether tokens of the subject are revoked that were issued now or in the second `iat`. */
  inForce(subject: RevocationSubject, iat?: number): RevocationHit | undefined
  /** Everything that was told, for a cache file. */
  packed(): Iterable<Uint32Array>
  /** A remote source has shown that all it has is known here. @param atMs wall clock; left out: now */
  proved(atMs?: number): void
  failed(reason: string): void
  /** Puts settings in force; undefined: the configuration has no such block, and all is forgotten. */
  configure(settings: RevocationSettings | undefined): void
  /** @param listener is called at once after each change of {@link Revocations.generation} */
  onChange(listener: () => void): void
  status(): RevocationStatus
  close(): void
}

interface RevocationsOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly onEvent: (source: RevocationSource, result: RevocationResult) => void
  /** Called with each change of state. */
  readonly onState: (state: RevocationState, status: RevocationStatus) => void
}

const TICK_MS = 1_000
/** So long a source may take before its silence counts as one. */
const STARTING_MS = 2_000

export function revocations({ clock, scheduler, onEvent, onState }: RevocationsOptions): Revocations {
  const listeners: Array<() => void> = []
  let settings: RevocationSettings | undefined
  let told = revocationTable(0)
  let ofFile = revocationTable(0)
  let generation = 1
  let state: RevocationState = 'fresh'
  let configuredMs = 0
  let provedMs: number | undefined
  let provedWallMs: number | undefined
  let lastError: string | undefined
  let cancelTick: Cancel = () => {}

  const nowSeconds = (): number => Math.floor(clock.nowMs() / 1000)

  const changed = (): void => {
    generation += 1
    for (const listener of listeners) listener()
  }

  const stateNow = (): RevocationState => {
    if (settings?.maxStaleMs === undefined) return 'fresh'
    const nowMs = clock.monotonicMs()
    if (provedMs !== undefined) return nowMs - provedMs <= settings.maxStaleMs ? 'fresh' : 'stale'
    return nowMs - configuredMs < STARTING_MS ? 'starting' : 'stale'
  }

  const lookAtState = (): void => {
    const next = stateNow()
    if (next === state) return
    state = next
    onState(state, status())
    changed()
  }

  const tick = (): void => {
    told.sweep(nowSeconds())
    lookAtState()
    cancelTick = scheduler.after(TICK_MS, tick)
  }

  const status = (): RevocationStatus => {
    const [counts, fileCounts] = [told.counts(), ofFile.counts()]
    return {
      state,
      entries: {
        jti: counts.jti + fileCounts.jti,
        sub: counts.sub + fileCounts.sub,
        sid: counts.sid + fileCounts.sid,
        client: counts.client + fileCounts.client,
        all: counts.all + fileCounts.all,
      },
      lastSuccessSeconds: provedWallMs === undefined ? undefined : provedWallMs / 1000,
      lastError,
    }
  }

  const find = (fingerprints: readonly Fingerprint[], iat: number | undefined): RevocationHit | undefined => {
    const now = nowSeconds()
    for (const print of fingerprints) {
      const hit = hitIn(told, 'told', print, iat, now) ?? hitIn(ofFile, 'file', print, iat, now)
      if (hit !== undefined) return hit
    }
    return undefined
  }

  const undoFingerprint = (
    print: Fingerprint,
    source: RevocationSource,
    saidSeconds = Number.POSITIVE_INFINITY,
  ): 'undone' | 'duplicate' => {
    const isNewer = (told.find(print, nowSeconds())?.before ?? 0) > saidSeconds
    const result = !isNewer && told.remove(print) ? 'undone' : 'duplicate'
    onEvent(source, result)
    if (result === 'undone') changed()
    return result
  }

  return {
    get generation() {
      return generation
    },
    get state() {
      return state
    },
    find,
    apply(entry, source) {
      const result = told.add(keptEntry(entry), nowSeconds())
      onEvent(source, result)
      if (result === 'applied') changed()
      return result
    },
    applyPacked(words, source) {
      const left = told.addPacked(words, nowSeconds())
      onEvent(source, left > 0 ? 'full' : 'applied')
      changed()
      return left
    },
    undo: (subject, source, saidSeconds) => undoFingerprint(fingerprint(subject), source, saidSeconds),
    undoFingerprint,
    invalid: source => onEvent(source, 'invalid'),
    acknowledged: onEvent,
    inForce: (subject, iat = nowSeconds()) => find([fingerprint(subject)], iat),
    packed: () => told.packed(),
    proved(atMs) {
      const nowMs = clock.nowMs()
      const ageMs = atMs === undefined ? 0 : Math.max(0, nowMs - atMs)
      const monotonicMs = clock.monotonicMs() - ageMs
      if (provedMs !== undefined && provedMs >= monotonicMs) return
      provedMs = monotonicMs
      provedWallMs = nowMs - ageMs
      if (ageMs === 0) lastError = undefined
      if (settings !== undefined) lookAtState()
    },
    failed(reason) {
      lastError = reason
    },
    configure(next) {
      cancelTick()
      const before = settings
      settings = next
      if (next === undefined) {
        told = revocationTable(0)
        ofFile = revocationTable(0)
        provedMs = undefined
        provedWallMs = undefined
        state = 'fresh'
        changed()
        return
      }
      if (before === undefined || before.remote !== next.remote) {
        configuredMs = clock.monotonicMs()
        if (before !== undefined) {
          provedMs = undefined
          provedWallMs = undefined
        }
      }
      told.resize(next.entries)
      ofFile = tableOf(next.fileEntries, nowSeconds())
      state = stateNow()
      changed()
      tick()
    },
    onChange: listener => void listeners.push(listener),
    status,
    close: () => cancelTick(),
  }
}

function keptEntry(entry: RevocationEntry): KeptEntry {
  return { fingerprint: fingerprint(entry), before: entry.before, until: entry.until }
}

function tableOf(entries: readonly RevocationEntry[], nowSeconds: number): RevocationTable {
  const table = revocationTable(Number.POSITIVE_INFINITY)
  for (const entry of entries) table.add(keptEntry(entry), nowSeconds)
  return table
}

/** A token without `iat` is hit whatever `before` says: nobody can show that it is new. */
function hitIn(
  table: RevocationTable,
  source: RevocationHit['source'],
  print: Fingerprint,
  iat: number | undefined,
  nowSeconds: number,
): RevocationHit | undefined {
  const found = table.find(print, nowSeconds)
  const kind = kindOf(print)
  if (found === undefined || kind === undefined) return undefined
  const { before } = found
  if (before !== undefined && iat !== undefined && iat > before) return undefined
  return { kind, before, source }
}
