/**
 * Ends an answer that has begun in a way that tells the client that the rest is missing.
 *
 * RFC 9112 §8 (incomplete messages): over HTTP/1.1 only the end of the connection says so. A response that waits for its
 * turn on a pipelined connection has no socket yet, and Node would forget it and leave the connection waiting for its end
 * for ever. RFC 9113 §8.1: over HTTP/2 the stream is reset. A gRPC call ends with its status instead.
 */
import type { Socket } from 'node:net'
import { Http2Response } from '../downstream/http2-response.ts'
import { dropUnreadBody } from '../downstream/unread-body.ts'
import type { DenialCode } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { grpcStatus, takesStatusAsTrailers } from './grpc.ts'

const NO_BYTES = Buffer.alloc(0)

/** @param code why */
export function breakOff({ raw, res }: Exchange, code: DenialCode): void {
  if (res instanceof Http2Response) {
    if (takesStatusAsTrailers(raw.rawHeaders)) {
      dropUnreadBody(raw)
      res.endWithTrailers(NO_BYTES, grpcStatus(code))
    } else res.destroy()
    return
  }
  if (res.socket === null) res.once('socket', (socket: Socket) => socket.destroy())
  res.destroy()
}
