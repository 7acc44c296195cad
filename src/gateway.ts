/**
 * The request path on one screen: receive → decide → act: forward, respond, read, judge or refuse.
 *
 * Only the matcher of the compiled policy decides, on what the client sent.
 *
 * Nearly every decision is there without waiting. Such a request is forwarded or refused immediately, past Fastify,
 * because Fastify's hooks and the proxy plugin would add a sixth to its cost and nothing else. A request whose decision
 * has to wait, for example for keys, goes through them: downstream/fastify-way.ts.
 */
import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { actor } from './acting.ts'
import { decide, letPageRead } from './decide.ts'
import type { Drain } from './downstream/drain.ts'
import { fastifyWay } from './downstream/fastify-way.ts'
import type { Http2Sessions } from './downstream/http2-sessions.ts'
import type { OverloadGate } from './downstream/overload.ts'
import { peerOf } from './downstream/peer.ts'
import { receiver } from './downstream/receive.ts'
import { requestLimit } from './downstream/request-limit.ts'
import type { ServerOptions } from './downstream/server.ts'
import { stalledPeers } from './downstream/stalled-peers.ts'
import { trafficServer } from './downstream/traffic-server.ts'
import { Denial } from './errors.ts'
import type { ClientRequest, ClientResponse, Exchange } from './exchange.ts'
import { forwardExchanged } from './forward/exchanged.ts'
import { bodyJudge } from './forward/judged-body.ts'
import { streams } from './forward/streams.ts'
import type { Clock } from './lib/clock.ts'
import type { MaybePromise } from './lib/maybe-promise.ts'
import type { Scheduler } from './lib/scheduler.ts'
import type { Decision, JudgedBody } from './policy.ts'
import type { PolicyStore } from './policy-store.ts'
import { brokenRequests } from './refusal/broken-request.ts'
import type { Revocations } from './revocation/revocations.ts'
import { accessRecord, type RefusalObserver } from './telemetry/access.ts'
import type { Audit } from './telemetry/audit/audit.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics/metrics.ts'
import { recordSpans } from './telemetry/traces/request-spans.ts'

interface GatewayOptions {
  readonly policies: PolicyStore
  readonly server: ServerOptions
  readonly drain: Drain
  readonly overload: OverloadGate
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly metrics: Metrics
  readonly revocations: Pick<Revocations, 'onChange'>
  /** What decisions are recorded by at present. */
  readonly audits: { readonly current: Audit | undefined }
  readonly log: Log
  /** Remembers what was refused; undefined where nobody asks for it. */
  readonly refusals?: RefusalObserver | undefined
}

export async function gateway(options: GatewayOptions): Promise<FastifyInstance> {
  const { policies, drain, overload, clock, metrics, revocations, audits, log } = options
  const record = accessRecord(metrics, log, clock, options.refusals)
  const { act, pass, refuse, gone } = actor({
    audits,
    onRefused: exchange => places.refused(exchange),
    onPassed: (exchange, route, body) => forwardExchanged(exchange, route, forwardDeps, body),
    judge,
  })
  const broken = brokenRequests({
    refuse,
    onRefused(denial, id, socket) {
      const policy = policies.current
      const client = policy.clientAddress({ peer: peerOf(socket), rawHeaders: [] })
      audits.current?.refusedBytes(id, denial, client)
      record.broken(denial, id, client, policy)
    },
  })
  const stalled = stalledPeers({ ...options, limitMs: () => policies.current.limits.bodyIdleTimeoutMs })
  const open = streams({ ...options, isRevoked: principal => policies.current.isRevoked?.(principal) === true })
  revocations.onChange(open.revocationsChanged)
  const judgedBody = bodyJudge(open, clock.monotonicMs)
  const places = requestLimit()
  const { begin, expectContinue } = receiver({
    policies,
    clock,
    // Each is called by name: a list of them would make every one of these calls dearer.
    onBegun(exchange) {
      broken.begun(exchange)
      drain.begun(exchange)
      metrics.inFlight.begun()
    },
    onEnded(exchange) {
      open.ended(exchange)
      broken.ended(exchange)
      drain.ended(exchange)
      places.ended(exchange)
      metrics.inFlight.ended()
      record.ended(exchange)
      if (exchange.streamEnd !== undefined) audits.current?.streamEnded(exchange, exchange.streamEnd)
      if (exchange.trace !== undefined) recordSpans(exchange, clock)
    },
  })
  const forwardDeps = {
    monotonicMs: clock.monotonicMs,
    scheduler: options.scheduler,
    streams: open,
    watchWrites: stalled.watch,
    isDraining: () => drain.isDraining,
    refuse,
  }
  let http2: Http2Sessions | undefined
  const way = await fastifyWay({ makeServer, act, refuse })
  // Node waits for the connections of tunnels when it closes the server, but does not close them itself.
  way.app.addHook('preClose', done => {
    open.closeAll('shutdown')
    // By the next turn of the event loop, what this tells clients has been written.
    setImmediate(() => {
      http2?.destroy()
      done()
    })
  })
  return way.app

  function receive(request: ClientRequest, response: ClientResponse): void {
    const exchange = begin(request, response)
    let decision: MaybePromise<Decision>
    let isAdmitted = false
    try {
      // The head is not judged yet, so this answer is the last of its connection.
      if (!overload.admits()) throw new Denial('overloaded')
      places.take(exchange)
      isAdmitted = true
      decision = decide(exchange.facts, exchange.policy, exchange.findings)
    } catch (error) {
      if (!isAdmitted) letPageRead(exchange.facts, exchange.policy, exchange.findings)
      refuse(exchange, error)
      return
    }
    if (decision instanceof Promise) way.take(exchange, decision)
    else act(exchange, decision)
  }

  /** Forwards the body that was judged, byte for byte, if it may pass. */
  function judge(exchange: Exchange, judged: JudgedBody): void {
    judgedBody(exchange, judged).then(
      ({ body, decision }) => {
        if (exchange.hasEnded) body.onTaken()
        else pass(exchange, decision.route, body)
      },
      (error: unknown) => gone(exchange, error),
    )
  }

  function makeServer(): Server {
    const { server, http2: sessions } = trafficServer({
      ...options,
      broken,
      expectContinue,
      watchWrites: stalled.watch,
      maxRequests: () => policies.current.limits.requests,
      onRequest: receive,
    })
    http2 = sessions
    return server
  }
}
