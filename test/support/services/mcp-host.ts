/**
 * Serves MCP over HTTP with the SDK's own server, in both eras at one address, and remembers what reached it.
 *
 * Requests of 2026-07-28 are stateless. Those of 2025-11-25 belong to a session, which `initialize` opens, a GET
 * listens to and a DELETE ends. The bytes of each body are kept beside what the SDK makes of them.
 */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { toNodeHandler } from '@modelcontextprotocol/node'
import {
  createMcpHandler,
  type EventStore,
  isLegacyRequest,
  type McpServer,
  type Server,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server'
import { closeServer, listen } from '../../../src/demo/loopback.ts'

export interface McpRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  /** The body's bytes so far, as they arrived. */
  body(): Buffer
}

export interface McpHost {
  /** Address without a path; any path is served. */
  readonly url: string
  /** Oldest first. */
  readonly requests: readonly McpRequest[]
  /** Ids of the sessions that are open. */
  readonly sessions: ReadonlySet<string>
  /** Answers the next request of this method with this status, and nothing else. */
  answerNext(method: string, status: number): void
  /** Waits until the service listens to this session's GET, so that nothing is lost that it sends there. */
  streaming(session: string): Promise<void>
  close(): Promise<void>
}

export interface McpHostOptions {
  /** Makes a server of which each serves one session, or one request. */
  readonly makeServer: () => McpServer | Server
  /** Remembers events of streams that clients may resume. Default: streams cannot be resumed. */
  readonly eventStore?: () => EventStore
}

export async function startMcpHost({ makeServer, eventStore }: McpHostOptions): Promise<McpHost> {
  const requests: McpRequest[] = []
  const sessions = new Map<string, WebStandardStreamableHTTPServerTransport>()
  const ids = new Set<string>()
  const streams = new Set<string>()
  const modern = createMcpHandler(makeServer, { legacy: 'reject' })
  const legacy = async (request: Request): Promise<Response> => {
    const id = request.headers.get('mcp-session-id') ?? ''
    const known = sessions.get(id)
    if (known !== undefined) {
      const response = await known.handleRequest(request)
      if (request.method === 'GET' && response.ok) {
        streams.add(id)
        server.emit('streaming')
      }
      return response
    }
    const transport = new WebStandardStreamableHTTPServerTransport({
      sessionIdGenerator: randomUUID,
      ...(eventStore === undefined ? {} : { eventStore: eventStore(), retryInterval: 500 }),
      onsessioninitialized(id) {
        sessions.set(id, transport)
        ids.add(id)
      },
      onsessionclosed(id) {
        sessions.delete(id)
        ids.delete(id)
      },
    })
    await makeServer().connect(transport)
    return transport.handleRequest(request)
  }
  const handle = toNodeHandler({
    fetch: async (request: Request) => ((await isLegacyRequest(request)) ? legacy(request) : modern.fetch(request)),
  })

  let next: { readonly method: string; readonly status: number } | undefined
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    const { method = '', url = '', headers, rawHeaders } = request
    requests.push({ method, path: url, headers, rawHeaders, body: () => Buffer.concat(chunks) })
    if (next?.method === method) {
      response.writeHead(next.status, { 'content-length': '0' }).end()
      next = undefined
      return
    }
    handle(request as Parameters<typeof handle>[0], response).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)))
    })
  })
  const url = `http://${await listen(server, 0)}`
  return {
    url,
    requests,
    sessions: ids,
    answerNext(method, status) {
      next = { method, status }
    },
    async streaming(session) {
      while (!streams.has(session)) await once(server, 'streaming')
    },
    async close() {
      await modern.close()
      await Promise.all([...sessions.values()].map(transport => transport.close()))
      await closeServer(server)
    },
  }
}
