/**
 * One request on its way through the gateway, as far as reading and writing goes: both ends of it, and what is noted for
 * its one log line and its metrics. What it asks is in {@link Exchange.facts}, what that led to in {@link Exchange.findings}.
 *
 * {@link ClientRequest} and {@link ClientResponse} say what a client's side can do, whichever protocol it speaks: HTTP/1.1,
 * HTTP/2, or HTTP/1.1 on the way to a WebSocket. `downstream/` has one pair of classes for each.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Denial } from './errors.ts'
import { type Policy, Undecided } from './policy.ts'
import type { OpenStream, RequestFacts, StreamEnd } from './types.ts'

export interface ClientRequest {
  /** The connection, which over HTTP/2 other requests share. */
  readonly socket: Socket
  /** The body, to be read once. */
  readonly body: Readable
  /** True when all of it has arrived. */
  readonly complete: boolean
  /** Why its connection or its stream broke; null while it has not. */
  readonly failure: Error | null
  /** What a decision may know of it. Call it when the request arrives: a socket forgets its peer when it is destroyed. */
  facts(): RequestFacts
  /** Deals with what is left of it, together with an answer that comes before its end. */
  dropRest(): void
}

export interface ClientResponse {
  statusCode: number
  /** False makes it the last of its connection. It means nothing over HTTP/2, where connections end by GOAWAY. */
  shouldKeepAlive: boolean
  /** True once the head is settled, though it may not be out yet. */
  readonly headersSent: boolean
  /** True when all of it, its end included, is out. */
  readonly writableFinished: boolean
  /** What the client asked to switch to, where we would do that. */
  readonly upgrade: 'websocket' | null
  /** The highest status that it can carry. */
  readonly highestStatus: number
  /** False where trailers end at this hop. */
  readonly takesTrailers: boolean
  on(event: 'close' | 'drain', listener: () => void): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
  writeContinue(): void
  /** Settles the head; it leaves with what follows. @param headers flat names and values, or a record */
  sendHead(status: number, headers: readonly string[] | Readonly<Record<string, string | number>>): void
  /** @returns false when the client has enough for now */
  write(chunk: Buffer): boolean
  end(text?: string): unknown
  /** @param trailers what follows the body, in lower case; dropped where it takes none */
  endWithTrailers(chunk: Buffer, trailers: OutgoingHttpHeaders): void
  /** Ends it in a way that tells the client that the rest is missing. */
  abort(): void
  /** What the client sent before it was answered, when it asked for an upgrade. Its socket is then the caller's to read. */
  takeEarlyBytes(): Buffer
}

export interface Forwarding {
  /** Gives up the upstream's part of the request. */
  cancel(reason: Error): void
}

export class Exchange {
  readonly request: ClientRequest
  readonly response: ClientResponse
  readonly facts: RequestFacts
  /** Read once; a reload does not change the policy of a request under way. */
  readonly policy: Policy
  /** What the decision has found out so far. */
  readonly findings = new Undecided()
  readonly requestId: string
  /** Monotonic milliseconds. */
  readonly startedMs: number
  /** The client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean

  /** True when nobody waits for an answer any more: it is over, or its connection is. */
  hasEnded = false
  /** Place among the requests under way. */
  slot = -1
  /** What the client was told, when it was refused. */
  denial: Denial | undefined
  upstreamStartedMs: number | undefined
  upstreamEndedMs: number | undefined
  /** The upstream's part of the request; there once it is forwarded, until it is over. */
  forwarding: Forwarding | undefined
  /** There once it is a tunnel, or an answer that did not leave in one piece. */
  stream: OpenStream | undefined
  /** Why we ended it before its time. */
  streamEnd: StreamEnd | undefined

  constructor(
    start: Pick<Exchange, 'request' | 'response' | 'facts' | 'policy' | 'requestId' | 'startedMs' | 'expectsContinue'>,
  ) {
    this.request = start.request
    this.response = start.response
    this.facts = start.facts
    this.policy = start.policy
    this.requestId = start.requestId
    this.startedMs = start.startedMs
    this.expectsContinue = start.expectsContinue
  }
}
