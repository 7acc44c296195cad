/**
 * Closes connections whose other end takes nothing of what it is sent.
 *
 * Attack: a client asks for something large and never reads it. Back-pressure then holds its connection, and that to
 * the upstream, for ever: TCP keeps probing a window of zero, and no timeout for reading notices. A peer that reads
 * slowly is not stalled: its time starts again with every byte that it takes.
 */
import type { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import type { Enrolled } from '../lib/roster.ts'
import { rounds } from '../lib/rounds.ts'
import type { Scheduler } from '../lib/scheduler.ts'

/** The error a stalled connection is destroyed with. */
export class PeerStalled extends Error {
  override readonly name = 'PeerStalled'
}

interface StalledPeersOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Longest time for which bytes may wait without one being taken. */
  readonly limitMs: () => number
}

interface StalledPeers {
  /** Watches a connection until it is closed. */
  watch(socket: Watchable): void
}

/** A connection, or a stream of HTTP/2, since a client can stop reading one stream and go on with the others. */
type Watchable = Duplex & { readonly bytesWritten?: number }

interface Watched extends Enrolled {
  readonly socket: Watchable
  /** How many of the bytes that we wrote the peer has taken; -1 while none wait to be taken. */
  takenBytes: number
  /** When the number last changed. */
  sinceMs: number
}

const LONGEST_ROUND_MS = 1_000

export function stalledPeers({ clock, scheduler, limitMs }: StalledPeersOptions): StalledPeers {
  const sockets = rounds<Watched>({
    scheduler,
    intervalMs: () => Math.min(LONGEST_ROUND_MS, limitMs() / 4),
    visit: watched => {
      const { socket } = watched
      const waitingBytes = socket.writableLength
      const takenBytes = waitingBytes === 0 ? -1 : (socket.bytesWritten ?? 0) - waitingBytes
      const nowMs = clock.monotonicMs()
      if (takenBytes === -1 || takenBytes !== watched.takenBytes) {
        watched.takenBytes = takenBytes
        watched.sinceMs = nowMs
      } else if (nowMs - watched.sinceMs >= limitMs()) socket.destroy(new PeerStalled('takes nothing'))
    },
  })
  return {
    watch(socket) {
      // A request that was held back may come after its stream has closed, and would be watched without end.
      if (socket.destroyed) return
      const watched = { socket, takenBytes: -1, sinceMs: 0, slot: -1 }
      sockets.add(watched)
      socket.once('close', () => sockets.delete(watched))
    },
  }
}
