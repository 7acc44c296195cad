/** Starts gateways that hear of revocations by one store, in front of a service with WebSockets and event streams. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { systemClock } from '../../../src/lib/clock.ts'
import { atEnd } from '../../support/at-end.ts'
import { bearer, startTestGateway, type TestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../../support/services/issuer.ts'
import { echo } from '../../support/services/upstream.ts'

/** The key of the stream, with the defaults of the configuration. */
export const STREAM = '{sallyport}:revocations'
/** Tests that need servers of the store are skipped where the set-up of the run could not get them. */
export const WITHOUT_STORES = process.env.WITHOUT_STORES === '1'
/** How long {@link Fleet} asks for what is bound to come, only not when. */
export const SOON = { timeout: 20_000, interval: 20 } as const

export interface FleetOptions {
  /** The section `store`. */
  readonly store: Readonly<Record<string, unknown>>
  readonly gateways?: number
  /** Members over those of the section `revocation`. */
  readonly revocation?: Readonly<Record<string, unknown>>
}

export interface Fleet {
  readonly issuer: TestIssuer
  readonly gateways: readonly TestGateway[]
  /** What each gateway says to a request with this token: `passes`, or the code of the refusal. */
  ask(token: string, path?: string): Promise<readonly string[]>
  /** The states that the gateways are in, as the administrator sees them. */
  states(): Promise<readonly unknown[]>
  /** A metric of each gateway; 0 when it is not there. */
  metric(series: string): Promise<readonly number[]>
  /** Moves the clocks of all gateways on. */
  later(ms: number): void
}

/** `whenStale` is `refuse`, but for the route of `/browse/**`. Everything ends with the test. */
export async function startFleet({ store, gateways: count = 1, revocation = {} }: FleetOptions): Promise<Fleet> {
  const issuer = await startTestIssuer()
  atEnd(issuer.close)
  const service = await startService()
  atEnd(service.close)
  let laterMs = 0
  const clock = {
    nowMs: () => systemClock.nowMs() + laterMs,
    monotonicMs: () => systemClock.monotonicMs() + laterMs,
  }
  const gateways = await Promise.all(
    Array.from({ length: count }, async () => {
      const gateway = await startTestGateway(
        {
          providers: { main: { ...testProvider(issuer), maxLifetime: '1h' } },
          upstreams: { app: service.url },
          store,
          revocation: { whenStale: 'refuse', store: {}, ...revocation },
          routes: [
            { id: 'app', path: '/app/**', streams: { onExpiry: 'keep' } },
            { id: 'browse', path: '/browse/**', revocation: { whenStale: 'allow' } },
          ],
        },
        { clock },
      )
      atEnd(gateway.close)
      return gateway
    }),
  )
  return {
    issuer,
    gateways,
    ask: (token, path = '/app/x') =>
      Promise.all(
        gateways.map(async ({ request }) => {
          const reply = await request(path, { headers: bearer(token) })
          return reply.status === 200 ? 'passes' : String(reply.json().code)
        }),
      ),
    states: () =>
      Promise.all(
        gateways.map(
          async ({ admin }) => ((await admin('/-/status')).json().revocation as Record<string, unknown>).state,
        ),
      ),
    metric: series => Promise.all(gateways.map(async ({ metrics }) => (await metrics()).get(series) ?? 0)),
    later(ms) {
      laterMs += ms
    },
  }
}

/** `/app/events` is an event stream that goes on; every other path echoes, over HTTP and over WebSockets. */
async function startService(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url !== '/app/events') return echo(request, response)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: hello\n\n')
  })
  new WebSocketServer({ server }).on('connection', socket => socket.on('message', data => socket.send(data)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

interface Commanding {
  command(name: string, key: string, ...args: readonly string[]): Promise<unknown>
}

/**
 * Writes an entry as a program of somebody else would: `{ s: 'alice' }` revokes a subject. It is about tokens of the
 * next hour, too, so that it does not matter when a test mints one.
 */
export async function tell(
  store: Commanding,
  { issuer }: Pick<TestIssuer, 'issuer'>,
  fields: Readonly<Record<string, string>>,
  stream = STREAM,
): Promise<void> {
  const before = String(Math.floor(Date.now() / 1000) + 3600)
  const kept = { v: '1', i: issuer, b: before, ...fields }
  await store.command('XADD', stream, '*', ...Object.entries(kept).flat())
}
