/**
 * Sends requests to a service that speaks HTTP/1.1: over undici's pool, one at a time on a connection, none twice.
 *
 * RFC 9110 §9.3.1 (content of GET), RFC 9112 §9.3 (persistence), §11.2 (smuggling). Attack: a service that does not
 * read the body of a GET takes its bytes for the next request of the connection, and that one nobody has judged.
 */
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

/** These methods say what a body means, so a service reads it. A service may leave the body of any other unread. */
const READS_BODIES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

export function http1Upstream(options: Http1UpstreamOptions): UpstreamConnections {
  const { origin, serverName } = options
  const connect = (_target: unknown, callback: (...result: [Error, null] | [null, Socket]) => void): void => {
    options.connect().then(
      socket => callback(null, socket),
      (error: Error) => callback(error, null),
    )
  }
  const newPool = () =>
    new Pool(origin, {
      pipelining: 1,
      // Whoever uses these connections watches their time.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_RESPONSE_HEAD_BYTES,
      connect,
      allowH2: false,
    })
  const pool = newPool()
  /** Every request here is the first and the last of its connection; most services never get one. */
  let singles: Pool | undefined
  // It is the same for all requests, or undici would close and open connections whenever Host changes.
  const fixed = { origin, servername: serverName ?? new URL(origin).hostname }
  return {
    dispatch({ path, method, headers, body, upgrade }: UpstreamRequest, handler: Dispatcher.DispatchHandler) {
      const isSingle = body !== null && !READS_BODIES.has(method)
      if (isSingle) singles ??= newPool()
      const connections = isSingle && singles !== undefined ? singles : pool
      // `reset` announces the end of the connection (`Connection: close`) and then ends it, whatever the service does.
      const end = isSingle ? { reset: true } : undefined
      // undici knows a stream by its methods; its types know one class only.
      connections.dispatch({ path, method, headers, body: body as Readable | null, upgrade, ...end, ...fixed }, handler)
    },
    drain: async () => void (await Promise.all([pool.close(), singles?.close()])),
    close: async () => void (await Promise.all([pool.destroy(), singles?.destroy()])),
  }
}
