/**
 * Opens connections to one upstream: TCP or a Unix socket, and TLS where the origin says so.
 *
 * Certificates are always verified; there is no switch to turn that off. The name to ask for and to verify comes from
 * the configuration: undici would take it from the request's `Host`, and so let whoever sends the request choose which
 * certificate we accept. RFC 7301 (ALPN).
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { buildConnector } from 'undici'

export interface ConnectorOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  /** A Unix socket to connect to instead of the origin's host. */
  readonly socketPath?: string | undefined
  readonly connectTimeoutMs: number
  /** A PEM text that replaces the system's trust store. */
  readonly ca?: string | undefined
  /** The PEM texts of our client certificate. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** The name to ask for and to verify; without one it is the origin's host. */
  readonly serverName?: string | undefined
}

/** The protocol of a connection; `either` leaves the choice to the other end, and `isHttp2` then tells. */
type Speech = 'http1' | 'either'

/**
 * Rejects with an {@link Error} that has a `code` when the other end is not there, not in time or not who it should be.
 */
export type Connect = () => Promise<Socket>

export function connector(options: ConnectorOptions, speech: Speech): Connect {
  const { origin, connectTimeoutMs, socketPath, ca, cert, key, serverName } = options
  const { protocol, host, hostname, port } = new URL(origin)
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    allowH2: speech === 'either',
    preferH2: speech === 'either',
    rejectUnauthorized: true,
    ...(socketPath !== undefined && { socketPath }),
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { servername: serverName }),
  })
  const target = { host, hostname: hostname.replace(/^\[|\]$/g, ''), protocol, port }
  return () =>
    new Promise((resolve, reject) => {
      connect(target, (error, socket) => (error === null ? resolve(socket) : reject(error)))
    })
}

export function isHttp2(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.alpnProtocol === 'h2'
}
