/** A service that speaks bytes: the test decides what a connection gets for an answer. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { type RawClient, rawClient } from '../clients/raw-client.ts'

export interface RawUpstream {
  readonly url: string
  readonly port: number
  /** All connections so far, oldest first. */
  readonly connections: readonly RawClient[]
  /** The next connection that is made. */
  next(): Promise<RawClient>
  close(): Promise<void>
}

/** @param onConnection by default nothing: the service accepts and stays silent */
export async function startRawUpstream(onConnection: (connection: RawClient) => void = () => {}): Promise<RawUpstream> {
  const connections: RawClient[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: false }, socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    const connection = rawClient(socket)
    connections.push(connection)
    onConnection(connection)
    server.emit('accepted', connection)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    connections,
    next: async () => ((await once(server, 'accepted')) as [RawClient])[0],
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Answers each request head (no bodies expected) with these bytes. */
export function answering(bytes: string | Buffer): (connection: RawClient) => void {
  return connection => {
    connection.socket.on('data', (text: string) => {
      if (text.endsWith('\r\n\r\n')) connection.write(bytes)
    })
  }
}
