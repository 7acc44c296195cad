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
