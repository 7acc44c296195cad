/** Says where the admin listener of a gateway is asked: as a configuration or a command line has written it. */
import type { Address } from '../../config/schema/schema.ts'
import { isLoopback } from '../../lib/loopback.ts'

/** Returns the address of `http://host:port` or `unix:/path`; undefined for anything else. */
export function writtenAddress(text: string): Address | undefined {
  if (text.startsWith('unix:/')) return { socketPath: text.slice('unix:'.length) }
  const url = URL.parse(text)
  if (url?.protocol !== 'http:' || url.pathname !== '/' || url.search !== '' || url.username !== '') return undefined
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: Number(url.port || 80) }
}

/** Whoever listens on every address is asked on loopback. */
export function askable(address: Address): Address {
  if ('socketPath' in address) return address
  const { host, port } = address
  return host === '0.0.0.0' ? { host: '127.0.0.1', port } : host === '::' ? { host: '::1', port } : address
}

/** Where the listener can be called from this machine; undefined where no loopback address leads to it. */
export function callable(address: Address): Address | undefined {
  const called = askable(address)
  if ('socketPath' in called) return called
  const url = URL.parse(addressText(called))
  return url !== null && isLoopback(url) ? called : undefined
}

export function addressText(address: Address): string {
  if ('socketPath' in address) return `unix:${address.socketPath}`
  return `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
}
