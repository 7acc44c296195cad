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
 * A request that is decided at once, which is nearly every one, is forwarded or refused at once: Fastify's hooks and the
 * plugin would add a sixth to its cost and nothing else. What has to wait for keys goes through them.
 */
import { type IncomingMessage, METHODS, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket, Server as TlsServer } from 'node:tls'
import proxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import { decide } from './decide.ts'
import type { Drain } from './downstream/drain.ts'
import { Http2Request } from './downstream/http2-request.ts'
import { type Http2Sessions, http2Sessions } from './downstream/http2-sessions.ts'
import type { OverloadGate } from './downstream/overload.ts'
import { requestId } from './downstream/request-id.ts'
import { gatewayServer, KEEP_ALIVE_TIMEOUT_MS, type ServerOptions } from './downstream/server.ts'
import { PeerStalled, stalledPeers } from './downstream/stalled-peers.ts'
import { Denial } from './errors.ts'
import { type ClientRequest, type ClientResponse, Exchange } from './exchange.ts'
import { forward } from './forward/forward.ts'
import { ClientGone } from './forward/request-body.ts'
import { streams } from './forward/streams.ts'
import type { Clock } from './lib/clock.ts'
import type { Scheduler } from './lib/scheduler.ts'
import type { Route } from './policy.ts'
import type { PolicyStore } from './policy-store.ts'
import { brokenRequests } from './refusal/broken-request.ts'
import { refuse } from './refusal/refuse.ts'
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
  const waiting = new WeakMap<object, { exchange: Exchange; decision: Promise<unknown> }>()
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

  let http2: Http2Sessions | undefined

  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    rewriteUrl: () => OPAQUE_URL,
    clientErrorHandler: (error, socket) => broken.answer(error, socket as Socket),
    serverFactory: (handler): Server => {
      const receive = receiver(handler)
      http2 = http2Sessions({
        ...deps,
        headersTimeoutMs: () => server.headersTimeout,
        keepAliveTimeoutMs: KEEP_ALIVE_TIMEOUT_MS,
        isDraining: () => drain.isDraining,
        onRequest: drain.gate((request, response) => {
          stalled.watch(request.stream)
          if (request.rawHeaders.includes('expect')) waitingForContinue.add(request)
          receive(request, response)
        }),
      })
      drain.addHttp2(http2)
      const server = gatewayServer(deps.server, {
        onRequest: drain.gate((request, response) => {
          // The last answer of this connection has been sent: what a client put behind it is never executed.
          if (request.socket.writableEnded) request.socket.destroy()
          else receive(request, response)
        }),
        onHttp2: http2.adopt,
        isBusy: broken.isBusy,
      })
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
      if (exchange.route !== undefined && !exchange.hasEnded) forward(exchange, exchange.route, forwardDeps)
    },
  })

  // Node counts a tunnel's connection among the open ones, but does not close it with them.
  app.addHook('preClose', done => {
    open.closeAll('shutdown')
    // What was said by that is on its way then.
    setImmediate(() => {
      http2?.destroy()
      done()
    })
  })

  function receiver(fastify: RequestListener): (raw: ClientRequest, res: ClientResponse) => void {
    return (raw, res) => {
      const exchange = begin(raw, res)
      // Before the head is judged, hence the last of its connection; and past Fastify, which would cost more.
      if (!overload.admits()) {
        refuse(exchange, new Denial('overloaded', { retryAfterSeconds: OVERLOAD_RETRY_SECONDS }))
        return
      }
      let decision: Route | Promise<Route>
      try {
        decision = decide(exchange)
      } catch (error) {
        refuse(exchange, error)
        return
      }
      if (!(decision instanceof Promise)) {
        forward(exchange, decision, forwardDeps)
        return
      }
      waiting.set(raw, { exchange, decision })
      // Over HTTP/2 they have what Fastify looks at.
      fastify(raw as IncomingMessage, res as ServerResponse)
    }
  }

  function begin(raw: ClientRequest, res: ClientResponse): Exchange {
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
      exchange.hasEnded = true
      if (!res.writableFinished) {
        exchange.forwarding?.cancel(new ClientGone('the client closed its connection'))
        const { errored } = raw instanceof Http2Request ? raw.stream : raw.socket
        if (errored instanceof PeerStalled) exchange.streamEnd = 'stalled'
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
