/** Sends requests to a service that speaks HTTP/1.1: over undici's pool, one at a time on a connection, none twice. */
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { type Dispatcher, Pool } from 'undici'
import type { UpstreamConnections, UpstreamRequest } from './connections.ts'
import type { Connect } from './connector.ts'

interface Http1UpstreamOptions {
  readonly origin: string
  readonly connect: Connect
  readonly serverName?: string | undefined
}

/** A longer head of a response is a fault of the upstream (502). */
const MAX_RESPONSE_HEAD_BYTES = 64 * 1024

export function http1Upstream(options: Http1UpstreamOptions): UpstreamConnections {
  const { origin, serverName } = options
  const connect = (_target: unknown, callback: (...result: [Error, null] | [null, Socket]) => void): void => {
    options.connect().then(
      socket => callback(null, socket),
      (error: Error) => callback(error, null),
    )
  }
  const pool = new Pool(origin, {
    pipelining: 1,
    // Whoever uses these connections watches their time.
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
    connect,
    allowH2: false,
  })
  // It is the same for all requests, or undici would close and open connections whenever Host changes.
  const fixed = { origin, servername: serverName ?? new URL(origin).hostname }
  return {
    dispatch({ path, method, headers, body, upgrade }: UpstreamRequest, handler: Dispatcher.DispatchHandler) {
      // undici knows a stream by its methods; its types know one class only.
      pool.dispatch({ path, method, headers, body: body as Readable | null, upgrade, ...fixed }, handler)
    },
    drain: () => pool.close(),
    close: () => pool.destroy(),
  }
}
