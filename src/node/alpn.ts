/**
 * Lets one TLS listener serve HTTP/1.1 and HTTP/2, each by the server that suits it (RFC 7301, ALPN).
 *
 * Node's HTTPS server reads every connection as HTTP/1.1, whatever was agreed on. Its HTTP/2 server with `allowHTTP1`
 * has no limits for the head, no Expect and no upgrades over HTTP/1.1. So this file takes away the listener that Node
 * has put on the HTTPS server, and calls it only for connections that speak HTTP/1.1. Seen on Node 26.10; nodejs/node
 * issue 55994 asked for a way to choose per connection, and got one for the HTTP/2 server's ALPN only.
 *
 * Breaks first: `test/downstream/http2-connections.test.ts`.
 * Remove when: an HTTPS server can hand over connections that agreed to another protocol.
 */
import type { Socket } from 'node:net'
import type { TLSSocket, Server as TlsServer } from 'node:tls'

/** The names that ALPN has for the protocols, the one that the gateway prefers first. */
export const ALPN_PROTOCOLS = ['h2', 'http/1.1']

/** @param onHttp2 takes over a connection that has agreed to HTTP/2 */
export function handOverHttp2(server: TlsServer, onHttp2: (socket: Socket) => void): void {
  const http1 = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') onHttp2(socket)
    else for (const listener of http1) listener.call(server, socket)
  })
}
