/**
 * Makes requests that call a tool, as a client of the Model Context Protocol does, and finds what is asked of one.
 *
 * MCP 2025-11-25, "Streamable HTTP": each message is a POST of its own. What else would be in the body is nobody's
 * business: the gateway judges the name of the tool and passes the rest on.
 */
import type { RouteConfig } from '../../config/schema/schema.ts'
import { fieldValue } from '../../lib/field-lines.ts'
import { METHOD_OF_CALLS } from '../../mcp/call-judge.ts'
import { TOOLS_CALL } from '../../mcp/message.ts'
import { demandOf, toolRules } from '../../mcp/tool-rules.ts'
import type { Endpoint, Route } from '../../policy.ts'
import type { Principal, RequestFacts } from '../../types.ts'

/** What a message says that calls a tool, or does something else. */
export interface WrittenMessage {
  readonly method: string
  /** Undefined for a method that calls none. */
  readonly tool?: string | undefined
}

/** A message that calls no tool, and asks for nothing. */
export const NO_CALL: Buffer = bodyOf({ method: 'ping', tool: undefined })

export function callOf(tool: string): WrittenMessage {
  return { method: TOOLS_CALL, tool }
}

/** Says what is wrong with a message; undefined where nothing is. */
export function messageProblem({ method, tool }: WrittenMessage): string | undefined {
  if (method === TOOLS_CALL) return tool === undefined ? 'needs `tool`: which one is called' : undefined
  return tool === undefined ? undefined : `has a \`tool\`, which only \`${TOOLS_CALL}\` calls; leave out \`method\``
}

export function bodyOf({ method, tool }: WrittenMessage): Buffer {
  const params = tool === undefined ? {} : { params: { name: tool, arguments: {} } }
  return Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: 1, method, ...params }))
}

/** Says that the body is JSON, unless the request says what it is. */
export function withJsonBody(facts: RequestFacts): RequestFacts {
  if (fieldValue(facts.rawHeaders, 'content-type') !== undefined) return facts
  return { ...facts, rawHeaders: [...facts.rawHeaders, 'Content-Type', 'application/json'] }
}

/** Whether the body of the request is judged, since it may call a tool. */
export function isJudged(route: Route | Endpoint | undefined, { method }: RequestFacts): boolean {
  return route?.kind === 'route' && route.calls !== undefined && method === METHOD_OF_CALLS
}

/** What a route asks of the caller of one tool. */
interface AskedOfCall {
  /** As the file has it: `mcp.tools.report.*`, or `mcp.others`. */
  readonly line: string
  /** Undefined where the tool may not be called at all. */
  readonly scopes: readonly string[] | undefined
  /** Whether that is so because a service which ignores letter case would take it for the tool of the line. */
  readonly isOtherSpelling: boolean
}

export function askedOfCall({ tools = {}, others }: NonNullable<RouteConfig['mcp']>, tool: string): AskedOfCall {
  const { rule, scopes, readAs } = demandOf(toolRules(tools), others, tool)
  const line = readAs ?? rule
  return { line: line === undefined ? OTHERS : lineOf(line.name), scopes, isOtherSpelling: readAs !== undefined }
}

export const OTHERS = 'mcp.others'

/** @param tool as the file has it */
export function lineOf(tool: string): string {
  return `mcp.tools.${tool}`
}

/** Returns the scopes that the caller lacks for the tool itself. */
export function missingForCall({ scopes = [] }: AskedOfCall, principal: Principal | undefined): readonly string[] {
  return scopes.filter(scope => principal?.scopes.has(scope) !== true)
}
