/**
 * Puts every decision about a request on record, at the moment when it is made: a stream of its own beside the log.
 *
 * There is exactly one record of each request that is decided about. What happens to it afterwards, such as a service
 * that does not answer, is no second one, except that the gateway ends its stream because what let it in is over.
 */
import { Denial } from '../../errors.ts'
import type { Exchange } from '../../exchange.ts'
import type { Clock } from '../../lib/clock.ts'
import type { GrantEnd, StreamEnd } from '../../types.ts'
import type { AuditSink } from './audit-file.ts'
import { auditRecords } from './audit-record.ts'

export interface Audit {
  /**
   * Records that a request is let through, unless that cannot be done and has to be.
   *
   * @param status of an answer of our own
   * @returns the refusal of a request that must not pass without a record
   */
  passed(exchange: Exchange, status?: number): Denial | undefined
  /** The refusal of whatever must not happen without a record, while no record can be kept. */
  readonly refusal: Denial | undefined
  /** Records a refusal, unless the request was decided about before. Call it before anything is answered. */
  refused(exchange: Exchange, denial: Denial): void
  /** Records the refusal of bytes that are no request. */
  refusedBytes(requestId: string, denial: Denial, client: string | undefined): void
  /** Records that a stream was ended, if that is because of its token. */
  streamEnded(exchange: Exchange, end: StreamEnd): void
}

interface AuditOptions {
  readonly what: 'denied' | 'all'
  readonly onFull: 'drop' | 'refuse'
  readonly sink: AuditSink
  readonly clock: Clock
}

export function audit({ what, onFull, sink, clock }: AuditOptions): Audit {
  const records = auditRecords(clock)
  const refusal = (): Denial | undefined => {
    if (onFull === 'drop') return undefined
    const reason = sink.trouble
    return reason === undefined ? undefined : new Denial('audit_unavailable', { evidence: { reason } })
  }
  return {
    passed(exchange, status) {
      const { reported } = exchange.findings
      if (reported === undefined && what === 'denied') return undefined
      const unrecorded = refusal()
      if (unrecorded !== undefined) return unrecorded
      const decision = reported === undefined ? 'allow' : 'report'
      const isKept = sink.add(
        records.ofRequest(exchange, { decision, code: reported?.code ?? 'ok', status, why: reported }),
      )
      // The first record that finds no room is the one that shows the trouble.
      return isKept ? undefined : refusal()
    },
    get refusal() {
      return what === 'denied' ? undefined : refusal()
    },
    refused(exchange, denial) {
      const { response, upstreamStartedMs } = exchange
      if (upstreamStartedMs !== undefined || response.headersSent || exchange.denial !== undefined) return
      const { code, spec } = denial
      sink.add(records.ofRequest(exchange, { decision: 'deny', code, status: spec.status, why: denial }))
    },
    refusedBytes(requestId, denial, client) {
      sink.add(records.ofBytes(requestId, denial, client))
    },
    streamEnded(exchange, end) {
      if (exchange.upstreamStartedMs === undefined || !isGrantEnd(end)) return
      const decided = { decision: 'deny', code: end, status: undefined, why: undefined, event: 'stream_end' } as const
      sink.add(records.ofRequest(exchange, decided))
    },
  }
}

/** The others say nothing about who may have the stream. */
const OTHER_ENDS: ReadonlySet<StreamEnd> = new Set(['stalled', 'idle', 'shutdown'])

function isGrantEnd(end: StreamEnd): end is GrantEnd {
  return !OTHER_ENDS.has(end)
}
