/**
 * One request on its way through the gateway: what each stage found out, kept for the next stage and, at its end, for
 * one log line and one set of metrics. A plain record; the stages do the work.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Request } from './downstream/http2-request.ts'
import type { Http2Response } from './downstream/http2-response.ts'
import type { Denial } from './errors.ts'
import type { OpenStream, StreamEnd } from './forward/streams.ts'
import type { Policy, Route } from './policy.ts'
import type { Peer, Principal } from './types.ts'

export type ClientRequest = IncomingMessage | Http2Request
export type ClientResponse = ServerResponse | Http2Response

export interface Forwarding {
  /** Ends it. */
  cancel(reason: Error): void
}

export class Exchange {
  readonly raw: ClientRequest
  readonly res: ClientResponse
  /** Read once; a reload does not change the policy of a request under way. */
  readonly policy: Policy
  /** The request target exactly as it arrived. */
  readonly target: string
  /** The other end, noted at the start: a socket forgets it when it is destroyed. */
  readonly peer: Peer
  readonly requestId: string
  /** Monotonic milliseconds. */
  readonly startedMs: number
  /** The client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean

  /** Nobody waits for an answer any more: it is over, or its connection is. */
  hasEnded = false
  /** Place among the requests under way. */
  slot = -1
  host = ''
  /** Undefined when only the body's end tells. */
  bodyBytes: number | undefined = 0
  route: Route | undefined
  /** Canonical path and query (with its `?`): what was judged and what is forwarded. */
  path = ''
  query = ''
  principal: Principal | undefined
  /** Flat name-value pairs that tell the upstream who is calling. */
  identityLines: readonly string[] = []
  /** What the client was told, when it was refused. */
  denial: Denial | undefined
  /** What a report-only route would have refused. */
  reported: Denial | undefined
  upstreamStartedMs: number | undefined
  upstreamEndedMs: number | undefined
  /** The upstream's part of the request; there once it is forwarded, until it is over. */
  forwarding: Forwarding | undefined
  /** There once it is a tunnel, or an answer that did not leave in one piece. */
  stream: OpenStream | undefined
  /** Why we ended it before its time. */
  streamEnd: StreamEnd | undefined

  constructor(
    start: Pick<Exchange, 'raw' | 'res' | 'policy' | 'target' | 'peer' | 'requestId' | 'startedMs' | 'expectsContinue'>,
  ) {
    this.raw = start.raw
    this.res = start.res
    this.policy = start.policy
    this.target = start.target
    this.peer = start.peer
    this.requestId = start.requestId
    this.startedMs = start.startedMs
    this.expectsContinue = start.expectsContinue
  }
}
