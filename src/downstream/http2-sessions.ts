/**
 * The connections that speak HTTP/2: what clients may ask of them, and how they end.
 *
 * RFC 9113 §6.5 (settings), §6.8 (GOAWAY), §9.1 (idle connections), §10.5 (denial of service). Node's http2 counts
 * resets, invalid frames, CONTINUATION frames and memory, and closes connections that go too far. What has no limit
 * there by default gets one here. Nothing is pushed.
 */
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { Socket } from 'node:net'
import type { Clock } from '../lib/clock.ts'
import type { Enrolled } from '../lib/roster.ts'
import { rounds } from '../lib/rounds.ts'
import type { Scheduler } from '../lib/scheduler.ts'
import { Http2Request } from './http2-request.ts'
import { Http2Response } from './http2-response.ts'

type Http2Listener = (request: Http2Request, response: Http2Response) => void

interface Http2SessionsOptions {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** Time from the connection to its first request. */
  readonly headersTimeoutMs: () => number
  /** Time a connection may be idle between requests. */
  readonly keepAliveTimeoutMs: number
  /** Most requests under way over all connections, of either version of HTTP (`limits.requests`). */
  readonly maxRequests: () => number
  readonly isDraining: () => boolean
  readonly onRequest: Http2Listener
}

export interface Http2Sessions {
  /** Serves a connection that speaks HTTP/2. */
  adopt(socket: Socket): void
  /** Tells clients to go elsewhere for their next requests. What they have sent already is served. */
  goAway(): void
  /** Closes the connections on which no request is under way. */
  closeIdle(): void
  /** Closes every connection, whatever is under way on it. */
  destroy(): void
}

interface Open extends Enrolled {
  readonly session: ServerHttp2Session
  readonly socket: Socket
  requests: number
  hasServed: boolean
  isGoing: boolean
  idleSinceMs: number
  /** When it was first seen that our side is closed; undefined before. */
  closedSinceMs: number | undefined
}

/** nginx allows as many. The client keeps further requests back until it is their turn. */
const MAX_CONCURRENT_STREAMS = 128
/** Limits of our own answer larger heads with a refusal. Past the two numbers here, Node resets the stream instead. */
const MAX_HEAD_LINES = 2_000
const MAX_HEAD_BYTES = 1024 * 1024
/** Bytes of bodies that a client may send ahead: for one request, and for all requests of a connection. */
const STREAM_WINDOW_BYTES = 256 * 1024
const CONNECTION_WINDOW_BYTES = 1024 * 1024
const MAX_INVALID_FRAMES = 100
/** Megabytes that one connection may take for its streams, heads and answers. Past that, new streams are reset. */
const MAX_SESSION_MEMORY_MB = 10
/**
 * Streams over all connections that may be open beside those of the requests under way, which have a limit of their
 * own: refusals that have not left yet. More are reset as requests that were not looked at and may be sent again.
 */
const MAX_REFUSED_STREAMS = 4_096
/** RFC 9113 §6.8: when a client is told to go, requests may be on their way. Those that arrive in time are served. */
const GOING_MS = 1_000
/** Node alone would wait for ever for the client to close its side, too. nginx waits as long (`lingering_timeout`). */
const LINGER_MS = 5_000
const ANY_STREAM = 2 ** 31 - 1
const ROUND_MS = 1_000

const { NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants

const SESSION: ServerOptions = {
  maxHeaderListPairs: MAX_HEAD_LINES,
  maxSessionInvalidFrames: MAX_INVALID_FRAMES,
  maxSessionMemory: MAX_SESSION_MEMORY_MB,
  // By default Node drops a field with blanks around its value, in silence. `head.ts` refuses it.
  strictFieldWhitespaceValidation: false,
  // By default Node throws when an upstream repeats a field that should stand once. Over HTTP/1.1 it passes, too.
  strictSingleValueFields: false,
  settings: {
    enablePush: false,
    maxConcurrentStreams: MAX_CONCURRENT_STREAMS,
    maxHeaderListSize: MAX_HEAD_BYTES,
    initialWindowSize: STREAM_WINDOW_BYTES,
  },
}

export function http2Sessions(options: Http2SessionsOptions): Http2Sessions {
  const { clock, scheduler, maxRequests, isDraining, onRequest } = options
  let streams = 0
  const open = rounds<Open>({
    scheduler,
    intervalMs: () => ROUND_MS,
    visit: entry => {
      if (entry.requests > 0) return
      const { session, hasServed, idleSinceMs } = entry
      const nowMs = clock.monotonicMs()
      if (session.closed) closeForGood(entry, nowMs)
      else if (nowMs - idleSinceMs >= (hasServed ? options.keepAliveTimeoutMs : options.headersTimeoutMs()))
        session.close()
    },
  })

  const letGo = (entry: Open): void => {
    // Attack: a client ends the session itself, and the streams that close with it lead here. Node throws when a
    // session that has ended is told to go, and nobody catches that.
    if (entry.isGoing || entry.session.closed || entry.session.destroyed) return
    entry.isGoing = true
    entry.session.goaway(NGHTTP2_NO_ERROR, ANY_STREAM)
    scheduler.after(GOING_MS, () => entry.session.close())
  }

  const serve = (entry: Open, stream: ServerHttp2Stream, received: readonly string[]): void => {
    // Attack (CVE-2023-44487): a client sends requests and resets them right away. They would cost it nothing, but the
    // service much.
    if (stream.closed || streams >= maxRequests() + MAX_REFUSED_STREAMS) {
      // An error of this stream would end the process, since nobody else listens for it.
      stream.on('error', () => {})
      stream.close(NGHTTP2_REFUSED_STREAM)
      return
    }
    streams += 1
    entry.requests += 1
    entry.hasServed = true
    stream.once('close', () => {
      streams -= 1
      entry.requests -= 1
      entry.idleSinceMs = clock.monotonicMs()
      if (isDraining()) letGo(entry)
    })
    onRequest(new Http2Request(stream, entry.socket, received), new Http2Response(stream))
  }

  return {
    adopt(socket) {
      const session = performServerHandshake(socket, SESSION)
      session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
      const entry: Open = {
        slot: -1,
        session,
        socket,
        requests: 0,
        hasServed: false,
        isGoing: false,
        idleSinceMs: clock.monotonicMs(),
        closedSinceMs: undefined,
      }
      open.add(entry)
      // The client has broken the protocol or its connection, and Node has ended the session already.
      session.on('error', () => {})
      session.on('close', () => open.delete(entry))
      session.on('stream', (stream, _headers, _flags, received) => serve(entry, stream, received))
    },
    goAway() {
      for (const entry of open) letGo(entry)
    },
    closeIdle() {
      for (const { session, requests } of open) if (requests === 0) session.close()
    },
    destroy() {
      for (const { session } of open) session.destroy()
    },
  }
}

/**
 * Closes the socket if the client does not. While bytes are still to be written, `stalled-peers.ts` limits the wait.
 */
function closeForGood(entry: Open, nowMs: number): void {
  entry.closedSinceMs ??= nowMs
  if (entry.socket.writableLength === 0 && nowMs - entry.closedSinceMs >= LINGER_MS) entry.socket.destroy()
}
