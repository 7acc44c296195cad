/**
 * Says where a request came from, and whether to believe what its peer says about that.
 *
 * Only a peer that the operator listed is believed; the list is empty by default. A peer on a Unix socket has no
 * address and is believed only if the list has `unix:`. No standard describes `X-Forwarded-For`. The lines for the
 * upstream are written elsewhere (`forward/forwarded.ts`).
 */
import { isIP } from 'node:net'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { mappedIpv4 } from '../lib/embedded-ipv4.ts'
import { fieldValues } from '../lib/field-lines.ts'
import { networks } from '../lib/networks.ts'
import type { RequestFacts } from '../types.ts'

/** Is true when what a peer at this address says about the client is believed. */
export type TrustedProxies = (address: string | undefined) => boolean

/**
 * @param entries IP addresses, CIDR ranges, or `unix:`
 * @throws {SyntaxError} naming the entry that is none of these
 */
export function trustedProxies(entries: readonly string[]): TrustedProxies {
  const isUnixTrusted = entries.includes('unix:')
  const ranges = entries.filter(entry => entry !== 'unix:')
  if (ranges.length === 0) return address => address === undefined && isUnixTrusted
  const isIn = networks(ranges)
  const isListed = boundedMemo(address => isIn(canonicalAddress(address)), { maxEntries: 1000, maxKeyLength: 64 })
  return address => (address === undefined ? isUnixTrusted : isListed(address))
}

/**
 * Returns the nearest address that is no trusted proxy. It reads `X-Forwarded-For` from our end, for as long as each
 * hop is trusted and the next entry is an address.
 *
 * @returns undefined only for a peer on a Unix socket that is not believed or names no address
 */
export function clientAddress(
  peerAddress: string | undefined,
  forwardedFor: string | undefined,
  trusts: TrustedProxies,
): string | undefined {
  let client = peerAddress === undefined ? undefined : canonicalAddress(peerAddress)
  if (forwardedFor === undefined || !trusts(peerAddress)) return client
  const hops = forwardedFor.split(',')
  while (hops.length > 0) {
    const hop = hops.pop()?.trim() ?? ''
    if (isIP(hop) === 0) return client
    client = canonicalAddress(hop)
    if (!trusts(client)) return client
  }
  return client
}

/** Finds the client's address for the log. What a peer's address is like is remembered, since most requests need it. */
export function clientAddressReader(trusts: TrustedProxies) {
  const canonical = boundedMemo(canonicalAddress, { maxEntries: 1000, maxKeyLength: 64 })
  return ({ peer: { address }, rawHeaders }: Pick<RequestFacts, 'peer' | 'rawHeaders'>): string | undefined => {
    if (trusts(address)) return clientAddress(address, joined(fieldValues(rawHeaders, 'x-forwarded-for')), trusts)
    // IPv4 is what it is, and there may be more of these addresses than are remembered.
    return address?.includes(':') === true ? canonical(address) : address
  }
}

/** RFC 9110 §5.3: several lines of one field are one list. */
function joined(values: readonly string[]): string | undefined {
  return values.length === 0 ? undefined : values.join(', ')
}

/**
 * Writes an address as others know it. IPv4 that a dual-stack socket shows as IPv6 becomes IPv4 again, in whatever
 * spelling a proxy names it, and the zone of an IPv6 address goes, because it means something on this machine only.
 */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address
  const zone = address.indexOf('%')
  const global = zone === -1 ? address : address.slice(0, zone)
  return mappedIpv4(global) ?? global
}
