/** Tests what each proxy is answered: a yes that leaves no name to its client, and a no that cannot pass for a yes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { refusalFor } from '../../src/decision/no.ts'
import { DENIAL_CODES, Denial, type DenialCode, denialSpec } from '../../src/errors.ts'
import { bearer } from '../support/gateway/gateway.ts'
import { type AskedStack, CALLERS, type Caller, codeOf, startAskedStack } from './support.ts'

const ROUTES = [
  { id: 'public', path: '/public/**', access: 'public' },
  { id: 'private', path: '/private/**' },
  { id: 'scoped', path: '/scoped/**', require: { scopes: ['orders:read'] } },
  { id: 'report', path: '/report/**', mode: 'report', require: { scopes: ['orders:read'] } },
  { id: 'passing', path: '/passing/**', access: 'public', passAuthorization: true },
  { id: 'pages', path: '/pages/**', cors: { origins: ['https://app.example.com'] } },
  { id: 'few', path: '/few/**', access: 'public', rateLimits: ['few'] },
]

const CONFIG = {
  routes: ROUTES,
  rateLimits: { few: { rate: '1/h', burst: 1, key: ['client'] } },
  credentials: ['authorization', { header: 'X-Access-Token' }],
  identity: { reserved: ['X-Tenant', 'X-Internal-*', 'X-Auth-Subject'] },
}

/** Folded names of all that a yes says something of, without those of every answer. */
const MANAGED = [
  ...['x-auth-issuer', 'x-auth-subject', 'x-auth-client', 'x-auth-scope', 'x-auth-roles'],
  ...['x-tenant', 'x-access-token', 'authorization'],
]

describe.each(CALLERS)('a yes for %s', caller => {
  let stack: AskedStack
  beforeAll(async () => {
    stack = await startAskedStack(caller, CONFIG)
  })
  afterAll(() => stack.close())

  test('is 200 with nothing in it that could be kept, and says who is calling', async () => {
    const token = await stack.issuer.mint({ scope: 'a b', client_id: 'app' })
    const { status, headers, body } = await stack.ask({
      target: '/private/a',
      lines: [`Authorization: Bearer ${token}`, 'X-Request-Id: yes-1'],
    })
    expect([status, body, headers.get('cache-control')]).toEqual([200, '', 'no-store'])
    expect(Object.fromEntries(headers)).toMatchObject({
      'content-length': '0',
      'x-request-id': 'yes-1',
      'x-auth-issuer': stack.issuer.issuer,
      'x-auth-subject': 'alice',
      'x-auth-scope': 'a b',
      'x-auth-client': 'app',
    })
  })

  test.each(['/public/a', '/private/a'])('leaves no managed name of %s to the client', async target => {
    const token = await stack.issuer.mint()
    const alias = caller === 'envoy' ? ['x_auth_roles: x'] : []
    const lines = ['X-Auth-Roles: ["admin"]', ...alias, 'X-Tenant: t', 'X-Access-Token2: x']
    const { headers } = await stack.ask({ target, lines: [...lines, `Authorization: Bearer ${token}`] })
    const isPublic = target === '/public/a'
    const empty = MANAGED.filter(name => isPublic || !['x-auth-issuer', 'x-auth-subject'].includes(name))
    if (caller === 'envoy') {
      const removed = headers.get('x-envoy-auth-headers-to-remove')?.split(',') ?? []
      const aliases = MANAGED.filter(name => name !== 'authorization').map(name => name.replaceAll('-', '_'))
      expect(removed.toSorted()).toEqual([...new Set([...empty, ...aliases])].toSorted())
      return
    }
    const said = [...headers].filter(([, value]) => value === '').map(([name]) => name)
    expect(said.toSorted()).toEqual(empty.toSorted())
    expect(headers.has('x-envoy-auth-headers-to-remove')).toBe(false)
  })

  test.each([
    ...['X_Auth_Subject', 'x.auth-subject', 'X-Auth_Roles', 'X~Tenant', 'X_Access_Token', 'Authorization_'],
    ...['X-Internal-User', 'X_Internal.Flag', 'X-Internals', 'X-Tenants'],
  ])('never leaves %s of a client to the service', async name => {
    const reply = await stack.ask({ lines: [`${name}: root`, `X-Request-Id: stray-${name.toLowerCase()}`] })
    const isStranger = ['X-Internals', 'X-Tenants', 'Authorization_'].includes(name)
    if (caller === 'envoy' || isStranger) {
      const removed = reply.headers.get('x-envoy-auth-headers-to-remove')?.split(',') ?? []
      expect([reply.status, removed.includes(name.toLowerCase())]).toEqual([200, caller === 'envoy' && !isStranger])
      return
    }
    expect([reply.status, codeOf(reply)]).toEqual([caller === 'nginx' ? 403 : 400, 'request_malformed'])
    expect(stack.logs.at(-1) ?? {}).toMatchObject({ evidence: { what: name.toLowerCase() } })
  })

  test('lets the token pass where nobody has judged it, and the route says so', async () => {
    const { headers } = await stack.ask({ target: '/passing/a', lines: ['Authorization: Basic eDp5'] })
    expect(headers.get('authorization')).toBe('Basic eDp5')
    expect(headers.get('x-envoy-auth-headers-to-remove') ?? '').not.toMatch(/authorization/)
  })

  test('passes what a report-only route would refuse, and counts it', async () => {
    const token = await stack.issuer.mint()
    const { status, headers } = await stack.ask({ target: '/report/a', lines: [`Authorization: Bearer ${token}`] })
    expect([status, headers.get('x-auth-subject')]).toEqual([200, 'alice'])
    expect(await stack.logged({ route: 'report' })).toMatchObject({ code: 'ok', reported: 'scope_missing' })
  })

  test('carries the lines that belong on the answer of the service', async () => {
    const token = await stack.issuer.mint()
    const lines = ['Origin: https://app.example.com', `Authorization: Bearer ${token}`]
    const { headers } = await stack.ask({ target: '/pages/a', lines })
    expect(headers.get('access-control-allow-origin')).toBe('https://app.example.com')
    expect(headers.get('vary')).toBe('Origin')
  })
})

describe.each(CALLERS)('a no for %s', caller => {
  let stack: AskedStack
  beforeAll(async () => {
    stack = await startAskedStack(caller, CONFIG)
  })
  afterAll(() => stack.close())

  const forNginx = (status: number): number => (caller === 'nginx' ? 403 : status)

  test.each<readonly [string, readonly string[], number, DenialCode]>([
    ['/private/a', [], 401, 'token_missing'],
    ['/private/a', ['Authorization: Bearer x.y.z'], 401, 'token_malformed'],
    ['/private/%2e', [], forNginx(400), 'path_invalid'],
    ['/nowhere', [], forNginx(404), 'route_unknown'],
    ['/private/a', ['Authorization: Bearer a b'], forNginx(400), 'request_malformed'],
    ['/pages/a', ['Content-Length: 999999999999'], forNginx(413), 'body_too_large'],
  ])('about %s with %j is %i %s, with its challenge and its problem', async (target, lines, status, code) => {
    const reply = await stack.ask({ target, lines })
    expect([reply.status, codeOf(reply)]).toEqual([status, code])
    expect(reply.headers.get('x-sallyport-code')).toBe(caller === 'nginx' ? code : undefined)
    const usual = denialSpec(code).status
    expect(reply.headers.get('x-sallyport-status')).toBe(caller === 'nginx' ? String(usual) : undefined)
    expect(reply.headers.get('content-type')).toBe('application/problem+json')
    expect(reply.headers.get('cache-control')).toBe('no-store')
    expect(reply.headers.has('www-authenticate')).toBe(status === 401 || code === 'request_malformed')
    expect(reply.head).not.toMatch(/x-auth-|to-remove/i)
  })

  test('asks for the scope that is missing', async () => {
    const token = await stack.issuer.mint()
    const { status, headers } = await stack.ask({ target: '/scoped/a', lines: [`Authorization: Bearer ${token}`] })
    expect(status).toBe(403)
    expect(headers.get('www-authenticate')).toContain('error="insufficient_scope"')
    expect(headers.get('www-authenticate')).toContain('scope="orders:read"')
  })

  test('counts limits by the client of the proxy', async () => {
    const ask = (address: string) => stack.ask({ target: '/few/a', lines: [`X-Forwarded-For: 6.6.6.6, ${address}`] })
    expect((await ask('203.0.113.1')).status).toBe(200)
    const refused = await ask('203.0.113.1')
    expect([refused.status, codeOf(refused)]).toEqual([forNginx(429), 'rate_limited'])
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await ask('203.0.113.2')).status).toBe(200)
  })

  test.each(['application/grpc', 'application/grpc+proto', 'application/grpc-web-text', 'APPLICATION/GRPC'])(
    'is no answer of %s, whose status would be 200',
    async type => {
      const reply = await stack.ask({ method: 'POST', target: '/private/a', lines: [`Content-Type: ${type}`] })
      expect([reply.status, codeOf(reply), reply.headers.has('grpc-status')]).toEqual([401, 'token_missing', false])
    },
  )

  test('of a preflight names no page, and a yes about one cannot reach the service', async () => {
    const preflight = (origin: string) =>
      stack.ask({
        method: 'OPTIONS',
        target: '/pages/a',
        lines: [`Origin: ${origin}`, 'Access-Control-Request-Method: PUT'],
      })
    const refused = await preflight('https://evil.example')
    expect([refused.status, codeOf(refused)]).toEqual([403, 'cors_refused'])
    expect(refused.headers.has('access-control-allow-origin')).toBe(false)
    const answered = await preflight('https://app.example.com')
    expect(answered.status).toBe(caller === 'envoy' ? 204 : 403)
    expect(answered.headers.get('access-control-allow-origin')).toBe('https://app.example.com')
    expect(answered.headers.get('access-control-allow-methods')).toContain('PUT')
    expect(answered.headers.get('x-sallyport-code')).toBe(caller === 'envoy' ? undefined : 'preflight')
  })
})

/** No proxy takes one of these for a yes; nginx fails the request for any but the first two. */
const UNDERSTOOD: Readonly<Record<Caller, (status: number) => boolean>> = {
  nginx: status => status === 401 || status === 403 || status >= 500,
  caddy: status => status >= 400,
  traefik: status => status >= 400,
  envoy: status => status >= 400,
}

describe.each(CALLERS)('whatever is refused, %s', caller => {
  const challenge = {
    scope: undefined,
    acrValues: undefined,
    maxAgeSeconds: undefined,
    proofAlgorithms: undefined,
    takesBearer: true,
    takesTokens: true,
    login: { path: '/-/main', isForNavigations: true },
    resourceMetadata: undefined,
  }
  const page = ['Sec-Fetch-Mode', 'navigate', 'Sec-Fetch-Dest', 'document', 'Accept', 'text/html']

  test.each(DENIAL_CODES)('understands the status of %s, and is never sent elsewhere', code => {
    for (const rawHeaders of [[], ['Content-Type', 'application/grpc'], page]) {
      const facts = { method: 'GET', target: '/', httpVersion: '1.1', rawHeaders }
      const { status, headers } = refusalFor(caller)(
        new Denial(code),
        facts,
        { responseLines: [], route: { challenge } },
        'id',
      )
      expect(UNDERSTOOD[caller](status)).toBe(true)
      const { status: usual } = denialSpec(code)
      if (caller !== 'nginx' && rawHeaders !== page) expect(status).toBe(usual)
      expect(headers['x-sallyport-code']).toBe(caller === 'nginx' ? code : undefined)
    }
  })
})

test.each(CALLERS)('a reserved name that ends at each hop breaks no answer to %s', async caller => {
  const stack = await startAskedStack(caller, { identity: { reserved: ['Trailer', 'Keep-Alive', 'Prox*', 'Trai*'] } })
  try {
    const reply = await stack.ask({ lines: ['Trailer: X-A', 'Keep-Alive: timeout=5', 'Proxy-Connection: keep-alive'] })
    expect([reply.status, reply.headers.has('trailer')]).toEqual([200, false])
  } finally {
    await stack.close()
  }
})

describe.each([true, 'asBearer', false] as const)('with `forwardToken: %s`', forwardToken => {
  test.each(['nginx', 'envoy'] as const)('%s hears what is to become of the token', async caller => {
    const dpop = forwardToken === 'asBearer' ? { dpop: { baseUrls: ['https://app.example'] } } : {}
    const stack = await startAskedStack(caller, { identity: { forwardToken }, ...dpop })
    try {
      const { authorization = '' } = bearer(await stack.issuer.mint())
      const { headers } = await stack.ask({ target: '/private/a', lines: [`Authorization: ${authorization}`] })
      const removed = headers.get('x-envoy-auth-headers-to-remove')?.split(',') ?? []
      if (forwardToken === false) {
        expect(headers.get('authorization')).toBe(caller === 'envoy' ? undefined : '')
        expect(removed.includes('authorization')).toBe(caller === 'envoy')
      } else {
        expect(headers.get('authorization')).toBe(authorization)
        expect(removed).not.toContain('authorization')
      }
    } finally {
      await stack.close()
    }
  })
})
