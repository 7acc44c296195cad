/**
 * Answers bytes that are no request, without disturbing the requests around them.
 *
 * Node's parser reports them for a connection, not for a request, and whatever is written to the connection then stands
 * behind or amid answers that are still to come. So it depends on what is under way there:
 * nothing: it is answered; a request that has arrived in full: it is finished, then the connection ends; a request whose
 * own body turned out broken: that request is refused, or cut when its answer has begun.
 */
import type { Socket } from 'node:net'
import { answerBroken, brokenRequestCode } from '../downstream/server.ts'
import { Denial } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { randomHex } from '../lib/random-hex.ts'
import { challenge } from './challenge.ts'
import { REALM, refuse } from './refuse.ts'

export interface BrokenRequests {
  /** A request begins: until it ends, broken bytes on its connection are seen beside it. */
  begun(exchange: Exchange): void
  ended(exchange: Exchange): void
  /** True while a request is under way on the connection. */
  isBusy(socket: Socket): boolean
  /** Handles Node's `clientError`. */
  answer(error: NodeJS.ErrnoException, socket: Socket): void
}

export interface BrokenRequestsDeps {
  /** Called for each refusal that has no exchange; those with one are recorded at their end. */
  readonly onRefused: (denial: Denial, requestId: string) => void
}

export function brokenRequests({ onRefused }: BrokenRequestsDeps): BrokenRequests {
  /** Requests under way on each connection, oldest first: rarely more than one. No `Set`: see `lib/roster.ts`. */
  const active = new WeakMap<Socket, Exchange[]>()

  return {
    begun(exchange) {
      const { socket } = exchange.raw
      const exchanges = active.get(socket)
      if (exchanges === undefined) active.set(socket, [exchange])
      else exchanges.push(exchange)
    },
    ended(exchange) {
      const exchanges = active.get(exchange.raw.socket)
      const at = exchanges?.indexOf(exchange) ?? -1
      if (at !== -1) exchanges?.splice(at, 1)
    },
    isBusy: socket => (active.get(socket)?.length ?? 0) > 0,
    answer(error, socket) {
      const code = brokenRequestCode(error)
      const last = active.get(socket)?.at(-1)
      // Once our side is closed, the client has had its last answer, and what it still sends is dropped.
      if (code === undefined || (last === undefined && socket.writableEnded)) socket.destroy()
      else if (last === undefined) answerAlone(new Denial(code, { evidence: { reason: error.code } }), socket)
      else if (last.raw.complete) last.res.once('close', () => socket.destroy())
      else refuseRest(last, new Denial(code, { evidence: { reason: error.code } }))
    },
  }

  function answerAlone(denial: Denial, socket: Socket): void {
    const requestId = randomHex(16)
    onRefused(denial, requestId)
    answerBroken(socket, denial.code, {
      requestId,
      challenge: challenge(denial.code, { realm: REALM, scope: undefined }),
    })
  }
}

function refuseRest(exchange: Exchange, denial: Denial): void {
  if (exchange.forwarding === undefined) refuse(exchange, denial)
  else exchange.forwarding.cancel(denial)
}
