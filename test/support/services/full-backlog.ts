/** A listener that nobody accepts from any more: the kernel drops each SYN, and whoever connects waits. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface FullBacklog {
  readonly port: number
  close(): void
}

/** The process stands still from the moment when it listens. */
const LISTENER = `
const server = require('node:net').createServer()
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, String(server.address().port))
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
})`

export async function startFullBacklog(): Promise<FullBacklog> {
  const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [text] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(text.toString())
  const waiting: Socket[] = []
  // One that does not come about within this time has met a full queue; the others fill it.
  for (let isFull = false; !isFull; ) {
    const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
    waiting.push(socket)
    isFull = await Promise.race([
      once(socket, 'connect').then(() => false),
      new Promise<boolean>(resolve => setTimeout(() => resolve(true), 200)),
    ])
  }
  return {
    port,
    close() {
      for (const socket of waiting) socket.destroy()
      child.kill('SIGKILL')
    },
  }
}
