/** A service that answers in raw bytes, so that it can break every rule, and remembers every byte that reached it. */
import { createServer, type Socket } from 'node:net'
import type { TestUpstream } from './upstream.ts'

/** What every upstream of a stack can say. */
export type RecordingUpstream = Pick<TestUpstream, 'url' | 'bytes' | 'close'>

export interface ByteUpstream extends RecordingUpstream {
  /** Open connections, oldest first. */
  readonly sockets: ReadonlySet<Socket>
}

export interface SeenHead {
  readonly head: string
  readonly path: string
  readonly socket: Socket
}

/** @param answer called for each request head; bodies are not told apart from heads, so let clients send none */
export async function startByteUpstream(answer: (seen: SeenHead) => void): Promise<ByteUpstream> {
  const received: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    let pending = ''
    socket.on('close', () => sockets.delete(socket))
    // An error is expected here: tests want the gateway to hang up on a service that misbehaves.
    socket.on('error', () => {})
    socket.on('data', chunk => {
      received.push(Buffer.from(chunk))
      pending += chunk.toString('latin1')
      for (let at = pending.indexOf('\r\n\r\n'); at !== -1; at = pending.indexOf('\r\n\r\n')) {
        const head = pending.slice(0, at)
        pending = pending.slice(at + 4)
        answer({ head, path: head.split(' ')[1] ?? '', socket })
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    bytes: () => Buffer.concat(received),
    sockets,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
