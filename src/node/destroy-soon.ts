/**
 * Decides what happens to a client's socket after the last answer of its connection, in place of Node.
 *
 * Node's HTTP server calls `socket.destroySoon()` once an answer with `Connection: close` is written. That
 * closes both sides as soon as the bytes are out; a client that still sends its request is then reset and may
 * lose the answer (RFC 9112 §9.6). Seen on Node 26.10. nodejs/node pull request 36205 would have replaced the
 * call by `socket.end()` and was not taken.
 *
 * Breaks first: `test/raw/connections.test.ts`.
 * Remove when: Node's HTTP server has an option to linger, as nginx has with `lingering_close`.
 */
import { Socket } from 'node:net'

/** @param action is called in place of closing the socket; it has to see to that itself, with {@link destroySoon} */
export function onDestroySoon(socket: Socket, action: () => void): void {
  // V8 allocates a function literal that is assigned to a property as old, and all that it refers to would stay with it
  // until the next full collection. A parameter is not such a literal.
  socket.destroySoon = action
}

/** Closes the socket once what was written is out, as Node would have. */
export function destroySoon(socket: Socket): void {
  Socket.prototype.destroySoon.call(socket)
}
