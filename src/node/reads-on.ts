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

/** An object and no function, since V8 allocates a function that is assigned to a property as old. */
interface Reader {
  /** Is told of a failed write; it must end the socket when nothing more is to be read. */
  onFailedWrite(error: Error): void
}

const readers = new WeakMap<Socket, Reader>()

/** Lets go of it by {@link readsNoMore}. */
export function readsOn(socket: Socket, reader: Reader): void {
  readers.set(socket, reader)
  socket.destroy = destroyUnlessReading
}

/** Makes the socket one like any other again. */
export function readsNoMore(socket: Socket): void {
  if (readers.delete(socket)) Reflect.deleteProperty(socket, 'destroy')
}

function destroyUnlessReading(this: Socket & ReadingSide, error?: Error): Socket {
  const reader = readers.get(this)
  const isFailedWrite = error !== undefined && 'syscall' in error && error.syscall === 'write'
  if (reader === undefined || !isFailedWrite || this.readableEnded) {
    readsNoMore(this)
    return this.destroy(error)
  }
  // Node has marked the reading side as failed, too, and would never ask the system for more.
  this._readableState.errored = null
  reader.onFailedWrite(error)
  return this
}
