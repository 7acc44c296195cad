/** A service behind the gateway that remembers what reached it: every request, and every byte. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
  /** Lower-cased names, values joined as Node does. */
  readonly headers: IncomingMessage['headers']
}

export interface TestUpstream {
  readonly url: string
  /** Requests as the service's parser understood them, oldest first. */
  readonly seen: SeenRequest[]
  /** All bytes that arrived on any connection. */
  bytes(): Buffer
  /** The connection of the next request, once its head has arrived. */
  arrival(): Promise<Socket>
  /** Open connections to the service. */
  readonly sockets: ReadonlySet<Socket>
  close(): Promise<void>
}

/** @param respond what the service answers; by default 200 and what it saw as JSON, once the body has arrived */
export async function startTestUpstream(respond: RequestListener = echo): Promise<TestUpstream> {
  const seen: SeenRequest[] = []
  const received: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const { method = '', url = '', rawHeaders, headers } = request
    seen.push({ method, url, rawHeaders, headers })
    respond(request, response)
    server.emit('arrival', request.socket)
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // Node's parser reads from the handle itself, until there is a listener. Then both are given the same bytes.
    socket.on('data', (chunk: Buffer) => received.push(chunk))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    bytes: () => Buffer.concat(received),
    arrival: async () => ((await once(server, 'arrival')) as [Socket])[0],
    sockets,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function echo(request: IncomingMessage, response: ServerResponse): void {
  let bodyBytes = 0
  request.on('data', (chunk: Buffer) => {
    bodyBytes += chunk.length
  })
  request.on('end', () => {
    const { method, url, headers, rawHeaders } = request
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ method, url, headers, rawHeaders, bodyBytes }))
  })
}
