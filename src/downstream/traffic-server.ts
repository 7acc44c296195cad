/**
 * Makes the server of the traffic: one port for connections of HTTP/1.1 and of HTTP/2, and one listener for all their
 * requests. What comes before a request is dealt with here: drains, resets, stalled clients and `Expect`.
 */
import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ClientRequest, ClientResponse } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { burst } from './burst.ts'
import type { Drain } from './drain.ts'
import { type Http2Sessions, http2Sessions } from './http2-sessions.ts'
import { resetConnections } from './peer.ts'
import { connectionEvent, gatewayServer, KEEP_ALIVE_TIMEOUT_MS, type ServerOptions } from './server.ts'

interface TrafficServerOptions {
  readonly server: ServerOptions
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly drain: Drain
  /** Deals with what is no request. */
  readonly broken: {
    answer(error: Error, socket: Socket): void
    isBusy(socket: Socket): boolean
    refuseTunnel(request: Pick<IncomingMessage, 'socket'>, tunnel: Duplex): void
  }
  /** Watches whether a client takes what it is sent, on each connection and each stream of HTTP/2. */
  readonly watchWrites: (socket: Duplex) => void
  /** Told of each request whose client waits for `100 Continue`. */
  readonly expectContinue: (request: object) => void
  /** Most requests under way at once (`limits.requests`). */
  readonly maxRequests: () => number
  readonly onRequest: (request: ClientRequest, response: ClientResponse) => void
}

interface TrafficServer {
  readonly server: Server
  readonly http2: Http2Sessions
}

export function trafficServer(options: TrafficServerOptions): TrafficServer {
  const { drain, broken, watchWrites, expectContinue, onRequest } = options
  const arrivals = burst(options.clock)
  const server = gatewayServer(options.server, {
    onRequest: arrivals.gate(
      drain.gate((request, response) => {
        // When the last answer of a connection has been sent, no request that a client put behind it is executed.
        if (request.socket.writableEnded || isReset(request.socket)) request.socket.destroy()
        else onRequest(request, response)
      }),
    ),
    onHttp2: socket => http2.adopt(socket),
    onBroken: broken.answer,
    isBusy: broken.isBusy,
  })
  const isReset = resetConnections(server)
  const http2 = http2Sessions({
    clock: options.clock,
    scheduler: options.scheduler,
    headersTimeoutMs: () => server.headersTimeout,
    keepAliveTimeoutMs: KEEP_ALIVE_TIMEOUT_MS,
    maxRequests: options.maxRequests,
    isDraining: () => drain.isDraining,
    onRequest: arrivals.gate(
      drain.gate((request, response) => {
        if (isReset(request.socket)) {
          request.socket.destroy()
          return
        }
        watchWrites(request.stream)
        if (request.rawHeaders.includes('expect')) expectContinue(request)
        onRequest(request, response)
      }),
    ),
  })
  drain.addHttp2(http2)
  drain.add(server)
  arrivals.add(server)
  server.on(connectionEvent(server), watchWrites)
  server.prependListener('checkContinue', expectContinue)
  server.on('connect', broken.refuseTunnel)
  return { server, http2 }
}
