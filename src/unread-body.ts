/**
 * Deals with what is left of a request that was answered before all of it came: call it together with the answer.
 *
 * RFC 9112 §9.3: a connection that stays is read up to the end of the request. §9.6: closing one while the client still
 * sends resets it, and the client may lose the answer; so our side is closed first and theirs is read for a while.
 * The rest is dropped, not looked at. A client cannot hold the connection with it: the time for it is bounded.
 */
import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

/** Enough to notice the answer and stop; nginx waits as long (`lingering_timeout`). */
const LONGEST_REST_MS = 5_000

export function dropUnreadBody(request: IncomingMessage): void {
  if (request.closed || request.readableEnded) return
  const { socket } = request
  const giveUp = setTimeout(() => socket.destroy(), LONGEST_REST_MS).unref()
  request.once('close', () => clearTimeout(giveUp))
  request.resume()
  // Node calls this once a last answer is written, and would destroy the socket at once.
  socket.destroySoon = () => {
    if (request.closed) {
      destroySoon(socket)
      return
    }
    socket.end()
    request.once('close', () => destroySoon(socket))
  }
}

function destroySoon(socket: Socket): void {
  Socket.prototype.destroySoon.call(socket)
}
