/**
 * Policy and service have one path: whatever the spelling, what reaches the service is what was judged, byte for byte,
 * and no server behind us can read it as a path that the caller's token does not allow.
 */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { naiveRoute, STEPS, serverOf } from '../route/lax-servers.ts'
import { get, PROTOCOLS, type RawStack, ROUTES, request, type Stack, startRawStack } from '../support/raw.ts'

const PATHS: readonly string[] = [
  ...['/public/.', '/public/..', '/public/./x', '/public/../admin/x', '/public/x/..', '/public/../../admin'],
  ...['/public/%2e', '/public/%2E%2e/admin', '/public/.%2e/admin', '/public/%2e./admin', '/public/..%2fadmin'],
  ...['/public/%252e%252e/admin', '/public/%25252e%25252e/admin', '/public/..%252fadmin', '/public/%c0%ae%c0%ae/admin'],
  ...[
    '//admin/x',
    '/public//x',
    '/public//../admin',
    '//',
    '/public/%2f/x',
    '/public/%2Fx',
    '/public%2fx',
    '/public/%252fx',
  ],
  ...['/public\\..\\admin', '/public/\\admin', '/public/%5c..%5cadmin', '/public/%5Cx', '\\public\\x'],
  ...[
    '/public/%00',
    '/public/x%00.json',
    '/public/%0d%0aX-Auth-Subject:%20root',
    '/public/%09',
    '/public/%7f',
    '/public/%1b',
  ],
  ...['/public;x=1/y', '/public/..;/admin', '/public/..;x=1/admin', '/public/%3bx', '/public/x;', '/;/admin/x'],
  ...['/public/%', '/public/%z', '/public/%zz', '/public/%2', '/public/%u002e', '/public/%ff', '/public/%c0%af'],
  ...[
    '/public/x#frag',
    '/public/#/../admin',
    '/public#',
    '/public/\xe9',
    '/public/\xc3\xa9',
    '/public/x?q=\xe9',
    '/public/x?q=#',
  ],
  ...['/public/%61', '/publi%63/x', '/%61dmin/x', '/public/%2d', '/public/%7e', '/public/%5f', '/%70ublic/x'],
  ...['*', 'public/x', 'app.example:80', '?x', '', 'http:', 'http://', 'http:/app.example/public/x'],
  ...['http://evil.example/public/x', 'http://app.example@evil.example/public/x', 'http://app.example:81/public/x'],
  ...[
    'ftp://app.example/public/x',
    'http://app.example',
    'http://app.example?x',
    'javascript:alert(1)',
    'file:///etc/passwd',
  ],
]

describe.each(PROTOCOLS)('over $name', ({ startStack }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack()
  })
  afterAll(() => stack.close())

  const auth = (): string => `Authorization: Bearer ${stack.token}`

  describe('refused before matching', () => {
    test.for(PATHS)('%j', async path => {
      // It happens on a public route and with a good token: the path is refused, not the caller.
      const reply = await stack.forwarded(async () => {
        const answer = await stack.exchange(get(path, [auth()]))
        const { code } = JSON.parse(answer?.body ?? '{}')
        // A target that Node's parser cannot take at all never becomes a path.
        expect([`${answer?.status} ${code}`, path]).toEqual([
          expect.stringMatching(/^400 (?:path_invalid|request_malformed)$/),
          path,
        ])
        await stack.control()
      })
      expect(reply).toMatch(/^GET \/private\/control-\d+ HTTP\/1\.1\r\n/)
      expect(reply.split('\r\n\r\n')).toHaveLength(2)
    })

    test('the target is not echoed', async () => {
      const reply = await stack.refuses(get('/public/%zz<script>marker', [auth()]), 'path_invalid')
      expect(`${reply.head}${reply.body}`).not.toContain('marker')
    })
  })

  describe('another reading of an allowed path', () => {
    test.for(['/ADMIN/x', '/Admin/x', '/PUBLIC/x', '/public/%2561dmin'])(
      '%s gives no more than its own route',
      async path => {
        const reached = await stack.forwarded(() => stack.exchange(get(path, [auth()])))
        expect(reached.toLowerCase()).not.toContain('get /admin')
      },
    )
  })
})

describe('over HTTP/1.1', () => {
  let stack: RawStack
  beforeAll(async () => {
    stack = await startRawStack()
  })
  afterAll(() => stack.close())

  const auth = (): string => `Authorization: Bearer ${stack.token}`

  describe('forms of a target that only HTTP/1.1 has', () => {
    test('OPTIONS * is refused', async () => {
      await stack.refuses(request('OPTIONS * HTTP/1.1', [auth()]), 'path_invalid')
    })

    test('an absolute-form target is judged and forwarded by its path', async () => {
      const target = 'http://app.example/private/x?y=1'
      const reached = await stack.forwarded(() => stack.exchange(get(target, [auth()])))
      expect(reached).toMatch(/^GET \/private\/x\?y=1 HTTP\/1\.1\r\n/)
      await stack.refuses(get('http://app.example/admin/x', [auth()]), 'scope_missing')
      await stack.refuses(get('http://app.example/public/../admin/x', [auth()]), 'path_invalid')
    })
  })

  describe('any target whatever', () => {
    /** The steps are tried in every order that matters: alone, in pairs, and decoding twice. */
    const names = Object.keys(STEPS)
    const SERVERS = [
      [],
      ...names.map(name => [name]),
      ...names.flatMap(first => names.map(second => [first, second])),
      ['decode', 'decode', 'resolveDots'],
      ['decode', 'cutParameters', 'resolveDots', 'lowerCase'],
      ['decode', 'backslashIsSlash', 'collapseSlashes', 'resolveDots', 'lowerCase'],
    ].map(serverOf)
    const routes = ROUTES.map(({ path, id, access, require, methods }) => ({
      id: id as string,
      path: path as string,
      methods: methods === undefined ? undefined : new Set(methods as string[]),
      isOpen: access === 'public' || access === 'optional' || require === undefined,
    }))

    const piece = fc.constantFrom(
      ...['public', 'private', 'admin', 'ADMIN', 'orders', 'x', '%61dmin', '%2561dmin', 'optional'],
      ...[
        '/',
        '//',
        '/../',
        '/./',
        '%2f',
        '%252f',
        '\\',
        '%5c',
        ';',
        '..;',
        ';a=b',
        '..',
        '.',
        '%2e',
        '%252e',
        '%c0%ae',
      ],
      ...['?', '%3f', '#', '%23', '%00', '%', 'é', '@', ':', '&', '=', '+', '~', '_', '%E2%84%AA', '%C5%BF'],
    )
    const target = fc
      .tuple(
        fc.constantFrom(
          '/',
          '/public/',
          '/private/',
          '/optional/',
          '/public',
          '/orders/',
          'http://app.example/public/',
          '//',
        ),
        fc.array(piece, { maxLength: 7 }),
      )
      .map(([start, pieces]) => start + pieces.join(''))

    test('gives the service only paths that every server reads as allowed', async () => {
      let connection = stack.connect()
      let passed = 0
      await fc.assert(
        fc.asyncProperty(target, async text => {
          const bytes = Buffer.from(text, 'utf8').toString('latin1')
          const before = stack.upstream.seen.length
          connection.write(get(bytes, [auth()]))
          const reply = await connection.reply()
          if (reply === undefined) throw new Error('no answer')
          if (reply.headers.get('connection') === 'close') connection = stack.connect()
          expect([200, 400, 403, 404]).toContain(reply.status)
          const seen = stack.upstream.seen.slice(before)
          expect(seen).toHaveLength(reply.status === 200 ? 1 : 0)
          for (const { url } of seen) {
            passed++
            expect(bytes === url || bytes === `http://app.example${url}`).toBe(true)
            const path = url.split('?')[0] ?? ''
            for (const read of SERVERS) {
              const route = naiveRoute(routes, 'GET', read(path), server => read(server))
              expect([path, read(path), route?.isOpen ?? true]).toEqual([path, read(path), true])
            }
          }
        }),
        { numRuns: 600 },
      )
      connection.end()
      // Otherwise this would hold of a gateway that refuses everything.
      expect(passed).toBeGreaterThan(40)
      await stack.control()
    })
  })
})
