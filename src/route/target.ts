/**
 * Reads a request target, and gives the one path that policy judges and the upstream receives, or a refusal.
 *
 * RFC 9112 §3.2 (forms of the target), RFC 3986 §2 (characters), §3.3 (path), §6.2.2 (equivalent spellings). The bytes
 * that come out are the bytes that came in: nothing is normalised, and what would need it is refused.
 *
 * Both cases of hex digits pass (`%c3`, `%C3`): clients send both, and no route can tell them apart. It does not look
 * inside the query beyond its bytes, does not judge Host by itself, and does not know the routes: what a route may
 * relax is only reported, so paths reach a route through the matcher and not from here.
 */
import { Denial } from '../errors.ts'
import { decodeOnce, ENCODED_UNRESERVED, MAX_DECODINGS, STRAY_PERCENT } from './encoding.ts'

/** An oddity that a route may allow (`pathAllow`). */
export type PathAllowance = 'encodedUnreserved' | 'encodedSlash' | 'semicolon' | 'emptySegment'

/** The reason why a target is refused, in the evidence of `path_invalid`. */
type PathReason =
  | 'target_form'
  | 'foreign_authority'
  | 'forbidden_character'
  | 'encoding_invalid'
  | 'encoding_nested'
  | 'encoded_unreserved'
  | 'dot_segment'
  | Exclude<PathAllowance, 'encodedUnreserved'>
  | 'ambiguous_route'

/** Says whether it is refused at once, as where no route allows it, or named like the other oddities. */
type EncodedUnreserved = 'refused' | 'named'

export interface Target {
  readonly path: string
  /** The query with its leading `?`, or empty. */
  readonly query: string
  /** The oddities for which the path is refused unless its route allows them. */
  readonly relaxations: ReadonlySet<PathAllowance>
}

/**
 * @param target the request target as the parser gave it, one character per byte
 * @param host the Host header; only an absolute-form target is compared with it
 * @throws {Denial} `path_invalid`
 */
export function parseTarget(
  target: string,
  host: string | undefined,
  encodedUnreserved: EncodedUnreserved = 'refused',
): Target {
  if (NOT_VISIBLE_ASCII.test(target)) throw pathInvalid('forbidden_character')
  const origin = target.startsWith('/') ? target : originForm(target, host)
  const queryAt = origin.indexOf('?')
  const path = queryAt === -1 ? origin : origin.slice(0, queryAt)
  return { path, query: origin.slice(path.length), relaxations: neededRelaxations(path, encodedUnreserved) }
}

/**
 * Refuses what no route can allow and names what one may.
 *
 * @throws {Denial} `path_invalid`
 */
export function neededRelaxations(
  path: string,
  encodedUnreserved: EncodedUnreserved = 'refused',
): ReadonlySet<PathAllowance> {
  if (!SUSPECT.test(path)) return NONE
  if (STRAY_PERCENT.test(path)) throw pathInvalid('encoding_invalid')
  const once = decodeForInspection(path)
  const isRespelt = ENCODED_UNRESERVED.test(path)
  if (isRespelt && encodedUnreserved === 'refused') throw pathInvalid('encoded_unreserved')
  refuseNested(once)
  // `//host/x` is an authority to whoever resolves it as a reference (RFC 3986 §4.2), so no route can allow it.
  if (once.startsWith('//')) throw pathInvalid('emptySegment')

  const needed = new Set<PathAllowance>()
  if (isRespelt) needed.add('encodedUnreserved')
  if (ENCODED_SLASH.test(path)) needed.add('encodedSlash')
  if (once.includes(';')) needed.add('semicolon')
  if (once.includes('//')) needed.add('emptySegment')
  return needed
}

/** Returns the reason for which an oddity is refused that the route does not allow. */
export function refusalOf(oddity: PathAllowance): PathReason {
  return oddity === 'encodedUnreserved' ? 'encoded_unreserved' : oddity
}

/** @param detail more evidence, from the configuration only: the target itself is the attacker's text */
export function pathInvalid(reason: PathReason, detail: Readonly<Record<string, string>> = {}): Denial {
  return new Denial('path_invalid', { evidence: { reason, ...detail } })
}

const NONE: ReadonlySet<PathAllowance> = new Set()

/**
 * Blanks and control bytes, DEL, bytes past ASCII, and `#` are not allowed: a target has no
 * fragment, but servers cut one off.
 */
const NOT_VISIBLE_ASCII = /[^\x21-\x7e]|#/
/** Anything of this needs a closer look; most paths have none of it. */
const SUSPECT = /[%;\\]|\/\/|\/\.{1,2}(?:\/|$)/
const ENCODED_SLASH = /%2f/i
const BACKSLASH_OR_CONTROL = /[\\\p{Cc}]/u
/** `..;x` and `..?x` are dot segments to a server that cuts there. */
const DOT_SEGMENT = /\/\.{1,2}(?:[/;?#]|$)/
const NOT_SEPARATORS = /[^/;?#]+/g

const ABSOLUTE_FORM = /^(https?):\/\/([^/?]+)(\/.*)$/i
const DEFAULT_PORT = { http: /:80$/, https: /:443$/ }

/**
 * Takes scheme and authority off an absolute-form target. `*` and `host:port` are refused with everything else that is
 * not absolute-form, and so is an empty path: on OPTIONS it would mean `*` (RFC 9112 §3.2.4).
 */
function originForm(target: string, host: string | undefined): string {
  const [, scheme, authority, rest] = ABSOLUTE_FORM.exec(target) ?? []
  if (scheme === undefined || authority === undefined || rest === undefined) throw pathInvalid('target_form')
  const defaultPort = scheme.toLowerCase() === 'https' ? DEFAULT_PORT.https : DEFAULT_PORT.http
  const named = authority.toLowerCase().replace(defaultPort, '')
  // A userinfo has no place in Host, so the two would name different hosts to different readers.
  if (named.includes('@') || named !== host?.toLowerCase().replace(defaultPort, ''))
    throw pathInvalid('foreign_authority')
  return rest
}

/** Decodes the path once more, as a server may, and refuses what it must not become. */
function decodeForInspection(reading: string): string {
  const decoded = decodeOrRefuse(reading)
  if (BACKSLASH_OR_CONTROL.test(decoded)) throw pathInvalid('forbidden_character')
  if (DOT_SEGMENT.test(decoded)) throw pathInvalid('dot_segment')
  return decoded
}

function decodeOrRefuse(reading: string): string {
  try {
    return decodeOnce(reading)
  } catch {
    throw pathInvalid('encoding_invalid')
  }
}

/**
 * Refuses what is encoded twice: `%252f` is a separator to a server behind a server. Nested
 * encodings may hide letters, but no structure.
 */
function refuseNested(once: string): void {
  const separators = once.replace(NOT_SEPARATORS, '')
  let reading = once
  for (let times = 1; times < MAX_DECODINGS; times++) {
    reading = decodeForInspection(reading)
    if (reading.replace(NOT_SEPARATORS, '') !== separators) throw pathInvalid('encoding_nested')
  }
  if (decodeForInspection(reading) !== reading) throw pathInvalid('encoding_nested')
}
