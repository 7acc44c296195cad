/**
 * Keeps the connections to a service that says in its TLS handshake whether it speaks HTTP/2.
 *
 * RFC 7301 (ALPN). The first connection asks, and the requests that wait for its answer share the question. The answer
 * is believed until a connection contradicts it: a service may have been replaced by another version of itself.
 */
import type { Socket } from 'node:net'
import type { UpstreamConnections, UpstreamHandler, UpstreamRequest } from './connections.ts'
import { type Connect, isHttp2 } from './connector.ts'
import { UpstreamFailure } from './failure.ts'

interface NegotiatedUpstreamOptions {
  readonly http1: (connect: Connect) => UpstreamConnections
  readonly http2: (connect: Connect) => UpstreamConnections
  readonly connectHttp1: Connect
  readonly connectEither: Connect
}

export function negotiatedUpstream(options: NegotiatedUpstreamOptions): UpstreamConnections {
  let chosen: UpstreamConnections | undefined
  let asking: Promise<UpstreamConnections> | undefined
  /** The connection that asked, until the first request takes it. */
  let first: Socket | undefined

  const http1 = options.http1(async () => {
    const socket = taken(false)
    if (socket !== undefined) return socket
    try {
      return await options.connectHttp1()
    } catch (error) {
      // A WebSocket that the service does not take says nothing about the rest.
      if (chosen === http1) chosen = undefined
      throw error
    }
  })
  const http2 = options.http2(async () => {
    const socket = taken(true) ?? (await options.connectEither())
    if (isHttp2(socket)) return socket
    chosen = undefined
    socket.destroy()
    throw new UpstreamFailure('NOT_SUPPORTED', 'HTTP/2, which the service no longer speaks')
  })

  function taken(wantsHttp2: boolean): Socket | undefined {
    const socket = first
    if (socket === undefined || isHttp2(socket) !== wantsHttp2) return undefined
    first = undefined
    return socket.destroyed ? undefined : socket
  }

  async function ask(): Promise<UpstreamConnections> {
    try {
      const socket = await options.connectEither()
      socket.on('error', () => {})
      first = socket
      // Whoever asked may have got another connection, or may be gone; or is sent at the end of the turn.
      setImmediate(() =>
        setImmediate(() => {
          if (first !== socket) return
          first = undefined
          socket.destroy()
        }),
      )
      chosen = isHttp2(socket) ? http2 : http1
      return chosen
    } finally {
      asking = undefined
    }
  }

  return {
    dispatch(request: UpstreamRequest, handler: UpstreamHandler) {
      if (request.upgrade !== null) http1.dispatch(request, handler)
      else if (chosen !== undefined) chosen.dispatch(request, handler)
      else {
        asking ??= ask()
        asking.then(
          connections => connections.dispatch(request, handler),
          (error: Error) => handler.onError(error),
        )
      }
    },
    async drain() {
      await asking?.catch(() => {})
      await Promise.all([http1.drain(), http2.drain()])
    },
    async close() {
      await Promise.all([http1.close(), http2.close()])
    },
  }
}
