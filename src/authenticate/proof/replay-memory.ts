/**
 * Remembers which DPoP proofs were used, so that none is used twice (RFC 9449 §11.1): the memory of one process.
 *
 * It never forgets a proof early. A full memory takes no further proof, and one key fills at most half of it, so that
 * whoever has one token cannot shut out everybody else. Proofs are forgotten by the monotonic clock, whatever the wall
 * clock does meanwhile. When the wall clock goes back, or a reload lets proofs be older than before, proofs that are
 * forgotten already seem to be valid again. So no proof is taken that was made no later than a forgotten one. While
 * clock and configuration stay as they are, such a proof has expired anyway.
 *
 * An entry is 24 bytes. It holds 64 bits of a keyed hash, so nobody can look for two proofs that are taken for the same
 * one, and by accident a new proof meets one of a million entries less often than once in 10^13.
 */
import { hash, randomBytes } from 'node:crypto'
import type { Clock } from '../../lib/clock.ts'

export interface UsedProof {
  /** Thumbprint of the key that signed it (RFC 7638). */
  readonly jkt: string
  readonly jti: string
  /** When it was made. A reload can change how long it is valid from then on. */
  readonly madeAtMs: number
  /** The last moment at which it is valid. */
  readonly expiresAtMs: number
}

/**
 * Says what became of a proof: only a `new` one may be used. `full` means that there is no place for it, `forgotten`
 * that nobody knows any more whether it was used.
 */
type Remembered = 'new' | 'replayed' | 'full' | 'forgotten'

export interface ReplayMemory {
  remember(proof: UsedProof): Remembered
  /** How many proofs are remembered that may still be valid. Reading it forgets all others. */
  readonly size: number
  /** @param entries how many there may be from here on; those that are there stay */
  resize(entries: number): void
}

interface ReplayMemoryOptions {
  readonly clock: Clock
  /** At least 2. It takes its memory when the first proof arrives. */
  readonly entries: number
}

/** No proof can be remembered for longer, so that each second until then has a list of its own. */
const SECONDS = 8192
const LONGEST_LIFE_MS = (SECONDS - 2) * 1000

/** Keys are told apart by 16 bits of a hash. Those that meet there share what one of them may hold. */
const SHARES = 65_536

/** One call forgets no more than this, so that no request waits for all that was used before a pause. */
const MOST_FORGOTTEN_AT_ONCE = 1_000

/** Makes the hashes of this process unlike those of any other. */
const HASH_KEY = randomBytes(16).toString('base64url')

export function replayMemory({ clock, entries }: ReplayMemoryOptions): ReplayMemory {
  let most = entries
  let table = new Table(0)
  /** How many entries the keys of each share hold. */
  let held = new Uint32Array(0)
  /** The latest `madeAtMs` that was ever in the list of each second; that of a forgotten entry counts already. */
  let latestMs = new Float64Array(0)
  /** The latest `madeAtMs` in any list from which entries were forgotten. */
  let forgottenUntilMs = Number.NEGATIVE_INFINITY
  /** The last second of the monotonic clock whose entries are all forgotten. */
  let doneSecond = 0

  const allocate = (): void => {
    table = new Table(most)
    held = new Uint32Array(SHARES)
    latestMs = new Float64Array(SECONDS)
  }

  const forget = (atMost: number): void => {
    const nowSecond = Math.floor(clock.monotonicMs() / 1000)
    let left = atMost
    for (; table.size > 0 && doneSecond < nowSecond; doneSecond += 1) {
      const list = (doneSecond + 1) % SECONDS
      for (let share = table.shift(list); share !== undefined; share = table.shift(list)) {
        held[share] = (held[share] ?? 0) - 1
        forgottenUntilMs = Math.max(forgottenUntilMs, latestMs[list] ?? 0)
        left -= 1
        if (left === 0) return
      }
    }
    if (table.size === 0) doneSecond = nowSecond
  }

  const isFullFor = (share: number): boolean => table.size >= most || (held[share] ?? 0) >= Math.floor(most / 2)

  /** @returns the second of the monotonic clock in which an entry may be forgotten that lives so long from now on */
  const dueSecond = (lifeMs: number): number =>
    Math.max(doneSecond + 1, Math.ceil((clock.monotonicMs() + lifeMs) / 1000))

  return {
    remember({ jkt, jti, madeAtMs, expiresAtMs }) {
      forget(MOST_FORGOTTEN_AT_ONCE)
      // The length stands before the key, so that no other pair of key and id gives the same text.
      const digest = hash('sha256', `${HASH_KEY}${jkt.length}:${jkt}${jti}`, 'binary')
      const [first, second] = [wordIn(digest, 0), wordIn(digest, 4)]
      if (table.has(first, second)) return 'replayed'
      if (madeAtMs <= forgottenUntilMs) return 'forgotten'
      const lifeMs = expiresAtMs - clock.nowMs()
      if (!(lifeMs <= LONGEST_LIFE_MS)) return 'full'
      const share = wordIn(hash('sha256', HASH_KEY + jkt, 'binary'), 0) % SHARES
      // It is full only when nothing is left that could be forgotten. After a long pause, the list of the second in
      // which this proof may be forgotten can still be that of a second long ago.
      if (isFullFor(share) || dueSecond(lifeMs) - doneSecond >= SECONDS) forget(Number.POSITIVE_INFINITY)
      if (isFullFor(share)) return 'full'
      if (table.capacity === 0) allocate()
      const list = dueSecond(lifeMs) % SECONDS
      table.add(first, second, share, list)
      held[share] = (held[share] ?? 0) + 1
      latestMs[list] = Math.max(latestMs[list] ?? 0, madeAtMs)
      return 'new'
    },
    get size() {
      forget(Number.POSITIVE_INFINITY)
      return table.size
    },
    resize(entries) {
      forget(Number.POSITIVE_INFINITY)
      most = entries
      const capacity = Math.max(entries, table.size)
      if (table.capacity > 0 && table.capacity !== capacity) table = table.resized(capacity)
    },
  }
}

/** @returns the 32-bit number whose bytes are the characters from `at` on */
function wordIn(digest: string, at: number): number {
  const [a, b] = [digest.charCodeAt(at), digest.charCodeAt(at + 1)]
  return (a | (b << 8) | (digest.charCodeAt(at + 2) << 16) | (digest.charCodeAt(at + 3) << 24)) >>> 0
}

/** Two words of the hash, the next place of the bucket, the next place of the list, and the share. */
const WORDS = 5
const SECOND = 1
const NEXT_IN_BUCKET = 2
const NEXT_IN_LIST = 3
const SHARE = 4

/**
 * A hash table whose entries are also in lists, of which each loses its first entry in constant time.
 *
 * An entry is called by its place, which is counted from 1, so that 0 is no place. Places that were never used are
 * never touched, so they take no memory of the machine.
 */
class Table {
  readonly capacity: number
  size = 0
  readonly #words: Uint32Array
  /** The first place of each bucket. */
  readonly #buckets: Uint32Array
  /** The first place of each list. */
  readonly #lists: Uint32Array
  /** The first of the places that were given back, which are joined as a list is. */
  #free = 0
  #everUsed = 0

  /** @param capacity how many entries it can hold; a table of 0 allocates nothing */
  constructor(capacity: number) {
    this.capacity = capacity
    this.#words = new Uint32Array(capacity === 0 ? 0 : (capacity + 1) * WORDS)
    this.#buckets = new Uint32Array(capacity)
    this.#lists = new Uint32Array(capacity === 0 ? 0 : SECONDS)
  }

  has(first: number, second: number): boolean {
    if (this.size === 0) return false
    const words = this.#words
    let place = this.#buckets[first % this.capacity] ?? 0
    while (place !== 0 && (words[place * WORDS] !== first || words[place * WORDS + SECOND] !== second))
      place = words[place * WORDS + NEXT_IN_BUCKET] ?? 0
    return place !== 0
  }

  /** There has to be a place left, and no such entry. */
  add(first: number, second: number, share: number, list: number): void {
    const words = this.#words
    let place = this.#free
    if (place === 0) place = this.#everUsed += 1
    else this.#free = words[place * WORDS + NEXT_IN_LIST] ?? 0
    const bucket = first % this.capacity
    const at = place * WORDS
    words[at] = first
    words[at + SECOND] = second
    words[at + NEXT_IN_BUCKET] = this.#buckets[bucket] ?? 0
    words[at + NEXT_IN_LIST] = this.#lists[list] ?? 0
    words[at + SHARE] = share
    this.#buckets[bucket] = place
    this.#lists[list] = place
    this.size += 1
  }

  /** Removes the first entry of a list. @returns its share; undefined when the list is empty */
  shift(list: number): number | undefined {
    const place = this.#lists[list] ?? 0
    if (place === 0) return undefined
    const words = this.#words
    const at = place * WORDS
    this.#unlink(place)
    this.#lists[list] = words[at + NEXT_IN_LIST] ?? 0
    words[at + NEXT_IN_LIST] = this.#free
    this.#free = place
    this.size -= 1
    return words[at + SHARE]
  }

  /** @returns another table with the same entries in the same lists */
  resized(capacity: number): Table {
    const other = new Table(capacity)
    const words = this.#words
    for (const [list, head] of this.#lists.entries())
      for (let place = head; place !== 0; place = words[place * WORDS + NEXT_IN_LIST] ?? 0) {
        const [first = 0, second = 0, , , share = 0] = words.subarray(place * WORDS, (place + 1) * WORDS)
        other.add(first, second, share, list)
      }
    return other
  }

  /** Takes a place out of its bucket. */
  #unlink(place: number): void {
    const words = this.#words
    const next = words[place * WORDS + NEXT_IN_BUCKET] ?? 0
    const bucket = (words[place * WORDS] ?? 0) % this.capacity
    let before = this.#buckets[bucket] ?? 0
    if (before === place) {
      this.#buckets[bucket] = next
      return
    }
    while (words[before * WORDS + NEXT_IN_BUCKET] !== place) before = words[before * WORDS + NEXT_IN_BUCKET] ?? 0
    words[before * WORDS + NEXT_IN_BUCKET] = next
  }
}
