/**
 * Writes the head of a request as HTTP/1.1 has it, and judges every part of it first.
 *
 * RFC 9112 §3 (request line), §5 (fields), §6 (framing), §9.6 (`Connection: close`). Attack: a line break in a name, a
 * value, a path or a method would end the line and begin one of the attacker's own (request splitting). Others refuse
 * such parts before this file sees them; it does not rely on that.
 */
import { boundedMemo } from '../lib/bounded-memo.ts'
import { isFieldValue } from '../lib/field-lines.ts'
import { isToken } from '../lib/field-name.ts'
import type { UpstreamRequest } from './connections.ts'
import { UpstreamFailure } from './failure.ts'

/** How the service learns where the body ends. */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: number }
  | { readonly kind: 'chunked' }

interface RequestText {
  readonly text: string
  readonly framing: Framing
}

type Persistence = 'keep-alive' | 'close'

const isName = boundedMemo<boolean>(isToken, { maxEntries: 1000, maxKeyLength: 64 })

/** RFC 9112 §3.2.1, the only form that a service is asked in. CONNECT has another one (§3.2.3). */
const TARGET = /^\/[\x21-\x7e]*$/
const NONE: Framing = { kind: 'none' }
const CHUNKED: Framing = { kind: 'chunked' }

const CONNECTION_FIELDS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'proxy-connection'])

/**
 * These methods say what a body means (RFC 9110 §9.3), so a service reads it, and one without a body has to say so. A
 * service may leave the body of any other unread.
 */
export const READS_BODIES: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/**
 * @param authority is the `Host` of a request that does not name one as its first field
 * @throws {UpstreamFailure} `REQUEST_UNSENDABLE`
 */
export function requestText(request: UpstreamRequest, authority: string, persistence: Persistence): RequestText {
  const { method, path, headers, body, upgrade } = request
  if (!isName(method) || method === 'CONNECT' || !TARGET.test(path))
    throw unsendable('a request line that would not be one')
  let text = `${method} ${path} HTTP/1.1\r\n`
  if (headers[0]?.toLowerCase() !== 'host') text += `Host: ${authority}\r\n`
  let length: number | undefined
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (!isName(name) || !isFieldValue(value)) throw unsendable('a field that would not be one')
    if (name.length === 14 && name.toLowerCase() === 'content-length') {
      if (length !== undefined || !/^\d{1,15}$/.test(value)) throw unsendable('a length that is not one number')
      length = Number(value)
    } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding')
      throw unsendable('a coding that is not ours')
    else if (isConnectionField(name)) throw unsendable('a field of the connection, which is ours')
    else if (i > 0 && name.length === 4 && name.toLowerCase() === 'host') throw unsendable('two hosts')
    text += `${name}: ${value}\r\n`
  }
  // Node's server, for one, takes the bytes of such a body for the first ones of the other protocol.
  if (body !== null && upgrade !== null) throw unsendable('a body before another protocol')
  if (body === null && (length ?? 0) > 0) throw unsendable('a length without a body')
  text += upgrade !== null ? `Connection: upgrade\r\nUpgrade: ${upgrade}\r\n` : `Connection: ${persistence}\r\n`
  if (body !== null && length === undefined)
    return { text: `${text}Transfer-Encoding: chunked\r\n\r\n`, framing: CHUNKED }
  if (body !== null && length !== undefined) return { text: `${text}\r\n`, framing: { kind: 'length', bytes: length } }
  if (length === undefined && READS_BODIES.has(method)) text += 'Content-Length: 0\r\n'
  return { text: `${text}\r\n`, framing: NONE }
}

/** RFC 9110 §7.6.1, §7.8: beside ours, they would say something else about this connection. */
function isConnectionField(name: string): boolean {
  if (name.length !== 10 && name.length !== 7 && name.length !== 16) return false
  return CONNECTION_FIELDS.has(name.toLowerCase())
}

function unsendable(reason: string): UpstreamFailure {
  return new UpstreamFailure('REQUEST_UNSENDABLE', reason)
}
