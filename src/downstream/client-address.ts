/**
 * Says where a request came from, and writes it for the upstream.
 *
 * RFC 7239 (Forwarded); `X-Forwarded-For/-Proto/-Host` and `X-Real-IP` are custom without a standard.
 *
 * Only a peer that the operator listed is believed; the list is empty by default. A peer on a Unix socket has no
 * address and is believed only if the list has `unix:`.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'
import { boundedMemo } from '../lib/bounded-memo.ts'
import type { Peer } from '../types.ts'

/** True when what this address says about the client is believed. */
export type TrustedProxies = (address: string | undefined) => boolean

/** What proxies in front of us said: lower-cased field name → all its lines joined. */
export type ForwardingChain = ReadonlyMap<string, string>

const EMPTY_CHAIN: ForwardingChain = new Map()

/**
 * @param entries IP addresses, CIDR ranges, or `unix:`
 * @throws {SyntaxError} naming the entry that is none of these
 */
export function trustedProxies(entries: readonly string[]): TrustedProxies {
  const isUnixTrusted = entries.includes('unix:')
  const ranges = entries.filter(entry => entry !== 'unix:')
  if (ranges.length === 0) return address => address === undefined && isUnixTrusted
  const list = new BlockList()
  for (const range of ranges) addRange(list, range)
  const isListed = boundedMemo(address => isInList(list, address), { maxEntries: 1000, maxKeyLength: 64 })
  return address => (address === undefined ? isUnixTrusted : isListed(address))
}

/**
 * The header lines, flat: what we saw, or a trusted peer's chain with the peer appended.
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

/**
 * The nearest address that is no trusted proxy: walks `X-Forwarded-For` from our end for as long as each hop is
 * trusted and names an address. Undefined only on a Unix socket without a usable chain.
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

function addRange(list: BlockList, range: string): void {
  const [address = '', prefix, ...rest] = range.split('/')
  const family = isIPv4(address) ? 'ipv4' : 'ipv6'
  const maxPrefix = family === 'ipv4' ? 32 : 128
  const prefixLength = prefix === undefined ? maxPrefix : Number(prefix)
  const isValid =
    isIP(address) !== 0 &&
    !address.includes('%') &&
    rest.length === 0 &&
    (prefix === undefined || /^\d{1,3}$/.test(prefix)) &&
    prefixLength <= maxPrefix
  if (!isValid) throw new SyntaxError(`${JSON.stringify(range)} is neither an IP address, a CIDR range nor "unix:"`)
  list.addSubnet(address, prefixLength, family)
}

function isInList(list: BlockList, address: string): boolean {
  const canonical = canonicalAddress(address)
  if (isIPv4(canonical)) return list.check(canonical, 'ipv4')
  return isIPv6(canonical) && list.check(canonical, 'ipv6')
}

/** IPv4 as IPv4 on a dual-stack socket (RFC 4291 §2.5.5.2), and without a zone, which means nothing to others. */
function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const zone = address.indexOf('%')
  return zone === -1 ? address : address.slice(0, zone)
}

function appended(chain: string | undefined, element: string): string {
  return chain === undefined || chain === '' ? element : `${chain}, ${element}`
}

/** RFC 7239 §4: a value with `:` or `[` must be quoted, an IPv6 address stands in brackets (§6.1). */
function forwardedElement(address: string | undefined, host: string, protocol: string): string {
  const node = address === undefined ? 'unknown' : address.includes(':') ? `"[${address}]"` : address
  return `for=${node};host=${host.includes(':') ? `"${host}"` : host};proto=${protocol}`
}
