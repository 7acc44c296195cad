/** Says who is at the other end of a client's connection. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Peer } from '../types.ts'

export function peerOf(socket: Socket): Peer {
  return { address: socket.remoteAddress, protocol: socket instanceof TLSSocket ? 'https' : 'http' }
}
