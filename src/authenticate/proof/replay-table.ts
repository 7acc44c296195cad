/**
 * Holds the entries of the memory of proofs in three arrays of numbers.
 *
 * It is a hash table whose entries are also in lists, of which each loses its first entry in constant time. An entry is
 * called by its place, which is counted from 1, so that 0 is no place. Places that were never used are never touched,
 * so they take no memory of the machine. What owner and list of an entry stand for is not known here.
 */

/** An entry has two words of the hash, the next place of its bucket, that of its list, and its owner. */
const WORDS = 5
const SECOND = 1
const NEXT_IN_BUCKET = 2
const NEXT_IN_LIST = 3
const OWNER = 4

export class ReplayTable {
  readonly capacity: number
  size = 0
  readonly #listCount: number
  readonly #words: Uint32Array
  /** The first place of each bucket. */
  readonly #buckets: Uint32Array
  /** The first place of each list. */
  readonly #lists: Uint32Array
  /** The first of the places that were given back, which are joined as a list is. */
  #free = 0
  #everUsed = 0

  /**
   * @param capacity how many entries it can hold; a table of 0 allocates nothing
   * @param lists how many lists there are
   */
  constructor(capacity: number, lists: number) {
    this.capacity = capacity
    this.#listCount = lists
    this.#words = new Uint32Array(capacity === 0 ? 0 : (capacity + 1) * WORDS)
    this.#buckets = new Uint32Array(capacity)
    this.#lists = new Uint32Array(capacity === 0 ? 0 : lists)
  }

  has(first: number, second: number): boolean {
    if (this.size === 0) return false
    const words = this.#words
    let place = this.#buckets[first % this.capacity] ?? 0
    while (place !== 0 && (words[place * WORDS] !== first || words[place * WORDS + SECOND] !== second))
      place = words[place * WORDS + NEXT_IN_BUCKET] ?? 0
    return place !== 0
  }

  /**
   * Adds an entry. There has to be a place left, and no such entry.
   *
   * @param owner a number that {@link shift} gives back @param list the index of the list that it becomes the first of
   */
  add(first: number, second: number, owner: number, list: number): void {
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
    words[at + OWNER] = owner
    this.#buckets[bucket] = place
    this.#lists[list] = place
    this.size += 1
  }

  /** Removes the first entry of a list. @returns its owner; undefined when the list is empty */
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
    return words[at + OWNER]
  }

  /** @returns another table with the same entries in the same lists */
  resized(capacity: number): ReplayTable {
    const other = new ReplayTable(capacity, this.#listCount)
    const words = this.#words
    for (const [list, head] of this.#lists.entries())
      for (let place = head; place !== 0; place = words[place * WORDS + NEXT_IN_LIST] ?? 0) {
        const [first = 0, second = 0, , , owner = 0] = words.subarray(place * WORDS, (place + 1) * WORDS)
        other.add(first, second, owner, list)
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
