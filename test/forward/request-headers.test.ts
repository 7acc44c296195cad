import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import net, { type AddressInfo } from 'node:net'
import fc from 'fast-check'
import { Client } from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { trustedProxies } from '../../src/downstream/client-address.ts'
import { requestHeaders } from '../../src/forward/request-headers.ts'
import { compileIdentity, identityHeader } from '../../src/identity/header-lines.ts'
import type { RequestHeaders } from '../../src/policy.ts'

const identity = compileIdentity({
  headers: [identityHeader('X-Auth-Subject', 'sub'), identityHeader('X-Auth-Scope', 'scope')],
  reserved: ['X-Internal-*'],
  maxBytes: 8192,
})
const injected = ['X-Auth-Subject', 'alice', 'X-Auth-Scope', 'orders:read']
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

const incoming: Parameters<RequestHeaders>[0] = {
  rawHeaders: [],
  host: 'api.example.com',
  peer: { address: '192.0.2.1', protocol: 'http' },
  requestId: 'r-1',
  trace: undefined,
  identityLines: injected,
}

/** Every request carries these lines when nothing is passed on from the client. */
const ours = [
  ...['Host', 'api.example.com'],
  ...['X-Forwarded-Proto', 'http', 'X-Forwarded-Host', 'api.example.com'],
  ...['Forwarded', 'for=192.0.2.1;host=api.example.com;proto=http'],
  ...['X-Forwarded-For', '192.0.2.1', 'X-Real-IP', '192.0.2.1'],
  ...['X-Request-Id', 'r-1'],
  ...injected,
]

function rules(changes: Partial<Parameters<typeof requestHeaders>[0]> = {}) {
  return requestHeaders({
    isManaged: identity.isManaged,
    authorization: 'drop',
    trusts: trustedProxies([]),
    ...changes,
  })
}

/** @returns what is passed on of these lines, besides our own */
function passed(...rawHeaders: string[]): string[] {
  const lines = rules()({ ...incoming, rawHeaders })
  expect(lines.slice(0, 2)).toEqual(ours.slice(0, 2))
  expect(lines.slice(2 - ours.length)).toEqual(ours.slice(2))
  return lines.slice(2, 2 - ours.length)
}

function valuesOf(lines: readonly string[], name: string): string[] {
  return lines.filter((_, i) => i % 2 === 1 && lines[i - 1]?.toLowerCase() === name)
}

describe('what passes', () => {
  test('everything that means nothing to us, in order, in its own spelling, repeated or not', () => {
    const lines = ['Accept', '*/*', 'cookie', 'a=1', 'X-Thing', '', 'x-thing', '\xe9', 'Content-Length', '5']
    expect(passed(...lines)).toEqual(lines)
  })

  test('the body length, even when Connection names it', () => {
    expect(passed('Connection', 'content-length', 'Content-Length', '5')).toEqual(['Content-Length', '5'])
  })

  test('the token only if the policy says so, whatever Connection says', () => {
    const rawHeaders = ['Connection', 'authorization', 'authorization', 'Bearer abc']
    expect(passed(...rawHeaders)).toEqual([])
    expect(valuesOf(rules({ authorization: 'pass' })({ ...incoming, rawHeaders }), 'authorization')).toEqual([
      'Bearer abc',
    ])
  })
})

describe('what ends here', () => {
  test.each([
    'X-Auth-Subject',
    'x-auth-subject',
    'X_Auth_Subject',
    'X.Auth.Subject',
    'x-internal-user',
    'X_INTERNAL_',
    'Connection',
    'Keep-Alive',
    'Proxy-Connection',
    'Proxy-Authorization',
    'Proxy_Authorization',
    'Proxy',
    'TE',
    'Trailer',
    'Transfer-Encoding',
    'Transfer_Encoding',
    'transfer.encoding',
    'Content_Length',
    'content.length',
    'Upgrade',
    'HTTP2-Settings',
    'HTTP2_Settings',
    'Expect',
    'Host',
    'X-Forwarded-For',
    'X_Forwarded_For',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X-Forwarded-User',
    'X.Forwarded.Prefix',
    'Forwarded',
    'X-Real-IP',
    'X_Real_IP',
    'X-Original-URL',
    'X_Original_URL',
    'X-Rewrite-URL',
    'X-HTTP-Method-Override',
    'X_HTTP_Method_Override',
    'X-HTTP-Method',
    'X-Method-Override',
    'X-Request-Id',
    'X_Request_Id',
  ])('%s from a stranger', name => {
    expect(passed('Accept', '*/*', name, 'evil', name.toUpperCase(), 'evil')).toEqual(['Accept', '*/*'])
  })

  test('RFC 9110 §7.6.1: what Connection names, in any case and on any line', () => {
    expect(
      passed(
        'X-Hop',
        '1',
        'Connection',
        'close, x-HOP',
        'x-hop',
        '2',
        'connection',
        ' ,X-Other,',
        'X-Other',
        '3',
        'X-End',
        '4',
      ),
    ).toEqual(['X-End', '4'])
  })

  test('no Connection can take away what we add', () => {
    const names = ours.filter((_, i) => i % 2 === 0)
    expect(passed('Connection', names.join(', '), 'Accept', '*/*')).toEqual(['Accept', '*/*'])
  })

  test('an anonymous caller has no identity, whatever it sends', () => {
    const lines = rules()({ ...incoming, identityLines: [], rawHeaders: ['X-Auth-Subject', 'mallory'] })
    expect(valuesOf(lines, 'x-auth-subject')).toEqual([])
  })
})

describe('a trusted proxy', () => {
  const build = rules({ trusts: trustedProxies(['10.0.0.0/8']) })
  const rawHeaders = [
    ...['X-Forwarded-For', '203.0.113.9', 'x-forwarded-for', '10.1.1.1', 'X-Forwarded-Proto', 'https'],
    ...['X-Forwarded-Host', 'shop.example.com', 'Forwarded', 'for=203.0.113.9', 'X-Real-IP', '203.0.113.9'],
    ...['X_Forwarded_For', '6.6.6.6', 'X-Forwarded-User', 'root'],
  ]

  test('is believed: its chain is kept and the proxy appended', () => {
    const lines = build({ ...incoming, rawHeaders, peer: { address: '::ffff:10.0.0.1', protocol: 'http' } })
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['203.0.113.9, 10.1.1.1, 10.0.0.1'])
    expect(valuesOf(lines, 'x-forwarded-proto')).toEqual(['https'])
    expect(valuesOf(lines, 'x-forwarded-host')).toEqual(['shop.example.com'])
    expect(valuesOf(lines, 'forwarded')).toEqual(['for=203.0.113.9, for=10.0.0.1;host=api.example.com;proto=http'])
    expect(valuesOf(lines, 'x-real-ip')).toEqual(['203.0.113.9'])
    expect(lines).not.toContain('6.6.6.6')
    expect(lines).not.toContain('root')
  })

  test('says where the service is mounted, in one spelling only and unless the name is reserved', () => {
    const sent = ['X-Forwarded-Prefix', '/shop', 'X-Forwarded-Port', '8443', 'X_Forwarded_Prefix', '/evil']
    const from = { ...incoming, rawHeaders: sent, peer: { address: '10.0.0.1', protocol: 'http' as const } }
    const lines = build(from)
    expect(valuesOf(lines, 'x-forwarded-prefix')).toEqual(['/shop'])
    expect(valuesOf(lines, 'x-forwarded-port')).toEqual(['8443'])
    expect(lines).not.toContain('/evil')
    const isManaged = (name: string) => name.toLowerCase() === 'x-forwarded-prefix'
    const reserved = rules({ trusts: trustedProxies(['10.0.0.0/8']), isManaged })(from)
    expect(valuesOf(reserved, 'x-forwarded-prefix')).toEqual([])
    expect(valuesOf(reserved, 'x-forwarded-port')).toEqual(['8443'])
  })

  test('cannot be made to lose its chain by Connection', () => {
    const sent = ['Connection', 'x-forwarded-for, x-real-ip', ...rawHeaders]
    const lines = build({ ...incoming, rawHeaders: sent, peer: { address: '10.0.0.1', protocol: 'http' } })
    expect(valuesOf(lines, 'x-real-ip')).toEqual(['203.0.113.9'])
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['203.0.113.9, 10.1.1.1, 10.0.0.1'])
  })

  test('is not believed from another address', () => {
    const lines = build({ ...incoming, rawHeaders })
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['192.0.2.1'])
    expect(valuesOf(lines, 'x-real-ip')).toEqual(['192.0.2.1'])
  })
})

describe('the trace of a request', () => {
  const foreign = ['TraceParent', 'x', 'tracestate', 'x=9', 'TRACEPARENT', 'y', 'tracestate', 'z=8']

  test('is what the client says, line by line, where the gateway has none', () => {
    expect(passed(...foreign)).toEqual(foreign)
    expect(passed('Connection', 'traceparent', ...foreign)).toEqual(['tracestate', 'x=9', 'tracestate', 'z=8'])
  })

  test('is what the gateway says, and nothing else, where it has one', () => {
    const trace = { traceparent, tracestate: 'a=1' }
    const rawHeaders = ['Connection', 'traceparent', ...foreign]
    const lines = rules()({ ...incoming, rawHeaders, trace })
    expect(valuesOf(lines, 'traceparent')).toEqual([traceparent])
    expect(valuesOf(lines, 'tracestate')).toEqual(['a=1'])
    const begun = rules()({ ...incoming, rawHeaders, trace: { ...trace, tracestate: undefined } })
    expect(valuesOf(begun, 'tracestate')).toEqual([])
  })
})

/** @returns the name as a server reads it that knows no difference between separators */
function folded(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '-')
}

const sensitive = [
  'X-Auth-Subject',
  'X-Auth-Scope',
  'X-Internal-A',
  'Connection',
  'Content-Length',
  'X-Forwarded-For',
  'Accept',
]
const separator = fc.constantFrom('-', '_', '.', '~', '!', '|')
/** A field name in any spelling that folds to a known one, or any token at all. */
const fieldName = fc.oneof(
  fc
    .tuple(fc.constantFrom(...sensitive), fc.array(separator, { minLength: 3, maxLength: 3 }), fc.array(fc.boolean()))
    .map(([name, separators, upper]) => {
      let next = 0
      const respelled = name.replace(/-/g, () => separators[next++] ?? '-')
      return [...respelled].map((c, i) => (upper[i] === true ? c.toUpperCase() : c.toLowerCase())).join('')
    }),
  fc.string({ unit: fc.constantFrom(...'ax-_.~!1'), minLength: 1, maxLength: 12 }),
)
const fieldValue = fc.oneof(
  fc
    .string({ unit: fc.constantFrom(...'ab,;" \t\xe9\xff'), maxLength: 10 })
    .map(value => value.replace(/^[ \t]+|[ \t]+$/g, '')),
  fc.subarray(sensitive).map(names => names.join(', ')),
)
const lines = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 12 }).map(pairs => pairs.flat())

describe('whatever a client sends', () => {
  const build = rules()

  test('identity is what we say, once, and no lax spelling of it stands beside', () => {
    fc.assert(
      fc.property(lines, rawHeaders => {
        const sent = build({ ...incoming, rawHeaders })
        expect(sent.slice(-injected.length)).toEqual(injected)
        const others = sent.slice(0, -injected.length).filter((_, i) => i % 2 === 0)
        expect(others.filter(name => identity.isManaged(name) || folded(name).startsWith('x-internal-'))).toEqual([])
        for (const name of ['host', 'x-forwarded-for', 'forwarded', 'x-real-ip', 'x-request-id']) {
          expect(others.filter(other => folded(other) === name)).toHaveLength(1)
        }
        expect(
          others.filter(name => folded(name) === 'content-length' && name.toLowerCase() !== 'content-length'),
        ).toEqual([])
      }),
      { numRuns: 2000 },
    )
  })
})

describe('over sockets', () => {
  let upstream: net.Server
  let gateway: Server
  let client: Client
  /** The head that the upstream received last, as it came. */
  let received = ''

  beforeAll(async () => {
    upstream = net.createServer(socket => {
      let head = ''
      socket.on('data', chunk => {
        head += chunk.toString('latin1')
        if (!head.includes('\r\n\r\n')) return
        received = head
        head = ''
        socket.write('HTTP/1.1 204 No Content\r\n\r\n')
      })
      socket.on('error', () => undefined)
    })
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    client = new Client(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
    const build = rules()
    gateway = createServer({ requireHostHeader: false }, (request, response) => {
      const headers = build({ ...incoming, rawHeaders: request.rawHeaders })
      client.request({ path: '/', method: 'GET', headers }).then(
        () => response.writeHead(204).end(),
        error => response.writeHead(500).end(String(error)),
      )
    })
    gateway.maxHeadersCount = 0
    gateway.listen(0, '127.0.0.1')
    await once(gateway, 'listening')
  })

  afterAll(async () => {
    await client.destroy()
    gateway.closeAllConnections()
    gateway.close()
    upstream.close()
  })

  async function send(head: string): Promise<string> {
    const socket = net.connect((gateway.address() as AddressInfo).port, '127.0.0.1')
    socket.write(Buffer.from(head, 'latin1'))
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
      if (answer.includes('\r\n\r\n')) socket.end()
    })
    await once(socket, 'close')
    return answer.split('\r\n')[0] ?? ''
  }

  test('a hostile head reaches the upstream as ours, and odd bytes are no fault of anybody', async () => {
    const status = await send(
      'GET / HTTP/1.1\r\nhost: api.example.com\r\nConnection: x-auth-subject, host, x-request-id\r\n' +
        'x-auth-subject: mallory\r\nX_Auth_Subject: mallory\r\nx-auth-scope:\tadmin \r\nKeep-Alive: 5\r\n' +
        'X-Latin: \xe9\xff\r\nX-Empty:\r\n' +
        "x!#$%&'*+-.^_`|~: odd\r\n\r\n",
    )
    expect(status).toBe('HTTP/1.1 204 No Content')
    const head = received.split('\r\n')
    expect(head.filter(line => /auth.subject/i.test(line))).toEqual(['X-Auth-Subject: alice'])
    expect(head.filter(line => /auth.scope/i.test(line))).toEqual(['X-Auth-Scope: orders:read'])
    expect(head.filter(line => /^(host|connection|keep-alive):/i.test(line))).toEqual([
      'host: api.example.com',
      'connection: keep-alive',
    ])
    expect(head).toContain('X-Latin: \xe9\xff')
    expect(head).toContain('X-Empty: ')
    expect(head).toContain("x!#$%&'*+-.^_`|~: odd")
    expect(received).not.toContain('mallory')
  })

  test('a thousand header lines all arrive', async () => {
    const many = Array.from({ length: 1500 }, (_, i) => `a${i}:1\r\n`).join('')
    expect(await send(`GET / HTTP/1.1\r\nHost: a\r\n${many}\r\n`)).toBe('HTTP/1.1 204 No Content')
    expect(received).toContain('a0: 1\r\n')
    expect(received).toContain('a1499: 1\r\n')
    expect(received).toContain('X-Auth-Subject: alice\r\n')
  })
})
