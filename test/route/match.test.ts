import { describe, expect, test } from 'vitest'
import { Denial } from '../../src/errors.ts'
import { compileMatcher, type Matchable, type Matcher } from '../../src/route/match.ts'
import type { PathAllowance } from '../../src/route/target.ts'

/** Reads a route such as `GET,PUT /orders/:id encodedSlash,semicolon`; `*` stands for every method. */
function route(line: string): Matchable {
  const [methods = '', path = '', allowances] = line.split(' ')
  return {
    path,
    methods: methods === '*' ? undefined : new Set(methods.split(',')),
    pathAllow: allowances === undefined ? undefined : new Set(allowances.split(',') as PathAllowance[]),
  }
}

function matcher(...lines: readonly string[]): Matcher<Matchable> {
  return compileMatcher(lines.map(route))
}

/** @returns the path of the route in force, or the refusal with its reason */
function outcome(routes: Matcher<Matchable>, target: string, method = 'GET'): string {
  try {
    return routes.resolve(method, target, undefined).route.path
  } catch (error) {
    if (!(error instanceof Denial)) throw error
    return error.evidence === undefined ? error.code : `${error.code} ${error.evidence.reason}`
  }
}

const AMBIGUOUS = 'path_invalid ambiguous_route'

describe('which route is the most specific', () => {
  const lines = ['* /**', '* /a/**', '* /a/:x', '* /a/:x/**', '* /a/b', '* /a/:x/c', '* /a/b/:y', '* /:z/b/c/d', '* /']
  const expected = [
    ['/', '/'],
    ['/x', '/**'],
    ['/a', '/a/**'],
    ['/a/', '/a/**'],
    ['/a/b', '/a/b'],
    ['/a/x', '/a/:x'],
    ['/a/x/', '/a/:x/**'],
    ['/a/x/c', '/a/:x/c'],
    ['/a/x/d', '/a/:x/**'],
    ['/a/b/c', '/a/b/:y'],
    // No /a/b/… goes on below, so the parameter's branch is tried again, then /a/**.
    ['/a/b/c/d', '/a/:x/**'],
    ['/x/b/c/d', '/:z/b/c/d'],
    ['/x/b/c', '/**'],
  ] as const

  test.each(expected)('%s belongs to %s, in whatever order the routes are written', (path, owner) => {
    for (let turn = 0; turn < lines.length; turn++) {
      const routes = matcher(...lines.slice(turn), ...lines.slice(0, turn))
      expect(routes.match('GET', path)?.path).toBe(owner)
    }
    expect(matcher(...lines.toReversed()).match('GET', path)?.path).toBe(owner)
  })

  test('candidates are all that fit, most specific first, whatever their methods', () => {
    const routes = matcher('GET /**', 'PUT /a/**', '* /a/:x', 'GET /a/b', 'PUT,POST /a/b', 'GET /b')
    expect(routes.candidates('/a/b').map(({ path }) => path)).toEqual(['/a/b', '/a/b', '/a/:x', '/a/**', '/**'])
    expect(routes.candidates('/c').map(({ path }) => path)).toEqual(['/**'])
    expect(matcher('* /a').candidates('/b')).toEqual([])
  })
})

describe('segments', () => {
  test('a parameter takes exactly one segment that is not empty', () => {
    const routes = matcher('* /orders/:id', '* /x/:a/y/:b')
    const paramsOf = (target: string) => {
      const { route, path } = routes.resolve('GET', target, undefined)
      return [...routes.params(route, path)]
    }
    expect(paramsOf('/orders/7')).toEqual([['id', '7']])
    expect(paramsOf('/x/1/y/2')).toEqual([
      ['a', '1'],
      ['b', '2'],
    ])
    for (const path of ['/orders', '/orders/', '/orders/7/', '/orders/7/8', '/x//y/2'])
      expect(routes.match('GET', path)).toBeUndefined()
  })

  test('parameters are percent-decoded, the path is not', () => {
    const routes = matcher('* /pkg/:name encodedSlash')
    const { route, path, query } = routes.resolve('GET', '/pkg/%40caf%C3%A9%2fx?y=%2f', undefined)
    expect({ path, query, name: routes.params(route, path).get('name') }).toEqual({
      path: '/pkg/%40caf%C3%A9%2fx',
      query: '?y=%2f',
      name: '@café/x',
    })
  })

  test('/** covers the path itself, everything below, and nothing beside', () => {
    const routes = matcher('* /a/b/**')
    for (const path of ['/a/b', '/a/b/', '/a/b/c', '/a/b/c/d/']) expect(outcome(routes, path)).toBe('/a/b/**')
    for (const path of ['/', '/a', '/a/', '/a/bc', '/a/b.c', '/x/a/b'])
      expect(outcome(routes, path)).toBe('route_unknown')
  })

  test('a last slash makes another path', () => {
    expect(outcome(matcher('* /docs'), '/docs/')).toBe('route_unknown')
    expect(outcome(matcher('* /docs/'), '/docs')).toBe('route_unknown')
    const both = matcher('* /docs', '* /docs/', '* /**')
    expect([outcome(both, '/docs'), outcome(both, '/docs/')]).toEqual(['/docs', '/docs/'])
  })

  test('names of object members are segments like any other', () => {
    const routes = matcher('* /constructor/:__proto__', '* /toString')
    for (const path of ['/__proto__', '/constructor', '/hasOwnProperty', '/tostring/valueOf', '/constructor/a/b'])
      expect(outcome(routes, path)).toBe('route_unknown')
    const { route, path } = routes.resolve('GET', '/constructor/__proto__', undefined)
    expect([...routes.params(route, path)]).toEqual([['__proto__', '__proto__']])
    expect(outcome(matcher('* /__proto__'), '/__proto__')).toBe('/__proto__')
  })

  test('no literal matches more than its own bytes', () => {
    const routes = matcher('* /v1.0/a+b/:x')
    for (const path of ['/v1x0/a+b/1', '/v1.0/aab/1', '/v1.0/a b/1', '/v1.0/a+b'])
      expect(routes.match('GET', path)).toBeUndefined()
  })
})

describe('methods', () => {
  test('a route that does not list the method is passed over for a less specific one that does', () => {
    const routes = matcher('GET /orders/:id', 'PUT,DELETE /orders/7', '* /orders/**')
    expect(outcome(routes, '/orders/7', 'GET')).toBe('/orders/:id')
    expect(outcome(routes, '/orders/7', 'DELETE')).toBe('/orders/7')
    expect(outcome(routes, '/orders/7', 'PATCH')).toBe('/orders/**')
    expect(outcome(matcher('GET /a'), '/a', 'POST')).toBe('route_unknown')
  })

  test('routes of one path share it by method', () => {
    const routes = compileMatcher([
      { path: '/a', methods: new Set(['GET']), id: 'read' },
      { path: '/a', methods: new Set(['PUT', 'POST']), id: 'write' },
    ])
    expect(routes.match('POST', '/a')?.id).toBe('write')
    expect(routes.match('GET', '/a')?.id).toBe('read')
  })

  test('GET covers HEAD unless a route of the same path lists it (RFC 9110 §9.3.2)', () => {
    expect(outcome(matcher('GET /a'), '/a', 'HEAD')).toBe('/a')
    expect(outcome(matcher('HEAD /a'), '/a', 'GET')).toBe('route_unknown')
    const routes = compileMatcher([
      { path: '/a', methods: new Set(['GET']), id: 'get' },
      { path: '/a', methods: new Set(['HEAD']), id: 'head' },
    ])
    expect(routes.match('HEAD', '/a')?.id).toBe('head')
  })

  test('methods are compared as they are, and none of them is special to us', () => {
    const routes = matcher('GET /a')
    for (const method of ['get', 'Get', '', '__proto__', 'constructor'])
      expect(outcome(routes, '/a', method)).toBe('route_unknown')
  })

  test.each([
    [['* /a', '* /a']],
    [['* /a', 'GET /a']],
    [['GET /a', '* /a']],
    [['GET,PUT /a', 'PUT /a']],
    [['* /a/:x', '* /a/:y']],
    [['* /a/**', '* /a/**']],
    [['* /a', '* /A']],
    [['* /@a', '* /%40a']],
    [['* /caf%C3%A9', '* /CAF%C3%89']],
  ])('%j cannot be told apart', lines => {
    expect(() => matcher(...lines)).toThrow(SyntaxError)
  })
})

describe('resolve', () => {
  test('what is refused whatever the route comes before the route', () => {
    expect(outcome(matcher('* /a'), '/b/../a')).toBe('path_invalid dot_segment')
    expect(outcome(matcher(), '/b')).toBe('route_unknown')
  })

  test('an absolute-form target is matched by its path', () => {
    const { path, query } = matcher('* /a/**').resolve('GET', 'http://H:80/a/b?c', 'h')
    expect({ path, query }).toEqual({ path: '/a/b', query: '?c' })
  })

  test('an oddity passes only on a route that allows it, and only the one it allows', () => {
    const routes = matcher('* /s/** semicolon', '* /e/** encodedSlash', '* /m/** emptySegment', '* /none/**')
    expect(outcome(routes, '/s/a;b')).toBe('/s/**')
    expect(outcome(routes, '/s/a%3Bb')).toBe('/s/**')
    expect(outcome(routes, '/e/a%2Fb')).toBe('/e/**')
    expect(outcome(routes, '/m/a//b')).toBe('/m/**')
    expect(outcome(routes, '/e/a;b')).toBe('path_invalid semicolon')
    expect(outcome(routes, '/s/a//b')).toBe('path_invalid emptySegment')
    expect(outcome(routes, '/m/a%2fb')).toBe('path_invalid encodedSlash')
    expect(outcome(routes, '/none/a;b')).toBe('path_invalid semicolon')
    expect(outcome(routes, '/unknown/a;b')).toBe('path_invalid semicolon')
    expect(outcome(routes, '/e/a/%2fb')).toBe('path_invalid emptySegment')
  })

  test('an oddity counts on the whole route, its literals included', () => {
    const routes = matcher('* /a/b/** encodedSlash,semicolon,emptySegment')
    for (const path of ['/a;x/b/c', '/a/b;x/c', '/a//b/c', '/a/b;', '/a%3bx//b;y/c'])
      expect(outcome(routes, path)).toBe('/a/b/**')
    expect(outcome(matcher('* /login semicolon'), '/login;jsessionid=1')).toBe('/login')
    expect(outcome(matcher('* / semicolon'), '/;jsessionid=1')).toBe('/')
    expect(outcome(matcher('* /orders/:id/items semicolon'), '/orders/7/items;v=1')).toBe('/orders/:id/items')
    expect(outcome(matcher('* /api/:id emptySegment'), '/api//7')).toBe('/api/:id')
  })

  test('a path that loses an oddity belongs to no other route for a reader that keeps it', () => {
    expect(outcome(matcher('* /login semicolon', '* /**'), '/login;x')).toBe(AMBIGUOUS)
    expect(outcome(matcher('* /login', '* /** semicolon'), '/login;x')).toBe(AMBIGUOUS)
    expect(outcome(matcher('* /login', '* /x semicolon'), '/login;x')).toBe('path_invalid semicolon')
    expect(outcome(matcher('* /login semicolon', '* /:page semicolon'), '/login;x')).toBe(AMBIGUOUS)
  })

  test('parameters are read from the path as it was matched', () => {
    const routes = [route('* /a/:x/b/:y semicolon,emptySegment,encodedUnreserved')]
    const compiled = compileMatcher(routes)
    const [only = route('* /')] = routes
    expect(Object.fromEntries(compiled.params(only, '/a//1/b/%7E2'))).toEqual({ x: '1', y: '~2' })
    expect(Object.fromEntries(compiled.params(only, '/a/1/b/2;v'))).toEqual({ x: '1', y: '2;v' })
  })

  test('an encoded separator or a first empty segment stands for none', () => {
    const routes = matcher('* /a/b/** encodedSlash,semicolon,emptySegment')
    for (const path of ['/a%2fb/c', '/;/a/b', '/a/b%2fc', '//a/b'])
      expect(outcome(routes, path)).toMatch(/^path_invalid/)
    expect(outcome(matcher('* /** emptySegment'), '//evil.example/a')).toBe('path_invalid emptySegment')
  })

  test('a relaxed route allows no dot segment, backslash or nested separator', () => {
    const routes = matcher('* /a/** encodedSlash,semicolon,emptySegment')
    for (const path of [
      '/a/..;/b',
      '/a/x%2f..%2fb',
      '/a/x%2f%2e%2e',
      '/a/%5c',
      '/a/x%252f..',
      '/a/b%252fc',
      '/a/.;x',
      '/a//..',
    ])
      expect(outcome(routes, path)).toMatch(/^path_invalid (?:dot_segment|forbidden_character|encoding_nested)$/)
  })
})

describe('the lax readers’ rule', () => {
  const gated = matcher('* /** encodedSlash,semicolon,emptySegment', '* /admin/**', '* /reports/:id', '* /reports')

  test.each([
    '/ADMIN',
    '/Admin/x',
    '/%2561dmin/x',
    '/%252561dmin/x',
    '/%2541DMIN',
    '/%EF%BD%81dmin',
    '/admin%2fx',
    '/admin%2Fx',
    '/admin;x/y',
    '/admin%3bx/y',
    '/admin%3F/x',
    '/admin%23',
    '/;/admin',
    '/;//admin',
  ])('with /admin/** behind a gate, %s does not pass as part of /**', path => {
    expect(outcome(gated, path)).toMatch(/^path_invalid (?:ambiguous_route|emptySegment)$/)
  })

  test.each(['/orders/ABC', '/x%20y', '/a//b', '/a;v=1/b', '/administrator', '/admins/X', '/a%2fadmin', '/x/ADMIN'])(
    '%s is one route’s to every reader and passes',
    path => expect(outcome(gated, path)).toBe('/**'),
  )

  test('a parameter may hold what would cut it, as long as every reader stays on the route', () => {
    expect(outcome(gated, '/reports/Q1%3Fdraft')).toBe('/reports/:id')
    expect(outcome(gated, '/reports/%3Fdraft')).toBe(AMBIGUOUS)
    expect(outcome(gated, '/reports/ABC')).toBe('/reports/:id')
  })

  test('a last slash that servers ignore does not open a gate', () => {
    expect(outcome(gated, '/reports/')).toBe(AMBIGUOUS)
    expect(outcome(gated, '/reports/7/')).toBe(AMBIGUOUS)
    expect(outcome(gated, '/admin/')).toBe('/admin/**')
  })

  test('a relaxed path is held to it too', () => {
    const files = matcher('* /files/** encodedSlash,semicolon,emptySegment', '* /files/a/secret')
    for (const path of [
      '/files/a%2fsecret',
      '/files/a//secret',
      '/files/a;x/secret',
      '/files//a/secret',
      '/files/;/a/secret',
    ])
      expect(outcome(files, path)).toBe(AMBIGUOUS)
    expect(outcome(files, '/files/a%2fpublic')).toBe('/files/**')
  })

  test('gates written in capitals or with encoded letters hold for those who fold and decode', () => {
    const routes = matcher('* /**', '* /Admin/**', '* /caf%C3%A9/**', '* /%40root')
    for (const path of ['/admin/x', '/ADMIN', '/caf%c3%a9/x', '/CAF%C3%89', '/@root', '/@ROOT'])
      expect(outcome(routes, path)).toBe(AMBIGUOUS)
    expect(outcome(routes, '/Admin/x')).toBe('/Admin/**')
    expect(outcome(routes, '/caf%C3%A9')).toBe('/caf%C3%A9/**')
    expect(outcome(routes, '/other')).toBe('/**')
  })

  test('it asks for the same method', () => {
    const routes = matcher('GET /**', 'POST /admin')
    expect(outcome(routes, '/ADMIN', 'GET')).toBe('/**')
    expect(outcome(matcher('* /**', 'POST /admin'), '/ADMIN', 'POST')).toBe(AMBIGUOUS)
  })

  test('a reading that no route covers is refused: what is not listed is closed', () => {
    const routes = matcher('* /api/:version/health', '* /pkg/:name encodedSlash', '* /api/:version/meta semicolon')
    expect(outcome(routes, '/api/secrets%3f/health')).toBe(AMBIGUOUS)
    expect(outcome(routes, '/api/secrets%3f;x/meta')).toBe(AMBIGUOUS)
    expect(outcome(routes, '/api/V1/health')).toBe('/api/:version/health')
  })

  test('a relaxed route needs no second route for the oddity it allows', () => {
    const routes = matcher('* /pkg/:name encodedSlash', '* /api/:version/meta semicolon')
    expect(outcome(routes, '/pkg/@scope%2fname')).toBe('/pkg/:name')
    expect(outcome(routes, '/api/v1;beta/meta')).toBe('/api/:version/meta')
  })

  test('the evidence names the two routes and nothing of the request', () => {
    try {
      gated.resolve('GET', '/ADMIN/marker', undefined)
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({
        evidence: { reason: 'ambiguous_route', matched: '/**', read_as: '/admin/**' },
      })
    }
  })
})

describe('cost', () => {
  /** @returns how often a segment or a method is looked up in a Map, which every visit of a node does */
  function lookups(run: () => void): number {
    const get = Map.prototype.get
    let count = 0
    Map.prototype.get = function (this: Map<unknown, unknown>, key: unknown) {
      count++
      return get.call(this, key)
    }
    try {
      run()
    } finally {
      Map.prototype.get = get
    }
    return count
  }

  test('routes beside the path cost nothing', () => {
    const lines = ['* /**', 'GET /svc7/:id/items/:item', 'GET /:any/x/**']
    const few = matcher(...lines)
    const many = matcher(...lines, ...Array.from({ length: 10_000 }, (_, n) => `GET /other${n}/:id/items/:item`))
    for (const path of ['/svc7/1/items/2', '/svc7/1/items', '/nowhere/x', '/other/1/items/2'])
      expect(lookups(() => many.match('GET', path))).toBe(lookups(() => few.match('GET', path)))
  })

  test('backtracking visits no node twice, though every segment could go two ways', () => {
    const depth = 10
    const shapes = Array.from({ length: 2 ** depth }, (_, bits) =>
      Array.from({ length: depth }, (_, level) => ((bits >> level) & 1 ? 'a' : `:p${level}`)).join('/'),
    )
    const all = matcher(...shapes.map(shape => `PUT /${shape}`))
    const nodes = 2 ** (depth + 1)
    // This is the worst case: every leaf is reached, and none has the method.
    expect(lookups(() => all.match('GET', '/a'.repeat(depth)))).toBeLessThanOrEqual(3 * nodes)

    const chain = matcher(...Array.from({ length: 40 }, (_, n) => `PUT ${'/a'.repeat(n)}/:x${'/a'.repeat(40 - n)}`))
    expect(lookups(() => chain.match('GET', '/a'.repeat(41)))).toBeLessThanOrEqual(3 * 41 * 41)
  })

  test('a path of thousands of segments costs no more than the longest pattern', () => {
    const routes = matcher('* /:a/:b/**', '* /a/a/a', '* /**')
    const long = '/a'.repeat(8000)
    expect(lookups(() => routes.match('GET', long))).toBeLessThan(16)
  })
})

describe('an unreserved character that is encoded', () => {
  const routes = matcher('* /~alice/** encodedUnreserved', '* /plain/**', '* /**')

  test('is found as what it means, where its route allows it', () => {
    expect(outcome(routes, '/%7Ealice/x')).toBe('/~alice/**')
    expect(outcome(routes, '/%7e%61lice/%2D')).toBe('/~alice/**')
    expect(routes.resolve('GET', '/%7Ealice/%41?%41', undefined)).toMatchObject({
      path: '/%7Ealice/%41',
      query: '?%41',
    })
  })

  test('is refused where its route does not', () => {
    expect(outcome(routes, '/pl%61in/x')).toBe('path_invalid encoded_unreserved')
    expect(outcome(routes, '/%78')).toBe('path_invalid encoded_unreserved')
    expect(outcome(matcher('* /**'), '/%61')).toBe('path_invalid encoded_unreserved')
  })

  test.each(['/~alice/%2e%2e/plain', '/~alice/.%2E', '/~alice/%2e/', '/~alice/%252e%252e/x', '/~alice/%25%32e./x'])(
    '%s stays refused as a dot segment',
    path => expect(outcome(routes, path)).toMatch(/path_invalid (dot_segment|encoding_nested)/),
  )
})

describe('a parameter that ends in a word', () => {
  const routes = matcher('* /m/:n', '* /m/:n:run', '* /m/a:run', '* /m/:n.json', '* /m/:n:run/x', '* /m/**')

  test.each([
    ['/m/b:run', '/m/:n:run'],
    ['/m/b:c:run', '/m/:n:run'],
    ['/m/b.c:run', '/m/:n:run'],
    ['/m/a:run', '/m/a:run'],
    ['/m/b:run:c', '/m/:n'],
    ['/m/:run', '/m/:n'],
    ['/m/b.json', '/m/:n.json'],
    ['/m/b.c.json', '/m/:n.json'],
    ['/m/.json', '/m/:n'],
    ['/m/b:run/x', '/m/:n:run/x'],
    ['/m/b/x', '/m/**'],
    ['/m/b%3Arun', AMBIGUOUS],
    ['/m/b:RUN', AMBIGUOUS],
    ['/m/b%EF%BC%9Arun', AMBIGUOUS],
    ['/m/b:%72un', 'path_invalid encoded_unreserved'],
  ])('%s: %s', (path, owner) => expect(outcome(routes, path)).toBe(owner))

  test('is not told from what only compatibility makes of another segment', () => {
    const gated = matcher('* /:n:run/** encodedSlash', '* /**')
    expect(outcome(gated, '/a%EF%BC%9Arun%2f:run/x')).toBe(AMBIGUOUS)
    expect(outcome(gated, '/a:run%2fb:run/x')).toBe('/:n:run/**')
  })

  test.each([';x', '%3Bx', '%3b', '%3Fx', '%3f', '%23x', '%3Fx%3By'])(
    'may be what a server sees that cuts at %s and has decoded nothing else',
    cut => {
      const gated = matcher('* /:n:run', '* /** encodedSlash,semicolon')
      expect(outcome(gated, `/a%2Fb:run${cut}`)).toBe(AMBIGUOUS)
      expect(outcome(gated, `/a%2Fb:walk${cut}`)).toBe('/**')
    },
  )

  test('gives what comes before it', () => {
    const [run = route('* /')] = [route('* /m/:n:run')]
    expect(Object.fromEntries(compileMatcher([run]).params(run, '/m/a%20b:c:run'))).toEqual({ n: 'a b:c' })
  })
})

describe('case that is ignored', () => {
  const routes = compileMatcher(['* /Admin/:id', '* /caf%C3%A9', '* /**'].map(route), { letterCase: 'ignored' })

  test.each([
    ['/admin/X', '/Admin/:id'],
    ['/ADMIN/x', '/Admin/:id'],
    ['/CAF%c3%a9', '/caf%C3%A9'],
    ['/Other', '/**'],
  ])('%s belongs to %s', (path, owner) => {
    expect(outcome(routes, path)).toBe(owner)
    expect(routes.resolve('GET', path, undefined).path).toBe(path)
  })

  test('is that of ASCII: what meets only in another way is ambiguous', () => {
    expect(outcome(routes, '/CAF%C3%89')).toBe(AMBIGUOUS)
    expect(outcome(routes, '/adm%C4%B1n/x')).toBe(AMBIGUOUS)
    expect(outcome(routes, '/%2561dmin/x')).toBe(AMBIGUOUS)
  })
})

describe('a reading that only the laxest server has a route for', () => {
  test('is ambiguous: another server has none', () => {
    const routes = compileMatcher([
      { path: '/:x/', methods: undefined, asks: 'a' },
      { path: '/b', methods: undefined, asks: 'a' },
    ])
    expect(outcome(routes, '/B%23f/')).toBe(AMBIGUOUS)
    expect(outcome(routes, '/b%23f/')).toBe('/:x/')
  })
})

describe('readings that ask the same', () => {
  const asking = (asks: string, line: string): Matchable => ({ ...route(line), asks })

  test('are not ambiguous', () => {
    const routes = compileMatcher([asking('a', '* /orders/:id'), asking('a', '* /orders/**'), asking('b', '* /**')])
    expect(outcome(routes, '/orders/7/')).toBe('/orders/**')
    expect(outcome(routes, '/ORDERS/7')).toBe(AMBIGUOUS)
    expect(outcome(compileMatcher([asking('a', '* /login semicolon'), asking('a', '* /**')]), '/login;x')).toBe(
      '/login',
    )
  })

  test('are ambiguous where a server that is neither strict nor lax reads what asks otherwise', () => {
    const routes = compileMatcher([asking('a', '* /**'), asking('b', '* /:x/admin'), asking('a', '* /%40x/admin')])
    expect(outcome(routes, '/@x/ADMIN')).toBe(AMBIGUOUS)
  })
})
