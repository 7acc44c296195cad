/**
 * What the guard judges is what Fastify routes: on odd targets by the router of a real application, and by refusing
 * the options under which it would not be so.
 */
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import sallyport, { decide, loadPolicy, type Policy } from '../../src/library/index.ts'
import { type GuardedApp, startGuardedApp } from '../support/gateway/guarded-app.ts'

/**
 * Each route of the policy, and the route of the application that it stands for. All ask the same, so that no request
 * is refused only to keep two of them apart.
 */
const ROUTES: ReadonlyArray<readonly [id: string, path: string, pathOfApp: string, pathAllow?: readonly string[]]> = [
  ['home', '/', '/'],
  ['order', '/orders/:id', '/orders/:id'],
  ['special', '/orders/special', '/orders/special'],
  ['line', '/orders/:id/lines/:line', '/orders/:id/lines/:line'],
  ['admin', '/admin/**', '/admin/*'],
  ['docs', '/docs/', '/docs/'],
  ['mixed', '/Mixed/Case', '/Mixed/Case'],
  ['packages', '/packages/:name', '/packages/:name', ['encodedSlash']],
  ['files', '/files/**', '/files/*', ['encodedSlash', 'semicolon', 'emptySegment', 'encodedUnreserved']],
  ['private', '/files/private', '/files/private'],
]

const CONFIG = {
  routes: ROUTES.map(([id, path, , pathAllow]) => ({
    id,
    path,
    access: 'public',
    ...(pathAllow !== undefined && { pathAllow }),
  })),
}

const TARGETS: readonly string[] = [
  ...['/', '/?', '//', '/.', '/..', '/%2e', '/%2F', '/%', '/%zz', '/%00', '/;', '/?/admin/x', '/#', '*', 'x', '?'],
  ...['/orders/1', '/orders/special', '/orders/special/', '/orders/SPECIAL', '/orders/%73pecial', '/orders/speci%61l'],
  ...['/orders/special?', '/orders/special;x', '/orders/special%3bx', '/orders/special%3f', '/orders/special%23x'],
  ...['/orders/1%2flines%2f2', '/orders/1/lines/2', '/orders//lines/2', '/orders/1/lines/', '/orders/1;a=b/lines/2'],
  ...['/orders/', '/orders', '/orders/%20', '/orders/a%20b', '/orders/a+b', '/orders/%2b', '/orders/%2573pecial'],
  ...['/orders/1/', '/orders//1', '//orders/1', '/orders/./1', '/orders/../admin/x', '/orders/..%2fadmin%2fx'],
  ...['/orders/caf%C3%A9', '/orders/caf%c3%a9', '/orders/%c0%af', '/orders/%ff', '/orders/\xe9', '/orders/%E2%80%AE'],
  ...['/ORDERS/1', '/Orders/1', '/orders%2f1', '/order%73/1', '/orders\\1', '/orders/1%5c', '/orders/1%0d%0a'],
  ...['/admin', '/admin/', '/admin/x', '/admin/x/', '/ADMIN/x', '/%61dmin/x', '/admin%2fx', '/admin;/x', '/admin//x'],
  ...['/docs', '/docs/', '/docs//', '/docs/?', '/docs%2f', '/DOCS/', '/mixed/case', '/Mixed/Case', '/MIXED/CASE'],
  ...[
    '/packages/@a%2fb',
    '/packages/@a%2Fb',
    '/packages/@a/b',
    '/packages/%40a',
    '/packages/a%252fb',
    '/packages/a%2f',
  ],
  ...['/files/a', '/files//a', '/files/a//b', '/files/a%2fb', '/files/a;b=c', '/files/a;b/c', '/files/%61', '/files'],
  ...[
    '/files/private',
    '/files//private',
    '/files/privat%65',
    '/files/private;x',
    '/files;x/private',
    '/files/private/',
  ],
  ...[
    '/files/%2fprivate',
    '/files%2fprivate',
    '/f%69les/private',
    '/files/a/../private',
    '/files/PRIVATE',
    '//files/a',
  ],
  ...[
    '/files/a%3fb',
    '/files/a%23b',
    '/files/private%3f',
    '/files/private%23',
    '/files/a?b=/files/private',
    '/files/?a',
  ],
  ...[
    'http://app.example/orders/1',
    'http://app.example/admin/x',
    'HTTP://APP.EXAMPLE/orders/special',
    'http://app.example',
  ],
  ...['http://evil.example/orders/1', 'http://app.example:80/docs/', 'https://app.example/orders/1', 'http:/orders/1'],
  ...[
    'http://a@app.example/orders/1',
    'app.example:80',
    'http://app.example//admin/x',
    'http://app.example/orders/%zz',
  ],
  `/orders/${'x'.repeat(150)}`,
  `/orders/${'%20'.repeat(60)}`,
]

const PROTOCOLS = [
  ['HTTP/1.1', {}],
  ['HTTP/2', { http2: true }],
] as const

describe.each(PROTOCOLS)('over %s', (protocol, fastify) => {
  let guarded: GuardedApp
  let policy: Policy
  const formatted: string[] = []
  beforeAll(async () => {
    policy = await loadPolicy(CONFIG)
    guarded = await startGuardedApp({
      config: CONFIG,
      fastify: {
        ...fastify,
        frameworkErrors(
          error: Error & { code: string },
          request: { url: string },
          reply: { send(body: unknown): void },
        ) {
          formatted.push(request.url)
          reply.send({ by: error.code })
        },
      },
      routes(app) {
        for (const [id, , path] of ROUTES) app.get(path, async () => ({ by: id }))
        app.setNotFoundHandler(async () => ({ by: 'nobody' }))
      },
    })
  })
  afterAll(() => Promise.all([guarded.close(), policy.close()]))

  test.for(TARGETS)('%j is routed as it was judged, or refused', async target => {
    const reply = await guarded.exchange(`GET ${target} HTTP/1.1\r\nHost: app.example\r\n\r\n`)
    const httpVersion = protocol === 'HTTP/2' ? '2' : '1.1'
    const decision = await decide({ target, httpVersion, headers: { Host: 'app.example' } }, policy)
    // Node's parsers answer some of these by themselves, without a body of ours.
    const body = reply?.body === '' || reply === undefined ? {} : (JSON.parse(reply.body) as Record<string, unknown>)
    if (decision.kind === 'refused') {
      expect(body.by).toBeUndefined()
      expect(reply?.status).toBeOneOf([decision.status, 400])
      if (body.code !== undefined) expect(body.code).toBeOneOf([decision.code, 'request_malformed'])
    } else {
      const judged = decision.kind === 'allowed' ? decision.route : undefined
      expect(body.by).toBeOneOf([judged, 'nobody', 'FST_ERR_MAX_PARAM_LENGTH', 'FST_ERR_BAD_URL'])
    }
  })

  test('of these, many are routed and many are refused', async () => {
    const decisions = await Promise.all(
      TARGETS.map(target => decide({ target, headers: { Host: 'app.example' } }, policy)),
    )
    const routed = decisions.filter(({ kind }) => kind === 'allowed').length
    expect([routed > 25, TARGETS.length - routed > 40]).toEqual([true, true])
  })

  test('what Fastify’s router answers by itself is judged before the application puts it into words', () => {
    expect(formatted).toContain(`/orders/${'x'.repeat(150)}`)
    expect(formatted.filter(url => url.includes('%zz') || url.includes('%ff'))).toEqual([])
  })
})

describe('an application is refused', () => {
  const open: FastifyInstance[] = []
  afterAll(() => Promise.all(open.map(app => app.close())))

  async function registering(
    options: FastifyServerOptions,
    prepare?: (app: FastifyInstance) => unknown,
  ): Promise<string> {
    const app = Fastify(options)
    open.push(app)
    try {
      await prepare?.(app)
      await app.register(sallyport, { config: CONFIG })
      return 'registered'
    } catch (error) {
      return error instanceof Error ? error.message : String(error)
    }
  }

  const noop = (): void => {}
  test.for([
    ['rewriteUrl', { rewriteUrl: () => '/' }],
    ['caseSensitive', { caseSensitive: false }],
    ['caseSensitive', { routerOptions: { caseSensitive: false } }],
    ['ignoreTrailingSlash', { ignoreTrailingSlash: true }],
    ['ignoreTrailingSlash', { routerOptions: { ignoreTrailingSlash: true } }],
    ['ignoreDuplicateSlashes', { ignoreDuplicateSlashes: true }],
    ['ignoreDuplicateSlashes', { routerOptions: { ignoreDuplicateSlashes: true } }],
    ['useSemicolonDelimiter', { useSemicolonDelimiter: true }],
    ['useSemicolonDelimiter', { routerOptions: { useSemicolonDelimiter: true } }],
    ['defaultRoute', { routerOptions: { defaultRoute: noop } }],
    ['onBadUrl', { routerOptions: { onBadUrl: noop } }],
    ['onMaxParamLength', { routerOptions: { onMaxParamLength: noop } }],
    ['insecureHTTPParser', { http: { insecureHTTPParser: true } }],
  ] as ReadonlyArray<readonly [string, FastifyServerOptions]>)('with %s %j', async ([name, options]) => {
    expect(await registering(options)).toMatch(new RegExp(`^sallyport: leave out .*\`${name}\``))
  })

  test.for([
    { routerOptions: { maxParamLength: 10, allowUnsafeRegex: true, caseSensitive: true, compile: true } },
    { exposeHeadRoutes: false, bodyLimit: 10, trustProxy: true, ignoreTrailingSlash: false },
    { routerOptions: { querystringParser: (text: string) => ({ text }) } },
  ] as readonly FastifyServerOptions[])('but not with %j', async options => {
    expect(await registering(options)).toBe('registered')
  })

  test('that has routes already, wherever they are', async () => {
    expect(await registering({}, app => app.get('/early', async () => ''))).toMatch(/there are routes already.*before/)
    const inside = registering({}, app =>
      app.register(async sub => void sub.get('/x', async () => ''), { prefix: '/y' }),
    )
    expect(await inside).toMatch(/there are routes already/)
  })

  test('that has a guard', async () => {
    expect(await registering({}, app => app.register(sallyport, { config: CONFIG }))).toMatch(/registered already/)
  })

  test.for(['/inner', undefined])('inside a plugin with prefix %s', async prefix => {
    const app = Fastify()
    open.push(app)
    const inner = app.register(
      async sub => {
        await sub.register(sallyport, { config: CONFIG })
      },
      prefix === undefined ? {} : { prefix },
    )
    await expect(inner).rejects.toThrow(/inside another plugin.*register it on the application itself/)
  })
})

describe('the guard stands before', () => {
  test('routes of plugins with a prefix, and their handlers for what is not found', async () => {
    const guarded = await startGuardedApp({
      config: { providers: {}, routes: [{ id: 'open', path: '/open/**', access: 'public' }] },
      routes: app =>
        void app.register(
          async sub => {
            sub.get('/a', async () => 'reached')
            sub.setNotFoundHandler(async () => 'reached')
          },
          { prefix: '/inner' },
        ),
    })
    try {
      for (const path of ['/inner/a', '/inner/nothing', '/inner', '/nothing']) {
        const reply = await guarded.exchange(`GET ${path} HTTP/1.1\r\nHost: app.example\r\n\r\n`)
        expect([path, reply?.status, reply?.body]).toEqual([path, 404, expect.stringContaining('route_unknown')])
      }
    } finally {
      await guarded.close()
    }
  })
})
