/**
 * Tells whether an IP address is one of a list of addresses and networks, such as `192.0.2.1` and `10.0.0.0/8`.
 *
 * RFC 4632 §3.1 (CIDR), RFC 4291 §2.3. An entry of IPv4 also takes the address as IPv6 maps it (`::ffff:192.0.2.1`).
 * Names are not resolved, and zones (`fe80::1%eth0`) belong to one machine, so neither is an entry.
 */
import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net'

/** @throws {SyntaxError} naming the entry that is neither an address nor a network */
export function networks(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const entry of entries) add(list, entry)
  return address => (isIPv4(address) ? list.check(address, 'ipv4') : isIPv6(address) && list.check(address, 'ipv6'))
}

/** Is true of an address and of a CIDR range. */
export function isNetwork(entry: string): boolean {
  const [address = '', prefix, ...rest] = entry.split('/')
  return (
    isIP(address) !== 0 &&
    !address.includes('%') &&
    rest.length === 0 &&
    (prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= longestPrefix(address)))
  )
}

function add(list: BlockList, entry: string): void {
  if (!isNetwork(entry)) throw new SyntaxError(`${JSON.stringify(entry)} is neither an IP address nor a CIDR range`)
  const [address = '', prefix = longestPrefix(address)] = entry.split('/')
  list.addSubnet(address, Number(prefix), isIPv4(address) ? 'ipv4' : 'ipv6')
}

function longestPrefix(address: string): number {
  return isIPv4(address) ? 32 : 128
}
