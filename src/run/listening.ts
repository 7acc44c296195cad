/** Opens and closes listeners, for the traffic and for the operator alike. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Address } from '../config/schema/schema.ts'

/** As many connections may wait to be accepted as the kernel allows by default; with Node's 511 a burst loses some. */
const BACKLOG = 4096

/**
 * @returns `http://127.0.0.1:8080`, or `unix:/path`
 * @throws {Error} the address cannot be listened on
 */
export async function listen(app: FastifyInstance, address: Address, scheme: 'http' | 'https'): Promise<string> {
  if ('socketPath' in address) {
    await app.listen({ path: address.socketPath })
    return `unix:${address.socketPath}`
  }
  await app.listen({ ...address, backlog: BACKLOG })
  const { port } = app.server.address() as AddressInfo
  return `${scheme}://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}`
}

/** Closes the listener and drops requests under way. */
export function closeNow(app: FastifyInstance): Promise<void> {
  const closed = app.close()
  app.server.closeAllConnections()
  return closed
}
