/**
 * Records what a request leaves behind at its end: one set of metrics and at most one log line. Requests refused for
 * overload share a line a second, since one each would be work at the very moment when there is too much of it.
 *
 * `overhead` is the time that the gateway itself takes: from the head of the request until the upstream is asked, or
 * until the end when it is not. What follows is streaming, as fast as the client and the upstream let it be.
 */
import type { Denial } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import { redactHost, redactPath } from '../lib/redact-path.ts'
import { type Thinned, thinned } from '../lib/thinned.ts'
import type { Policy } from '../policy.ts'
import type { Sender } from '../types.ts'
import { clientIdOf } from './client-id.ts'
import { closedLog, type Log } from './log.ts'
import type { Metrics } from './metrics/metrics.ts'
import { counted, type PassedRequest, passedLines, rounded } from './passed-line.ts'
import { senderOf } from './sender.ts'

interface AccessRecord {
  /** A request is over, however it ended. */
  ended(exchange: Exchange): void
  /**
   * A request was refused below HTTP, where no request object exists: its method and path were never known.
   *
   * @param client the address that we trust
   */
  broken(denial: Denial, requestId: string, client: string | undefined, policy: Pick<Policy, 'accessLog'>): void
}

/** Whoever remembers what was refused. */
export interface RefusalObserver {
  /** A request is over that was refused, or that a report-only route would have refused. */
  ended(exchange: Exchange, sender: Sender, status: number | undefined): void
  /** Something was refused that was no request. */
  broken(denial: Denial, requestId: string, client: string | undefined): void
}

export function accessRecord(
  metrics: Metrics,
  log: Log,
  clock: Clock,
  refusals?: RefusalObserver | undefined,
): AccessRecord {
  const lines = {
    log: closedLog(log, ['evidence', 'err']),
    passed: passedLines(log),
    sheds: thinned(SHED_INTERVAL_MS),
  }
  return {
    ended(exchange) {
      const endedMs = clock.monotonicMs()
      const { response, facts, findings, denial, startedMs, streamEnd } = exchange
      const { upstreamStartedMs, upstreamEndedMs = endedMs } = exchange
      const status = response.headersSent ? response.statusCode : undefined
      const durationMs = endedMs - startedMs
      const upstreamMs = upstreamStartedMs === undefined ? undefined : upstreamEndedMs - upstreamStartedMs
      const overheadMs = (upstreamStartedMs ?? endedMs) - startedMs
      const { metrics: routeMetrics } = findings.route ?? findings.endpoint ?? { metrics: metrics.unmatched }
      routeMetrics.observe({
        method: facts.method,
        code: denial?.code ?? 'ok',
        status,
        durationSeconds: durationMs / 1000,
        overheadSeconds: overheadMs / 1000,
        upstreamSeconds: upstreamMs === undefined ? undefined : upstreamMs / 1000,
      })
      if (streamEnd !== undefined) routeMetrics.streamClosed(streamEnd)
      if (refusals !== undefined && (denial ?? findings.reported) !== undefined)
        refusals.ended(exchange, senderOf(exchange), status)
      writeLine(exchange, { status, durationMs, overheadMs, upstreamMs }, lines)
    },
    broken(denial, requestId, client, { accessLog }) {
      const { code, evidence } = denial
      const { status } = denial.spec
      refusals?.broken(denial, requestId, client)
      metrics.unmatched.observe({
        method: '',
        code,
        status,
        durationSeconds: 0,
        overheadSeconds: 0,
        upstreamSeconds: undefined,
      })
      if (accessLog === 'off') return
      lines.log.warn({ request_id: requestId, client, code, status, evidence }, 'request refused')
    },
  }
}

interface Durations {
  readonly status: number | undefined
  readonly durationMs: number
  readonly overheadMs: number
  readonly upstreamMs: number | undefined
}

interface Lines {
  readonly log: Log
  readonly passed: (request: PassedRequest) => void
  readonly sheds: Thinned
}

function writeLine(
  exchange: Exchange,
  { status, durationMs, overheadMs, upstreamMs }: Durations,
  { log, passed, sheds }: Lines,
): void {
  const { response, facts, findings, policy, denial } = exchange
  const { principal, reported } = findings
  const target = findings.route ?? findings.endpoint
  const isFault = denial?.spec.status !== undefined && denial.spec.status >= 500
  // A bug is no matter of access, so the switch for the access log does not hide it.
  if (policy.accessLog === 'off' && denial?.code !== 'internal') return
  const isPlain = denial === undefined && reported === undefined && exchange.streamEnd === undefined
  if (policy.accessLog === 'denied' && isPlain) return
  const level = isFault ? 'error' : denial !== undefined || reported !== undefined ? 'warn' : 'info'
  if (!log.isLevelEnabled(level)) return
  if (isPlain && response.writableFinished && target !== undefined) {
    passed({
      requestId: exchange.requestId,
      sender: senderOf(exchange),
      method: facts.method,
      host: hostText(findings.host),
      path: redactPath(facts.target),
      httpVersion: facts.httpVersion,
      route: target.id,
      status,
      provider: principal?.provider,
      subject: principal?.claims.sub,
      clientId: principal && clientIdOf(principal),
      bytesIn: exchange.bytesIn,
      bytesOut: exchange.bytesOut,
      durationMs,
      upstreamMs,
      overheadMs,
    })
    return
  }
  const suppressed = denial?.code === 'overloaded' ? sheds(exchange.startedMs + durationMs) : 0
  if (suppressed === undefined) return
  const why = denial ?? reported
  const { client, userAgent, traceId } = senderOf(exchange)
  log[level](
    {
      request_id: exchange.requestId,
      trace_id: traceId,
      client,
      method: facts.method,
      host: hostText(findings.host),
      path: redactPath(facts.target),
      protocol: `HTTP/${facts.httpVersion}`,
      user_agent: userAgent,
      route: target?.id,
      code: denial?.code ?? 'ok',
      reported: reported?.code,
      status,
      provider: principal?.provider ?? why?.provider,
      subject: principal?.claims.sub,
      client_id: principal && clientIdOf(principal),
      bytes_in: counted(exchange.bytesIn),
      bytes_out: counted(exchange.bytesOut),
      duration_ms: rounded(durationMs),
      upstream_ms: rounded(upstreamMs),
      overhead_ms: rounded(overheadMs),
      closed: exchange.streamEnd,
      aborted: response.writableFinished ? undefined : true,
      suppressed: suppressed === 0 ? undefined : suppressed,
      evidence: why?.evidence,
      // Only a bug has a stack worth reading; the causes of expected faults are in the evidence.
      err: denial?.code === 'internal' ? denial.cause : undefined,
    },
    denial === undefined ? 'request passed' : 'request refused',
  )
}

/** @returns undefined where the head was not accepted, so that nobody knows which host was meant */
function hostText(host: string): string | undefined {
  return host === '' ? undefined : redactHost(host)
}

const SHED_INTERVAL_MS = 1_000
