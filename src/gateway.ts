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
import { randomUUID } from 'node:crypto'
import { METHODS, type Server } from 'node:http'
import type { Socket } from 'node:net'
import proxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import { challenge } from './challenge.ts'
import { Denial } from './errors.ts'
import { Exchange } from './exchange.ts'
import { forward } from './forward/forward.ts'
import { requestId } from './forward/request-id.ts'
import { decide } from './guard.ts'
import type { Clock } from './lib/clock.ts'
import type { PolicyStore } from './policy-store.ts'
import { REALM, refuse } from './refusal.ts'
import { answerBroken, brokenRequestCode, gatewayServer, type ServerOptions } from './server.ts'
import { recordExchange } from './telemetry/access.ts'
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

export async function gateway(deps: GatewayDeps): Promise<FastifyInstance> {
  const { policies, clock, metrics, log } = deps
  /** Requests under way on each connection. */
  const active = new WeakMap<Socket, Set<Exchange>>()
  const waitingForContinue = new WeakSet<object>()
  const forwardDeps = { monotonicMs: clock.monotonicMs, refuse }

  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    rewriteUrl: () => OPAQUE_URL,
    clientErrorHandler: (error, socket) => answerClientError(error, socket as Socket),
    serverFactory: (handler): Server => {
      const server = gatewayServer(deps.server, handler)
      server.prependListener('checkContinue', request => waitingForContinue.add(request))
      server.on('connect', (_request, socket) => answerMalformed(socket as Socket))
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
      requestId: requestId(raw.rawHeaders),
      startedMs: clock.monotonicMs(),
      expectsContinue: waitingForContinue.has(raw),
    })
    const exchanges = active.get(raw.socket)
    if (exchanges === undefined) active.set(raw.socket, new Set([exchange]))
    else exchanges.add(exchange)
    metrics.inFlight.inc()
    res.once('close', () => {
      active.get(raw.socket)?.delete(exchange)
      metrics.inFlight.dec()
      recordExchange(exchange, clock.monotonicMs(), metrics, log)
    })
    return exchange
  }

  function answerMalformed(socket: Socket): void {
    answerClientError(Object.assign(new Error('CONNECT'), { code: 'HPE_CONNECT' }), socket)
  }

  /** Bytes that are no request. An answer under way on the same connection must not be mixed with ours. */
  function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
    const code = brokenRequestCode(error)
    const [exchange, ...others] = active.get(socket) ?? []
    if (code === undefined || others.length > 0 || exchange?.res.headersSent === true) {
      socket.destroy()
      return
    }
    const denial = new Denial(code, { evidence: { reason: error.code } })
    if (exchange !== undefined) {
      if (exchange.cancel === undefined) refuse(exchange, denial)
      else exchange.cancel(denial)
      return
    }
    const id = randomUUID()
    metrics.unmatched.observe({
      method: '',
      code,
      status: denial.spec.status,
      durationSeconds: 0,
      overheadSeconds: 0,
      upstreamSeconds: undefined,
    })
    if (policies.current.accessLog !== 'off')
      log.warn({ request_id: id, code, status: denial.spec.status, evidence: denial.evidence }, 'request refused')
    answerBroken(socket, code, { requestId: id, challenge: challenge(code, { realm: REALM, scope: undefined }) })
  }

  return app
}
