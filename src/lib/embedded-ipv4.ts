/**
 * Finds the address of IPv4 that one of IPv6 stands for, however that is written.
 *
 * RFC 4291 §2.5.5.2 (`::ffff:192.0.2.1`, as dual-stack sockets show clients), RFC 6052 §2.1 (`64:ff9b::192.0.2.1`, as
 * NAT64 does). The networks that operators of NAT64 choose for themselves are not known here.
 */

/** What comes behind the networks of 96 bits in the spelling of RFC 5952, where `::` takes in groups that are 0. */
const MAPPED = /^::ffff:([0-9a-f]+):([0-9a-f]+)$/
const NAT64 = /^64:ff9b::(?:([0-9a-f]+):)?([0-9a-f]*)$/

/** @returns undefined for every other address */
export function mappedIpv4(address: string): string | undefined {
  // Nothing else begins so, and most addresses need not be read for that.
  return /^[0:]/.test(address) ? ipv4Behind(MAPPED, address) : undefined
}

/** @returns undefined for every other address */
export function translatedIpv4(address: string): string | undefined {
  return /^0*64:/.test(address) ? ipv4Behind(NAT64, address) : undefined
}

function ipv4Behind(network: RegExp, address: string): string | undefined {
  // The host of a URL has one spelling (WHATWG URL, "IPv6 serializer").
  const host = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1)
  const groups = network.exec(host ?? '')
  if (groups === null) return undefined
  const [, high = 0, low = 0] = groups.map(group => Number.parseInt(group || '0', 16))
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}
