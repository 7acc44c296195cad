/** Says which rules of CORS a route has: its own, or else those of the file, with defaults that depend on the route. */
import { MCP_REQUEST_HEADERS, MCP_RESPONSE_HEADERS } from '../mcp/page-headers.ts'
import type { CorsRules } from '../route/cors.ts'
import type { CredentialSource } from '../types.ts'
import type { Config, RouteConfig } from './schema/schema.ts'

/** @param sources the places of the route's tokens */
export function corsRules(
  { cors, mcp }: Pick<RouteConfig, 'cors' | 'mcp'>,
  config: Pick<Config, 'cors' | 'dpop'>,
  sources: readonly CredentialSource[],
): CorsRules | undefined {
  const written = cors ?? config.cors
  if (written === undefined || written === 'off') return undefined
  const { headers, exposeHeaders, maxAge, ...rest } = written
  return {
    ...rest,
    headers: headers ?? [
      ...['authorization', 'content-type'],
      ...(config.dpop !== undefined && sources.includes('authorization') ? ['dpop'] : []),
      ...sources.flatMap(source =>
        typeof source === 'object' && 'header' in source ? [source.header.toLowerCase()] : [],
      ),
      ...(mcp === undefined ? [] : MCP_REQUEST_HEADERS),
    ],
    exposeHeaders: mcp === undefined ? exposeHeaders : [...MCP_RESPONSE_HEADERS, ...exposeHeaders],
    maxAgeSeconds: Math.floor(maxAge / 1000),
  }
}
