/**
 * Holds what is revoked: an open-addressing table of 20 bytes an entry, made so that a million of them fit a sidecar.
 *
 * It keeps fingerprints, and no names. The table is split into parts that grow by themselves, so that growing never
 * holds up the event loop for long: at a million entries a part has about four thousand. What has expired goes when
 * its part grows, or when it is swept. Collisions are resolved by linear probing, and a deletion shifts back what
 * follows (Knuth, The Art of Computer Programming, volume 3, §6.4, algorithm R), so that no grave slows a look-up down.
 */
import { REVOCATION_KINDS, type RevocationKind } from './entry.ts'
import { type Fingerprint, kindIndex } from './fingerprint.ts'

/** An entry as it is kept. */
export interface KeptEntry {
  readonly fingerprint: Fingerprint
  /** Seconds since the epoch; undefined: tokens are revoked whenever they were issued. */
  readonly before: number | undefined
  /** Last second in which it counts; infinite: it does not expire. */
  readonly until: number
}

/**
 * Says what became of an entry: `applied` changed the table, `duplicate` says nothing new, `expired` is over already,
 * and `full` has no place.
 */
export type Addition = 'applied' | 'duplicate' | 'expired' | 'full'

export interface RevocationTable {
  readonly size: number
  /** What the entries and the places between them take. */
  readonly allocatedBytes: number
  /** How many entries there are of each kind, those that have expired and are not forgotten yet included. */
  counts(): Readonly<Record<RevocationKind, number>>
  /** @param maxEntries from here on; entries that are there stay */
  resize(maxEntries: number): void
  /** Of two entries about the same, the later `before` and the later `until` count. */
  add(entry: KeptEntry, nowSeconds: number): Addition
  /** @returns whether there was such an entry */
  remove(fingerprint: Fingerprint): boolean
  /** The entry about this that has not expired. */
  find(fingerprint: Fingerprint, nowSeconds: number): KeptEntry | undefined
  /** Forgets what has expired, in one part after the other: one call looks at one of them. */
  sweep(nowSeconds: number): void
  /** Everything, a part at a time: five numbers an entry, for {@link RevocationTable.addPacked}. */
  packed(): Iterable<Uint32Array>
  /** @returns how many had no place */
  addPacked(words: Uint32Array, nowSeconds: number): number
}

const PARTS = 256
/** Three words of the fingerprint, `before`, `until`. A place whose first word is 0 is empty. */
export const WORDS_PER_ENTRY = 5
const FIRST_CAPACITY = 8
const GROWTH = 1.5
const HIGHEST_LOAD = 0.8

/** Stands for no `before`, and for an `until` that never comes. Times beyond the year 2106 are cut to the one below. */
const ALWAYS = 0xffff_ffff
const LATEST = 0xffff_fffe

export function revocationTable(maxEntries: number): RevocationTable {
  const counts = new Uint32Array(8)
  const parts = Array.from({ length: PARTS }, () => new Part(counts))
  let most = maxEntries
  let nextSwept = 0
  /** The second in which all parts were last swept, because there was no place. */
  let sweptAll = -1

  const sizeNow = (): number => counts.reduce((sum, count) => sum + count, 0)

  const partOf = (third: number): Part => parts[third >>> 24] as Part

  const put = (first: number, second: number, third: number, before: number, until: number, now: number): Addition => {
    if (until < now) return 'expired'
    const part = partOf(third)
    const at = part.indexOf(first, second, third)
    if (at !== -1) return part.merge(at, before, until, now) ? 'applied' : 'duplicate'
    if (sizeNow() >= most && sweptAll !== now) {
      sweptAll = now
      for (const each of parts) each.sweep(now)
    }
    if (sizeNow() >= most) return 'full'
    part.makeRoom(now)
    part.insert(first, second, third, before, until)
    return 'applied'
  }

  return {
    get size() {
      return sizeNow()
    },
    get allocatedBytes() {
      return parts.reduce((sum, { words }) => sum + words.byteLength, 0)
    },
    counts: () =>
      Object.fromEntries(REVOCATION_KINDS.map((kind, index) => [kind, counts[index] ?? 0])) as Record<
        RevocationKind,
        number
      >,
    resize(entries) {
      most = entries
    },
    add: ({ fingerprint: [first, second, third], before, until }, nowSeconds) =>
      put(first, second, third, packedTime(before), packedTime(until), nowSeconds),
    remove([first, second, third]) {
      const part = partOf(third)
      const at = part.indexOf(first, second, third)
      if (at === -1) return false
      part.deleteAt(at)
      return true
    },
    find(fingerprint, nowSeconds) {
      const [first, second, third] = fingerprint
      const part = partOf(third)
      const at = part.indexOf(first, second, third)
      if (at === -1) return undefined
      const before = part.words[at + 3] as number
      const until = part.words[at + 4] as number
      if (until < nowSeconds) return undefined
      return {
        fingerprint,
        before: before === ALWAYS ? undefined : before,
        until: until === ALWAYS ? Number.POSITIVE_INFINITY : until,
      }
    },
    sweep(nowSeconds) {
      parts[nextSwept]?.sweep(nowSeconds)
      nextSwept = (nextSwept + 1) % PARTS
    },
    *packed() {
      for (const part of parts) yield part.entries()
    },
    addPacked(words, nowSeconds) {
      let left = 0
      for (let at = 0; at + WORDS_PER_ENTRY <= words.length; at += WORDS_PER_ENTRY) {
        const first = words[at] as number
        const second = words[at + 1] as number
        const third = words[at + 2] as number
        const before = words[at + 3] as number
        const until = words[at + 4] as number
        if (first !== 0 && put(first, second, third, before, until, nowSeconds) === 'full') left += 1
      }
      return left
    },
  }
}

function packedTime(seconds: number | undefined): number {
  if (seconds === undefined || seconds === Number.POSITIVE_INFINITY) return ALWAYS
  return Math.min(Math.max(Math.floor(seconds), 0), LATEST)
}

/** One of the tables that make up the whole one. */
class Part {
  words = new Uint32Array(0)
  #count = 0
  readonly #counts: Uint32Array

  /** @param counts of all parts together, by kind */
  constructor(counts: Uint32Array) {
    this.#counts = counts
  }

  /** @returns where the entry begins, or -1 */
  indexOf(first: number, second: number, third: number): number {
    const { words } = this
    const end = words.length
    if (end === 0) return -1
    for (let at = this.#home(first, second); words[at] !== 0; at = following(at, end)) {
      if (words[at] === first && words[at + 1] === second && words[at + 2] === third) return at
    }
    return -1
  }

  /** @returns whether that says something new. An entry that has expired is replaced. */
  merge(at: number, before: number, until: number, now: number): boolean {
    const { words } = this
    const oldBefore = words[at + 3] as number
    const oldUntil = words[at + 4] as number
    const isOver = oldUntil < now
    const newBefore = isOver ? before : Math.max(before, oldBefore)
    const newUntil = isOver ? until : Math.max(until, oldUntil)
    if (newBefore === oldBefore && newUntil === oldUntil) return false
    words[at + 3] = newBefore
    words[at + 4] = newUntil
    return true
  }

  /** Call {@link makeRoom} before. */
  insert(first: number, second: number, third: number, before: number, until: number): void {
    const { words } = this
    let at = this.#home(first, second)
    while (words[at] !== 0) at = following(at, words.length)
    words[at] = first
    words[at + 1] = second
    words[at + 2] = third
    words[at + 3] = before
    words[at + 4] = until
    this.#add(third, 1)
  }

  /** Sees to it that one more entry has a place. What has expired makes room. */
  makeRoom(now: number): void {
    const capacity = this.words.length / WORDS_PER_ENTRY
    if (this.#count + 1 > capacity * HIGHEST_LOAD)
      this.#rebuild(now, Math.max(FIRST_CAPACITY, Math.ceil(capacity * GROWTH)))
  }

  /** Forgets what has expired, if anything has. */
  sweep(now: number): void {
    const { words } = this
    for (let at = 0; at < words.length; at += WORDS_PER_ENTRY) {
      if (words[at] === 0 || (words[at + 4] as number) >= now) continue
      this.#rebuild(now, words.length / WORDS_PER_ENTRY)
      return
    }
  }

  /** Leaves the gap at `at` filled with what could not be found beyond it. */
  deleteAt(at: number): void {
    const { words } = this
    const end = words.length
    const third = words[at + 2] as number
    let gap = at
    for (let next = following(gap, end); words[next] !== 0; next = following(next, end)) {
      const home = this.#home(words[next] as number, words[next + 1] as number)
      const isReachable = gap <= next ? gap < home && home <= next : gap < home || home <= next
      if (isReachable) continue
      words.copyWithin(gap, next, next + WORDS_PER_ENTRY)
      gap = next
    }
    words.fill(0, gap, gap + WORDS_PER_ENTRY)
    this.#add(third, -1)
  }

  /** A copy of all entries, without gaps. */
  entries(): Uint32Array {
    const all = new Uint32Array(this.#count * WORDS_PER_ENTRY)
    let to = 0
    for (let at = 0; at < this.words.length; at += WORDS_PER_ENTRY) {
      if (this.words[at] === 0) continue
      all.set(this.words.subarray(at, at + WORDS_PER_ENTRY), to)
      to += WORDS_PER_ENTRY
    }
    return all
  }

  #rebuild(now: number, capacity: number): void {
    const old = this.words
    this.words = new Uint32Array(capacity * WORDS_PER_ENTRY)
    for (let at = 0; at < old.length; at += WORDS_PER_ENTRY) {
      if (old[at] === 0) continue
      const [first = 0, second = 0, third = 0, before = 0, until = 0] = old.subarray(at, at + WORDS_PER_ENTRY)
      this.#add(third, -1)
      if (until >= now) this.insert(first, second, third, before, until)
    }
  }

  #add(third: number, difference: number): void {
    const kind = kindIndex(third)
    this.#count += difference
    this.#counts[kind] = (this.#counts[kind] ?? 0) + difference
  }

  /** The third word has chosen the part, so the others choose the place. */
  #home(first: number, second: number): number {
    return (((first ^ second) >>> 0) % (this.words.length / WORDS_PER_ENTRY)) * WORDS_PER_ENTRY
  }
}

function following(at: number, end: number): number {
  const next = at + WORDS_PER_ENTRY
  return next === end ? 0 : next
}
