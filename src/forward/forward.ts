/**
 * Sends an authorised request upstream and its answer back, streaming both ways with back-pressure.
 *
 * RFC 9110 §7.6 (forwarding), RFC 9112 §9 (connections). Nothing is buffered and nothing is sent twice. Interim (1xx)
 * responses of the upstream end here, and its trailers, too, unless the client speaks HTTP/2.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import { HandshakeResponse } from '../downstream/handshake.ts'
import { Http2Request } from '../downstream/http2-request.ts'
import { Http2Response } from '../downstream/http2-response.ts'
import { dropUnreadBody } from '../downstream/unread-body.ts'
import { Denial, type DenialCode, HIGHEST_STATUS } from '../errors.ts'
import type { Exchange, Forwarding } from '../exchange.ts'
import type { Route } from '../policy.ts'
import { breakOff } from '../refusal/break-off.ts'
import { ClientGone, RequestBody } from './request-body.ts'
import { responseHeaders } from './response-headers.ts'
import type { StreamEnd } from './streams.ts'
import { traceContext } from './trace-context.ts'
import { trailerFields } from './trailers.ts'
import { openTunnel, type TunnelDeps } from './tunnel.ts'
import { upstreamDenial } from './upstream-denial.ts'

export interface ForwardDeps extends TunnelDeps {
  /** True when the gateway is about to stop, and what is behind it, too. */
  readonly isDraining: () => boolean
  /** Answers a request that failed before its response began. */
  readonly refuse: (exchange: Exchange, error: unknown) => void
}

/** @param exchange authorised: its route is chosen and its identity lines are made */
export function forward(exchange: Exchange, route: Route, deps: ForwardDeps): void {
  const { raw, policy } = exchange
  exchange.upstreamStartedMs = deps.monotonicMs()
  route.upstream.dispatch(
    {
      path: exchange.path + exchange.query,
      method: (raw.method ?? 'GET') as Dispatcher.HttpMethod,
      headers: policy.requestHeaders({
        rawHeaders: raw.rawHeaders,
        host: exchange.host,
        peer: exchange.peer,
        requestId: exchange.requestId,
        trace: traceContext(raw.rawHeaders),
        identityLines: exchange.identityLines,
      }),
      body: exchange.bodyBytes === 0 ? null : requestBody(exchange),
      headersTimeoutMs: route.headersTimeoutMs,
      upgrade: exchange.res instanceof HandshakeResponse ? 'websocket' : null,
    },
    new ResponseRelay(exchange, deps),
  )
}

function requestBody(exchange: Exchange): RequestBody {
  const { raw, res, policy } = exchange
  return new RequestBody(raw instanceof Http2Request ? raw.stream : raw, {
    maxBytes: policy.limits.bodyBytes,
    idleTimeoutMs: policy.limits.bodyIdleTimeoutMs,
    isAnswered: () => res.headersSent,
    onFirstRead: () => {
      if (exchange.expectsContinue && !res.headersSent) res.writeContinue()
    },
  })
}

/** Each interim response restarts the wait for the final one, so a flood of them would hold a request for ever. */
const MAX_INTERIM_RESPONSES = 32
const NO_BYTES = Buffer.alloc(0)

/** undici's side of the exchange: writes the upstream's answer straight to the client. */
class ResponseRelay implements Dispatcher.DispatchHandler, Forwarding {
  readonly #exchange: Exchange
  readonly #deps: ForwardDeps
  #controller: Dispatcher.DispatchController | undefined
  #cancelled: Error | undefined
  #interimResponses = 0
  /** The first chunk of the body, while it may be the only one. */
  #held: Buffer | undefined
  #isFlushed = false
  /** The head is not sent before there is a body, or none. */
  #waitsForEnd = false

  constructor(exchange: Exchange, deps: ForwardDeps) {
    this.#exchange = exchange
    this.#deps = deps
    // Not a closure: V8 allocates a function literal that is assigned to a property as old, and all of the exchange would
    // stay with it until the next full collection.
    exchange.forwarding = this
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#cancelled !== undefined) controller.abort(this.#cancelled)
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number): void {
    if (statusCode < 200) {
      this.#interimResponses++
      if (this.#interimResponses > MAX_INTERIM_RESPONSES)
        throw new Denial('upstream_unreachable', { evidence: { reason: 'too many interim responses' } })
      return
    }
    const { raw, res, requestId } = this.#exchange
    // HTTP/1.1 carries any three digits; for Node's http2 these would be an exception that nobody catches.
    if (statusCode > HIGHEST_STATUS && res instanceof Http2Response)
      throw new Denial('upstream_unreachable', { evidence: { reason: 'no status of HTTP', status: statusCode } })
    const received = rawLines(controller)
    const headers = responseHeaders({ statusCode, rawHeaders: received, requestId })
    // The rest of the request is not read after the answer, so this connection cannot carry another one.
    if (!raw.complete) headers.push('connection', 'close')
    res.writeHead(statusCode, headers)
    // A small answer has arrived whole by the end of this turn, and then leaves in one write, head and all.
    this.#waitsForEnd = res instanceof Http2Response && isTrailersOnly(received)
    if (!this.#waitsForEnd) queueMicrotask(() => this.#flush())
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    _statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    const { res } = this.#exchange
    const earlyBytes = res instanceof HandshakeResponse ? res.takeEarlyBytes() : NO_BYTES
    openTunnel(this.#exchange, { rawHeaders: rawLines(controller), headers, socket, earlyBytes }, this.#deps)
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#waitsForEnd) {
      this.#waitsForEnd = false
      queueMicrotask(() => this.#flush())
    }
    if (this.#isFlushed || this.#held !== undefined) {
      this.#flush()
      this.#write(controller, chunk)
      return
    }
    this.#held = chunk
    // With the head, in one write.
    if (chunk.length > MAX_HELD_BYTES) this.#flush()
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: IncomingHttpHeaders): void {
    const { raw, res } = this.#exchange
    this.#exchange.upstreamEndedMs = this.#deps.monotonicMs()
    dropUnreadBody(raw)
    if (res instanceof Http2Response)
      res.endWithTrailers(this.#isFlushed ? NO_BYTES : (this.#held ?? NO_BYTES), trailerFields(trailers))
    // As text, Node joins it with the head; latin1 keeps every byte of both.
    else if (this.#isFlushed) res.end()
    else res.end(this.#held?.toString('latin1') ?? '', 'latin1')
    this.#isFlushed = true
    this.#detach()
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    const exchange = this.#exchange
    exchange.upstreamEndedMs = this.#deps.monotonicMs()
    this.#detach()
    if (error instanceof ClientGone) return
    const denial = upstreamDenial(error, exchange.route?.upstream.id, this.#deps.isDraining)
    if (!exchange.res.headersSent) {
      this.#deps.refuse(exchange, denial)
      return
    }
    exchange.denial = denial
    breakOff(exchange, denial.code)
  }

  /** What is over is not cancelled any more. */
  #detach(): void {
    this.#controller = undefined
    this.#exchange.forwarding = undefined
  }

  /** Sends the head, and what is held of the body, when there is more to come. */
  #flush(): void {
    if (this.#isFlushed) return
    this.#isFlushed = true
    // As bytes: `flushHeaders` would write the head as UTF-8 and so change every obs-text octet.
    if (this.#controller !== undefined) this.#write(this.#controller, this.#held ?? NO_BYTES)
    this.#held = undefined
    this.#deps.streams.opened(this.#exchange, end => this.#breakOff(END_CODES[end]))
  }

  #write(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { res } = this.#exchange
    if (res.write(chunk)) return
    controller.pause()
    res.once('drain', () => controller.resume())
  }

  #breakOff(code: DenialCode): void {
    this.cancel(new ClientGone('the gateway ended the stream'))
    breakOff(this.#exchange, code)
  }

  /** A request still waiting for a connection is cancelled as soon as it gets one. */
  cancel(reason: Error): void {
    this.#cancelled = reason
    this.#controller?.abort(reason)
  }
}

/** What a client that can be told hears when we end its stream. */
const END_CODES: Readonly<Record<StreamEnd, DenialCode>> = {
  expired: 'token_expired',
  idle: 'request_timeout',
  stalled: 'request_timeout',
  shutdown: 'draining',
}

/** A gRPC response without a body: its head must also be its end, so it waits for that. */
function isTrailersOnly(rawHeaders: ReadonlyArray<Buffer | string>): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as Buffer | string
    if (name.length === GRPC_STATUS.length && name.toString().toLowerCase() === GRPC_STATUS) return true
  }
  return false
}

const GRPC_STATUS = 'grpc-status'

/** The flat list; an object is what undici has before there is a head. */
function rawLines({ rawHeaders }: Dispatcher.DispatchController): ReadonlyArray<Buffer | string> {
  return Array.isArray(rawHeaders) ? rawHeaders : []
}

/** Larger chunks cost more as text than a second write. */
const MAX_HELD_BYTES = 16 * 1024
