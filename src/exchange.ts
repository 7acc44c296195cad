/**
 * One request on its way through the gateway: its two ends, and what is noted for its one log line and its metrics.
 *
 * What is asked stands in {@link Exchange.facts}, and what was found out about that in {@link Exchange.findings}.
 *
 * {@link ClientRequest} and {@link ClientResponse} say what the client's side can do, whichever protocol it speaks:
 * HTTP/1.1, HTTP/2, or HTTP/1.1 on the way to a WebSocket. `downstream/` has classes for each.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { Denial } from './errors.ts'
import { type Policy, Undecided } from './policy.ts'
import type { OpenStream, RequestFacts, RequestTrace, Sender, StreamEnd } from './types.ts'

/** The head of an answer of our own, by name; a list is sent as several lines. */
export type HeaderRecord = Readonly<Record<string, string | number | readonly string[]>>

export interface ClientRequest {
  /** The connection, which over HTTP/2 other requests share. */
  readonly socket: Socket
  /** The body, to be read once. */
  readonly body: Readable
  /** True when all of the request has arrived. */
  readonly complete: boolean
  /** Why its connection or its stream broke; null if it did not. */
  readonly failure: Error | null
  /** Returns what a decision may know. Call it on arrival, because a destroyed socket no longer knows its peer. */
  facts(): RequestFacts
  /** Deals with what is still to come of the request. Call it together with any answer but a refusal. */
  dropRest(): void
  /** Lets go of the head as well, and of the connection or stream within seconds. Call it together with a refusal. */
  dropAll(): void
}

export interface ClientResponse {
  statusCode: number
  /** False makes the response the last of its connection. Over HTTP/2 it has no effect: connections end by GOAWAY. */
  shouldKeepAlive: boolean
  /** True once the head is settled, though it may not be out yet. */
  readonly headersSent: boolean
  /** True when all of the response, its end included, is out. */
  readonly writableFinished: boolean
  /** What the client asked to switch to, if the gateway can do that. */
  readonly upgrade: 'websocket' | null
  /** The highest status that its protocol can carry. */
  readonly highestStatus: number
  /** False where trailers end at this hop. */
  readonly takesTrailers: boolean
  on(event: 'close' | 'drain', listener: () => void): unknown
  once(event: 'close' | 'drain', listener: () => void): unknown
  writeContinue(): void
  /** Settles the head, which leaves with what follows it. @param headers flat names and values, or a record */
  sendHead(status: number, headers: readonly string[] | HeaderRecord): void
  /** @returns false when the client has enough for now */
  write(chunk: Buffer): boolean
  end(text?: string): unknown
  /** Sends all of a refusal; a client that takes no body now gets its head alone. @param headers names in lower case */
  refuse(status: number, headers: HeaderRecord, body: string): void
  /** @param trailers names in lower case; dropped where the response takes no trailers */
  endWithTrailers(chunk: Buffer, trailers: OutgoingHttpHeaders): void
  /** Ends the response in a way that tells the client that the rest is missing. */
  abort(): void
  /** Returns what the client sent behind its request for an upgrade. From then on the caller has to read its socket. */
  takeEarlyBytes(): Buffer
}

/**
 * The upstream's part of a request, for whoever has to end it early.
 *
 * It is an object with a method and not a function, because of how V8 allocates. V8 expects a function literal that is
 * assigned to a property (`exchange.cancel = () => …`) to live long, and puts it into the old generation of the heap.
 * There it stays, although the request is over, until the next full collection, and all that it refers to stays with
 * it. So code that runs for every request does not assign function literals to properties: it assigns an object, a
 * parameter, or a variable that holds the function, which all begin in the young generation (seen on Node 26.10 with
 * `%InYoungGeneration`).
 */
export interface Forwarding {
  /** Gives up the upstream's part of the request. */
  cancel(reason: Error): void
}

const NO_LINES: readonly string[] = Object.freeze([])

export class Exchange {
  readonly request: ClientRequest
  readonly response: ClientResponse
  facts: RequestFacts
  /** A reload does not change the policy of a request that is under way. */
  readonly policy: Policy
  /** What the decision has found out so far. */
  readonly findings = new Undecided()
  readonly requestId: string
  /** Monotonic milliseconds. */
  readonly startedMs: number
  /** Names the trace in the log; undefined where the gateway makes no traces. */
  readonly trace: RequestTrace | undefined
  /** True when the client waits for `100 Continue` before it sends its body. */
  readonly expectsContinue: boolean

  /** True when nobody waits for an answer any more: the response has ended, or the connection has. */
  hasEnded = false
  /** True while it counts towards `limits.requests`. */
  holdsPlace = false
  /** The place of this exchange in the drain's `Roster`. */
  slot = -1
  /** Bytes of the body that came from the client, and of the one that was handed to it; in a tunnel all that passed. */
  bytesIn = 0
  bytesOut = 0
  /** What the log line says of the head: set by whoever asks first, and when the head is forgotten at the latest. */
  sender: Sender | undefined
  /** Why the request was refused; undefined when it was not. */
  denial: Denial | undefined
  upstreamStartedMs: number | undefined
  upstreamEndedMs: number | undefined
  /** The upstream's part of the request, from the moment when it is forwarded until it is over. */
  forwarding: Forwarding | undefined
  /** Set for a tunnel, and for an answer that did not leave in one piece. */
  stream: OpenStream | undefined
  /** Why the gateway ended the stream early; undefined when it did not. */
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
    this.trace = start.policy.traces?.(start.facts)
    this.expectsContinue = start.expectsContinue
  }

  /**
   * Lets go of what the request brought but for what its log line says. Attack: a client that takes no answers has many
   * requests refused, and all that they brought would stay for as long as their refusals cannot leave.
   *
   * @param target what the log line shows of the target
   * @param sender what it says of the rest
   */
  forgetHead(target: string, sender: Sender): void {
    this.sender = sender
    this.facts = { ...this.facts, target, rawHeaders: NO_LINES }
    this.findings.forgetHead()
  }
}
