/** Asks clients for tokens that are bound to a key of theirs, and for a proof of it with every call. */
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MCP_CLIENTS } from '../../support/clients/mcp-client.ts'
import { TOOLS } from '../../support/services/mcp-service.ts'
import { MCP_ROUTE, type McpStack, startMcpStack } from './support.ts'

let stack: McpStack
beforeAll(async () => {
  stack = await startMcpStack(origin => ({
    dpop: { algorithms: ['ES256'], baseUrls: [origin] },
    routes: [
      {
        id: 'mcp',
        path: '/mcp',
        resource: 'orders',
        ...MCP_ROUTE,
        require: { ...MCP_ROUTE.require, proof: 'dpop' },
      },
    ],
  }))
})
afterAll(() => stack.close())

/** The SDK 1.x knows no bound tokens. */
const ABLE = MCP_CLIENTS.filter(({ name }) => name !== 'sdk 1.x')

test('the metadata say so', async () => {
  const metadata = await stack.gateway.request('/.well-known/oauth-protected-resource/mcp')
  expect(metadata.json()).toMatchObject({
    dpop_signing_alg_values_supported: ['ES256'],
    dpop_bound_access_tokens_required: true,
  })
})

test.each(ABLE)('$name gets one, steps up with it, and calls tools', async ({ makeClient }) => {
  const client = makeClient({ url: stack.url, issuer: stack.issuer.issuer, tokens: 'dpop' })
  await client.connect()
  expect(await client.callTool(TOOLS.delete, { id: '7' })).toBe('deleted 7')
  expect(client.authorizations).toHaveLength(2)
  expect(decodeJwt(client.accessToken() ?? '')).toMatchObject({ aud: stack.url, cnf: { jkt: expect.any(String) } })
  const calls = client.sent.filter(({ url, headers }) => url === stack.url && headers.has('authorization'))
  expect(calls.filter(({ headers }) => !headers.has('dpop'))).toEqual([])
  await client.close()

  const stolen = { authorization: `Bearer ${client.accessToken()}`, 'content-type': 'application/json' }
  const refused = await stack.gateway.request('/mcp', { method: 'POST', headers: stolen, body: '{}' })
  expect([refused.status, refused.json().code]).toEqual([401, 'proof_required'])
  expect(refused.headers['www-authenticate']).toContain('resource_metadata="')
})
