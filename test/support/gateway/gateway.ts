/** Starts the gateway on a configuration, on real sockets, and talks to it: over HTTP, or byte by byte. */
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, type Dispatcher, request } from 'undici'
import { stringify } from 'yaml'
import { type Clock, systemClock } from '../../../src/lib/clock.ts'
import type { LoopMeter } from '../../../src/lib/loop-meter.ts'
import { type Scheduler, systemScheduler } from '../../../src/lib/scheduler.ts'
import { type RunningGateway, start } from '../../../src/run/start.ts'
import { createLog } from '../../../src/telemetry/log.ts'
import { AUDIENCE, startTestIssuer, type TestIssuer } from '../services/issuer.ts'
import { startTestUpstream, type TestUpstream } from '../services/upstream.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  /** The body as JSON. */
  json(): Record<string, unknown>
}

export type RequestInit = Pick<Dispatcher.RequestOptions, 'body'> & {
  readonly method?: string
  readonly headers?: Record<string, string | string[]>
}

export interface TestGateway {
  readonly running: RunningGateway
  readonly url: string
  readonly adminUrl: string
  /** Parsed lines of the log so far. */
  readonly logs: Array<Record<string, unknown>>
  /** The log as it was written. */
  logText(): string
  /** The first line, past or future, that has all of these members: a request's line comes after its response. */
  logged(members: Readonly<Record<string, unknown>>): Promise<Record<string, unknown>>
  /** Scrapes the metrics: `name{label="value",…}` as it is written → value. */
  metrics(): Promise<ReadonlyMap<string, number>>
  request(path: string, init?: RequestInit): Promise<Reply>
  admin(path: string, init?: RequestInit): Promise<Reply>
  /** Sends bytes as they are and gives all that comes back until the other side closes or `until` is found. */
  raw(bytes: string | Buffer, until?: RegExp): Promise<string>
  /** Writes a file beside the configuration. */
  write(name: string, text: string): void
  close(): Promise<void>
}

export interface GatewayParts {
  readonly clock?: Clock | undefined
  readonly scheduler?: Scheduler | undefined
  readonly meter?: LoopMeter
  readonly random?: () => number
  readonly env?: Readonly<Record<string, string>>
  /** Files beside the configuration, by the names it has for them. */
  readonly files?: Readonly<Record<string, string>>
}

/**
 * With it, what the gateway does every second comes fifty times as often. It is for tests that move a clock of their
 * own and then wait for the gateway to look at what it has open.
 */
export const QUICK_ROUNDS: Scheduler = {
  after: (delayMs, task) => systemScheduler.after(delayMs === 1_000 ? 20 : delayMs, task),
}

/** Clients, service and test share the event loop with the gateway here, so its load says nothing about the gateway. */
const CALM_METER: LoopMeter = { sample: () => ({ delayMs: 10, utilization: 0 }), close() {} }

/** @param config as in the file; `listen` and `admin` get free ports unless it says otherwise */
export async function startTestGateway(
  config: Record<string, unknown>,
  { clock = systemClock, scheduler, meter = CALM_METER, random, env = {}, files = {} }: GatewayParts = {},
): Promise<TestGateway> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'))
  const file = join(folder, 'sallyport.yaml')
  writeFileSync(
    file,
    stringify({ listen: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, ...config }, { aliasDuplicateObjects: false }),
  )
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  const lines: string[] = []
  const logs: Array<Record<string, unknown>> = []
  const newLine = new EventEmitter().setMaxListeners(0)
  const running = await start({
    file,
    env,
    clock,
    scheduler,
    meter,
    random,
    log: level =>
      createLog(
        level,
        {
          write(line: string) {
            lines.push(line)
            logs.push(JSON.parse(line) as Record<string, unknown>)
            newLine.emit('line')
          },
        },
        clock,
      ),
    version: '0.0.0-test',
    nodeVersion: process.version,
  })
  const agent = new Agent({ connections: null })
  const { port } = new URL(running.url)
  return {
    running,
    url: running.url,
    adminUrl: running.adminUrl ?? '',
    logs,
    logText: () => lines.join(''),
    async logged(members) {
      const isMeant = (line: Record<string, unknown>) =>
        Object.entries(members).every(([name, value]) => line[name] === value)
      for (;;) {
        const line = logs.find(isMeant)
        if (line !== undefined) return line
        await once(newLine, 'line')
      }
    },
    async metrics() {
      const { text } = await send(`${running.adminUrl ?? ''}/metrics`, {}, agent)
      const samples = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
      return new Map(samples.map(line => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]))
    },
    request: (path, init) => send(running.url + path, init, agent),
    admin: (path, init) => send((running.adminUrl ?? '') + path, init, agent),
    raw: (bytes, until) => exchangeBytes(Number(port), bytes, until),
    write: (name, text) => writeFileSync(join(folder, name), text),
    async close() {
      await agent.destroy()
      await running.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export interface TestStack extends TestGateway {
  readonly issuer: TestIssuer
  readonly upstream: TestUpstream
}

/** An issuer, an echoing service and a gateway between them, with `config` over a plain configuration. */
export async function startTestStack(
  config: Record<string, unknown> | ((issuer: TestIssuer, upstream: TestUpstream) => Record<string, unknown>) = {},
  parts: GatewayParts & { readonly upstream?: TestUpstream } = {},
): Promise<TestStack> {
  const issuer = await startTestIssuer()
  const upstream = parts.upstream ?? (await startTestUpstream())
  const gateway = await startTestGateway(
    {
      providers: { main: testProvider(issuer) },
      upstreams: { app: upstream.url },
      routes: [
        { id: 'public', path: '/public/**', access: 'public' },
        { id: 'optional', path: '/optional/**', access: 'optional' },
        { id: 'private', path: '/private/**' },
        { id: 'orders-read', path: '/orders/**', methods: ['GET'], require: { scopes: ['orders:read'] } },
        { id: 'orders-write', path: '/orders/:id', methods: ['PUT', 'DELETE'], require: { scopes: ['orders:write'] } },
        { id: 'report', path: '/report/**', mode: 'report', require: { scopes: ['report:read'] } },
      ],
      ...(typeof config === 'function' ? config(issuer, upstream) : config),
    },
    parts,
  )
  return {
    ...gateway,
    issuer,
    upstream,
    async close() {
      await gateway.close()
      await Promise.all([issuer.close(), upstream.close()])
    },
  }
}

/** The plain `jwt` provider of {@link startTestStack}. */
export function testProvider({ issuer, jwksUri }: TestIssuer): Record<string, unknown> {
  return { type: 'jwt', issuer, audiences: [AUDIENCE], keys: { jwksUri } }
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

async function send(url: string, init: RequestInit = {}, dispatcher: Dispatcher): Promise<Reply> {
  const { statusCode, headers, body } = await request(url, {
    dispatcher,
    ...init,
    method: (init.method ?? 'GET') as Dispatcher.HttpMethod,
  })
  const text = await body.text()
  return { status: statusCode, headers, text, json: () => JSON.parse(text) as Record<string, unknown> }
}

export function exchangeBytes(port: number, bytes: string | Buffer, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let received = ''
    socket.setEncoding('latin1')
    socket.on('connect', () => socket.write(bytes))
    socket.on('data', (text: string) => {
      received += text
      if (until?.test(received) === true) socket.destroy()
    })
    socket.on('error', error => (received === '' ? reject(error) : undefined))
    socket.on('close', () => resolve(received))
  })
}
