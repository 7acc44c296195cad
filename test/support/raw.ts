/**
 * Runs the gateway as users do, as a process with a file as its configuration, and speaks to it byte by byte.
 *
 * {@link startRawStack} puts it between a service that records every byte and clients made of plain sockets. After each
 * hostile exchange {@link RawStack.control} shows that the same process still serves an honest caller, and that nothing
 * but the honest request reached the service.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { testAuthority } from './certificates.ts'
import { exchangeOverHttp2 } from './clients/http2-exchange.ts'
import { testProvider } from './gateway/gateway.ts'
import { type RunningSallyport, sallyport } from './gateway/running.ts'
import type { RecordingUpstream } from './services/byte-upstream.ts'
import { startTestIssuer, type TestIssuer } from './services/issuer.ts'
import { startTestUpstream, type TestUpstream } from './services/upstream.ts'
import { openWire, type RawReply, type Wire } from './wire.ts'

/** A gateway between clients and a service, as far as it does not matter which version of HTTP the clients speak. */
export interface Stack<U extends RecordingUpstream = TestUpstream> {
  readonly issuer: TestIssuer
  readonly upstream: U
  readonly gateway: RunningSallyport
  readonly port: number
  readonly adminUrl: string
  /** A good token of `alice`, without scopes. */
  readonly token: string
  /** Sends a request on a connection of its own, takes one answer and closes. */
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

/** A stack whose clients speak HTTP/1.1: bytes go out as they are. */
export interface RawStack<U extends RecordingUpstream = TestUpstream> extends Stack<U> {
  connect(): Wire
}

export type ConfigOver = (issuer: TestIssuer, upstream: RecordingUpstream) => Record<string, unknown>

/** @param nodeArgs arguments of Node itself */
export function startRawStack(config?: ConfigOver): Promise<RawStack>
export function startRawStack<U extends RecordingUpstream>(
  config: ConfigOver,
  upstream: U,
  nodeArgs?: readonly string[],
): Promise<RawStack<U>>
export async function startRawStack(
  config: ConfigOver = () => ({}),
  given?: RecordingUpstream,
  nodeArgs?: readonly string[],
): Promise<RawStack<RecordingUpstream>> {
  const stack = await startStack(config, given ?? (await startTestUpstream()), overHttp1, nodeArgs)
  return { ...stack, connect: () => openWire(stack.port) }
}

export interface Http2Stack extends Stack {
  readonly url: string
  /** PEM text of the authority that the gateway's certificate comes from; undefined without TLS. */
  readonly ca: string | undefined
  /** Resolves once no request is under way any more. */
  idle(): Promise<void>
}

type StartHttp2Stack = (config?: ConfigOver, given?: TestUpstream, nodeArgs?: readonly string[]) => Promise<Http2Stack>

/** Starts the same with TLS and HTTP/2: tests write requests as for HTTP/1.1, and they are sent as those of HTTP/2. */
export const startHttp2Stack: StartHttp2Stack = async (config = () => ({}), given, nodeArgs) => {
  const authority = testAuthority()
  const { certFile, keyFile } = authority.issue('gateway', ['DNS:localhost'])
  const tls = (issuer: TestIssuer, upstream: RecordingUpstream) => {
    const { listen, ...over } = config(issuer, upstream)
    const block = typeof listen === 'object' ? listen : {}
    return { ...over, listen: { address: '127.0.0.1:0', ...block, tls: { certFile, keyFile } } }
  }
  const stack = await startWithHttp2(tls, authority.cert, given, nodeArgs)
  return {
    ...stack,
    async close() {
      await stack.close()
      authority.remove()
    },
  }
}

/** Starts the same with HTTP/2 and without TLS. */
export const startH2cStack: StartHttp2Stack = (config = () => ({}), given, nodeArgs) =>
  startWithHttp2(config, undefined, given, nodeArgs)

async function startWithHttp2(
  config: ConfigOver,
  ca: string | undefined,
  given: TestUpstream | undefined,
  nodeArgs: readonly string[] | undefined,
): Promise<Http2Stack> {
  const upstream = given ?? (await startTestUpstream())
  const stack = await startStack(config, upstream, exchangeOverHttp2(ca), nodeArgs)
  return {
    ...stack,
    url: `${ca === undefined ? 'http' : 'https'}://127.0.0.1:${stack.port}`,
    ca,
    async idle() {
      while (!/^sallyport_requests_in_flight 0$/m.test(await stack.metrics()));
    },
  }
}

/** For `describe.each`: what is true of HTTP/2 over TLS has to be true of it without TLS, too. */
export const HTTP2_STACKS: ReadonlyArray<{ readonly name: string; readonly startStack: StartHttp2Stack }> = [
  { name: 'HTTP/2', startStack: startHttp2Stack },
  { name: 'HTTP/2 without TLS', startStack: startH2cStack },
]

/** For `describe.each`: what is true of a request has to be true of it in every version. */
export const PROTOCOLS: ReadonlyArray<{
  readonly name: string
  readonly startStack: (config?: ConfigOver) => Promise<Stack>
}> = [{ name: 'HTTP/1.1', startStack: startRawStack }, ...HTTP2_STACKS]

type Exchange = (port: number, bytes: string | Buffer, method: string | undefined) => Promise<RawReply | undefined>

async function overHttp1(port: number, bytes: string | Buffer, method?: string): Promise<RawReply | undefined> {
  const connection = openWire(port)
  connection.write(bytes)
  const reply = await connection.reply(method)
  connection.end()
  return reply
}

async function startStack<U extends RecordingUpstream>(
  config: ConfigOver,
  upstream: U,
  send: Exchange,
  nodeArgs: readonly string[] = [],
): Promise<Stack<U>> {
  const issuer = await startTestIssuer()
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
  const gateway = sallyport(['run', '-c', file], { nodeArgs })
  const line = /\{.*"listening".*\}/
  const [started = ''] = line.exec(await gateway.printed(line)) ?? []
  const listening = JSON.parse(started) as { url: string; admin: string }
  const port = Number(new URL(listening.url).port)
  const token = await issuer.mint()
  const exchange: Stack['exchange'] = (bytes, method) => send(port, bytes, method)

  async function forwarded(action: () => Promise<unknown>): Promise<string> {
    const before = upstream.bytes().length
    await action()
    return upstream.bytes().subarray(before).toString('latin1')
  }

  let controls = 0
  async function control(): Promise<void> {
    const path = `/private/control-${++controls}`
    const reply = await exchange(get(path, [`Authorization: Bearer ${token}`]))
    assert.equal(reply?.status, 200, `an honest request failed: ${reply?.body}${gateway.stderr()}`)
    assert.equal(gateway.child.exitCode, null)
  }

  return {
    issuer,
    upstream,
    gateway,
    port,
    adminUrl: listening.admin,
    token,
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
      const [firstLine, ...otherLines] = reached.split('\r\n')
      assert.deepEqual([named, firstLine], [code, `GET /private/control-${controls} HTTP/1.1`])
      assert.ok(
        otherLines.join('\r\n').endsWith('\r\n\r\n') && reached.split('\r\n\r\n').length === 2,
        'more than one request',
      )
      return reply
    },
    async metrics() {
      const response = await fetch(`${listening.admin}/metrics`)
      return response.text()
    },
    async close() {
      // A signal to end would be followed by a second in which nothing happens, since the gateway lets its clients go.
      gateway.child.kill('SIGKILL')
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

/** Writes a plain GET request. */
export function get(path: string, lines: readonly string[] = []): string {
  return request(`GET ${path} HTTP/1.1`, lines)
}

/** Writes a request with a Host. The `lines` follow that as they are. */
export function request(requestLine: string, lines: readonly string[] = [], body = ''): string {
  return `${[requestLine, 'Host: app.example', ...lines].join('\r\n')}\r\n\r\n${body}`
}
