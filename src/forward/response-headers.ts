/**
 * Makes the header lines that a client gets, as a flat list, of those that the upstream answered with.
 *
 * RFC 9110 §7.6.1 (Connection), §6.6.2 (Trailer), RFC 9112 §6 (framing).
 *
 * Attack: a `Trailer` field on a response that Node does not send chunked makes `writeHead` throw where nobody catches
 * it, and that ends the process. Hop-by-hop fields therefore end here, whatever spelling they come in. Of statuses only
 * 204 and 101 matter, because they have no length.
 */
import { Denial, SWITCHING_PROTOCOLS } from '../errors.ts'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { isFieldValue } from '../lib/field-lines.ts'
import { foldedFieldName, isToken } from '../lib/field-name.ts'
import { isHopByHop, namedInConnection } from './hop-by-hop.ts'

interface UpstreamHead {
  readonly statusCode: number
  /** Flat names and values, one character per octet. */
  readonly rawHeaders: readonly string[]
  /** It replaces the one that the upstream may have sent. */
  readonly requestId: string
}

type Handling = 'pass' | 'drop' | 'length' | 'coding' | 'invalid'

const handlingOf = boundedMemo<Handling>(judge, { maxEntries: 1000, maxKeyLength: 64 })

/** @throws {Denial} `upstream_unreachable`: a head that cannot be passed on without guessing where its body ends */
export function responseHeaders({ statusCode, rawHeaders, requestId }: UpstreamHead): string[] {
  const named = namedInConnection(rawHeaders)
  const lines: string[] = []
  let length: string | undefined
  let hasCoding = false
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const value = rawHeaders[i + 1] as string
    if (!isFieldValue(value)) throw fault('a header value has control characters', name)
    switch (handlingOf(name)) {
      case 'pass':
        if (named.size === 0 || !named.has(name.toLowerCase())) lines.push(name, value)
        break
      case 'length':
        if (!/^\d+$/.test(value) || (length ?? value) !== value) throw fault('Content-Length is not one number', name)
        length = value
        break
      case 'coding':
        // With its name dropped, any other coding would reach the client as if it were the content itself.
        if (hasCoding || value.trim().toLowerCase() !== 'chunked') throw fault('Transfer-Encoding is not chunked', name)
        hasCoding = true
        break
      case 'invalid':
        throw fault('a header name is not a token', name)
      case 'drop':
        break
    }
  }
  if (length !== undefined) {
    if (hasCoding) throw fault('Content-Length beside Transfer-Encoding', 'content-length')
    // RFC 9110 §8.6: 204 and 101 have no length. A client that believed one would wait for bytes that never come.
    if (statusCode !== 204 && statusCode !== SWITCHING_PROTOCOLS) lines.push('Content-Length', length)
  }
  lines.push('X-Request-Id', requestId)
  return lines
}

/**
 * Says to one kind of shared cache what overrides `Cache-Control` there: RFC 9213 and the fields named after it
 * (`Cloudflare-CDN-Cache-Control`), Edge Architecture (Varnish, Fastly), Akamai, nginx and LiteSpeed.
 */
const FOR_SHARED_CACHES = /(?:^|-)cdn-cache-control$|^(?:surrogate-control|edge-control|x-accel-expires)$|^x-litespeed-/

/**
 * Keeps shared caches from storing an answer (RFC 9111 §5.2.2.7), as RFC 6750 §2.3 asks where the token was in the URL.
 * A field that speaks to one kind of cache alone would win over that, so it is taken out (RFC 9213 §2.2).
 *
 * @param lines flat names and values; what they say for shared caches is taken out
 */
export function keepPrivate(lines: string[]): void {
  const directives: string[] = []
  for (let i = lines.length - 2; i >= 0; i -= 2) {
    const name = foldedFieldName(lines[i] as string)
    if (name === 'cache-control') directives.unshift(lines[i + 1] as string)
    else if (!FOR_SHARED_CACHES.test(name)) continue
    lines.splice(i, 2)
  }
  const others = directives
    .flatMap(value => value.match(/(?:[^,"]|"[^"]*"?)+/g) ?? [])
    .map(directive => directive.trim())
    .filter(directive => directive !== '' && !/^(?:public|private|s-maxage)\s*(?:=|$)/i.test(directive))
  lines.push('Cache-Control', ['private', ...others].join(', '))
}

function judge(name: string): Handling {
  if (!isToken(name)) return 'invalid'
  const lower = name.toLowerCase()
  if (lower === 'content-length') return 'length'
  if (lower === 'transfer-encoding') return 'coding'
  const folded = foldedFieldName(name)
  return isHopByHop(folded) || folded === 'content-length' || folded === 'x-request-id' ? 'drop' : 'pass'
}

function fault(reason: string, name: string): Denial {
  return new Denial('upstream_unreachable', { evidence: { reason, header: name.slice(0, 64) } })
}
