/**
 * Writes the header lines that tell the upstream where a request came from.
 *
 * RFC 7239 (Forwarded). No standard describes `X-Forwarded-For`, `-Proto`, `-Host` and `X-Real-IP`. Which peers are
 * believed is not judged here (`downstream/client-address.ts`): what a peer says comes in only when it is.
 */
import { canonicalAddress, clientAddress, type TrustedProxies } from '../downstream/client-address.ts'
import type { Peer } from '../types.ts'

/** What the proxies in front of us said: lower-cased field name → all its lines, joined. */
type ForwardingChain = ReadonlyMap<string, string>

const EMPTY_CHAIN: ForwardingChain = new Map()

/**
 * Returns flat header lines: what we saw ourselves, or the chain of a trusted peer with that peer appended.
 *
 * @param chain undefined when the peer is not trusted: then nothing it said is kept
 * @param host the checked `Host` of the request
 */
export function forwardingLines(
  peer: Peer,
  host: string,
  chain: ForwardingChain = EMPTY_CHAIN,
  trusts: TrustedProxies = () => false,
): string[] {
  const address = peer.address === undefined ? undefined : canonicalAddress(peer.address)
  const lines = [
    'X-Forwarded-Proto',
    chain.get('x-forwarded-proto') ?? peer.protocol,
    'X-Forwarded-Host',
    chain.get('x-forwarded-host') ?? host,
    'Forwarded',
    appended(chain.get('forwarded'), forwardedElement(address, host, peer.protocol)),
  ]
  const forwardedFor =
    address === undefined ? chain.get('x-forwarded-for') : appended(chain.get('x-forwarded-for'), address)
  if (forwardedFor !== undefined) lines.push('X-Forwarded-For', forwardedFor)
  const realIp = chain.get('x-real-ip') ?? clientAddress(peer.address, chain.get('x-forwarded-for'), trusts)
  if (realIp !== undefined) lines.push('X-Real-IP', realIp)
  return lines
}

function appended(chain: string | undefined, element: string): string {
  return chain === undefined || chain === '' ? element : `${chain}, ${element}`
}

/** RFC 7239 §4: a value with `:` or `[` must be quoted, an IPv6 address stands in brackets (§6.1). */
function forwardedElement(address: string | undefined, host: string, protocol: string): string {
  const node = address === undefined ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
  return `for=${node};host=${host.includes(':') ? `"${host}"` : host};proto=${protocol}`
}
