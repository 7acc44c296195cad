/** A service behind the gateway that speaks HTTP/2, with or without TLS, and remembers what reached it. */
import { once } from 'node:events'
import {
  constants,
  createSecureServer,
  createServer,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from 'node:http2'
import type { AddressInfo, Server, Socket } from 'node:net'
import type { Certificate } from '../certificates.ts'

export interface SeenCall {
  readonly stream: ServerHttp2Stream
  readonly headers: IncomingHttpHeaders
  /** Flat names and values, pseudo-header fields among them. */
  readonly rawHeaders: readonly string[]
  /** The error code with which it ended; 0 in good order. Resolves when the stream is closed. */
  readonly ended: Promise<number>
}

export interface Http2Service {
  /** `h2c:` or `https:`. */
  readonly url: string
  readonly port: number
  /** All calls so far, oldest first. */
  readonly calls: SeenCall[]
  /** All connections so far; those that are gone are destroyed. */
  readonly sessions: ServerHttp2Session[]
  readonly sockets: Socket[]
  /** The next call, once its head has arrived. */
  next(): Promise<SeenCall>
  close(): Promise<void>
}

export type Respond = (call: SeenCall) => void

export interface Http2ServiceOptions {
  readonly tls?: Certificate
  readonly settings?: Settings
  readonly port?: number
}

/** @param respond by default the method, the path and the size of the body, once that has arrived */
export async function startHttp2Service(
  respond: Respond = echoCall,
  { tls, settings = {}, port = 0 }: Http2ServiceOptions = {},
): Promise<Http2Service> {
  const calls: SeenCall[] = []
  const sessions: ServerHttp2Session[] = []
  const sockets: Socket[] = []
  const options = { settings, strictSingleValueFields: false }
  const server =
    tls === undefined ? createServer(options) : createSecureServer({ ...options, cert: tls.cert, key: tls.key })
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => sockets.push(socket))
  server.on('session', session => {
    session.on('error', () => {})
    sessions.push(session)
  })
  server.on('stream', (stream: ServerHttp2Stream, headers, _flags, rawHeaders) => {
    stream.on('error', () => {})
    const ended = new Promise<number>(resolve => {
      stream.once('close', () => resolve(stream.rstCode ?? constants.NGHTTP2_NO_ERROR))
    })
    const call = { stream, headers, rawHeaders: rawHeaders as readonly string[], ended }
    calls.push(call)
    respond(call)
    server.emit('call', call)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const bound = (server.address() as AddressInfo).port
  return {
    url: tls === undefined ? `h2c://127.0.0.1:${bound}` : `https://localhost:${bound}`,
    port: bound,
    calls,
    sessions,
    sockets,
    next: async () => ((await once(server, 'call')) as [SeenCall])[0],
    close: () => {
      const closed = new Promise<void>(resolve => (server as Server).close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      return closed
    },
  }
}

export function echoCall({ stream, headers }: SeenCall): void {
  let bodyBytes = 0
  stream.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length
  })
  stream.on('end', () => {
    if (stream.destroyed) return
    stream.respond({ ':status': 200, 'content-type': 'text/plain' })
    stream.end(`${headers[':method']} ${headers[':path']} ${bodyBytes}`)
  })
}
