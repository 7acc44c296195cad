/**
 * Makes the spans of a request when it is over: SERVER, CLIENT for the service's part, and INTERNAL where a token had
 * to be verified.
 *
 * OpenTelemetry's semantic conventions for HTTP spans, 1.45. Names and routes are those of the configuration. No path,
 * query, token or claim is among the attributes.
 */
import type { Exchange } from '../../exchange.ts'
import type { Clock } from '../../lib/clock.ts'
import { RecordedTrace } from './request-traces.ts'
import { newSpanId } from './sampling.ts'
import type { FinishedSpan, SpanAttributes } from './span.ts'

/** Does nothing for a request that is not recorded. */
export function recordSpans(exchange: Exchange, clock: Clock): void {
  const { trace, startedMs, upstreamStartedMs, findings } = exchange
  if (!(trace instanceof RecordedTrace)) return
  const nowMs = clock.monotonicMs()
  const toEpochMs = clock.nowMs() - nowMs
  const { traceId, flags, tracestate, serverSpanId, sink } = trace
  const within = { traceId, flags, tracestate, link: undefined, parentSpanId: serverSpanId, parent: 'own' } as const
  const { verification } = findings
  if (verification !== undefined)
    sink.add({
      ...within,
      name: 'verify',
      kind: 'internal',
      spanId: newSpanId(),
      startMs: toEpochMs + verification.startedMs,
      endMs: toEpochMs + (verification.endedMs ?? nowMs),
      isError: false,
      attributes: {
        'sallyport.provider': providerOf(exchange),
        'sallyport.token_cache': verification.lookUp,
        'error.type': findings.principal === undefined ? (exchange.denial ?? findings.reported)?.code : undefined,
      },
    })
  if (upstreamStartedMs !== undefined)
    sink.add({
      ...within,
      name: methodName(exchange),
      kind: 'client',
      spanId: trace.clientSpanId,
      startMs: toEpochMs + upstreamStartedMs,
      endMs: toEpochMs + (exchange.upstreamEndedMs ?? nowMs),
      ...serviceOutcome(exchange),
    })
  sink.add(serverSpan(exchange, trace, { startMs: toEpochMs + startedMs, endMs: toEpochMs + nowMs }))
}

function serverSpan(
  exchange: Exchange,
  trace: RecordedTrace,
  times: { readonly startMs: number; readonly endMs: number },
): FinishedSpan {
  const { facts, findings, denial, response, streamEnd } = exchange
  const route = findings.route ?? findings.endpoint
  const status = response.headersSent ? response.statusCode : undefined
  const isError = status !== undefined && status >= 500
  const method = methodName(exchange)
  return {
    ...times,
    name: route === undefined ? method : `${method} ${route.path}`,
    kind: 'server',
    traceId: trace.traceId,
    spanId: trace.serverSpanId,
    flags: trace.flags,
    tracestate: trace.tracestate,
    parentSpanId: trace.parentSpanId,
    parent: trace.parentSpanId === undefined ? undefined : 'remote',
    link: trace.link,
    isError,
    attributes: {
      ...methodAttributes(exchange),
      'url.scheme': facts.peer.protocol,
      'http.route': route?.path,
      'http.response.status_code': status,
      ...addressOf(findings.host),
      'network.protocol.version': facts.httpVersion,
      'client.address': trace.client,
      'user_agent.original': trace.userAgent,
      'error.type': denial?.code ?? (isError ? String(status) : undefined),
      'sallyport.route': route?.id,
      'sallyport.provider': providerOf(exchange),
      'sallyport.token_cache': findings.verification?.lookUp ?? (findings.principal === undefined ? undefined : 'hit'),
      'sallyport.reported': findings.reported?.code,
      'sallyport.closed': streamEnd,
    },
  }
}

/** Says what the service has answered, as far as that is known. */
function serviceOutcome(exchange: Exchange): Pick<FinishedSpan, 'isError' | 'attributes'> {
  const { denial, response, findings, streamEnd } = exchange
  // An answer with the status of the refusal is the refusal itself.
  const isOwn = denial !== undefined && denial.spec.status === response.statusCode
  const status = response.headersSent && !isOwn ? response.statusCode : undefined
  const isError = denial !== undefined || (status !== undefined && status >= 400)
  return {
    isError,
    attributes: {
      ...methodAttributes(exchange),
      ...addressOf(hostOf(findings.route?.upstream.origin)),
      'http.response.status_code': status,
      'error.type': denial?.code ?? (isError ? String(status) : streamEnd),
      'sallyport.route': findings.route?.id,
    },
  }
}

function providerOf({ findings, denial }: Exchange): string | undefined {
  return findings.principal?.provider ?? (denial ?? findings.reported)?.provider
}

/** Those that the conventions know; what a client makes up is no name of a span. */
const KNOWN_METHODS: ReadonlySet<string> = new Set([
  ...['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'QUERY', 'TRACE'],
])

function methodName({ facts }: Exchange): string {
  return KNOWN_METHODS.has(facts.method) ? facts.method : 'HTTP'
}

function methodAttributes({ facts }: Exchange): SpanAttributes {
  const { method } = facts
  return KNOWN_METHODS.has(method)
    ? { 'http.request.method': method }
    : { 'http.request.method': '_OTHER', 'http.request.method_original': method.slice(0, 32) }
}

function hostOf(origin: string | undefined): string {
  return origin === undefined ? '' : (/^[a-z]+:\/\/(.*)$/.exec(origin)?.[1] ?? origin)
}

/** Names are shorter (RFC 1035 §2.3.4), and the client chooses what is in `Host`. */
const LONGEST_HOST = 261

/** @param host with its port, if it names one */
function addressOf(host: string): SpanAttributes {
  if (host === '' || host.length > LONGEST_HOST) return {}
  const port = /:(\d{1,5})$/.exec(host)?.[1]
  return port === undefined
    ? { 'server.address': host }
    : { 'server.address': host.slice(0, -port.length - 1), 'server.port': Number(port) }
}
