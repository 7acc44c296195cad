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
import { ReplayTable } from './replay-table.ts'
import { proofName, type ReplayAnswer, type UsedProof } from './used-proof.ts'

export interface ReplayMemory {
  remember(proof: UsedProof): Exclude<ReplayAnswer, 'local' | 'unavailable'>
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

/** Keys are told apart by 16 bits of a hash. Those of one group share what one of them may hold. */
const KEY_GROUPS = 65_536

/** One call forgets no more than this, so that no request waits for all that was used before a pause. */
const MOST_FORGOTTEN_AT_ONCE = 1_000

/** Makes the hashes of this process unlike those of any other. */
const HASH_KEY = randomBytes(16).toString('base64url')

export function replayMemory({ clock, entries }: ReplayMemoryOptions): ReplayMemory {
  let most = entries
  let table = new ReplayTable(0, SECONDS)
  /** How many entries the keys of each group have. */
  let entriesOfGroup = new Uint32Array(0)
  /** The latest `madeAtMs` that was ever in the list of each second; that of a forgotten entry counts already. */
  let latestMs = new Float64Array(0)
  /** The latest `madeAtMs` in any list from which entries were forgotten. */
  let forgottenUntilMs = Number.NEGATIVE_INFINITY
  /** The last second of the monotonic clock whose entries are all forgotten. */
  let doneSecond = 0

  const allocate = (): void => {
    table = new ReplayTable(most, SECONDS)
    entriesOfGroup = new Uint32Array(KEY_GROUPS)
    latestMs = new Float64Array(SECONDS)
  }

  const forget = (atMost: number): void => {
    const nowSecond = Math.floor(clock.monotonicMs() / 1000)
    let left = atMost
    for (; table.size > 0 && doneSecond < nowSecond; doneSecond += 1) {
      const list = (doneSecond + 1) % SECONDS
      for (let keyGroup = table.shift(list); keyGroup !== undefined; keyGroup = table.shift(list)) {
        entriesOfGroup[keyGroup] = (entriesOfGroup[keyGroup] ?? 0) - 1
        forgottenUntilMs = Math.max(forgottenUntilMs, latestMs[list] ?? 0)
        left -= 1
        if (left === 0) return
      }
    }
    if (table.size === 0) doneSecond = nowSecond
  }

  const isFull = (): boolean => table.size >= most
  const isFullFor = (keyGroup: number): boolean => (entriesOfGroup[keyGroup] ?? 0) >= Math.floor(most / 2)

  /** @returns the second of the monotonic clock in which an entry may be forgotten that lives so long from now on */
  const dueSecond = (lifeMs: number): number =>
    Math.max(doneSecond + 1, Math.ceil((clock.monotonicMs() + lifeMs) / 1000))

  return {
    remember(proof) {
      const { jkt, madeAtMs, expiresAtMs } = proof
      forget(MOST_FORGOTTEN_AT_ONCE)
      const digest = hash('sha256', HASH_KEY + proofName(proof), 'binary')
      const [first, second] = [wordIn(digest, 0), wordIn(digest, 4)]
      if (table.has(first, second)) return 'replayed'
      if (madeAtMs <= forgottenUntilMs) return 'forgotten'
      const lifeMs = expiresAtMs - clock.nowMs()
      if (!(lifeMs <= LONGEST_LIFE_MS)) return 'full'
      const keyGroup = wordIn(hash('sha256', HASH_KEY + jkt, 'binary'), 0) % KEY_GROUPS
      // It is full only when nothing is left that could be forgotten. After a long pause, the list of the second in
      // which this proof may be forgotten can still be that of a second long ago.
      if (isFull() || isFullFor(keyGroup) || dueSecond(lifeMs) - doneSecond >= SECONDS) forget(Number.POSITIVE_INFINITY)
      if (isFull()) return 'full'
      if (isFullFor(keyGroup)) return 'full_for_key'
      if (table.capacity === 0) allocate()
      const list = dueSecond(lifeMs) % SECONDS
      table.add(first, second, keyGroup, list)
      entriesOfGroup[keyGroup] = (entriesOfGroup[keyGroup] ?? 0) + 1
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
