/**
 * Rewrites what an application reads of its request's headers, wherever it reads them: `headers`, `rawHeaders` and
 * `headersDistinct`, of Node's request and so of Fastify's.
 *
 * RFC 9110 §5.3 (several lines of one field). Node reads a head into objects of its own when they are first asked for,
 * so those that are there already are changed in place, and only at the names that have changed.
 */
import type { IncomingMessage } from 'node:http'
import type { Http2ServerRequest } from 'node:http2'

/**
 * @param lines flat names and values, which take the place of those that came; what stays is in the same order. They
 *   become the application's.
 */
export function tellHeaders(raw: IncomingMessage | Http2ServerRequest, lines: string[]): void {
  const { headers, rawHeaders } = raw
  withoutTrailers(raw)
  // Over HTTP/2 the pseudo-header fields come first (RFC 9113 §8.3), and stay.
  const first = 'stream' in raw ? rawHeaders.findIndex((name, i) => i % 2 === 0 && !name.startsWith(':')) : 0
  const begin = first === -1 ? rawHeaders.length : first
  for (const name of changedNames(rawHeaders, begin, lines)) {
    const value = joined(name, lines)
    if (value === undefined) delete headers[name]
    else headers[name] = value
  }
  if ('stream' in raw) {
    rawHeaders.splice(begin, rawHeaders.length, ...lines)
    return
  }
  raw.rawHeaders = lines
  // Node would count the lines as they came.
  Object.defineProperty(raw, 'headersDistinct', { configurable: true, get: () => distinct(lines) })
}

/** A gateway passes no trailers of a request on, and nobody has looked at their names. */
function withoutTrailers(raw: IncomingMessage | Http2ServerRequest): void {
  for (const name of ['trailers', 'trailersDistinct'])
    Object.defineProperty(raw, name, { configurable: true, get: () => ({}), set: () => {} })
  Object.defineProperty(raw, 'rawTrailers', { configurable: true, get: () => [], set: () => {} })
}

/** @returns in lower case, the names of lines that went, came, or have another value now */
function changedNames(received: readonly string[], begin: number, lines: readonly string[]): ReadonlySet<string> {
  const changed = new Set<string>()
  let at = 0
  for (let i = begin; i < received.length; i += 2) {
    if (received[i] === lines[at] && received[i + 1] === lines[at + 1]) at += 2
    else changed.add((received[i] as string).toLowerCase())
  }
  for (; at < lines.length; at += 2) changed.add((lines[at] as string).toLowerCase())
  return changed
}

function joined(lowerCaseName: string, lines: readonly string[]): string | undefined {
  let value: string | undefined
  for (let i = 0; i < lines.length; i += 2) {
    if (lines[i]?.toLowerCase() !== lowerCaseName) continue
    const more = lines[i + 1] as string
    value = value === undefined ? more : `${value}${lowerCaseName === 'cookie' ? '; ' : ', '}${more}`
  }
  return value
}

function distinct(lines: readonly string[]): Record<string, string[]> {
  const found: Record<string, string[]> = Object.create(null)
  for (let i = 0; i < lines.length; i += 2) {
    const name = (lines[i] as string).toLowerCase()
    found[name] = [...(found[name] ?? []), lines[i + 1] as string]
  }
  return found
}
