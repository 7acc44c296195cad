/**
 * This is the service behind the gateway in the demo: it answers every request with what arrived, so that one sees what
 * the gateway passed on, the identity headers above all. It checks nothing, since the gateway does.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { closeServer, listen } from './loopback.ts'

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

/** Starts the service. @throws {Error} with code `EADDRINUSE` when the port is taken */
export async function startDemoService({ port }: { readonly port: number }): Promise<DemoService> {
  const server = createServer((request, response) => {
    // A caller who goes away in the middle of a body needs no answer.
    answer(request, response).catch(() => response.destroy())
  })
  const address = await listen(server, port)
  return { url: `http://${address}`, close: () => closeServer(server) }
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
