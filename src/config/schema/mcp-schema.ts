/**
 * Holds the schema of `mcp` of a route: which tools of a server of the Model Context Protocol ask for which scopes.
 *
 * Rules that reach beyond the block are in `check-mcp.ts`.
 */
import * as z from 'zod'
import { LONGEST_TOOL_NAME } from '../../mcp/message.ts'
import { judgedText, list, scopeToken, size } from './fields.ts'

const toolSchema = z.strictObject(
  { scopes: list(scopeToken()).optional().describe('The token has all of these scopes, and those of the route.') },
  { error: ({ code, input }) => (code === 'invalid_type' && input === null ? NO_RULE : undefined) },
)

/** A tool that is left out would be one of the others, which are refused. */
const NO_RULE = 'has no value; write `{}` if it needs no more than the route does'

/** So much is read of a body unless `maxBody` says otherwise. */
export const DEFAULT_MAX_BODY_BYTES = 1024 ** 2

const mcpBlock = z.strictObject({
  tools: z
    .record(judgedText(toolProblem), toolSchema)
    .optional()
    .describe('Name of a tool → what it asks for; `*` at the end stands for the rest. Left out: no body is read.'),
  others: z.enum(['refuse', 'allow']).optional().describe('What becomes of calls of other tools. Default `refuse`.'),
  maxBody: size({ min: '1KiB', max: '16MiB' })
    .optional()
    .describe('Largest body of a call, which is read before it is forwarded. Default `1MiB`.'),
})

export const mcpSchema = mcpBlock
  .transform(({ tools, others, maxBody }, context) => {
    const problems = Object.entries({ others, maxBody }).flatMap(([key, value]) =>
      value === undefined ? [] : [[key, effectProblem(key, tools)] as const],
    )
    for (const [key, message] of problems)
      if (message !== undefined) context.issues.push({ code: 'custom', path: [key], message, input: undefined })
    return {
      ...(tools !== undefined && { tools }),
      others: others ?? 'refuse',
      maxBody: maxBody ?? DEFAULT_MAX_BODY_BYTES,
    }
  })
  .optional()
  .describe('A server of the Model Context Protocol: scopes for each tool, and no 401 of the service.')

/** Only here it is known whether a key was written, or has its default. */
function effectProblem(key: string, tools: Readonly<Record<string, unknown>> | undefined): string | undefined {
  if (tools === undefined)
    return 'has no effect without `tools`, since no body is read: every tool may be called; add `tools`, or leave it out'
  if (key === 'others' && '*' in tools) return 'has no effect beside the tool `*`, which is all others; leave it out'
  return undefined
}

/** Names are compared byte for byte, and hold no control character. */
function toolProblem(name: string): string | undefined {
  if (name === '' || name.length > LONGEST_TOOL_NAME || /\p{Cc}/u.test(name)) return 'is no name of a tool'
  if (name !== name.trim()) return 'has a blank at an end, with which no call passes; leave the blank out'
  if (name.slice(0, -1).includes('*')) return 'may have a `*` only at its end, as in `report.*`'
  return undefined
}
