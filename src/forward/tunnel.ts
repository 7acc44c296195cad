/**
 * Joins client and upstream after a WebSocket handshake: bytes pass untouched, both ways, with back-pressure.
 *
 * RFC 6455 (WebSocket), RFC 9110 §7.8 (Upgrade), §7.6.1 (Connection). When one side closes its half of the connection,
 * that half is closed on the other side. When one side breaks off, the other is broken off, too. Only the lengths of
 * frames are looked at, so that the gateway can put a Close of its own between two frames. Silence is normal: a tunnel
 * is closed for it only after `streams.idleTimeout`, and a Ping or a Pong ends a silence.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { PeerStalled } from '../downstream/stalled-peers.ts'
import { Denial, SWITCHING_PROTOCOLS } from '../errors.ts'
import type { Exchange } from '../exchange.ts'
import { fieldValues } from '../lib/field-lines.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import type { StreamEnd } from '../types.ts'
import { putOwnLines } from './own-lines.ts'
import { responseHeaders } from './response-headers.ts'
import type { Streams } from './streams.ts'
import { type CloseStatus, closeFrame, FrameBoundaries, maskedCloseFrame } from './websocket-frames.ts'

export interface TunnelDeps {
  readonly monotonicMs: () => number
  readonly scheduler: Scheduler
  readonly streams: Streams
  /** Watches a connection to the upstream for a stall, as those of clients are watched. */
  readonly watchWrites: (socket: Socket) => void
}

/** The upstream's answer to a handshake, with status 101. */
interface Agreement {
  /** Flat names and values. */
  readonly rawHeaders: readonly string[]
  /** It has no listeners, and what has arrived already is still to be read. */
  readonly socket: Socket
  /** What the client has sent already. */
  readonly earlyBytes: Buffer
}

/** RFC 6455 §7.4.1: after 1008 a client has to change something (its token, or that it reads), after 1001 nothing. */
const CLOSE_STATUS: Readonly<Record<StreamEnd, CloseStatus>> = {
  expired: { code: 1008, reason: 'the access token expired' },
  revoked: { code: 1008, reason: 'the access token was revoked' },
  inactive: { code: 1008, reason: 'the access token is not active any more' },
  // RFC 6455 §7.4.1 and the registry: 1013 asks the client to come again later.
  unconfirmed: { code: 1013, reason: 'nobody can tell whether the access token is still active' },
  forbidden: { code: 1008, reason: 'the caller is not allowed to do this any more' },
  idle: { code: 1001, reason: 'nothing was sent for too long' },
  stalled: { code: 1008, reason: 'nothing is read' },
  shutdown: { code: 1001, reason: 'the gateway is shutting down' },
}

/** In this time the frame under way may end and the other end may answer our Close. */
const CLOSING_MS = 2_000
/** After so long a silence, TCP asks whether the peer is still there, and gives up ten seconds later (Node 26.10). */
const KEEP_ALIVE_DELAY_MS = 60_000

/** @throws {Denial} `upstream_unreachable`: the upstream switched to another protocol, and its connection is closed */
export function openTunnel(
  exchange: Exchange,
  { rawHeaders, socket: upstream, earlyBytes }: Agreement,
  deps: TunnelDeps,
): void {
  const { request, response, requestId, facts, policy } = exchange
  const client = request.socket
  // An error would end the process otherwise, since nobody else listens any more.
  upstream.on('error', () => {})
  if (fieldValues(rawHeaders, 'upgrade').join(', ').toLowerCase() !== 'websocket') {
    upstream.destroy()
    throw new Denial('upstream_unreachable', { evidence: { reason: 'switched to another protocol' } })
  }
  const lines = responseHeaders({ statusCode: SWITCHING_PROTOCOLS, rawHeaders, requestId })
  // A client that offered protocols fails when it gets none back, and the service may have been offered none of them.
  const agreed =
    fieldValues(rawHeaders, 'sec-websocket-protocol').length === 0
      ? policy.tokenPlaces?.agreedProtocol(facts.rawHeaders)
      : undefined
  if (agreed !== undefined) lines.push('Sec-WebSocket-Protocol', agreed)
  putOwnLines(lines, exchange)
  response.sendHead(SWITCHING_PROTOCOLS, [...lines, 'Connection', 'Upgrade', 'Upgrade', 'websocket'])
  response.end()

  upstream.allowHalfOpen = true
  client.setKeepAlive(true, KEEP_ALIVE_DELAY_MS)
  deps.watchWrites(upstream)
  const toClient = new Direction(upstream, client, bytes => {
    exchange.bytesOut += bytes
  })
  const toUpstream = new Direction(client, upstream, bytes => {
    exchange.bytesIn += bytes
  })
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
  deps.streams.opened(exchange, close, () => exchange.bytesIn + exchange.bytesOut)
}

/** Passes on what one side sends to the other. */
class Direction {
  readonly #to: Duplex
  readonly #onPassed: (bytes: number) => void
  readonly #frames = new FrameBoundaries()
  #closeFrame: Buffer | undefined
  #isClosed = false

  constructor(from: Duplex, to: Duplex, onPassed: (bytes: number) => void) {
    this.#to = to
    this.#onPassed = onPassed
    from.on('data', (chunk: Buffer) => {
      if (this.send(chunk)) return
      from.pause()
      to.once('drain', () => from.resume())
    })
    from.on('end', () => to.end())
    from.resume()
  }

  /** Sends this frame after the one under way, and nothing after it. */
  close(frame: Buffer): void {
    this.#closeFrame = frame
    this.#closeBetweenFrames(frame)
  }

  /** @returns false when the other side has enough for now */
  send(chunk: Buffer): boolean {
    // What comes after our Close is read and dropped. Bytes that nobody reads would lead to a reset, and that could
    // take our Close with it.
    if (this.#isClosed) return true
    this.#onPassed(chunk.length)
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

/**
 * Is true when a socket has closed in good order: everything from it was read, and everything for it is out. The other
 * side then still gets what is on its way to it.
 */
function isDone(socket: Socket): boolean {
  return socket.readableEnded && socket.writableFinished
}
