/**
 * Knows the places besides `Authorization` that a token may come from: takes it out, and keeps it from the service.
 *
 * RFC 6750 §2 (one method per request), §2.3 (query), RFC 6455 §4.1 (subprotocols). What is read is read in one exact
 * spelling; what is removed is removed in every spelling that some service reads as the same. Tokens in a body (§2.2)
 * are ignored.
 */
import { Denial } from '../errors.ts'
import { fieldValues, listMembers } from '../lib/field-lines.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import { formDecoded, laxText } from '../lib/lax-text.ts'
import { isToken68 } from '../lib/token68.ts'
import { isWebSocketHandshake } from '../lib/websocket-handshake.ts'
import type {
  Credential,
  CredentialReader,
  CredentialRules,
  CredentialSource,
  QueryUse,
  RequestFacts,
  TokenPlaces,
} from '../types.ts'
import { extractCredential, tokenTooLarge } from './extract.ts'

/** The values of one source; more than one of all sources together is refused. */
type Source = (facts: RequestFacts, query: string) => ReadonlyArray<Credential | undefined>

const PROTOCOLS_FIELD = 'sec-websocket-protocol'

/**
 * Reads the token from exactly one of these places.
 *
 * @returns a reader that throws `request_malformed` where two of them are filled, even when they agree
 */
export function credentialReader(sources: readonly CredentialSource[], rules: CredentialRules): CredentialReader {
  const readers = sources.map(source => readerOf(source))
  return (facts, query) => {
    const found = readers.flatMap(read => read(facts, query))
    if (found.length === 0) return undefined
    if (found.length > 1) throw malformed('more than one credential')
    const [credential] = found
    if (credential === undefined) return extractCredential(facts.rawHeaders, rules)
    const { token } = credential
    if (!isToken68(token)) throw malformed('the token is not token68')
    if (token.length > rules.tokenBytes) throw tokenTooLarge(token, rules.tokenBytes)
    return credential
  }
}

function readerOf(source: CredentialSource): Source {
  if (source === 'authorization')
    return ({ rawHeaders }) => fieldValues(rawHeaders, 'authorization').map(() => undefined)
  if ('header' in source) {
    const name = source.header.toLowerCase()
    return ({ rawHeaders }) =>
      fieldValues(rawHeaders, name).map(token => ({ token, scheme: 'Bearer', place: 'header' }))
  }
  if ('websocketProtocol' in source) {
    const name = source.websocketProtocol.toLowerCase()
    return ({ rawHeaders }) =>
      takenApart(rawHeaders, [name]).tokens.map(token => ({ token, scheme: 'Bearer', place: 'websocketProtocol' }))
  }
  const { query: name, only } = source
  return (facts, query) => {
    if (only !== undefined && !only.some(each => CIRCUMSTANCES[each](facts))) return []
    return parametersOf(query)
      .filter(parameter => parameter.name === name)
      .map(({ value }) => ({ token: value, scheme: 'Bearer', place: 'query' }))
  }
}

const CIRCUMSTANCES: Readonly<Record<QueryUse, (facts: RequestFacts) => boolean>> = {
  websocket: isWebSocketHandshake,
  eventStream: ({ method, rawHeaders }) =>
    method === 'GET' && listMembers(rawHeaders, 'accept').includes('text/event-stream'),
}

/**
 * Finds what must not reach the service on any route, whichever places the route itself reads.
 *
 * @param sources those of the whole configuration
 * @returns undefined when `Authorization` is the only place
 */
export function tokenPlaces(sources: readonly CredentialSource[]): TokenPlaces | undefined {
  const headers = new Map<string, string>()
  const parameters = new Set<string>()
  const protocols: string[] = []
  for (const source of sources) {
    if (source === 'authorization') continue
    if ('header' in source) headers.set(foldedFieldName(source.header), source.header)
    else if ('query' in source) parameters.add(foldedFieldName(source.query))
    else protocols.push(source.websocketProtocol)
  }
  if (headers.size + parameters.size + protocols.length === 0) return undefined
  const names = protocols.map(name => name.toLowerCase())
  return Object.freeze<TokenPlaces>({
    headers: [...headers.values()],
    isHeader: name => headers.has(foldedFieldName(name)),
    withoutParameters: query => withoutParameters(query, parameters),
    hasProtocols: names.length > 0,
    withoutProtocols: value => takenApart([PROTOCOLS_FIELD, value], names).rest,
    agreedProtocol(rawHeaders) {
      const { found } = takenApart(rawHeaders, names)
      return protocols.find(name => name.toLowerCase() === found)
    },
  })
}

interface Offer {
  /** The first of the names, in lower case, that is offered. */
  readonly found: string | undefined
  /** Empty for a name that no token follows. */
  readonly tokens: readonly string[]
  /** What is offered besides, as one list. */
  readonly rest: string
}

/** Takes the tokens out of the subprotocols that a client offers. Names are compared without case. */
function takenApart(rawHeaders: readonly string[], names: readonly string[]): Offer {
  const offered = fieldValues(rawHeaders, PROTOCOLS_FIELD)
    .flatMap(value => value.split(','))
    .map(item => item.trim())
    .filter(item => item !== '')
  let found: string | undefined
  const tokens: string[] = []
  const rest: string[] = []
  for (let i = 0; i < offered.length; i++) {
    const item = offered[i] as string
    const name = names.find(each => isOf(each, item))
    if (name === undefined) {
      rest.push(item)
      continue
    }
    found ??= name
    if (isPrefix(name)) {
      tokens.push(decodedToken(item.slice(name.length + 1)))
      continue
    }
    const next = offered[i + 1]
    // A name that follows itself is no token, or the real token would stay behind and reach the service.
    const isToken = next !== undefined && !names.some(each => isOf(each, next))
    tokens.push(isToken ? next : '')
    if (isToken) i++
  }
  return { found, tokens, rest: rest.join(', ') }
}

/** Kubernetes has made it a custom: the token itself, in base64url, follows such a name after a dot. */
function isPrefix(name: string): boolean {
  return name.startsWith('base64url.')
}

function isOf(name: string, item: string): boolean {
  const lower = item.toLowerCase()
  return lower === name || (isPrefix(name) && lower.startsWith(`${name}.`))
}

/** @returns an empty text, which is no token, for what is not base64url */
function decodedToken(encoded: string): string {
  return /^[\w-]+$/.test(encoded) ? Buffer.from(encoded, 'base64url').toString('latin1') : ''
}

interface Parameter {
  readonly name: string
  readonly value: string
}

function parametersOf(query: string): readonly Parameter[] {
  return query
    .slice(1)
    .split('&')
    .map(part => {
      const equals = part.indexOf('=')
      const end = equals === -1 ? part.length : equals
      return { name: formDecoded(part.slice(0, end)), value: formDecoded(part.slice(end + 1)) }
    })
}

/** Removes them, and leaves every other byte as it came. Some servers also separate parameters by `;`. */
function withoutParameters(query: string, names: ReadonlySet<string>): string {
  if (names.size === 0 || query.length < 2) return query
  let isChanged = false
  const kept = query
    .slice(1)
    .split('&')
    .flatMap(part => {
      const pieces = part.split(';')
      const others = pieces.filter(piece => !laxNames(piece).some(name => names.has(name)))
      if (others.length === pieces.length) return [part]
      isChanged = true
      return others.length === 0 ? [] : [others.join(';')]
    })
  if (!isChanged) return query
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}

/**
 * Every name that some reader gives to a piece. PHP reads `access.token`, `access[token`, ` access_token` and
 * `access_token[]` as one name, and so does `qs` `[access_token]`. The constructor of URLSearchParams skips a `?`,
 * readers of IIS decode `%u005f`, and others ignore case or decode twice.
 */
function laxNames(piece: string): readonly string[] {
  const name = laxText(piece.split('=', 1)[0] as string).replace(/^[\s?[\]]+/, '')
  return [name, name.split(/[[\]\0]/, 1)[0] as string].map(each => foldedFieldName(each.trimEnd()))
}

function malformed(reason: string): Denial {
  return new Denial('request_malformed', { evidence: { reason } })
}
