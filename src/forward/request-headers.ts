/**
 * Makes the header lines for the upstream of those that a client sent: one pass over the raw lines, then our own lines.
 *
 * RFC 9110 §7.6 (forwarding). The head must have been accepted by `downstream/head.ts`. Every incoming name is judged
 * in its folded spelling, and what was decided is remembered for each spelling, so the hot path is one look-up a line.
 * Cookies are passed without a look, and trailers never.
 */

import type { TrustedProxies } from '../downstream/client-address.ts'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import type { RequestHeaders } from '../policy.ts'
import type { TraceContext } from '../types.ts'
import { forwardingLines } from './forwarded.ts'
import { namedInConnection } from './hop-by-hop.ts'
import { type Handling, handlingOf } from './own-names.ts'

export interface RequestHeaderRules {
  /** Is true for names that must never arrive from outside, in whatever spelling. */
  readonly isManaged: (name: string) => boolean
  readonly authorization: AuthorizationHandling
  readonly trusts: TrustedProxies
  /** Undefined where no proxy names the client's certificate. */
  readonly certificate?: CertificateHandling | undefined
  /** Undefined when tokens come in no subprotocol. */
  readonly withoutProtocols?: ((value: string) => string) | undefined
  /** Undefined where the gateway has no cookies of its own. */
  readonly withoutCookies?: ((value: string) => string) | undefined
}

/**
 * What becomes of the caller's `Authorization`:
 * - `drop`: it ends here
 * - `pass`: it passes as it came, without the proof that belongs to it
 * - `asBearer`: it passes with scheme Bearer, whatever scheme it came with
 * - `unjudged`: it passes with its proof, as nobody has looked at either
 */
export type AuthorizationHandling = 'drop' | 'pass' | 'asBearer' | 'unjudged'

/** What becomes of the header in which a trusted proxy names the client's certificate. */
interface CertificateHandling {
  readonly name: string
  /** Whether the service gets it, too. */
  readonly forward: boolean
}

export type LineHandling = Handling | 'pass' | 'protocols' | 'cookies'

/** Makes, of the rules of some routes, what their service reads of a request's headers. */
export type HeaderWriter = (rules: RequestHeaderRules) => RequestHeaders

/** Says what is done with a line of this name. It is remembered for each spelling. */
export function lineHandling({
  isManaged,
  authorization,
  certificate,
  withoutProtocols,
  withoutCookies,
}: RequestHeaderRules): (name: string) => LineHandling {
  return boundedMemo<LineHandling>(
    name => {
      const own = handlingOf(name)
      if (own === 'token' && authorization === 'drop') return 'drop'
      if (own === 'proof') return authorization === 'unjudged' ? 'frame' : 'drop'
      if (own === 'certificate' || isAlias(name, certificate))
        return passes(name, certificate) && !isManaged(name) ? 'certificate' : 'drop'
      if (own === 'mounted' && isManaged(name)) return 'drop'
      if (withoutProtocols !== undefined && foldedFieldName(name) === 'sec-websocket-protocol')
        return name.toLowerCase() === 'sec-websocket-protocol' ? 'protocols' : 'drop'
      if (withoutCookies !== undefined && foldedFieldName(name) === 'cookie') return 'cookies'
      return own ?? (isManaged(name) ? 'drop' : 'pass')
    },
    { maxEntries: 1000, maxKeyLength: 64 },
  )
}

export function requestHeaders(rules: RequestHeaderRules): RequestHeaders {
  const { authorization, trusts, withoutProtocols, withoutCookies } = rules
  const handlingOfLine = lineHandling(rules)
  return incoming => {
    const { rawHeaders, host, peer, trace } = incoming
    const named = namedInConnection(rawHeaders)
    const chain = trusts(peer.address) ? new Map<string, string>() : undefined
    const lines = ['Host', host]
    let protocols = ''
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = rawHeaders[i] as string
      const value = rawHeaders[i + 1] as string
      switch (handlingOfLine(name)) {
        case 'pass':
          if (named.size === 0 || !named.has(name.toLowerCase())) lines.push(name, value)
          break
        case 'trace':
          // Without a trace of ours, these are like any other lines.
          if (trace === undefined && !named.has(name.toLowerCase())) lines.push(name, value)
          break
        case 'token':
          lines.push(name, authorization === 'asBearer' ? asBearer(value) : value)
          break
        case 'frame':
          lines.push(name, value)
          break
        case 'cookies':
          addCookies(lines, name, withoutCookies?.(value) ?? value)
          break
        case 'protocols':
          if (!named.has('sec-websocket-protocol')) protocols += `,${value}`
          break
        case 'mounted':
        case 'certificate':
          if (chain !== undefined) lines.push(name, value)
          break
        case 'chain':
          if (chain !== undefined) addToChain(chain, name.toLowerCase(), value)
          break
        case 'proof':
        case 'drop':
          break
      }
    }
    addProtocols(lines, protocols, withoutProtocols)
    lines.push(...forwardingLines(peer, host, chain, trusts))
    addOwnLines(lines, incoming)
    return lines
  }
}

/** @param received all that were offered, each after a comma; empty for none */
export function addProtocols(
  lines: string[],
  received: string,
  withoutTokens: RequestHeaderRules['withoutProtocols'],
): void {
  const offered = received === '' ? '' : (withoutTokens?.(received) ?? '')
  if (offered !== '') lines.push('Sec-WebSocket-Protocol', offered)
}

/** Adds what the gateway says itself, last of all. */
export function addOwnLines(lines: string[], { requestId, trace, identityLines }: Parameters<RequestHeaders>[0]): void {
  lines.push('X-Request-Id', requestId)
  if (trace !== undefined) addTrace(lines, trace)
  lines.push(...identityLines)
}

function addTrace(lines: string[], { traceparent, tracestate }: TraceContext): void {
  lines.push('traceparent', traceparent)
  if (tracestate !== undefined) lines.push('tracestate', tracestate)
}

export function addCookies(lines: string[], name: string, value: string): void {
  if (value !== '') lines.push(name, value)
}

/** Is true for every spelling of the name. */
function isAlias(name: string, certificate: CertificateHandling | undefined): boolean {
  return certificate !== undefined && foldedFieldName(name) === foldedFieldName(certificate.name)
}

/** RFC 9440 §2.3: the chain belongs to its certificate. */
function passes(name: string, certificate: CertificateHandling | undefined): boolean {
  if (certificate?.forward !== true) return false
  const [asked, passed] = [name.toLowerCase(), certificate.name.toLowerCase()]
  return asked === passed || (asked === 'client-cert-chain' && passed === 'client-cert')
}

/** For services that know Bearer alone: the proof was judged here, and is not passed on. */
export function asBearer(value: string): string {
  return value.replace(/^dpop(?= )/i, 'Bearer')
}

/** RFC 9110 §5.3: several lines of one field are one list. */
function addToChain(chain: Map<string, string>, name: string, value: string): void {
  const before = chain.get(name)
  chain.set(name, before === undefined ? value : `${before}, ${value}`)
}
