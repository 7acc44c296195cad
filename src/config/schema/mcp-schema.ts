/**
 * Holds the schema of `mcp` of a route: which tools of a server of the Model Context Protocol ask for which scopes.
 *
 * Rules that span keys are in `config/check/`.
 */
import * as z from 'zod'
import { judgedText, list, scopeToken, size } from './fields.ts'

const toolSchema = z.strictObject({
  scopes: list(scopeToken()).optional().describe('The token has all of these scopes, and those of the route.'),
})

export const mcpSchema = z
  .strictObject({
    tools: z
      .record(judgedText(toolProblem), toolSchema)
      .optional()
      .describe('Name of a tool → what it asks for; `*` at the end stands for the rest. Left out: no body is read.'),
    others: z
      .enum(['refuse', 'allow'])
      .default('refuse')
      .describe('What becomes of calls of other tools. Default `refuse`.'),
    maxBody: size({ min: '1KiB', max: '16MiB' })
      .prefault('1MiB')
      .describe('Largest body of a call, which is read before it is forwarded. Default `1MiB`.'),
  })
  .optional()
  .describe('A server of the Model Context Protocol: scopes for each tool, and no 401 of the service.')

/** Names are compared byte for byte, and hold no control character. */
function toolProblem(name: string): string | undefined {
  if (name === '' || name.length > 256 || /\p{Cc}/u.test(name)) return 'is no name of a tool'
  if (name.slice(0, -1).includes('*')) return 'may have a `*` only at its end, as in `report.*`'
  return undefined
}
