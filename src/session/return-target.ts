/**
 * Says where a browser goes after a login: to a target of our own that it has asked for, or to `/`.
 *
 * RFC 9112 §3.2.1 (origin-form); WHATWG URL §4.4, whose parser removes tabs and line breaks and reads a backslash as a
 * slash. The `Location` is the public origin followed by the target, and no absolute URL is ever taken from a request.
 * Whether a route governs the target is for others to say.
 */

/** What a login cookie can hold without being the one that makes a head too large. */
const MAX_CHARACTERS = 2048

/** One slash and then visible ASCII without a backslash, and without a fragment, which no request target has. */
const OWN_TARGET = /^\/(?!\/)[\x21\x22\x24-\x5b\x5d-\x7e]*$/

/** @param written as it came, after it was decoded once if it stood in a query */
export function returnTarget(written: string | undefined): string {
  if (written === undefined || written.length > MAX_CHARACTERS || !OWN_TARGET.test(written)) return '/'
  return written
}
