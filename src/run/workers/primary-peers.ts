/**
 * Lets a worker agree with the others on what is revoked: it tells the primary what it was told, and hears from the
 * primary what the others were.
 *
 * Before it listens, a worker asks for what was told before it began. Messages keep their order, so it misses nothing.
 */
import type { Worker } from 'node:cluster'
import type { Scheduler } from '../../lib/scheduler.ts'
import { settledWithin } from '../../lib/settled-within.ts'
import type { Revocations } from '../../revocation/revocations.ts'
import { heard } from '../../revocation/revoker.ts'
import type { JoinedPeers, RevocationPeers } from '../revocation-peers.ts'
import type { ToldRevocation, ToPrimary, ToWorker } from './messages.ts'
import { fingerprintsIn, unpackedWords } from './packed-words.ts'

interface PrimaryPeers extends RevocationPeers {
  /** Puts in force what another worker was told. @returns what the primary is to be answered; undefined: it is not */
  hear(told: ToldRevocation): true | undefined
}

/** A primary that is so busy is not waited for: a listener that never opens is worse than a revocation that is late. */
const LONGEST_WAIT_MS = 10_000

export function primaryPeers(worker: Worker, scheduler: Scheduler): PrimaryPeers {
  let revocations: Revocations | undefined
  const say = (message: ToPrimary): void => void worker.send(message, () => {})
  return {
    tell: (change, source) => say({ tell: 'revoked', change, source }),
    hear({ change, source }) {
      if (revocations === undefined) return undefined
      heard(change, source, revocations)
      return true
    },
    async join(joining) {
      revocations = joining
      const joined = Promise.withResolvers<JoinedPeers>()
      const isAlone: JoinedPeers = { keepsCache: false }
      const giveUp = (): void => joined.resolve(isAlone)
      const listen = (message: ToWorker): void => {
        if (!('news' in message)) return
        if (message.news === 'revoked') joining.applyPacked(unpackedWords(message.packed), 'cache')
        else if (message.news === 'undone')
          for (const print of fingerprintsIn(message.packed)) joining.undoFingerprint(print, 'cache')
        else if (message.news === 'joined') joined.resolve(message)
      }
      worker.on('message', listen).once('disconnect', giveUp)
      say({ tell: 'join' })
      const isJoined = await settledWithin(scheduler, LONGEST_WAIT_MS, joined.promise)
      worker.off('disconnect', giveUp)
      if (isJoined) worker.off('message', listen)
      return isJoined ? joined.promise : isAlone
    },
  }
}
