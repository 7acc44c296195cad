/**
 * The names of our cookies, and every spelling in which some reader takes another name for one of them.
 *
 * RFC 6265bis §4.1.3, §5.7 (prefixes, nameless cookies).
 */
import { laxText } from '../lib/lax-text.ts'

/** The prefix makes browsers take it only from this host, over TLS, and for all paths. */
export const SESSION_COOKIE = '__Host-sallyport'

/** Eight characters of the login's state follow, so that logins in several tabs do not meet. */
export const LOGIN_COOKIE_PREFIX = `${SESSION_COOKIE}-login-`

/**
 * Matches a name of ours in lax text. PHP reads `..Host sallyport` as our name, Django and ASP.NET strip blanks of
 * Unicode that browsers keep, readers of RFC 2965 skip quotes, and a nameless cookie (`=__Host-…`) is sent as its
 * value.
 */
const OWN = /^[^a-z0-9]{2,}host[^a-z0-9]sallyport/

/** All but these can be told to be nobody's name of ours without reading them laxly. */
const SUSPECT = /sallyport|[^\x20-\x7e]|%/i

/** What separates cookies for some reader: the semicolon for all, commas in RFC 2965, blanks in Python. */
const SEPARATORS = /[;,\s]+/

/** Is true for a text that cannot hold a name of ours, in whatever spelling. */
export function isUnsuspicious(text: string): boolean {
  return !SUSPECT.test(text)
}

/** Is true for one cookie as it stands between semicolons when some reader finds a name of ours in it. */
export function holdsOwnName(cookie: string): boolean {
  return [cookie, ...cookie.split(SEPARATORS)].some(
    piece => piece.length >= SESSION_COOKIE.length && !isUnsuspicious(piece) && OWN.test(laxText(piece)),
  )
}
