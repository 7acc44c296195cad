/**
 * A service that offers tools, a prompt and a resource over MCP, and says who called what.
 *
 * The name of the prompt goes beyond ASCII, because clients encode it in `Mcp-Name`.
 */
import { inputRequired, McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { type McpHost, startMcpHost } from './mcp-host.ts'

/** One call of a tool, as it reached the tool's own code. */
export interface McpCall {
  readonly tool: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** Who calls, as the gateway says in `X-Auth-Subject`. */
  readonly subject: string | undefined
}

export interface McpService extends McpHost {
  /** Oldest first. */
  readonly calls: readonly McpCall[]
}

/** The tools, by what the tests do with them. */
export const TOOLS = Object.freeze({
  list: 'orders.list',
  delete: 'orders.delete',
  daily: 'report.daily',
  /** It asks the user first. */
  confirm: 'orders.confirm',
  /** It asks the client's model first; only in sessions. */
  summarize: 'orders.summarize',
  /** It tells the session's stream that the list of tools has changed. */
  announce: 'orders.announce',
  hidden: 'admin.reset',
})

export const PROMPT = 'begrüßung'
export const RESOURCE = 'orders://sizes/1'

export async function startMcpService(): Promise<McpService> {
  const calls: McpCall[] = []
  const host = await startMcpHost({ makeServer: () => makeServer(calls) })
  return { ...host, calls }
}

function makeServer(calls: McpCall[]): McpServer {
  const server = new McpServer(
    { name: 'orders', version: '1.0.0' },
    { capabilities: { tools: { listChanged: true }, prompts: {}, resources: {}, logging: {} } },
  )
  type Context = Parameters<Parameters<typeof server.registerTool>[2]>[1]
  const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })
  const noteCall = (tool: string, args: Readonly<Record<string, unknown>>, { http }: Context): void => {
    calls.push({ tool, arguments: args, subject: http?.req?.headers.get('x-auth-subject') ?? undefined })
  }
  for (const tool of [TOOLS.list, TOOLS.daily, TOOLS.hidden])
    server.registerTool(tool, { inputSchema: z.object({}) }, (args, context) => {
      noteCall(tool, args, context)
      return text(`${tool} done`)
    })
  server.registerTool(TOOLS.delete, { inputSchema: z.object({ id: z.string() }) }, (args, context) => {
    noteCall(TOOLS.delete, args, context)
    return text(`deleted ${args.id}`)
  })
  server.registerTool(TOOLS.confirm, { inputSchema: z.object({}) }, (args, context) => {
    noteCall(TOOLS.confirm, args, context)
    const sure = z.object({ sure: z.boolean() })
    const { inputResponses } = context.mcpReq
    if (inputResponses !== undefined) return text(JSON.stringify(inputResponses))
    const question = inputRequired.elicit({ message: 'Are you sure?', requestedSchema: sure })
    return inputRequired({ inputRequests: { question } })
  })
  server.registerTool(TOOLS.summarize, { inputSchema: z.object({}) }, async (args, context) => {
    noteCall(TOOLS.summarize, args, context)
    const asked = { role: 'user' as const, content: { type: 'text' as const, text: 'Summarize.' } }
    const answer = await context.mcpReq.requestSampling({ messages: [asked], maxTokens: 10 })
    return text(JSON.stringify(answer.content))
  })
  server.registerTool(TOOLS.announce, { inputSchema: z.object({}) }, (args, context) => {
    noteCall(TOOLS.announce, args, context)
    server.sendToolListChanged()
    return text('announced')
  })
  server.registerPrompt(PROMPT, { description: 'A greeting' }, () => ({
    messages: [{ role: 'user', content: { type: 'text', text: 'Hello' } }],
  }))
  server.registerResource('size', RESOURCE, { mimeType: 'text/plain' }, url => ({
    contents: [{ uri: url.href, text: 'large' }],
  }))
  return server
}
