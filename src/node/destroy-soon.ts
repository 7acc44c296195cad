/**
 * Decides what happens to a client's socket after the last answer of its connection, in place of Node.
 *
 * Node's HTTP server calls `socket.destroySoon()` once an answer with `Connection: close` is written. That closes both
 * sides as soon as the bytes are out. A client that still sends its request is then reset and may lose the answer (RFC
 * 9112 §9.6). Seen on Node 26.10. nodejs/node pull request 36205 would have called `socket.end()` in its place, and was
 * not taken.
 *
 * Breaks first: `test/raw/connections.test.ts`.
 * Remove when: Node's HTTP server has an option to linger, as nginx has with `lingering_close`.
 */
import { Socket } from 'node:net'

/** @param action called where Node would close the socket; it has to close it some time, with {@link destroySoon} */
export function onDestroySoon(socket: Socket, action: () => void): void {
  // The function comes as a parameter, for the reason that `Forwarding` gives (`exchange.ts`).
  socket.destroySoon = action
}

/** Closes the socket once everything that was written is out, as Node itself would have done. */
export function destroySoon(socket: Socket): void {
  Socket.prototype.destroySoon.call(socket)
}
