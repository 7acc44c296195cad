/** Identity cannot be forged, removed or split, and what concerns one hop only ends here. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { get, PROTOCOLS, type RawStack, request, type Stack, startRawStack } from '../support/raw.ts'
import { fieldsOf } from '../support/wire.ts'

const identity = {
  headers: {
    'X-Auth-Subject': 'sub',
    'X-Auth-Tenant': 'tenant',
    'X-Auth-Groups': { claim: 'groups', join: ',' },
    'X-Auth-Data': 'data',
  },
  reserved: ['X-Internal-*', 'X-Admin'],
}

/** @returns the fields that reached the service, in order */
async function fieldsAt(stack: Stack, bytes: string): Promise<ReadonlyArray<readonly [string, string]>> {
  const reached = await stack.forwarded(async () => {
    const reply = await stack.exchange(bytes)
    expect(reply?.status).toBe(200)
  })
  return fieldsOf(reached)
}

/** CGI, WSGI, Rack and PHP see a name so. */
const folded = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '-')

const ALIASES: readonly string[] = [
  ...['X-Auth-Subject', 'x-auth-subject', 'X-AUTH-SUBJECT', 'X_Auth_Subject', 'x_auth_subject', 'X.Auth.Subject'],
  ...['X-Auth_Subject', 'x~auth~subject', "X'Auth'Subject", 'X!Auth!Subject', 'X*Auth*Subject', 'X|Auth|Subject'],
  ...['X+Auth+Subject', 'X^Auth^Subject', 'X`Auth`Subject', 'X#Auth#Subject', 'X$Auth$Subject', 'X%Auth%Subject'],
  ...[
    'X&Auth&Subject',
    'X_Auth-Tenant',
    'X.Auth_Data',
    'X-Internal-Anything',
    'x_internal_anything',
    'X.Admin',
    'X_ADMIN',
  ],
]

const LINES = [
  ...[
    'Keep-Alive: timeout=5',
    'TE: trailers',
    'Trailer: X-A',
    'Proxy-Authorization: Basic x',
    'Proxy-Connection: close',
  ],
  ...[
    'Proxy: http://evil',
    'Proxy_Authorization: x',
    'Proxy-Foo: x',
    'Upgrade: foo/1',
    'Keep_Alive: 1',
    'T.E: trailers',
  ],
  ...['X-Original-URL: /admin', 'X-Rewrite-URL: /admin', 'X_Original_URL: /admin', 'X-HTTP-Method-Override: DELETE'],
  ...['X-HTTP-Method: DELETE', 'X-Method-Override: DELETE', 'X_HTTP_Method_Override: DELETE', 'X.Method.Override: PUT'],
  ...['X-Forwarded-Uri: /admin', 'X-Forwarded-Prefix: /admin', 'X-Forwarded-Port: 1', 'X-Forwarded-User: root'],
  ...['X_Forwarded_User: root', 'X.Forwarded.For: 6.6.6.6', 'X_Real_IP: 6.6.6.6', 'X-Forwarded-Method: DELETE'],
].filter(line => !line.startsWith('T.E'))

/** The fields of a connection make a request of HTTP/2 malformed. */
const ONLY_HTTP1 = /^(?:Keep-Alive|TE|Proxy-Connection|Upgrade):/
const VERSIONS = PROTOCOLS.map(protocol => ({
  ...protocol,
  scheme: protocol.name === 'HTTP/2' ? 'https' : 'http',
  isSendable: (line: string) => protocol.name === 'HTTP/1.1' || !ONLY_HTTP1.test(line),
}))

describe.each(VERSIONS)('over $name', ({ startStack, scheme, isSendable }) => {
  let stack: Stack
  beforeAll(async () => {
    stack = await startStack(() => ({ identity }))
  })
  afterAll(() => stack.close())

  const auth = (): string => `Authorization: Bearer ${stack.token}`
  const fields = (bytes: string) => fieldsAt(stack, bytes)

  describe('forged identity', () => {
    test.for(ALIASES)('%s is stripped on every kind of route', async name => {
      for (const [path, line] of [
        ['/private/x', auth()],
        ['/public/x', 'X-A: b'],
        ['/optional/x', 'X-A: b'],
      ] as const) {
        const reached = await fields(get(path, [`${name}: mallory`, line, `${name}: eve`]))
        const mine = reached.filter(([reachedName]) => folded(reachedName) === folded(name))
        const expected = path === '/private/x' && folded(name) === 'x-auth-subject' ? [['x-auth-subject', 'alice']] : []
        expect(mine).toEqual(expected)
        expect(reached.flat().join(' ')).not.toMatch(/mallory|eve\b/)
      }
    })

    test('a public request carries no identity, even with a good token', async () => {
      const reached = await fields(get('/public/x', [auth(), 'X-Auth-Subject: mallory']))
      expect(reached.filter(([name]) => name.startsWith('x-auth'))).toEqual([])
    })
  })

  describe('what ends at this hop', () => {
    test.for(LINES.filter(line => isSendable(line)))('%s', async line => {
      const [name = ''] = line.split(':')
      const value = line.slice(name.length + 2)
      const reached = await fields(get('/public/x', [line]))
      expect(
        reached.find(([reachedName, reachedValue]) => reachedName === name.toLowerCase() && reachedValue === value),
      ).toBe(undefined)
      expect(
        reached.filter(([reachedName]) => folded(reachedName) === folded(name) && reachedName !== folded(name)),
      ).toEqual([])
    })

    test('the caller’s credential ends here', async () => {
      const reached = await fields(get('/private/x', [auth(), 'Proxy-Authorization: Bearer x']))
      expect(reached.flat().join('\n')).not.toContain(stack.token)
      expect(reached.map(([name]) => name)).not.toContain('authorization')
    })

    test('an alias of Authorization is neither a credential nor passed on as one', async () => {
      for (const name of ['Author_ization', 'Authorization_', 'authorization.']) {
        await stack.refuses(get('/private/x', [`${name}: Bearer ${stack.token}`]), 'token_missing')
      }
    })
  })

  describe('where the request came from', () => {
    test('is what we saw, whatever an untrusted peer says', async () => {
      const lines = [
        ...[
          'X-Forwarded-For: 6.6.6.6',
          'x-forwarded-for: 7.7.7.7',
          'X-Forwarded-Proto: ftp',
          'X-Forwarded-Host: evil.example',
        ],
        ...['Forwarded: for=6.6.6.6;host=evil.example;proto=ftp', 'X-Real-IP: 6.6.6.6'],
      ]
      const reached = await fields(get('/private/x', [auth(), ...lines]))
      const about = reached.filter(([name]) => /forwarded|real-ip/.test(name)).sort()
      expect(about).toEqual([
        ['forwarded', `for=127.0.0.1;host=app.example;proto=${scheme}`],
        ['x-forwarded-for', '127.0.0.1'],
        ['x-forwarded-host', 'app.example'],
        ['x-forwarded-proto', scheme],
        ['x-real-ip', '127.0.0.1'],
      ])
    })

    test('there is exactly one of each of our own lines', async () => {
      const reached = await fields(get('/private/x', [auth(), 'X-Request-Id: a', 'X-Request-Id: b']))
      const names = reached.map(([name]) => name)
      for (const name of ['host', 'x-request-id', 'x-auth-subject', 'forwarded'])
        expect([name, names.filter(each => each === name).length]).toEqual([name, 1])
      expect(new Map(reached).get('x-request-id')).not.toMatch(/^[ab]$/)
    })

    test('what says which trace a request belongs to passes as it came, malformed or twice, and none is made', async () => {
      const about = async (...lines: string[]) =>
        (await fields(get('/private/x', [auth(), ...lines]))).filter(([name]) => /^trace/.test(name))
      expect(await about()).toEqual([])
      expect(await about('traceparent: x', 'tracestate: z', 'traceparent: y', 'tracestate: ')).toEqual([
        ['traceparent', 'x'],
        ['tracestate', 'z'],
        ['traceparent', 'y'],
        ['tracestate', ''],
      ])
    })
  })
})

describe('over HTTP/1.1', () => {
  let stack: RawStack
  beforeAll(async () => {
    stack = await startRawStack(() => ({ identity }))
  })
  afterAll(() => stack.close())

  const auth = (): string => `Authorization: Bearer ${stack.token}`
  const fields = (bytes: string) => fieldsAt(stack, bytes)

  describe('forged identity', () => {
    test('a blank before the colon is refused, not trimmed', async () => {
      await stack.refuses(get('/public/x', ['X-Auth-Subject : mallory']), 'request_malformed')
      await stack.refuses(get('/public/x', ['X-Auth-Subject\t: mallory']), 'request_malformed')
      await stack.refuses(get('/public/x', ['X-A: b', ' X-Auth-Subject: mallory']), 'request_malformed')
    })

    test.for(['\x0b', '\x0c', '\0', '(', '@', '[', '{', '"', '\x7f', '\xa0', '\xad'])(
      'a name with %j is refused',
      async odd => {
        await stack.refuses(get('/public/x', [`X-Auth-Subject${odd}: mallory`]), 'request_malformed')
      },
    )

    test('an upgrade on a public route is stripped, too', async () => {
      const lines = ['Connection: Upgrade, X-Auth-Tenant', 'Upgrade: foo/1', 'X_Auth_Subject: mallory']
      const reached = await stack.forwarded(() => stack.exchange(get('/public/x', lines)))
      expect(reached).not.toMatch(/mallory/)
    })
  })

  describe('an offer to switch to another protocol', () => {
    test.for([
      ['h2c, as JDK and Spring offer it', ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAAP__']],
      ['h2c in another spelling', ['Upgrade: H2C', 'HTTP2_Settings: AAMAAABkAAQAAP__']],
      ['TLS', ['Upgrade: TLS/1.2']],
    ] as const)('%s, is not taken: the answer is one of HTTP/1.1, and the connection goes on', async ([, offer]) => {
      const head = [auth(), 'Connection: Upgrade, HTTP2-Settings', ...offer]
      const reached = await stack.forwarded(async () => {
        const client = stack.connect()
        for (const path of ['/private/1', '/private/2']) {
          client.write(request(`POST ${path} HTTP/1.1`, [...head, 'Content-Length: 4'], 'body'))
          const reply = await client.reply()
          expect(reply?.head).toMatch(/^HTTP\/1\.1 200 /)
          expect(reply?.headers.get('connection')).not.toMatch(/close|upgrade/i)
          expect(JSON.parse(reply?.body ?? '{}').bodyBytes).toBe(4)
        }
        client.end()
      })
      expect(reached.match(/POST \/private/g)).toHaveLength(2)
      expect(reached).not.toMatch(/upgrade|h2c|settings|AAMAAABk|TLS/i)
    })
  })

  describe('Connection', () => {
    const NAMED = [
      ...['x-auth-subject', 'X-Auth-Subject', 'x_auth_subject', 'Host', 'host', 'X-Request-Id'],
      ...['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'Forwarded', 'X-Real-IP', 'Content-Length'],
    ]
    test.for(NAMED)('%s cannot be taken away by naming it', async name => {
      const reached = await fields(get('/private/x', [auth(), `Connection: close, ${name}`]))
      const names = reached.map(([reachedName]) => reachedName)
      expect(names).toEqual(expect.arrayContaining(['x-auth-subject', 'host', 'x-request-id', 'forwarded']))
      expect(names).toEqual(
        expect.arrayContaining(['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip']),
      )
      expect(new Map(reached).get('x-auth-subject')).toBe('alice')
    })

    test('Authorization cannot be hidden by naming it', async () => {
      const reply = await stack.exchange(get('/private/x', [auth(), 'Connection: Authorization']))
      expect(reply?.status).toBe(200)
      await stack.refuses(get('/private/x', ['Connection: Authorization']), 'token_missing')
    })

    test('takes away what the client itself sent for this hop', async () => {
      const reached = await fields(
        get('/private/x', [auth(), 'Connection: X-Hop , ,x-other', 'X-Hop: 1', 'X-OTHER: 2', 'X-Keep: 3']),
      )
      const names = reached.map(([name]) => name)
      expect(names).not.toContain('x-hop')
      expect(names).not.toContain('x-other')
      expect(names).toContain('x-keep')
    })

    test('the length of a body survives being named', async () => {
      const bytes = request(
        'POST /private/x HTTP/1.1',
        [auth(), 'Connection: Content-Length', 'Content-Length: 4'],
        'abcd',
      )
      const reached = await fields(bytes)
      expect(reached.filter(([name]) => /length|encoding/.test(name))).toHaveLength(1)
    })
  })
})
