/**
 * Says who is at the other end of a client's connection, and which certificate it has shown.
 *
 * RFC 8705 §3.1 (thumbprint). A certificate is looked at once, at the end of the handshake. It stays the same for as
 * long as the connection lives, also where its session was resumed: nobody can renegotiate.
 */
import type { Server, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { certificateThumbprint } from '../lib/certificate-thumbprint.ts'
import type { Peer } from '../types.ts'

const withCertificate = new WeakMap<Socket, Peer>()

export function peerOf(socket: Socket): Peer {
  if (!(socket instanceof TLSSocket)) return { address: socket.remoteAddress, protocol: 'http' }
  return withCertificate.get(socket) ?? { address: socket.remoteAddress, protocol: 'https' }
}

/**
 * Tells which connections of a server their clients have reset.
 *
 * Attack: a client sends a request and resets its connection. The address is gone with that, as if the request came
 * over a Unix socket, and where `trustedProxies` has `unix:` such peers are believed. So nobody's request is served:
 * nobody waits for its answer, either.
 *
 * @returns is true for a connection that has no address, and not because it is a Unix socket
 */
export function resetConnections(server: Server): (socket: Socket) => boolean {
  let isUnix = false
  // When it closes, a server does not know any more where it has listened.
  server.once('listening', () => {
    isUnix = typeof server.address() === 'string'
  })
  return socket => socket.remoteAddress === undefined && !isUnix
}

/**
 * Remembers the certificate of a connection, if its client has shown one. It has to be called when the handshake is
 * over and before the first request is read, since {@link peerOf} looks at no certificate itself.
 *
 * @param counts `authorized`: only one that an authority of ours has signed
 */
export function keepPeer(socket: TLSSocket, counts: 'authorized' | 'any'): void {
  const certificate = counts === 'any' || socket.authorized ? socket.getPeerX509Certificate() : undefined
  if (certificate === undefined) return
  withCertificate.set(socket, {
    address: socket.remoteAddress,
    protocol: 'https',
    certificateThumbprint: certificateThumbprint(certificate.raw),
  })
}
