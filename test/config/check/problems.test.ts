/** Tests the words and the place of every problem that a configuration can have. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's references to the environment look so.

import { describe, expect, test } from 'vitest'
import { jwtOf } from '../../support/jwt-provider.ts'
import { load, problemsOf, SMALL } from '../support.ts'

/** Returns the small file with lines added to the provider `main`, which is written as a block. */
function withProvider(...lines: readonly string[]): string {
  const block = ['main:', '    type: jwt', '    issuer: https://auth.example.com/', '    audiences: [a]']
  return SMALL.replace(/main: .*/, [...block, ...lines.map(line => `    ${line}`)].join('\n'))
}

/** Returns the small file with other routes, of which the first is on line 7. */
function withRoutes(...routes: readonly string[]): string {
  return `${SMALL.slice(0, SMALL.indexOf('  - { id: all'))}${routes.map(route => `  - ${route}\n`).join('')}`
}

describe('a slip', () => {
  test.each([
    ['listne: x', '8:1 listne: is not a known key. Did you mean "listen"?'],
    [
      'log: { level: inf }',
      '8:15 log.level: must be one of `trace`, `debug`, `info`, `warn`, `error`. Did you mean "info"?',
    ],
    ['log: { acces: all }', '8:8 log.acces: is not a known key. Did you mean "access"?'],
    [
      'limits: { bodyBytes: 5 }',
      '8:22 limits.bodyBytes: must be a size with a unit, like `512B`, `16KiB`, `1MiB`; write `5B`',
    ],
    [
      'limits: { headersTimeout: 10 }',
      '8:27 limits.headersTimeout: must be a duration with a unit, like `250ms`, `30s`, `5m`, `24h`; write `10s`',
    ],
    ['limits: { headersTimeout: 0s }', '8:27 limits.headersTimeout: must be at least `1ms`'],
    ['limits: { headersTimeout: 9999h }', '8:27 limits.headersTimeout: must be at most `596h`'],
    ['limits: { headers: 5 }', '8:20 limits.headers: must be at least 10'],
    ['limits: { connections: 1.5 }', '8:24 limits.connections: must be a whole number, not a number'],
    [
      'limits: { tokenBytes: 32KiB }',
      '8:23 limits.tokenBytes: must be less than `limits.headerBytes`: a token arrives in a header',
    ],
    ['limits:', '8:1 limits: has no value; give one, or leave the key out'],
    ['limits: 5', '8:9 limits: must be a block of keys, not a number'],
    [
      'admin: { listen: 127.0.0.1:9090, console: true }',
      '8:43 admin.console: must be a block of keys, not `true` or `false`; write `{}` for its defaults',
    ],
    ['audit: true', '8:8 audit: must be a block of keys, not `true` or `false`'],
    ['identity: { forwardToken: yes }', '8:27 identity.forwardToken: must be `true`, `false` or `asBearer`'],
    ['identity: { reserved: X-Auth-* }', '8:23 identity.reserved: must be a list, not text; put it in `[ ]`'],
    [
      'admin: { listen: 127.0.0.1:8080 }',
      '8:18 admin.listen: is the address of `listen`; give the admin listener one of its own',
    ],
    [
      'admin: { listen: 0.0.0.0:8080 }',
      '8:18 admin.listen: is the address of `listen`; give the admin listener one of its own',
    ],
    [
      "admin: { listen: { address: '127.0.0.1:9090', mode: '0660' } }",
      '8:53 admin.listen.mode: has no effect on a port; leave it out, or listen on `unix:/path`',
    ],
    [
      'admin: { listen: { address: "unix:/a", mode: 0660 } }',
      "8:46 admin.listen.mode: must be octal digits in quotes, like `'0660'`",
    ],
    [
      "admin: { listen: { address: 'unix:/a', mode: '0999' } }",
      "8:46 admin.listen.mode: is no mode of a file; write octal digits in quotes, like `'0660'`",
    ],
    [
      'admin: { listen: 127.0.0.1:9090, hosts: ["*"] }',
      '8:42 admin.hosts[0]: would take every name; write the end of the names, as in `*.monitoring.svc`',
    ],
    [
      'admin: { listen: 127.0.0.1:9090, hosts: ["a:9090"] }',
      '8:42 admin.hosts[0]: is no name of a host; write one without a port, as in `sallyport`, or `*.monitoring.svc`',
    ],
    ['admin: 127.0.0.1:9090', '8:8 admin: must be a block of keys, not text'],
    ['workers: 0', '8:10 workers: must be at least 1'],
    ['workers: 65', '8:10 workers: must be at most 64'],
    ['tokenCache: { entries: 0 }', '8:24 tokenCache.entries: must be at least 1'],
  ])('%s', (line, problem) => {
    expect(problemsOf(`${SMALL}${line}\n`)).toEqual([problem])
  })

  test.each(['when: x'])('%s is not there yet', line => {
    expect(problemsOf(`${SMALL}${line}\n`)).toEqual([expect.stringContaining('is not a known key')])
  })

  test('in what was required is reported at the block that lacks it', () => {
    expect(problemsOf(SMALL.replace('issuer', 'isuer'))).toEqual([
      '3:3 providers.main.issuer: is missing; write `issuer: https://auth.example.com/`',
      '3:22 providers.main.isuer: is not a known key. Did you mean "issuer"?',
    ])
  })
})

describe('addresses', () => {
  test.each([
    '8080',
    ':8080',
    '127.0.0.1',
    '127.0.0.1:99999',
    '::1:8080',
    '[zz]:80',
    '300.1.1.1:80',
    'a b:80',
    'unix:',
  ])('%j is nothing to listen on', address => {
    const [problem, ...others] = problemsOf(SMALL.replace('127.0.0.1:8080', JSON.stringify(address)))
    expect(problem).toMatch(/^1:9 listen: (is no address to listen on|names no socket); write /)
    expect(others).toEqual([])
  })

  const FORM = '`http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`'

  test.each([
    [
      'http://127.0.0.1:3000/base',
      'must end after the port: the request path is passed on unchanged; write `http://127.0.0.1:3000`',
    ],
    [
      'http://127.0.0.1:3000/?a',
      'must end after the port: the request path is passed on unchanged; write `http://127.0.0.1:3000`',
    ],
    [
      'http://127.0.0.1:3000?',
      'must end after the port: the request path is passed on unchanged; write `http://127.0.0.1:3000`',
    ],
    ['http://127.0.0.1#', 'has a fragment; leave out `#` and what follows'],
    ['http://a:b@127.0.0.1', 'carries credentials; leave out the part before `@`'],
    ['http://@127.0.0.1', 'carries credentials; leave out the part before `@`'],
    ['ftp://127.0.0.1', `is no URL; write ${FORM}`],
    ['127.0.0.1:3000', 'is no URL; write `http://127.0.0.1:3000`'],
    ['app:3000', 'is no URL; write `http://app:3000`'],
    ['127.0.0.1:3000/api', 'is no URL; write `http://127.0.0.1:3000`'],
    ['http:\\\\127.0.0.1', `is no URL; write ${FORM}`],
    ['http://a b/', `is no URL; write ${FORM}`],
    ['http://', `is no URL; write ${FORM}`],
  ])('%s is no upstream', (url, message) => {
    expect(problemsOf(SMALL.replace('http://127.0.0.1:3000', JSON.stringify(url)))).toEqual([
      `5:8 upstreams.app: ${message}`,
    ])
  })

  test.each([
    ['connections: 0', 'connections: must be at least 1'],
    ['connections: 1000001', 'connections: must be at most 1000000'],
    ['keepAlive: off', 'keepAlive: must be a duration with a unit, like `250ms`, `30s`, `5m`, `24h`'],
    ['keepAlive: 597h', 'keepAlive: must be at most `596h`'],
    ['connectRetry: 0s', 'connectRetry: must be at least `1ms`'],
    ['connectRetry: 301s', 'connectRetry: must be at most `5m`'],
    ['headerBytes: 1000B', 'headerBytes: must be at least `1KiB`'],
    ['headerBytes: 2MiB', 'headerBytes: must be at most `1MiB`'],
  ])('%s is no setting of an upstream', (setting, message) => {
    const text = SMALL.replace('http://127.0.0.1:3000', `{ url: http://127.0.0.1:3000, ${setting} }`)
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^5:\d+ upstreams\.app\./)])
    expect(problemsOf(text)[0]?.replace(/^\S+ upstreams\.app\./, '')).toBe(message)
  })

  test.each(['10.0.0.0/33', 'example.com', '10.0.0', '::/129', '10.0.0.0/8/8', '1.2.3.4/', ''])(
    '%j is nobody to trust',
    network => {
      const text = SMALL.replace('127.0.0.1:8080', `{ address: 127.0.0.1:8080, trustedProxies: ['${network}'] }`)
      expect(problemsOf(text)).toEqual([
        '1:53 listen.trustedProxies[0]: is neither an IP address, a CIDR range like `10.0.0.0/8`, nor `unix:`',
      ])
    },
  )

  test('TLS settings need TLS, and a certificate its key', () => {
    const upstreams = [
      '  a: { url: http://a, tls: { serverName: a } }',
      '  b: { url: https://b, tls: { certFile: x.pem } }',
    ]
    const text = SMALL.replace('  app: http://127.0.0.1:3000', upstreams.join('\n')).replace(
      'all,',
      'all, upstream: a,',
    )
    expect(problemsOf(text)).toEqual([
      '5:23 upstreams.a.tls: needs an `https:` URL; change `url`, or leave `tls` out',
      '6:24 upstreams.b.tls: needs `certFile` and `keyFile` together; add the missing one',
      expect.stringMatching(
        /^6:41 upstreams\.b\.tls\.certFile: cannot be read: there is no such file or folder \(ENOENT\)/,
      ),
    ])
  })
})

/** Holds each place of the file where a URL can stand, and what is said of credentials in it besides. */
const URL_PLACES: Readonly<Record<string, readonly [text: (url: string) => string, more?: string]>> = {
  'egress.proxy': [
    url => `${SMALL}egress: { proxy: "${url}" }\n`,
    ', and name a file with `user:password` by `credentialsFile`',
  ],
  'upstreams.app': [url => SMALL.replace('http://127.0.0.1:3000', `"${url}"`)],
  'upstreams.app.url': [url => SMALL.replace('http://127.0.0.1:3000', `{ url: "${url}" }`)],
  'providers.main.keys.jwksUri': [url => withProvider(`keys: { jwksUri: "${url}" }`)],
  'providers.main.issuer': [
    url => SMALL.replace('https://auth.example.com/', `"${url}"`),
    ', because its metadata is discovered there; or give `keys.jwksUri`, `jwksFile`, `jwks` or `secretFile`',
  ],
  'providers.main.issuer with another key source': [
    url => SMALL.replace('https://auth.example.com/', `"${url}", keys: { jwksUri: https://keys.example.com }`),
  ],
  'providers.main.issuer with tenants': [
    url =>
      SMALL.replace(
        'https://auth.example.com/',
        `"${url}/{tid}", tenants: { tid: [a] }, keys: { jwksUri: https://keys.example.com }`,
      ),
  ],
  'providers.main.issuerAliases[0]': [url => withProvider(`issuerAliases: ["${url}"]`)],
}

describe.each(Object.entries(URL_PLACES))('credentials in the URL %s', (place, [textOf, more = '']) => {
  test.each(['https://user:password@host.example', 'https://user@host.example', 'https://@host.example'])(
    'are refused: %s',
    url => {
      const [path] = place.split(' ')
      expect(problemsOf(textOf(url))).toEqual([
        expect.stringMatching(/^\d+:\d+ [^ ]+: carries credentials; leave out the part before `@`/),
      ])
      expect(problemsOf(textOf(url))[0]).toContain(` ${path}: `)
      expect(problemsOf(textOf(url))[0]?.endsWith(`the part before \`@\`${more}`)).toBe(true)
    },
  )
})

describe('egress', () => {
  test.each([
    ['{}', 'egress.proxy: is missing'],
    ['proxy.corp:3128', 'egress: must be a block of keys'],
    ['{ proxy: proxy.corp:3128 }', 'egress.proxy: is no URL; write `http://proxy.corp:3128`'],
    [
      '{ proxy: "socks5://proxy.corp" }',
      'egress.proxy: is a proxy of a kind that cannot be used; write `http://host:port` or `https://host:port` of one that takes CONNECT',
    ],
    ['{ proxy: "http://proxy.corp:3128/a" }', 'egress.proxy: must end after the port'],
    ['{ proxy: "http://proxy.corp:3128?" }', 'egress.proxy: must end after the port'],
    ['{ proxy: "http://p", noProxy: [] }', 'egress.noProxy: must not be empty'],
    ['{ proxy: "http://p", noProxy: [.svc, "*"] }', 'egress.noProxy[1]: would take every host'],
    ['{ proxy: "http://p", caFile: x }', 'egress.caFile: has no effect with an `http:` proxy'],
  ])('%s is a problem', (block, problem) => {
    expect(problemsOf(`${SMALL}egress: ${block}\n`).join()).toContain(problem)
  })

  test('is the origin of a proxy, and what goes past it', () => {
    const text = `${SMALL}egress: { proxy: "HTTP://Proxy.Corp:3128/", noProxy: [.svc, 10.0.0.0/8, keys.corp, "::1"] }\n`
    expect(load(text).egress).toEqual({
      proxy: 'http://proxy.corp:3128',
      noProxy: ['.svc', '10.0.0.0/8', 'keys.corp', '::1'],
    })
    expect(load(`${SMALL}egress: { proxy: https://proxy.corp }\n`).egress).toEqual({
      proxy: 'https://proxy.corp',
      noProxy: [],
    })
    expect(load(SMALL).egress).toBeUndefined()
  })
})

describe('a provider', () => {
  test.each([
    [
      ['algorithms: [none]'],
      '7:18 providers.main.algorithms[0]: must not be `none`: an unsigned token proves nothing; leave it out',
    ],
    [
      ['algorithms: [NONE]'],
      '7:18 providers.main.algorithms[0]: must not be `none`: an unsigned token proves nothing; leave it out',
    ],
    [
      ['algorithms: [HS256]'],
      '7:18 providers.main.algorithms[0]: needs a shared secret: give `keys.secretFile`, or list an asymmetric algorithm such as RS256',
    ],
    [['algorithms: []'], '7:17 providers.main.algorithms: must not be empty; list at least one, or leave the key out'],
    [
      ['keys: { maxStale: 1m }'],
      '7:23 providers.main.keys.maxStale: must not be shorter than `refresh` (default `5m`): keys would expire before they are fetched again',
    ],
    [
      ['keys: { jwksUri: http://auth.example.com/jwks }'],
      '7:22 providers.main.keys.jwksUri: must be an `https:` URL (or set `keys.allowInsecureHttp: true` to trust the network)',
    ],
    [
      ['keys: { jwksUri: https://u:p@auth.example.com/jwks }'],
      '7:22 providers.main.keys.jwksUri: carries credentials; leave out the part before `@`',
    ],
    [
      ['keys: { jwksUri: "https://auth.example.com/jwks#x" }'],
      '7:22 providers.main.keys.jwksUri: has a fragment; leave out `#` and what follows',
    ],
    [
      ['keys: { jwksUri: "https://a/", hosts: [b] }'],
      '7:36 providers.main.keys.hosts: has no effect with `jwksUri`; leave it out',
    ],
    [
      ['keys: { hosts: ["https://b"] }'],
      '7:21 providers.main.keys.hosts[0]: must be a host name without scheme, port or path, like `keys.example.com`',
    ],
    [
      ['rolesClaim: /a~b'],
      '7:17 providers.main.rolesClaim: is an invalid JSON Pointer: "~" must be written as "~0", "/" as "~1"',
    ],
    [['requiredClaims: [""]'], '7:22 providers.main.requiredClaims[0]: must name a claim'],
    [['tokenType: jwt'], '7:16 providers.main.tokenType: must be one of `compatible`, `at+jwt`.'],
    [['clockTolerance: 1h'], '7:21 providers.main.clockTolerance: must be at most `10m`'],
  ])('%j', (lines, problem) => {
    expect(problemsOf(withProvider(...lines))).toEqual([problem])
  })

  test('with an unknown algorithm is told the known ones', () => {
    const [problem] = problemsOf(withProvider('algorithms: [RS265]'))
    expect(problem).toMatch(/is not supported; use RS256, .*HS512\. Did you mean "RS256"\?$/)
  })

  test('without an audience would take tokens meant for anyone', () => {
    expect(problemsOf(SMALL.replace('[https://api.example.com]', '[]'))).toEqual([
      '3:68 providers.main.audiences: must not be empty: tokens meant for anyone else would pass; list at least one',
    ])
  })

  test('of another type is refused in words', () => {
    expect(problemsOf(SMALL.replace('type: jwt', 'type: oauth2'))).toEqual([
      '3:17 providers.main.type: must be one of `jwt`, `introspection`, `session`, `spiffe`: the first verifies tokens, the second asks a server about them, the third logs browsers in, the fourth verifies JWT-SVIDs of workloads',
    ])
    expect(problemsOf(SMALL.replace('type: jwt, ', ''))).toEqual([
      '3:3 providers.main.type: is missing; write one of `jwt`, `introspection`, `session`, `spiffe`',
    ])
  })

  test('has one source of keys', () => {
    const text = withProvider('keys: { jwksUri: https://a/, jwks: { keys: [{ kty: RSA, n: AQAB, e: AQAB }] } }')
    expect(problemsOf(text)).toContain(
      '7:34 providers.main.keys.jwks: is a second key source; keep one of jwksUri, jwksFile, jwks, secretFile',
    )
  })

  test.each(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv'])('does not take the private member %s', member => {
    const problems = problemsOf(
      withProvider(`keys: { jwks: { keys: [{ kty: RSA, n: x, e: AQAB, ${member}: marked }] } }`),
    )
    expect(problems).toEqual([
      `7:${member.length + 57} providers.main.keys.jwks.keys[0].${member}: is private; list the public key only, and replace this one if the file was shared`,
    ])
  })

  test('needs an https issuer for discovery only', () => {
    const discovered = SMALL.replace('https://auth', 'http://auth')
    expect(problemsOf(discovered)).toEqual([
      expect.stringMatching(/^3:30 providers\.main\.issuer: must be an `https:` URL .* discovered there/),
    ])
    const named = SMALL.replace('https://auth.example.com/', 'my issuer, keys: { jwksUri: https://a/ }')
    expect(jwtOf(load(named)).issuer).toBe('my issuer')
  })

  test.each(['http://localhost:4000', 'http://127.0.0.1', 'http://127.9.9.9/x', '"http://[::1]:80"'])(
    'may be discovered at %s, which is this machine',
    issuer => {
      expect(load(SMALL.replace('https://auth.example.com/', issuer)).providers.main).toBeDefined()
    },
  )

  test.each(['http://localhost.example.com', 'http://127.0.0.1.example.com', 'http://10.0.0.1', 'http://[::2]'])(
    'may not be discovered at %s without TLS, unless told',
    issuer => {
      expect(problemsOf(SMALL.replace('https://auth.example.com/', `"${issuer}"`))).toHaveLength(1)
      const told = SMALL.replace('https://auth.example.com/', `"${issuer}", keys: { allowInsecureHttp: true }`)
      expect(jwtOf(load(told)).keys.allowInsecureHttp).toBe(true)
    },
  )

  test('has an id that can be a metric label', () => {
    expect(problemsOf(SMALL.replace('main:', '"my provider":'))).toEqual([
      '3:3 providers["my provider"]: is no id; use up to 64 letters, digits, `.`, `_` or `-`, starting with a letter or digit',
    ])
  })

  test('shares its issuer with no other on the same route', () => {
    const twin = SMALL.replace(
      'upstreams:',
      '  two: { type: jwt, issuer: https://auth.example.com/, audiences: [b] }\nupstreams:',
    )
    expect(problemsOf(twin)).toEqual([
      '8:5 routes[0].providers: has `main` and `two`, whose issuer is the same; name one of the two here',
    ])
    expect(load(twin.replace('id: all', 'id: all, providers: [two]')).routes[0]?.providers).toEqual(['two'])
  })
})

describe('identity', () => {
  test.each([
    ['headers: { "X Auth": sub }', 'identity.headers["X Auth"]: is no header name'],
    ['headers: { Content-Length: sub }', 'identity.headers.Content-Length: has a meaning of its own'],
    ['headers: { transfer_encoding: sub }', 'identity.headers.transfer_encoding: has a meaning of its own'],
    ['headers: { host: sub }', 'identity.headers.host: has a meaning of its own'],
    ['headers: { Authorization: sub }', 'identity.headers.Authorization: has a meaning of its own'],
    ['headers: { Cookie: sub }', 'identity.headers.Cookie: has a meaning of its own'],
    ['headers: { Connection: sub }', 'identity.headers.Connection: has a meaning of its own'],
    ['headers: { X-Forwarded-For: sub }', 'identity.headers.X-Forwarded-For: has a meaning of its own'],
    [
      'headers: { X-Auth-A: sub, x_auth.a: iss }',
      'identity.headers["x_auth.a"]: is read as the same header as `X-Auth-A`',
    ],
    ['headers: { X-A: /a~2 }', 'identity.headers.X-A: is an invalid JSON Pointer'],
    ['headers: { X-A: { claim: a, join: "%" } }', 'identity.headers.X-A.join: must be printable ASCII other than'],
    ['headers: { X-A: { claim: a, join: "" } }', 'identity.headers.X-A.join: must be printable ASCII other than'],
    ['headers: { X-A: { claim: a, join: "é" } }', 'identity.headers.X-A.join: must be printable ASCII other than'],
    ['headers: { X-A: { join: "," } }', 'identity.headers.X-A.claim: is missing'],
    ['headers: { X-A: [a] }', 'identity.headers.X-A: must be text or a block of keys, not a list'],
    ['reserved: ["*"]', 'identity.reserved[0]: would strip every header'],
    ['reserved: [X-*-A]', 'identity.reserved[0]: may have a `*` only at its end'],
    ['reserved: [Content-*]', 'identity.reserved[0]: would strip `content-length`'],
    ['reserved: [content_length]', 'identity.reserved[0]: would strip `content-length`'],
    ['reserved: [H*]', 'identity.reserved[0]: would strip `host`'],
    ['reserved: ["X Auth"]', 'identity.reserved[0]: is no header name'],
    ['maxBytes: 1B', 'identity.maxBytes: must be at least `256B`'],
  ])('%s', (block, problem) => {
    const problems = problemsOf(`${SMALL}identity: { ${block} }\n`)
    expect(problems).toEqual([expect.stringContaining(` ${problem}`)])
  })
})

describe('a route', () => {
  test.each([
    ['{ id: a, path: x }', '7:20 routes[0].path: a path starts with "/"'],
    ['{ id: a, path: /a/../b }', '7:20 routes[0].path: never matches'],
    ['{ id: a, path: /a/%2E%2E }', '7:20 routes[0].path: never matches'],
    ['{ id: a, path: /a//b }', '7:20 routes[0].path: never matches'],
    ['{ id: a, path: /a%2Fb }', '7:20 routes[0].path: never matches'],
    ['{ id: a, path: /%61 }', '7:20 routes[0].path: never matches'],
    ['{ id: a, path: /a;b }', '7:20 routes[0].path: never matches'],
    ['{ id: a, path: /%zz }', '7:20 routes[0].path: '],
    ['{ id: a, path: /café }', '7:20 routes[0].path: "café" arrives as "caf%C3%A9"'],
    ['{ id: a, path: /a/*/b }', '7:20 routes[0].path: "*" is not possible here'],
    ['{ id: a, path: /**/b }', '7:20 routes[0].path: "*" is not possible here'],
    ['{ id: a, path: "/a/{id}" }', '7:20 routes[0].path: "{" is not possible here'],
    ['{ id: a, path: /a?b }', '7:20 routes[0].path: "?" is not possible here'],
    ['{ id: a, path: /:1 }', '7:20 routes[0].path: ":1" is not a parameter'],
    ['{ id: a, path: /:a/:a }', '7:20 routes[0].path: two parameters have the same name'],
    [
      '{ id: a, path: /, methods: [get] }',
      '7:33 routes[0].methods[0]: must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, in capitals. Did you mean "GET"?',
    ],
    ['{ id: a, path: /, methods: [CONNECT] }', '7:33 routes[0].methods[0]: must not be `CONNECT`'],
    ['{ id: a, path: /, methods: [trace] }', '7:33 routes[0].methods[0]: must not be `TRACE`'],
    ['{ id: a, path: /, methods: [PROPFYND] }', '7:33 routes[0].methods[0]: must be one of GET, HEAD'],
    ['{ id: a, path: /, methods: [propfind] }', 'in capitals. Did you mean "PROPFIND"?'],
    ['{ id: a, path: /, methods: [BREW] }', '7:33 routes[0].methods[0]: is a method that no request can have'],
    ['{ id: a, path: /, methods: [UPGRADE] }', '7:33 routes[0].methods[0]: is no method; an upgrade is a `GET`'],
    [
      '{ id: a, path: /a/b, pathAllow: [encodedSlash] }',
      '7:38 routes[0].pathAllow[0]: has no effect on a path of literals',
    ],
    [
      '{ id: a, path: /a/b, pathAllow: [semicolon, emptySegment] }',
      'routes[0].pathAllow[1]: has no effect on a path of literals',
    ],
    [
      '{ id: a, path: /:a, pathAllow: [emptySegment] }',
      'routes[0].pathAllow[0]: has no effect on a path of one segment',
    ],
    ['{ id: a, path: /, methods: [] }', '7:32 routes[0].methods: must not be empty'],
    [
      '{ id: a, path: /, access: public, require: { scopes: [a] } }',
      '7:39 routes[0].require: has no effect with `access: public`',
    ],
    ['{ id: a, path: /, access: public, providers: [main] }', '7:39 routes[0].providers: has no effect'],
    ['{ id: a, path: /, access: public, audiences: [x] }', '7:39 routes[0].audiences: has no effect'],
    ['{ id: a, path: /, access: open }', '7:31 routes[0].access: must be one of `required`, `optional`, `public`.'],
    [
      '{ id: a, path: /, providers: [mian] }',
      '7:35 routes[0].providers[0]: names no provider; there is main. Did you mean "main"?',
    ],
    [
      '{ id: a, path: /, upstream: ap }',
      '7:33 routes[0].upstream: names no upstream; there is app. Did you mean "app"?',
    ],
    ['{ id: a, path: /, require: {} }', '7:32 routes[0].require: asks for nothing'],
    ['{ id: a, path: /, require: { claims: {} } }', '7:32 routes[0].require: asks for nothing'],
    ['{ id: a, path: /, require: { scopes: ["a b"] } }', '7:43 routes[0].require.scopes[0]: is no scope'],
    [
      '{ id: a, path: /, require: { scope: [a] } }',
      '7:34 routes[0].require.scope: is not a known key. Did you mean "scopes"?',
    ],
    ['{ id: a, path: /, require: { anyScope: a } }', '7:44 routes[0].require.anyScope: must be a list, not text'],
    ['{ id: a, path: /, require: { when: x } }', '7:40 routes[0].require.when: there is no variable `x`'],
    [
      '{ id: a, path: /, require: { claims: { "/a~": 1 } } }',
      '7:44 routes[0].require.claims["/a~"]: is an invalid JSON Pointer',
    ],
    ['{ id: a, path: /, require: { claims: { a: [] } } }', '7:47 routes[0].require.claims.a: must not be empty'],
    ['{ id: a, path: /, require: { claims: { a: } } }', '7:44 routes[0].require.claims.a: has no value'],
    [
      '{ id: a, path: /, require: { claims: { a: [[b]] } } }',
      '7:48 routes[0].require.claims.a[0]: must be text or a number or `true` or `false`, not a list',
    ],
    [
      '{ id: a, path: /, require: { claims: { a: { al: [b] } } } }',
      '7:49 routes[0].require.claims.a.al: is not a known key. Did you mean "all"?',
    ],
    [
      '{ id: a, path: /, require: { claims: { a: { exists: false } } } }',
      '7:57 routes[0].require.claims.a.exists: can only be `true`',
    ],
    [
      '{ id: a, path: /, require: { claims: { a: { all: [b], exists: true } } } }',
      '7:47 routes[0].require.claims.a: must have one of `all` and `exists`',
    ],
    [
      '{ id: a, path: /, require: { claims: { a: {} } } }',
      '7:47 routes[0].require.claims.a: must have one of `all` and `exists`',
    ],
    [
      '{ id: a, path: /, require: { claims: { a: 12345678901234567890 } } }',
      '7:47 routes[0].require.claims.a: is too large to be compared exactly',
    ],
    ['{ id: a, path: /, require: { claims: { a: .nan } } }', '7:47 routes[0].require.claims.a: must be'],
    [
      '{ id: a, path: /, pathAllow: [encodedSlashes] }',
      '7:35 routes[0].pathAllow[0]: must be one of `encodedSlash`, `semicolon`, `emptySegment`, `encodedUnreserved`. Did you mean "encodedSlash"?',
    ],
    ['{ path: / }', '7:5 routes[0].id: is missing'],
    ['{ id: 7, path: / }', '7:11 routes[0].id: must be text, not a number; put it in quotes'],
    ['[a]', '7:5 routes[0]: must be a block of keys, not a list'],
    ['', '7:5 routes[0]: has no value'],
  ])('%s', (route, problem) => {
    expect(problemsOf(withRoutes(route))).toEqual([expect.stringContaining(problem)])
  })

  test('needs a provider when it needs a token', () => {
    const text = SMALL.replace(/providers:\n.*\n/, '')
    expect(problemsOf(text)).toEqual([
      '5:5 routes[0].access: is `required`, which needs a provider; add one to `providers`, or write `access: public`',
    ])
  })

  test('needs an upstream, and a choice where there are two', () => {
    expect(problemsOf(SMALL.replace(/upstreams:\n.*\n/, ''))).toEqual([
      '5:5 routes[0].upstream: is missing; add one to `upstreams`',
    ])
    expect(problemsOf(SMALL.replace('  app:', '  other: http://o\n  app:'))).toEqual([
      '8:5 routes[0].upstream: is missing; write one of other, app',
    ])
  })

  test('has an id of its own', () => {
    expect(problemsOf(withRoutes('{ id: a, path: /a }', '{ id: a, path: /b }'))).toEqual([
      '8:11 routes[1].id: is the id of an earlier route too; give each route its own',
    ])
  })

  test.each([
    [
      '{ id: a, path: /x/:id }',
      '{ id: b, path: /x/:other, methods: [GET] }',
      'matches what route `a` matches (HEAD, GET)',
    ],
    [
      '{ id: a, path: /x, methods: [GET] }',
      '{ id: b, path: /x, methods: [HEAD] }',
      'matches what route `a` matches (HEAD)',
    ],
    ['{ id: a, path: /x/** }', '{ id: b, path: /x/** }', 'matches what route `a` matches (all methods)'],
    [
      '{ id: a, path: /x, methods: [GET] }',
      '{ id: b, path: /X, methods: [PUT] }',
      'is read like the path of route `a`',
    ],
    ['{ id: a, path: /caf%C3%A9 }', '{ id: b, path: /CAF%C3%A9 }', 'is read like the path of route `a`'],
  ])('%s leaves nothing to %s', (first, second, message) => {
    const [problem, ...others] = problemsOf(withRoutes(first, second))
    expect(problem?.replace('(GET, HEAD)', '(HEAD, GET)')).toContain(`8:20 routes[1].path: ${message}`)
    expect(others).toEqual([])
  })

  test.each([
    ['{ id: a, path: /x, methods: [GET] }', '{ id: b, path: /x, methods: [PUT] }'],
    ['{ id: a, path: /x/:id }', '{ id: b, path: /x/** }'],
    ['{ id: a, path: /x/:id }', '{ id: b, path: /x/mine }'],
    ['{ id: a, path: /x }', '{ id: b, path: /x/ }'],
    ['{ id: a, path: / }', '{ id: b, path: /** }'],
  ])('%s and %s live together', (first, second) => {
    expect(load(withRoutes(first, second)).routes).toHaveLength(2)
  })
})

describe('YAML', () => {
  test.each([
    ['', '1:1 the file is empty'],
    ['# nothing\n', '1:1 the file is empty'],
    ['null', '1:1 the file is empty'],
    ['- a', '1:1 must be a block of keys, not a list'],
    ['a: [', '1:5 this is not valid YAML'],
    [`${SMALL}listen: 127.0.0.1:1\n`, '8:1 listen: is in this block twice; keep one of them'],
    [`${SMALL}---\n${SMALL}`, '8:1 a file holds one document'],
    [SMALL.replace('path:', '<<: { access: public }, path:'), '7:16 routes[0]["<<"]: is a merge key'],
    [SMALL.replace('path:', '__proto__: { access: public }, path:'), '7:16 routes[0].__proto__: cannot be a key'],
    [SMALL.replace('id: all', 'id: !secret all'), '7:11 a tag is not accepted'],
    [SMALL.replace('id: all', 'id: !!binary YWxs'), '7:11 a tag is not accepted'],
    [`%YAML 1.1\n---\n${SMALL}`, '1:1 the file is read as YAML 1.2'],
    [SMALL.replace('id: all', 'id: *nowhere'), '7:11 routes[0].id: is an alias of nothing'],
    [
      SMALL.replace('{ id: all', '&r { require: *r, id: all'),
      '7:19 routes[0].require: is an alias of nothing that is complete',
    ],
    [`${SMALL}? [a]\n: b\n`, '8:3 a key must be text'],
    ['a'.repeat(1024 * 1024 + 1), '1:1 the file is larger than 1 MiB'],
    [
      `listen: { a: \${B} }`,
      '1:15 this is not valid YAML: Unexpected flow-map-start at node end; inside `{ }` and `[ ]`, put "${NAME}" in quotes',
    ],
  ])('%.60j', (text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(problem)])
  })

  test('with a block twice is still judged as a whole', () => {
    expect(problemsOf(`${SMALL.replace('path: /**', 'path: x')}routes: []\n`)).toEqual([
      expect.stringContaining('7:22 routes[0].path: '),
      '8:1 routes: is in this block twice; keep one of them',
    ])
  })

  test('that multiplies itself is stopped', () => {
    const levels = Array.from(
      { length: 20 },
      (_, level) => `l${level + 1}: &l${level + 1} [${`*l${level},`.repeat(10)}]`,
    )
    const problems = problemsOf(`l0: &l0 [x]\n${levels.join('\n')}\n`)
    expect(problems.filter(problem => problem.includes('is nested too deep, or repeated too often'))).toHaveLength(1)
  })

  test('nested a thousand deep is stopped', () => {
    const problems = problemsOf(`${SMALL}log: ${'['.repeat(1000)}${']'.repeat(1000)}\n`)
    expect(problems.some(problem => problem.includes('is nested too deep'))).toBe(true)
  })

  test.each(['constructor', 'toString', 'hasOwnProperty'])('%s is an id like any other', name => {
    const text = SMALL.replace('main:', `${name}:`).replace('app:', `${name}:`)
    expect(Object.keys(load(text).providers)).toEqual([name])
    const dangling = SMALL.replace('path:', `upstream: ${name}, providers: [${name}], path:`)
    expect(problemsOf(dangling)).toHaveLength(2)
  })
})

test('every problem of a file comes in one report, in the order of the file', () => {
  const text = `listen: nowhere
providers:
  main: { type: jwt, issuer: https://a/, audience: [x] }
  two: { type: jwt, issuer: http://b/, audiences: [x] }
upstreams: { app: http://127.0.0.1:3000 }
log: { level: "\${LEVEL}" }
routes:
  - { id: a, path: /a, methods: [get] }
  - { id: b, path: /b, upstream: ap }
  - { id: b, path: /c/*x }
  - { id: b, path: /d, providers: [one] }
`
  expect(problemsOf(text).map(problem => problem.split(': ', 1)[0])).toEqual([
    '1:9 listen',
    '3:3 providers.main.audiences',
    '3:42 providers.main.audience',
    '4:29 providers.two.issuer',
    '6:16 log.level',
    '8:34 routes[0].methods[0]',
    '9:34 routes[1].upstream',
    '10:20 routes[2].path',
    '11:11 routes[3].id',
    '11:36 routes[3].providers[0]',
  ])
})
