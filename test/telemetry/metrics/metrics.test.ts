/** Prometheus sees every series of the contract, from 0, counted right, named by the configuration alone. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { DENIAL_CODES } from '../../../src/errors.ts'
import { exposition, familiesOf } from '../../../src/telemetry/metrics/exposition.ts'
import { createMetrics } from '../../../src/telemetry/metrics/metrics.ts'
import { logIn } from '../../support/clients/login-walk.ts'
import { rawClient } from '../../support/clients/raw-client.ts'
import {
  bearer,
  startTestGateway,
  startTestStack,
  type TestStack,
  testProvider,
} from '../../support/gateway/gateway.ts'
import { type LoginStack, startLoginStack } from '../../support/gateway/login-stack.ts'
import { startIntrospectionEndpoint } from '../../support/services/introspection-endpoint.ts'
import { startTestUpstream, type TestUpstream } from '../../support/services/upstream.ts'

/** The name and labels of every metric of the contract whose feature exists. */
const CONTRACT: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sallyport_requests_total', ['route', 'method', 'code']],
  ['sallyport_refusals_total', ['code']],
  ['sallyport_request_duration_seconds_count', ['route']],
  ['sallyport_overhead_duration_seconds_count', ['route']],
  ['sallyport_upstream_duration_seconds_count', ['route']],
  ['sallyport_responses_total', ['route', 'status_class']],
  ['sallyport_requests_in_flight', []],
  ['sallyport_report_denials_total', ['route', 'code']],
  ['sallyport_streams_closed_total', ['route', 'reason']],
  ['sallyport_token_cache_total', ['provider', 'result']],
  ['sallyport_token_cache_entries', []],
  ['sallyport_jwks_fetches_total', ['provider', 'result']],
  ['sallyport_jwks_fetch_duration_seconds_count', ['provider']],
  ['sallyport_jwks_last_success_timestamp_seconds', ['provider']],
  ['sallyport_jwks_keys', ['provider']],
  ['sallyport_jwks_unknown_kid_total', ['provider']],
  ['sallyport_revocation_events_total', ['source', 'result']],
  ['sallyport_revocation_lag_seconds_count', ['source']],
  ['sallyport_revocation_history_lost_total', []],
  ['sallyport_proof_replay_entries', []],
  ['sallyport_audit_records_total', ['result']],
  ['sallyport_internal_tokens_minted_total', []],
  ['sallyport_trace_spans_total', ['result']],
  ['sallyport_config_reloads_total', ['result']],
  ['sallyport_config_last_reload_successful', []],
  ['sallyport_config_info', ['hash']],
  ['sallyport_build_info', ['version', 'node']],
]

/** The further metrics of a gateway that keeps revocations, with their labels, once their first event has come. */
const OF_REVOCATION: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sallyport_revocation_entries', ['kind']],
  ['sallyport_revocation_fresh', []],
  ['sallyport_revocation_blind_tokens_total', ['provider', 'claim']],
  ['sallyport_revocation_stale_decisions_total', ['route', 'decision']],
]

/** The further metrics of a gateway that asks servers about tokens, and of one that opens encrypted ones. */
const OF_INTROSPECTION: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sallyport_introspections_total', ['provider', 'result']],
  ['sallyport_introspection_duration_seconds_count', ['provider']],
  ['sallyport_introspection_in_flight', ['provider']],
  ['sallyport_introspection_breaker', ['provider']],
]
const OF_DECRYPTION: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sallyport_decryptions_total', ['provider', 'result']],
]

/** The further metrics of a gateway that logs browsers in. */
const OF_SESSIONS: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sallyport_logins_total', ['provider', 'result']],
  ['sallyport_session_refreshes_total', ['provider', 'result']],
  ['sallyport_session_refresh_duration_seconds_count', ['provider']],
  ['sallyport_sessions_ended_total', ['provider', 'reason']],
  ['sallyport_sessions', ['provider']],
]

/** The further metrics of a gateway that answers preflights, and of one that judges calls of tools. */
const OF_CORS: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sallyport_cors_preflights_total', ['route', 'result']],
]
const OF_CONDITIONS = ['sallyport_conditions_total', ['route', 'outcome']] as const
const OF_MCP: ReadonlyArray<readonly [string, readonly string[]]> = [
  ['sallyport_mcp_requests_total', ['route', 'tool', 'code']],
]

const SLOW_MS = 300

let upstream: TestUpstream
let stack: TestStack
beforeAll(async () => {
  upstream = await startTestUpstream((request, response) => {
    request.resume()
    if (request.url?.endsWith('/slow') === true)
      request.on('end', () => setTimeout(() => response.end('late'), SLOW_MS))
    else if (request.url?.endsWith('/hang') === true) response.write('begun')
    else response.writeHead(Number(/\/(\d{3})$/.exec(request.url ?? '')?.[1] ?? 200)).end()
  })
  stack = await startTestStack({}, { upstream })
  await stack.logged({ provider: 'main', to: 'fresh' })
})
afterAll(() => stack.close())

/** @returns by how much each series grew during `action`; those that did not are left out, and a new one began at 0 */
async function growth(action: () => Promise<unknown>): Promise<Record<string, number>> {
  const before = await stack.metrics()
  await action()
  const after = await stack.metrics()
  const grown = [...after].map(([series, value]) => [series, value - (before.get(series) ?? 0)] as const)
  return Object.fromEntries(grown.filter(([series, by]) => by !== 0 && series.startsWith('sallyport_')))
}

async function passed(path: string, init: Parameters<TestStack['request']>[1] = {}): Promise<void> {
  const requestId = `passed-${Math.random().toString(36).slice(2)}`
  await stack.request(path, { ...init, headers: { ...init.headers, 'x-request-id': requestId } })
  await stack.logged({ request_id: requestId })
}

describe('before the first request', () => {
  test.each(CONTRACT)('%s is there with its labels %j', async (name, labels) => {
    const fresh = [...(await stack.metrics()).keys()].filter(series => series === name || series.startsWith(`${name}{`))
    expect(fresh).not.toEqual([])
    for (const series of fresh) {
      const found = [...series.matchAll(/(\w+)="/g)].map(([, label]) => label)
      expect(found).toEqual(labels)
    }
  })

  test('nothing of ours is there besides', async () => {
    const names = [...(await stack.metrics()).keys()].map(series => series.replace(/\{.*/, ''))
    const ours = names.filter(name => name.startsWith('sallyport_') && !/_(?:bucket|sum)$/.test(name))
    expect(new Set(ours)).toEqual(new Set(CONTRACT.map(([name]) => name)))
  })

  test('process_* and nodejs_* are there', async () => {
    const names = [...(await stack.metrics()).keys()]
    expect(names.some(name => name.startsWith('process_cpu'))).toBe(true)
    expect(names.some(name => name.startsWith('nodejs_eventloop'))).toBe(true)
  })

  test('closed lists start at 0', async () => {
    const metrics = await stack.metrics()
    const zeros = [
      'requests_total{route="private",method="GET",code="ok"}',
      'requests_total{route="private",method="PROPFIND",code="ok"}'.replace('PROPFIND', 'OTHER'),
      'requests_total{route="orders-read",method="HEAD",code="ok"}',
      'requests_total{route="orders-write",method="DELETE",code="ok"}',
      ...DENIAL_CODES.map(code => `refusals_total{code="${code}"}`),
      'responses_total{route="private",status_class="5xx"}',
      'report_denials_total{route="report",code="scope_missing"}',
      'upstream_duration_seconds_count{route="orders-write"}',
      'token_cache_total{provider="main",result="hit"}',
      'jwks_fetches_total{provider="main",result="timeout"}',
      'jwks_unknown_kid_total{provider="main"}',
      'streams_closed_total{route="private",reason="revoked"}',
      'streams_closed_total{route="private",reason="inactive"}',
      'streams_closed_total{route="private",reason="unconfirmed"}',
      'streams_closed_total{route="private",reason="forbidden"}',
      'revocation_events_total{source="store",result="applied"}',
      'config_reloads_total{result="failure"}',
      'requests_in_flight',
    ]
    for (const series of zeros) expect([series, metrics.get(`sallyport_${series}`)]).toEqual([series, 0])
  })

  test('a refusal has no series of a route and a method before its first time', async () => {
    const names = [...(await stack.metrics()).keys()].filter(name => name.startsWith('sallyport_requests_total{'))
    expect(names.filter(name => !name.endsWith('code="ok"}'))).toEqual([])
  })

  test('series that cannot be are not there', async () => {
    const names = [...(await stack.metrics()).keys()]
    expect(names.filter(name => /route="\(none\)".*code="ok"/.test(name))).toEqual([])
    expect(names.filter(name => /report_denials_total\{route="private"/.test(name))).toEqual([])
    expect(names.filter(name => /route="orders-read",method="PUT"/.test(name))).toEqual([])
  })

  test('keys are shown as they are: number and last success', async () => {
    const metrics = await stack.metrics()
    expect(metrics.get('sallyport_jwks_keys{provider="main"}')).toBe(3)
    const at = metrics.get('sallyport_jwks_last_success_timestamp_seconds{provider="main"}') ?? 0
    expect(Math.abs(at - Date.now() / 1000)).toBeLessThan(600)
    expect(metrics.get('sallyport_config_last_reload_successful')).toBe(1)
  })
})

describe('a request', () => {
  test('that passes adds one to each of its series', async () => {
    const headers = bearer(await stack.issuer.mint())
    const grown = await growth(() => passed('/private/a', { headers }))
    expect(grown).toMatchObject({
      'sallyport_requests_total{route="private",method="GET",code="ok"}': 1,
      'sallyport_responses_total{route="private",status_class="2xx"}': 1,
      'sallyport_request_duration_seconds_count{route="private"}': 1,
      'sallyport_overhead_duration_seconds_count{route="private"}': 1,
      'sallyport_upstream_duration_seconds_count{route="private"}': 1,
      'sallyport_token_cache_total{provider="main",result="miss"}': 1,
      sallyport_token_cache_entries: 1,
    })
    expect(await growth(() => passed('/private/a', { headers }))).toMatchObject({
      'sallyport_token_cache_total{provider="main",result="hit"}': 1,
    })
  })

  test('that is refused adds nothing to the upstream’s', async () => {
    const grown = await growth(() => passed('/private/a'))
    expect(grown).toMatchObject({
      'sallyport_requests_total{route="private",method="GET",code="token_missing"}': 1,
      'sallyport_refusals_total{code="token_missing"}': 1,
      'sallyport_responses_total{route="private",status_class="4xx"}': 1,
    })
    expect(Object.keys(grown).filter(series => series.includes('upstream'))).toEqual([])
  })

  test.each([
    ['301', '3xx'],
    ['418', '4xx'],
    ['503', '5xx'],
  ])('answered by the service with %s passes as ok and counts as %s', async (status, statusClass) => {
    expect(await growth(() => passed(`/public/${status}`))).toMatchObject({
      'sallyport_requests_total{route="public",method="GET",code="ok"}': 1,
      [`sallyport_responses_total{route="public",status_class="${statusClass}"}`]: 1,
    })
  })

  test('with a method, path, host or id of its own makes no series of its own', async () => {
    const ours = (all: ReadonlyMap<string, number>) =>
      [...all.keys()].filter(name => name.startsWith('sallyport_')).sort()
    // The first of each kind of refusal begins a series of the closed lists.
    await passed('/no/other/name', { method: 'SUBSCRIBE' })
    await stack.raw('MAKE /tea HTTP/1.1\r\nHost: pot\r\n\r\n')
    const before = ours(await stack.metrics())
    for (const method of ['PROPFIND', 'QUERY', 'M-SEARCH', 'PURGE']) await passed('/public/x', { method })
    await passed('/no/such/route-name', { method: 'SUBSCRIBE' })
    await stack.raw('BREW /coffee HTTP/1.1\r\nHost: pot\r\n\r\n')
    const metrics = await stack.metrics()
    expect(ours(metrics)).toEqual(before)
    expect(metrics.get('sallyport_requests_total{route="public",method="OTHER",code="ok"}')).toBe(4)
  })
})

describe('durations', () => {
  const sum = (grown: Record<string, number>, name: string) =>
    grown[`sallyport_${name}_duration_seconds_sum{route="public"}`] ?? 0

  function expectApart(grown: Record<string, number>) {
    expect(sum(grown, 'overhead')).toBeGreaterThan(0)
    expect(sum(grown, 'overhead')).toBeLessThanOrEqual(sum(grown, 'request') - sum(grown, 'upstream') + 0.001)
  }

  test('the time of the service is not ours', async () => {
    const grown = await growth(() => passed('/public/slow'))
    expect(sum(grown, 'upstream')).toBeGreaterThan(SLOW_MS / 1000 - 0.01)
    expectApart(grown)
  })

  test('nor is the time that the client takes to send', async () => {
    const client = rawClient(Number(new URL(stack.url).port))
    const grown = await growth(async () => {
      const arrival = upstream.arrival()
      client.write('POST /public/slow HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nX-Request-Id: slow-client\r\n\r\na')
      await arrival
      await passed('/public/slow')
      client.write('b')
      await client.until(/late$/)
      await stack.logged({ request_id: 'slow-client' })
    })
    client.socket.destroy()
    // Both requests took the service its time, and the first one waited for the second before its body was complete.
    expect(sum(grown, 'upstream')).toBeGreaterThan((3 * SLOW_MS) / 1000 - 0.01)
    expectApart(grown)
  })
})

describe('requests_in_flight', () => {
  const inFlight = async () => (await stack.metrics()).get('sallyport_requests_in_flight')

  test('counts what is under way, and forgets it when the client leaves', async () => {
    const clients = Array.from({ length: 3 }, () => rawClient(Number(new URL(stack.url).port)))
    for (const [index, client] of clients.entries()) {
      client.write(`GET /public/hang HTTP/1.1\r\nHost: a\r\nX-Request-Id: hang-${index}\r\n\r\n`)
      await client.until(/begun/)
    }
    expect(await inFlight()).toBe(3)
    for (const client of clients) client.socket.resetAndDestroy()
    for (const index of clients.keys()) await stack.logged({ request_id: `hang-${index}` })
    expect(await inFlight()).toBe(0)
  })

  test('is 0 after refusals, faults and broken bytes', async () => {
    await passed('/private/a')
    await passed('/nowhere')
    await stack.raw('GET /public/a HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n')
    await stack.raw('GET /public/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n')
    const dead = await startTestGateway({
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ id: 'all', path: '/**', access: 'public' }],
    })
    await dead.request('/a')
    await dead.logged({ code: 'upstream_unreachable' })
    expect((await dead.metrics()).get('sallyport_requests_in_flight')).toBe(0)
    await dead.close()
    expect(await inFlight()).toBe(0)
  })
})

describe('revocation', () => {
  test('that is not asked for alarms nobody', async () => {
    const metrics = await stack.metrics()
    const names = [...metrics.keys()].map(series => series.replace(/\{.*/, ''))
    expect(OF_REVOCATION.filter(([name]) => names.includes(name))).toEqual([])
  })

  test('shows what is in force, which claims tokens lack, and what was decided while some may be missing', async () => {
    const revoking = await startTestStack(
      issuer => ({
        providers: { main: { ...testProvider(issuer), maxLifetime: '24h' } },
        store: { url: 'redis://127.0.0.1:1' },
        revocation: { whenStale: 'refuse', keep: '24h', file: 'revoked.yaml', store: {} },
      }),
      { upstream, files: { 'revoked.yaml': '[{ issuer: a, sub: alice, before: 1 }, { issuer: a, jti: one }]' } },
    )
    const headers = bearer(await revoking.issuer.mint({ jti: 'two', sub: 'alice' }))
    expect((await revoking.request('/private/a', { headers })).status).toBe(503)
    await revoking.logged({ code: 'revocation_unavailable' })
    const metrics = await revoking.metrics()
    await revoking.close()
    const ofRevocation = [...metrics].filter(([series]) => series.startsWith('sallyport_revocation_'))
    expect(Object.fromEntries(ofRevocation.filter(([, value]) => value !== 0))).toEqual({
      'sallyport_revocation_entries{kind="jti"}': 1,
      'sallyport_revocation_entries{kind="sub"}': 1,
      'sallyport_revocation_blind_tokens_total{provider="main",claim="sid"}': 1,
      'sallyport_revocation_blind_tokens_total{provider="main",claim="client"}': 1,
      'sallyport_revocation_stale_decisions_total{route="private",decision="refused"}': 1,
    })
    expect(metrics.get('sallyport_revocation_fresh')).toBe(0)
    for (const [name, labels] of OF_REVOCATION) {
      const [series = ''] = ofRevocation.map(([each]) => each).filter(each => each.replace(/\{.*/, '') === name)
      expect(series).not.toBe('')
      expect([...series.matchAll(/(\w+)="/g)].map(([, label]) => label)).toEqual(labels)
    }
  })
})

describe('conditions', () => {
  const ours = async (of: TestStack) =>
    Object.fromEntries([...(await of.metrics())].filter(([series]) => series.startsWith('sallyport_conditions_')))

  test('have series on the routes that have some, and are counted once for each request', async () => {
    expect(await ours(stack)).toEqual({})
    const when = ['claims.tenant == "acme"', 'claims.level >= 3']
    const own = await startTestStack(
      {
        routes: [
          { id: 'asking', path: '/a', access: 'optional', require: { when } },
          { id: 'other', path: '/b' },
        ],
      },
      { upstream },
    )
    const [name] = OF_CONDITIONS
    const counts = (held: number, failed: number, broken: number) => ({
      [`${name}{route="asking",outcome="true"}`]: held,
      [`${name}{route="asking",outcome="false"}`]: failed,
      [`${name}{route="asking",outcome="error"}`]: broken,
    })
    expect(await ours(own)).toEqual(counts(0, 0, 0))
    for (const claims of [{ level: 3 }, { level: 4 }, { level: 2 }, {}])
      await own.request('/a', { headers: bearer(await own.issuer.mint({ tenant: 'acme', ...claims })) })
    await own.request('/a')
    await own.request('/b', { headers: bearer(await own.issuer.mint({})) })
    expect(await ours(own)).toEqual(counts(2, 1, 1))
  })
})

describe('pages and tools', () => {
  const TOOLS = { tools: { 'orders.delete': { scopes: ['w'] }, 'report.*': {} } }

  function ours(metrics: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
    return new Map([...metrics].filter(([series]) => /^sallyport_(?:cors|mcp)_/.test(series)))
  }

  test('have no series where nobody asks for them', async () => {
    expect([...ours(await stack.metrics()).keys()]).toEqual([])
  })

  test('start at 0 for what can pass, with names from the file alone', async () => {
    const own = await startTestStack(
      {
        cors: { origins: ['https://app.example.com'] },
        routes: [
          { id: 'mcp', path: '/mcp', mcp: TOOLS },
          { id: 'pages', path: '/pages', access: 'public' },
          { id: 'off', path: '/off', access: 'public', cors: 'off' },
        ],
      },
      { upstream },
    )
    expect(Object.fromEntries(ours(await own.metrics()))).toEqual({
      'sallyport_cors_preflights_total{route="mcp",result="allowed"}': 0,
      'sallyport_cors_preflights_total{route="mcp",result="refused"}': 0,
      'sallyport_cors_preflights_total{route="pages",result="allowed"}': 0,
      'sallyport_cors_preflights_total{route="pages",result="refused"}': 0,
      'sallyport_mcp_requests_total{route="mcp",tool="orders.delete",code="ok"}': 0,
      'sallyport_mcp_requests_total{route="mcp",tool="report.*",code="ok"}': 0,
      'sallyport_mcp_requests_total{route="mcp",tool="other",code="ok"}': 0,
    })
    const headers = { ...bearer(await own.issuer.mint({ scope: 'a' })), 'content-type': 'application/json' }
    for (const name of ['orders.delete', 'report.daily', 'report.weekly', 'unheard.of'])
      await own.request('/mcp', {
        method: 'POST',
        headers,
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name } }),
      })
    const asking = { 'access-control-request-method': 'PUT' }
    for (const origin of ['https://app.example.com', 'https://other.example'])
      await own.request('/pages', { method: 'OPTIONS', headers: { ...asking, origin } })
    const grown = [...ours(await own.metrics())].filter(([, value]) => value !== 0)
    expect(Object.fromEntries(grown)).toEqual({
      'sallyport_cors_preflights_total{route="pages",result="allowed"}': 1,
      'sallyport_cors_preflights_total{route="pages",result="refused"}': 1,
      'sallyport_mcp_requests_total{route="mcp",tool="orders.delete",code="scope_missing"}': 1,
      'sallyport_mcp_requests_total{route="mcp",tool="report.*",code="ok"}': 2,
      'sallyport_mcp_requests_total{route="mcp",tool="other",code="claim_forbidden"}': 1,
    })
    for (const [name, labels] of [...OF_CORS, ...OF_MCP]) {
      const series = [...ours(await own.metrics()).keys()].filter(each => each.replace(/\{.*/, '') === name)
      expect(series).not.toEqual([])
      for (const each of series) expect([...each.matchAll(/(\w+)="/g)].map(([, label]) => label)).toEqual(labels)
    }
    await own.close()
  })
})

test('keys that the operator provides are counted, too', async () => {
  const gateway = await startTestGateway(
    {
      providers: { local: { type: 'jwt', issuer: 'a', audiences: ['a'], keys: { secretFile: 'secret' } } },
      upstreams: { app: 'http://127.0.0.1:1' },
      routes: [{ id: 'all', path: '/**' }],
    },
    { files: { secret: 'x'.repeat(32) } },
  )
  expect((await gateway.metrics()).get('sallyport_jwks_keys{provider="local"}')).toBe(1)
  await gateway.close()
})

describe('introspection', () => {
  test('shows what became of questions, all at 0 from the start, and has no series of keys', async () => {
    const server = await startIntrospectionEndpoint()
    const asking = await startTestGateway(
      {
        providers: {
          opaque: {
            type: 'introspection',
            issuer: server.issuer,
            audiences: ['orders'],
            client: { auth: 'basic', id: 'gateway', secretFile: 'secret' },
          },
        },
        upstreams: { app: upstream.url },
        routes: [{ id: 'all', path: '/**' }],
      },
      { files: { secret: 'a-secret' } },
    )
    try {
      expect(labelsOf(await asking.metrics(), OF_INTROSPECTION)).toEqual(OF_INTROSPECTION)
      expect((await asking.metrics()).get('sallyport_introspections_total{provider="opaque",result="open"}')).toBe(0)
      server.tokens.set('a-token-of-somebody', { active: true, sub: 'alice', aud: 'orders' })
      for (const token of ['a-token-of-somebody', 'a-token-of-somebody', 'a-token-of-nobody'])
        await asking.request('/a', { headers: bearer(token) })
      const metrics = await asking.metrics()
      expect(metrics.get('sallyport_introspections_total{provider="opaque",result="active"}')).toBe(1)
      expect(metrics.get('sallyport_introspections_total{provider="opaque",result="inactive"}')).toBe(1)
      expect(metrics.get('sallyport_introspection_duration_seconds_count{provider="opaque"}')).toBe(2)
      expect(metrics.get('sallyport_introspection_breaker{provider="opaque"}')).toBe(0)
      expect([...metrics.keys()].filter(series => /_(?:jwks|decryptions)_.*provider="opaque"/.test(series))).toEqual([])
    } finally {
      await asking.close()
    }
  })
})

test('encrypted tokens are counted by what became of them, and start at 0', async () => {
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })
  const opening = await startTestStack(
    issuer => ({ providers: { main: { ...testProvider(issuer), decryption: { keyFiles: ['enc.pem'] } } } }),
    { upstream, files: { 'enc.pem': String(key) } },
  )
  try {
    expect(labelsOf(await opening.metrics(), OF_DECRYPTION)).toEqual(OF_DECRYPTION)
    const header = { alg: 'ECDH-ES', enc: 'A256GCM', cty: 'JWT', kid: 'unknown' }
    const token = [Buffer.from(JSON.stringify(header)).toString('base64url'), '', 'AAAA', 'AAAA', 'AAAA'].join('.')
    await opening.request('/private/a', { headers: bearer(token) })
    await opening.logged({ code: 'decryption_failed' })
    const metrics = await opening.metrics()
    expect(metrics.get('sallyport_decryptions_total{provider="main",result="failed"}')).toBe(1)
  } finally {
    await opening.close()
  }
})

describe('sessions of browsers', () => {
  let logins: LoginStack
  beforeAll(async () => {
    logins = await startLoginStack()
  })
  afterAll(() => logins.close())
  const metrics = async () => (await logins.gateways[0]?.metrics()) ?? new Map<string, number>()

  test('are counted from 0, kept through a reload, and not shown any more when nobody logs in', async () => {
    const [gateway] = logins.gateways
    if (gateway === undefined) throw new Error('there is no gateway')
    const fresh = await metrics()
    expect(labelsOf(fresh, OF_SESSIONS)).toEqual(OF_SESSIONS)
    expect(fresh.get('sallyport_sessions_ended_total{provider="browser",reason="logout"}')).toBe(0)
    expect(fresh.get('sallyport_sessions{provider="browser"}')).toBe(0)
    await logIn(`${logins.urls[0]}/page`)
    const held = await metrics()
    expect(held.get('sallyport_logins_total{provider="browser",result="ok"}')).toBe(1)
    expect(held.get('sallyport_sessions{provider="browser"}')).toBe(1)

    const text = readFileSync(gateway.file, 'utf8')
    gateway.write('sallyport.yaml', `${text}log: { level: debug }\n`)
    await gateway.logged({ msg: 'configuration reloaded' })
    const reloaded = await metrics()
    expect(reloaded.get('sallyport_sessions{provider="browser"}')).toBe(1)
    expect(reloaded.get('sallyport_logins_total{provider="browser",result="ok"}')).toBe(1)

    const config = parse(text)
    delete config.providers.browser
    // What the last policy but one has may still be counted, so it takes two.
    for (const [nth, level] of [
      [2, 'info'],
      [3, 'debug'],
    ] as const) {
      gateway.write('sallyport.yaml', { ...config, routes: [{ id: 'api', path: '/api/**' }], log: { level } })
      await gateway.logged({ msg: 'configuration reloaded' }, nth)
    }
    expect([...(await metrics()).keys()].filter(series => series.includes('"browser"'))).toEqual([])
  }, 30_000)

  test('add nothing to a gateway that has none', async () => {
    expect(labelsOf(await stack.metrics(), OF_SESSIONS)).toEqual([])
  })
})

/** The metrics that are there of those that are expected, each with its labels. */
function labelsOf(
  metrics: ReadonlyMap<string, number>,
  expected: ReadonlyArray<readonly [string, readonly string[]]>,
): ReadonlyArray<readonly [string, readonly string[]]> {
  return expected.flatMap(([name]) => {
    const series = [...metrics.keys()].find(each => each.replace(/\{.*/, '') === name)
    return series === undefined
      ? []
      : [[name, [...series.matchAll(/(\w+)="/g)].map(([, label = '']) => label)] as const]
  })
}

test('a provider without keys has no series of keys, while it is there and when it is gone', async () => {
  const metrics = createMetrics({ version: '1', node: '26', cacheResults: ['hit'], fetchResults: ['success'] })
  const shown = async () => {
    const text = (await Array.fromAsync(exposition(familiesOf(metrics.registry)))).join('')
    return text.match(/^\w+\{provider="asking"[^}]*\}/gm) ?? []
  }
  metrics.initProvider('asking', { asksServer: false, fetchesKeys: false })
  metrics.showProvider('asking', { usable: true, lastError: undefined, kind: 'keyless' })
  expect(await shown()).toEqual(['sallyport_token_cache_total{provider="asking",result="hit"}'])
  metrics.forgetProvider('asking')
  expect(await shown()).toEqual([])
})
