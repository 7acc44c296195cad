/**
 * The request path on one screen: server → Fastify → guard → proxy, and the one place every failure ends in.
 *
 * Fastify sees one route and the same URL for every request (`rewriteUrl`), so nothing a client can spell reaches its
 * router, its body parsers or the proxy plugin's URL handling: the compiled policy's matcher is the only one that decides.
 *
 * @fastify/http-proxy is registered once and hands each request to our forwarder through its `handler` option, instead of
 * `reply.from` with a dispatcher of our own: that way it copies no headers and builds no URL from what the client sent,
 * and its advisories about paths and headers have nothing to act on.
 *
 * A request that is decided at once and may pass, which is nearly every one, is forwarded at once: Fastify's hooks and
 * the plugin would add a sixth to its cost and nothing else. What has to wait for keys, or is refused, goes through them.
 */
import { type IncomingMessage, METHODS, type RequestListener, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket, Server as TlsServer } from 'node:tls'
import proxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import { brokenRequests } from './broken-request.ts'
import type { Drain } from './drain.ts'
import { Denial } from './errors.ts'
import { Exchange } from './exchange.ts'
import { forward } from './forward/forward.ts'
import { ClientGone } from './forward/request-body.ts'
import { requestId } from './forward/request-id.ts'
import { decide } from './guard.ts'
import type { Clock } from './lib/clock.ts'
import type { Scheduler } from './lib/scheduler.ts'
import type { OverloadGate } from './overload.ts'
import type { PolicyStore } from './policy-store.ts'
import { refuse } from './refusal.ts'
import { gatewayServer, type ServerOptions } from './server.ts'
import { PeerStalled, stalledPeers } from './stalled-peers.ts'
import { streams } from './streams.ts'
import { accessRecord } from './telemetry/access.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics.ts'

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange
  }
}

export interface GatewayDeps {
  readonly policies: PolicyStore
  readonly server: ServerOptions
  readonly drain: Drain
  readonly overload: OverloadGate
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly metrics: Metrics
  readonly log: Log
}

/** The only URL that Fastify and the plugin ever see. */
const OPAQUE_URL = '/'
/** Overload is over in moments, or another instance is free. */
const OVERLOAD_RETRY_SECONDS = 1
/** CONNECT (RFC 9110 §9.3.6) asks for a tunnel past the policy. */
const TUNNEL_REFUSED = Object.assign(new Error('CONNECT'), { code: 'HPE_CONNECT' })

export async function gateway(deps: GatewayDeps): Promise<FastifyInstance> {
  const { policies, drain, overload, clock, metrics, log } = deps
  const record = accessRecord(metrics, log)
  const broken = brokenRequests({ onRefused: (denial, id) => record.broken(denial, id, policies.current) })
  const waitingForContinue = new WeakSet<object>()
  const waiting = new WeakMap<IncomingMessage, { exchange: Exchange; decision: Promise<unknown> }>()
  const stalled = stalledPeers({ ...deps, limitMs: () => policies.current.limits.bodyIdleTimeoutMs })
  const open = streams(deps)
  const forwardDeps = {
    monotonicMs: clock.monotonicMs,
    scheduler: deps.scheduler,
    streams: open,
    watchWrites: stalled.watch,
    isDraining: () => drain.isDraining,
    refuse,
  }

  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    rewriteUrl: () => OPAQUE_URL,
    clientErrorHandler: (error, socket) => broken.answer(error, socket as Socket),
    serverFactory: (handler): Server => {
      const server = gatewayServer(deps.server, drain.gate(receiver(handler)), broken.isBusy)
      server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', stalled.watch)
      drain.add(server)
      server.prependListener('checkContinue', request => waitingForContinue.add(request))
      server.on('connect', (_request, socket) => broken.answer(TUNNEL_REFUSED, socket as Socket))
      return server
    },
  })
  // Any method, and none with a body as far as Fastify is concerned: it must neither parse nor refuse one.
  for (const method of METHODS) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  app.decorateRequest('exchange')
  app.setErrorHandler((error, request, reply) => {
    reply.hijack()
    refuse(request.exchange, error)
  })

  app.addHook('onRequest', (request, _reply, next) => {
    const undecided = waiting.get(request.raw)
    if (undecided === undefined) throw new Error('a request came past the receiver')
    request.exchange = undecided.exchange
    undecided.decision.then(() => next(), next)
  })

  await app.register(proxy, {
    upstream: '',
    httpMethods: METHODS,
    proxyPayloads: false,
    routes: [OPAQUE_URL],
    replyOptions: { getUpstream: () => 'http://upstream.invalid' },
    handler: (request, reply) => {
      reply.hijack()
      const { exchange } = request
      if (exchange.route !== undefined) forward(exchange, exchange.route, forwardDeps)
    },
  })

  // Node counts a tunnel's connection among the open ones, but does not close it with them.
  app.addHook('preClose', done => {
    open.closeAll('shutdown')
    done()
  })

  function receiver(fastify: RequestListener): RequestListener {
    return (raw, res) => {
      // The last answer of this connection has been sent: what a client put behind it is never executed.
      if (raw.socket.writableEnded) {
        raw.socket.destroy()
        return
      }
      const exchange = begin(raw, res)
      // Before the head is judged, hence the last of its connection; and past Fastify, which would cost more.
      if (!overload.admits()) {
        refuse(exchange, new Denial('overloaded', { retryAfterSeconds: OVERLOAD_RETRY_SECONDS }))
        return
      }
      let decision: Promise<unknown>
      try {
        const route = decide(exchange)
        if (!(route instanceof Promise)) {
          forward(exchange, route, forwardDeps)
          return
        }
        decision = route
      } catch (error) {
        decision = Promise.reject(error)
      }
      waiting.set(raw, { exchange, decision })
      fastify(raw, res)
    }
  }

  function begin(raw: Exchange['raw'], res: Exchange['res']): Exchange {
    const exchange = new Exchange({
      raw,
      res,
      policy: policies.current,
      target: raw.url ?? '',
      peer: { address: raw.socket.remoteAddress, protocol: raw.socket instanceof TLSSocket ? 'https' : 'http' },
      requestId: requestId(raw.rawHeaders),
      startedMs: clock.monotonicMs(),
      expectsContinue: waitingForContinue.has(raw),
    })
    broken.begun(exchange)
    drain.enter(exchange)
    metrics.inFlight.inc()
    res.on('close', () => {
      if (!res.writableFinished) {
        exchange.cancel?.(new ClientGone('the client closed its connection'))
        if (raw.socket.errored instanceof PeerStalled) exchange.streamEnd = 'stalled'
      }
      open.ended(exchange)
      broken.ended(exchange)
      drain.leave(exchange)
      metrics.inFlight.dec()
      record.ended(exchange, clock.monotonicMs())
    })
    return exchange
  }

  return app
}
