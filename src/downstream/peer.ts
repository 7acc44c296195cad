/**
 * Says who is at the other end of a client's connection, and which certificate it has shown.
 *
 * RFC 8705 §3.1 (thumbprint). A certificate is looked at once, at the end of the handshake. It stays the same for as
 * long as the connection lives, also where its session was resumed: nobody can renegotiate.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { certificateThumbprint } from '../lib/certificate-thumbprint.ts'
import type { Peer } from '../types.ts'

const withCertificate = new WeakMap<Socket, Peer>()

export function peerOf(socket: Socket): Peer {
  if (!(socket instanceof TLSSocket)) return { address: socket.remoteAddress, protocol: 'http' }
  return withCertificate.get(socket) ?? { address: socket.remoteAddress, protocol: 'https' }
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
