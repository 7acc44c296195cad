/**
 * Judges each request of an application before the application sees it, by the same `decide` as a gateway: a refusal is
 * answered here, and what passes goes on with its principal and its identity headers.
 *
 * A request is judged once, whichever way it takes: one for an upgrade is judged when Node hands over its socket, and
 * may come through Fastify after that.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Http2ServerRequest, Http2ServerResponse, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { actor } from '../acting.ts'
import { askedCertificate } from '../config/schema/certificate-source.ts'
import type { Config } from '../config/schema/schema.ts'
import { decide } from '../decide.ts'
import { resetConnections } from '../downstream/peer.ts'
import { receiver } from '../downstream/receive.ts'
import type { ClientRequest, ClientResponse, Exchange } from '../exchange.ts'
import { putOwnLines } from '../forward/own-lines.ts'
import { keepPrivate } from '../forward/response-headers.ts'
import type { Clock } from '../lib/clock.ts'
import { fieldValue } from '../lib/field-lines.ts'
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Decision } from '../policy.ts'
import type { PolicyStore } from '../policy-store.ts'
import { accessRecord } from '../telemetry/access.ts'
import type { Audit } from '../telemetry/audit/audit.ts'
import type { Log } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'
import { recordSpans } from '../telemetry/traces/request-spans.ts'
import { BareResponse, MessageRequest, MessageResponse, StreamRequest, StreamResponse } from './application-exchange.ts'
import { peers, socketOf } from './peers.ts'
import { principalView } from './principal-view.ts'
import { tellHeaders } from './told-request.ts'

/** Where a request goes. */
interface Ways {
  readonly onPassed: (exchange: Exchange) => void
  /** Called before the guard answers by itself, or nobody waits for an answer any more; once or several times. */
  readonly onTaken: () => void
}

type RawRequest = IncomingMessage | Http2ServerRequest
type RawResponse = ServerResponse | Http2ServerResponse

interface GuardOptions {
  readonly policies: PolicyStore
  /** Reads a query as the application does. */
  readonly parseQuery: (query: string) => unknown
  /** The configuration in force. */
  readonly config: () => Config
  readonly clock: Clock
  readonly metrics: Metrics
  readonly audits: { readonly current: Audit | undefined }
  readonly log: Log
}

export interface Guard {
  /** The hook for every request. It calls `done` for one that passes, and answers any other. */
  onRequest(request: FastifyRequest, reply: FastifyReply, done: () => void): void
  /** The hook for every answer: adds the lines that the decision wants on it. */
  onSend(
    request: FastifyRequest,
    reply: FastifyReply,
    payload: unknown,
    done: (error: null, payload: unknown) => void,
  ): void
  /** Judges a request that Fastify is not asked about, or not yet. */
  judgeMessage(raw: RawRequest, response: RawResponse, onPassed: () => void): void
  /** Judges a request for an upgrade or a tunnel, of which there is a bare socket. */
  judgeUpgrade(raw: IncomingMessage, socket: Socket, onPassed: () => void): void
}

export function guard(server: Server, options: GuardOptions): Guard {
  const { policies, config, parseQuery, clock, metrics, audits, log } = options
  // Lines beyond a limit of Node's would be dropped before anybody counts them.
  server.maxHeadersCount = 0
  const record = accessRecord(metrics, log, clock)
  const isReset = resetConnections(server)
  const peerOf = peers(() => (askedCertificate(config().listen?.tls) === 'any' ? 'any' : 'authorized'))
  const judged = new WeakMap<RawRequest, Exchange>()
  const ways = new WeakMap<Exchange, Ways>()
  const { begin } = receiver({
    policies,
    clock,
    onBegun: () => metrics.inFlight.begun(),
    onEnded(exchange) {
      metrics.inFlight.ended()
      if (exchange.response instanceof StreamResponse) exchange.response.noteStatus()
      record.ended(exchange)
      if (exchange.trace !== undefined) recordSpans(exchange, clock)
    },
  })
  const { act, refuse } = actor({
    audits,
    onRefused: exchange => ways.get(exchange)?.onTaken(),
    onPassed(exchange) {
      exchange.upstreamStartedMs = clock.monotonicMs()
      ways.get(exchange)?.onPassed(exchange)
    },
    judge(exchange) {
      refuse(exchange, new Error('a route judges bodies, which is refused when the configuration is loaded'))
    },
  })

  return {
    onRequest(request, reply, done) {
      const raw = request.raw as RawRequest
      const onPassed = ({ facts, findings }: Exchange): void => {
        request.principal = principalView(findings.principal)
        if (findings.query !== queryOf(facts.target)) request.query = parseQuery(findings.query.slice(1))
        for (const [name, value] of grouped(findings.responseLines)) reply.raw.setHeader(name, value)
        done()
      }
      const known = judged.get(raw)
      if (known === undefined) judgeMessage(raw, reply.raw, { onPassed, onTaken: () => void reply.hijack() })
      else onPassed(known)
    },
    onSend(request, reply, payload, done) {
      const exchange = judged.get(request.raw as RawRequest)
      if (exchange !== undefined) putLines(reply, exchange)
      done(null, payload)
    },
    judgeMessage: (raw, response, onPassed) => judgeMessage(raw, response, { onPassed, onTaken() {} }),
    judgeUpgrade(raw, socket, onPassed) {
      const response = new BareResponse(raw, socket)
      judge(raw, new MessageRequest(raw, peerOf(raw, socket)), response, {
        onTaken() {},
        onPassed() {
          response.letGo()
          onPassed()
        },
      })
    },
  }

  function judgeMessage(raw: RawRequest, response: RawResponse, way: Ways): void {
    const socket = socketOf(raw)
    // Attack: a client that has gone has no address any more, and would pass for a peer on a Unix socket.
    if (socket === undefined || isReset(socket)) {
      way.onTaken()
      response.destroy()
      return
    }
    const peer = peerOf(raw, socket)
    if ('stream' in raw)
      judge(raw, new StreamRequest(raw, socket, peer), new StreamResponse(raw.stream as ServerHttp2Stream), way)
    else judge(raw, new MessageRequest(raw, peer), new MessageResponse(response as ServerResponse), way)
  }

  function judge(raw: RawRequest, request: ClientRequest, response: ClientResponse, way: Ways): void {
    const exchange = begin(request, response)
    ways.set(exchange, {
      onTaken: way.onTaken,
      onPassed() {
        tellRequest(raw, exchange)
        judged.set(raw, exchange)
        way.onPassed(exchange)
      },
    })
    let decision: MaybePromise<Decision>
    try {
      decision = decide(exchange.facts, exchange.policy, exchange.findings)
    } catch (error) {
      refuse(exchange, error)
      return
    }
    if (decision instanceof Promise) decision.then(carryOut, refuseLate)
    else carryOut(decision)

    function carryOut(made: Decision): void {
      if (exchange.hasEnded || made.kind !== 'forward') way.onTaken()
      if (!exchange.hasEnded) act(exchange, made)
    }

    function refuseLate(error: unknown): void {
      if (exchange.hasEnded) way.onTaken()
      else refuse(exchange, error)
    }
  }
}

/** Lets the application read what a service behind a gateway would read. */
function tellRequest(raw: RawRequest, { facts, findings, policy, requestId, trace }: Exchange): void {
  const { route, host, identityLines, path, query } = findings
  if (route === undefined) throw new Error('a request passes by a route')
  const { rawHeaders, peer } = facts
  const lines = route.requestHeaders({ rawHeaders, host, peer, requestId, trace, identityLines })
  // Browsers want one of the subprotocols that they have offered, and the one of the token may be the only one.
  const agreed = policy.tokenPlaces?.agreedProtocol(rawHeaders)
  if (agreed !== undefined && fieldValue(lines, 'sec-websocket-protocol') === undefined)
    lines.push('Sec-WebSocket-Protocol', agreed)
  tellHeaders(raw, lines)
  const target = path + query
  if (raw.url !== target) raw.url = target
}

/** Puts on an answer of the application what a gateway would put on it. */
function putLines(reply: FastifyReply, exchange: Exchange): void {
  const { findings, policy, requestId } = exchange
  reply.header('x-request-id', requestId)
  const { responseLines, route, isPrivate } = findings
  const isPlain =
    responseLines.length === 0 &&
    !isPrivate &&
    route?.cors === undefined &&
    policy.isOwnCookie === undefined &&
    !policy.credentialRules.takesProofs
  if (isPlain) return
  const given = reply.getHeaders()
  const lines = Object.entries(given).flatMap(([name, value]) =>
    [value].flat().flatMap(each => (each === undefined ? [] : [name, String(each)])),
  )
  putOwnLines(lines, exchange)
  if (isPrivate) keepPrivate(lines)
  for (const name of Object.keys(given)) reply.removeHeader(name as Parameters<FastifyReply['removeHeader']>[0])
  for (const [name, value] of grouped(lines)) reply.header(name, value)
}

/** @returns lower-case names with their values: `Vary` in one line, everything else that is there twice as a list */
function grouped(lines: readonly string[]): ReadonlyMap<string, string | string[]> {
  const groups = new Map<string, string | string[]>()
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase()
    const value = lines[i + 1] as string
    const before = groups.get(name)
    if (before === undefined) groups.set(name, value)
    else groups.set(name, name === 'vary' ? `${before}, ${value}` : [before, value].flat())
  }
  return groups
}

function queryOf(target: string): string {
  const at = target.indexOf('?')
  return at === -1 ? '' : target.slice(at)
}
