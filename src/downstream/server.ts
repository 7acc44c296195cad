/**
 * The server under Fastify, which speaks HTTP/1.1 and hands over what has agreed to HTTP/2: limits of the socket, and an answer for what never becomes a request.
 *
 * RFC 9112 (message framing). Node's defaults that do not suit a gateway are changed here and nowhere else: it would
 * answer `Expect` and a missing Host by itself, drop headers past a count, and end long uploads after five minutes.
 */
import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import { type TLSSocket, Server as TlsServer } from 'node:tls'
import { DENIALS, type DenialCode } from '../errors.ts'
import { problem } from '../refusal/challenge.ts'
import { HandshakeResponse, isHandshake } from './handshake.ts'

export interface ServerLimits {
  /** Bytes of a request head. */
  readonly headerBytes: number
  /** Time for a request head to arrive. */
  readonly headersTimeoutMs: number
  /** Connections open at once; more are closed as they come. */
  readonly connections: number
}

/** PEM texts. `clientCa` makes client certificates mandatory. */
export interface ServerTls {
  readonly cert: string
  readonly key: string
  readonly clientCa?: string
}

export interface ServerOptions {
  readonly limits: ServerLimits
  readonly tls?: ServerTls
}

/** By ALPN (RFC 7301), the one we prefer first. */
const PROTOCOLS = ['h2', 'http/1.1']
/** Longer than the idle timeout of common load balancers and meshes (60 s), so that it is they who close. */
export const KEEP_ALIVE_TIMEOUT_MS = 75_000
const TIMEOUT_CHECK_INTERVAL_MS = 1_000

export interface ServerHandlers {
  readonly onRequest: RequestListener
  /** Takes over a connection that speaks HTTP/2. */
  readonly onHttp2: (socket: Socket) => void
  /** Whether a request is under way on a connection. */
  readonly isBusy: (socket: Socket) => boolean
}

export function gatewayServer({ limits, tls }: ServerOptions, { onRequest, onHttp2, isBusy }: ServerHandlers): Server {
  const options = {
    maxHeaderSize: limits.headerBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A body has an idle timeout of its own; how long a whole upload takes is nobody's business.
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_INTERVAL_MS, limits.headersTimeoutMs),
    // Refused by ourselves, with a body that says so.
    requireHostHeader: false,
    // A request that asks for any other protocol is answered in this one; so is a handshake that does not wait its turn,
    // because what is still to be answered before it would end up within the tunnel.
    shouldUpgradeCallback: (request: IncomingMessage) => isHandshake(request) && !isBusy(request.socket),
    insecureHTTPParser: false,
    // A request without a body is over when its head is: nothing of it is left to wait for.
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
            ALPNProtocols: PROTOCOLS,
            handshakeTimeout: limits.headersTimeoutMs,
            ...(tls.clientCa !== undefined && { requestCert: true, rejectUnauthorized: true }),
          },
          onRequest,
        )
  if (server instanceof TlsServer) handOver(server, onHttp2)
  // Counted by ourselves: Node drops what is over the count without a word.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.on('checkContinue', onRequest).on('checkExpectation', onRequest)
  server.on('upgrade', (request, socket, head) =>
    onRequest(request, new HandshakeResponse(request, socket as Socket, head)),
  )
  return server
}

/** Node's own listener would read every connection as HTTP/1.1. */
function handOver(server: TlsServer, onHttp2: (socket: Socket) => void): void {
  const http1 = server.listeners('secureConnection')
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.alpnProtocol === 'h2') onHttp2(socket)
    else for (const listener of http1) listener.call(server, socket)
  })
}

/**
 * Puts other limits and certificates in force for connections to come; those that are open keep theirs, but for
 * `headersTimeoutMs`. Whether there is TLS, and whether clients must show a certificate, is decided once.
 *
 * @throws {Error} the certificate or its key cannot be used; nothing has changed
 */
export function changeServer(server: Server, { limits, tls }: ServerOptions): void {
  if (server instanceof TlsServer && tls !== undefined) server.setSecureContext(secureContext(tls))
  // Node reads all of these anew for each connection; the types know no more than the option of the first.
  Object.assign(server, { maxHeaderSize: limits.headerBytes })
  server.headersTimeout = limits.headersTimeoutMs
  server.maxConnections = limits.connections
}

function secureContext({ cert, key, clientCa }: ServerTls) {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa !== undefined && { ca: clientCa }) } as const
}

/**
 * What a failure below HTTP means, by the error of Node's parser or timer.
 *
 * @returns undefined when there is nobody left to answer
 */
export function brokenRequestCode(error: NodeJS.ErrnoException): DenialCode | undefined {
  switch (error.code) {
    case 'ECONNRESET':
    case 'EPIPE':
      return undefined
    case 'HPE_HEADER_OVERFLOW':
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'headers_too_large'
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout'
    default:
      return error.code?.startsWith('HPE_') === true ? 'request_malformed' : undefined
  }
}

/** Answers on a bare socket, where no request object exists, and closes it. */
export function answerBroken(
  socket: Socket,
  code: DenialCode,
  head: { requestId: string; challenge?: string | undefined },
): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = problem(code, head.requestId)
  const lines = [
    `HTTP/1.1 ${DENIALS[code].status} ${DENIALS[code].title}`,
    'content-type: application/problem+json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${head.requestId}`,
    ...(head.challenge === undefined ? [] : [`www-authenticate: ${head.challenge}`]),
    'connection: close',
  ]
  socket.end(`${lines.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy())
}
