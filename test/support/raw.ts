/**
 * The gateway as users run it (a process of its own, a file as its configuration), spoken to byte by byte.
 *
 * {@link startRawStack} puts it between a service that records every byte and clients made of plain sockets. After each
 * hostile exchange {@link RawStack.control} shows that the same process still serves an honest caller, and that nothing
 * but the honest request reached the service.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, connect as netConnect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { stringify } from 'yaml'
import { testProvider } from './gateway.ts'
import { startTestIssuer, type TestIssuer } from './issuer.ts'
import { type RunningSallyport, sallyport } from './running.ts'
import { startTestUpstream, type TestUpstream } from './upstream.ts'

export interface RawReply {
  readonly status: number
  /** Status line and fields, as received. */
  readonly head: string
  /** Lower-cased names; lines of one name joined by `, `. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
  /** False when the connection ended inside the body. */
  readonly complete: boolean
}

/** One connection to the gateway. */
export interface Wire {
  readonly socket: Socket
  write(bytes: string | Buffer): void
  /** The next answer; undefined when the connection closed before its head was complete. */
  reply(method?: string): Promise<RawReply | undefined>
  /** Everything that was received and not yet taken as a reply. */
  rest(): string
  /** Resolves when the other side has closed the connection. */
  readonly closed: Promise<void>
  end(): void
}

/** What every upstream of a stack can say. */
export type RecordingUpstream = Pick<TestUpstream, 'url' | 'bytes' | 'close'>

export interface RawStack<U extends RecordingUpstream = TestUpstream> {
  readonly issuer: TestIssuer
  readonly upstream: U
  readonly gateway: RunningSallyport
  readonly port: number
  readonly adminUrl: string
  /** A good token of `alice`, without scopes. */
  readonly token: string
  connect(): Wire
  /** Sends bytes on a connection of its own, takes one answer and closes. */
  exchange(bytes: string | Buffer, method?: string): Promise<RawReply | undefined>
  /** What the service was sent by the gateway during `action`. */
  forwarded(action: () => Promise<unknown>): Promise<string>
  /** An honest request that must succeed, in the very process that was started. */
  control(): Promise<void>
  /** The bytes must be answered with this refusal, nothing of them may reach the service, and `control` must hold. */
  refuses(bytes: string | Buffer, code: string, method?: string): Promise<RawReply>
  metrics(): Promise<string>
  close(): Promise<void>
}

export type ConfigOver = (issuer: TestIssuer, upstream: RecordingUpstream) => Record<string, unknown>

export function startRawStack(config?: ConfigOver): Promise<RawStack>
export function startRawStack<U extends RecordingUpstream>(config: ConfigOver, upstream: U): Promise<RawStack<U>>
export async function startRawStack(
  config: ConfigOver = () => ({}),
  given?: RecordingUpstream,
): Promise<RawStack<RecordingUpstream>> {
  const issuer = await startTestIssuer()
  const upstream = given ?? (await startTestUpstream())
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-raw-'))
  const file = join(folder, 'sallyport.yaml')
  writeFileSync(
    file,
    stringify(
      {
        listen: '127.0.0.1:0',
        admin: { listen: '127.0.0.1:0' },
        providers: { main: testProvider(issuer) },
        upstreams: { app: upstream.url },
        routes: ROUTES,
        ...config(issuer, upstream),
      },
      { aliasDuplicateObjects: false },
    ),
  )
  const gateway = sallyport(['run', '-c', file])
  const line = /\{.*"listening".*\}/
  const [started = ''] = line.exec(await gateway.printed(line)) ?? []
  const listening = JSON.parse(started) as { url: string; admin: string }
  const port = Number(new URL(listening.url).port)
  const token = await issuer.mint()
  const connect = (): Wire => wire(port)

  async function exchange(bytes: string | Buffer, method?: string): Promise<RawReply | undefined> {
    const connection = connect()
    connection.write(bytes)
    const reply = await connection.reply(method)
    connection.end()
    return reply
  }

  async function forwarded(action: () => Promise<unknown>): Promise<string> {
    const before = upstream.bytes().length
    await action()
    return upstream.bytes().subarray(before).toString('latin1')
  }

  let controls = 0
  async function control(): Promise<void> {
    const path = `/private/control-${++controls}`
    const reply = await exchange(get(path, [`Authorization: Bearer ${token}`]))
    expect(reply?.status, gateway.stderr()).toBe(200)
    expect(gateway.child.exitCode).toBeNull()
  }

  return {
    issuer,
    upstream,
    gateway,
    port,
    adminUrl: listening.admin,
    token,
    connect,
    exchange,
    forwarded,
    control,
    async refuses(bytes, code, method) {
      let reply: RawReply | undefined
      const reached = await forwarded(async () => {
        reply = await exchange(bytes, method)
        await control()
      })
      if (reply === undefined) throw new Error(`no answer to ${JSON.stringify(bytes.toString('latin1').slice(0, 300))}`)
      const named = method === 'HEAD' ? code : (JSON.parse(reply.body) as { code: string }).code
      expect(`${named} ${JSON.stringify(reached.slice(0, reached.indexOf('\r\n')))}`).toBe(
        `${code} "GET /private/control-${controls} HTTP/1.1"`,
      )
      expect(reached.split('\r\n\r\n')).toHaveLength(2)
      return reply
    },
    async metrics() {
      const response = await fetch(`${listening.admin}/metrics`)
      return response.text()
    },
    async close() {
      gateway.child.kill('SIGTERM')
      await gateway.exited
      await Promise.all([issuer.close(), upstream.close()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const ROUTES: ReadonlyArray<Readonly<Record<string, unknown>>> = [
  { id: 'public', path: '/public/**', access: 'public' },
  { id: 'optional', path: '/optional/**', access: 'optional' },
  { id: 'private', path: '/private/**' },
  { id: 'admin', path: '/admin/**', require: { scopes: ['admin'] } },
  { id: 'orders-read', path: '/orders/**', methods: ['GET'], require: { scopes: ['orders:read'] } },
  { id: 'orders-write', path: '/orders/:id', methods: ['PUT', 'DELETE'], require: { scopes: ['orders:write'] } },
]

/** A plain request. */
export function get(path: string, lines: readonly string[] = []): string {
  return request(`GET ${path} HTTP/1.1`, lines)
}

/** A head with a Host. `lines` go behind it as they are. */
export function request(requestLine: string, lines: readonly string[] = [], body = ''): string {
  return `${[requestLine, 'Host: app.example', ...lines].join('\r\n')}\r\n\r\n${body}`
}

/** The field lines of the first head in what reached a service: `[lower-cased name, value]`. */
export function fieldsOf(bytes: string): ReadonlyArray<readonly [string, string]> {
  const [head = ''] = bytes.split('\r\n\r\n', 1)
  return head
    .split('\r\n')
    .slice(1)
    .map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()])
}

/** A service that answers in raw bytes, so that it can break every rule. */
export interface ByteUpstream extends RecordingUpstream {
  /** Open connections, oldest first. */
  readonly sockets: ReadonlySet<Socket>
}

export interface SeenHead {
  readonly head: string
  readonly path: string
  readonly socket: Socket
}

/** @param answer called for each request head; bodies are not told apart from heads, so let clients send none */
export async function startByteUpstream(answer: (seen: SeenHead) => void): Promise<ByteUpstream> {
  const received: Buffer[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    let pending = ''
    socket.on('close', () => sockets.delete(socket))
    // A gateway that hangs up on a misbehaving service is what is being tested.
    socket.on('error', () => {})
    socket.on('data', chunk => {
      received.push(chunk)
      pending += chunk.toString('latin1')
      for (let at = pending.indexOf('\r\n\r\n'); at !== -1; at = pending.indexOf('\r\n\r\n')) {
        const head = pending.slice(0, at)
        pending = pending.slice(at + 4)
        answer({ head, path: head.split(' ')[1] ?? '', socket })
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    bytes: () => Buffer.concat(received),
    sockets,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function wire(port: number): Wire {
  const socket = netConnect(port, '127.0.0.1')
  let buffer = ''
  let isClosed = false
  let wake: () => void = () => {}
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    buffer += text
    wake()
  })
  // A reset is one of the ways to be refused; 'close' follows.
  socket.on('error', () => {})
  const closed = new Promise<void>(resolve => {
    socket.on('close', () => {
      isClosed = true
      wake()
      resolve()
    })
  })

  return {
    socket,
    closed,
    write: bytes => {
      socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    },
    rest: () => buffer,
    end: () => socket.destroy(),
    async reply(method = 'GET') {
      for (;;) {
        const parsed = parseReply(buffer, isClosed, method)
        if (parsed !== undefined) {
          buffer = buffer.slice(parsed.length)
          return parsed.reply
        }
        if (isClosed) return undefined
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
  }
}

/** @returns undefined as long as more bytes are needed */
function parseReply(
  buffer: string,
  isClosed: boolean,
  method: string,
): { readonly reply: RawReply; readonly length: number } | undefined {
  const headEnd = buffer.indexOf('\r\n\r\n')
  if (headEnd === -1) return undefined
  const head = buffer.slice(0, headEnd)
  const headers = new Map<string, string>()
  for (const [name, value] of fieldsOf(head)) {
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  const status = Number(head.split(' ', 2)[1])
  const bodyStart = headEnd + 4
  const found = (body: string, end: number, complete = true) => ({
    reply: { status, head, headers, body, complete },
    length: end,
  })
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return found('', bodyStart)
  if (headers.get('transfer-encoding') === 'chunked') {
    const end = /(?:^|\r\n)0\r\n\r\n/.exec(buffer.slice(bodyStart))
    if (end !== null) {
      const length = bodyStart + end.index + end[0].length
      return found(unchunked(buffer.slice(bodyStart, length)), length)
    }
  } else {
    const length = Number(headers.get('content-length') ?? Number.NaN)
    if (buffer.length >= bodyStart + length)
      return found(buffer.slice(bodyStart, bodyStart + length), bodyStart + length)
    if (Number.isNaN(length) && isClosed) return found(buffer.slice(bodyStart), buffer.length)
  }
  return isClosed ? found(buffer.slice(bodyStart), buffer.length, false) : undefined
}

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; at < text.length; ) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (!(size > 0)) break
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
  return body
}
