/**
 * The listener that other proxies ask, on one screen: receive → decide → say yes or no.
 *
 * It is the gateway's sibling. What is decided, noted, counted and recorded is the same; a request that may pass is
 * forwarded by whoever asked. It never forwards, and never reads a body.
 */
import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { actor } from './acting.ts'
import { decide, letPageRead } from './decide.ts'
import { askedFacts } from './decision/asked-facts.ts'
import type { Caller } from './decision/callers.ts'
import { decidedPolicies } from './decision/decided-policy.ts'
import { preflightFor, refusalFor } from './decision/no.ts'
import { uncleared } from './decision/uncleared.ts'
import { YES, yesLines } from './decision/yes.ts'
import type { TrustedProxies } from './downstream/client-address.ts'
import type { Drain } from './downstream/drain.ts'
import { fastifyWay } from './downstream/fastify-way.ts'
import type { Http2Sessions } from './downstream/http2-sessions.ts'
import type { OverloadGate } from './downstream/overload.ts'
import { peerOf } from './downstream/peer.ts'
import { receiver } from './downstream/receive.ts'
import { requestLimit } from './downstream/request-limit.ts'
import { respond } from './downstream/respond.ts'
import type { ServerOptions } from './downstream/server.ts'
import { stalledPeers } from './downstream/stalled-peers.ts'
import { trafficServer } from './downstream/traffic-server.ts'
import { Denial } from './errors.ts'
import type { ClientRequest, ClientResponse, Exchange } from './exchange.ts'
import type { Clock } from './lib/clock.ts'
import type { MaybePromise } from './lib/maybe-promise.ts'
import type { Scheduler } from './lib/scheduler.ts'
import type { Decision } from './policy.ts'
import type { PolicyStore } from './policy-store.ts'
import { brokenRequests } from './refusal/broken-request.ts'
import { accessRecord, type RefusalObserver } from './telemetry/access.ts'
import type { Audit } from './telemetry/audit/audit.ts'
import type { Log } from './telemetry/log.ts'
import type { Metrics } from './telemetry/metrics/metrics.ts'
import { recordSpans } from './telemetry/traces/request-spans.ts'

interface DecisionsOptions {
  readonly caller: Caller
  /** Who may ask. */
  readonly trusts: TrustedProxies
  readonly policies: PolicyStore
  readonly server: ServerOptions
  readonly drain: Drain
  readonly overload: OverloadGate
  readonly clock: Clock
  readonly scheduler: Scheduler
  readonly metrics: Metrics
  /** What decisions are recorded by at present. */
  readonly audits: { readonly current: Audit | undefined }
  readonly log: Log
  /** Remembers what was refused; undefined where nobody asks for it. */
  readonly refusals?: RefusalObserver | undefined
}

export async function decisions(options: DecisionsOptions): Promise<FastifyInstance> {
  const { caller, policies, drain, overload, clock, metrics, audits, log } = options
  const record = accessRecord(metrics, log, clock, options.refusals)
  const asked = askedFacts(caller, options.trusts)
  const policyFor = decidedPolicies()
  const { act, refuse } = actor({
    audits,
    onRefused(exchange) {
      places.refused(exchange)
      if (!exchange.response.headersSent) metrics.decided('deny')
    },
    onPassed: exchange => letPass(exchange),
    judge(exchange) {
      refuse(exchange, new Error('a body would have to be judged, which the policy of this listener has no route for'))
    },
    respond(exchange, answer) {
      metrics.decided('preflight')
      respond(exchange, preflightFor(caller, answer))
    },
    refusal: refusalFor(caller),
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
  const places = requestLimit()
  const { begin, expectContinue } = receiver({
    policies: {
      get current() {
        return policyFor(policies.current)
      },
    },
    clock,
    onBegun(exchange) {
      broken.begun(exchange)
      drain.begun(exchange)
      metrics.inFlight.begun()
    },
    onEnded(exchange) {
      broken.ended(exchange)
      drain.ended(exchange)
      places.ended(exchange)
      metrics.inFlight.ended()
      record.ended(exchange)
      if (exchange.trace !== undefined) recordSpans(exchange, clock)
    },
  })
  let http2: Http2Sessions | undefined
  metrics.initDecisions(caller)
  const way = await fastifyWay({ makeServer, act, refuse })
  way.app.addHook('preClose', done => {
    http2?.destroy()
    done()
  })
  return way.app

  function receive(request: ClientRequest, response: ClientResponse): void {
    const { facts, refusal: unsaid } = asked(request.facts())
    const exchange = begin(request, response, facts)
    const refusal = unsaid ?? uncleared(caller, facts, exchange.policy)
    if (refusal !== undefined) {
      refuse(exchange, refusal)
      return
    }
    let decision: MaybePromise<Decision>
    let isAdmitted = false
    try {
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

  function letPass(exchange: Exchange): void {
    const { request, response, findings } = exchange
    const lines = yesLines(caller, exchange)
    metrics.decided('allow')
    request.dropRest()
    // Nobody looks at what follows the rest of this request, so its connection carries no other one.
    if (!request.complete && findings.bodyBytes !== 0) lines.push('Connection', 'close')
    response.sendHead(YES, lines)
    response.end()
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
