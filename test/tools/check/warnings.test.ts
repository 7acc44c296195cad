/** Tests the warnings that need no network. */

import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { WARNING_CODES, type WarningCode, warnings } from '../../../src/tools/check/warnings.ts'
import { standIn } from '../../../src/tools/engine/stand-in.ts'
import { PRESETS, type PresetName } from '../../../src/tools/init/presets.ts'
import { starterFile } from '../../../src/tools/init/starter-file.ts'
import { type JwtProvider, jwtOf, withJwt } from '../../support/jwt-provider.ts'
import { configOf, silentServices, textOf } from '../support.ts'

/** The warnings that a test has seen. */
const seen = new Set<WarningCode>()

function found(config: Config): readonly string[] {
  const given = warnings(config, standIn(config, silentServices()).policy)
  for (const { code } of given) seen.add(code)
  return given.map(({ code, path }) => `${code} ${path.join('.')}`)
}

describe('a route nobody can reach', () => {
  test('is one whose every request a more specific route takes', () => {
    expect(
      found(
        configOf(
          '{ id: all, path: /dog/** }',
          '{ id: itself, path: /dog }',
          '{ id: slash, path: /dog/ }',
          '{ id: below, path: "/dog/:id/**" }',
        ),
      ),
    ).toEqual(['route-unreachable routes.0.path'])
  })

  test.each([
    [
      'one path is left',
      ['{ id: all, path: /dog/** }', '{ id: slash, path: /dog/ }', '{ id: b, path: "/dog/:id/**" }'],
    ],
    [
      'one method is left',
      [
        '{ id: all, path: /dog/** }',
        '{ id: itself, path: /dog, methods: [GET] }',
        '{ id: slash, path: /dog/ }',
        '{ id: below, path: "/dog/:id/**" }',
      ],
    ],
    ['a literal stands beside a parameter', ['{ id: a, path: "/a/:id" }', '{ id: b, path: /a/x }']],
    ['it is the only one', ['{ id: a, path: /** }']],
  ])('but not when %s', (_, routes) => {
    expect(found(configOf(...routes))).toEqual([])
  })
})

describe('a claim that is written with dots', () => {
  const base = configOf('{ id: a, path: /a }')
  const withProvider = (rest: Partial<JwtProvider>): Config => withJwt(base, rest)

  test.each<readonly [string, Config]>([
    ['providers.main.rolesClaim', withProvider({ rolesClaim: 'realm_access.roles' })],
    ['providers.main.scopeClaim', withProvider({ scopeClaim: 'ext.scope' })],
    ['providers.main.requiredClaims.1', withProvider({ requiredClaims: ['sub', 'a.b'] })],
    [
      'identity.headers.X-A',
      { ...base, identity: { ...base.identity, headers: { 'X-A': { claim: 'resource_access.app.roles' } } } },
    ],
    ['routes.0.require.claims.a.b', configOf('{ id: a, path: /a, require: { claims: { a.b: 1 } } }')],
  ])('is pointed out at %s', (path, config) => {
    expect(found(config)).toEqual([`claim-dotted ${path}`])
  })

  test.each([
    '/realm_access/roles',
    'https://example.com/roles',
    'cognito:groups',
    'roles',
    '/kubernetes.io/namespace',
  ])('%s is none', rolesClaim => {
    expect(found(withProvider({ rolesClaim }))).toEqual([])
  })
})

describe('a placeholder of a preset', () => {
  test.each(Object.keys(PRESETS) as readonly PresetName[])('%s', preset => {
    const config = loadConfig({ text: starterFile({ preset }), file: '/etc/s.yaml', env: {}, namedFiles: 'unread' })
    const { issuer, audience, issuerLines } = PRESETS[preset]
    const hasLine = (line: RegExp): boolean => issuerLines.some(each => line.test(each))
    const left = [
      ...(/[A-Z]{2}/.test(issuer) ? ['placeholder providers.main.issuer'] : []),
      ...(/[A-Z]{2}/.test(audience) ? ['placeholder providers.main.audiences.0'] : []),
      ...(hasLine(/^keys: .*[A-Z]{2}/) ? ['placeholder providers.main.keys.jwksUri'] : []),
      ...(hasLine(/^tenants: .*[A-Z]{2}/) ? ['placeholder providers.main.tenants.tid.0'] : []),
    ]
    expect(found(config).toSorted()).toEqual(left.toSorted())
    const own = preset === 'spiffe' ? 'prod.test' : 'https://sso.test/realms/PROD'
    const filled = starterFile({ preset, issuer: own, audience: 'ORDERS' })
    expect(found(loadConfig({ text: filled, file: '/etc/s.yaml', env: {}, namedFiles: 'unread' }))).toEqual([])
  })
})

describe('a public route below a protected prefix', () => {
  test.each(['/orders', '/orders/:id/image', '/orders/a/**'])('%s is pointed out', path => {
    expect(found(configOf('{ id: a, path: /orders/** }', `{ id: b, path: "${path}", access: public }`))).toContain(
      'public-below-protected routes.1.access',
    )
  })

  test('a catch-all at the root makes no route suspicious', () => {
    expect(found(configOf('{ id: a, path: /** }', '{ id: b, path: /healthz, access: public }'))).toEqual([])
  })

  test('nor does a prefix that only begins alike', () => {
    expect(found(configOf('{ id: a, path: /order/** }', '{ id: b, path: /orders, access: public }'))).toEqual([])
  })
})

test('requirements of an optional route are pointed out, since leaving the token out gets around them', () => {
  expect(found(configOf('{ id: a, path: /a, access: optional, require: { scopes: [a] } }'))).toEqual([
    'optional-with-require routes.0.require',
  ])
})

describe('a scope that looks misspelled', () => {
  const twice = (scope: string) => [
    `{ id: a, path: /a, require: { scopes: [${scope}] } }`,
    `{ id: b, path: /b, require: { anyScope: [${scope}] } }`,
  ]
  test.each([
    ['orders:read', 'order:read'],
    ['orders:read', 'orders:raed'],
    ['orders:read', 'Orders:Read'],
    ['orders:read', 'orders.read'],
  ])('beside %s twice, %s once', (often, once) => {
    expect(found(configOf(...twice(often), `{ id: c, path: /c, require: { scopes: [${once}] } }`))).toEqual([
      'scope-misspelled routes.2.require.scopes.0',
    ])
  })

  test.each([
    ['a:read', 'b:read'],
    ['orders:read', 'orders:write'],
    ['orders1:read', 'orders2:read'],
    ['cat:read', 'car:read'],
  ])('%s and %s are two scopes', (often, once) => {
    expect(found(configOf(...twice(often), `{ id: c, path: /c, require: { scopes: [${once}] } }`))).toEqual([])
  })

  test('two that are used as often may both be meant', () => {
    expect(
      found(
        configOf(
          '{ id: a, path: /a, require: { scopes: [order:read] } }',
          '{ id: b, path: /b, require: { scopes: [orders:read] } }',
        ),
      ),
    ).toEqual([])
  })
})

test('a lifetime over an hour is pointed out where nobody can revoke a token, an hour and none at all are not', () => {
  const config = configOf('{ id: a, path: /** }')
  const main = jwtOf(config)
  const living = (maxLifetime: number): Config => ({ ...config, providers: { main: { ...main, maxLifetime } } })
  expect(found(config)).toEqual([])
  expect(found(living(3_600_000))).toEqual([])
  expect(found(living(3_600_001))).toEqual(['lifetime-long providers.main.maxLifetime'])
})

test('a token handed on is pointed out unless the service is on this machine', () => {
  const config = configOf('{ id: a, path: /** }')
  const to = (url: { origin: string; socketPath?: string }): Config => ({
    ...config,
    identity: { ...config.identity, forwardToken: true },
    upstreams: Object.fromEntries(Object.entries(config.upstreams).map(([id, app]) => [id, { ...app, url }])),
  })
  expect(found(to({ origin: 'http://app.internal:3000' }))).toEqual(['token-forwarded identity.forwardToken'])
  expect(found(to({ origin: 'http://127.0.0.1:3000' }))).toEqual([])
  expect(found(to({ origin: 'http://localhost', socketPath: '/run/app.sock' }))).toEqual([])
})

describe('tokens of every tenant', () => {
  const withTenants = (tenants: string, ...routes: readonly string[]) =>
    loadConfig({
      text: textOf(...routes).replace(
        /main: .*/,
        `main: { type: jwt, issuer: "https://x/{tid}", audiences: [a], tenants: ${tenants}, keys: { jwksUri: https://x/keys } }`,
      ),
      file: '/etc/sallyport.yaml',
      env: {},
    })

  test.each([
    ['any', 'tenants-any providers.main.tenants'],
    ['{ tid: any }', 'tenants-any providers.main.tenants.tid'],
  ])('are pointed out: %s', (tenants, warning) => {
    expect(found(withTenants(tenants, '{ id: a, path: /a }'))).toEqual([warning])
  })

  test('are pointed out more strongly where a route asks for roles', () => {
    const message = (...routes: readonly string[]) => {
      const config = withTenants('any', ...routes)
      return warnings(config, standIn(config, silentServices()).policy)[0]?.message
    }
    expect(message('{ id: a, path: /a, require: { scopes: [x] } }')).toContain('takes the tokens of every tenant')
    expect(message('{ id: a, path: /a, require: { anyRole: [admin] } }')).toContain('in spite of its roles')
    expect(message('{ id: a, path: /a, access: public }')).toContain('takes the tokens of every tenant')
  })

  test('are not, where the tenants are listed', () => {
    expect(found(withTenants('{ tid: [a] }', '{ id: a, path: /a, require: { roles: [admin] } }'))).toEqual([])
  })
})

test('a token in the query is pointed out, on the file and on a route', () => {
  const config = configOf('{ id: a, path: /**, credentials: [authorization, { query: token }] }')
  expect(found(config)).toEqual(['token-in-query routes.0.credentials.1'])
  expect(
    found({ ...configOf('{ id: a, path: /** }'), credentials: [{ query: 'token', only: ['websocket'] }] }),
  ).toEqual(['token-in-query credentials.0'])
})

describe('a spelling that the service may tell apart', () => {
  const encoded = (access: string) => `{ id: open, path: /open/~a, access: ${access}, pathAllow: [encodedUnreserved] }`

  test.each([
    ['{ id: rest, path: /** }'],
    ['{ id: name, path: "/open/:name" }'],
    ['{ id: rest, path: "/:a/:b", require: { scopes: [a] } }'],
  ])('is pointed out where encoding leads from a public route to %s', other => {
    expect(found(configOf(encoded('public'), other))).toContain('spelling-trusted routes.0.pathAllow')
  })

  test('is not, where the other route asks for less or the same', () => {
    expect(found(configOf(encoded('required'), '{ id: rest, path: "/:a/:b", access: public }'))).toEqual([])
    expect(found(configOf(encoded('required'), '{ id: rest, path: "/:a/:b", timeout: 1s }'))).toEqual([])
    expect(found(configOf(encoded('required'), '{ id: rest, path: "/:a/:b", require: { scopes: [a] } }'))).toEqual([
      'spelling-trusted routes.0.pathAllow',
    ])
  })

  test('is not, where no other route takes it', () => {
    expect(found(configOf(encoded('public'), '{ id: rest, path: /other/** }'))).toEqual([])
    expect(found(configOf(encoded('public'), '{ id: rest, path: "/open/:name", methods: [GET] }'))).toContain(
      'spelling-trusted routes.0.pathAllow',
    )
  })

  test.each(['/files/:name.json', '/files/:name:read', '/files/read'])('is pointed out of the literal of %s', path => {
    const route = `{ id: a, path: "${path}", pathAllow: [encodedUnreserved] }`
    const rest = '{ id: rest, path: "/files/**", require: { scopes: [all] } }'
    expect(found(configOf(route, rest))).toEqual(['spelling-trusted routes.0.pathAllow'])
  })

  test('is pointed out once where case leads to a route that asks for more', () => {
    const ignoring = (...routes: readonly string[]) => ({ ...configOf(...routes), paths: { ignoreCase: true } })
    const open = ['{ id: a, path: /a/**, access: public }', '{ id: b, path: /b/**, access: public }']
    expect(found(ignoring(...open, '{ id: rest, path: /** }'))).toEqual(['spelling-trusted paths.ignoreCase'])
    expect(found(ignoring(...open))).toEqual([])
    expect(found(configOf(...open, '{ id: rest, path: /** }'))).toEqual([])
  })

  test.each(['semicolon', 'emptySegment', 'encodedSlash'])('%s needs no warning', allowed => {
    const open = `{ id: open, path: "/open/:name", access: public, pathAllow: [${allowed}] }`
    expect(found(configOf(open, '{ id: rest, path: /** }'))).toEqual([])
  })
})

test.each([
  ['http://proxy.corp:3128', ['proxy-in-clear egress.credentialsFile']],
  ['https://proxy.corp', []],
  ['http://127.0.0.1:3128', []],
])('credentials for the proxy %s are pointed out where everybody can read them', (proxy, expected) => {
  const egress = { proxy, noProxy: [], credentialsFile: '/etc/proxy' }
  expect(found({ ...configOf('{ id: a, path: /** }'), egress })).toEqual(expected)
  expect(found({ ...configOf('{ id: a, path: /** }'), egress: { proxy, noProxy: [] } })).toEqual([])
})

test.each([
  ['http://collector.corp:4318/v1/traces', ['traces-in-clear traces.endpoint']],
  ['https://collector.corp/v1/traces', []],
  ['http://localhost:4318/v1/traces', []],
  ['http://localhost:4318', ['traces-path-missing traces.endpoint']],
])(
  'traces for %s are pointed out where everybody can read them, or where no collector takes them',
  (endpoint, expected) => {
    const traces = { endpoint, sample: 0.1, trustParent: 'proxies' as const }
    expect(found({ ...configOf('{ id: a, path: /** }'), traces })).toEqual(expected)
  },
)

test.each([
  ['10.0.0.0/8', '', 'clientCertificate.from'],
  ['127.0.0.1, 10.0.0.1', '', 'clientCertificate.from'],
  ['10.0.0.0/8', ', tls: { certFile: c, keyFile: k }', 'clientCertificate.from'],
  ['10.0.0.0/8', ', tls: { certFile: c, keyFile: k, clientCaFile: ca }', undefined],
  ['0.0.0.0/0', ', tls: { certFile: c, keyFile: k, clientCaFile: ca }', 'listen.trustedProxies'],
  ['127.0.0.1, "::/0"', '', 'listen.trustedProxies'],
  ['127.0.0.1, "unix:", "::1"', '', undefined],
  ['127.0.0.0/8', '', undefined],
])('certificates in the header of a proxy at %s, with%s, can be forged: see %s', (proxies, tls, where) => {
  const text = textOf('{ id: a, path: /** }').replace(
    'listen: 127.0.0.1:8080',
    `listen: { address: "127.0.0.1:8080", trustedProxies: [${proxies}]${tls} }\nclientCertificate: { from: header }`,
  )
  const config = loadConfig({ text, file: '/etc/sallyport.yaml', env: {}, namedFiles: 'unread' })
  expect(found(config)).toEqual(where === undefined ? [] : [`client-cert-in-clear ${where}`])
})

test.each([
  ['listen: 127.0.0.1:1, caller: nginx', []],
  ['listen: "unix:/d.sock", caller: nginx', []],
  ['listen: 0.0.0.0:1, caller: nginx', ['decide-unreachable decide.listen']],
  ['listen: "[::]:1", caller: nginx, trustedProxies: ["::1"]', ['decide-unreachable decide.listen']],
  ['listen: 127.0.0.1:1, caller: nginx, trustedProxies: [10.0.0.0/8]', ['decide-unreachable decide.listen']],
  ['listen: 127.0.0.1:1, caller: nginx, trustedProxies: [10.0.0.0/8, 127.0.0.1]', []],
  [
    'listen: 0.0.0.0:1, caller: nginx, trustedProxies: [10.0.0.0/8, "fd00::/8"]',
    ['decide-open decide.trustedProxies.1'],
  ],
  ['listen: 0.0.0.0:1, caller: nginx, trustedProxies: [10.0.0.0/8, "fd12:3456::/32"]', []],
  ['listen: 127.0.0.1:1, caller: nginx, trustedProxies: [0.0.0.0/0]', ['decide-open decide.trustedProxies.0']],
  ['listen: 127.0.0.1:1, caller: nginx, trustedProxies: [10.0.0.1, "::/0"]', ['decide-open decide.trustedProxies.1']],
])('decisions at %s are asked for by whom they should be', (decide, expected) => {
  const text = `${textOf('{ id: a, path: /** }')}\ndecide: { ${decide} }\n`
  expect(found(loadConfig({ text, file: '/etc/sallyport.yaml', env: {} }))).toEqual(expected)
})

test.each(['nginx', 'envoy'])('%s is to pass on answers to preflights, and endpoints need a listener', caller => {
  const text = textOf('{ id: a, path: /**, cors: { origins: ["https://a.example"] }, resource: r }')
    .replace('listen: 127.0.0.1:8080', `decide: { listen: 127.0.0.1:1, caller: ${caller} }`)
    .concat('\nresources: { r: { url: https://api.example.com/a } }\n')
  const given = found(loadConfig({ text, file: '/etc/sallyport.yaml', env: {} }))
  expect(given).toContain('endpoint-unserved resources')
  expect(given.includes('decide-preflight decide.caller')).toBe(caller === 'nginx')
})

test('the logout endpoint of sessions in memory is one that only this instance needs', () => {
  const text = textOf('{ id: a, path: /** }').replace(
    '\nupstreams',
    `
  browser:
    type: session
    issuer: https://auth.example.com/
    client: { auth: basic, id: shop, secretFile: secret }
    principal: main
    publicUrl: https://shop.example.com
    keyFiles: [key]
upstreams`,
  )
  const config = loadConfig({ text, file: '/etc/sallyport.yaml', env: {}, namedFiles: 'unread' })
  expect(found(config).filter(each => each.startsWith('revocation-local-only'))).toEqual([])
})

describe('revocation', () => {
  const withRevocation = (revocation: string, provider = '') =>
    loadConfig({
      text: `${textOf('{ id: a, path: /** }').replace(' }\nupstreams', `, maxLifetime: 1h${provider} }\nupstreams`)}
admin: { listen: 127.0.0.1:9090 }
revocation: ${revocation}
`,
      file: '/etc/sallyport.yaml',
      env: {},
      namedFiles: 'unread',
    })
  const logout = (covers: string) => `{ provider: main, clientId: shop, path: /out, covers: ${covers} }`
  const api = '{ api: { tokenFile: secret } }'
  const stored = (config: Config): Config => ({
    ...config,
    revocation: config.revocation && { ...config.revocation, store: { stream: 'revocations' } },
  })

  test('makes a lifetime of a day acceptable, and no longer one', () => {
    const config = withRevocation(api, ', requiredClaims: [jti, sub]')
    const living = (maxLifetime: number) => found(withJwt(config, { maxLifetime }))
    expect(living(86_400_000)).toEqual(['revocation-local-only revocation.api'])
    expect(living(86_400_001)).toEqual([
      'lifetime-long providers.main.maxLifetime',
      'revocation-local-only revocation.api',
    ])
  })

  test.each([
    [api, '', '`jti`, `sub`'],
    [api, ', requiredClaims: [sub]', '`jti`'],
    [`{ backchannelLogout: [${logout('session')}] }`, '', '`sub`, `sid`'],
    [`{ claims: { session: session_id }, backchannelLogout: [${logout('session')}] }`, '', '`sub`, `session_id`'],
    [`{ backchannelLogout: [${logout('subject')}] }`, '', '`sub`'],
    ['{ signals: [{ provider: main, audience: us, path: /in, tokenFile: secret }] }', '', '`sub`'],
  ])('%s of a provider %s misses tokens without a claim', (revocation, provider, claims) => {
    const config = withRevocation(revocation, provider)
    const given = warnings(config, standIn(config, silentServices()).policy)
    expect(given.filter(({ code }) => code === 'revocation-blind')).toEqual([
      {
        code: 'revocation-blind',
        path: ['providers', 'main', 'requiredClaims'],
        message: expect.stringContaining(`without ${claims}, and`),
      },
    ])
  })

  test.each([
    ['{ file: revoked.yaml }', ''],
    [api, ', tokenType: at+jwt'],
    [api, ', requiredClaims: [jti, /sub]'],
    [`{ backchannelLogout: [${logout('session')}] }`, ', requiredClaims: [sub, sid]'],
  ])('%s of a provider %s misses none', (revocation, provider) => {
    expect(found(withRevocation(revocation, provider)).filter(each => each.startsWith('revocation-blind'))).toEqual([])
  })

  test('that only this instance hears of is pointed out at each source', () => {
    const config = withRevocation(
      `{ api: { tokenFile: secret }, backchannelLogout: [${logout('subject')}] }`,
      ', tokenType: at+jwt',
    )
    expect(found(config)).toEqual([
      'revocation-local-only revocation.api',
      'revocation-local-only revocation.backchannelLogout',
    ])
    expect(found(stored(config))).toEqual([])
    expect(found(withRevocation(api))).toContain('revocation-blind providers.main.requiredClaims')
  })
})

describe('a DPoP proof', () => {
  const withDpop = (dpop: string, workers = 1): Config =>
    loadConfig({
      text: `${textOf('{ id: a, path: /a }')}workers: ${workers}\nadmin: { listen: 127.0.0.1:8081 }\n${dpop.includes('true') ? 'store: { url: "redis://127.0.0.1:1" }\n' : ''}dpop: { baseUrls: [https://api.example.com]${dpop} }\n`,
      file: '/etc/sallyport.yaml',
      env: {},
    })
  const perProcess = ['replay-per-process dpop.replay.store']

  test.each([
    ['', 1, perProcess],
    [', replay: { entries: 2000 }', 1, perProcess],
    [', replay: { store: false }', 1, []],
    [', replay: { store: true }', 1, []],
    ['', 2, perProcess],
    [', replay: { store: false }', 2, perProcess],
    [', replay: { store: true }', 2, []],
  ])('that others could use again is told unless that is meant: "%s" with %i workers', (dpop, workers, expected) => {
    expect(found(withDpop(dpop, workers))).toEqual(expected)
  })

  test('is no use where it can be read on its way, except on this machine', () => {
    const config = withDpop(', replay: { store: true }')
    const baseUrls = ['https://a.example', 'http://b.example/x', 'http://localhost:8080', 'http://[::1]', 'HTTP://c']
    expect(found({ ...config, dpop: config.dpop && { ...config.dpop, baseUrls } })).toEqual([
      'proof-url-in-clear dpop.baseUrls.1',
      'proof-url-in-clear dpop.baseUrls.4',
    ])
  })
})

describe('the answer of a server about a token', () => {
  const withCache = (cache: string): Config =>
    loadConfig({
      text: textOf('{ id: a, path: /a }').replace(
        'providers:\n',
        `providers:\n  opaque: { type: introspection, issuer: https://opaque.example.com, audiences: [a], client: { auth: basic, id: a, secretFile: s }, cache: { ${cache} } }\n`,
      ),
      file: '/etc/sallyport.yaml',
      env: {},
      namedFiles: 'unread',
    })

  test.each([
    ['', []],
    ['ttl: 5m, maxStale: 5m', []],
    ['ttl: 301s', ['introspection-ttl providers.opaque.cache.ttl']],
    ['maxStale: 1h', ['introspection-stale providers.opaque.cache.maxStale']],
    [
      'ttl: 1h, maxStale: 1h',
      ['introspection-ttl providers.opaque.cache.ttl', 'introspection-stale providers.opaque.cache.maxStale'],
    ],
  ])('must not count for so long that a revoked token works on: "%s"', (cache, expected) => {
    expect(found(withCache(cache))).toEqual(expected)
  })
})

/** @param sections of the file, one in a line */
function withSections(route: string, ...sections: readonly string[]): Config {
  return loadConfig({
    text: `${textOf(route)}${sections.join('\n')}\n`,
    file: '/etc/sallyport.yaml',
    env: {},
    namedFiles: 'unread',
  })
}

describe('an origin that pages come from', () => {
  const withOrigin = (origin: string) => withSections('{ id: a, path: /a }', `cors: { origins: ["${origin}"] }`)

  test.each([
    ['http://app.example.com', ['cors-origin-in-clear cors.origins.0']],
    ['http://10.0.0.1:3000', ['cors-origin-in-clear cors.origins.0']],
    ['http://*.example.com', ['cors-origin-in-clear cors.origins.0']],
    ['https://*.com', ['cors-wildcard-wide cors.origins.0']],
    ['https://*.com:8443', ['cors-wildcard-wide cors.origins.0']],
    ['https://*.internal', ['cors-wildcard-wide cors.origins.0']],
    ['https://*.co.uk', ['cors-wildcard-wide cors.origins.0']],
    ['https://*.com.au', ['cors-wildcard-wide cors.origins.0']],
    ['https://*.github.io', ['cors-wildcard-wide cors.origins.0']],
    ['https://*.vercel.app', ['cors-wildcard-wide cors.origins.0']],
    ['http://*.com', ['cors-origin-in-clear cors.origins.0', 'cors-wildcard-wide cors.origins.0']],
  ])('is doubtful: %s', (origin, warned) => {
    expect(found(withOrigin(origin))).toEqual(warned)
  })

  test.each([
    '*',
    'https://app.example.com',
    'https://*.example.com',
    'https://*.example.co.uk',
    'https://*.me.github.io',
    'http://localhost:5173',
    'http://*.localhost:5173',
    'http://127.0.0.1:5173',
    'http://[::1]:5173',
    'chrome-extension://abcdef',
  ])('is fine: %s', origin => {
    expect(found(withOrigin(origin))).toEqual([])
  })

  test('is looked at in the rules of a route, too', () => {
    expect(found(configOf('{ id: a, path: /a, cors: { origins: [http://a.example] } }'))).toEqual([
      'cors-origin-in-clear routes.0.cors.origins.0',
    ])
  })
})

describe('a list of headers', () => {
  const CORS = (headers: string) => `cors: { origins: [https://a.example], headers: [${headers}] }`

  test.each<[string, string, readonly string[]]>([
    ['{ id: a, path: /a }', 'content-type', ['cors-header-missing cors.headers']],
    ['{ id: a, path: /a, access: optional }', '', ['cors-header-missing cors.headers']],
    ['{ id: a, path: /a, credentials: [{ header: X-Token }] }', 'authorization', ['cors-header-missing cors.headers']],
    [
      '{ id: a, path: /a, cors: { origins: [https://a.example], headers: [x-a] } }\n  - { id: b, path: /b }',
      'authorization',
      ['cors-header-missing routes.0.cors.headers'],
    ],
    ['{ id: a, path: /a, mcp: {} }', 'authorization, content-type', ['cors-header-missing cors.headers']],
    [
      '{ id: a, path: /a, mcp: {} }',
      'authorization, content-type, mcp-protocol-version, mcp-session-id, mcp-name, last-event-id',
      ['cors-header-missing cors.headers'],
    ],
  ])('%s with [%s] lacks what the route asks for', (route, headers, warned) => {
    expect(found(withSections(route, CORS(headers)))).toEqual(warned)
  })

  test('without the proof that is asked for is pointed out', () => {
    const config = withSections(
      '{ id: a, path: /a, require: { proof: dpop } }',
      CORS('authorization'),
      'dpop: { baseUrls: [https://api.example.com], replay: { store: false } }',
    )
    expect(found(config)).toEqual(['cors-header-missing cors.headers'])
  })

  test.each<[string, string]>([
    ['{ id: a, path: /a }', 'Authorization'],
    ['{ id: a, path: /a, access: public }', ''],
    ['{ id: a, path: /a, cors: off }\n  - { id: b, path: /b, access: public }', ''],
    ['{ id: a, path: /a, credentials: [authorization, { header: X-Token }] }', 'x-token'],
    [
      '{ id: a, path: /a, mcp: {} }',
      'authorization, content-type, mcp-protocol-version, mcp-session-id, mcp-method, mcp-name, last-event-id',
    ],
  ])('%s with [%s] is fine', (route, headers) => {
    expect(found(withSections(route, CORS(headers)))).toEqual([])
  })

  test('is told once, however many routes lack the same', () => {
    const text = `${textOf('{ id: a, path: /a }', '{ id: b, path: /b }')}${CORS('content-type')}\n`
    expect(found(loadConfig({ text, file: '/etc/s.yaml', env: {} }))).toEqual(['cors-header-missing cors.headers'])
  })
})

describe('a protected resource', () => {
  const ROUTE = '{ id: a, path: /a, resource: r }'

  test.each<[string, readonly string[]]>([
    ['http://mcp.example.com/a', ['resource-in-clear resources.r.url']],
    ['https://mcp.example.com/a', []],
    ['http://localhost:8080/a', []],
    ['http://127.0.0.1:8080/a', []],
  ])('at %s', (url, warned) => {
    expect(found(withSections(ROUTE, `resources: { r: { url: "${url}" } }`))).toEqual(warned)
  })

  test('with an issuer for each tenant names none, unless another provider has one', () => {
    const text = withSections(ROUTE, 'resources: { r: { url: https://mcp.example.com/a } }')
    const template = withJwt(text, {
      issuer: 'https://login.example.com/{tid}/v2.0',
      tenants: { tid: ['f6d0c9b2-0000-0000-0000-000000000000'] },
    })
    expect(found(template)).toEqual(['resource-without-issuer resources.r'])
    const { main } = text.providers
    if (main === undefined) throw new Error('no provider')
    expect(found({ ...template, providers: { ...template.providers, other: main } })).toEqual([])
  })
})

describe('the path of a resource', () => {
  const ofResource = (path: string, ...routes: readonly string[]) =>
    found(withSections(routes.join('\n  - '), `resources: { r: { url: "https://mcp.example.com${path}" } }`))

  test.each<[string, readonly string[]]>([
    ['/mcp/', ['{ id: a, path: /mcp, resource: r, mcp: {} }']],
    ['/v1/mcp', ['{ id: a, path: /mcp, resource: r, mcp: {} }']],
    ['', ['{ id: a, path: /mcp, resource: r, mcp: {} }']],
    ['/mcp', ['{ id: a, path: /mcp/sse, resource: r, mcp: {} }']],
    ['/mcp', ['{ id: a, path: "/:any", resource: r, mcp: {} }', '{ id: b, path: /mcp }']],
    ['/orders/', ['{ id: a, path: /orders, resource: r }']],
    ['/order', ['{ id: a, path: /orders/**, resource: r }']],
  ])('is doubtful where no route of it takes "%s": %s', (path, routes) => {
    expect(ofResource(path, ...routes)).toEqual(['resource-elsewhere resources.r.url'])
  })

  test.each<[string, readonly string[]]>([
    ['/mcp', ['{ id: a, path: /mcp, resource: r, mcp: {} }']],
    ['/mcp', ['{ id: a, path: /mcp/**, resource: r, mcp: {} }']],
    ['/acme/mcp', ['{ id: a, path: "/:tenant/mcp", methods: [POST], resource: r, mcp: {} }']],
    ['/mcp', ['{ id: a, path: /mcp, resource: r, mcp: {} }', '{ id: b, path: /b, resource: r, mcp: {} }']],
    ['', ['{ id: a, path: /orders, resource: r }']],
    ['/orders', ['{ id: a, path: "/orders/:id", resource: r }']],
  ])('is fine where "%s" is that of a route, or what the paths of an API share: %s', (path, routes) => {
    expect(ofResource(path, ...routes)).toEqual([])
  })
})

test('a resource wants audiences, which a server that checks them itself may not tell', () => {
  const withProvider = (rest: string, route: string): Config =>
    loadConfig({
      text: `${textOf(route).replace(
        'providers:\n',
        `providers:\n  opaque: { type: introspection, issuer: https://opaque.example.com, audiences: [a], client: { auth: basic, id: a, secretFile: s }${rest} }\n`,
      )}resources: { r: { url: "https://mcp.example.com/a" } }\n`,
      file: '/etc/sallyport.yaml',
      env: {},
      namedFiles: 'unread',
    })
  const checked = ', audienceCheckedByServer: true'
  const route = '{ id: a, path: /a, resource: r }'
  expect(found(withProvider(checked, route))).toEqual(['resource-audience-untold routes.0.resource'])
  expect(found(withProvider('', route))).toEqual([])
  expect(found(withProvider(checked, '{ id: a, path: /a, resource: r, providers: [main] }'))).toEqual([])
})

describe('a server of MCP', () => {
  test('with tools that nobody has listed is pointed out', () => {
    expect(found(configOf('{ id: a, path: /a, mcp: { tools: { b: {} }, others: allow } }'))).toEqual([
      'mcp-others-allowed routes.0.mcp.others',
    ])
    expect(found(configOf('{ id: a, path: /a, mcp: { tools: { b: {} } } }'))).toEqual([])
  })

  test('should not get the caller’s token, even on this machine', () => {
    const forwarding = 'identity: { forwardToken: true }'
    expect(found(withSections('{ id: a, path: /a, mcp: {} }', forwarding))).toEqual([
      'mcp-token-forwarded identity.forwardToken',
    ])
    expect(found(withSections('{ id: a, path: /a }', forwarding))).toEqual([])
  })

  test('can have a misspelled scope in its tools', () => {
    expect(
      found(
        configOf(
          '{ id: a, path: /a, require: { scopes: [orders:read] }, mcp: { tools: { b: { scopes: [order:read] } } } }',
          '{ id: b, path: /b, require: { scopes: [orders:read] } }',
        ),
      ),
    ).toEqual(['scope-misspelled routes.0.mcp.tools.b.scopes.0'])
  })

  test('can repeat the scope of its route for a tool', () => {
    expect(
      found(configOf('{ id: a, path: /a, require: { scopes: [use] }, mcp: { tools: { b: { scopes: [use] } } } }')),
    ).toEqual([])
  })

  test.each<[string, readonly string[]]>([
    ['orders:read, order:write', ['scope-misspelled resources.r.scopes.1']],
    ['orders:read, orders:write', []],
    ['orders:read, orders:audit', []],
  ])('can tell clients of misspelled scopes: %s', (scopes, warned) => {
    const route =
      '{ id: a, path: /a, resource: r, require: { scopes: [orders:read] }, mcp: { tools: { b: { scopes: [orders:write] } } } }'
    expect(found(withSections(route, `resources: { r: { url: https://a.example/a, scopes: [${scopes}] } }`))).toEqual(
      warned,
    )
  })
})

describe('a provider of sessions', () => {
  const PAGES = '{ id: pages, path: /**, providers: [browser] }'

  function withBrowser(settings: string, routes = [PAGES], sections: readonly string[] = []): Config {
    const browser = [
      'type: session, client: { id: shop, auth: basic, secretFile: client }, keyFiles: [key], principal: main',
      settings.includes('issuer:') ? [] : 'issuer: https://auth.example.com/',
      settings.includes('scopes:') ? [] : 'scopes: [openid, offline_access]',
      settings.includes('publicUrl:') ? [] : 'publicUrl: http://localhost:8080',
      settings,
    ]
    const text = textOf(...routes).replace('providers:\n', `providers:\n  browser: { ${browser.flat().join(', ')} }\n`)
    return loadConfig({
      text: `${text}${sections.join('\n')}\n`,
      file: '/etc/sallyport.yaml',
      env: {},
      namedFiles: 'unread',
    })
  }

  test.each<readonly [string, readonly string[]]>([
    ['store: memory', []],
    ['publicUrl: https://shop.example.com', ['session-memory providers.browser.store']],
    ['scopes: [openid, profile]', ['session-no-refresh providers.browser.scopes']],
    ['scopes: [openid], parameters: { access_type: offline }', []],
    ['issuer: https://auth.example.com', ['session-issuer-differs providers.browser.issuer']],
    ['issuer: https://auth.example.com, principal: idToken', []],
    ['lifetime: { absolute: 24h }', []],
    ['lifetime: { absolute: 25h }', ['lifetime-long providers.browser.lifetime.absolute']],
  ])('is doubtful by itself: "%s"', (settings, expected) => {
    const once = settings.includes('principal') ? withBrowser(settings.replace(', principal: idToken', '')) : undefined
    const config = once === undefined ? withBrowser(settings) : withIdToken(once)
    expect(found(config)).toEqual(expected)
  })

  function withIdToken(config: Config): Config {
    const { browser } = config.providers
    if (browser?.type !== 'session') throw new Error('there are no sessions')
    return { ...config, providers: { ...config.providers, browser: { ...browser, principal: 'idToken' } } }
  }

  test('is of no use until a route names it', () => {
    expect(found(withBrowser('store: memory', ['{ id: all, path: /** }']))).toEqual([
      'session-unused providers.browser',
    ])
  })

  test('sends people who have logged out to a page that some route takes by GET', () => {
    const orders = '{ id: orders, path: /orders/**, providers: [browser] }'
    const post = '{ id: bye, path: /bye, methods: [POST], providers: [browser] }'
    const missing = ['session-page-missing providers.browser.afterLogout']
    expect(found(withBrowser('store: memory', [orders]))).toEqual(missing)
    expect(found(withBrowser('afterLogout: /bye', [orders, post]))).toEqual(missing)
    expect(found(withBrowser('afterLogout: "/orders/?from=logout"', [orders]))).toEqual([])
  })

  test.each<readonly [resource: string, sections: readonly string[], expected: readonly string[]]>([
    ['https://api.example.com', [], []],
    ['https://order.example.com', [], ['session-resource-refused providers.browser.resource']],
    // What a route names counts as an audience of the tokens that it takes.
    ['https://order.example.com', ['resources: { order: { url: https://order.example.com } }'], []],
  ])('asks for tokens for %s, with %j', (resource, sections, expected) => {
    const route = `{ id: all, path: /**, providers: [browser, main]${sections.length === 0 ? '' : ', resource: order'} }`
    expect(found(withBrowser(`resource: ${resource}`, [route], sections))).toEqual(expected)
  })

  test('is not asked about its resource where the ID token says who it is', () => {
    expect(found(withIdToken(withBrowser('resource: https://order.example.com')))).toEqual([])
  })

  test('does not sign in again whoever signs out', () => {
    const pages = '{ id: pages, path: /**, providers: [browser], anonymous: login }'
    const bye = '{ id: bye, path: /bye, methods: [GET], access: public }'
    const open = '{ id: open, path: /, providers: [browser], anonymous: login, access: optional }'
    const again = ['session-logout-logs-in providers.browser.afterLogout']
    expect(found(withBrowser('store: memory', [pages]))).toEqual(again)
    expect(found(withBrowser('afterLogout: /bye?now', [pages]))).toEqual(again)
    expect(found(withBrowser('afterLogout: /bye?now', [pages, bye]))).toEqual([])
    expect(found(withBrowser('store: memory', [pages, open]))).toEqual([])
  })

  test.each<readonly [settings: string, require: string, expected: readonly string[]]>([
    ['scopes: [openid, offline_access, a:read]', 'scopes: [a:read]', []],
    [
      'scopes: [openid, offline_access, a:read]',
      'scopes: [a:read, a:edit]',
      ['session-scope-unasked routes.0.require.scopes.1'],
    ],
    ['scopes: [openid, offline_access, a:read]', 'anyScope: [a:edit, a:read]', []],
    [
      'scopes: [openid, offline_access, a:read]',
      'anyScope: [a:edit, a:all]',
      ['session-scope-unasked routes.0.require.anyScope'],
    ],
    // Some providers put the name of the API before it in the request, and not in the token.
    ['scopes: [openid, offline_access, "api://orders/a.read"]', 'scopes: [a.read]', []],
  ])('that has %s is asked for %s', (settings, require, expected) => {
    const route = (providers: string) => [`{ id: all, path: /**, providers: [${providers}], require: { ${require} } }`]
    expect(found(withBrowser(settings, route('browser, main')))).toEqual(expected)
    expect(found(withIdToken(withBrowser(settings, route('browser'))))).toEqual(expected)
  })

  test('says nothing of scopes that are in a claim of another name, or asked of tokens only', () => {
    const route = (providers: string) => `{ id: a, path: /a, providers: [${providers}], require: { scopes: [a:edit] } }`
    const config = withBrowser('store: memory', [PAGES, route('browser, main')])
    const { main } = config.providers
    if (main?.type !== 'jwt') throw new Error('there are no tokens')
    const claim = { ...config, providers: { ...config.providers, main: { ...main, scopeClaim: 'permissions' } } }
    expect(found(claim)).toEqual([])
    expect(found(withBrowser('store: memory', [PAGES, route('main')]))).toEqual([])
  })

  const OPEN = '{ id: open, path: /open, access: public }'
  const APP = 'origins: [http://localhost:3100], credentials: true'
  test.each<readonly [settings: string, route: string, sections: readonly string[], expected: readonly string[]]>([
    ['store: memory', PAGES, [`cors: { ${APP} }`], ['session-cors-unlisted cors.origins.0']],
    ['allowOrigins: ["http://localhost:3100"]', PAGES, [`cors: { ${APP} }`], []],
    ['store: memory', PAGES, ['cors: { origins: [http://localhost:3100] }'], []],
    ['store: memory', PAGES, ['cors: { origins: [http://localhost:8080], credentials: true }'], []],
    [
      'store: memory',
      PAGES,
      ['cors: { origins: ["http://*.localhost"], credentials: true }'],
      ['session-cors-unlisted cors.origins.0'],
    ],
    [
      'store: memory',
      PAGES.replace(' }', `, cors: { ${APP} } }`),
      [],
      ['session-cors-unlisted routes.0.cors.origins.0'],
    ],
    ['store: memory', PAGES.replace(' }', ', cors: off }'), [`cors: { ${APP} }`], []],
  ])('with %s, %s and %j lets listed pages use the session', (settings, route, sections, expected) => {
    expect(found(withBrowser(settings, [route, OPEN], sections))).toEqual(expected)
  })

  test('says once of an origin that its session is not looked at, however many routes there are', () => {
    const config = withBrowser(
      'store: memory',
      [PAGES, PAGES.replace('pages', 'more').replace('/**', '/a')],
      [`cors: { ${APP} }`],
    )
    expect(found(config)).toEqual(['session-cors-unlisted cors.origins.0'])
  })

  test('that shares its sessions is not asked to, whatever its address', () => {
    const store = ['store: { url: redis://127.0.0.1:6379 }']
    const config = withBrowser('store: shared, publicUrl: https://shop.example.com', [PAGES], store)
    expect(found(config)).toEqual([])
  })

  test('that shares its sessions is no reason to ask tokens for more, as the API for revocations is', () => {
    const config = withBrowser('store: shared', [PAGES], ['store: { url: redis://127.0.0.1:6379 }'])
    expect(found(config)).toEqual([])
    const revocation = config.revocation && { ...config.revocation, api: { tokenFile: '/token' } }
    expect(found({ ...config, revocation })).toContain('revocation-blind providers.main.requiredClaims')
  })

  test('is no reason to warn of logouts that one instance alone hears of, as an endpoint that is written is', () => {
    const alone = withBrowser('store: memory')
    expect(alone.revocation?.backchannelLogout).toHaveLength(1)
    expect(found(alone)).toEqual([])
    const revocation = alone.revocation && {
      ...alone.revocation,
      backchannelLogout: alone.revocation.backchannelLogout?.flatMap(own => [
        own,
        { ...own, provider: 'main', path: '/logout' },
      ]),
    }
    expect(found({ ...alone, revocation })).toContain('revocation-local-only revocation.backchannelLogout')
  })
})

describe('a condition', () => {
  const when = (text: string, rest = 'path: "/t/:tenant"') =>
    found(configOf(`{ id: a, ${rest}, require: { when: ${JSON.stringify(text)} } }`))

  test.each([
    ['!(claims.banned == true)', 'condition-claim-missing'],
    ['claims.tenant != "acme"', 'condition-claim-missing'],
    ['claims.admin || claims.level >= 3', 'condition-claim-missing'],
    ['claims.level + 1 == 4', 'condition-never-holds'],
    ['claims.exp > now', 'condition-never-holds'],
    ['now - duration("1h") <= claims.iat', 'condition-never-holds'],
    ['claims.until > timestamp("2027-01-01T00:00:00Z")', 'condition-never-holds'],
  ])('%s: %s', (text, code) => {
    expect(when(text)).toEqual([`${code} routes.0.require.when`])
  })

  test.each([
    'has(claims.banned) && !(claims.banned == true)',
    '!has(claims.banned) || claims.banned != true',
    '!("banned" in claims) || claims.banned != true',
    'claims.sub != "root"',
    'claims.tenant == params.tenant',
    'claims.level + 1.0 == 4.0',
  ])('%s says what was meant', text => {
    expect(when(text)).toEqual([])
  })

  test('does not ask for a claim that the route requires', () => {
    const config = configOf(
      '{ id: a, path: /a, require: { claims: { t: [x, y] }, when: [claims.t != "x", claims.u != "y"] } }',
    )
    expect(found(config)).toEqual(['condition-claim-missing routes.0.require.when.1'])
  })

  test('may read a parameter with a slash in it', () => {
    const lax = 'path: "/t/:tenant", pathAllow: [encodedSlash]'
    expect(when('params.tenant.startsWith("a")', lax)).toEqual(['condition-slash routes.0.require.when'])
    expect(when('params.tenant.startsWith("a") && !params.tenant.contains("/")', lax)).toEqual([])
    expect(when('claims.tenant == "a"', lax)).toEqual([])
  })
})

describe('a limit', () => {
  const LISTEN = 'listen: 127.0.0.1:8080'
  function limited(limits: string, routes: readonly string[], listen = 'listen: 0.0.0.0:8080') {
    const text = `${textOf(...routes).replace(LISTEN, listen)}rateLimits: { ${limits} }\n`
    return found(loadConfig({ text, file: '/etc/sallyport.yaml', env: {} }))
  }
  const route = (rest: string) => `{ id: a, path: /a, ${rest} }`
  const OF_A = [route('rateLimits: [a]')]

  test('that no route names counts nothing', () => {
    expect(limited('a: { rate: 10/s, key: [route] }', [route('mode: enforce')])).toEqual(['limit-unused rateLimits.a'])
  })

  test.each([
    ['rate: 30/m', 'rate'],
    ['rate: 1000/h', 'rate'],
    ['rate: { claim: plan, values: { gold: 50/s }, default: 20/m }', 'rate'],
    ['rate: 100/s, burst: 9', 'burst'],
  ])('with %s refuses callers who keep to it', (members, at) => {
    expect(limited(`a: { ${members}, key: [route] }`, OF_A)).toEqual([`limit-burst rateLimits.a.${at}`])
  })

  test.each(['rate: 30/m, burst: 1', 'rate: 30/m, burst: 30', 'rate: 1/m', 'rate: 1/s', 'rate: 100/s, burst: 10'])(
    'with %s says what was meant',
    members => {
      expect(limited(`a: { ${members}, key: [route] }`, OF_A)).toEqual([])
    },
  )

  test.each([
    ['access: public, rateLimits: [a]', '[claims.sub]', true],
    ['access: public, rateLimits: [a]', '[provider, route]', true],
    ['access: optional, rateLimits: [a]', '[claims.sub]', true],
    ['access: public, rateLimits: [a]', '[claims.sub, client]', false],
    ['access: public, rateLimits: [a]', '[route]', false],
    ['rateLimits: [a]', '[claims.sub]', false],
  ])('of a route with %s and key %s is shared by strangers: %s', (rest, key, isShared) => {
    const expected = isShared ? ['limit-shared routes.0.rateLimits.0'] : []
    expect(limited(`a: { rate: 10/s, key: ${key} }`, [route(rest)])).toEqual(expected)
  })

  test.each([
    ['claims.tenant', '', true],
    ['claims./org/id', '', true],
    ['claims.sub', '', false],
    ['claims.tenant', ', require: { claims: { tenant: { exists: true } } }', false],
    ['claims./org/id', ', require: { claims: { /org/id: [1, 2] } }', false],
    ['claims.tenant', ", require: { when: 'claims.tenant == request.method' }", false],
  ])('by %s%s may find no such claim: %s', (part, rest, isMissing) => {
    const expected = isMissing ? ['limit-claim-missing rateLimits.a.key.1'] : []
    expect(limited(`a: { rate: 10/s, key: [route, ${part}] }`, [route(`rateLimits: [a]${rest}`)])).toEqual(expected)
  })

  test.each([
    [LISTEN, true],
    ['listen: unix:/run/gateway.sock', true],
    ['listen: "[::1]:8080"', true],
    ['listen: { address: "127.0.0.1:8080", trustedProxies: [127.0.0.1] }', false],
    ['listen: 0.0.0.0:8080', false],
  ])('by client behind `%s` knows one alone: %s', (listen, isOne) => {
    const expected = isOne ? ['limit-client rateLimits.a.key.0'] : []
    expect(limited('a: { rate: 10/s, key: [client] }', OF_A, listen)).toEqual(expected)
  })

  const SLOW = 'slow: { rate: 5/s, key: [claims.sub] }'
  const both = route('rateLimits: [slow, a]')
  test.each([
    ['a: { rate: 10/s, key: [claims.sub] }', [both], ['limit-idle routes.0.rateLimits.1']],
    ['a: { rate: 10/s, key: [claims.sub, route] }', [both], ['limit-idle routes.0.rateLimits.1']],
    ['a: { rate: 5/s, key: [claims.sub] }', [both], ['limit-idle routes.0.rateLimits.1']],
    ['a: { rate: 10/s, key: [route] }', [both], []],
    ['a: { rate: 10/s, burst: 4, key: [claims.sub] }', [both], []],
    ['a: { rate: 4/s, burst: 5, key: [claims.sub] }', [both], ['limit-idle routes.0.rateLimits.0']],
    ['a: { rate: 10/s, key: [claims.sub] }', [both, '{ id: b, path: /b, rateLimits: [a] }'], []],
    ['a: { rate: 10/s, key: [claims.sub], store: true }', [both], []],
  ])('%s beside a slower one', (limit, routes, expected) => {
    const store = limit.includes('store') ? ' }\nstore: { url: "redis://127.0.0.1" }\nx-more: { a: 1' : ''
    expect(limited(`${SLOW}, ${limit}${store}`, routes)).toEqual(expected)
  })

  test('whose rate is chosen by a claim with a dot means one of that name', () => {
    const limit = 'a: { rate: { claim: org.plan, values: { a: 9/s }, default: 9/s }, key: [route] }'
    expect(limited(limit, OF_A)).toEqual(['claim-dotted rateLimits.a.rate.claim'])
  })
})

describe('a token for the service', () => {
  test.each([
    ['lifetime: 15m', []],
    ['lifetime: 16m', ['internal-token-long identity.token.lifetime']],
    ['jwksPath: /keys', ['signing-keys-per-process identity.token.jwksPath']],
  ])('with %s', (line, expected) => {
    const token = `identity: { token: { issuer: https://orders.internal/, audience: orders, ${line} } }`
    const text = `${textOf('{ id: all, path: /orders }')}\n${token}\n`
    expect(found(loadConfig({ text, file: 'sallyport.yaml', env: {} }))).toEqual(expected)
  })
})

describe('tokens that are exchanged', () => {
  const exchange = (line: string, more = ''): Config => {
    const text = textOf('{ id: all, path: /orders }').replace(
      /^ {2}app: .*$/m,
      `  app: { url: 'http://127.0.0.1:3000', exchange: { provider: main, ${line}, client: { id: gateway, auth: basic, secretFile: secret } } }`,
    )
    return loadConfig({ text: `${text}\n${more}`, file: 'sallyport.yaml', env: {}, readFile: () => Buffer.from('s') })
  }
  test.each([
    ['audience: https://billing, endpoint: https://auth.example.com/token', []],
    ['endpoint: https://auth.example.com/token', ['exchange-untargeted upstreams.app.exchange']],
  ])('with %s', (line, expected) => {
    expect(found(exchange(line))).toEqual(expected)
  })

  test('over a network in clear, and tokens of another issuer', () => {
    const config = exchange('audience: https://billing, endpoint: https://auth.example.com/token')
    const { app } = config.upstreams
    const main = config.providers.main
    if (app?.exchange === undefined || main === undefined) throw new Error('the file is written otherwise')
    const changed: Config = {
      ...config,
      providers: { main, partner: { ...jwtOf(config), issuer: 'https://partner.example.com/' } },
      upstreams: { app: { ...app, exchange: { ...app.exchange, endpoint: 'http://auth.internal/token' } } },
    }
    expect(found(changed)).toEqual(['exchange-in-clear upstreams.app.exchange.endpoint', 'exchange-foreign routes.0'])
  })
})

test('there is no warning that no test here has seen, but for those that need the network or files', () => {
  const elsewhere: readonly WarningCode[] = [
    'issuer-slash',
    'session-scope-unlisted',
    'cache-unwritable',
    'secret-writable',
    'secret-blanks',
    'signing-key-readable',
    'route-taken-over',
  ]
  expect(new Set([...seen, ...elsewhere])).toEqual(new Set(WARNING_CODES))
})
