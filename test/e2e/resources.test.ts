/**
 * Clients learn from the resource itself where to get a token for it (RFC 9728), and a token for one resource opens no
 * other one.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { atEnd } from '../support/at-end.ts'
import { bearer, type Reply, startTestStack, type TestStack, testProvider } from '../support/gateway/gateway.ts'
import { AUDIENCE, startTestIssuer, type TestIssuer } from '../support/services/issuer.ts'

const ORDERS = 'https://orders.example.com/mcp'
const REPORTS = 'https://reports.example.com/mcp'
const FILES = 'https://files.example.com:8443'
const BILLS = 'https://bills.example.com/api'
const WELL_KNOWN = '/.well-known/oauth-protected-resource'

let other: TestIssuer
let stack: TestStack
beforeAll(async () => {
  other = await startTestIssuer()
  stack = await startTestStack(main => ({
    providers: {
      main: testProvider(main),
      other: testProvider(other),
      tenants: {
        type: 'jwt',
        issuer: 'https://login.example.com/{tid}/v2.0',
        tenants: { tid: ['a', 'b'] },
        audiences: [AUDIENCE],
        keys: { jwksUri: main.jwksUri },
      },
    },
    dpop: { baseUrls: ['https://orders.example.com'] },
    resources: {
      orders: {
        url: ORDERS,
        name: 'Orders',
        scopes: ['mcp:use', 'orders:write'],
        documentation: 'https://docs.example.com/',
      },
      reports: { url: REPORTS },
      files: { url: FILES },
      bills: { url: BILLS },
    },
    routes: [
      { id: 'orders', path: '/orders/mcp', resource: 'orders', providers: ['main', 'tenants'] },
      { id: 'reports', path: '/reports/mcp', resource: 'reports', providers: ['other'], audiences: ['urn:reports'] },
      { id: 'files', path: '/files/**', resource: 'files', require: { scopes: ['files:read'], proof: 'dpop' } },
      { id: 'bills', path: '/bills', resource: 'bills', providers: ['main'], audiences: [AUDIENCE] },
      { id: 'plain', path: '/plain' },
      { id: 'optional', path: '/optional', access: 'optional' },
      { id: 'named', path: '/named', audiences: [ORDERS] },
      { id: 'narrow', path: '/narrow', audiences: ['urn:narrow'] },
    ],
  }))
})
afterAll(async () => {
  await stack.close()
  await other.close()
})

/** What a proxy would say of the request, if there was one to be believed. */
const FORWARDED = {
  forwarded: 'host=evil.example.com;proto=https',
  'x-forwarded-host': 'evil.example.com',
  'x-forwarded-proto': 'https',
}

const metadata = (path: string, host: string, method = 'GET'): Promise<Reply> =>
  stack.request(WELL_KNOWN + path, { method, headers: { host, ...FORWARDED } })

describe('metadata', () => {
  test('name the resource as it is configured, and who issues tokens for it', async () => {
    const { status, headers, json } = await metadata('/mcp', 'orders.example.com')
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('application/json')
    expect(json()).toEqual({
      resource: ORDERS,
      authorization_servers: [stack.issuer.issuer],
      scopes_supported: ['mcp:use', 'orders:write'],
      bearer_methods_supported: ['header'],
      resource_name: 'Orders',
      resource_documentation: 'https://docs.example.com/',
      dpop_signing_alg_values_supported: expect.arrayContaining(['ES256']),
    })
  })

  test('of two resources with one path are chosen by the host, letter case aside, and are nobody else’s', async () => {
    const { json } = await metadata('/mcp', 'Reports.Example.com')
    expect(json()).toMatchObject({ resource: REPORTS, authorization_servers: [other.issuer] })
    const unknown = await metadata('/mcp', 'evil.example.com')
    expect([unknown.status, unknown.json().code]).toEqual([404, 'route_unknown'])
  })

  test('say no more than is configured', async () => {
    expect((await metadata('', 'x')).json()).toEqual({
      resource: FILES,
      authorization_servers: [stack.issuer.issuer, other.issuer],
      bearer_methods_supported: ['header'],
      dpop_signing_alg_values_supported: expect.any(Array),
      dpop_bound_access_tokens_required: true,
    })
  })

  test.each(['evil.example.com', 'evil.example.com:443', '127.0.0.1', 'orders.example.com'])(
    'of a resource that has a path of its own are the same when host %s is asked for',
    async host => {
      const { status, headers, json } = await metadata('/api', host)
      expect([status, json().resource]).toEqual([200, BILLS])
      expect(JSON.stringify([headers, json()])).not.toContain('evil')
    },
  )

  test('are at no other path', async () => {
    for (const path of ['/', '/other', '/mcp/', '/mcp/more', '/MCP', '/files'])
      expect((await metadata(path, 'orders.example.com')).status, path).toBe(404)
  })

  test('need no token and reach no service, whatever is asked for', async () => {
    const before = stack.upstream.seen.length
    expect((await metadata('', 'x', 'HEAD')).status).toBe(200)
    const refused = await metadata('', 'x', 'POST')
    expect([refused.status, refused.headers.allow]).toEqual([405, 'GET, HEAD, OPTIONS'])
    expect(stack.upstream.seen.length).toBe(before)
  })

  test('may be read by any page, whatever headers that sends', async () => {
    const preflight = await stack.request(WELL_KNOWN, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://any.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'mcp-protocol-version',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-headers': '*',
    })
    expect((await metadata('', 'x')).headers['access-control-allow-origin']).toBe('*')
  })

  test('are counted as what they are', async () => {
    await metadata('', 'x')
    expect(
      (await stack.metrics()).get('sallyport_requests_total{route="(metadata)",method="GET",code="ok"}'),
    ).toBeGreaterThan(0)
  })
})

describe('the bare well-known path', () => {
  test('has the metadata of the only resource', async () => {
    const one = await startTestStack({
      resources: { orders: { url: ORDERS } },
      routes: [{ id: 'orders', path: '/mcp', resource: 'orders' }],
    })
    atEnd(one.close)
    for (const path of ['', '/mcp']) expect((await one.request(WELL_KNOWN + path)).json().resource).toBe(ORDERS)
  })

  test('has none where there are several, each with a path', async () => {
    const two = await startTestStack({
      resources: { orders: { url: ORDERS }, bills: { url: BILLS } },
      routes: [
        { id: 'orders', path: '/mcp', resource: 'orders' },
        { id: 'bills', path: '/api', resource: 'bills' },
      ],
    })
    atEnd(two.close)
    expect((await two.request(WELL_KNOWN)).status).toBe(404)
    expect((await two.request(`${WELL_KNOWN}/api`)).json().resource).toBe(BILLS)
  })
})

describe('a challenge', () => {
  test.each([
    ['/orders/mcp', `${new URL(ORDERS).origin}${WELL_KNOWN}/mcp`],
    ['/reports/mcp', `${new URL(REPORTS).origin}${WELL_KNOWN}/mcp`],
    ['/files/x', `${FILES}${WELL_KNOWN}`],
  ])('on %s says where the metadata are, whatever host was asked for', async (path, url) => {
    const challenges = async (authorization?: Readonly<Record<string, string>>) => {
      const headers = { host: 'evil.example.com', ...FORWARDED, ...authorization }
      const refused = await stack.request(path, { headers })
      expect(refused.status).toBe(401)
      expect(JSON.stringify(refused.headers)).not.toContain('evil')
      return [refused.headers['www-authenticate']].flat()
    }
    for (const line of [...(await challenges()), ...(await challenges(bearer('x.y.z')))])
      expect(line).toContain(`resource_metadata="${url}"`)
  })

  test('has the place of the metadata behind its realm, and none on a route that is no resource', async () => {
    const { headers } = await stack.request('/bills')
    expect([headers['www-authenticate']].flat()[0]).toBe(
      `Bearer realm="sallyport", resource_metadata="${new URL(BILLS).origin}${WELL_KNOWN}/api"`,
    )
    expect(String((await stack.request('/plain')).headers['www-authenticate'])).not.toContain('resource_metadata')
  })
})

describe('a token', () => {
  const asked = async (path: string, aud: unknown, issuer = stack.issuer): Promise<unknown> => {
    const { status, text } = await stack.request(path, { headers: bearer(await issuer.mint({ aud })) })
    return status === 200 ? 'passes' : (JSON.parse(text) as { readonly code: string }).code
  }

  test.each<readonly [unknown, ...ReadonlyArray<'/orders/mcp' | '/bills' | '/plain' | '/narrow' | '/named'>]>([
    [ORDERS, '/orders/mcp'],
    [BILLS, '/bills'],
    [AUDIENCE, '/bills', '/plain'],
    [[ORDERS, AUDIENCE], '/orders/mcp', '/bills', '/plain', '/named'],
    [[ORDERS, BILLS], '/orders/mcp', '/bills'],
    [[ORDERS, 'urn:narrow'], '/orders/mcp'],
    [[AUDIENCE, 'urn:narrow'], '/bills', '/plain', '/narrow'],
    // The URL of a resource is compared byte for byte.
    [`${ORDERS}/`],
    [ORDERS.toUpperCase()],
    [ORDERS.replace('https', 'http')],
    [new URL(ORDERS).origin],
    ['https://elsewhere.example'],
  ])('for %j passes on the routes of what it names, and on no others', async (aud, ...passed) => {
    for (const path of ['/orders/mcp', '/bills', '/plain', '/narrow', '/named'] as const)
      expect([path, await asked(path, aud)]).toEqual([path, passed.includes(path) ? 'passes' : 'audience_mismatch'])
  })

  test('for a resource of another route is a bad token where none is needed, too', async () => {
    expect(await asked('/optional', ORDERS)).toBe('audience_mismatch')
    expect((await stack.request('/optional')).status).toBe(200)
  })

  test('may name one of the route’s audiences in place of the resource', async () => {
    expect(await asked('/reports/mcp', REPORTS, other)).toBe('passes')
    expect(await asked('/reports/mcp', [AUDIENCE, 'urn:reports'], other)).toBe('passes')
    // The route's audiences narrow those of the provider, of which the resource of another route is none.
    expect(await asked('/reports/mcp', [FILES, 'urn:reports'], other)).toBe('audience_mismatch')
  })

  test('of a provider whose tokens a resource does not take is for no resource', async () => {
    expect(await asked('/orders/mcp', ORDERS, other)).toBe('issuer_unknown')
    expect(await asked('/reports/mcp', ORDERS, other)).toBe('audience_mismatch')
    expect(await asked('/plain', REPORTS)).toBe('audience_mismatch')
  })
})
