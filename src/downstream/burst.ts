/**
 * Lets requests wait for a moment while every turn of the loop brings another connection.
 *
 * Node accepts one connection a turn. When many clients come at once and the requests of those who are in already are
 * served in the same turns, the last client waits for all of them, often longer than the kernel keeps him. So turns are
 * kept short until nobody comes any more, a hundred connections have come or the time is up. Then everybody who waits
 * is served, and so on.
 */
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'

interface Burst {
  /** Call when a server is made. */
  add(server: Server): void
  /** Returns the listener to give to a server. It passes requests on to `listener`, most of them at once. */
  gate<Request extends { readonly socket: Socket }, Response>(
    listener: (request: Request, response: Response) => void,
  ): (request: Request, response: Response) => void
}

/** One connection alone is no burst. A client that opens a few is served as they come. */
const FEW = 3
const MOST_CONNECTIONS = 100
const LONGEST_WAIT_MS = 50

export function burst(clock: Pick<Clock, 'monotonicMs'>): Burst {
  /** Turns in a row that have brought a connection. */
  let turns = 0
  let cameInThisTurn = false
  let isWatching = false
  let waiting: Array<() => void> = []
  /** How many turns there had been when requests were passed on last, and when the first one began to wait. */
  let passedAtTurn = 0
  let waitingSinceMs = 0

  function endOfTurn(): void {
    if (!cameInThisTurn) {
      turns = 0
      passedAtTurn = 0
      isWatching = false
      passOn()
      return
    }
    cameInThisTurn = false
    turns += 1
    if (turns - passedAtTurn >= MOST_CONNECTIONS || clock.monotonicMs() - waitingSinceMs >= LONGEST_WAIT_MS) passOn()
    setImmediate(endOfTurn)
  }

  function passOn(): void {
    passedAtTurn = turns
    if (waiting.length === 0) return
    const passing = waiting
    waiting = []
    for (const pass of passing) pass()
  }

  return {
    add(server) {
      server.on('connection', () => {
        cameInThisTurn = true
        if (isWatching) return
        isWatching = true
        setImmediate(endOfTurn)
      })
    },
    gate: listener => (request, response) => {
      if (turns < FEW) return listener(request, response)
      if (waiting.length === 0) waitingSinceMs = clock.monotonicMs()
      waiting.push(() => {
        if (!request.socket.destroyed) listener(request, response)
      })
    },
  }
}
