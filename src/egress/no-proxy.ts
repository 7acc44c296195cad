/**
 * Decides which hosts are reached without the proxy: those that `egress.noProxy` lists, and this machine itself.
 *
 * RFC 6761 §6.3 (`localhost` and the names below it), RFC 1122 §3.2.1.3 (127/8), RFC 4291 §2.5.3 (`::1`), RFC 4632
 * (CIDR).
 * Names are not resolved, so an address or a network takes URLs that are written with an address only.
 */
import { isIP } from 'node:net'
import { hostPatternProblem } from '../lib/host-names.ts'
import { isNetwork, networks } from '../lib/networks.ts'

const FORMS = 'a host (`keys.example.com`), the end of hosts (`.svc`), an IP address, or a range like `10.0.0.0/8`'

/** Says what is wrong with an entry, and what to write; undefined when nothing is. */
export function noProxyProblem(entry: string): string | undefined {
  if (isNetwork(entry)) return undefined
  if (entry.includes('://')) return `must not be a URL; write ${FORMS}`
  if (/^\.?\*$/.test(entry)) return 'would take every host; leave `egress` out to use no proxy'
  if (entry.includes('*'))
    return `must not have \`*\` in it; for every host below \`example.com\` write \`.example.com\``
  const inside = /^\[([^\]]*)\]$/.exec(entry)?.[1]
  if (inside !== undefined && isIP(inside) === 6) return `must be without brackets; write \`${inside}\``
  const beforePort = /^(.+):\d+$/.exec(entry)?.[1]?.replace(/^\[(.*)\]$/, '$1')
  if (beforePort !== undefined && noProxyProblem(beforePort) === undefined)
    return `must be without a port; write \`${beforePort}\`, which takes every port`
  const name = entry.replace(/^\./, '')
  // Resolvers read `10.1` and `0x7f.1` as addresses, each in its own way.
  const isNumeric = /^(?:\d+|0x[0-9a-f]*)$/i.test(name.slice(name.lastIndexOf('.') + 1))
  return isNumeric || hostPatternProblem(name) !== undefined ? `is none of these; write ${FORMS}` : undefined
}

const LOOPBACK = networks(['127.0.0.0/8', '::1'])

/** @returns whether a fetch of this URL goes through the proxy that these entries are exceptions from */
export function viaProxy({ hostname }: URL, noProxy: readonly string[]): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  if (isIP(host) !== 0) return !LOOPBACK(host) && !networks(noProxy.filter(isNetwork))(host)
  if (host === 'localhost' || host.endsWith('.localhost')) return false
  return !noProxy.some(entry => isNamed(host, entry.toLowerCase()))
}

/** Other than in most environments, `.svc` is every host below `svc` and not that host itself. */
function isNamed(host: string, entry: string): boolean {
  return entry.startsWith('.') ? host.endsWith(entry) : host === entry
}
