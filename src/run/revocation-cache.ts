/**
 * Reads the cache file of revocations at the start, and writes it when what is known has changed.
 *
 * It is read once, before anything listens and before a store is heard, so that the store has the last word. A reload
 * that names another file has it written, and not read: what is in it may have been undone since.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileFailureText } from '../lib/failure-text.ts'
import type { Cancel } from '../lib/scheduler.ts'
import { readCacheFile, writeCacheFile } from '../revocation/cache-file.ts'
import { WORDS_PER_ENTRY } from '../revocation/table.ts'
import type { Prepared } from './prepare.ts'
import type { Services } from './services.ts'

interface RevocationCache {
  /** Puts in force what the file has. It never fails: a file that cannot be used is told of. */
  load(): Promise<void>
  /** Keeps the file from here on. One of several processes does. */
  keep(): void
  /** Writes once more what has changed since, if this process keeps the file. */
  close(): Promise<void>
}

type CacheServices = Pick<Services, 'clock' | 'scheduler' | 'log' | 'revocations'>

const SOON_MS = 100
/** After a write the next one waits for so long, */
const LEAST_PAUSE_MS = 3_000
/** and for so many times what the write took, so that a large file does not keep the disk busy. */
const PAUSE_FACTOR = 20
/** A file that says nothing new is written again when its proof is older by this: a crash announces nothing. */
const PROOF_AGE_MS = 30_000
/** So many entries are put in force before others have their turn. */
const ENTRIES_PER_TURN = 8 * 1024

/** What a file has that was written by this process. */
interface Written {
  readonly path: string
  readonly generation: number
  readonly provedMs: number
}

export function revocationCache(services: CacheServices, inForce: () => Prepared): RevocationCache {
  const { clock, scheduler, log, revocations } = services
  let written: Written | undefined
  let isKept = false
  let isBroken = false
  let pauseMs = LEAST_PAUSE_MS
  let earliestMs = 0
  let cancelWrite: Cancel | undefined
  let cancelLook: Cancel = () => {}
  let writing: Promise<void> = Promise.resolve()

  const section = () => inForce().config.revocation

  /** What the file would have if it were written now; undefined: there is no file. */
  const current = (): Written | undefined => {
    const path = section()?.cacheFile
    if (path === undefined) return undefined
    const { lastSuccessSeconds } = revocations.status()
    return { path, generation: revocations.generation, provedMs: Math.round((lastSuccessSeconds ?? 0) * 1000) }
  }

  const isDue = (next: Written, proofAgeMs: number): boolean =>
    next.path !== written?.path ||
    next.generation !== written.generation ||
    next.provedMs - written.provedMs >= proofAgeMs

  const write = async (next: Written): Promise<void> => {
    const { path, provedMs } = next
    const startedMs = clock.monotonicMs()
    try {
      const head = {
        writtenMs: Math.round(clock.nowMs()),
        provedMs: provedMs === 0 ? undefined : provedMs,
        remote: inForce().revocation?.remote,
      }
      await writeCacheFile(path, head, revocations.packed())
      written = next
      isBroken = false
    } catch (error) {
      const reason = `it cannot be written: ${fileFailureText(error)}`
      if (!isBroken) log.warn({ file: path, reason }, 'the cache of revocations is not kept, a restart may lack some')
      isBroken = true
    }
    const endedMs = clock.monotonicMs()
    pauseMs = Math.max(LEAST_PAUSE_MS, PAUSE_FACTOR * (endedMs - startedMs))
    earliestMs = endedMs + pauseMs
  }

  const begin = (proofAgeMs: number): void => {
    const next = current()
    if (next === undefined || !isDue(next, proofAgeMs)) return
    writing = write(next)
  }

  const schedule = (): void => {
    if (!isKept || cancelWrite !== undefined) return
    cancelWrite = scheduler.after(Math.max(SOON_MS, earliestMs - clock.monotonicMs()), () => {
      void writing.then(() => {
        cancelWrite = undefined
        if (isKept) begin(PROOF_AGE_MS)
      })
    })
  }

  /** Finds what no change tells: a proof that has become old, and a write that failed. */
  const look = (): void => {
    const next = current()
    if (next !== undefined && isDue(next, PROOF_AGE_MS)) schedule()
    cancelLook = scheduler.after(LEAST_PAUSE_MS, look)
  }

  return {
    async load() {
      const { cacheFile: path, keep: keepMs } = section() ?? {}
      if (path === undefined || keepMs === undefined) return
      const nowMs = clock.nowMs()
      const found = readCacheFile(path, { nowMs, keepMs, remote: inForce().revocation?.remote })
      if (found === undefined) return
      if ('refused' in found) {
        log.warn({ file: path, reason: `it ${found.refused}` }, 'the cache of revocations is not used')
        return
      }
      const { words, provedMs } = found
      const step = ENTRIES_PER_TURN * WORDS_PER_ENTRY
      let left = 0
      for (let at = 0; at < words.length; at += step) {
        left += revocations.applyPacked(words.subarray(at, at + step), 'cache')
        await nextTurn()
      }
      if (left > 0)
        log.error({ file: path, left }, 'the cache has more revocations than `revocation.entries` has room for')
      // A proof from the future says nothing of its age.
      if (left === 0 && provedMs !== undefined && provedMs <= nowMs) revocations.proved(provedMs)
      log.info({ file: path, entries: words.length / WORDS_PER_ENTRY }, 'revocations were read from their cache')
      const { generation } = revocations
      written = { path, generation, provedMs: provedMs ?? 0 }
    },
    keep() {
      isKept = true
      revocations.onChange(schedule)
      look()
    },
    async close() {
      cancelLook()
      cancelWrite?.()
      const wasKept = isKept
      isKept = false
      await writing
      if (wasKept) begin(1)
      await writing
    },
  }
}
