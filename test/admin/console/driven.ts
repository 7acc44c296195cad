/**
 * Starts a gateway with a console that has something to show: refusals of many kinds, several routes, a provider that
 * fails beside one that does not, and a configuration that was rejected.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { stringify } from 'yaml'
import { bearer, startTestGateway, type TestGateway, testProvider } from '../../support/gateway/gateway.ts'
import { startTestIssuer, type TestIssuer } from '../../support/services/issuer.ts'
import { echo, startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

export interface DrivenGateway extends TestGateway {
  readonly issuer: TestIssuer
  readonly upstream: TestUpstream
  /** Sends a round of requests, of which most are refused: each of them once, or some more often than others. */
  drive(how: 'once' | 'unevenly'): Promise<void>
  /** Sends one request with an expired token after the other, as a program does that does not look at the answers. */
  repeat(count: number): Promise<void>
  /** Has a configuration with a mistake rejected. */
  reject(): Promise<void>
  /** Sends requests that are not refused. */
  pass(count: number): Promise<void>
}

interface DrivenOptions {
  /** The members of `admin.console`; by default it has none. */
  readonly console?: Readonly<Record<string, unknown>>
  /** How long the service takes, in milliseconds. */
  readonly serviceMs?: number
  /** The name under which clients see the gateway; its address by default. */
  readonly host?: string
}

export async function startDrivenGateway({
  console = {},
  serviceMs = 0,
  host,
}: DrivenOptions = {}): Promise<DrivenGateway> {
  const issuer = await startTestIssuer()
  const upstream = await startTestUpstream((request, response) => {
    if (serviceMs === 0) echo(request, response)
    else void pause(serviceMs * (0.5 + Math.random())).then(() => echo(request, response))
  })
  const config = {
    listen: '127.0.0.1:0',
    admin: { listen: '127.0.0.1:0', console },
    providers: {
      staff: testProvider(issuer),
      // Nothing listens on this port.
      partners: {
        type: 'jwt',
        issuer: 'https://login.partners.example/',
        audiences: ['https://api.example.com'],
        keys: { jwksUri: 'http://127.0.0.1:1/jwks.json' },
      },
    },
    upstreams: { orders: upstream.url, catalog: upstream.url },
    routes: [
      { id: 'catalog', path: '/catalog/**', access: 'public', upstream: 'catalog' },
      {
        id: 'orders-read',
        path: '/orders/**',
        methods: ['GET'],
        upstream: 'orders',
        require: { scopes: ['orders:read'] },
      },
      {
        id: 'orders-write',
        path: '/orders/:id',
        methods: ['PUT', 'DELETE'],
        upstream: 'orders',
        require: { scopes: ['orders:write'], claims: { email_verified: true } },
      },
      { id: 'invoices', path: '/invoices/**', upstream: 'orders', require: { scopes: ['invoices:read'] } },
      { id: 'exports', path: '/exports/**', upstream: 'orders', mode: 'report', require: { scopes: ['exports:run'] } },
    ],
  }
  const gateway = await startTestGateway(config)

  async function drive(how: 'once' | 'unevenly'): Promise<void> {
    const nowSeconds = Math.floor(Date.now() / 1000)
    const [good, expired, early, stranger, elsewhere, partner] = await Promise.all([
      issuer.mint({ scope: 'orders:read', sub: 'kim@example.com' }),
      issuer.mint({ exp: nowSeconds - 720, iat: nowSeconds - 4320, sub: 'batch-import' }),
      issuer.mint({ nbf: nowSeconds + 900 }),
      issuer.mint({ iss: 'https://login.elsewhere.example/' }),
      issuer.mint({ aud: 'https://billing.example.com' }),
      issuer.mint({ iss: 'https://login.partners.example/', sub: 'partner-7' }),
    ])
    const writer = await issuer.mint({
      scope: 'orders:read orders:write',
      email_verified: 'true',
      sub: 'sam@example.com',
    })
    const asked: ReadonlyArray<readonly [path: string, method: string, token: string | undefined]> = [
      ['/orders/17', 'GET', undefined],
      ['/invoices/2026/11', 'GET', good],
      ['/orders/17', 'PUT', good],
      ['/orders/18/lines?page=2', 'GET', expired],
      ['/orders/21', 'GET', early],
      ['/invoices/2026/10', 'GET', stranger],
      ['/orders/17', 'DELETE', writer],
      ['/orders/4', 'GET', elsewhere],
      ['/orders/5', 'GET', partner],
      ['/exports/nightly', 'POST', good],
      ['/admin/users', 'GET', good],
      ['/orders/..%2fadmin', 'GET', good],
      ['/orders/9', 'GET', 'not-a-token'],
      ['/orders/17', 'GET', undefined],
      ['/orders/30', 'GET', expired],
    ]
    const round = how === 'once' ? asked : uneven(asked)
    for (const [path, method, token] of round)
      await gateway.request(path, {
        method,
        headers: { ...(host !== undefined && { host }), ...(token !== undefined && bearer(token)) },
      })
  }

  return {
    ...gateway,
    issuer,
    upstream,
    drive,
    async repeat(count) {
      const nowSeconds = Math.floor(Date.now() / 1000)
      const token = await issuer.mint({ exp: nowSeconds - 720, iat: nowSeconds - 4320, sub: 'batch-import' })
      for (let at = 0; at < count; at++)
        await gateway.request(`/orders/${40 + at}`, {
          headers: { ...(host !== undefined && { host }), ...bearer(token) },
        })
    },
    async reject() {
      const [orders, ...others] = config.routes.toReversed()
      gateway.write(
        'sallyport.yaml',
        stringify({ ...config, routes: [...others, { ...orders, require: { scope: ['exports:run'] } }] }),
      )
      await gateway.running.reload()
    },
    async pass(count) {
      const token = await issuer.mint({ scope: 'orders:read' })
      for (let at = 0; at < count; at++)
        await gateway.request(at % 3 === 0 ? '/catalog/tea' : `/orders/${at}`, { headers: bearer(token) })
    },
    async close() {
      await gateway.close()
      await Promise.all([issuer.close(), upstream.close()])
    },
  }
}

/** Some of them three times and some not at all; the last of each come at the end, in their order. */
function uneven<Asked>(asked: readonly Asked[]): readonly Asked[] {
  return [3, 2, 1].flatMap(turn => asked.filter((_, at) => ((at * 7 + 2) % 5) - 1 >= turn))
}
