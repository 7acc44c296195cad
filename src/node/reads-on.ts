/**
 * Keeps a socket reading after a write on it has failed.
 *
 * Node destroys a socket over a failed write, and with it what has been received and not read yet: a service that
 * answers 413 and closes while the upload still runs is heard by the kernel, and by nobody else. The answer is still to
 * be had, because Linux hands out what came before a reset. https://github.com/nodejs/node/issues/12339 tells of it.
 *
 * Breaks first: `test/node/reads-on.test.ts`.
 * Remove when: a socket has an option of its own for it.
 */
import type { Socket } from 'node:net'

/** This part of a stream has no public name. */
interface ReadingSide {
  readonly _readableState: { errored: Error | null }
}

/**
 * @param onFailedWrite is told instead; it must end the socket when nothing more is to be read
 * @returns makes the socket one like any other again
 */
export function readsOn(socket: Socket, onFailedWrite: (error: Error) => void): () => void {
  const { destroy } = socket
  socket.destroy = (error?: Error): Socket => {
    if (error === undefined || !('syscall' in error) || error.syscall !== 'write' || socket.readableEnded)
      return destroy.call(socket, error)
      // Node has marked the reading side as failed, too, and would never ask the system for more.
    ;(socket as Socket & ReadingSide)._readableState.errored = null
    onFailedWrite(error)
    return socket
  }
  return () => {
    socket.destroy = destroy
  }
}
