/**
 * A real Prometheus scrapes gateways that use every feature, and every expression of the dashboard, the rules and the
 * alerts finds something there: no panel is empty for ever, and no alert is silent because it asks for nothing.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { decryptionKey } from '../../src/authenticate/encrypted/decryption-keys.ts'
import { DENIAL_CODES } from '../../src/errors.ts'
import { encrypted, newKey, privateJwk } from '../authenticate/encrypted/support.ts'
import { activeAnswer, opaqueProvider } from '../e2e/introspection/support.ts'
import { type SessionFleet, signedIn, startSessionFleet, WITHOUT_STORES } from '../e2e/sessions/support.ts'
import { atEnd } from '../support/at-end.ts'
import { dpopProof, proofSigner } from '../support/dpop-proof.ts'
import { bearer, startTestGateway, type TestGateway, testProvider } from '../support/gateway/gateway.ts'
import { startIntrospectionEndpoint } from '../support/services/introspection-endpoint.ts'
import { startTestIssuer } from '../support/services/issuer.ts'
import { type Prometheus, startPrometheus } from '../support/services/prometheus.ts'
import { WITHOUT_PROMETHEUS } from '../support/services/prometheus-programs.ts'
import { startStoreServer } from '../support/services/store-server.ts'
import { echo, startTestUpstream } from '../support/services/upstream.ts'
import { panels, variables } from './dashboard.ts'
import { named } from './kustomize.ts'
import { alerts, groups, isComing, monitoring, recordings, selectors } from './rules.ts'

const SOON = { timeout: 25_000, interval: 200 } as const
const PAGE = 'https://app.example.com'
const SECRET = 's'.repeat(40)
/** Nobody listens there. */
const NOBODY = '127.0.0.1:1'

/** A gateway that has all features, and can be driven through them as often as one likes. */
interface Driven {
  readonly gateway: TestGateway
  drive(): Promise<void>
}

async function startShop(): Promise<Driven> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-shop-'))
  atEnd(() => rmSync(folder, { recursive: true, force: true }))
  const jwk = privateJwk('P-256', { kid: 'enc' })
  writeFileSync(join(folder, 'enc.jwk'), jwk)
  const [issuer, endpoint, store, service] = await Promise.all([
    startTestIssuer(),
    startIntrospectionEndpoint(),
    startStoreServer(),
    startTestUpstream((request, response) => {
      if (request.url !== '/slow') echo(request, response)
    }),
  ])
  for (const each of [issuer, service]) atEnd(each.close)
  atEnd(store.stop)
  const fleet: SessionFleet = await startSessionFleet({
    main: { maxLifetime: '2h' },
    providers: () => ({
      partner: { ...testProvider(issuer), maxLifetime: '2h', decryption: { keyFiles: [join(folder, 'enc.jwk')] } },
      opaque: opaqueProvider(endpoint, { client: { id: 'gateway', auth: 'basic', secretFile: 'admin-secret' } }),
    }),
    routes: [
      { id: 'pages', path: '/**', upstream: 'app', providers: ['browser'], anonymous: 'login' },
      { id: 'api', path: '/api/**', upstream: 'app', providers: ['browser', 'main'] },
      { id: 'partner', path: '/partner/**', upstream: 'app', providers: ['partner'], cors: { origins: [PAGE] } },
      { id: 'opaque', path: '/opaque/**', upstream: 'app', providers: ['opaque'] },
      { id: 'report', path: '/report', upstream: 'app', providers: ['partner'], mode: 'report' },
      { id: 'mcp', path: '/mcp', upstream: 'app', providers: ['partner'], mcp: { tools: { list: {} } } },
      {
        id: 'own',
        path: '/own/:sub',
        upstream: 'app',
        providers: ['partner'],
        require: { when: 'claims.sub == params.sub || claims.absent == 1' },
      },
      { id: 'limited', path: '/limited', upstream: 'app', providers: ['partner'], rateLimits: ['few', 'shared'] },
      { id: 'exchanging', path: '/exchanging', upstream: 'exchanging', providers: ['partner'] },
      { id: 'gone', path: '/gone', upstream: 'gone', access: 'public' },
      { id: 'slow', path: '/slow', upstream: 'slow', access: 'public' },
    ],
    config: {
      upstreams: {
        app: service.url,
        gone: `http://${NOBODY}`,
        slow: { url: service.url, timeouts: { headers: '50ms' } },
        exchanging: {
          url: service.url,
          exchange: {
            provider: 'partner',
            client: { id: 'gateway', auth: 'basic', secretFile: 'admin-secret' },
            endpoint: `http://${NOBODY}/token`,
          },
        },
      },
      store: { url: store.url },
      revocation: { whenStale: 'refuse', store: {}, api: { tokenFile: 'admin-secret' } },
      rateLimits: {
        few: { rate: '1/m', key: ['claims.sub'] },
        shared: { rate: '100/s', key: ['claims.sub'], store: true },
      },
      audit: { file: join(folder, 'audit.jsonl') },
      decide: { listen: '127.0.0.1:0', caller: 'nginx' },
      identity: { token: { issuer: 'https://orders.internal/', audience: 'orders' } },
      traces: { endpoint: `${service.url}/v1/traces`, sample: '100%' },
    },
  })
  atEnd(fleet.close)
  const [gateway] = fleet.gateways
  const [url = ''] = fleet.urls
  if (gateway === undefined) throw new Error('no gateway')
  const call = (name: string) => JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } })
  let round = 0
  return {
    gateway,
    async drive() {
      round++
      // People log in, and their tokens are renewed after a while.
      fleet.lives(20)
      const browser = await signedIn(`${url}/page`)
      fleet.provider.set({ accessTokenSeconds: 3600 })
      fleet.later(31_000)
      expect((await fleet.ask(browser)).status).toBe(200)
      // Programs bring tokens: good ones, encrypted ones, and such as no key is known for.
      const token = await issuer.mint()
      const foreign = await issuer.mint({}, { header: { kid: `foreign-${round}` } })
      const sent = [
        token,
        foreign,
        await encrypted(decryptionKey(Buffer.from(jwk)), {}, token),
        await encrypted(newKey('P-256'), {}, token),
      ]
      const statuses = await Promise.all(
        sent.map(async each => (await gateway.request('/partner/x', { headers: bearer(each) })).status),
      )
      expect(statuses).toEqual([200, 401, 200, 401])
      expect((await gateway.request('/report')).status).toBe(200)
      expect((await gateway.request('/exchanging', { headers: bearer(token) })).status).toBe(503)
      endpoint.tokens.set(`a-token-of-somebody-${round}`, activeAnswer())
      const opaque = (text: string) => gateway.request('/opaque/x', { headers: bearer(text) })
      expect((await opaque(`a-token-of-somebody-${round}`)).status).toBe(200)
      expect((await opaque(`a-token-of-nobody-${round}`)).status).toBe(401)
      // A condition holds, or asks for what the token does not have.
      const own = (sub: string) => gateway.request(`/own/${sub}`, { headers: bearer(token) })
      expect([(await own('alice')).status, (await own('somebody')).status]).toEqual([200, 403])
      // A caller asks once too often.
      const eager = bearer(await issuer.mint({ sub: `eager-${round}` }))
      const limited = async () => (await gateway.request('/limited', { headers: eager })).status
      expect([await limited(), await limited()]).toEqual([200, 429])
      // Pages ask whether they may, and agents call tools.
      for (const origin of [PAGE, 'https://evil.example.com']) {
        const headers = { origin, 'access-control-request-method': 'GET' }
        await gateway.request('/partner/x', { method: 'OPTIONS', headers })
      }
      for (const tool of ['list', 'reset']) {
        const headers = { ...bearer(token), 'content-type': 'application/json' }
        const { status } = await gateway.request('/mcp', { method: 'POST', headers, body: call(tool) })
        expect(status).toBe(tool === 'list' ? 200 : 403)
      }
      // A proxy asks, also for what it cannot be told.
      const asked = async (target: string) => {
        const fact = { 'x-original-uri': target, 'x-original-method': 'GET', 'x-forwarded-host': 'app.example.com' }
        return (await fetch(`${gateway.running.decideUrl}/decide`, { headers: { ...bearer(token), ...fact } })).status
      }
      expect([await asked('/partner/x'), await asked('/mcp')]).toEqual([200, 403])
      // The service is away, or silent.
      expect((await gateway.request('/gone')).status).toBe(502)
      expect((await gateway.request('/slow')).status).toBe(504)
      // Somebody is signed out, by way of the store.
      const { status } = await gateway.admin('/-/revocations', {
        method: 'POST',
        headers: { ...bearer(SECRET), 'content-type': 'application/json' },
        body: JSON.stringify({ issuer: issuer.issuer, sub: `mallory-${round}` }),
      })
      expect(status).toBe(200)
    },
  }
}

/** A gateway that cannot reach its store, and goes on without it. */
async function startIsland(): Promise<Driven> {
  const issuer = await startTestIssuer()
  atEnd(issuer.close)
  const service = await startTestUpstream()
  atEnd(service.close)
  const entries = 1000
  const gateway = await startTestGateway({
    providers: { main: { ...testProvider(issuer), maxLifetime: '2h' } },
    upstreams: { app: service.url },
    store: { url: `redis://${NOBODY}` },
    revocation: { whenStale: 'allow', store: {} },
    dpop: { baseUrls: [PAGE], replay: { store: true, whenUnavailable: 'local', entries } },
    routes: [{ id: 'app', path: '/**' }],
  })
  atEnd(gateway.close)
  const proved = async (times: number) => {
    const signer = await proofSigner()
    const token = await issuer.mint({ cnf: { jkt: signer.jkt } })
    const headers = Array.from({ length: times }, () => ({
      authorization: `DPoP ${token}`,
      dpop: dpopProof(signer, { url: `${PAGE}/x`, token }),
    }))
    const ask = async (each: Record<string, string>) => (await gateway.request('/x', { headers: each })).status
    return { first: await Promise.all(headers.map(ask)), again: await ask(headers[0] ?? {}) }
  }
  return {
    gateway,
    async drive() {
      const { first, again } = await proved(1)
      expect([...first, again]).toEqual([200, 401])
      // One client may fill half of the memory.
      expect((await proved(entries / 2 + 1)).first).toContain(503)
    },
  }
}

/** Keeps this process waiting for the system: `nodejs_active_requests` has a series only while it does. */
function keepWaiting(): void {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-pipe-'))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const reader = open(pipe, 'r')
  atEnd(async () => {
    const writer = await open(pipe, 'r+')
    await Promise.all([writer.close(), (await reader).close()])
    rmSync(folder, { recursive: true })
  })
}

/** An expression, and where it stands. */
interface Question {
  readonly asked: string
  readonly expr: string
}

/** The expression of an alert without its thresholds, where all of its parts have to be there. */
function withoutThresholds(expr: string): string {
  const parts = expr
    .replaceAll(/\s(?:==|>|<)\s+[\d.]+(?: \* scalar\([^()]*\))?/g, '')
    .replaceAll(/\b(?:or|unless)\b/g, 'and')
    .trim()
  // A filter that stays would decide what is found.
  expect(parts.replaceAll(/"[^"]*"/g, '')).not.toMatch(/[<>]|==|!=/)
  return parts
}

/** What Grafana puts in when everything is chosen. */
function filledIn(expr: string): string {
  return expr.replaceAll('$__rate_interval', '5m').replaceAll(/\$\w+/g, '.*')
}

/** Every selector by itself, and every alternative of its matchers by itself: a slip in one would go unseen. */
function parts(expr: string): readonly string[] {
  return selectors(expr).flatMap(({ text, matchers }) => [
    text,
    ...matchers.flatMap(([label, operator, value]) =>
      operator !== '=~' || !/^[\w|]+$/.test(value)
        ? []
        : value.split('|').map(each => text.replace(`${label}=~"${value}"`, `${label}="${each}"`)),
    ),
  ])
}

function questions(): readonly Question[] {
  const whole = [
    ...panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, refId }) => ({ asked: `panel ${title} ${refId}`, expr: filledIn(expr) })),
    ),
    ...recordings.flatMap(({ record, expr }) => [
      { asked: `record ${record}`, expr: record },
      { asked: `expression of ${record}`, expr },
    ]),
    ...alerts.map(({ alert, expr }) => ({ asked: `alert ${alert}`, expr: withoutThresholds(expr) })),
  ]
  const all = whole.flatMap(question => [
    question,
    ...parts(question.expr).map(expr => ({ asked: `${question.asked}: ${expr}`, expr })),
  ])
  return all.filter(({ expr }) => !isComing(expr))
}

/** @returns the questions that nothing answers yet; a series that has no number is no answer */
async function unanswered(prometheus: Prometheus, asked: readonly Question[]): Promise<readonly Question[]> {
  const found = await Promise.all(
    asked.map(async ({ expr }) => (await prometheus.query(expr)).some(({ value }) => Number.isFinite(value))),
  )
  return asked.filter((_question, index) => found[index] !== true)
}

test.skipIf(WITHOUT_PROMETHEUS || WITHOUT_STORES)(
  'every expression of dashboard, rules and alerts returns data from gateways that use every feature',
  { timeout: 90_000 },
  async () => {
    const [shop, island] = await Promise.all([startShop(), startIsland()])
    const { podMetricsEndpoints } = named(monitoring, 'PodMonitor', 'sallyport').spec as {
      readonly podMetricsEndpoints: ReadonlyArray<{
        readonly relabelings: ReadonlyArray<Readonly<Record<string, unknown>>>
      }>
    }
    const pod = (name: string, kind: string, controller: string) => ({
      ...{ namespace: 'shop', pod: name, container: 'sallyport' },
      __meta_kubernetes_pod_controller_kind: kind,
      __meta_kubernetes_pod_controller_name: controller,
    })
    const prometheus = await startPrometheus({
      targets: [
        { url: shop.gateway.adminUrl, labels: pod('orders-7c9d8f5b6-x2x4z', 'ReplicaSet', 'orders-7c9d8f5b6') },
        { url: island.gateway.adminUrl, labels: pod('island-0', 'StatefulSet', 'island') },
      ],
      relabelings: podMetricsEndpoints[0]?.relabelings ?? [],
      groups,
    })
    atEnd(prometheus.stop)
    /** Resolves when both gateways have been scraped after this moment. */
    const scraped = async () => {
      const nowSeconds = Date.now() / 1000
      await expect.poll(() => prometheus.query(`timestamp(up == 1) > ${nowSeconds}`), SOON).toHaveLength(2)
    }

    keepWaiting()
    // A rate needs two samples, and a series that begins with its first event needs that between them.
    await scraped()
    for (const _round of [1, 2]) {
      await Promise.all([shop.drive(), island.drive()])
      await scraped()
    }
    let open = questions()
    await expect
      .poll(async () => {
        open = await unanswered(prometheus, open)
        return open.map(({ asked }) => asked)
      }, SOON)
      .toEqual([])

    const codes = await prometheus.query('count by (code) (sallyport_refusals_total)')
    expect(codes.map(({ labels }) => labels.code).toSorted()).toEqual(DENIAL_CODES.toSorted())
    const workloads = await prometheus.query('sum by (job, workload) (up)')
    expect(workloads.map(({ labels }) => labels)).toEqual(
      expect.arrayContaining([
        { job: 'sallyport', workload: 'orders' },
        { job: 'sallyport', workload: 'island' },
      ]),
    )
    for (const { name, type, query } of variables) {
      if (type !== 'query' || typeof query === 'string') continue
      const [, selector = '', label = ''] = /^label_values\((.*), (\w+)\)$/.exec(filledIn(query.query)) ?? []
      expect(await prometheus.labelValues(label, selector), name).not.toEqual([])
    }
  },
)
