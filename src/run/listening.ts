/** Opens and closes listeners, for the traffic and for the operator alike. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Listener } from '../config/schema/schema.ts'
import { freeSocketPath, withSocketMode } from './unix-socket.ts'

/** As many connections may wait to be accepted as the kernel allows by default; with Node's 511 a burst loses some. */
const BACKLOG = 4096

/**
 * Whose a listener is. `own`: of this process alone. `handed`: another process opens the socket for this one, and has
 * made way for it. `besidePort`: several processes listen on this port, each by itself, and the kernel spreads the
 * connections among them (SO_REUSEPORT, socket(7)).
 */
export type ListenPlace = 'own' | 'handed' | { readonly besidePort: number }

/**
 * @returns `http://127.0.0.1:8080`, or `unix:/path`
 * @throws {Error} the address cannot be listened on
 */
export async function listen(
  app: FastifyInstance,
  { address, mode }: Listener,
  scheme: 'http' | 'https',
  place: ListenPlace = 'own',
): Promise<string> {
  if ('socketPath' in address) {
    const { socketPath } = address
    if (place === 'own') await freeSocketPath(socketPath)
    await withSocketMode(mode, () => app.listen({ path: socketPath, backlog: BACKLOG }))
    return `unix:${socketPath}`
  }
  await app.listen({
    ...address,
    ...(typeof place === 'object' && { port: place.besidePort, exclusive: true, reusePort: true }),
    backlog: BACKLOG,
  })
  const { port } = app.server.address() as AddressInfo
  return `${scheme}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`
}

/** Closes the listener and drops requests under way. */
export function closeNow(app: FastifyInstance): Promise<void> {
  const closed = app.close()
  app.server.closeAllConnections()
  return closed
}
