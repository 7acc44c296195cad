/**
 * The one place that answers a refused request: status, problem body, challenge.
 *
 * RFC 9457 (problem details), RFC 6750 §3 (challenge); a gRPC call gets a status of gRPC's, and HTTP's is 200. The reason behind it stays in `exchange.denial` for the log.
 */

import { dropUnreadBody } from '../downstream/unread-body.ts'
import { Denial, GRPC_HTTP_STATUS } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { breakOff } from './break-off.ts'
import { challenge, problem } from './challenge.ts'
import { grpcContentType, grpcStatus } from './grpc.ts'

export const REALM = 'sallyport'

const DEFAULT_RETRY_AFTER_SECONDS = 5
/** A refused request may still send this much before its connection is worth more than its bytes. */
const DRAINABLE_BYTES = 64 * 1024

export function refuse(exchange: Exchange, error: unknown): void {
  const { raw, res, route, requestId } = exchange
  const denial = error instanceof Denial ? error : new Denial('internal', { cause: error })
  exchange.denial = denial
  if (res.headersSent) {
    breakOff(exchange, denial.code)
    return
  }
  const { status } = denial.spec
  const grpc = grpcContentType(raw.rawHeaders)
  const body = grpc === undefined ? problem(denial.code, requestId) : ''
  const headers: Record<string, string | number> = {
    ...(grpc === undefined
      ? { 'content-type': 'application/problem+json', 'content-length': Buffer.byteLength(body) }
      : { 'content-type': grpc, ...grpcStatus(denial.code) }),
    'cache-control': 'no-store',
    'x-request-id': requestId,
  }
  const wwwAuthenticate = challenge(denial.code, { realm: REALM, scope: route?.challengeScope })
  if (wwwAuthenticate !== undefined) headers['www-authenticate'] = wwwAuthenticate
  if (status === 503) headers['retry-after'] = denial.retryAfterSeconds ?? DEFAULT_RETRY_AFTER_SECONDS
  if (mustClose(exchange, denial)) headers.connection = 'close'
  dropUnreadBody(raw)
  res.writeHead(grpc === undefined ? status : GRPC_HTTP_STATUS, headers)
  res.end(body)
}

/** Whether what the client may still send is not worth reading, or cannot be told apart from a next request. */
function mustClose({ raw, host, bodyBytes, expectsContinue }: Exchange, denial: Denial): boolean {
  // Without a host the head was not accepted, and nobody knows where its body ends.
  if (host === '' || denial.code === 'request_malformed' || denial.code === 'request_timeout') return true
  if (raw.complete) return false
  return expectsContinue || bodyBytes === undefined || bodyBytes > DRAINABLE_BYTES
}
