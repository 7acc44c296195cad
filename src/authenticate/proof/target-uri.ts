/**
 * Compares the URL that a DPoP proof was made for with those under which clients reach the gateway.
 *
 * RFC 9449 §4.3 (`htu`, without query and fragment), RFC 9110 §7.1 (target URI), RFC 3986 §6.2.2 and §6.2.3
 * (normalisation). Which URLs are ours is configured, and never read from a request: whoever was given a proof for a
 * server of his own could name that server in `Host` (RFC 9449 §11.1). Dot segments are not resolved, because no path
 * with one is forwarded.
 */

/**
 * Is true when a URL is one of the base URLs, followed by the path (RFC 9449 §4.3, clause 9).
 *
 * @param htu as the proof has it; query and fragment count for nothing
 * @param path that of the request, without a query, as it is forwarded
 */
export type TargetUris = (htu: string, path: string) => boolean

/** @param baseUrls each without a {@link baseUrlProblem} */
export function targetUris(baseUrls: readonly string[]): TargetUris {
  const bases = baseUrls.flatMap(text => {
    const base = normalized(text)
    return base === undefined ? [] : [base.replace(/\/$/, '')]
  })
  return (htu, path) => {
    // Most clients write the URL as the configuration has it.
    if (bases.some(base => htu === base + path)) return true
    const seen = normalized(htu)
    if (seen === undefined) return false
    const ours = normalizedEncoding(path)
    return bases.some(
      base =>
        seen === base + ours ||
        // A proxy that strips a prefix makes `/` of the prefix alone, too.
        (ours === '/' && seen === base),
    )
  }
}

/** Says what is wrong with a base URL; undefined when it can be used. */
export function baseUrlProblem(text: string): string | undefined {
  const parts = URI.exec(text)
  if (parts === null || !/^https?$/i.test(parts[1] ?? '') || !/^[\x21-\x5b\x5d-\x7e]+$/.test(text))
    return 'must be a URL like `https://api.example.com` or `https://api.example.com/orders`, in ASCII'
  if (text.length !== parts[0].length) return 'must not have a query or a fragment'
  if (parts[2]?.includes('@') === true) return 'must not have a user'
  if (parts[2]?.includes('*') === true) return 'must be one host: no part of it stands for others; list each'
  if (/\/(?:\.|%2e){1,2}(?:\/|$)/i.test(parts[3] ?? ''))
    return 'must not have `.` and `..` in its path: clients resolve them'
  if (normalized(text) === undefined || !URL.canParse(text)) return 'has no host and port that a URL can have'
  return undefined
}

/** Scheme, authority and path; query and fragment follow. */
const URI = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#\\]*)([^?#]*)/

/**
 * RFC 3986 §3.2 without a user. A host has letters of ASCII only. JavaScript turns the Kelvin sign (U+212A) into the
 * `k` of ASCII in lower case, so a host with that sign would otherwise be taken for ours.
 */
const HOST_AND_PORT = /^(\[[0-9A-Fa-f:.]+\]|[\w.~%!$&'()*+,;=-]+)(?::(\d*))?$/

const DEFAULT_PORTS: Readonly<Record<string, string>> = { http: '80', https: '443' }

/** @returns the URL without query and fragment; undefined for what no URL of a request can be */
function normalized(text: string): string | undefined {
  const [, scheme = '', authority = '', path = ''] = URI.exec(text) ?? []
  const [, host, port = ''] = HOST_AND_PORT.exec(authority) ?? []
  if (host === undefined) return undefined
  const lower = scheme.toLowerCase()
  const shownPort = port === '' || port === DEFAULT_PORTS[lower] ? '' : `:${port}`
  return `${lower}://${host.toLowerCase()}${shownPort}${path === '' ? '/' : normalizedEncoding(path)}`
}

/** RFC 3986 §6.2.2.1, §6.2.2.2: digits of an encoding in capitals, and what need not be encoded as it is. */
function normalizedEncoding(path: string): string {
  if (!path.includes('%')) return path
  return path.replaceAll(/%([0-9A-Fa-f]{2})/g, (encoded: string, hex: string) => {
    const char = String.fromCharCode(Number.parseInt(hex, 16))
    return /[A-Za-z0-9._~-]/.test(char) ? char : encoded.toUpperCase()
  })
}
