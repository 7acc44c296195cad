/**
 * Makes the spans of a request when it is over: SERVER, CLIENT for the service's part, and INTERNAL where a token had
 * to be verified.
 *
 * OpenTelemetry's semantic conventions for HTTP spans, 1.45. Names and routes are those of the configuration. No path,
 * query, token or claim is among the attributes.
 *
 * What is kept until a batch is sent is one small object for each request: whatever outlives a young collection of V8
 * is copied by it, which costs more than all the rest. Spans are made of it right before they are sent. No literal here
 * is put together by spreading others, since V8 takes several microseconds for each of these.
 */
import type { Exchange } from '../../exchange.ts'
import type { Clock } from '../../lib/clock.ts'
import { redactHost } from '../../lib/redact-path.ts'
import type { Endpoint, Route } from '../../policy.ts'
import type { Verification } from '../../types.ts'
import { RecordedTrace } from './request-traces.ts'
import { newSpanId } from './sampling.ts'
import type { FinishedSpan, SpanAttributes, SpanSource } from './span.ts'

/** Does nothing for a request that is not recorded. */
export function recordSpans(exchange: Exchange, clock: Clock): void {
  const { trace } = exchange
  if (trace instanceof RecordedTrace) trace.sink.add(new EndedRequest(exchange, trace, clock))
}

class EndedRequest implements SpanSource {
  readonly spanCount: number
  readonly #trace: RecordedTrace
  /** Added to monotonic milliseconds, this gives milliseconds since the epoch. */
  readonly #epochMs: number
  readonly #startedMs: number
  readonly #endedMs: number
  readonly #upstreamStartedMs: number | undefined
  readonly #upstreamEndedMs: number | undefined
  readonly #verification: Verification | undefined
  readonly #route: Route | Endpoint | undefined
  readonly #requestId: string
  readonly #method: string
  readonly #scheme: string
  readonly #httpVersion: string
  readonly #host: string
  readonly #status: number | undefined
  readonly #code: string | undefined
  /** The status that the refusal has, if there is one. */
  readonly #refusedWith: number | undefined
  readonly #provider: string | undefined
  readonly #isKnown: boolean
  readonly #reported: string | undefined
  readonly #closed: string | undefined

  constructor(exchange: Exchange, trace: RecordedTrace, clock: Clock) {
    const { facts, findings, denial, response } = exchange
    const { principal, verification, reported } = findings
    const endedMs = clock.monotonicMs()
    this.#trace = trace
    this.#epochMs = clock.nowMs() - endedMs
    this.#startedMs = exchange.startedMs
    this.#endedMs = endedMs
    this.#upstreamStartedMs = exchange.upstreamStartedMs
    this.#upstreamEndedMs = exchange.upstreamEndedMs
    this.#verification = verification
    this.#route = findings.route ?? findings.endpoint
    this.#requestId = exchange.requestId
    this.#method = facts.method
    this.#scheme = facts.peer.protocol
    this.#httpVersion = facts.httpVersion
    this.#host = findings.host
    this.#status = response.headersSent ? response.statusCode : undefined
    this.#code = denial?.code
    this.#refusedWith = denial?.spec.status
    this.#provider = principal?.provider ?? (denial ?? reported)?.provider
    this.#isKnown = principal !== undefined
    this.#reported = reported?.code
    this.#closed = exchange.streamEnd
    this.spanCount = 1 + (verification === undefined ? 0 : 1) + (exchange.upstreamStartedMs === undefined ? 0 : 1)
  }

  addTo(spans: FinishedSpan[]): void {
    const verification = this.#verification
    if (verification !== undefined) spans.push(this.#verifySpan(verification))
    if (this.#upstreamStartedMs !== undefined) spans.push(this.#clientSpan(this.#upstreamStartedMs))
    spans.push(this.#serverSpan())
  }

  #verifySpan({ lookUp, startedMs, endedMs }: Verification): FinishedSpan {
    const attributes: SpanAttributes = { 'sallyport.token_cache': lookUp }
    if (this.#provider !== undefined) attributes['sallyport.provider'] = this.#provider
    const code = this.#isKnown ? undefined : (this.#code ?? this.#reported)
    if (code !== undefined) attributes['error.type'] = code
    return {
      name: 'verify',
      kind: 'internal',
      traceId: this.#trace.traceId,
      spanId: newSpanId(),
      flags: this.#trace.flags,
      tracestate: this.#trace.tracestate,
      parentSpanId: this.#trace.serverSpanId,
      parent: 'own',
      link: undefined,
      startMs: this.#epochMs + startedMs,
      endMs: this.#epochMs + (endedMs ?? this.#endedMs),
      isError: false,
      attributes,
    }
  }

  #clientSpan(startedMs: number): FinishedSpan {
    const route = this.#route
    const attributes = methodAttributes(this.#method)
    // An answer with the status of the refusal is the refusal itself.
    const status = this.#status === this.#refusedWith ? undefined : this.#status
    const isError = this.#code !== undefined || (status !== undefined && status >= 400)
    const errorType = this.#code ?? (isError ? String(status) : this.#closed)
    if (status !== undefined) attributes['http.response.status_code'] = status
    if (route?.kind === 'route') addAddress(attributes, hostOf(route.upstream.origin))
    if (errorType !== undefined) attributes['error.type'] = errorType
    if (route !== undefined) attributes['sallyport.route'] = route.id
    return {
      name: nameOf(this.#method),
      kind: 'client',
      traceId: this.#trace.traceId,
      spanId: this.#trace.clientSpanId,
      flags: this.#trace.flags,
      tracestate: this.#trace.tracestate,
      parentSpanId: this.#trace.serverSpanId,
      parent: 'own',
      link: undefined,
      startMs: this.#epochMs + startedMs,
      endMs: this.#epochMs + (this.#upstreamEndedMs ?? this.#endedMs),
      isError,
      attributes,
    }
  }

  #serverSpan(): FinishedSpan {
    const trace = this.#trace
    const route = this.#route
    const status = this.#status
    const isError = status !== undefined && status >= 500
    const errorType = this.#code ?? (isError ? String(status) : undefined)
    const lookUp = this.#verification?.lookUp ?? (this.#isKnown ? 'hit' : undefined)
    const method = nameOf(this.#method)
    const attributes = methodAttributes(this.#method)
    attributes['url.scheme'] = this.#scheme
    attributes['network.protocol.version'] = this.#httpVersion
    addAddress(attributes, redactHost(this.#host))
    attributes['sallyport.request_id'] = this.#requestId
    if (status !== undefined) attributes['http.response.status_code'] = status
    if (trace.client !== undefined) attributes['client.address'] = trace.client
    if (trace.userAgent !== undefined) attributes['user_agent.original'] = trace.userAgent
    if (route !== undefined) {
      attributes['http.route'] = route.path
      attributes['sallyport.route'] = route.id
    }
    if (this.#provider !== undefined) attributes['sallyport.provider'] = this.#provider
    if (lookUp !== undefined) attributes['sallyport.token_cache'] = lookUp
    if (errorType !== undefined) attributes['error.type'] = errorType
    if (this.#reported !== undefined) attributes['sallyport.reported'] = this.#reported
    if (this.#closed !== undefined) attributes['sallyport.closed'] = this.#closed
    return {
      name: route === undefined ? method : `${method} ${route.path}`,
      kind: 'server',
      traceId: trace.traceId,
      spanId: trace.serverSpanId,
      flags: trace.flags,
      tracestate: trace.tracestate,
      parentSpanId: trace.parentSpanId,
      parent: trace.parentSpanId === undefined ? undefined : 'remote',
      link: trace.link,
      startMs: this.#epochMs + this.#startedMs,
      endMs: this.#epochMs + this.#endedMs,
      isError,
      attributes,
    }
  }
}

/** Those that the conventions know; what a client makes up is no name of a span. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  ...['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE'],
])

function nameOf(method: string): string {
  return KNOWN_METHODS.has(method) ? method : 'HTTP'
}

function methodAttributes(method: string): SpanAttributes {
  return KNOWN_METHODS.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method.slice(0, 32) }
}

function hostOf(origin: string): string {
  const at = origin.indexOf('://')
  return at === -1 ? origin : origin.slice(at + 3)
}

/** Names are shorter (RFC 1035 §2.3.4), and the client chooses what is in `Host`. */
const LONGEST_HOST = 261

/** @param host with its port, if it names one */
function addAddress(attributes: SpanAttributes, host: string): void {
  if (host === '' || host.length > LONGEST_HOST) return
  const port = /:(\d{1,5})$/.exec(host)?.[1]
  if (port === undefined) {
    attributes['server.address'] = host
    return
  }
  attributes['server.address'] = host.slice(0, -port.length - 1)
  attributes['server.port'] = Number(port)
}
