/** An identity provider's key endpoint on loopback that answers as a test scripts it, and counts who asks. */
import { once } from 'node:events'
import http, { type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface KeyServer {
  readonly origin: string
  readonly url: string
  readonly requests: ReadonlyArray<{ readonly path: string; readonly headers: IncomingHttpHeaders }>
  /** Sets the answer for every path that has none of its own. */
  answer(answer: Answer): void
  answerPath(path: string, answer: Answer): void
  /** Resolves when `count` requests have arrived in all. */
  received(count: number): Promise<void>
  openSockets(): number
  /** Cuts every connection and refuses new ones until {@link up}. */
  down(): Promise<void>
  up(): Promise<void>
}

export async function startKeyServer(tls?: { readonly key: string; readonly cert: string }): Promise<KeyServer> {
  const requests: Array<{ path: string; headers: IncomingHttpHeaders }> = []
  const sockets = new Set<Socket>()
  const paths = new Map<string, Answer>()
  let answer: Answer = status(404)
  let waiting: Array<() => void> = []
  const listener = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push({ path: request.url ?? '', headers: request.headers })
    for (const check of waiting) check()
    ;(paths.get(request.url ?? '') ?? answer)(request, response)
  }
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener)
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  const up = async (port = 0): Promise<void> => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const down = async (): Promise<void> => {
    if (!server.listening) return
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  }
  await up()
  onTestFinished(down)
  const { port } = server.address() as AddressInfo
  const origin = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`
  return {
    origin,
    url: `${origin}/jwks.json`,
    requests,
    answer(next) {
      answer = next
    },
    answerPath: (path, next) => void paths.set(path, next),
    received(count) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const check = (): void => {
        if (requests.length >= count) resolve()
      }
      waiting = [...waiting, check]
      check()
      return promise
    },
    openSockets: () => sockets.size,
    down,
    up: () => up(port),
  }
}

export function json(value: unknown, headers: http.OutgoingHttpHeaders = {}): Answer {
  return (_request, response) =>
    void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

export function status(code: number, headers: http.OutgoingHttpHeaders = {}): Answer {
  return (_request, response) => void response.writeHead(code, headers).end()
}

/** Takes the request and never answers. */
export const hang: Answer = () => {}

/** Sends one byte after the other, until the client goes away. */
export function endless(response: ServerResponse): void {
  const timer = setInterval(() => response.write(' '), 1)
  response.on('close', () => clearInterval(timer))
}

/** Sends a good head and then an endless body. */
export const drip: Answer = (_request, response) => endless(response.writeHead(200))

/** Cuts the connection in the middle of the body. */
export const reset: Answer = (_request, response) => {
  response.writeHead(200, { 'content-length': 100 }).write('{"keys":[', () => response.socket?.resetAndDestroy())
}

/** Answers with an ETag, and with 304 when the client has it already. */
export function conditional(value: unknown, etag: string, headers: http.OutgoingHttpHeaders = {}): Answer {
  return (request, response) =>
    request.headers['if-none-match'] === etag
      ? status(304, { etag, ...headers })(request, response)
      : json(value, { etag, ...headers })(request, response)
}
