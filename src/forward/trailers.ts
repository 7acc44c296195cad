/**
 * Makes the trailers for a client of those that the upstream sent.
 *
 * RFC 9110 §6.5.1 (limitations on use): fields that frame or route a message, or end at this hop, cannot be trailers.
 */
import type { OutgoingHttpHeaders } from 'node:http'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { foldedFieldName, isToken } from '../lib/field-name.ts'
import { isHopByHop } from './hop-by-hop.ts'

/** RFC 9449 §8.1: a nonce stands in the head, where `own-lines.ts` decides whether it is of any use to the client. */
const NOT_IN_TRAILERS: ReadonlySet<string> = new Set([
  'content-length',
  'host',
  'set-cookie',
  'x-request-id',
  'dpop-nonce',
])

const mayPass = boundedMemo<boolean>(
  name => {
    const folded = foldedFieldName(name)
    return isToken(name) && !isHopByHop(folded) && !NOT_IN_TRAILERS.has(folded)
  },
  { maxEntries: 1000, maxKeyLength: 64 },
)

/**
 * @param received flat names and values
 * @returns lower-cased names; what must not pass is left out, and a repeated field is a list (RFC 9110 §5.3)
 */
export function trailerFields(received: readonly string[]): OutgoingHttpHeaders {
  const fields: Record<string, string> = Object.create(null)
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] as string
    const value = received[i + 1] as string
    if (!mayPass(name)) continue
    const key = name.toLowerCase()
    const before = fields[key]
    fields[key] = before === undefined ? value : `${before}, ${value}`
  }
  return fields
}
