/**
 * Makes the server under Fastify: it speaks HTTP/1.1 within limits, and hands over connections that speak HTTP/2.
 *
 * RFC 9112 (message framing), RFC 9113 §3.2 (over TLS both sides agree on HTTP/2), §3.3 (without TLS a client that
 * knows of it begins with it). Those of Node's defaults that do not suit a gateway are changed here: Node would answer
 * `Expect` and a missing Host by itself, drop header lines past a count, and end long uploads after five minutes.
 */
import { constants } from 'node:crypto'
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { Server as TlsServer } from 'node:tls'
import { ALPN_PROTOCOLS, handOverHttp2 } from '../node/alpn.ts'
import { readOnBehind } from '../node/ignored-offer.ts'
import { handOverPreface, Preface } from '../node/preface.ts'
import { setMaxHeaderSize } from '../node/server-limits.ts'
import { HandshakeResponse, isHandshake } from './handshake.ts'
import { Http1Request } from './http1-request.ts'
import { Http1Response } from './http1-response.ts'
import { keepPeer } from './peer.ts'

interface ServerLimits {
  /** Bytes of a request head. */
  readonly headerBytes: number
  /** Time for a request head to arrive. */
  readonly headersTimeoutMs: number
  /** Connections open at once; more are closed as they come. */
  readonly connections: number
}

/** PEM texts, and what clients have to show. */
interface ServerTls {
  readonly cert: string
  readonly key: string
  readonly clientCa?: string
  /**
   * What is asked of clients in the handshake; undefined: nothing.
   * - `required`: a certificate that `clientCa` signed
   * - `optional`: a certificate, if they have one; with `clientCa` others than its own count for nothing
   * - `any`: a certificate, if they have one, whoever signed it
   */
  readonly clientCertificate?: 'required' | 'optional' | 'any'
}

export interface ServerOptions {
  readonly limits: ServerLimits
  readonly tls?: ServerTls
}

/** Longer than the idle timeout of common load balancers and meshes (60 s), so that it is they who close. */
export const KEEP_ALIVE_TIMEOUT_MS = 75_000
const TIMEOUT_CHECK_INTERVAL_MS = 1_000

interface ServerHandlers {
  readonly onRequest: (request: Http1Request, response: Http1Response) => void
  /** Takes over a connection that speaks HTTP/2. */
  readonly onHttp2: (socket: Socket) => void
  /** Takes what a client has sent that is no request, or has not sent in time, as Node's `clientError` gives it. */
  readonly onBroken: (error: Error, socket: Socket) => void
  /** Whether a request is under way on a connection. */
  readonly isBusy: (socket: Socket) => boolean
}

export function gatewayServer(
  { limits, tls }: ServerOptions,
  { onRequest, onHttp2, onBroken, isBusy }: ServerHandlers,
): Server {
  const options = {
    IncomingMessage: Http1Request,
    ServerResponse: Http1Response,
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A body has an idle timeout of its own, and a whole upload may take as long as it likes.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_INTERVAL_MS, limits.headersTimeoutMs),
    // The gateway itself refuses a request without Host, with a body that says so.
    requireHostHeader: false,
    // A request that asks for any other protocol is answered in this one. So is a handshake that comes while an earlier
    // request is under way, because the answer to that one would end up within the tunnel.
    shouldUpgradeCallback: (request: IncomingMessage) => {
      if (isHandshake(request) && !isBusy(request.socket)) return true
      readOnBehind(request)
      return false
    },
    insecureHTTPParser: false,
    // A request without a body has arrived in full with its head, so there is nothing left to wait for.
    optimizeEmptyRequests: true,
    noDelay: true,
  }
  const server =
    tls === undefined
      ? createHttpServer(options, onRequest)
      : createHttpsServer(
          {
            ...options,
            ...secureContext(tls),
            ALPNProtocols: ALPN_PROTOCOLS,
            handshakeTimeout: limits.headersTimeoutMs,
            requestCert: tls.clientCertificate !== undefined,
            rejectUnauthorized: tls.clientCertificate === 'required',
          },
          onRequest,
        )
  if (server instanceof TlsServer) {
    handOverHttp2(server, onHttp2)
    if (tls?.clientCertificate !== undefined) {
      const counts = tls.clientCa === undefined ? 'any' : 'authorized'
      server.prependListener('secureConnection', socket => keepPeer(socket, counts))
    }
  }
  // The gateway counts header lines itself, because Node silently drops those that are over the count.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.on('checkContinue', onRequest).on('checkExpectation', onRequest)
  server.on('clientError', (error, duplex) => {
    const socket = duplex as Socket
    if (!handOverPreface(error, socket)) onBroken(error, socket)
  })
  server.on('upgrade', (request: Http1Request | Preface, duplex, head) => {
    const socket = duplex as Socket
    if (request instanceof Preface) {
      request.restore(socket)
      onHttp2(socket)
    } else onRequest(request, new HandshakeResponse(request, socket, head))
  })
  return server
}

/** The event that brings each connection on which requests may come: over TLS, one whose handshake is over. */
export function connectionEvent(server: Server): 'connection' | 'secureConnection' {
  return server instanceof TlsServer ? 'secureConnection' : 'connection'
}

/**
 * Puts other limits and certificates in force for connections to come. Open connections keep theirs, except for
 * `headersTimeoutMs`. Whether there is TLS, and whether clients must show a certificate, cannot be changed.
 *
 * @throws {Error} the certificate or its key cannot be used; nothing has changed
 */
export function changeServer(server: Server, { limits, tls }: ServerOptions): void {
  if (server instanceof TlsServer && tls !== undefined) server.setSecureContext(secureContext(tls))
  setMaxHeaderSize(server, limits.headerBytes)
  server.headersTimeout = limits.headersTimeoutMs
  server.maxConnections = limits.connections
}

/**
 * A client cannot change its certificate on a connection: TLS 1.2 is the last version with renegotiation, and it is
 * off, as is authentication after the handshake in TLS 1.3, which Node never asks for.
 */
function secureContext({ cert, key, clientCa }: ServerTls) {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ...(clientCa !== undefined && { ca: clientCa }),
  } as const
}
