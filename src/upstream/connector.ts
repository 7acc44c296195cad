/**
 * Opens connections to one upstream: TCP or a Unix socket, and TLS where the origin says so.
 *
 * Certificates are always verified; there is no switch to turn that off. The name to ask for and to verify comes from
 * the configuration and never from the `Host` of a request, or whoever sends one would choose which certificate we
 * accept. RFC 7301 (ALPN), RFC 6066 §3 (an address is no server name), RFC 8446 §2.2 (resumption).
 */
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from 'node:net'
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls'
import type { Scheduler } from '../lib/scheduler.ts'
import { UpstreamFailure } from './failure.ts'

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

/** After so long a silence, TCP asks whether the other end is still there. */
const KEEP_ALIVE_DELAY_MS = 60_000

export function connector(options: ConnectorOptions, speech: Speech, scheduler: Scheduler): Connect {
  const { connectTimeoutMs } = options
  const open = options.origin.startsWith('https:') ? tlsOpener(options, speech) : tcpOpener(options)
  return () =>
    new Promise((resolve, reject) => {
      // What it throws, about a certificate that cannot be read, rejects.
      const { socket, readyEvent } = open()
      const cancelTimeout = scheduler.after(connectTimeoutMs, () =>
        socket.destroy(new UpstreamFailure('CONNECT_TIMEOUT', 'no connection in time')),
      )
      const onError = (error: Error): void => {
        cancelTimeout()
        reject(error)
      }
      // A close without an error would leave everybody waiting.
      const onClose = (): void => onError(new UpstreamFailure('ANSWER_CUT', 'closed before it was connected'))
      socket
        // Until somebody else listens, an error would end the process.
        .on('error', () => {})
        .once('error', onError)
        .once('close', onClose)
        .once(readyEvent, () => {
          cancelTimeout()
          socket.off('error', onError).off('close', onClose)
          resolve(socket)
        })
    })
}

export function isHttp2(socket: Socket): boolean {
  return 'alpnProtocol' in socket && socket.alpnProtocol === 'h2'
}

interface Opening {
  readonly socket: Socket
  readonly readyEvent: 'connect' | 'secureConnect'
}

function tcpOpener(options: ConnectorOptions): () => Opening {
  const target = targetOf(options)
  return () => ({ socket: connectTcp(target), readyEvent: 'connect' })
}

function tlsOpener(options: ConnectorOptions, speech: Speech): () => Opening {
  const { ca, cert, key, serverName } = options
  const target = targetOf(options)
  const host = hostOf(options.origin).host
  const settings = {
    ...target,
    servername: serverName ?? (isIP(host) === 0 ? host : ''),
    ALPNProtocols: speech === 'either' ? ['h2', 'http/1.1'] : ['http/1.1'],
    rejectUnauthorized: true,
  }
  /** To read the certificates costs more than the handshake, so it is done once, with the first connection. */
  let secureContext: SecureContext | undefined
  /** The service's latest ticket saves the next connection half of the handshake. */
  let session: Buffer | undefined
  return () => {
    secureContext ??= createSecureContext({ ca, cert, key })
    const socket = connectTls({ ...settings, secureContext, ...(session !== undefined && { session }) })
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
    socket.on('session', latest => {
      session = latest
    })
    socket.once('error', () => {
      session = undefined
    })
    return { socket, readyEvent: 'secureConnect' }
  }
}

function targetOf(options: ConnectorOptions): { readonly path: string } | TcpNetConnectOpts {
  if (options.socketPath !== undefined) return { path: options.socketPath }
  return { ...hostOf(options.origin), noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS }
}

/** @param origin `http://host:port` or `https://host:port`, an address of IPv6 in brackets */
export function hostOf(origin: string): { readonly host: string; readonly port: number } {
  const { protocol, hostname, port } = new URL(origin)
  const defaultPort = protocol === 'https:' ? 443 : 80
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? defaultPort : Number(port) }
}
