/** Tests what `policyDiff` finds in the settings that hold for every token or request, whatever its route asks. */

import { describe, expect, test } from 'vitest'
import type {
  AdminConfig,
  Config,
  KeysConfig,
  LimitsConfig,
  ListenConfig,
  RouteConfig,
  StreamsConfig,
  UpstreamConfig,
} from '../../../src/config/schema/schema.ts'
import { policyDiff } from '../../../src/tools/diff/policy-diff.ts'
import { another, type Comparisons, differencesOf } from '../../../src/tools/diff/strictness.ts'
import { type JwtProvider, jwtOf, withJwt } from '../../support/jwt-provider.ts'
import { configOf } from '../support.ts'
import { changes, compared } from './support.ts'

const BASE = configOf('{ id: a, path: /a }')

function withProvider(rest: Partial<JwtProvider>): Config {
  return withJwt(BASE, rest)
}

function withKeys(rest: Partial<KeysConfig>): Config {
  return withProvider({ keys: { ...jwtOf(BASE).keys, ...rest } })
}

function withUpstream(rest: Partial<UpstreamConfig>): Config {
  const { app } = BASE.upstreams
  if (app === undefined) throw new Error('the upstream is called otherwise')
  return { ...BASE, upstreams: { app: { ...app, ...rest } } }
}

const LISTEN: ListenConfig = BASE.listen ?? { address: { host: '127.0.0.1', port: 8080 }, trustedProxies: [] }
const withListen = (rest: Partial<ListenConfig>): Config => ({ ...BASE, listen: { ...LISTEN, ...rest } })
const withLimits = (rest: Partial<LimitsConfig>): Config => ({ ...BASE, limits: { ...BASE.limits, ...rest } })
const withStreams = (rest: Partial<StreamsConfig>): Config => ({ ...BASE, streams: { ...BASE.streams, ...rest } })
const withAdmin = (admin: AdminConfig): Config => ({ ...BASE, admin })

const at = (host: string, port = 8080) => ({ host, port })

test('an exchange that goes lets callers through whom its server refused, and one that changes is told', () => {
  const exchange = {
    ...{ provider: 'main', audience: ['https://billing'], timeout: 2_000 },
    client: { id: 'gateway', auth: 'basic' as const, secretFile: '/secret' },
  }
  const having = withUpstream({ exchange })
  expect(changes(having, BASE)).toEqual([
    'loosened upstream app: exchange: no token has to be issued for callers any more',
  ])
  expect(changes(BASE, having)).toEqual(['tightened upstream app: exchange: a token has to be issued for each caller'])
  const other = { ...exchange, endpoint: 'https://other.example/token', audience: ['https://billing', 'https://all'] }
  expect(changes(having, withUpstream({ exchange: other }))).toEqual([
    expect.stringMatching(/^changed upstream app: exchange\.endpoint.*exchange\.audience: .*https:\/\/all/),
  ])
})

test('what decides of a provider is told in one change, and so is identity', () => {
  const audiences = [...jwtOf(BASE).audiences, 'urn:x']
  const next: Config = {
    ...withProvider({ audiences, maxLifetime: 1000, algorithms: ['RS256'] }),
    identity: { ...BASE.identity, forwardToken: true },
    limits: { ...BASE.limits, bodyBytes: 1 },
  }
  expect(changes(BASE, next)).toEqual([
    'loosened identity: forwardToken: false → true',
    'changed provider main: audiences: or urn:x; algorithms: only RS256; maxLifetime: any → 1s',
    'tightened limits: bodyBytes: 100MiB → 1B',
  ])
})

describe('what makes a provider accept other tokens', () => {
  test.each<readonly [Partial<JwtProvider>, Partial<JwtProvider>, string]>([
    [{}, { issuer: 'https://other.example.com/' }, 'changed provider main: issuer is another'],
    [{}, { issuerAliases: ['a'] }, 'loosened provider main: issuerAliases: or a'],
    [{}, { audienceClaim: 'client_id' }, 'loosened provider main: audienceClaim: aud → client_id'],
    [{ audienceClaim: 'azp' }, {}, 'tightened provider main: audienceClaim: azp → aud'],
    [{ audienceClaim: 'azp' }, { audienceClaim: 'cid' }, 'changed provider main: audienceClaim: azp → cid'],
    [{}, { numericSubject: true }, 'loosened provider main: numericSubject: false → true'],
    [{}, { ignoredHeaders: ['jku'] }, 'loosened provider main: ignoredHeaders: or jku'],
    [
      {},
      { issuer: 'https://x/{tid}', tenants: { tid: ['a'] } },
      'loosened provider main: issuer: https://auth.example.com/ → https://x/{tid}',
    ],
    [
      { issuer: 'https://x/{tid}', tenants: { tid: ['a'] } },
      { issuer: 'https://x/{tid}', tenants: { tid: ['a', 'b'] } },
      'loosened provider main: tenants.tid: or b',
    ],
    [
      { issuer: 'https://x/{tid}', tenants: { tid: ['a'] } },
      { issuer: 'https://x/{tid}', tenants: 'any' },
      'loosened provider main: tenants.tid: any, not only a',
    ],
    [
      { issuer: 'https://x/{tid}', tenants: 'any' },
      { issuer: 'https://x/{tid}', tenants: { tid: ['a'] } },
      'tightened provider main: tenants.tid: only a',
    ],
    [{}, { scopeClaim: 'scp' }, 'changed provider main: scopeClaim is another'],
    [{}, { rolesClaim: '/realm_access/roles' }, 'changed provider main: rolesClaim is another'],
    [{ audiences: ['a'] }, { audiences: ['a', 'b'] }, 'loosened provider main: audiences: or b'],
    [{ algorithms: ['RS256'] }, {}, 'loosened provider main: algorithms: any, not only RS256'],
    [{ algorithms: ['RS256'] }, { algorithms: ['RS256', 'ES256'] }, 'loosened provider main: algorithms: or ES256'],
    [{ requiredClaims: ['tid'] }, {}, 'loosened provider main: requiredClaims: no longer tid'],
    [{ maxLifetime: 1000 }, {}, 'loosened provider main: maxLifetime: 1s → any'],
    [{ clockTolerance: 0 }, { clockTolerance: 1 }, 'loosened provider main: clockTolerance: 0s → 1ms'],
    [{ tokenType: 'at+jwt' }, {}, 'loosened provider main: tokenType: at+jwt → compatible'],
    [{}, { tokenType: 'at+jwt' }, 'tightened provider main: tokenType: compatible → at+jwt'],
  ])('%j → %j', (before, after, change) => {
    expect(changes(withProvider(before), withProvider(after))).toEqual([change])
  })
})

describe('what makes a provider believe other keys', () => {
  test.each<readonly [Partial<KeysConfig>, Partial<KeysConfig>, string]>([
    [{}, { jwksUri: 'https://keys.example.com/' }, 'changed provider main: keys.jwksUri is another'],
    [{ jwksFile: '/a.json' }, { jwksFile: '/b.json' }, 'changed provider main: keys.jwksFile is another'],
    [{}, { caFile: '/ca.pem' }, 'changed provider main: keys.caFile is another'],
    [{}, { hosts: ['cdn.example.com'] }, 'loosened provider main: keys.hosts: or cdn.example.com'],
    [{}, { allowInsecureHttp: true }, 'loosened provider main: keys.allowInsecureHttp: false → true'],
    [{ allowInsecureHttp: true }, {}, 'tightened provider main: keys.allowInsecureHttp: true → false'],
    [{ refresh: 1000 }, { refresh: 2000 }, 'loosened provider main: keys.refresh: 1s → 2s'],
    [{ maxStale: 2000 }, { maxStale: 1000 }, 'tightened provider main: keys.maxStale: 2s → 1s'],
    [{ timeout: 1000 }, { timeout: 2000 }, 'changed provider main: keys.timeout is another'],
  ])('%j → %j', (before, after, change) => {
    expect(changes(withKeys(before), withKeys(after))).toEqual([change])
  })
})

describe('who can reach a listener, and on which terms', () => {
  test.each<readonly [Partial<ListenConfig>, Partial<ListenConfig>, string]>([
    [{}, { trustedProxies: ['10.0.0.0/8'] }, 'loosened listen: trustedProxies: or 10.0.0.0/8'],
    [{ address: at('127.0.0.1') }, { address: at('0.0.0.0') }, 'loosened listen: address: 127.0.0.1 → 0.0.0.0'],
    [{ address: at('::') }, { address: at('10.0.0.1') }, 'tightened listen: address: :: → 10.0.0.1'],
    [{ address: at('10.0.0.1') }, { address: at('10.0.0.2') }, 'changed listen: address: 10.0.0.1 → 10.0.0.2'],
    [
      { address: { socketPath: '/run/a.sock' } },
      { address: at('::1') },
      'loosened listen: address: unix:/run/a.sock → ::1',
    ],
    [{ mode: '0660' }, { mode: '666' }, 'loosened listen: mode: 0660 → 666'],
    [{}, { mode: '0600' }, 'tightened listen: mode: 0660 → 0600'],
    [{ mode: '0606' }, {}, 'changed listen: mode: 0606 → 0660'],
    [{ tls: { certFile: '/c', keyFile: '/k' } }, {}, 'loosened listen: no longer asks for tls'],
    [
      { tls: { certFile: '/c', keyFile: '/k', clientCaFile: '/ca' } },
      { tls: { certFile: '/c', keyFile: '/k' } },
      'loosened listen: no longer asks for tls.clientCaFile: /ca',
    ],
    [
      { tls: { certFile: '/c', keyFile: '/k', clientCaFile: '/ca' } },
      { tls: { certFile: '/c', keyFile: '/k', clientCaFile: '/ca2' } },
      'changed listen: tls.clientCaFile is another',
    ],
    [
      { tls: { certFile: '/c', keyFile: '/k', clientCaFile: '/ca' } },
      { tls: { certFile: '/c', keyFile: '/k', clientCaFile: '/ca', clientCertificate: 'optional' } },
      'loosened listen: tls.clientCertificate: required → optional',
    ],
    [
      { tls: { certFile: '/c', keyFile: '/k', clientCertificate: 'any' } },
      { tls: { certFile: '/c', keyFile: '/k', clientCertificate: 'optional' } },
      'tightened listen: tls.clientCertificate: any → optional',
    ],
    [
      { tls: { certFile: '/c', keyFile: '/k' } },
      { tls: { certFile: '/c', keyFile: '/k', clientCertificate: 'any' } },
      'loosened listen: tls.clientCertificate: now takes tokens that are bound to a certificate',
    ],
    [
      { tls: { certFile: '/c', keyFile: '/k', clientCertificate: 'any' } },
      { tls: { certFile: '/c', keyFile: '/k' } },
      'tightened listen: tls.clientCertificate: no longer takes tokens that are bound to a certificate',
    ],
  ])('%j → %j', (before, after, change) => {
    expect(changes(withListen(before), withListen(after))).toEqual([change])
  })

  const withCertificates = (clientCertificate?: Config['clientCertificate'], tls?: ListenConfig['tls']): Config => ({
    ...withListen({ trustedProxies: ['10.0.0.1'], ...(tls && { tls }) }),
    ...(clientCertificate && { clientCertificate }),
  })
  const header = { from: 'header' } as const
  const forwarded = { from: 'header', header: 'X-Forwarded-Client-Cert' } as const
  const asking = { certFile: '/c', keyFile: '/k', clientCertificate: 'any' } as const

  test.each<readonly [Config['clientCertificate'], Config['clientCertificate'], readonly string[]]>([
    [undefined, header, ['loosened clientCertificate: now takes tokens that are bound to the certificate in a header']],
    [header, undefined, ['tightened clientCertificate: no longer takes tokens that are bound to a certificate']],
    [header, { ...header, header: 'Client-Cert', forward: false }, []],
    [header, forwarded, ['changed clientCertificate: header is another']],
    [forwarded, { ...forwarded, hops: 2 }, ['changed clientCertificate: header is another']],
    [header, { ...header, forward: true }, ['loosened clientCertificate: forward: false → true']],
  ])('certificates: %j → %j', (before, after, expected) => {
    expect(changes(withCertificates(before), withCertificates(after))).toEqual(expected)
  })

  test('certificates of connections, and then of a header', () => {
    expect(changes(withCertificates(undefined, asking), withCertificates({ from: 'connection' }, asking))).toEqual([])
    expect(changes(withCertificates(undefined, asking), withCertificates(header, asking))).toEqual([
      'changed clientCertificate: from: connection → header',
    ])
  })

  test('the admin listener, which asks nobody for a token', () => {
    const local = withAdmin({ listen: { address: at('127.0.0.1', 9090) }, hosts: [], appProbes: [] })
    expect(changes(BASE, local)).toEqual(['loosened admin: listen: nowhere → 127.0.0.1'])
    expect(
      changes(
        local,
        withAdmin({ listen: { address: at('0.0.0.0', 9090) }, hosts: [], appProbes: [{ path: '/healthz' }] }),
      ),
    ).toEqual(['loosened admin: listen: 127.0.0.1 → 0.0.0.0; appProbes: or /healthz'])
  })
})

describe('who may ask for decisions', () => {
  const withDecide = (rest: Partial<NonNullable<Config['decide']>>): Config => ({
    ...BASE,
    decide: { listen: { address: at('127.0.0.1', 8081) }, caller: 'nginx', trustedProxies: ['10.0.0.1'], ...rest },
  })

  test.each<readonly [Config, Config, readonly string[]]>([
    [
      BASE,
      withDecide({}),
      [
        'loosened decide: listen: nowhere → 127.0.0.1; trustedProxies: or 10.0.0.1',
        'changed decide: caller is another',
      ],
    ],
    [
      withDecide({}),
      withDecide({ trustedProxies: ['10.0.0.0/8'] }),
      ['loosened decide: trustedProxies: or 10.0.0.0/8', 'tightened decide: trustedProxies: not 10.0.0.1 any more'],
    ],
    [withDecide({}), withDecide({ caller: 'envoy' }), ['changed decide: caller is another']],
    [withDecide({}), withDecide({ listen: { address: at('127.0.0.1', 1) } }), []],
  ])('%#', (before, after, expected) => {
    expect(changes(before, after)).toEqual(expected)
  })
})

describe('what the service is told of a caller, and what a client can make it believe', () => {
  const withIdentity = (rest: Partial<Config['identity']>): Config => ({
    ...BASE,
    identity: { ...BASE.identity, ...rest },
  })
  const subject = { 'X-User': { claim: 'sub' } }

  test.each<readonly [Partial<Config['identity']>, Partial<Config['identity']>, readonly string[]]>([
    [{ forwardToken: true }, {}, ['tightened identity: forwardToken: true → false']],
    [{ reserved: ['X-A', 'X-B'] }, { reserved: ['X-A'] }, ['loosened identity: reserved: no longer X-B']],
    [{ reserved: ['X-A-*'] }, { reserved: ['x_*'] }, ['tightened identity: reserved: also x_*']],
    [{ reserved: ['X-*'] }, { reserved: ['X-A-*'] }, ['loosened identity: reserved: no longer X-*']],
    [
      { headers: subject },
      { headers: { 'X-User': { claim: 'email' } } },
      ['changed identity: headers: X-User says something else'],
    ],
    [
      { headers: { ...subject, 'X-Tenant': { claim: 'tid' } } },
      { headers: subject },
      ['loosened identity: reserved: no longer X-Tenant', 'changed identity: headers: no longer X-Tenant'],
    ],
    [{ maxBytes: 1000 }, { maxBytes: 2000 }, ['loosened identity: maxBytes: 1000B → 2000B']],
  ])('%j → %j', (before, after, expected) => {
    expect(changes(withIdentity(before), withIdentity(after))).toEqual(expected)
  })
})

test('a setting without an order lets something in that did not get in, and names it', () => {
  const differences = (next: Config) =>
    policyDiff(compared(BASE), compared(next)).map(({ section, witness }) => ({ section, witness }))
  expect(differences(withProvider({ issuer: 'https://other.example.com/' }))).toEqual([
    { section: 'settings', witness: 'what fits issuer: https://other.example.com/' },
  ])
  expect(differences(withKeys({ jwksFile: '/b.json' }))).toMatchObject([
    { witness: 'what fits keys.jwksFile: /b.json' },
  ])
  expect(differences(withProvider({ audiences: ['urn:x'], maxLifetime: 1 }))).toMatchObject([
    { witness: 'audiences: or urn:x' },
  ])
  expect(differences(withKeys({ timeout: 1 }))).toEqual([{ section: 'settings', witness: undefined }])
})

test('a service that has to show another certificate is a change', () => {
  expect(changes(BASE, withUpstream({ tls: { serverName: 'app.internal' } }))).toEqual([
    'changed upstream app: tls is another',
  ])
})

test('more connections to a service let more requests through at a time', () => {
  expect(changes(BASE, withUpstream({ connections: 2048 }))).toEqual([
    'loosened upstream app: connections: 1024 → 2048',
  ])
  expect(changes(BASE, withUpstream({ connections: 1 }))).toEqual(['tightened upstream app: connections: 1024 → 1'])
})

test('a limit that is tightened hides none that is loosened', () => {
  expect(changes(BASE, withLimits({ bodyBytes: 1, connections: 20_000, headersTimeout: 20_000 }))).toEqual([
    'loosened limits: headersTimeout: 10s → 20s; connections: 10000 → 20000',
    'tightened limits: bodyBytes: 100MiB → 1B',
  ])
})

describe('how long a stream may outlive its token', () => {
  const withRoute = (streams: RouteConfig['streams'], rest: Partial<RouteConfig> = {}): Config => ({
    ...BASE,
    routes: BASE.routes.map(route => ({ ...route, ...rest, streams })),
  })

  test('is told once for all routes that leave it to the section', () => {
    expect(changes(BASE, withStreams({ onExpiry: 'keep' }))).toEqual(['loosened streams: onExpiry: close → keep'])
    expect(changes(withStreams({ grace: 1000 }), BASE)).toEqual(['tightened streams: grace: 1s → 0s'])
  })

  test('is told of a route that says so itself, by what holds in the end', () => {
    expect(changes(BASE, withRoute({ grace: 1000 }))).toEqual(['loosened a: streams.grace: 0s → 1s'])
    expect(changes(BASE, withRoute({ onExpiry: 'close', grace: 0 }))).toEqual([])
  })

  test('is not made up for by what the route asks of its callers', () => {
    expect(changes(BASE, withRoute({ onExpiry: 'keep' }, { require: { scopes: ['x'] } }))).toEqual([
      'loosened a: streams.onExpiry: close → keep',
      'tightened a: now asks for scopes: x',
    ])
  })

  test('is nothing that a public route has', () => {
    expect(changes(withRoute({}, { access: 'public' }), withRoute({ grace: 1000 }, { access: 'public' }))).toEqual([])
  })
})

test('what decides nothing about who gets in is no change', () => {
  const next: Config = {
    ...withUpstream({
      timeouts: { connect: 1, headers: 1, idle: 1 },
      keepAlive: 0,
      connectRetry: 1,
      headerBytes: 1024,
    }),
    listen: { ...LISTEN, address: at('127.0.0.1', 1) },
    routes: BASE.routes.map(route => ({ ...route, timeout: 1 })),
    streams: { ...BASE.streams, idleTimeout: 1000 },
    log: { level: 'debug', access: 'off' },
    drain: { timeout: 1 },
    workers: 2,
    tokenCache: { entries: 1 },
  }
  expect(changes(BASE, next)).toEqual([])
})

test('a key without a row would be no change whatever it says, so the compiler refuses a table that lacks one', () => {
  // @ts-expect-error: the key `b` has no row.
  const table: Comparisons<{ readonly a: string; readonly b: string }> = { a: another }
  const [before, after] = [
    { a: 'x', b: 'x' },
    { a: 'x', b: 'y' },
  ]
  expect(differencesOf(table, before, after, { before, after })).toEqual([])
})

describe('where a token may come from', () => {
  const from = (credentials: Config['credentials']): Config => ({ ...BASE, credentials })

  test('a further place is looser, and is removed on all routes', () => {
    expect(changes(BASE, from(['authorization', { header: 'X-Token' }]))).toEqual([
      'loosened a: credentials: or header X-Token',
      'tightened credentials: removed before forwarding: also header X-Token',
    ])
  })

  test('what is no longer removed is looser, although it no longer brings a token', () => {
    expect(changes(from([{ header: 'X-Token' }]), from(['authorization']))).toEqual([
      'loosened a: credentials: or Authorization',
      'loosened credentials: removed before forwarding: no longer header X-Token',
      'tightened a: credentials: not header X-Token any more',
    ])
  })

  test('a parameter for more requests is looser', () => {
    expect(changes(from([{ query: 't', only: ['websocket'] }]), from([{ query: 't' }]))).toEqual([
      'loosened a: credentials: or parameter t (eventStream); credentials: or parameter t (every request)',
    ])
  })

  test('a route that says the same as the file says nothing new', () => {
    const own = configOf('{ id: a, path: /a, credentials: [authorization] }')
    expect(changes(BASE, own)).toEqual([])
  })

  test('credentials of strangers that a public route passes on are looser', () => {
    const open = configOf('{ id: a, path: /a, access: public }')
    const passing = configOf('{ id: a, path: /a, access: public, passAuthorization: true }')
    expect(changes(open, passing)).toEqual(['loosened a: passAuthorization: false → true'])
  })
})

test('case that paths ignore lets more through', () => {
  const ignoring: Config = { ...BASE, paths: { ignoreCase: true } }
  expect(changes(BASE, ignoring)).toEqual(['loosened paths: ignoreCase: false → true'])
  expect(changes(ignoring, BASE)).toEqual(['tightened paths: ignoreCase: true → false'])
})

describe('another proxy', () => {
  const through = (egress: Config['egress'], keys: Partial<KeysConfig> = {}): Config => ({ ...withKeys(keys), egress })
  const one = { proxy: 'http://one.corp:3128', noProxy: ['.svc'] }
  const other = { proxy: 'https://two.corp', noProxy: [], caFile: '/ca.pem', credentialsFile: '/credentials' }
  const all = 'noProxy is another; caFile is another; credentialsFile is another'

  test('is a change that lets nobody in, since servers prove their names', () => {
    expect(changes(through(one), through(one))).toEqual([])
    expect(changes(through(undefined), through(one))).toEqual([
      'changed egress: proxy: none → http://one.corp:3128; noProxy is another',
    ])
    expect(changes(through(one), through(undefined))).toEqual([
      'changed egress: proxy: http://one.corp:3128 → none; noProxy is another',
    ])
    expect(changes(through(one), through(other))).toEqual([
      `changed egress: proxy: http://one.corp:3128 → https://two.corp; ${all}`,
    ])
    expect(policyDiff(compared(through(one)), compared(through(other)))[0]?.witness).toBeUndefined()
  })

  test('is one that can let others in where keys may come over http:', () => {
    const clear = { allowInsecureHttp: true }
    const [change] = policyDiff(compared(through(one, clear)), compared(through(other, clear)))
    expect(change).toMatchObject({ kind: 'changed', subject: 'egress' })
    expect(change?.witness).toBe('tokens of whoever controls the way by https://two.corp')
    const [past] = policyDiff(compared(through(one, clear)), compared(through({ ...one, noProxy: ['a'] }, clear)))
    expect(past?.witness).toContain('what fits noProxy')
  })
})

describe('the audit log', () => {
  const withAudit = (rest: Partial<NonNullable<Config['audit']>>): Config => ({
    ...BASE,
    audit: { file: '/a', what: 'all', onFull: 'drop', ...rest },
  })

  test.each<[string, Config, Config, readonly string[]]>([
    [
      'drops what it refused',
      withAudit({ onFull: 'refuse' }),
      withAudit({}),
      ['loosened audit: onFull: refuse → drop'],
    ],
    ['is removed', withAudit({ onFull: 'refuse' }), BASE, ['loosened audit: onFull: refuse → drop']],
    ['refuses from now on', BASE, withAudit({ onFull: 'refuse' }), ['tightened audit: onFull: drop → refuse']],
    [
      'needs fewer records for a request to pass',
      withAudit({ onFull: 'refuse' }),
      withAudit({ onFull: 'refuse', what: 'denied' }),
      ['loosened audit: what: all → denied'],
    ],
    ['goes elsewhere', withAudit({}), withAudit({ file: '/b', what: 'denied' }), []],
  ])('%s', (_what, before, after, expected) => {
    expect(changes(before, after)).toEqual(expected)
  })
})
