/**
 * Reads the addresses of a configuration: what to listen on, where upstreams and key sets are.
 *
 * RFC 3986 (URI), RFC 6761 §6.3 (`localhost`).
 * A function that reads returns what it read, or throws a {@link SyntaxError} that says what to write instead.
 * Names are not resolved: a host name that points to loopback today may not tomorrow.
 */
import { isIP } from 'node:net'

/** An address is either one of TCP or the path of a Unix socket. */
export type Address = { readonly host: string; readonly port: number } | { readonly socketPath: string }

/** Says where an upstream is: the origin of its requests, and the Unix socket when it has one. */
interface UpstreamUrl {
  /** It looks like `http://127.0.0.1:3000`, and is `http://localhost` for a Unix socket. */
  readonly origin: string
  readonly socketPath?: string
  /** The upstream is known to speak HTTP/2, so nothing is negotiated. */
  readonly isHttp2?: true
}

/** Whoever may write a Unix socket may connect to it: by default its user and its group. */
export const DEFAULT_SOCKET_MODE = '0660'

const UNIX = 'unix:'

/**
 * Reads `0.0.0.0:8080`, `[::]:8080`, `localhost:8080` or `unix:/run/sallyport.sock`. With port 0 the system chooses a
 * free one.
 */
export function listenAddress(text: string): Address {
  if (text.startsWith(UNIX)) return { socketPath: socketPath(text) }
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || (match?.[1] !== undefined && isIP(host) !== 6) || isNumericButNoIp(host) || port > 65_535)
    throw new SyntaxError(`is no address to listen on; write ${listenForm(text)}`)
  return { host, port }
}

/** Says how to write what was meant: other programs listen on `8080`, `:8080`, `*:8080` or `http://0.0.0.0:8080`. */
function listenForm(text: string): string {
  const [, host = '', port = ''] = /^(?:https?:\/\/)?(\*|[\w.-]+(?=:))?:?(\d{1,5})\/?$/.exec(text) ?? []
  if (port === '' || Number(port) > 65_535 || isNumericButNoIp(host))
    return '`host:port` (`0.0.0.0:8080`, `[::]:8080`) or `unix:/path`'
  return `\`${host === '' || host === '*' ? '0.0.0.0' : host}:${port}\``
}

/** Reads `http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`; nothing may follow the port. */
export function upstreamUrl(text: string): UpstreamUrl {
  if (text.startsWith(UNIX)) return { origin: 'http://localhost', socketPath: socketPath(text) }
  const isHttp2 = /^h2c:/i.test(text)
  const url = httpUrl(isHttp2 ? text.replace(/^h2c/i, 'http') : text, upstreamUrlForm(text))
  // The service must see the path on which the decision was made, so nothing is put in front of it.
  if (url.pathname !== '/' || url.search !== '' || /[?#]/.test(text))
    throw new SyntaxError(
      `must end after the port: the request path is passed on unchanged; write \`${text.replace(/^(\w+:\/\/[^/?#]*).*$/s, '$1')}\``,
    )
  return { origin: url.origin, ...(isHttp2 && { isHttp2 }) }
}

/** Reads `http://host:port` or `https://host:port` of a proxy; nothing may follow the port. @returns its origin */
export function proxyUrl(text: string): string {
  if (hasUserInfo(text))
    throw new SyntaxError(
      'carries credentials; leave out the part before `@`, and name a file with `user:password` by `credentialsFile`',
    )
  const form = '`http://host:port` or `https://host:port`'
  if (/^(?!https?:)[a-z][a-z0-9+.-]*:\/\//i.test(text))
    throw new SyntaxError(`is a proxy of a kind that cannot be used; write ${form} of one that takes CONNECT`)
  const url = httpUrl(text, lacksScheme(text) ? `\`http://${text}\`` : form)
  if (url.pathname !== '/' || url.search !== '' || /[?#]/.test(text))
    throw new SyntaxError('must end after the port: a proxy is asked for hosts, and has no path of its own')
  return url.origin
}

/** Says how to write what was meant; a remedy must not lead to the next problem. */
function upstreamUrlForm(text: string): string {
  const [host = ''] = text.split('/', 1)
  if (/^\d{1,5}$/.test(text)) return `\`http://127.0.0.1:${text}\``
  return lacksScheme(text)
    ? `\`http://${host}\``
    : '`http://host:port`, `https://host:port`, `h2c://host:port` or `unix:/path`'
}

/**
 * Reads an `http:` or `https:` URL without credentials and fragment.
 *
 * @param form says how such a URL is written
 */
export function httpUrl(text: string, form = lacksScheme(text) ? `\`https://${text}\`` : '`https://host/path`'): URL {
  // `URL.parse` would silently trim blanks, drop line breaks and turn backslashes round.
  const url = /[\s\\]/.test(text) || !/^https?:\/\//i.test(text) ? null : URL.parse(text)
  if (url === null) throw new SyntaxError(`is no URL; ${variableText(text) ?? `write ${form}`}`)
  if (url.username !== '' || url.password !== '' || hasUserInfo(text))
    throw new SyntaxError('carries credentials; leave out the part before `@`')
  if (text.includes('#')) throw new SyntaxError('has a fragment; leave out `#` and what follows')
  return url
}

/** Knows the references of shells and of other programs, which are left as they are. */
function variableText(text: string): string | undefined {
  const [, dollar, percent] = /^(?:\$(\w+)|%(\w+)%)/.exec(text) ?? []
  const name = dollar ?? percent
  return name === undefined ? undefined : `a variable of the environment is written \`\${${name}}\``
}

/** Is true of every URL with something before an `@` in front of its host (RFC 3986 §3.2.1), even nothing. */
export function hasUserInfo(text: string): boolean {
  return /^[^/]*\/\/[^/?#]*@/.test(text)
}

/** Is true of `127.0.0.1:3000`, `app:3000`, `auth.example.com` and `auth.example.com/realms/shop`. */
function lacksScheme(text: string): boolean {
  return /^(?:[\w-]+:\d{1,5}|[\w-]+(?:\.[\w-]+)+(?::\d{1,5})?)(?:\/[\w./-]*)?$/.test(text)
}

/** Is true when both would bind the same port of the same interface, or the same socket. */
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

/** Finds hosts like `0.0.0` and `256.1.1.1`, which resolvers read in different ways. */
function isNumericButNoIp(host: string): boolean {
  return /^[\d.]+$/.test(host) && isIP(host) === 0
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}
