/**
 * The request path on one screen: server → Fastify → guard → proxy, and the one place every failure ends in.
 *
 * Fastify sees one route and the same URL for every request (`rewriteUrl`), so nothing a client can spell reaches its
 * router, its body parsers or the proxy plugin's URL handling: the compiled policy's matcher is the only one that decides.
 *
 * @fastify/http-proxy is registered once and hands each request to our forwarder through its `handler` option, instead of
 * `reply.from` with a dispatcher of our own: that way it copies no headers and builds no URL from what the client sent,
 * and its advisories about paths and headers have nothing to act on.
 */
import { METHODS, type Server } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import proxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import { brokenRequests } from './broken-request.ts'
import { Exchange } from './exchange.ts'
import { forward } from './forward/forward.ts'
import { ClientGone } from './forward/request-body.ts'
import { requestId } from './forward/request-id.ts'
import { decide } from './guard.ts'
import type { Clock } from './lib/clock.ts'
import type { PolicyStore } from './policy-store.ts'
import { refuse } from './refusal.ts'
import { gatewayServer, type ServerOptions } from './server.ts'
import { recordBroken, recordExchange } from './telemetry/access.ts'
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
  readonly clock: Clock
  readonly metrics: Metrics
  readonly log: Log
}

/** The only URL that Fastify and the plugin ever see. */
const OPAQUE_URL = '/'
/** CONNECT (RFC 9110 §9.3.6) asks for a tunnel past the policy. */
const TUNNEL_REFUSED = Object.assign(new Error('CONNECT'), { code: 'HPE_CONNECT' })

export async function gateway(deps: GatewayDeps): Promise<FastifyInstance> {
  const { policies, clock, metrics, log } = deps
  const broken = brokenRequests({ onRefused: (denial, id) => recordBroken(denial, id, policies.current, metrics, log) })
  const waitingForContinue = new WeakSet<object>()
  const forwardDeps = { monotonicMs: clock.monotonicMs, refuse }

  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    rewriteUrl: () => OPAQUE_URL,
    clientErrorHandler: (error, socket) => broken.answer(error, socket as Socket),
    serverFactory: (handler): Server => {
      const server = gatewayServer(deps.server, handler)
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

  app.addHook('onRequest', (request, reply, next) => {
    // The last answer of this connection has been sent: what a client put behind it is never executed.
    if (request.socket.writableEnded) {
      reply.hijack()
      request.socket.destroy()
      return
    }
    const exchange = begin(request.raw, reply.raw)
    request.exchange = exchange
    const fail = (error: unknown): void => {
      reply.hijack()
      refuse(exchange, error)
    }
    try {
      const decision = decide(exchange)
      if (decision instanceof Promise) decision.then(() => next(), fail)
      else next()
    } catch (error) {
      fail(error)
    }
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

  function begin(raw: Exchange['raw'], res: Exchange['res']): Exchange {
    const exchange = new Exchange({
      raw,
      res,
      policy: policies.current,
      target: (raw as { originalUrl?: string }).originalUrl ?? '',
      peer: { address: raw.socket.remoteAddress, protocol: raw.socket instanceof TLSSocket ? 'https' : 'http' },
      requestId: requestId(raw.rawHeaders),
      startedMs: clock.monotonicMs(),
      expectsContinue: waitingForContinue.has(raw),
    })
    broken.begun(exchange)
    metrics.inFlight.inc()
    res.on('close', () => {
      if (!res.writableFinished) exchange.cancel?.(new ClientGone('the client closed its connection'))
      broken.ended(exchange)
      metrics.inFlight.dec()
      recordExchange(exchange, clock.monotonicMs(), metrics, log)
    })
    return exchange
  }

  return app
}
