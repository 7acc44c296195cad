/** A service that speaks WebSocket, made of the `ws` package. */
import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type ClientOptions, type ServerOptions, WebSocket, WebSocketServer } from 'ws'

export interface Accepted {
  readonly socket: WebSocket
  readonly request: IncomingMessage
}

export interface WebSocketService {
  readonly url: string
  /** All handshakes so far, oldest first. */
  readonly seen: IncomingMessage[]
  /** Connections that are open, of whatever kind. */
  readonly sockets: ReadonlySet<Socket>
  /** The next connection that is made. */
  next(): Promise<Accepted>
  close(): Promise<void>
}

/** @param onConnection by default each message is sent back as it came */
export async function startWebSocketService(
  options: ServerOptions = {},
  onConnection: (socket: WebSocket) => void = echoMessages,
): Promise<WebSocketService> {
  const http = createServer((_request, response) => response.writeHead(426, { 'x-from': 'service' }).end('no upgrade'))
  const server = new WebSocketServer({ server: http, ...options })
  const seen: IncomingMessage[] = []
  const sockets = new Set<Socket>()
  const news = new EventEmitter().setMaxListeners(0)
  http.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('connection', (socket, request) => {
    seen.push(request)
    // A test learns from the client how a connection has ended.
    socket.on('error', () => {})
    onConnection(socket)
    news.emit('accepted', { socket, request })
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    seen,
    sockets,
    next: async () => ((await once(news, 'accepted')) as [Accepted])[0],
    close: () =>
      new Promise(resolve => {
        http.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function echoMessages(socket: WebSocket): void {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
}

export interface Handshake extends ClientOptions {
  readonly protocols?: readonly string[]
  readonly token?: string
}

/** @param url of the gateway (`http:` or `https:`), with the path */
export function webSocket(url: string, { protocols = [], token, ...options }: Handshake = {}): WebSocket {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return new WebSocket(url.replace(/^http/, 'ws'), [...protocols], {
    ...options,
    headers: { ...options.headers, ...authorization },
  })
}

/** Opens a connection, and resolves when it is open. */
export async function openWebSocket(url: string, handshake?: Handshake): Promise<WebSocket> {
  const socket = webSocket(url, handshake)
  await once(socket, 'open')
  return socket
}

/** Resolves with the answer to a handshake that is refused, that is, not answered with 101. */
export async function refusedHandshake(url: string, handshake?: Handshake) {
  const [request, response] = (await once(webSocket(url, handshake), 'unexpected-response')) as [
    { destroy(): void },
    IncomingMessage,
  ]
  const text = (await response.setEncoding('utf8').toArray()).join('')
  request.destroy()
  return { status: response.statusCode, headers: response.headers, text }
}

/** Resolves when the connection is closed, with the code and the reason that this end was given. */
export async function closing(socket: WebSocket): Promise<{ readonly code: number; readonly reason: string }> {
  const [code, reason] = (await once(socket, 'close')) as [number, Buffer]
  return { code, reason: reason.toString() }
}

/** Returns the bytes of a handshake. */
export function handshakeBytes(path: string, lines: readonly string[] = []): string {
  return `${[
    `GET ${path} HTTP/1.1`,
    'Host: app.example',
    ...['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    ...lines,
  ].join('\r\n')}\r\n\r\n`
}

/** The bytes with which a service agrees to a handshake. */
export const SWITCHING = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
