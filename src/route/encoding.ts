/**
 * Decodes percent-encoding as servers do it, to find out what a path may turn into; what is forwarded is never decoded.
 *
 * RFC 3986 §2.1 (percent-encoding), RFC 3629 §3 (overlong and otherwise invalid UTF-8 is an error).
 *
 * It does not judge the result: `%` without two hex digits behind it is left as it is.
 */

/** A path that still changes after so many decodings is nobody's honest path. */
export const MAX_DECODINGS = 3

/** This is invalid percent-encoding, which `decodeURIComponent` by itself refuses. */
export const STRAY_PERCENT = /%(?![0-9a-f]{2})/i

/** These are `-`, `.`, `_`, `~`, digits and letters (RFC 3986 §2.3). */
export const ENCODED_UNRESERVED = /%(?:2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|7e)/i
const EACH_ENCODED_UNRESERVED = new RegExp(ENCODED_UNRESERVED, 'gi')

/** Decodes what means the same encoded and not (RFC 3986 §6.2.2.2). */
export function decodeUnreserved(text: string): string {
  return text.replace(EACH_ENCODED_UNRESERVED, decodeURIComponent)
}

/** @throws {URIError} the octets are not UTF-8: `%C0%AF` is a `/` to a careless decoder */
export function decodeOnce(text: string): string {
  if (!text.includes('%')) return text
  return STRAY_PERCENT.test(text) ? text.replace(/(?:%[0-9a-f]{2})+/gi, decodeURIComponent) : decodeURIComponent(text)
}

/** Decodes until nothing changes, at most {@link MAX_DECODINGS} times. */
export function decodeFully(text: string): string {
  let decoded = text
  for (let times = 0; times < MAX_DECODINGS && decoded.includes('%'); times++) decoded = decodeOnce(decoded)
  return decoded
}
