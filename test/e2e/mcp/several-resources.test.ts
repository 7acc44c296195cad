/** Real clients of one resource get a token for it, and into no other one with that. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MCP_CLIENTS } from '../../support/clients/mcp-client.ts'
import { TOOLS } from '../../support/services/mcp-service.ts'
import { MCP_ROUTE, type McpStack, startMcpStack } from './support.ts'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

let stack: McpStack
let origin: string
beforeAll(async () => {
  stack = await startMcpStack(at => ({
    resources: { orders: { url: `${at}/mcp` }, reports: { url: `${at}/reports/mcp` } },
    routes: [
      { id: 'orders', path: '/mcp', resource: 'orders', ...MCP_ROUTE },
      { id: 'reports', path: '/reports/mcp', resource: 'reports', ...MCP_ROUTE },
    ],
  }))
  origin = new URL(stack.url).origin
})
afterAll(() => stack.close())

test.each(MCP_CLIENTS)('a token that $name got for one resource opens no other', async ({ makeClient }) => {
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
