/**
 * Passes on what one worker is told of revocations, and keeps it for those that start later.
 *
 * Fingerprints are kept, and no names. What comes from the store is not told here, because every worker reads it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RevocationsAnswer } from '../../admin/revocations.ts'
import { ADMIN_STATUS } from '../../errors.ts'
import type { Clock } from '../../lib/clock.ts'
import { fingerprint } from '../../revocation/fingerprint.ts'
import { revocationTable } from '../../revocation/table.ts'
import type { Member } from './member.ts'
import type { ToldRevocation } from './messages.ts'
import { packedWords } from './packed-words.ts'

export interface SharedRevocations {
  /** Tells a worker everything, and from here on whatever changes. */
  join(member: Member, keepsCache: boolean): Promise<void>
  /** Passes on what a worker was told. */
  told(by: Member, told: ToldRevocation): void
  gone(member: Member): void
  /** Resolves when the workers that listen have put in force what was told until now. @returns whether they all have */
  isHeard(): Promise<boolean>
}

/** A worker that takes longer to answer may let pass what is revoked, so whoever asked is told. */
const LONGEST_ANSWER_MS = 2_000

/** So long a cache file may be behind, even one that cannot be written for a while. */
const UNDONE_SECONDS = 24 * 3600

/** The answer when a change is not in force in every worker. */
export const NOT_HEARD: RevocationsAnswer = {
  status: ADMIN_STATUS.notReady,
  headers: { 'retry-after': '1' },
  body: { error: 'not every process of this gateway has confirmed the change; send it again' },
}

export function sharedRevocations(clock: Clock): SharedRevocations {
  // Every worker bounds how many entries it takes, and here are only those that one of them took.
  const table = revocationTable(Number.POSITIVE_INFINITY)
  // A cache file may still have them, which is written a while after the change.
  const undone = revocationTable(Number.POSITIVE_INFINITY)
  const joined = new Set<Member>()
  const pending = new Set<Promise<boolean>>()

  const pass = (to: Member, told: ToldRevocation): void => {
    const answered = to
      .ask({ ...told, ask: 'heard' }, LONGEST_ANSWER_MS)
      // A worker that has ended lets nothing pass, and one that does not listen yet has heard before it does.
      .then(answer => answer === true || !to.isListening)
    pending.add(answered)
    void answered.then(() => pending.delete(answered))
  }

  return {
    async join(member, keepsCache) {
      joined.add(member)
      for (const [news, { packed }] of [
        ['undone', undone],
        ['revoked', table],
      ] as const) {
        for (const part of packed()) {
          if (part.length === 0) continue
          member.inform({ news, packed: packedWords(part) })
          await nextTurn()
        }
      }
      member.inform({ news: 'joined', keepsCache })
    },
    told(by, { change, source }) {
      const now = Math.floor(clock.nowMs() / 1000)
      const print = fingerprint(change.do === 'undo' ? change.subject : change.entry)
      table.sweep(now)
      undone.sweep(now)
      if (change.do === 'undo') {
        table.remove(print)
        undone.add({ fingerprint: print, before: undefined, until: now + UNDONE_SECONDS }, now)
      } else {
        undone.remove(print)
        table.add({ fingerprint: print, before: change.entry.before, until: change.entry.until }, now)
      }
      for (const each of joined) if (each !== by) pass(each, { change, source })
    },
    gone: member => void joined.delete(member),
    isHeard: async () => (await Promise.all(pending)).every(Boolean),
  }
}
