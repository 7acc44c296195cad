/**
 * Opens a connection to a service and waits until it has said, in HTTP/2, how many requests it takes.
 *
 * RFC 9113 §3.4 (connection preface), §6.5.2 (SETTINGS_MAX_CONCURRENT_STREAMS). A service that speaks another protocol,
 * or none, or takes no requests at all, is told apart here, before any request depends on it.
 */
import { type ClientHttp2Session, connect as connectHttp2, type Settings } from 'node:http2'
import type { Socket } from 'node:net'
import type { Scheduler } from '../lib/scheduler.ts'
import type { Connect } from './connector.ts'
import { UpstreamFailure } from './failure.ts'

export interface Http2SessionOptions {
  /** `http://host:port` or `https://host:port`. */
  readonly origin: string
  /** Opens a connection on which the service has agreed to HTTP/2, or will. */
  readonly connect: Connect
  /** The longest time for the connection and the service's first word on it together. */
  readonly connectTimeoutMs: number
  readonly scheduler: Scheduler
  /** The longest head of an answer, as SETTINGS_MAX_HEADER_LIST_SIZE counts it; a longer one costs its request. */
  readonly maxHeadBytes: number
}

export interface OpenedSession {
  readonly session: ClientHttp2Session
  /** Ends the session when nobody at the other end helps; Node ends one by waiting for the other side. */
  readonly socket: Socket
}

/** Requests beyond what the service allows wait for a further connection, not for each other. */
export const MAX_CALLS = 100
/**
 * The longest head of a request, as SETTINGS_MAX_HEADER_LIST_SIZE counts it, where the service allows no less. A longer
 * one may cost the connection, with everybody's requests: servers on nghttp2 take eight CONTINUATION frames of 16 KiB.
 */
export const MAX_HEAD_BYTES = 128 * 1024
const STREAM_WINDOW_BYTES = 256 * 1024
const CONNECTION_WINDOW_BYTES = 1024 * 1024

const SESSION = {
  // A field that a client repeats is repeated over HTTP/1.1, too; here Node would refuse it.
  strictSingleValueFields: false,
  peerMaxConcurrentStreams: MAX_CALLS,
  // Node gives up the connection over a longer head, and counts a little more than we do.
  maxSendHeaderBlockLength: 2 * MAX_HEAD_BYTES,
}

/** Rejects with an {@link Error} that has a `code`. */
export function openSession(options: Http2SessionOptions): Promise<OpenedSession> {
  const { origin, connect, connectTimeoutMs, scheduler, maxHeadBytes } = options
  const settings = { enablePush: false, initialWindowSize: STREAM_WINDOW_BYTES, maxHeaderListSize: maxHeadBytes }
  return new Promise((resolve, reject) => {
    let socket: Socket | undefined
    let hasFailed = false
    const fail = (error: Error): void => {
      hasFailed = true
      cancelTimeout()
      socket?.destroy()
      reject(error)
    }
    const cancelTimeout = scheduler.after(connectTimeoutMs, () =>
      fail(new UpstreamFailure('CONNECT_TIMEOUT', 'no word of HTTP/2 in time')),
    )
    connect().then(connected => {
      socket = connected
      if (hasFailed) {
        connected.destroy()
        return
      }
      const session = connectHttp2(origin, { ...SESSION, settings, createConnection: () => connected })
      // A service that takes no requests at first may take some later.
      const onSettings = ({ maxConcurrentStreams }: Settings): void => {
        if (maxConcurrentStreams === 0) return
        session.off('remoteSettings', onSettings).off('close', onClose).off('error', fail)
        // A later failure ends the streams, and they say so.
        session.on('error', () => {})
        cancelTimeout()
        session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
        resolve({ session, socket: connected })
      }
      const onClose = (): void => fail(new UpstreamFailure('ANSWER_CUT', 'closed before a word of HTTP/2'))
      session.on('remoteSettings', onSettings).on('close', onClose).on('error', fail)
    }, fail)
  })
}
