/**
 * Makes the answer to a refused request: the gateway, a bare socket and `sallyport explain` all send or show this one.
 *
 * RFC 9457 (problem details), RFC 6750 §3 (challenge), RFC 9110 §10.2.3 (Retry-After). A gRPC call gets a status of
 * gRPC and 200 as that of HTTP. Whether the connection ends with the answer depends on what is still to come on it, so
 * the sender decides that.
 */
import { type Denial, GRPC_HTTP_STATUS } from '../errors.ts'
import type { Route } from '../policy.ts'
import type { RequestFacts } from '../types.ts'
import { challenge, problem } from './challenge.ts'
import { grpcContentType, grpcStatus } from './grpc.ts'

const REALM = 'sallyport'

interface RefusalResponse {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: string
}

/**
 * @param facts undefined for bytes that never became a request
 * @param route undefined when the request was refused before one was chosen
 */
export function refusalResponse(
  denial: Denial,
  facts: Pick<RequestFacts, 'rawHeaders'> | undefined,
  route: Pick<Route, 'challengeScope'> | undefined,
  requestId: string,
): RefusalResponse {
  const { code, retryAfterSeconds, spec } = denial
  const grpc = facts && grpcContentType(facts.rawHeaders)
  const body = grpc === undefined ? problem(code, requestId) : ''
  const wwwAuthenticate = challenge(code, { realm: REALM, scope: route?.challengeScope })
  return {
    status: grpc === undefined ? spec.status : GRPC_HTTP_STATUS,
    headers: {
      ...(grpc === undefined
        ? { 'content-type': 'application/problem+json', 'content-length': Buffer.byteLength(body) }
        : { 'content-type': grpc, ...grpcStatus(code) }),
      'cache-control': 'no-store',
      'x-request-id': requestId,
      ...(wwwAuthenticate !== undefined && { 'www-authenticate': wwwAuthenticate }),
      ...(retryAfterSeconds !== undefined && { 'retry-after': retryAfterSeconds }),
    },
    body,
  }
}
