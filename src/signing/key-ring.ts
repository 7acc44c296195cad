/**
 * Keeps the keys that sign our tokens in the order of their lives: published first, signing later, published still for
 * as long as a token of theirs may be alive.
 *
 * RFC 7517 §5. A key signs 10 minutes after it was published, since those who verify keep what they fetched for as
 * long. Among keys that have just come and that nobody has waited for, the first one signs: another gateway may have
 * signed with it already, so that it is the one that services are most likely to know.
 */
import type { Clock } from '../lib/clock.ts'
import type { JsonObject } from '../types.ts'
import type { SigningAlgorithm, SigningKey } from './signing-key.ts'

/** How long a key is published before it signs. */
export const LEAD_MS = 10 * 60_000
/** Services let tokens live a little longer than they say, because clocks differ. */
const LEEWAY_MS = 60_000

export interface KeyRing {
  /** The key that signs now. */
  readonly signing: SigningKey
  /** Takes note that a token will be alive that the key has signed. */
  signedUntil(key: SigningKey, untilMs: number): void
  /** Takes note of how long tokens live that this process and others sign. */
  expectLifetime(lifetimeMs: number): void
  /** The keys by which living tokens can be verified: the signing one first. */
  published(): readonly JsonObject[]
  status(): KeyRingStatus
}

/** How the signing keys are doing, for `-/status` and the metrics; no key material. */
export interface KeyRingStatus {
  readonly kid: string
  readonly algorithm: SigningAlgorithm
  /** Since when it has been published. */
  readonly sinceMs: number
  /** When another key will take over; undefined where none is there yet. */
  readonly nextMs: number | undefined
  /** The ids of all that are published. */
  readonly published: readonly string[]
}

export interface ComingKey {
  readonly key: SigningKey
  readonly sinceMs: number
}

/** A ring and what changes it. */
interface ChangingKeyRing extends KeyRing {
  /** Adds keys; those that are known stay as old as they are. @returns the ids of those that were not there */
  add(coming: readonly ComingKey[]): readonly string[]
  /**
   * Takes out every key that is not among these. They sign no more, and are published while tokens of theirs live.
   *
   * @returns their ids
   */
  keepOnly(keys: readonly SigningKey[]): readonly string[]
  /** Lets the key sign whose turn it is, and forgets those whose last token is dead. */
  settle(): void
}

interface Held {
  readonly key: SigningKey
  sinceMs: number
  isThere: boolean
  /** When its last token is dead. */
  deadMs: number
}

interface KeyRingOptions {
  readonly algorithm: SigningAlgorithm
  /** One of them at least is for the algorithm. Of those that came at the same time, the later ones are newer. */
  readonly first: readonly ComingKey[]
  readonly clock: Clock
}

export function keyRing({ algorithm, first, clock }: KeyRingOptions): ChangingKeyRing {
  const held = new Map<string, Held>()
  let longestLifetimeMs = 0
  add(first)
  const [oldest] = fitting()
  if (oldest === undefined) throw new Error(`no key is for ${algorithm}`)
  let signing = oldest
  settle()

  function add(coming: readonly ComingKey[]): readonly string[] {
    const added: string[] = []
    for (const { key, sinceMs } of coming) {
      const known = held.get(identityOf(key))
      if (known?.isThere === true) continue
      if (known === undefined) held.set(identityOf(key), { key, sinceMs, isThere: true, deadMs: 0 })
      else known.isThere = true
      added.push(key.kid)
    }
    return added
  }

  function fitting(): readonly Held[] {
    return [...held.values()]
      .filter(each => each.isThere && each.key.algorithm === algorithm)
      .toSorted((one, other) => one.sinceMs - other.sinceMs)
  }

  function settle(): void {
    const nowMs = clock.nowMs()
    const there = fitting()
    const ready = there.filter(({ sinceMs }) => nowMs - sinceMs >= LEAD_MS)
    // Without any key that is there, the last one goes on: services are better off with it than with none.
    signing = ready.at(-1) ?? (there.includes(signing) ? signing : there[0]) ?? signing
    for (const [identity, each] of held) {
      if (!each.isThere && each !== signing && nowMs >= each.deadMs) held.delete(identity)
    }
  }

  function shown(): readonly Held[] {
    const nowMs = clock.nowMs()
    const all = [...held.values()].filter(each => each === signing || each.isThere || nowMs < each.deadMs)
    // Of two keys under one name, services could take either.
    const named = new Set(all.filter(({ isThere }) => isThere).map(({ key }) => key.kid))
    const others = all.filter(each => each !== signing && (each.isThere || !named.has(each.key.kid)))
    return [signing, ...others]
  }

  return {
    get signing() {
      return signing.key
    },
    signedUntil(key, untilMs) {
      const by = held.get(identityOf(key))
      if (by !== undefined && by.deadMs < untilMs + LEEWAY_MS) by.deadMs = untilMs + LEEWAY_MS
    },
    expectLifetime(lifetimeMs) {
      longestLifetimeMs = Math.max(longestLifetimeMs, lifetimeMs)
    },
    published: () => shown().map(({ key }) => key.publicJwk),
    status() {
      const there = fitting()
      const next = signing.isThere ? there[there.indexOf(signing) + 1] : undefined
      const { key, sinceMs } = signing
      return {
        kid: key.kid,
        algorithm,
        sinceMs,
        nextMs: next && next.sinceMs + LEAD_MS,
        published: shown().map(each => each.key.kid),
      }
    },
    add,
    keepOnly(keys) {
      const identities = new Set(keys.map(identityOf))
      const gone: string[] = []
      for (const [identity, each] of held) {
        if (!each.isThere || identities.has(identity)) continue
        gone.push(each.key.kid)
        each.isThere = false
        // Another gateway may have signed with it until now, too.
        each.deadMs = Math.max(each.deadMs, clock.nowMs() + longestLifetimeMs + LEEWAY_MS)
      }
      return gone
    },
    settle,
  }
}

/** Another key may come under a name that was there before. */
function identityOf({ publicJwk }: SigningKey): string {
  return JSON.stringify(publicJwk)
}
