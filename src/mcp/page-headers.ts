/**
 * Names the headers of the Model Context Protocol that a page needs: those it sends, and those it reads.
 *
 * MCP 2025-11-25 and 2026-07-28, "Streamable HTTP".
 */

/** What clients send besides the token and `Content-Type`, in lower case. */
export const MCP_REQUEST_HEADERS = [
  'mcp-protocol-version',
  'mcp-session-id',
  'mcp-method',
  'mcp-name',
  'last-event-id',
] as const

export const MCP_RESPONSE_HEADERS = ['Mcp-Session-Id'] as const
