/** Cuts what a request brought down to what a log may show: its target, and short texts of its head. */
import { boundedMemo } from './bounded-memo.ts'

const REDACTED = '[redacted]'
const MAX_PATH_CHARS = 512

/** Every JWT begins with this: the start of a JSON object, in base64url. */
const JWT_START = /eyJ[\w.~+/=%-]*/g
/** A terminal may take any other character for a command, those between ASCII and Latin included. */
const NOT_PLAIN = /[^\x20-\x7e]/g
/** Every signed token is longer. */
const MIN_TOKEN_CHARS = 80

/** @returns a path that is bounded, without query and user, and without anything that looks like a JWT */
export function redactPath(target: string): string {
  const path = pathOf(target)
  if (path.length < MIN_TOKEN_CHARS && !path.includes('eyJ')) return path
  const redacted = path.split('/').map(redactSegment).join('/').replaceAll(JWT_START, REDACTED)
  return redacted.length > MAX_PATH_CHARS ? `${redacted.slice(0, MAX_PATH_CHARS)}…` : redacted
}

/** @returns a text that is bounded, of printable ASCII alone, and without anything that looks like a JWT */
export function redactText(text: string, maxChars: number): string {
  const redacted = text.includes('eyJ') ? text.replaceAll(JWT_START, REDACTED) : text
  const plain = redacted.split(' ').map(redactSegment).join(' ').replace(NOT_PLAIN, '?')
  if (plain.length <= maxChars) return plain
  // A part of a string keeps the whole string in memory.
  return `${Buffer.from(plain.slice(0, maxChars), 'latin1').toString('latin1')}…`
}

const MAX_HOST_CHARS = 255

/** @returns the value of a `Host` without anything that looks like a JWT, whose characters are all those of a name */
export const redactHost = boundedMemo(host => redactText(host, MAX_HOST_CHARS), {
  maxEntries: 1000,
  maxKeyLength: MAX_HOST_CHARS,
})

function pathOf(target: string): string {
  const end = target.search(/[?#]/)
  const path = end === -1 ? target : target.slice(0, end)
  return path.startsWith('/') ? path : path.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '')
}

/** Takes whatever has three parts for a token: a JWT may have a blank after its first brace, or escaped letters. */
function redactSegment(segment: string): string {
  return segment.length >= MIN_TOKEN_CHARS && segment.split('.').length >= 3 ? REDACTED : segment
}
