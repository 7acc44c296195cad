/**
 * Tells the upstream who is calling: writes verified claims as header lines, and says which
 * incoming names must never get there.
 *
 * The lines are worked out once per principal, that is once per token and not once per request; with a token of our own
 * among them, once for each of those. It strips nothing itself: `request-headers.ts` asks {@link Identity.isManaged}
 * about every incoming name. Which names and patterns make sense is checked when the configuration is loaded.
 */
import { claimReader } from '../claim-reader.ts'
import { Denial } from '../errors.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import { keeper } from '../lib/keeper.ts'
import type { InternalToken, InternalTokens } from '../signing/internal-token.ts'
import type { JsonValue, Principal } from '../types.ts'
import { headerValue, isDelimiter, joinedHeaderValue } from './value-encoding.ts'

/** One header that we write. */
export interface IdentityHeader {
  readonly name: string
  /** @returns the claim; the header is not sent when it is undefined or null */
  readonly read: (principal: Principal) => JsonValue | undefined
  /** The delimiter of lists; without one they are sent as JSON. */
  readonly join?: string
}

/** A token of our own that goes along with the other headers. */
export interface TokenHeader {
  readonly name: string
  readonly tokens: InternalTokens
}

interface IdentityOptions {
  readonly headers: readonly IdentityHeader[]
  /** Undefined: no token of ours is sent. */
  readonly token?: TokenHeader | undefined
  /** Names, or prefixes that end in `*`, which are stripped besides the names of `headers`. */
  readonly reserved: readonly string[]
  /** The most bytes that all lines together may have on the wire. */
  readonly maxBytes: number
}

export interface Identity {
  /**
   * @returns flat names and values
   * @throws {Denial} `identity_too_large`, or `claim_invalid` for a string that is no Unicode text
   */
  lines(principal: Principal): readonly string[]
  /** Names that are known before any request: those of claims, and reserved ones without a `*`. None is there twice. */
  readonly names: readonly string[]
  /** @returns whether an incoming header of this name, in whatever spelling, must be stripped */
  isManaged(name: string): boolean
}

const clientId = claimReader('client_id')
const authorizedParty = claimReader('azp')

/** The headers that are sent when the configuration does not say. */
export const DEFAULT_IDENTITY_HEADERS: readonly IdentityHeader[] = Object.freeze([
  identityHeader('X-Auth-Issuer', 'iss'),
  identityHeader('X-Auth-Subject', 'sub'),
  { name: 'X-Auth-Client', read: ({ claims }) => clientId(claims) ?? authorizedParty(claims) },
  identityHeader('X-Auth-Scope', 'scope'),
  // Roles are always a list, whatever the provider's claim looks like; no roles and no claim are the same to a
  // principal.
  { name: 'X-Auth-Roles', read: ({ roles }) => (roles.size === 0 ? undefined : [...roles]) },
])

/**
 * Makes a header of a configured claim. `scope` stands for the provider's scopes, whichever claim they came
 * from, and is always joined by spaces.
 *
 * @param claim a claim's name, or a JSON Pointer when it starts with `/`
 * @throws {SyntaxError} an invalid pointer, or a delimiter that could not be undone
 */
export function identityHeader(name: string, claim: string, join?: string): IdentityHeader {
  if (claim === 'scope') return { name, read: ({ scopes }) => [...scopes], join: ' ' }
  if (join !== undefined && !isDelimiter(join)) throw new SyntaxError(`${JSON.stringify(join)} cannot join claims`)
  const read = claimReader(claim)
  return { name, read: ({ claims }) => read(claims), ...(join !== undefined && { join }) }
}

export function compileIdentity({ headers, token, reserved, maxBytes }: IdentityOptions): Identity {
  const exact = reserved.filter(pattern => !pattern.endsWith('*'))
  const known = [...[...headers, ...(token === undefined ? [] : [token])].map(({ name }) => name), ...exact]
  const names = [...new Map(known.toReversed().map(name => [foldedFieldName(name), name])).values()].toReversed()
  return Object.freeze<Identity>({
    names,
    lines: token === undefined ? linesOnce(headers, maxBytes) : linesWithToken(headers, token, maxBytes),
    isManaged: matchesOf([...names, ...reserved]),
  })
}

/** @param patterns names, or the beginnings of names with a `*` */
export function matchesOf(patterns: readonly string[]): (name: string) => boolean {
  const isPrefix = (pattern: string): boolean => pattern.endsWith('*')
  const exact = new Set(patterns.filter(each => !isPrefix(each)).map(foldedFieldName))
  const prefixes = patterns.filter(isPrefix).map(each => foldedFieldName(each.slice(0, -1)))
  return name => {
    const folded = foldedFieldName(name)
    return exact.has(folded) || prefixes.some(prefix => folded.startsWith(prefix))
  }
}

function linesOnce(headers: readonly IdentityHeader[], maxBytes: number): Identity['lines'] {
  const written = keeper<readonly string[]>()
  return principal => {
    const known = written.get(principal)
    if (known !== undefined) return known
    const lines = writeLines(headers, principal, { maxBytes })
    written.set(principal, lines)
    return lines
  }
}

interface WrittenLines {
  readonly lines: readonly string[]
  readonly token: InternalToken
}

/** The token ends before the principal does, so the lines are written anew with each. */
function linesWithToken(
  headers: readonly IdentityHeader[],
  { name, tokens }: TokenHeader,
  maxBytes: number,
): Identity['lines'] {
  const isAuthorization = foldedFieldName(name) === 'authorization'
  // A session may make a copy of its principal for each request, which shares what is kept.
  const written = keeper<WrittenLines>()
  return principal => {
    const known = written.get(principal)
    if (known !== undefined && tokens.isCurrent(known.token)) return known.lines
    const token = tokens.sign(principal)
    const value = isAuthorization ? `Bearer ${token.text}` : token.text
    const lines = writeLines(headers, principal, { maxBytes, last: [name, value] })
    written.set(principal, { lines, token })
    return lines
  }
}

interface LineOptions {
  readonly maxBytes: number
  /** A line that is written behind the others. */
  readonly last?: readonly [name: string, value: string]
}

function writeLines(
  headers: readonly IdentityHeader[],
  principal: Principal,
  { maxBytes, last }: LineOptions,
): readonly string[] {
  const lines: string[] = []
  let bytes = last === undefined ? 0 : last[0].length + last[1].length + 4
  for (const { name, read, join } of headers) {
    const claim = read(principal)
    if (claim === undefined) continue
    const value = join === undefined ? headerValue(claim) : joinedHeaderValue(claim, join)
    if (value === undefined) continue
    // A value is ASCII, so that its characters are bytes; 4 bytes are for the colon, the blank and the line end.
    bytes += name.length + value.length + 4
    lines.push(name, value)
  }
  if (last !== undefined) lines.push(...last)
  if (bytes > maxBytes) throw new Denial('identity_too_large', { evidence: { bytes, max_bytes: maxBytes } })
  return Object.freeze(lines)
}
