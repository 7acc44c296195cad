/**
 * Writes what a decision leaves in the audit log: one line of JSON, put together by hand as `passed-line.ts` does it.
 *
 * It says who was let in or refused, where, and why. It holds no token, cookie, query or header value but `Host`, and
 * claims only of a token that was verified. What is foreign is cut to a length, so that a line stays short.
 */
import type { Denial, DenialCode } from '../../errors.ts'
import type { Exchange } from '../../exchange.ts'
import { boundedMemo } from '../../lib/bounded-memo.ts'
import type { Clock } from '../../lib/clock.ts'
import { keeper } from '../../lib/keeper.ts'
import { redactHost, redactPath } from '../../lib/redact-path.ts'
import type { GrantEnd, Principal } from '../../types.ts'
import { clientIdOf } from '../client-id.ts'
import { fencedJson, timestamps } from '../log.ts'
import { senderOf } from '../sender.ts'

/** What was decided about a request. */
interface Decided {
  readonly decision: 'allow' | 'deny' | 'report'
  /** Why a request is refused, or would be; why a stream has ended. */
  readonly code: 'ok' | DenialCode | GrantEnd
  /** Undefined where only the service will say. */
  readonly status: number | undefined
  /** The refusal behind it. */
  readonly why: Denial | undefined
  /** Set for what happens to a request that was decided about before. */
  readonly event?: 'stream_end'
}

interface AuditRecords {
  ofRequest(exchange: Exchange, decided: Decided): string
  /** What was refused below HTTP has no request: its method and path were never known. */
  ofBytes(requestId: string, denial: Denial, client: string | undefined): string
}

/** Names are as long at most as what nobody honest exceeds. */
const MOST_CHARS = 256
const MOST_EVIDENCE_CHARS = 2_000

export function auditRecords(clock: Clock): AuditRecords {
  const time = timestamps(clock)
  const asJson = boundedMemo<string>(JSON.stringify, { maxEntries: 10_000, maxKeyLength: 256 })
  /** All requests with one token share a principal. */
  const callers = keeper<string>()

  const begin = (requestId: string): string => `{"type":"audit"${time()},"request_id":"${requestId}"`

  function callerOf(principal: Principal): string {
    const found = callers.get(principal)
    if (found !== undefined) return found
    const { iss, sub, jti } = principal.claims
    const members = { provider: principal.provider, iss, sub, client_id: clientIdOf(principal), jti }
    const text = Object.entries(members)
      .map(([name, value]) => member(name, value))
      .join('')
    callers.set(principal, text)
    return text
  }

  return {
    ofRequest(exchange, { decision, code, status, why, event }) {
      const { requestId, facts, findings } = exchange
      const { route, endpoint, host, principal } = findings
      const target = route ?? endpoint
      const { traceId, client } = senderOf(exchange)
      let line = begin(requestId)
      if (traceId !== undefined) line = `${line},"trace_id":"${traceId}"`
      if (event !== undefined) line = `${line},"event":"${event}"`
      line = `${line},"decision":"${decision}","code":"${code}"`
      if (status !== undefined) line = `${line},"status":${status}`
      if (target !== undefined) line = `${line},"route":${asJson(target.id)}`
      line = `${line},"method":"${facts.method}"`
      if (host !== '') line = `${line},"host":${asJson(redactHost(host))}`
      line = `${line},"path":${JSON.stringify(redactPath(facts.target))}`
      line += clientMember(client)
      if (principal !== undefined) line += callerOf(principal)
      else if (why?.provider !== undefined) line = `${line},"provider":${asJson(why.provider)}`
      return `${line}${evidenceOf(why)}}\n`
    },
    ofBytes(requestId, denial, client) {
      const line = `${begin(requestId)},"decision":"deny","code":"${denial.code}","status":${denial.spec.status}`
      return `${line}${clientMember(client)}${evidenceOf(denial)}}\n`
    },
  }
}

function clientMember(client: string | undefined): string {
  return client === undefined ? '' : `,"client":"${client}"`
}

function member(name: string, value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'number' ? `,"${name}":${value}` : ''
  return `,"${name}":${JSON.stringify(value.length > MOST_CHARS ? `${value.slice(0, MOST_CHARS)}…` : value)}`
}

function evidenceOf(why: Denial | undefined): string {
  const text = why?.evidence && fencedJson(why.evidence)
  if (text === undefined) return ''
  return `,"evidence":${text.length > MOST_EVIDENCE_CHARS ? '{"reason":"too long to be shown"}' : text}`
}
