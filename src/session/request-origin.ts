/**
 * Says whether a request may use the session of its browser, judged by where in the browser it comes from (CSRF).
 *
 * Fetch Metadata Request Headers §2.3 (Sec-Fetch-Mode), §2.4 (Sec-Fetch-Site), RFC 6454 §7 (Origin), RFC 9110 §9.2.1
 * (safe methods). `Host` plays no part in it, since whoever stands in front of us may have changed it.
 */
import { evidenceText } from '../lib/evidence-text.ts'
import { fieldValues } from '../lib/field-lines.ts'
import { isWebSocketHandshake } from '../lib/websocket-handshake.ts'
import type { RequestFacts } from '../types.ts'

export interface OriginRules {
  /** That of `publicUrl`, as browsers write it. */
  readonly publicOrigin: string
  /** `allowOrigins`, whose pages may use the session like our own. */
  readonly allowOrigins: ReadonlySet<string>
}

/**
 * - `yes`: the session counts.
 * - `ignored`: the request is judged as if it had no cookie.
 * - `forbidden`: the request is refused.
 */
export type SessionUseByOrigin =
  | { readonly verdict: 'yes' }
  | { readonly verdict: 'ignored' | 'forbidden'; readonly evidence: OriginEvidence }

/** What the browser has said of the page that sends the request, cut short. */
interface OriginEvidence {
  readonly site?: string
  readonly origin?: string
}

const YES: SessionUseByOrigin = { verdict: 'yes' }

/** Every other method counts as one that changes something. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

export function sessionUseByOrigin(
  facts: Pick<RequestFacts, 'method' | 'httpVersion' | 'rawHeaders'>,
  { publicOrigin, allowOrigins }: OriginRules,
): SessionUseByOrigin {
  const sites = fieldValues(facts.rawHeaders, 'sec-fetch-site')
  const origins = fieldValues(facts.rawHeaders, 'origin')
  const site = single(sites)
  const origin = single(origins)
  if (site !== SEVERAL && origin !== SEVERAL && origin !== undefined && allowOrigins.has(origin)) return YES
  const isUnsafe = !SAFE.has(facts.method) || isWebSocketHandshake(facts)
  const isTrusted = isUnsafe
    ? isOwnPage(site, origin, publicOrigin)
    : !isForeignPage(site, origin, publicOrigin) || isNavigation(facts.rawHeaders)
  if (isTrusted) return YES
  return { verdict: isUnsafe ? 'forbidden' : 'ignored', evidence: evidenceOf(sites, origins) }
}

/** It is said of a field with several lines. No site and no origin is written like this. */
const SEVERAL = ','

function single(values: readonly string[]): string | undefined {
  return values.length > 1 ? SEVERAL : values[0]
}

/** A browser that says nothing of the site says at least the origin, with every method but GET and HEAD. */
function isOwnPage(site: string | undefined, origin: string | undefined, publicOrigin: string): boolean {
  if (origin === SEVERAL) return false
  return site === undefined ? origin === publicOrigin : site === 'same-origin'
}

/** `none` is what the user has begun: an address that was typed, or a bookmark. */
function isForeignPage(site: string | undefined, origin: string | undefined, publicOrigin: string): boolean {
  if (origin === SEVERAL) return true
  // Without both it is no browser, an old one, or a page without TLS: `SameSite=Lax` is what then holds.
  if (site === undefined) return origin !== undefined && origin !== publicOrigin
  return site !== 'same-origin' && site !== 'none'
}

function isNavigation(rawHeaders: readonly string[]): boolean {
  return single(fieldValues(rawHeaders, 'sec-fetch-mode')) === 'navigate'
}

function evidenceOf(sites: readonly string[], origins: readonly string[]): OriginEvidence {
  return {
    ...(sites.length > 0 && { site: evidenceText(sites.join(', ')) }),
    ...(origins.length > 0 && { origin: evidenceText(origins.join(', ')) }),
  }
}
