/**
 * Says who is at the other end of a connection to the application's server, and which certificate it has shown.
 *
 * RFC 8705 §3.1. It is found out with the first request of a connection, and stays the same for as long as that lives.
 */
import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { certificateThumbprint } from '../lib/certificate-thumbprint.ts'
import type { Peer } from '../types.ts'

/** @returns the connection itself: over HTTP/2, that of all its streams; undefined when it is gone */
export function socketOf(raw: IncomingMessage | Http2ServerRequest): Socket | undefined {
  return 'stream' in raw ? raw.stream.session?.socket : raw.socket
}

/** @param counts `authorized`: only a certificate that an authority of the application's server has signed */
export function peers(counts: () => 'authorized' | 'any') {
  const known = new WeakMap<object, Peer>()
  return (raw: IncomingMessage | Http2ServerRequest, socket: Socket): Peer => {
    if (!(socket instanceof TLSSocket)) return { address: socket.remoteAddress, protocol: 'http' }
    // Over HTTP/2, Node gives another stand-in for the socket each time.
    const connection = 'stream' in raw ? (raw.stream.session ?? socket) : socket
    const peer = known.get(connection) ?? secured(socket, counts())
    known.set(connection, peer)
    return peer
  }
}

function secured(socket: TLSSocket, counts: 'authorized' | 'any'): Peer {
  const peer = { address: socket.remoteAddress, protocol: 'https' } as const
  const certificate = counts === 'any' || socket.authorized ? socket.getPeerX509Certificate() : undefined
  return certificate === undefined ? peer : { ...peer, certificateThumbprint: certificateThumbprint(certificate.raw) }
}
