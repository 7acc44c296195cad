/**
 * Reads the addresses of a configuration: what to listen on, where upstreams and key sets are.
 *
 * RFC 3986 (URI), RFC 6761 §6.3 (`localhost`).
 * A reader returns what it read, or throws a {@link SyntaxError} that says what to write instead.
 * It does not resolve names: a host name that points to loopback today may not tomorrow.
 */
import { isIP } from 'node:net'

/** A TCP address, or a Unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly socketPath: string }

/** Where an upstream is: the origin of its requests, and the Unix socket when it has one. */
export interface UpstreamUrl {
  /** `http://127.0.0.1:3000`; for a Unix socket `http://localhost`. */
  readonly origin: string
  readonly socketPath?: string
  /** HTTP/2 without asking. */
  readonly isHttp2?: true
}

const UNIX = 'unix:'

/** `0.0.0.0:8080`, `[::]:8080`, `localhost:8080` or `unix:/run/sallyport.sock`. Port 0 lets the system choose. */
export function listenAddress(text: string): Address {
  if (text.startsWith(UNIX)) return { socketPath: socketPath(text) }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || (match?.[1] !== undefined && isIP(host) !== 6) || isNumericButNoIp(host) || port > 65_535)
    throw new SyntaxError('is no address to listen on; write `host:port` (`0.0.0.0:8080`, `[::]:8080`) or `unix:/path`')
  return { host, port }
}

/** `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`; nothing after the port. */
export function upstreamUrl(text: string): UpstreamUrl {
  if (text.startsWith(UNIX)) return { origin: 'http://localhost', socketPath: socketPath(text) }
  const isHttp2 = /^h2c:/i.test(text)
  const url = httpUrl(isHttp2 ? text.replace(/^h2c/i, 'http') : text)
  // The service must see the path that policy was decided on, so nothing is put in front of it.
  if (url.pathname !== '/' || url.search !== '' || /[?#]/.test(text))
    throw new SyntaxError('must end after the port: the request path is passed on unchanged')
  return { origin: url.origin, ...(isHttp2 && { isHttp2 }) }
}

/** An `http:` or `https:` URL without credentials and fragment. */
export function httpUrl(text: string): URL {
  // `new URL` would silently trim blanks, drop line breaks and turn backslashes round.
  const url = /[\s\\]/.test(text) || !/^https?:\/\//i.test(text) ? null : URL.parse(text)
  if (url === null) throw new SyntaxError('is no URL; write `https://host/path`')
  if (url.username !== '' || url.password !== '' || /^[^/]*\/\/[^/?#]*@/.test(text))
    throw new SyntaxError('carries credentials; leave out the part before `@`')
  if (text.includes('#')) throw new SyntaxError('has a fragment; leave out `#` and what follows')
  return url
}

/** True when both would bind the same port of the same interface, or the same socket. */
export function isSameAddress(one: Address, other: Address): boolean {
  if ('socketPath' in one || 'socketPath' in other)
    return 'socketPath' in one && 'socketPath' in other && one.socketPath === other.socketPath
  if (one.port !== other.port || one.port === 0) return false
  return one.host === other.host || isWildcard(one.host) || isWildcard(other.host)
}

function socketPath(text: string): string {
  const path = text.slice(UNIX.length).replace(/^\/\/(?=\/)/, '')
  if (path === '' || path.includes('\0')) throw new SyntaxError('names no socket; write `unix:/run/name.sock`')
  return path
}

/** `0.0.0`, `256.1.1.1`: resolvers disagree on what such a thing is. */
function isNumericButNoIp(host: string): boolean {
  return /^[\d.]+$/.test(host) && isIP(host) === 0
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
