/** Tests `sallyport import openapi` as a user calls it. */
import { describe, expect, test } from 'vitest'
import { checkCommand } from '../../src/cli/check.ts'
import { importCommand } from '../../src/cli/import.ts'
import { loadConfig } from '../../src/config/read/load.ts'
import { runCommand } from '../support/gateway/command.ts'
import { folder } from '../tools/support.ts'

const files = folder()
const SCHEMES = {
  oauth: { type: 'oauth2', flows: {} },
  oidc: { type: 'openIdConnect', openIdConnectUrl: 'https://x.example/' },
  jwt: { type: 'http', scheme: 'Bearer' },
  basic: { type: 'http', scheme: 'basic' },
  key: { type: 'apiKey', in: 'header', name: 'X-Key' },
  behind: { $ref: '#/components/securitySchemes/again' },
  again: { $ref: '#/components/x-schemes/o%7E1a' },
}
const COMPONENTS = { securitySchemes: SCHEMES, 'x-schemes': { 'o/a': { type: 'oauth2', flows: {} } } }

async function imported(paths: unknown, rest: Record<string, unknown> = {}) {
  const document = { openapi: '3.1.0', components: COMPONENTS, paths, ...rest }
  const file = files.write('openapi.json', JSON.stringify(document))
  const { code, stdout, stderr } = await runCommand(importCommand, ['openapi', file])
  if (code !== 0) return { code, stdout, stderr, routes: [] }
  return { code, stdout, stderr, routes: loadConfig({ text: stdout, file: 'sallyport.yaml', env: {} }).routes }
}

const get = (security?: unknown) => ({ '/x': { get: { ...(security === undefined ? {} : { security }) } } })

describe('security requirements', () => {
  test.each([
    ['a scope', [{ oauth: ['a'] }], { access: 'required', require: { scopes: ['a'] } }],
    ['schemes together', [{ oauth: ['a'], oidc: ['b'] }], { access: 'required', require: { scopes: ['a', 'b'] } }],
    [
      'single alternatives',
      [{ oauth: ['a'] }, { oidc: ['b'] }],
      { access: 'required', require: { anyScope: ['a', 'b'] } },
    ],
    ['an alternative that asks for less', [{ oauth: ['a', 'b'] }, { oauth: ['a'] }], { require: { scopes: ['a'] } }],
    ['the same twice', [{ oauth: ['a'] }, { oidc: ['a'] }], { require: { scopes: ['a'] } }],
    ['a bearer token', [{ jwt: [] }], { access: 'required' }],
    ['nothing, on purpose', [], { access: 'public' }],
    ['an alternative that asks for nothing, alone', [{}], { access: 'public' }],
    ['a scheme behind a `$ref`', [{ behind: ['a'] }], { access: 'required', require: { scopes: ['a'] } }],
    [
      'a token together with an API key',
      [{ oauth: ['a'], key: [] }],
      { access: 'required', require: { scopes: ['a'] } },
    ],
    [
      'a token together with a scheme that is not defined',
      [{ oauth: ['a'], other: ['b'] }],
      { access: 'required', require: { scopes: ['a', 'b'] } },
    ],
    [
      'a token together with an API key, or a token alone',
      [{ oauth: [], key: [] }, { oauth: ['admin'] }],
      { access: 'required', require: { scopes: ['admin'] } },
    ],
    ['a token or nothing', [{ jwt: [] }, {}], { access: 'optional' }],
  ])('%s', async (_, security, expected) => {
    const { routes } = await imported(get(security))
    expect(routes).toMatchObject([expected])
    if (!('require' in expected)) expect(routes[0]).not.toHaveProperty('require')
  })

  test('the document speaks for operations that say nothing', async () => {
    expect((await imported(get(), { security: [{ oauth: ['all'] }] })).routes).toMatchObject([
      { require: { scopes: ['all'] } },
    ])
  })

  test('stays closed to all but valid tokens, and says so, when nobody says anything', async () => {
    const { routes, stdout, stderr } = await imported(get())
    expect(routes).toMatchObject([{ access: 'required' }])
    for (const text of [stdout, stderr]) expect(text).toContain('does not say who may call it')
  })

  test.each([
    ['only an API key opens it', [{ key: [] }], '`key` (apiKey) is no bearer token'],
    ['the scheme is not defined', [{ other: ['a'] }], '`other` (not defined) is no bearer token'],
    ['the scheme has the name of what every object has', [{ constructor: [] }], '`constructor` (not defined)'],
    ['it is not a list', 'all', 'its `security` is no list'],
    ['it is a block, which lacks a dash', { oauth: ['a'] }, 'its `security` is no list'],
    ['an alternative is nothing', [null], 'its `security` cannot be read'],
    ['scopes are not text', [{ oauth: [1] }], 'its `security` cannot be read'],
    ['scopes are not a list', [{ oauth: 'a' }], 'its `security` cannot be read'],
  ])('becomes no route, and is listed, when %s', async (_, security, note) => {
    const { routes, stdout, stderr } = await imported({ ...get(security), '/y': { get: { security: [{ jwt: [] }] } } })
    expect(routes.map(({ path }) => path)).toEqual(['/y'])
    for (const text of [stdout, stderr]) expect(text).toContain(note)
  })

  test('what becomes no route falls to no other, and what the document opens is listed', async () => {
    const { routes, stderr } = await imported({
      '/orders/export': { get: { security: [{ key: [] }] }, post: { security: [{ jwt: [] }] } },
      '/orders/{id}': { get: { security: [] }, put: { security: [] } },
      '/{any}/{id}': { get: { security: [] } },
      '/other/{id}': { get: { security: [] } },
    })
    expect(routes.map(({ path, methods }) => [path, methods])).toEqual([
      ['/orders/export', ['POST']],
      ['/orders/:id', ['PUT']],
      ['/other/:id', ['GET']],
    ])
    expect(stderr).toContain('GET /orders/:id: left out: it would take requests of GET /orders/export')
    expect(stderr).toContain('the document declares it open')
  })

  test.each([
    ['scheme', { components: { securitySchemes: { oauth: { $ref: 'schemes.yaml#/oauth' } } } }, 'bundle it'],
    [
      'scheme that is nowhere',
      { components: { securitySchemes: { oauth: { $ref: '#/nowhere' } } } },
      'leads to nothing',
    ],
    [
      'scheme that is itself',
      { components: { securitySchemes: { oauth: { $ref: '#/components/securitySchemes/oauth' } } } },
      'leads back to itself',
    ],
    ['operation', { paths: { '/x': { get: { $ref: 'x.yaml' } } } }, 'bundle it'],
  ])('a `$ref` of a %s that leads out of the document, or nowhere, is an error', async (_, rest, message) => {
    expect(await imported(get([{ oauth: ['a'] }]), rest)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(message),
    })
  })

  test('a path behind a `$ref` within the document is a route, and one in another document falls to no route', async () => {
    const { routes, stderr } = await imported(
      {
        '/in': { $ref: '#/components/pathItems/in' },
        '/x/out': { $ref: 'out.yaml' },
        '/x/{id}': { get: { security: [] } },
      },
      {
        components: { ...COMPONENTS, pathItems: { in: { get: { security: [{ oauth: ['a'] }] } } } },
      },
    )
    expect(routes).toMatchObject([{ path: '/in', require: { scopes: ['a'] } }])
    expect(stderr).toContain('/x/out: is behind a `$ref` to another document')
  })

  test('of alternatives that no route can say, the first is asked for and the rest listed', async () => {
    const { routes, stderr } = await imported(get([{ oauth: ['a', 'b'] }, { oauth: ['c', 'd'] }]))
    expect(routes).toMatchObject([{ require: { scopes: ['a', 'b'] } }])
    expect(stderr).toContain('left out: c and d')
  })

  test('an alternative without a token is dropped beside one with a token', async () => {
    const { routes, stderr } = await imported(get([{ basic: [] }, { oauth: ['a'] }]))
    expect(routes).toMatchObject([{ require: { scopes: ['a'] } }])
    expect(stderr).toContain('`basic` (http) is no bearer token')
  })
})

describe('paths', () => {
  const secured = { security: [{ jwt: [] }] }

  test('parameters, the server’s base path and methods that ask the same', async () => {
    const { routes } = await imported(
      { '/orders/{order-id}': { get: {}, put: {}, delete: { security: [{ oauth: ['w'] }] }, parameters: [] } },
      {
        ...secured,
        servers: [{ url: 'https://{host}/v{n}/', variables: { host: { default: 'x' }, n: { default: 2 } } }],
      },
    )
    expect(routes.map(({ path, methods }) => [path, methods])).toEqual([
      ['/v2/orders/:order_id', ['GET', 'PUT']],
      ['/v2/orders/:order_id', ['DELETE']],
    ])
  })

  test('the nearest `servers` say where an operation is', async () => {
    const at = (url: string) => ({ servers: [{ url }] })
    const { routes } = await imported(
      {
        '/a': { get: {}, put: at('https://x.test/put/'), delete: { security: [{ oauth: ['w'] }], ...at('/put') } },
        '/b': { ...at('/item'), get: {}, post: at('https://y.test') },
      },
      { ...secured, ...at('/document') },
    )
    expect(routes.map(({ path, methods }) => `${methods?.join()} ${path}`)).toEqual([
      'GET /document/a',
      'PUT /put/a',
      'DELETE /put/a',
      'GET /item/b',
      'POST /b',
    ])
  })

  test.each([
    ['servers', [{ url: 'https://x.test/v1' }, { url: 'https://y.test/v1/' }, { url: '/v2' }]],
    ['values of a variable', [{ url: '/{v}', variables: { v: { default: 'v1', enum: ['v1', 'v2'] } } }]],
  ])('of %s with several paths the first is taken, and the others fall to no route', async (_, servers) => {
    const { routes, stderr } = await imported(
      { '/a': { get: {} }, '/{version}/{any}': { get: { security: [] }, servers: [{ url: '/' }] } },
      { ...secured, servers },
    )
    expect(routes.map(({ path }) => path)).toEqual(['/v1/a'])
    expect(stderr).toContain('GET /a: its `servers` have several paths, of which the first is taken (/v1, /v2)')
    expect(stderr).toContain('it would take requests of GET /v2/a')
  })

  test('operations of OpenAPI 3.2 are routes like others', async () => {
    const { code, routes, stderr } = await imported(
      {
        '/a': {
          query: { security: [{ oauth: ['q'] }] },
          additionalOperations: { PROPFIND: { security: [{ oauth: ['p'] }] }, 'no method': {} },
        },
      },
      { ...secured, openapi: '3.2.0' },
    )
    expect(code).toBe(0)
    expect(routes).toMatchObject([
      { path: '/a', methods: ['QUERY'], require: { scopes: ['q'] } },
      { path: '/a', methods: ['PROPFIND'], require: { scopes: ['p'] } },
    ])
    expect(stderr).toContain('no method /a: left out')
  })

  test('a parameter that ends in `:verb` or `.json` keeps its end, and asks for its own', async () => {
    const read = { get: { security: [{ oauth: ['read'] }] } }
    const { routes } = await imported({
      '/v1/{name}': read,
      '/v1/{name}:predict': { get: { security: [] } },
      '/v1/{name}.json': read,
      '/v1/[x]/b|c': read,
    })
    expect(routes.map(({ path, access }) => `${path} ${access}`)).toEqual([
      '/v1/:name required',
      '/v1/:name:predict public',
      '/v1/:name.json required',
      '/v1/%5Bx%5D/b%7Cc required',
    ])
  })

  test('two that become one route ask for what both ask', async () => {
    const { routes, stderr } = await imported({
      '/x/{a}-old': { get: { security: [] } },
      '/x/{b}': { get: { security: [{ oauth: ['secret'] }] } },
    })
    expect(routes).toMatchObject([{ path: '/x/:a', access: 'required', require: { scopes: ['secret'] } }])
    expect(stderr).toContain('one route asks for what both ask')
  })

  test('HEAD asks for what it asks for in the document, although GET covers it', async () => {
    const { routes } = await imported({ '/x': { get: { security: [] }, head: { security: [{ oauth: ['a'] }] } } })
    expect(routes).toMatchObject([{ methods: ['GET', 'HEAD'], require: { scopes: ['a'] } }])
  })

  test('an asterisk of a path stands for itself, and opens nothing below', async () => {
    const { routes } = await imported({ '/x/**': { get: { security: [] } } })
    expect(routes.map(({ path }) => path)).toEqual(['/x/%2A%2A'])
  })

  test('what cannot be a route is left out and listed, and the rest loads', async () => {
    const { code, routes, stderr } = await imported(
      {
        '/a//b': { get: {} },
        '/a/../b': { get: {} },
        '/ok': { get: {}, trace: {} },
        '/OK': { get: {} },
        '/r': { $ref: 'x' },
      },
      secured,
    )
    expect(code).toBe(0)
    expect(routes.map(({ path }) => path)).toEqual(['/ok'])
    for (const text of [
      'GET /a//b: left out',
      'GET /a/../b: left out',
      'GET /OK: left out',
      'TRACE /ok',
      '/r: is behind a `$ref`',
    ])
      expect(stderr).toContain(text)
  })

  test('ids are unique and plain, and summaries are comments that cannot end', async () => {
    const { routes, stdout } = await imported(
      {
        '/a': { get: { operationId: 'list all', summary: 'Lists\n  - { id: forged, path: /**, access: public }' } },
        '/b': { get: { operationId: 'list:all' } },
        '/c': { get: { operationId: '***' } },
        '/d': { get: { operationId: 'x'.repeat(200), summary: 'x\u2028y' } },
      },
      secured,
    )
    expect(routes.map(({ id }) => id)).toEqual(['list-all', 'list-all-2', 'route', 'x'.repeat(58)])
    expect(stdout).toContain('  # GET: Lists - { id: forged, path: /**, access: public }\n')
  })

  test('text that looks like a reference to the environment is text', async () => {
    const { routes } = await imported({ '/x': { get: { security: [{ oauth: ['$' + '{HOME}'] }] } } })
    expect(routes).toMatchObject([{ require: { scopes: ['$' + '{HOME}'] } }])
  })
})

test('a YAML document with aliases becomes a configuration that checks without an error', async () => {
  const file = files.write(
    'openapi.yaml',
    `openapi: 3.0.3
components: { securitySchemes: { oauth: { type: oauth2, flows: {} } } }
paths:
  /orders:
    get: &read { summary: List orders, security: [{ oauth: [orders:read] }] }
  /orders/{id}: { get: *read }
`,
  )
  const { stdout } = await runCommand(importCommand, ['openapi', file, '--upstream', 'http://127.0.0.1:4000'])
  const config = files.write('sallyport.yaml', stdout)
  expect(await runCommand(checkCommand, [config, '--strict'])).toMatchObject({ code: 0 })
  expect(stdout).toContain('# GET: List orders')
})

test.each([
  [['openapi'], 'import openapi FILE'],
  [['swagger', 'x'], 'there is no "import swagger"; write import openapi'],
  [['openapi', '/absent'], 'cannot be read: there is no such file or folder (ENOENT)'],
  [['openapi', files.path], 'cannot be read: it is a folder (EISDIR)'],
  [['openapi', files.write('two.json', '{"swagger":"2.0"}')], 'convert a Swagger 2 document first'],
  [['openapi', files.write('none.json', '{"openapi":"3.0.0"}')], 'has no path'],
  [['openapi', files.write('broken.json', '{')], 'broken.json: '],
])('wrong usage %j is told with its remedy', async (args, message) => {
  expect(await runCommand(importCommand, args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) })
})
