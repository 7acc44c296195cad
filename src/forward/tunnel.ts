/**
 * A WebSocket connection after the upstream agreed to it: bytes pass untouched, both ways, with back-pressure.
 *
 * RFC 6455 (WebSocket), RFC 9110 §7.8 (Upgrade), §7.6.1 (Connection). A side that closes its half closes that half on the
 * other side; a side that breaks off breaks off the other. Frames are looked at for their length only, so that a Close of
 * ours can be put between two of theirs. Silence is normal: a tunnel is closed for it after `streams.idleTimeout` only, and
 * a Ping or a Pong is no silence.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { PeerStalled } from '../downstream/stalled-peers.ts'
import { Denial, SWITCHING_PROTOCOLS } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { StreamEnd } from '../types.ts'
import { responseHeaders } from './response-headers.ts'
import type { Streams } from './streams.ts'
import { type CloseStatus, closeFrame, FrameBoundaries, maskedCloseFrame } from './websocket-frames.ts'

export interface TunnelDeps {
  readonly monotonicMs: () => number
  readonly scheduler: Scheduler
  readonly streams: Streams
  /** Watches a connection to the upstream as those of clients are. */
  readonly watchWrites: (socket: Socket) => void
}

/** The upstream said 101. */
export interface Agreement {
  readonly rawHeaders: ReadonlyArray<Buffer | string>
  readonly headers: IncomingHttpHeaders
  /** As undici lets go of it: without listeners, what has arrived already still to be read. */
  readonly socket: Duplex
  /** What the client has sent already. */
  readonly earlyBytes: Buffer
}

/** RFC 6455 §7.4.1. 1008: the client has to change something (its token, that it reads); 1001: it may just come back. */
const CLOSE_STATUS: Readonly<Record<StreamEnd, CloseStatus>> = {
  expired: { code: 1008, reason: 'the access token expired' },
  idle: { code: 1001, reason: 'nothing was sent for too long' },
  stalled: { code: 1008, reason: 'nothing is read' },
  shutdown: { code: 1001, reason: 'the gateway is shutting down' },
}

/** For the frame under way to end and for the other end to answer a Close. */
const CLOSING_MS = 2_000
/** A peer that vanished without a word is found by TCP (Linux then takes eleven minutes to be sure). */
const KEEP_ALIVE_DELAY_MS = 60_000

/** @throws {Denial} `upstream_unreachable`: the upstream switches to something else; its connection is closed */
export function openTunnel(
  exchange: Exchange,
  { rawHeaders, headers, socket, earlyBytes }: Agreement,
  deps: TunnelDeps,
): void {
  const { request, response, requestId } = exchange
  const upstream = socket as Socket
  const client = request.socket
  // Nobody else listens any more.
  upstream.on('error', () => {})
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    upstream.destroy()
    throw new Denial('upstream_unreachable', { evidence: { reason: 'switched to another protocol' } })
  }
  const lines = responseHeaders({ statusCode: SWITCHING_PROTOCOLS, rawHeaders, requestId })
  response.sendHead(SWITCHING_PROTOCOLS, [...lines, 'Connection', 'Upgrade', 'Upgrade', 'websocket'])
  response.end()

  upstream.allowHalfOpen = true
  client.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  deps.watchWrites(upstream)
  const toClient = new Direction(upstream, client)
  const toUpstream = new Direction(client, upstream)
  toUpstream.send(earlyBytes)
  joinEnds(client, upstream, exchange, deps)
  const close = (end: StreamEnd): void => {
    toClient.close(closeFrame(CLOSE_STATUS[end]))
    toUpstream.close(maskedCloseFrame(CLOSE_STATUS[end]))
    deps.scheduler.after(CLOSING_MS, () => {
      client.destroy()
      upstream.destroy()
    })
  }
  deps.streams.opened(exchange, close, () => toClient.passedBytes + toUpstream.passedBytes)
}

/** What one side sends to the other. */
class Direction {
  passedBytes = 0
  readonly #to: Duplex
  readonly #frames = new FrameBoundaries()
  #closeFrame: Buffer | undefined
  #isClosed = false

  constructor(from: Duplex, to: Duplex) {
    this.#to = to
    from.on('data', (chunk: Buffer) => {
      if (this.send(chunk)) return
      from.pause()
      to.once('drain', () => from.resume())
    })
    from.on('end', () => to.end())
    from.resume()
  }

  /** Sends this after the frame under way, and nothing more. */
  close(frame: Buffer): void {
    this.#closeFrame = frame
    this.#closeBetweenFrames(frame)
  }

  /** @returns false when the other side has enough for now */
  send(chunk: Buffer): boolean {
    // What comes after our Close is dropped; it is read, or a reset could take the Close with it.
    if (this.#isClosed) return true
    this.passedBytes += chunk.length
    if (this.#closeFrame === undefined) {
      this.#frames.pass(chunk)
      return this.#to.write(chunk)
    }
    const rest = this.#frames.finish(chunk)
    const isReady = this.#to.write(chunk.subarray(0, rest))
    this.#closeBetweenFrames(this.#closeFrame)
    return isReady
  }

  #closeBetweenFrames(frame: Buffer): void {
    if (!this.#frames.isBetweenFrames) return
    this.#isClosed = true
    if (!this.#to.writableEnded) this.#to.end(frame)
  }
}

function joinEnds(client: Socket, upstream: Socket, exchange: Exchange, { monotonicMs }: TunnelDeps): void {
  const noteStall = (error: Error): void => {
    if (error instanceof PeerStalled) exchange.streamEnd ??= 'stalled'
  }
  client.on('error', noteStall)
  upstream.on('error', noteStall)
  client.once('close', () => {
    if (!isDone(client)) upstream.destroy()
  })
  upstream.once('close', () => {
    exchange.upstreamEndedMs = monotonicMs()
    if (!isDone(upstream)) client.destroy()
  })
}

/** Closed in order: all that it sent was read, all that it was sent is out. What is still on its way elsewhere may arrive. */
function isDone(socket: Socket): boolean {
  return socket.readableEnded && socket.writableFinished
}
