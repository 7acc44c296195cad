/**
 * This is the service behind the gateway in the demo: it answers every request with what arrived, so that one sees what
 * the gateway passed on, the identity headers above all. It checks nothing, since the gateway does.
 *
 * Browsers get two pages of it, and a WebSocket, which counts, and repeats what it hears.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type WebSocket, WebSocketServer } from 'ws'
import { systemScheduler } from '../lib/scheduler.ts'
import { closeServer, listen } from './loopback.ts'
import { escaped, page } from './pages.ts'
import { GOODBYE, HOME, HOME_SCRIPT } from './static-files.ts'

/** The body of an answer has these members. */
interface Echo {
  readonly method: string
  readonly path: string
  /** Names are in lower case; the value is a list where a header came in several lines. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly bodyBytes: number
}

export interface DemoService {
  /** The URL is `http://127.0.0.1:` and the port. */
  readonly url: string
  close(): Promise<void>
}

const TICK_MS = 2_000

/** Starts the service. @throws {Error} with code `EADDRINUSE` when the port is taken */
export async function startDemoService({ port }: { readonly port: number }): Promise<DemoService> {
  const home = page({ html: HOME, script: HOME_SCRIPT })
  const goodbye = page({ html: GOODBYE })
  const server = createServer((request, response) => {
    const path = wantsPage(request) ? request.url : undefined
    if (path === '/') home(response, { identity: identityRows(request) })
    else if (path === '/goodbye') goodbye(response)
    // A caller who goes away in the middle of a body needs no answer.
    else answer(request, response).catch(() => response.destroy())
  })
  const sockets = new WebSocketServer({ server, path: '/live' })
  sockets.on('connection', talk)
  // The server's own failure to listen is told by `listen`.
  sockets.on('error', () => {})
  const address = await listen(server, port)
  return {
    url: `http://${address}`,
    close() {
      for (const socket of sockets.clients) socket.terminate()
      return closeServer(server)
    },
  }
}

function wantsPage({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.accept?.includes('text/html') === true
}

function identityRows({ headers }: IncomingMessage): string {
  return Object.entries(headers)
    .filter(([name]) => name.startsWith('x-auth-'))
    .map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(String(value))}</dd>`)
    .join('')
}

function talk(socket: WebSocket, { headers }: IncomingMessage): void {
  socket.send(`hello, ${headers['x-auth-subject'] ?? 'stranger'}`)
  const count = (number: number): void => {
    socket.send(`message ${number}`)
    cancel = systemScheduler.after(TICK_MS, () => count(number + 1))
  }
  let cancel = systemScheduler.after(TICK_MS, () => count(1))
  socket.on('message', data => socket.send(`you said: ${data}`))
  socket.on('error', () => socket.terminate())
  socket.on('close', () => cancel())
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let bodyBytes = 0
  for await (const chunk of request) bodyBytes += chunk.length
  const echo: Echo = {
    method: request.method ?? '',
    path: request.url ?? '',
    headers: Object.fromEntries(
      Object.entries(request.headersDistinct).map(([name, lines = []]) => [
        name,
        lines.length > 1 ? lines : (lines[0] ?? ''),
      ]),
    ),
    bodyBytes,
  }
  response.setHeader('content-type', 'application/json').end(`${JSON.stringify(echo, null, 2)}\n`)
}
