/**
 * Judges the names of identity headers and the patterns of reserved ones.
 *
 * RFC 9110 §5.1 (field names), §8 (representation), §12.5 (negotiation), RFC 6455 §11.3 (WebSocket).
 * An incoming header is stripped when its folded name equals that of an identity header, or matches a reserved pattern.
 * A name that the request itself needs must therefore be neither; besides, a claim must not decide where a request ends
 * or what its body is.
 */
import { isOwnName } from '../../forward/own-names.ts'
import { foldedFieldName, isToken } from '../../lib/field-name.ts'

/** The service needs these names to understand a request. They are folded; the gateway's own names are elsewhere. */
const NEEDED = `
  host authorization content-length transfer-encoding connection upgrade expect cookie
  content-type content-encoding content-range content-language range date origin referer
  accept accept-encoding accept-language user-agent cache-control if-match if-none-match
  sec-websocket-key sec-websocket-version sec-websocket-protocol sec-websocket-extensions
  x-request-id x-forwarded-for x-real-ip forwarded traceparent tracestate
`
  .trim()
  .split(/\s+/)
const needed: ReadonlySet<string> = new Set(NEEDED)

/** Says what is wrong with the name of an identity header; `undefined` when nothing is. */
export function headerNameProblem(name: string): string | undefined {
  if (!isToken(name) || name.length > 128)
    return 'is no header name; use up to 128 letters, digits and `-`, as in `X-Auth-Subject`'
  if (isOwnName(name) || needed.has(foldedFieldName(name)))
    return 'has a meaning of its own and cannot carry a claim; choose a name like `X-Auth-Subject`'
  return undefined
}

/** Says what is wrong with the name of a header that brings a token; `undefined` when nothing is. */
export function credentialHeaderProblem(name: string): string | undefined {
  if (foldedFieldName(name) === 'authorization') return 'is written as `authorization`, without `header`'
  if (!isToken(name) || name.length > 128) return 'is no header name; write one like `Cf-Access-Jwt-Assertion`'
  if (isOwnName(name) || needed.has(foldedFieldName(name)))
    return 'has a meaning of its own and cannot bring a token; choose a name like `X-Access-Token`'
  return undefined
}

/** Says what is wrong with the name of the header of our own token; `undefined` when nothing is. */
export function tokenHeaderProblem(name: string): string | undefined {
  if (name.toLowerCase() === 'authorization') return undefined
  if (!isToken(name) || name.length > 128) return 'is no header name; write one like `X-Auth-Token`'
  if (isOwnName(name) || needed.has(foldedFieldName(name)))
    return 'has a meaning of its own and cannot carry a token; choose a name like `X-Auth-Token`, or `Authorization`'
  return undefined
}

/** Says what is wrong with the name of a header in which a proxy names a certificate; `undefined` when nothing is. */
export function certificateHeaderProblem(name: string): string | undefined {
  if (!isToken(name) || name.length > 128) return 'is no header name; write one like `X-Client-Cert`'
  if (isOwnName(name) || needed.has(foldedFieldName(name)))
    return 'has a meaning of its own and cannot name a certificate; choose a name like `X-Client-Cert`'
  return undefined
}

/** Says what is wrong with a pattern of `identity.reserved`; `undefined` when nothing is. */
export function reservedPatternProblem(pattern: string): string | undefined {
  const isPrefix = pattern.endsWith('*')
  const name = isPrefix ? pattern.slice(0, -1) : pattern
  if (isPrefix && name === '') return 'would strip every header; write a prefix before the `*`, as in `X-Auth-*`'
  if (name.includes('*')) return 'may have a `*` only at its end, as in `X-Auth-*`'
  if (!isToken(name) || name.length > 128) return 'is no header name; write one like `X-Auth-Subject`, or `X-Auth-*`'
  const folded = foldedFieldName(name)
  const swallowed = NEEDED.find(each => (isPrefix ? each.startsWith(folded) : each === folded))
  if (swallowed === undefined) return undefined
  const remedy = isPrefix ? 'write a longer prefix' : 'leave it out'
  return `would strip \`${swallowed}\`, which has a meaning of its own; ${remedy}`
}
