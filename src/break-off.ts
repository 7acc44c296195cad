/**
 * Ends an answer that has begun by ending its connection: only that tells the client that the rest is missing.
 *
 * RFC 9112 §8 (incomplete messages). A response that waits for its turn on a pipelined connection has no socket yet, and
 * Node would forget it and leave the connection waiting for its end for ever.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export function breakOff(response: ServerResponse): void {
  if (response.socket === null) response.once('socket', (socket: Socket) => socket.destroy())
  response.destroy()
}
