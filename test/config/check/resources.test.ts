/** Tests what a file may say of `resources`, and that their metadata have places of their own. */
import { describe, expect, test } from 'vitest'
import { load, problemsOf, SMALL } from '../support.ts'

/** @param resources id → URL @param routes further ones, each a line of YAML */
function written(resources: Readonly<Record<string, string>>, ...routes: readonly string[]): string {
  const entries = Object.entries(resources).map(([id, url]) => `  ${id}: { url: '${url}' }\n`)
  return `${SMALL}${routes.map(route => `  - ${route}\n`).join('')}resources:\n${entries.join('')}`
}

function problems(text: string): readonly string[] {
  return problemsOf(text).map(line => line.replace(/^\d+:\d+ /, ''))
}

const MCP = 'https://mcp.example.com/mcp'
const ONE = { orders: MCP }
const ITS_ROUTE = '{ id: mcp, path: /mcp, resource: orders }'

test.each([
  MCP,
  'https://mcp.example.com',
  'https://mcp.example.com/',
  'https://mcp.example.com:8443/a/b',
  'http://localhost:3000/mcp',
])('the URL %s is taken byte for byte', url => {
  expect(load(written({ orders: url }, ITS_ROUTE)).resources.orders?.url).toBe(url)
})

test.each([
  ['mcp.example.com', /must be an `https:` URL/],
  ['ftp://mcp.example.com', /must be an `https:` URL/],
  ['https:///mcp', /must be an `https:` URL/],
  ['https://me:pw@mcp.example.com/', /must have no user name and password/],
  ['https://mcp.example.com/mcp?a=b', /must have no query and no fragment/],
  ['https://mcp.example.com/mcp?', /must have no query and no fragment/],
  ['https://mcp.example.com/mcp#a', /must have no query and no fragment/],
  ['https://MCP.example.com/mcp', /begin it with `https:\/\/mcp\.example\.com`/],
  ['https://mcp.example.com:443/mcp', /begin it with `https:\/\/mcp\.example\.com`/],
  ['https://mcp.example.com/:id', /must have one path, without `:name` and `\/\*\*`/],
  ['https://mcp.example.com/mcp/**', /must have one path, without `:name` and `\/\*\*`/],
  ['https://mcp.example.com/a/../b', /has a path that /],
  ['https://mcp.example.com/a//b', /has a path that /],
])('the URL %s is refused', (url, problem) => {
  const found = problems(written({ orders: url }, ITS_ROUTE))
  expect(found).toHaveLength(1)
  expect(found[0]).toMatch(/^resources\.orders\.url: /)
  expect(found[0]).toMatch(problem)
})

test.each([
  ['https://docs.example.com/a', []],
  ['http://localhost:3000/docs', []],
  ['http://docs.example.com', ['resources.orders.documentation: must be an `https:` URL']],
  ['docs.example.com', ['resources.orders.documentation: must be an `https:` URL']],
])('a page for developers at %s', (url, expected) => {
  const text = written(ONE, ITS_ROUTE).replace(`'${MCP}' }`, `'${MCP}', documentation: '${url}' }`)
  if (expected.length > 0) expect(problems(text)).toEqual(expected)
  else expect(load(text).resources.orders?.documentation).toBe(url)
})

describe('a route and its resource', () => {
  test('a resource that is not there is refused, with what was probably meant', () => {
    expect(problems(written(ONE, ITS_ROUTE, '{ id: b, path: /b, resource: order }'))).toEqual([
      'routes[2].resource: names no resource; there is orders. Did you mean "orders"?',
    ])
  })

  test('a misspelled resource is one problem, also where no other route names the one that was meant', () => {
    expect(problems(written(ONE, '{ id: b, path: /b, resource: order }'))).toEqual([
      'routes[1].resource: names no resource; there is orders. Did you mean "orders"?',
    ])
  })

  test('without any, the remedy is to add one', () => {
    expect(problems(`${SMALL}  - ${ITS_ROUTE}\n`)).toEqual([
      'routes[1].resource: names no resource; add it to `resources`',
    ])
  })

  test('a misspelled section is the one problem', () => {
    expect(problems(written(ONE, ITS_ROUTE).replace('resources:', 'resorces:'))).toEqual([
      'resorces: is not a known key. Did you mean "resources"?',
    ])
  })

  test('a resource that no route names has no effect', () => {
    expect(problems(written({ ...ONE, bills: 'https://bills.example.com' }, ITS_ROUTE))).toEqual([
      'resources.bills: has no effect: no route is this resource; write `resource: bills` in one, or leave it out',
    ])
  })

  test('a resource is not called unused while a route has a problem of its own', () => {
    expect(problems(written(ONE, '{ id: mcp, path: mcp, resource: orders }'))).toEqual([
      expect.stringMatching(/^routes\[1\]\.path: /),
    ])
  })

  test('several routes can be one resource', () => {
    expect(load(written(ONE, ITS_ROUTE, '{ id: b, path: /b, resource: orders }')).routes).toHaveLength(3)
  })

  test('a public route is none, since it looks at no tokens', () => {
    expect(problems(written(ONE, '{ id: mcp, path: /mcp, access: public, resource: orders }'))).toEqual([
      'routes[1].resource: has no effect with `access: public`, which does not look at tokens; leave out one of them',
    ])
  })
})

describe('two resources', () => {
  const two = (other: string) => problems(written({ ...ONE, other }, ITS_ROUTE, '{ id: b, path: /b, resource: other }'))

  test.each([MCP, 'http://mcp.example.com/mcp'])('are told apart by host and path, so that %s is refused', url => {
    const found = two(url)
    expect(found).toHaveLength(1)
    expect(found[0]).toMatch(
      /^resources\.other\.url: has the host and the path of resource `orders`; give each its own/,
    )
  })

  test('at the root of a host are the same with and without a slash', () => {
    expect(
      problems(
        written(
          { orders: 'https://mcp.example.com', other: 'https://mcp.example.com/' },
          ITS_ROUTE,
          '{ id: b, path: /b, resource: other }',
        ),
      ),
    ).toEqual([expect.stringMatching(/^resources\.other\.url: has the host and the path/)])
  })

  test('are refused when a service that ignores case would take their paths for one', () => {
    expect(two('https://other.example.com/MCP')).toEqual([
      'resources.other.url: is read like the path of resource `orders` by services that ignore case; spell both alike',
    ])
  })

  test.each(['https://other.example.com/mcp', 'https://mcp.example.com/other', 'https://mcp.example.com:8443/mcp'])(
    'may be those at %s and at https://mcp.example.com/mcp',
    url => {
      expect(
        Object.keys(load(written({ ...ONE, other: url }, ITS_ROUTE, '{ id: b, path: /b, resource: other }')).resources),
      ).toEqual(['orders', 'other'])
    },
  )
})

describe('the place of the metadata is ours', () => {
  test.each([
    '/.well-known/oauth-protected-resource/mcp',
    '/.well-known/oauth-protected-resource',
    '/.well-known/oauth-protected-resource/MCP',
  ])('so that a route for %s is refused, whatever its methods', path => {
    expect(problems(written(ONE, ITS_ROUTE, `{ id: own, path: ${path}, methods: [POST], access: public }`))).toEqual([
      'routes[2].path: is where the metadata of resource `orders` are, which the gateway serves itself, so that this route would get no request; leave it out',
    ])
  })

  test('the bare one only while there is one resource', () => {
    const resources = { ...ONE, bills: 'https://bills.example.com/bills' }
    const bare = '{ id: own, path: /.well-known/oauth-protected-resource, access: public }'
    expect(load(written(resources, ITS_ROUTE, '{ id: b, path: /b, resource: bills }', bare)).routes).toHaveLength(4)
  })

  test.each(['/.well-known/**', '/.well-known/:name', '/.well-known/oauth-authorization-server'])(
    'and %s may be a route, which has other paths',
    path => {
      expect(load(written(ONE, ITS_ROUTE, `{ id: own, path: "${path}", access: public }`)).routes).toHaveLength(3)
    },
  )

  test('an endpoint for events is refused there', () => {
    const text = `${written(ONE, ITS_ROUTE).replace('audiences:', 'maxLifetime: 1h, audiences:')}revocation:
  keep: 1h
  backchannelLogout: [{ provider: main, path: /.well-known/oauth-protected-resource/mcp, clientId: a }]
`
    expect(problems(text)).toEqual([
      'revocation.backchannelLogout[0].path: is where the metadata of resource `orders` are, which the gateway serves there; change it',
    ])
  })
})
