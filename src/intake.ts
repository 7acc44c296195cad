/**
 * Takes requests from their arrival to their decision, for the gateway and for the listener that other proxies ask:
 * receive → decide → act. What is received, and what is done about a decision, is theirs.
 *
 * Nearly every decision is there without waiting. Such a request is acted on immediately, past Fastify, because
 * Fastify's hooks and the proxy plugin would add a sixth to its cost and nothing else. A request whose decision has to
 * wait, for example for keys, goes through them: downstream/fastify-way.ts.
 */
import type { Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
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
import type { RequestFacts } from './types.ts'

/** What every listener is given. */
export interface ServingOptions {
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

interface IntakeOptions extends ServingOptions {
  /** What requests are judged by. */
  readonly policies: Pick<PolicyStore, 'current'>
  readonly onRequest: (request: ClientRequest, response: ClientResponse) => void
  /** Does what was decided, unless nobody waits for an answer any more. */
  readonly act: (exchange: Exchange, decision: Decision) => void
  /** @param error a {@link Denial}; anything else is a bug */
  readonly refuse: (exchange: Exchange, error: unknown) => void
  /** Called first when nobody waits for an answer any more. */
  readonly onEnded?: (exchange: Exchange) => void
  /** Called before the server closes. */
  readonly onClosing?: () => void
}

interface Intake {
  readonly app: FastifyInstance
  /**
   * Notes a request.
   *
   * @param facts what is asked about; left out, the request itself
   */
  begin(request: ClientRequest, response: ClientResponse, facts?: RequestFacts): Exchange
  /** Finds the decision about a request, and has it acted on. */
  judge(exchange: Exchange): void
  /** Call when a request is refused. */
  refused(exchange: Exchange): void
  /** Watches whether a connection takes what it is sent. */
  watchWrites(socket: Duplex): void
}

export async function intake(options: IntakeOptions): Promise<Intake> {
  const { policies, act, refuse, onEnded, drain, overload, clock, metrics, audits, log } = options
  const record = accessRecord(metrics, log, clock, options.refusals)
  const places = requestLimit()
  const stalled = stalledPeers({ ...options, limitMs: () => policies.current.limits.bodyIdleTimeoutMs })
  const broken = brokenRequests({
    refuse,
    onRefused(denial, id, socket) {
      const policy = policies.current
      const client = policy.clientAddress({ peer: peerOf(socket), rawHeaders: [] })
      audits.current?.refusedBytes(id, denial, client)
      record.broken(denial, id, client, policy)
    },
  })
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
      onEnded?.(exchange)
      broken.ended(exchange)
      drain.ended(exchange)
      places.ended(exchange)
      metrics.inFlight.ended()
      record.ended(exchange)
      if (exchange.trace !== undefined) recordSpans(exchange, clock)
    },
  })
  let http2: Http2Sessions | undefined
  const way = await fastifyWay({ makeServer, act, refuse })
  way.app.addHook('preClose', done => {
    options.onClosing?.()
    // By the next turn of the event loop, what this tells clients has been written.
    setImmediate(() => {
      http2?.destroy()
      done()
    })
  })
  return { app: way.app, begin, judge, refused: places.refused, watchWrites: stalled.watch }

  function judge(exchange: Exchange): void {
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

  function makeServer(): Server {
    const { server, http2: sessions } = trafficServer({
      ...options,
      broken,
      expectContinue,
      watchWrites: stalled.watch,
      maxRequests: () => policies.current.limits.requests,
    })
    http2 = sessions
    return server
  }
}
