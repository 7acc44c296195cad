/**
 * Gives a condition the headers that it names, as the service will read them; where the two could read differently, the
 * condition cannot be judged.
 *
 * RFC 9110 §5.3 (several lines), §7.6.1 (Connection). A server may take `X_Tenant` for `X-Tenant`, and does not get
 * what `Connection` names, so that a client could show the condition a value that the service never sees.
 */

import { listMembers } from '../lib/field-lines.ts'
import { foldedFieldName } from '../lib/field-name.ts'

/** Says why a header cannot be judged. Its message is the part of the expression that reads it. */
export class UnreadableHeader extends Error {
  readonly reason: 'repeated_header' | 'respelled_header' | 'hop_by_hop_header'

  constructor(reason: UnreadableHeader['reason'], name: string) {
    super(`request.headers["${name}"]`)
    this.reason = reason
  }
}

type HeadersOf = (rawHeaders: readonly string[]) => Readonly<Record<string, string>>

/** These are of each connection, so that `Connection` names them wherever they are used as they should. */
const OF_CONNECTION: ReadonlySet<string> = new Set(['upgrade', 'keep-alive', 'te', 'http2-settings'])

/**
 * @param names those that the condition reads, in lower case
 * @returns throws {@link UnreadableHeader} for a request with one that cannot be judged
 */
export function namedHeaders(names: ReadonlySet<string>): HeadersOf {
  const byFolded = Map.groupBy(names, foldedFieldName)
  // Folding keeps the length, so that most lines of a request need no look at their names.
  const lengths = new Set([...names].map(({ length }) => length))
  return rawHeaders => {
    const found: Record<string, string> = Object.create(null)
    if (names.size === 0) return found
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const written = rawHeaders[at] as string
      if (!lengths.has(written.length)) continue
      for (const name of byFolded.get(foldedFieldName(written)) ?? []) {
        if (name !== written.toLowerCase()) throw new UnreadableHeader('respelled_header', name)
        if (Object.hasOwn(found, name)) throw new UnreadableHeader('repeated_header', name)
        if (endsHere(name, rawHeaders)) throw new UnreadableHeader('hop_by_hop_header', name)
        found[name] = rawHeaders[at + 1] as string
      }
    }
    return found
  }
}

function endsHere(name: string, rawHeaders: readonly string[]): boolean {
  return !OF_CONNECTION.has(name) && listMembers(rawHeaders, 'connection').includes(name)
}
