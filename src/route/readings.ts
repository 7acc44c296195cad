/**
 * Says what a server that is laxer than we are may make of a path: every combination of the usual habits.
 *
 * The matcher refuses a path when one of its readings belongs to another route, so that a gate cannot be walked around
 * by spelling a path in a way that only the server behind it understands. RFC 3986 §6.2.2 (case and percent-encoding),
 * §3.3 (`;` parameters); Java servers (`;`), Express (case, last slash).
 *
 * Backslashes and dot segments have no habit here: they are refused in every encoding. Servers that trim blanks and
 * dots off a segment, that add or ignore file suffixes, or that add a last slash are not covered.
 */
import { decodeFully, decodeOnce } from './encoding.ts'

/** Maps a path to how such a server understands it: it shortens the path or leaves it alone. */
export type Habit = (path: string) => string

/** The habits for a route that is written with a slash at its end: its server tells `/docs/` from `/docs`. */
export const HABITS: readonly Habit[] = [
  // It is applied again to what it gave. Separators are never nested (see the target's rules), but letters may be.
  decodeOnce,
  withoutEmptySegments,
  // Who cuts at the encoded character, too, need not have decoded the rest: a `%2f` before it is then no separator.
  path => path.replace(/;[^/]*/g, ''),
  withoutParameters,
  path => before(path, /;/),
  path => before(path, /;|%3b/i),
  path => before(path, /\?/),
  path => before(path, /\?|%3f/i),
  path => before(path, /#/),
  path => before(path, /#|%23/i),
]

/** The habits for every other route. */
export const HABITS_WITHOUT_LAST_SLASH: readonly Habit[] = [...HABITS, withoutLastSlashes]

/**
 * Collects the path and all its readings. They are few, whatever the path: a habit has no more to do where it has been,
 * so a reading is told by which habits shaped it, and not by how much there was to shorten.
 */
export function laxReadings(path: string, habits: readonly Habit[]): ReadonlySet<string> {
  const readings = new Set([path])
  // The iteration of a Set also visits what is added on the way, so that this is the closure.
  for (const reading of readings) for (const habit of habits) readings.add(habit(reading))
  return readings
}

/**
 * Spells a segment as the laxest server compares it: decoded, in compatibility form, without case. Upper case comes
 * first because some letters meet ASCII only there (`ſ`), others only in lower case (the Kelvin sign).
 *
 * A stricter server knows fewer spellings of a literal, so it can only fall back to a route that lies between the exact
 * match and this one; when those two agree, it agrees.
 */
export function laxSegment(segment: string): string {
  return decodeFully(segment).normalize('NFKC').toUpperCase().toLowerCase()
}

/** Cuts `;…` off every segment, also where the semicolon is encoded. */
export function withoutParameters(path: string): string {
  return path.replace(/(?:;|%3b)[^/]*/gi, '')
}

export function withoutEmptySegments(path: string): string {
  return path.replace(/\/{2,}/g, '/')
}

/** Cuts them all at once: one slash at a time would be a reading for each. */
function withoutLastSlashes(path: string): string {
  let end = path.length
  while (end > 1 && path[end - 1] === '/') end--
  return path.slice(0, end)
}

function before(path: string, delimiter: RegExp): string {
  const at = path.search(delimiter)
  return at === -1 ? path : path.slice(0, at)
}
