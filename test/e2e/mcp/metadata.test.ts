/** Asks for the metadata of several resources, as clients and as liars do. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MCP_CLIENTS } from '../../support/clients/mcp-client.ts'
import { TOOLS } from '../../support/services/mcp-service.ts'
import { MCP_ROUTE, type McpStack, startMcpStack } from './support.ts'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

let stack: McpStack
let origin: string
beforeAll(async () => {
  stack = await startMcpStack(at => ({
    resources: {
      orders: { url: `${at}/mcp`, name: 'Orders', scopes: ['mcp:use'], documentation: 'https://example.com/orders' },
      reports: { url: `${at}/reports/mcp` },
      elsewhere: { url: 'https://mcp.example.com/api' },
    },
    routes: [
      { id: 'orders', path: '/mcp', resource: 'orders', ...MCP_ROUTE },
      { id: 'reports', path: '/reports/mcp', resource: 'reports', ...MCP_ROUTE },
      { id: 'api', path: '/api/**', resource: 'elsewhere', require: { scopes: ['orders:write'] } },
    ],
  }))
  origin = new URL(stack.url).origin
})
afterAll(() => stack.close())

describe('metadata', () => {
  test('of each resource are at its own path, and say what is configured and no more', async () => {
    const { issuer } = stack.issuer
    const orders = await stack.gateway.request(`${WELL_KNOWN}/mcp`)
    expect(orders.json()).toEqual({
      resource: `${origin}/mcp`,
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
      scopes_supported: ['mcp:use'],
      resource_name: 'Orders',
      resource_documentation: 'https://example.com/orders',
    })
    expect(orders.headers['content-type']).toBe('application/json')
    expect((await stack.gateway.request(`${WELL_KNOWN}/reports/mcp`)).json()).toEqual({
      resource: `${origin}/reports/mcp`,
      authorization_servers: [issuer],
      bearer_methods_supported: ['header'],
    })
    expect((await stack.gateway.request(`${WELL_KNOWN}/api`)).json()).toMatchObject({
      resource: 'https://mcp.example.com/api',
    })
  })

  test('are at no other path, and not at the bare one when there are several resources', async () => {
    for (const path of ['', '/', '/other', '/mcp/', '/mcp/more', '/MCP'])
      expect((await stack.gateway.request(WELL_KNOWN + path)).status, path).toBe(404)
    expect(stack.service.requests).toEqual([])
  })

  test.each(['evil.example.com', 'evil.example.com:443', '127.0.0.1', 'mcp.example.com'])(
    'and challenges never take Host %s for the name of the resource',
    async host => {
      const headers = {
        host,
        'x-forwarded-host': 'evil.example.com',
        'x-forwarded-proto': 'https',
        forwarded: 'host=evil.example.com;proto=https',
      }
      const { status, json } = await stack.gateway.request(`${WELL_KNOWN}/mcp`, { headers })
      expect([status, json().resource]).toEqual([200, `${origin}/mcp`])
      const refused = await stack.gateway.request('/mcp', { method: 'POST', headers })
      expect(refused.status).toBe(401)
      expect(refused.headers['www-authenticate']).toContain(`resource_metadata="${origin}${WELL_KNOWN}/mcp"`)
      expect(JSON.stringify(refused.headers)).not.toContain('evil')
    },
  )

  test('are readable for every page, with the header that clients ask with', async () => {
    const page = { origin: 'https://page.example.com' }
    const preflight = await stack.gateway.request(`${WELL_KNOWN}/mcp`, {
      method: 'OPTIONS',
      headers: {
        ...page,
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'mcp-protocol-version',
      },
    })
    expect(preflight.status).toBe(204)
    expect(preflight.headers).toMatchObject({
      'access-control-allow-origin': '*',
      'access-control-allow-headers': expect.stringMatching(/\*|mcp-protocol-version/),
    })
    const { headers } = await stack.gateway.request(`${WELL_KNOWN}/mcp`, { headers: page })
    expect(headers['access-control-allow-origin']).toBe('*')
  })
})

describe('several resources', () => {
  test('challenge with the metadata of the one that was asked for, on any route', async () => {
    for (const [path, metadata] of [
      ['/mcp', `${origin}${WELL_KNOWN}/mcp`],
      ['/reports/mcp', `${origin}${WELL_KNOWN}/reports/mcp`],
      ['/api/orders', `https://mcp.example.com${WELL_KNOWN}/api`],
    ] as const) {
      const { status, headers } = await stack.gateway.request(path)
      expect([status, headers['www-authenticate']], path).toEqual([
        401,
        expect.stringContaining(`resource_metadata="${metadata}"`),
      ])
    }
  })

  test.each(MCP_CLIENTS)('take no token that $name got for another of them', async ({ makeClient }) => {
    const client = makeClient({ url: `${origin}/reports/mcp`, issuer: stack.issuer.issuer, registration: 'dynamic' })
    await client.connect()
    expect(await client.callTool(TOOLS.list)).toBe(`${TOOLS.list} done`)
    expect(client.authorizations.map(({ searchParams }) => searchParams.get('resource'))).toEqual([
      `${origin}/reports/mcp`,
    ])
    const init = { method: 'POST', headers: { authorization: `Bearer ${client.accessToken()}` } }
    const refused = await stack.gateway.request('/mcp', init)
    expect([refused.status, refused.json().code]).toEqual([401, 'audience_mismatch'])
    expect(refused.headers['www-authenticate']).toContain(`resource_metadata="${origin}${WELL_KNOWN}/mcp"`)
    await client.close()
  })
})
