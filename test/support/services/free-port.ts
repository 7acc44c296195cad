/** Finds a port for a server that cannot choose one itself, or that has to come back on the same one. */
import { createServer } from 'node:net'

/**
 * Finds a port below those that the system gives to clients, so that nobody takes it while a server is down. The bus of
 * a store cluster's node is 10,000 above it by default.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 12_000 + Math.floor(Math.random() * 10_000)
    const probe = createServer()
    const isFree = await new Promise<boolean>(resolve => {
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}
