/**
 * Judges what `mcp` of a route means together with its methods and with the limits of the file, and its tools together.
 *
 * Whether keys of the block have an effect at all is judged by its schema, which alone knows what was written.
 */

import { METHOD_OF_CALLS } from '../../mcp/call-judge.ts'
import { foldedName } from '../../mcp/folded-name.ts'
import { coveredMethods } from '../../route/methods.ts'
import type { Draft } from '../schema/draft.ts'
import { DEFAULT_MAX_BODY_BYTES } from '../schema/mcp-schema.ts'
import type { RouteConfig } from '../schema/schema.ts'
import type { Finding } from './findings.ts'

export function mcpFindings({ routes, limits }: Draft): readonly Finding[] {
  return [...routes].flatMap(([index, route]) => {
    const path = ['routes', index, 'mcp']
    return [
      ...methodProblems(route).map(message => ({ path: [...path, 'tools'], message, at: 'key' as const })),
      ...toolTwins(route).map(({ name, message }) => ({ path: [...path, 'tools', name], message, at: 'key' as const })),
      ...sizeProblems(route, limits).map(message => ({
        path: [...path, 'maxBody'],
        message,
        about: 'limits' as const,
      })),
    ]
  })
}

/** MCP 2025-11-25 and 2026-07-28, "Streamable HTTP": every message of a client is a POST. */
function methodProblems({ mcp, methods }: RouteConfig): readonly string[] {
  if (mcp?.tools === undefined || methods === undefined || coveredMethods(methods).has(METHOD_OF_CALLS)) return []
  return ['has no effect: calls come by POST, which is not in `methods`; add it there, or leave `tools` out']
}

/** A service that ignores case would call one of them under the rule of the other. */
function toolTwins({ mcp }: RouteConfig): ReadonlyArray<{ readonly name: string; readonly message: string }> {
  const names = Object.keys(mcp?.tools ?? {})
  return names.flatMap((name, index) => {
    const twin = names.slice(0, index).find(other => foldedName(other) === foldedName(name))
    if (twin === undefined) return []
    return [{ name, message: `is read like the tool \`${twin}\` by services that ignore case; keep one of them` }]
  })
}

function sizeProblems({ mcp }: RouteConfig, limits: Draft['limits']): readonly string[] {
  if (mcp === undefined || limits === undefined || mcp.maxBody <= limits.bodyBytes) return []
  // The default is no promise to anybody, and the lower limit counts.
  if (mcp.maxBody === DEFAULT_MAX_BODY_BYTES) return []
  return ['is more than `limits.bodyBytes`, which counts for every body; lower it, or raise that']
}
