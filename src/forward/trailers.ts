/**
 * Makes the trailers for a client of those that the upstream sent.
 *
 * RFC 9110 §6.5.1 (limitations on use): fields that frame or route a message, or end at this hop, cannot be trailers.
 */
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { foldedFieldName, isToken } from '../lib/field-name.ts'
import { isHopByHop } from './hop-by-hop.ts'

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set(['content-length', 'host', 'set-cookie', 'x-request-id'])

const mayPass = boundedMemo<boolean>(
  name => {
    const folded = foldedFieldName(name)
    return isToken(name) && !isHopByHop(folded) && !NOT_IN_TRAILERS.has(folded)
  },
  { maxEntries: 1000, maxKeyLength: 64 },
)

/** @returns lower-cased names; what must not pass is left out */
export function trailerFields(received: IncomingHttpHeaders): OutgoingHttpHeaders {
  const fields: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(received))
    if (value !== undefined && mayPass(name)) fields[name.toLowerCase()] = value
  return fields
}
