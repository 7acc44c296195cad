/**
 * Makes way for a Unix socket, and sees that nobody can connect to it who may not.
 *
 * A process that is killed leaves its socket behind, and nobody can listen at a path that exists. What nobody listens
 * on is removed; what is no socket, or is answered, is left alone. The mode of a socket comes from the umask of the
 * process at the moment when it is made, so that is changed for this moment: a mode that is set later would leave a gap
 * in which everybody could connect.
 */
import { lstatSync, type Stats, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { DEFAULT_SOCKET_MODE } from '../config/schema/address.ts'

/** Something is at the path of a socket that has to stay. */
export class SocketPathTaken extends Error {
  override readonly name = 'SocketPathTaken'
  readonly code = 'EADDRINUSE'
  /** What is there, in words. */
  readonly reason: string

  constructor(path: string, reason: string) {
    super(`unix:${path} cannot be listened on: ${reason}`)
    this.reason = reason
  }
}

/** @throws {SocketPathTaken} */
export async function freeSocketPath(path: string): Promise<void> {
  const found = statsOf(path)
  if (found === undefined) return
  if (!found.isSocket()) throw new SocketPathTaken(path, 'something that is no socket is there')
  if (await isAnswered(path)) throw new SocketPathTaken(path, 'another process listens there')
  // Another process may have put a socket of its own there meanwhile.
  if (statsOf(path)?.ino === found.ino) unlinkSync(path)
}

/** Makes a socket with this mode. */
export async function withSocketMode<T>(mode: string | undefined, make: () => Promise<T>): Promise<T> {
  const before = setSocketMode(mode)
  try {
    return await make()
  } finally {
    process.umask(before)
  }
}

/** Has sockets made with this mode from now on. @returns the umask before */
export function setSocketMode(mode = DEFAULT_SOCKET_MODE): number {
  return process.umask(0o777 & ~Number.parseInt(mode, 8))
}

function statsOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

/** Is true, too, when that cannot be told: of a socket that may not be connected to, or whose queue is full. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'))
  })
}
