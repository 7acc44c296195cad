/**
 * Says which header fields end at this hop, in either direction.
 *
 * RFC 9110 §7.6.1 (Connection), §10.1.4 (TE), §6.6.2 (Trailer); RFC 9112 §6.1 (Transfer-Encoding);
 * RFC 9113 §3.1 (HTTP2-Settings). `Proxy` is on the list because CGI makes `HTTP_PROXY` of it (CVE-2016-5385).
 *
 * `Connection` may name further fields of its message, which then end here, too. It cannot take away what frames or
 * routes the message, nor what the gateway adds, since those lines are written after this filter.
 */

/** What speaks about the connection that a message came by. */
export const OF_CONNECTION: readonly string[] = [
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
]

const ENDS_HERE: ReadonlySet<string> = new Set([...OF_CONNECTION, 'proxy'])

/** These are options of `Connection` that name no field, and fields that no `Connection` may take away. */
const NOT_REMOVABLE: ReadonlySet<string> = new Set([
  'close',
  'keep-alive',
  'upgrade',
  'host',
  'content-length',
  'transfer-encoding',
])

const NONE: ReadonlySet<string> = new Set()

/** @param folded as {@link foldedFieldName} makes it, so that every spelling ends here */
export function isHopByHop(folded: string): boolean {
  return ENDS_HERE.has(folded) || folded.startsWith('proxy-')
}

/** @returns lower-cased names of the fields that the message's `Connection` lines take away; nearly always none */
export function namedInConnection(rawHeaders: readonly string[]): ReadonlySet<string> {
  let named: Set<string> | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (name.length !== 10 || name.toLowerCase() !== 'connection') continue
    const value = (rawHeaders[i + 1] as string).toLowerCase()
    if (NOT_REMOVABLE.has(value)) continue
    for (const part of value.split(',')) {
      const option = part.trim()
      if (option === '' || NOT_REMOVABLE.has(option)) continue
      named ??= new Set()
      named.add(option)
    }
  }
  return named ?? NONE
}
