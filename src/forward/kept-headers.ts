/**
 * Makes the header lines that an application reads of a request which it has received itself: as they came, without
 * what nobody but the gateway may say, and with the identity lines.
 *
 * It is for a guard in front of an application's own routes. The application owns the connection, so what speaks about
 * that stays, as do its length and what proxies say about the client, which the application judges by its own setting
 * (`trustProxy`). All else is what `request-headers.ts` makes for a service behind the gateway.
 */
import { boundedMemo } from '../lib/bounded-memo.ts'
import type { RequestHeaders } from '../policy.ts'
import { OF_CONNECTION } from './hop-by-hop.ts'
import {
  addCookies,
  addOwnLines,
  addProtocols,
  asBearer,
  type LineHandling,
  lineHandling,
  type RequestHeaderRules,
} from './request-headers.ts'

/** Other spellings of these names are dropped, as a gateway drops them. */
const OF_THE_CONNECTION: ReadonlySet<string> = new Set(['host', ...OF_CONNECTION])

export function keptHeaders(rules: RequestHeaderRules): RequestHeaders {
  const { authorization, trusts, withoutProtocols, withoutCookies } = rules
  const handlingOf = lineHandling(rules)
  const handlingOfLine = boundedMemo<LineHandling>(
    name => (OF_THE_CONNECTION.has(name.toLowerCase()) ? 'pass' : handlingOf(name)),
    { maxEntries: 1000, maxKeyLength: 64 },
  )
  return incoming => {
    const { rawHeaders, peer, trace } = incoming
    const lines: string[] = []
    let protocols = ''
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const value = rawHeaders[i + 1] as string
      switch (handlingOfLine(name)) {
        case 'pass':
        case 'frame':
        case 'chain':
        case 'mounted':
          lines.push(name, value)
          break
        case 'trace':
          if (trace === undefined) lines.push(name, value)
          break
        case 'token':
          lines.push(name, authorization === 'asBearer' ? asBearer(value) : value)
          break
        case 'cookies':
          addCookies(lines, name, withoutCookies?.(value) ?? value)
          break
        case 'protocols':
          protocols += `,${value}`
          break
        case 'certificate':
          if (trusts(peer.address)) lines.push(name, value)
          break
        case 'proof':
        case 'drop':
          break
      }
    }
    addProtocols(lines, protocols, withoutProtocols)
    addOwnLines(lines, incoming)
    return lines
  }
}
