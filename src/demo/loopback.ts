/** Lets a server listen on 127.0.0.1, and closes it at once. Nothing of the demo can be reached from elsewhere. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'

/**
 * Lets the server listen.
 *
 * @param port 0 takes a free one
 * @returns `127.0.0.1:port`
 * @throws {Error} with code `EADDRINUSE` when the port is taken
 */
export async function listen(server: Server, port: number): Promise<string> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a server on TCP has no port')
  return `127.0.0.1:${address.port}`
}

/** Finds a port that nobody listens on, for what has to be known by its port before it listens. */
export async function freePort(): Promise<number> {
  const server = createServer()
  const { port } = new URL(`http://${await listen(server, 0)}`)
  await closeServer(server)
  return Number(port)
}

/** Closes the server and cuts open connections: an idle one or a half-read answer must not hold up Ctrl-C. */
export async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
}
