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
    },
    routes: [
      { id: 'orders', path: '/orders/mcp', resource: 'orders', providers: ['main', 'tenants'] },
      { id: 'reports', path: '/reports/mcp', resource: 'reports', providers: ['other'], audiences: ['urn:reports'] },
      { id: 'files', path: '/files/**', resource: 'files', require: { scopes: ['files:read'], proof: 'dpop' } },
      { id: 'plain', path: '/plain' },
      { id: 'narrow', path: '/narrow', audiences: ['urn:narrow'] },
    ],
  }))
})
afterAll(async () => {
  await stack.close()
  await other.close()
})

const metadata = (path: string, host: string, method = 'GET'): Promise<Reply> =>
  stack.request(WELL_KNOWN + path, { method, headers: { host, 'x-forwarded-host': 'evil.example.com' } })

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
    expect((await metadata('/mcp', 'Reports.Example.com')).json()).toMatchObject({
      resource: REPORTS,
      authorization_servers: [other.issuer],
    })
    const unknown = await metadata('/mcp', 'evil.example.com')
    expect([unknown.status, unknown.json().code]).toEqual([404, 'route_unknown'])
  })

  test('of a resource that has a path of its own are the same whatever host is asked for', async () => {
    const { json } = await metadata('', 'evil.example.com')
    expect(json()).toMatchObject({ resource: FILES, dpop_bound_access_tokens_required: true })
    expect(json()).not.toHaveProperty('scopes_supported')
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
      headers: { origin: 'https://any.example', 'access-control-request-method': 'GET' },
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
})

describe('a challenge', () => {
  test.each([
    ['/orders/mcp', `${new URL(ORDERS).origin}${WELL_KNOWN}/mcp`],
    ['/reports/mcp', `${new URL(REPORTS).origin}${WELL_KNOWN}/mcp`],
    ['/files/x', `${FILES}${WELL_KNOWN}`],
  ])('on %s says where the metadata are, whatever host was asked for', async (path, url) => {
    const missing = await stack.request(path, { headers: { host: 'evil.example.com' } })
    expect(missing.status).toBe(401)
    for (const line of [missing.headers['www-authenticate']].flat())
      expect(line).toContain(`resource_metadata="${url}"`)
    const wrong = await stack.request(path, { headers: { host: 'evil.example.com', ...bearer('x.y.z') } })
    expect(String(wrong.headers['www-authenticate'])).toContain(`resource_metadata="${url}"`)
  })

  test('says nothing of metadata on a route that is no resource', async () => {
    const { headers } = await stack.request('/plain')
    expect(String(headers['www-authenticate'])).not.toContain('resource_metadata')
  })
})

describe('a token', () => {
  const asked = async (path: string, aud: unknown, issuer = stack.issuer): Promise<unknown> => {
    const { status, text } = await stack.request(path, { headers: bearer(await issuer.mint({ aud })) })
    return status === 200 ? 'passes' : (JSON.parse(text) as { readonly code: string }).code
  }

  test('for a resource opens its routes, and no other route of its provider', async () => {
    expect(await asked('/orders/mcp', ORDERS)).toBe('passes')
    expect(await asked('/plain', ORDERS)).toBe('audience_mismatch')
    expect(await asked('/narrow', [ORDERS, 'urn:narrow'])).toBe('audience_mismatch')
    expect(await asked('/reports/mcp', ORDERS, other)).toBe('audience_mismatch')
  })

  test('for the provider’s audience opens no route of a resource', async () => {
    expect(await asked('/orders/mcp', AUDIENCE)).toBe('audience_mismatch')
    expect(await asked('/plain', AUDIENCE)).toBe('passes')
    expect(await asked('/narrow', [AUDIENCE, 'urn:narrow'])).toBe('passes')
  })

  test('may name one of the route’s audiences in place of the resource', async () => {
    expect(await asked('/reports/mcp', REPORTS, other)).toBe('passes')
    expect(await asked('/reports/mcp', [AUDIENCE, 'urn:reports'], other)).toBe('passes')
    // The route's audiences narrow those of the provider, of which the resource of another route is none.
    expect(await asked('/reports/mcp', [FILES, 'urn:reports'], other)).toBe('audience_mismatch')
  })

  test('of a provider whose tokens a resource does not take is for no resource', async () => {
    expect(await asked('/orders/mcp', ORDERS, other)).toBe('issuer_unknown')
    expect(await asked('/plain', REPORTS)).toBe('audience_mismatch')
  })

  test('is spelled byte for byte like the resource', async () => {
    for (const aud of [`${ORDERS}/`, ORDERS.toUpperCase(), ORDERS.replace('https', 'http')])
      expect(await asked('/orders/mcp', aud)).toBe('audience_mismatch')
  })
})
