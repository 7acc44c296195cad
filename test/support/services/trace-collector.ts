/** A collector of traces that takes OTLP in JSON, and answers as a test says. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gunzipSync } from 'node:zlib'

export interface CollectedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly traceState: string | undefined
  readonly name: string
  /** 1 internal, 2 server, 3 client */
  readonly kind: number
  readonly startMs: number
  readonly endMs: number
  readonly flags: number
  /** 2: an error */
  readonly status: number
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>
  readonly resource: Readonly<Record<string, unknown>>
}

interface Post {
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface TraceCollector {
  readonly url: string
  /** All posts, good or not, the oldest first. */
  readonly posts: readonly Post[]
  /** The spans of posts that were answered with 200. */
  readonly spans: readonly CollectedSpan[]
  /** Answers otherwise from now on; undefined: takes everything. */
  answer(answer: ((response: ServerResponse) => void) | undefined): void
  /** Resolves when so many spans are taken. */
  collected(spans: number): Promise<void>
  /** Resolves when the next post has come. */
  posted(): Promise<void>
  /** Cuts every connection and refuses new ones. */
  kill(): Promise<void>
  revive(): Promise<void>
}

export async function startTraceCollector(): Promise<TraceCollector> {
  const posts: Post[] = []
  const spans: CollectedSpan[] = []
  const sockets = new Set<Socket>()
  let answer: ((response: ServerResponse) => void) | undefined
  let waiting: Array<() => void> = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const bytes = Buffer.concat(chunks)
    const body = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString()
    posts.push({ path: request.url ?? '', headers: request.headers, body })
    if (answer === undefined) {
      spans.push(...spansIn(body))
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
    } else answer(response)
    for (const check of waiting) check()
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  const listen = (port: number) => new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const until = (isSo: () => boolean): Promise<void> => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const check = (): void => {
      if (isSo()) resolve()
    }
    waiting = [...waiting, check]
    check()
    return promise
  }
  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1/traces`,
    posts,
    spans,
    answer(next) {
      answer = next
    },
    collected: count => until(() => spans.length >= count),
    posted() {
      const before = posts.length
      return until(() => posts.length > before)
    },
    kill: () =>
      new Promise(resolve => {
        if (!server.listening) resolve()
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
    revive: () => listen(port),
  }
}

interface OtlpAttribute {
  readonly key: string
  readonly value: Readonly<Record<string, unknown>>
}

interface OtlpSpan extends Omit<CollectedSpan, 'status' | 'attributes'> {
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status?: { readonly code?: number }
  readonly attributes: readonly OtlpAttribute[]
}

interface OtlpRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: readonly OtlpAttribute[] }
    readonly scopeSpans: ReadonlyArray<{ readonly spans: readonly OtlpSpan[] }>
  }>
}

function spansIn(body: string): readonly CollectedSpan[] {
  const { resourceSpans } = JSON.parse(body) as OtlpRequest
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map(span => ({
        ...span,
        startMs: Number(span.startTimeUnixNano) / 1e6,
        endMs: Number(span.endTimeUnixNano) / 1e6,
        status: span.status?.code ?? 0,
        attributes: valuesOf(span.attributes),
        resource: valuesOf(resource.attributes),
      })),
    ),
  )
}

/** Numbers of 64 bits may be texts. */
function valuesOf(attributes: readonly OtlpAttribute[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      'intValue' in value ? Number(value.intValue) : Object.values(value).at(0),
    ]),
  )
}
