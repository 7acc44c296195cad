/**
 * Ends an answer that has begun in a way that tells the client that the rest is missing.
 *
 * A gRPC call ends with its status where that can still follow (gRPC over HTTP/2, Trailers). Every other answer is
 * aborted in the way of its protocol (RFC 9112 §8, RFC 9113 §8.1).
 */
import type { DenialCode } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { grpcStatus, takesStatusAsTrailers } from './grpc.ts'

const NO_BYTES = Buffer.alloc(0)

/** @param code tells a gRPC client why */
export function breakOff({ request, response, facts }: Exchange, code: DenialCode): void {
  if (response.takesTrailers && takesStatusAsTrailers(facts.rawHeaders)) {
    request.dropRest()
    response.endWithTrailers(NO_BYTES, grpcStatus(code))
  } else response.abort()
}
