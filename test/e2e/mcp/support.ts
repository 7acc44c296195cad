/** Puts the gateway between MCP clients and a service, and an authorization server beside them. */
import { startTestGateway, type TestGateway } from '../../support/gateway/gateway.ts'
import { freePort } from '../../support/services/free-port.ts'
import { type McpIssuer, startMcpIssuer } from '../../support/services/mcp-issuer.ts'
import { type McpService, startMcpService, TOOLS } from '../../support/services/mcp-service.ts'

export interface McpStack {
  readonly issuer: McpIssuer
  readonly service: McpService
  readonly gateway: TestGateway
  /** What users type. */
  readonly url: string
  close(): Promise<void>
}

/** The route of the service, but for what it is called and where it is. */
export const MCP_ROUTE = Object.freeze({
  require: { scopes: ['mcp:use'] },
  mcp: {
    tools: {
      [TOOLS.list]: {},
      [TOOLS.delete]: { scopes: ['orders:write'] },
      'report.*': { scopes: ['reports:read'] },
      [TOOLS.confirm]: {},
      [TOOLS.summarize]: {},
      [TOOLS.announce]: {},
    },
  },
})

/** @param config over the plain one, made for the address that clients speak to */
export async function startMcpStack(
  config: (origin: string) => Readonly<Record<string, unknown>> = () => ({}),
): Promise<McpStack> {
  const [issuer, service, port] = await Promise.all([startMcpIssuer(), startMcpService(), freePort()])
  const origin = `http://127.0.0.1:${port}`
  const url = `${origin}/mcp`
  const gateway = await startTestGateway({
    listen: `127.0.0.1:${port}`,
    providers: { main: issuer.provider },
    upstreams: { app: service.url },
    resources: { orders: { url, name: 'Orders', scopes: ['mcp:use'] } },
    routes: [{ id: 'mcp', path: '/mcp', resource: 'orders', ...MCP_ROUTE }],
    ...config(origin),
  })
  return {
    issuer,
    service,
    gateway,
    url,
    async close() {
      await gateway.close()
      await Promise.all([issuer.close(), service.close()])
    },
  }
}
