/** Answers a refused request and notes why for its log line. An answer that has begun is broken off. RFC 9112 §9.6. */
import { Denial } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { redactPath } from '../lib/redact-path.ts'
import { senderOf } from '../telemetry/sender.ts'
import { breakOff } from './break-off.ts'
import { type RefusalWriter, refusalResponse } from './response.ts'

/** So much of a refused request is read to keep its connection; to read more costs more than a new connection. */
const DRAINABLE_BYTES = 64 * 1024
/** A longer target is kept as the log shows it. */
const SHORT_TARGET_CHARS = 512

/**
 * @param error a {@link Denial}; anything else is a bug, and refuses as `internal`
 * @param respond makes the answer
 */
export function refuse(exchange: Exchange, error: unknown, respond: RefusalWriter = refusalResponse): void {
  const { request, response, facts, findings, requestId } = exchange
  const denial = error instanceof Denial ? error : new Denial('internal', { cause: error })
  exchange.denial = denial
  if (response.headersSent) {
    breakOff(exchange, denial.code)
    return
  }
  const sender = senderOf(exchange)
  const { status, headers, body } = respond(denial, facts, findings, requestId)
  response.refuse(status, mustClose(exchange, denial) ? { ...headers, connection: 'close' } : headers, body)
  request.dropAll()
  exchange.bytesOut = facts.method === 'HEAD' ? 0 : Buffer.byteLength(body)
  exchange.forgetHead(shortened(facts.target), sender)
}

/** Returns what the log line needs of a target, as a copy: a part of a string keeps the whole string in memory. */
function shortened(target: string): string {
  return target.length <= SHORT_TARGET_CHARS ? target : Buffer.from(redactPath(target)).toString()
}

/** Is true when what the client may still send is not worth reading, or cannot be told apart from a next request. */
function mustClose({ request, findings, expectsContinue, streamEnd }: Exchange, { spec }: Denial): boolean {
  const { host, bodyBytes } = findings
  // Without a host the head was not accepted, so nobody knows where its body ends.
  if (host === '' || spec.closes === true) return true
  if (request.complete) return false
  // An upload that is ended is given no more of the connection.
  if (streamEnd !== undefined) return true
  return expectsContinue || bodyBytes === undefined || bodyBytes > DRAINABLE_BYTES
}
