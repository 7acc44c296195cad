/**
 * The way through Fastify and its proxy plugin, which a request takes whose decision has to wait, for example for keys.
 *
 * Fastify sees one route and the same URL for every request (`rewriteUrl`), so nothing that a client can spell reaches
 * its router, its body parsers or the URL handling of the plugin.
 *
 * The plugin (@fastify/http-proxy) is registered once, and its `handler` option hands each request back to us. With
 * `reply.from` and a dispatcher of our own it would copy headers, and build a URL from what the client sent, so that
 * its advisories about paths and headers would concern us.
 */
import { type IncomingMessage, METHODS, type RequestListener, type Server, type ServerResponse } from 'node:http'
import proxy from '@fastify/http-proxy'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Exchange } from '../exchange.ts'
import type { Decision } from '../policy.ts'

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange
    decision: Decision
  }
}

interface FastifyWayOptions {
  /** Makes the server, of which Fastify only opens and closes the listener. */
  readonly makeServer: () => Server
  /** Called when the decision is there, unless nobody waits for an answer any more. */
  readonly act: (exchange: Exchange, decision: Decision) => void
  /** Called when there is no decision: with the refusal, or with a bug. */
  readonly refuse: (exchange: Exchange, error: unknown) => void
}

interface FastifyWay {
  readonly app: FastifyInstance
  /** Takes a request to where its decision is acted upon, or to its refusal. */
  take(exchange: Exchange, decision: Promise<Decision>): void
}

interface WaitingRequest {
  readonly exchange: Exchange
  readonly decision: Promise<Decision>
}

/** The only URL that Fastify and the plugin ever see. */
const OPAQUE_URL = '/'

export async function fastifyWay({ makeServer, act, refuse }: FastifyWayOptions): Promise<FastifyWay> {
  const waiting = new WeakMap<object, WaitingRequest>()
  let enter: RequestListener = () => {}

  const app = Fastify({
    logger: false,
    exposeHeadRoutes: false,
    rewriteUrl: () => OPAQUE_URL,
    // The server has its own.
    clientErrorHandler: () => {},
    serverFactory(listener) {
      enter = listener
      return makeServer()
    },
  })
  // Fastify is told that no method has a body, so that it neither parses nor refuses one.
  for (const method of METHODS) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  app.decorateRequest('exchange')
  app.decorateRequest('decision')
  app.setErrorHandler((error, { exchange }, reply) => {
    reply.hijack()
    refuse(exchange, error)
  })
  app.addHook('onRequest', (request, _reply, next) => {
    const found = waiting.get(request.raw)
    if (found === undefined) throw new Error('a request came past the receiver')
    waiting.delete(request.raw)
    request.exchange = found.exchange
    found.decision.then(decision => {
      request.decision = decision
      next()
    }, next)
  })
  await app.register(proxy, {
    upstream: '',
    httpMethods: METHODS,
    proxyPayloads: false,
    routes: [OPAQUE_URL],
    replyOptions: { getUpstream: () => 'http://upstream.invalid' },
    handler: ({ exchange, decision }, reply) => {
      reply.hijack()
      if (!exchange.hasEnded) act(exchange, decision)
    },
  })
  return { app, take }

  function take(exchange: Exchange, decision: Promise<Decision>): void {
    const { request, response } = exchange
    waiting.set(request, { exchange, decision })
    // Http2Request and Http2Response have the members that Fastify reads.
    enter(request as unknown as IncomingMessage, response as unknown as ServerResponse)
    // Attack: for a method that its router does not know, Fastify calls no hook. Then nobody would wait for the
    // decision, and one that is a refusal would end the process.
    if (waiting.delete(request)) leave(exchange, decision)
  }

  /** Ends a request that Fastify has not taken, unless it has answered that itself, as it does while it closes. */
  function leave(exchange: Exchange, decision: Promise<Decision>): void {
    decision.catch(() => {})
    if (!exchange.response.headersSent) refuse(exchange, new Error('a request was not taken by Fastify'))
  }
}
