/** Tests how the text of a configuration is read: defaults, the environment, files, and what is no configuration. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the configuration's references to the environment look so.

import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfigFile } from '../../../src/config/read/load.ts'
import type { Config } from '../../../src/config/schema/schema.ts'
import { ConfigError } from '../../../src/errors.ts'
import { FORWARDED } from '../../../src/route/methods.ts'
import { jwtOf } from '../../support/jwt-provider.ts'
import { CONTRACT } from '../contract.ts'
import { load, problemsOf, SMALL } from '../support.ts'

describe('the example of the contract', () => {
  const config = load(CONTRACT)

  test('loads, with units resolved and shorthand written out', () => {
    expect(config.listen).toMatchObject({ address: { host: '0.0.0.0', port: 8080 }, trustedProxies: [] })
    expect(config.admin).toEqual({ listen: { address: { host: '127.0.0.1', port: 9090 } }, hosts: [], appProbes: [] })
    expect(config.providers.main).toMatchObject({
      type: 'jwt',
      issuer: 'https://auth.example.com/',
      audiences: ['https://api.example.com'],
      algorithms: ['RS256', 'ES256'],
      clockTolerance: 5_000,
      maxLifetime: 86_400_000,
      tokenType: 'compatible',
      requiredClaims: ['sub'],
      scopeClaim: 'scope',
      rolesClaim: '/realm_access/roles',
    })
    expect(config.upstreams.app).toEqual({
      url: { origin: 'http://127.0.0.1:3000' },
      timeouts: { connect: 2_000, headers: 30_000, idle: 60_000 },
      connections: 1024,
      keepAlive: 4_000,
      headerBytes: 65_536,
    })
    expect(config.identity).toMatchObject({
      headers: {
        'X-Auth-Subject': { claim: 'sub' },
        'X-Auth-Roles': { claim: '/realm_access/roles', join: ',' },
      },
      reserved: ['X-Auth-*'],
      forwardToken: false,
      maxBytes: 8_192,
    })
    expect(config.limits).toEqual({
      tokenBytes: 12_288,
      headerBytes: 24_576,
      headers: 100,
      bodyBytes: 104_857_600,
      headersTimeout: 10_000,
      bodyIdleTimeout: 60_000,
      connections: 10_000,
      requests: 4096,
    })
  })

  test('has its routes, each with what it asks for', () => {
    expect(config.routes).toMatchObject([
      { id: 'health', path: '/healthz', methods: ['GET'], access: 'public' },
      { id: 'orders-read', access: 'required', mode: 'enforce', require: { scopes: ['orders:read'] } },
      {
        id: 'orders-write',
        require: {
          scopes: ['orders:write'],
          anyRole: ['editor', 'admin'],
          claims: { email_verified: { anyOf: [true] }, tenant: { anyOf: ['acme', 'globex'] } },
        },
      },
    ])
  })

  test('is frozen through and through', () => {
    expect(Object.isFrozen(config.routes[2]?.require?.claims?.tenant)).toBe(true)
    expect(Object.isFrozen(jwtOf(config).keys)).toBe(true)
  })
})

describe('defaults', () => {
  const config = load(SMALL)

  test('fill in what a small file leaves out', () => {
    expect(config.admin).toBeUndefined()
    expect(config.providers.main).toMatchObject({
      clockTolerance: 5_000,
      tokenType: 'compatible',
      requiredClaims: [],
      rolesClaim: 'roles',
      keys: {
        refresh: 300_000,
        maxStale: 86_400_000,
        cooldown: 30_000,
        timeout: 5_000,
        maxBytes: 1_048_576,
        allowInsecureHttp: false,
      },
    })
    expect(config.log).toEqual({ level: 'info', access: 'all' })
    expect(config.tokenCache).toEqual({ entries: 10_000 })
    expect(config.routes[0]).toMatchObject({ access: 'required', mode: 'enforce', pathAllow: [] })
  })

  test('leave out what is decided later: identity headers, methods, algorithms', () => {
    expect(config.identity.headers).toBeUndefined()
    expect(config.routes[0]?.methods).toBeUndefined()
    expect(jwtOf(config).algorithms).toBeUndefined()
  })

  test('are the same for a shorthand and for a block with only its main key', () => {
    const block = SMALL.replace('app: http://127.0.0.1:3000', 'app: { url: http://127.0.0.1:3000 }').replace(
      'listen: 127.0.0.1:8080',
      'listen: { address: 127.0.0.1:8080 }',
    )
    expect(load(block)).toEqual(config)
  })
})

describe('addresses', () => {
  test.each([
    ['"[::]:8080"', { host: '::', port: 8080 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    ['unix:/run/s.sock', { socketPath: '/run/s.sock' }],
    ['unix:s.sock', { socketPath: '/etc/sallyport/s.sock' }],
  ])('listen on %s', (text, address) => {
    expect(load(SMALL.replace('127.0.0.1:8080', text)).listen?.address).toEqual(address)
  })

  test.each([
    ['https://api.example.com', { origin: 'https://api.example.com' }],
    ['http://127.0.0.1:3000/', { origin: 'http://127.0.0.1:3000' }],
    ['"http://[::1]:3000"', { origin: 'http://[::1]:3000' }],
    ['unix:/run/app.sock', { origin: 'http://localhost', socketPath: '/run/app.sock' }],
    ['unix:app.sock', { origin: 'http://localhost', socketPath: '/etc/sallyport/app.sock' }],
  ])('pass requests to %s', (text, url) => {
    expect(load(SMALL.replace('http://127.0.0.1:3000', text)).upstreams.app?.url).toEqual(url)
  })
})

describe('the environment', () => {
  const number = `${SMALL}tokenCache:\n  entries: \${ENTRIES:-500}\n`

  test('fills in text, alone or among other text', () => {
    const text = SMALL.replace('127.0.0.1:3000', '${HOST}:${PORT:-3000}')
    expect(load(text, { HOST: 'app' }).upstreams.app?.url.origin).toBe('http://app:3000')
  })

  test('fills in a number where a number is expected', () => {
    expect(load(number).tokenCache.entries).toBe(500)
    expect(load(number, { ENTRIES: '20' }).tokenCache.entries).toBe(20)
  })

  test('fills in a number in quotes, which braces around it need', () => {
    expect(load(`${SMALL}tokenCache: { entries: "\${N}" }\n`, { N: '20' }).tokenCache.entries).toBe(20)
    expect(load(`${SMALL}identity: { forwardToken: "\${F}" }\n`, { F: 'true' }).identity.forwardToken).toBe(true)
  })

  test('stays text where text is expected, although it looks like a number', () => {
    const text = SMALL.replace('- { id: all, path: /** }', '- id: ${ID}\n    path: /**')
    expect(load(text, { ID: '007' }).routes[0]?.id).toBe('007')
  })

  test('is read as if it stood in the file where both are possible', () => {
    const text = SMALL.replace(
      '- { id: all, path: /** }',
      '- id: all\n    path: /**\n    require:\n      claims:\n        plain: ${V}\n        quoted: "${V}"',
    )
    const claims = load(text, { V: 'true' }).routes[0]?.require?.claims
    expect(claims).toEqual({ plain: { anyOf: [true] }, quoted: { anyOf: ['true'] } })
  })

  test('cannot add structure to the file', () => {
    const text = SMALL.replace('id: all', 'id: "${ID}"')
    expect(problemsOf(text, { ID: 'x, access: public' })).toEqual([
      expect.stringMatching(/^7:11 routes\[0\]\.id: is no id/),
    ])
  })

  test('must have the variable, unless there is a default', () => {
    expect(problemsOf(SMALL.replace(':3000', ':${APP_PORT}'))).toEqual([
      '5:25 upstreams.app: needs the environment variable APP_PORT, which is not set; set it, or write `${APP_PORT:-default}`',
    ])
  })

  test('does not take members of the prototype for variables', () => {
    expect(problemsOf(SMALL.replace(':3000', ':${constructor}'))[0]).toContain('constructor, which is not set')
  })

  test('uses the default for a variable that is set but empty', () => {
    expect(load(number, { ENTRIES: '' }).tokenCache.entries).toBe(500)
  })

  test('is left alone after a second dollar sign', () => {
    const text = SMALL.replace('id: all', () => 'require: { roles: ["$${X}"] }, id: all')
    expect(load(text).routes[0]?.require?.roles).toEqual(['${X}'])
  })

  test.each(['${', '${}', '${1A}', '${A B}', '${A:?x}', '${A'])('refuses %s, which is no reference', reference => {
    const text = SMALL.replace('id: all, path: /**', `id: all, path: /**, require: { roles: ['${reference}'] }`)
    expect(problemsOf(text, { A: 'a' })).toEqual([expect.stringContaining('has a reference that cannot be read')])
  })

  test('is not looked at in keys and comments', () => {
    expect(load(`# \${NOT_SET}\n${SMALL}`).listen).toBeDefined()
  })
})

describe('text', () => {
  test.each([
    ['a byte order mark', `\ufeff${SMALL}`],
    ['CRLF line ends', SMALL.replaceAll('\n', '\r\n')],
    ['a document start and end', `---\n${SMALL}...\n`],
    ['no line end at the end', SMALL.trimEnd()],
  ])('may have %s', (_, text) => {
    expect(load(text)).toEqual(load(SMALL))
  })

  test('has the same positions with a byte order mark and CRLF', () => {
    const text = SMALL.replace('id: all', 'idd: all')
    expect(problemsOf(`\ufeff${text.replaceAll('\n', '\r\n')}`)).toEqual(problemsOf(text))
  })

  test('may use aliases for whole values', () => {
    const text = `${SMALL}  - { id: a, path: /a, require: &reader { scopes: [r] } }\n  - { id: b, path: /b, require: *reader }\n`
    expect(load(text).routes[2]?.require).toEqual({ scopes: ['r'] })
  })
})

test('an alias means the anchor before it, although the anchor is given anew later', () => {
  const roles = ['&x [one]', '*x', '&x [two]', '*x']
  const routes = roles.map((role, index) => `  - { id: r${index}, path: /r${index}, require: { roles: ${role} } }\n`)
  const config = load(SMALL + routes.join(''))
  expect(config.routes.slice(1).map(route => route.require?.roles)).toEqual([['one'], ['one'], ['two'], ['two']])
})

test('a route may list every method that can arrive, and none that another route of its shape takes', () => {
  const methods = [...FORWARDED]
  expect(load(`${SMALL}  - { id: a, path: /a, methods: [${methods}] }\n`).routes[1]?.methods).toEqual(methods)
  const both = '  - { id: a, path: /a }\n  - { id: b, path: /a, methods: [PROPFIND] }\n'
  expect(problemsOf(SMALL + both)).toEqual([expect.stringContaining('matches what route `a` matches (PROPFIND)')])
})

describe('keys at the top level that begin with `x-`', () => {
  test('are ignored, whatever they hold', () => {
    expect(load(`${SMALL}x-owner: team-a\nx-anchors: { routes: 5, x: [null] }\nx-: 1\n`)).toEqual(load(SMALL))
  })

  test('are keys like any other elsewhere', () => {
    expect(problemsOf(SMALL.replace('id: all', 'x-owner: me, id: all'))).toEqual([
      expect.stringContaining('7:7 routes[0].x-owner: is not a known key'),
    ])
    expect(problemsOf(`${SMALL}X-a: 1\n`)).toEqual([expect.stringContaining('is not a known key')])
  })
})

describe('a merge key', () => {
  const BASE =
    'x-base: &base { access: optional, require: { scopes: [base] } }\nx-more: &more { access: public, mode: report }\n'

  function merged(route: string, anchors = BASE): Config['routes'][number] | undefined {
    return load(`${anchors}${SMALL}  - ${route}\n`).routes[1]
  }

  test.each([
    [
      'adds the keys of a block',
      '{ <<: *base, id: a, path: /a }',
      { access: 'optional', require: { scopes: ['base'] } },
    ],
    [
      'gives way to what is written before it',
      '{ access: required, id: a, path: /a, <<: *base }',
      { access: 'required' },
    ],
    [
      'gives way to what is written after it',
      '{ <<: *base, id: a, path: /a, access: required }',
      { access: 'required' },
    ],
    [
      'takes a list, of which the first wins',
      '{ <<: [*base, *more], id: a, path: /a }',
      { access: 'optional', mode: 'report' },
    ],
    [
      'merges no deeper than the block',
      '{ <<: *base, id: a, path: /a, require: { roles: [r] } }',
      { require: { roles: ['r'] } },
    ],
  ])('%s', (_, route, expected) => expect(merged(route)).toMatchObject(expected))

  test('is followed in the block that is merged', () => {
    const anchors = `${BASE}x-both: &both { <<: *more, require: { roles: [r] }, access: optional }\n`
    expect(merged('{ <<: *both, id: a, path: /a }', anchors)).toMatchObject({ access: 'optional', mode: 'report' })
    expect(merged('{ <<: *both, id: a, path: /a }', anchors)?.require).toEqual({ roles: ['r'] })
  })

  test('means the anchor before it, although the anchor is given anew inside the block', () => {
    expect(merged('{ <<: *base, id: a, path: /a, require: &base { roles: [r] } }')?.access).toBe('optional')
  })

  test('puts a problem where the value is written', () => {
    expect(problemsOf(`x-base: &base { acess: public }\n${SMALL}  - { <<: *base, id: a, path: /a }\n`)).toEqual([
      '1:17 routes[1].acess: is not a known key. Did you mean "access"?',
    ])
  })

  test.each([
    ['<<: 5', 'is a merge key, which takes an alias'],
    ['<<: { access: public }', 'is a merge key, which takes an alias'],
    ['<<: *nowhere', 'is a merge key, which takes an alias'],
    ['<<: [*base, 5]', 'is a merge key, which takes an alias'],
    ['<<: *base, <<: *more', 'is in this block twice; write a list of aliases'],
  ])('%s is refused', (key, problem) => {
    expect(problemsOf(`${BASE}${SMALL}  - { ${key}, id: a, path: /a }\n`)).toEqual([expect.stringContaining(problem)])
  })

  test('that merges a block into itself is refused', () => {
    expect(problemsOf(`x-a: &a { <<: *a, b: &b { <<: *a } }\n${SMALL}`).join()).toContain('is merged into itself')
  })

  test('multiplies no more than other aliases', () => {
    const laughs = Array.from({ length: 30 }, (_, n) => `x-${n + 1}: &a${n + 1} { <<: [*a${n}, *a${n}], k${n}: 1 }\n`)
    const keys = Array.from({ length: 5_000 }, (_, n) => `k${n}: 1`).join(', ')
    const long = Array.from({ length: 2_000 }, () => '*a0').join(', ')
    expect(problemsOf(`x-0: &a0 { k: 1 }\n${laughs.join('')}${SMALL}`).join()).toContain('repeated too often')
    expect(problemsOf(`x-0: &a0 { ${keys} }\nx-1: { <<: [${long}] }\n${SMALL}`).join()).toContain('repeated too often')
  })
})

describe('a file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-config-'))

  test('is read from disk', () => {
    const file = join(folder, 'good.yaml')
    writeFileSync(file, SMALL)
    expect(loadConfigFile(file, {})).toEqual(load(SMALL))
  })

  test('that is missing is a problem of the configuration', () => {
    const file = join(folder, 'missing.yaml')
    expect(() => loadConfigFile(file, {})).toThrow(ConfigError)
    expect(() => loadConfigFile(file, {})).toThrow(
      `${file}: the file cannot be read: there is no such file or folder (ENOENT)`,
    )
  })

  test('that is a folder is a problem of the configuration', () => {
    expect(() => loadConfigFile(folder, {})).toThrow(`${folder}: the file is a folder; it must be a regular file`)
  })

  test('that is not UTF-8 is a problem of the configuration', () => {
    const file = join(folder, 'latin1.yaml')
    writeFileSync(file, Buffer.from('listen: caf\xe9', 'latin1'))
    expect(() => loadConfigFile(file, {})).toThrow(`${file}: the file is not UTF-8`)
  })
})
