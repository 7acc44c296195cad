/**
 * Sends an authorised request upstream and its answer back, streaming both ways with back-pressure.
 *
 * RFC 9110 §7.6 (forwarding), RFC 9112 §9 (connections). Bodies are not buffered, except that the first chunk of an
 * answer is held for a moment. Nothing is sent twice but a GET, HEAD or OPTIONS without a body whose connection turned
 * out to be gone (`upstream/http1-call.ts`). Interim (1xx) responses of the upstream end here. Its trailers end here,
 * too, unless the client speaks HTTP/2.
 */
import type { Socket } from 'node:net'
import { ClientGone } from '../downstream/receive.ts'
import { Denial, type DenialCode, UNAUTHORIZED } from '../errors.ts'
import type { Exchange, Forwarding } from '../exchange.ts'
import type { Route } from '../policy.ts'
import { breakOff } from '../refusal/break-off.ts'
import type { GrantEnd } from '../types.ts'
import type { UpstreamCall, UpstreamHandler } from '../upstream/connections.ts'
import { type ArrivedBody, arrivedBody, clientBody } from './client-body.ts'
import { END_CODES } from './end-codes.ts'
import { putOwnLines } from './own-lines.ts'
import type { RequestBody } from './request-body.ts'
import { keepPrivate, responseHeaders } from './response-headers.ts'
import type { Upload } from './streams.ts'
import { trailerFields } from './trailers.ts'
import { openTunnel, type TunnelDeps } from './tunnel.ts'
import { upstreamDenial } from './upstream-denial.ts'

export interface ForwardDeps extends TunnelDeps {
  /** Is true when the gateway is about to stop, and probably the service behind it, too. */
  readonly isDraining: () => boolean
  /** Called to answer a request that failed before its response began. */
  readonly refuse: (exchange: Exchange, error: unknown) => void
}

/**
 * @param exchange authorised: its route is chosen and its identity lines are made
 * @param arrived the whole body, where it was read before; undefined where it is still to come
 */
export function forward(exchange: Exchange, route: Route, deps: ForwardDeps, arrived?: ArrivedBody): void {
  const { facts, findings } = exchange
  exchange.upstreamStartedMs = deps.monotonicMs()
  const body = bodyOf(exchange, arrived)
  const relay = new ResponseRelay(exchange, deps, arrived?.onTaken)
  if (body !== null) deps.streams.uploading(relay)
  route.upstream.dispatch(
    {
      path: findings.path + findings.query,
      method: facts.method,
      headers: route.requestHeaders({
        rawHeaders: facts.rawHeaders,
        host: findings.host,
        peer: facts.peer,
        requestId: exchange.requestId,
        trace: exchange.trace,
        identityLines: findings.identityLines,
      }),
      body,
      headersTimeoutMs: route.headersTimeoutMs,
      upgrade: exchange.response.upgrade,
    },
    relay,
  )
}

function bodyOf(exchange: Exchange, arrived: ArrivedBody | undefined): RequestBody | null {
  if (exchange.findings.bodyBytes === 0) return null
  return arrived === undefined ? clientBody(exchange, exchange.policy.limits.bodyBytes) : arrivedBody(exchange, arrived)
}

const NO_BYTES = Buffer.alloc(0)
const NO_TRAILERS = {}

/** The service's side of the exchange: writes its answer straight to the client. */
class ResponseRelay implements UpstreamHandler, Forwarding, Upload {
  readonly exchange: Exchange
  readonly #deps: ForwardDeps
  /** Called when the answer begins or the upstream's part is over; undefined where no body was held. */
  #onTaken: (() => void) | undefined
  #call: UpstreamCall | undefined
  #cancelled: Error | undefined
  /** The first chunk of the body, as long as it may be the only one. */
  #held: Buffer | undefined
  #isFlushed = false
  /** True while the head waits for either the body to begin or the answer to end. */
  #waitsForEnd = false
  /** Its place among the uploads. */
  slot = -1

  constructor(exchange: Exchange, deps: ForwardDeps, onTaken: (() => void) | undefined) {
    this.exchange = exchange
    this.#deps = deps
    this.#onTaken = onTaken
    // What is assigned is this object and no function, for the reason that `Forwarding` gives.
    exchange.forwarding = this
  }

  onQueued(call: UpstreamCall): void {
    this.onStart(call)
  }

  onStart(call: UpstreamCall): void {
    this.#call = call
    if (this.#cancelled !== undefined) call.abort(this.#cancelled)
  }

  onHead(statusCode: number, rawHeaders: readonly string[]): void {
    if (statusCode < 200) return
    this.#taken()
    const { request, response, requestId, findings } = this.exchange
    if (statusCode > response.highestStatus)
      throw new Denial('upstream_unreachable', { evidence: { reason: 'no status of HTTP', status: statusCode } })
    // Clients of MCP throw their session away for any 401, whoever it is that was refused.
    if (statusCode === UNAUTHORIZED && findings.route?.hidesUnauthorized === true)
      throw new Denial('upstream_unauthorized', { evidence: { status: statusCode } })
    const headers = responseHeaders({ statusCode, rawHeaders, requestId })
    if (findings.isPrivate) keepPrivate(headers)
    putOwnLines(headers, this.exchange)
    // The rest of the request is not read after the answer, so this connection cannot carry another one.
    if (!request.complete) headers.push('connection', 'close')
    response.sendHead(statusCode, headers)
    // A small answer has arrived in full by the end of this turn, and then leaves in one write, together with its head.
    this.#waitsForEnd = response.takesTrailers && isTrailersOnly(rawHeaders)
    if (!this.#waitsForEnd) queueMicrotask(() => this.#flush())
  }

  onUpgrade(rawHeaders: readonly string[], socket: Socket): void {
    const earlyBytes = this.exchange.response.takeEarlyBytes()
    openTunnel(this.exchange, { rawHeaders, socket, earlyBytes }, this.#deps)
  }

  onData(chunk: Buffer): void {
    if (this.#waitsForEnd) {
      this.#waitsForEnd = false
      queueMicrotask(() => this.#flush())
    }
    if (this.#isFlushed || this.#held !== undefined) {
      this.#flush()
      this.#write(chunk)
      return
    }
    this.#held = chunk
    if (chunk.length > MAX_HELD_BYTES) this.#flush()
  }

  onEnd(rawTrailers: readonly string[]): void {
    const { request, response } = this.exchange
    this.exchange.upstreamEndedMs = this.#deps.monotonicMs()
    request.dropRest()
    const rest = this.#isFlushed ? NO_BYTES : (this.#held ?? NO_BYTES)
    this.exchange.bytesOut += rest.length
    response.endWithTrailers(rest, response.takesTrailers ? trailerFields(rawTrailers) : NO_TRAILERS)
    this.#isFlushed = true
    this.#detach()
  }

  onError(error: Error): void {
    const exchange = this.exchange
    exchange.upstreamEndedMs = this.#deps.monotonicMs()
    this.#detach()
    if (error instanceof ClientGone) return
    const denial = upstreamDenial(error, exchange.findings.route?.upstream.id, this.#deps.isDraining)
    if (!exchange.response.headersSent) {
      this.#deps.refuse(exchange, denial)
      return
    }
    exchange.denial = denial
    breakOff(exchange, denial.code)
  }

  /** Makes {@link cancel} do nothing from now on, because the upstream's part of the request is over. */
  #detach(): void {
    this.#call = undefined
    this.exchange.forwarding = undefined
    this.#taken()
    this.#deps.streams.uploaded(this)
  }

  /** Lets go of the body that was held, since an answer may go on for long. */
  #taken(): void {
    this.#onTaken?.()
    this.#onTaken = undefined
  }

  /** Sends the head and the chunk that is held, because more is to come. */
  #flush(): void {
    if (this.#isFlushed) return
    this.#isFlushed = true
    // A write of bytes sends the head as it is; `flushHeaders` would write it as UTF-8 and change every obs-text octet.
    if (this.#call !== undefined) this.#write(this.#held ?? NO_BYTES)
    this.#held = undefined
    this.#deps.streams.uploaded(this)
    this.#deps.streams.opened(this.exchange, end => this.#breakOff(END_CODES[end]))
  }

  #write(chunk: Buffer): void {
    const { response } = this.exchange
    this.exchange.bytesOut += chunk.length
    if (response.write(chunk)) return
    const call = this.#call
    // Parts that came together are handed on in spite of the pause, and one listener will do for all of them.
    if (call === undefined || call.isPaused) return
    call.pause()
    response.once('drain', () => call.resume())
  }

  #breakOff(code: DenialCode): void {
    this.cancel(new ClientGone('the gateway ended the stream'))
    breakOff(this.exchange, code)
  }

  /** The service sees a request that was cut. */
  end(end: GrantEnd): void {
    const code = END_CODES[end]
    if (this.exchange.response.headersSent) this.#breakOff(code)
    else this.cancel(new Denial(code, { evidence: { reason: 'during the upload' } }))
  }

  /** A request that still waits to be told of its call is cancelled as soon as it is. */
  cancel(reason: Error): void {
    this.#cancelled = reason
    this.#call?.abort(reason)
  }
}

/** Is true for a gRPC response without a body: the head must also be the end, so it has to wait for the end. */
function isTrailersOnly(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length === GRPC_STATUS.length && name.toLowerCase() === GRPC_STATUS) return true
  }
  return false
}

const GRPC_STATUS = 'grpc-status'

/** To send a larger chunk as text, together with the head, costs more than a second write. */
const MAX_HELD_BYTES = 16 * 1024
