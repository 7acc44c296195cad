/**
 * Keeps how much each key has spent, in bounded memory.
 *
 * A key that owes nothing any more is the same as one that was never seen, so it makes room first. Where all owe
 * something, one goes that was not used lately, or else the one that owes least, and may begin anew: that is counted.
 * Finding room looks at a few keys, in turns, and never at all of them. While there is room every key keeps its place,
 * so that callers who come again need not be looked up.
 */

export interface Bucket {
  readonly key: string
  /** Monotonic milliseconds: until then is paid for what was spent (the theoretical arrival time of GCRA). */
  paidUntilMs: number
  /** What the ledger that processes share has not been told yet, as time. It is below 0 when more was given back. */
  owedMs: number
  /** Monotonic milliseconds: when the first of what is owed was spent. */
  owedSinceMs: number
  /** Whether it stands in the line of those that the ledger is told about. */
  isQueued: boolean
  /** What the ledger calls it, once it was told. */
  ledgerName: string | undefined
  /** Whether it was used since the table looked at it last. */
  wasUsed: boolean
  /** False once it has made room for another one. */
  isHeld: boolean
}

interface Buckets {
  /** Returns the bucket of a key, which is made where there is none. */
  of(key: string, nowMs: number): Bucket
  readonly size: number
}

interface BucketsOptions {
  readonly most: number
  /** Called when a bucket goes that still owes something. */
  readonly onEvicted: () => void
}

/** How many keys are looked at to find room. */
const LOOKS = 8

export function buckets({ most, onEvicted }: BucketsOptions): Buckets {
  const byKey = new Map<string, Bucket>()
  const all: Bucket[] = []
  let hand = 0

  /** @returns where a new bucket may stand */
  const place = (nowMs: number): number => {
    if (all.length < most) return all.length
    let worst = 0
    let wasWorstUsed = true
    let leastMs = Number.POSITIVE_INFINITY
    for (let looks = Math.min(LOOKS, all.length); looks > 0; looks -= 1) {
      hand = hand + 1 >= all.length ? 0 : hand + 1
      const bucket = all[hand] as Bucket
      const { paidUntilMs, wasUsed } = bucket
      if (paidUntilMs <= nowMs) return hand
      if (wasUsed === wasWorstUsed ? paidUntilMs < leastMs : !wasUsed) {
        worst = hand
        wasWorstUsed = wasUsed
        leastMs = paidUntilMs
      }
      // It has to be used again before the next look.
      bucket.wasUsed = false
    }
    onEvicted()
    return worst
  }

  return {
    of(key, nowMs) {
      const known = byKey.get(key)
      if (known !== undefined) return known
      const at = place(nowMs)
      const before = all[at]
      if (before !== undefined) {
        before.isHeld = false
        byKey.delete(before.key)
      }
      const made = bucketOf(key)
      all[at] = made
      byKey.set(key, made)
      return made
    },
    get size() {
      return byKey.size
    },
  }
}

/** One literal gives all of them one shape, which is what makes reading them quick. */
function bucketOf(key: string): Bucket {
  return {
    key,
    paidUntilMs: 0,
    owedMs: 0,
    owedSinceMs: 0,
    isQueued: false,
    ledgerName: undefined,
    wasUsed: true,
    isHeld: true,
  }
}
