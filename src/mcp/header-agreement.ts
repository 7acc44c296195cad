/**
 * Compares `Mcp-Method` and `Mcp-Name`, which servers and proxies may go by, with the body, which we have judged.
 *
 * MCP 2026-07-28, "Standard MCP Request Headers" (SEP-2243): −32020 (HeaderMismatch), `=?base64?…?=` for names that no
 * header can carry.
 */
import { Denial } from '../errors.ts'
import { evidenceText } from '../lib/evidence-text.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import type { Message } from './message.ts'

/** Where the name is that a method has in its header; other methods have none. */
const NAME_OF: ReadonlyMap<string, string> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
])

const HEADER_MISMATCH = -32020

/**
 * A header that is not there says nothing: clients of earlier revisions send none.
 *
 * @throws {Denial} `request_malformed`
 */
export function checkHeaders(rawHeaders: readonly string[], { id, method, params }: Message): void {
  const disagreeing = (header: string, seen: string, wanted: unknown): Denial =>
    new Denial('request_malformed', {
      evidence: {
        what: `${header} is not what the body says`,
        seen: evidenceText(seen),
        wanted: typeof wanted === 'string' ? evidenceText(wanted) : 'none',
      },
      rpc: { id, code: HEADER_MISMATCH },
    })
  for (const value of valuesOf(rawHeaders, 'mcp-method'))
    if (value !== method) throw disagreeing('Mcp-Method', value, method)
  const member = method === undefined ? undefined : NAME_OF.get(method)
  if (member === undefined) return
  for (const value of valuesOf(rawHeaders, 'mcp-name'))
    if (nameIn(value) !== params[member]) throw disagreeing('Mcp-Name', value, params[member])
}

/** Whoever reads headers as CGI does takes `Mcp_Name` for the same. */
function valuesOf(rawHeaders: readonly string[], folded: string): readonly string[] {
  return rawHeaders.filter((_, i) => i % 2 === 1 && foldedFieldName(rawHeaders[i - 1] as string) === folded)
}

const ENCODED = /^=\?base64\?((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)\?=$/

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** @returns null for an encoding that cannot be decoded, which equals no name */
function nameIn(value: string): string | null {
  if (!value.startsWith('=?base64?') || !value.endsWith('?=')) return value
  const [, payload] = ENCODED.exec(value) ?? []
  if (payload === undefined) return null
  try {
    return utf8.decode(Buffer.from(payload, 'base64'))
  } catch {
    return null
  }
}
