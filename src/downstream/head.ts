/**
 * Refuses a request head that two parsers could read differently, before anything else looks at it.
 *
 * RFC 9113 §8.2.1 (field validity), §8.2.2 (fields of a connection), §8.3.1 (target); RFC 9112 §3.2 (Host), §6.1
 * (Transfer-Encoding), §6.3 (body length), §11.2 (smuggling); RFC 9110 §7.8 (Upgrade), §8.3 (Content-Type), §10.1.1
 * (Expect); RFC 3986 §3.2.2, §3.2.3 (host, port).
 *
 * Node's parser already refuses obs-fold, bare LF or CR, NUL, blanks before the colon, repeated lengths and a length
 * beside a coding. What it lets through, or might let through one day, is refused here. The path is judged by `route/`.
 */
import { isIPv6 } from 'node:net'
import { Denial } from '../errors.ts'
import { boundedMemo } from '../lib/bounded-memo.ts'
import { hasOuterBlanks } from '../lib/field-lines.ts'
import { foldedFieldName } from '../lib/field-name.ts'
import { FORWARDED } from '../route/methods.ts'
import { pathInvalid } from '../route/target.ts'
import type { RequestFacts } from '../types.ts'

interface CheckedHead {
  /** The one `Host`, as sent: a DNS name, an IPv4 address or a bracketed IPv6 address, and perhaps a port. */
  readonly host: string
  /** 0 without a body; undefined when the head does not say how long the body is. */
  readonly bodyBytes: number | undefined
}

/** Sizes in bytes. */
interface HeadLimits {
  readonly maxHeadBytes: number
  /** Field lines; more are refused, never dropped. */
  readonly maxHeaders: number
}

/** What a field name means here. An `alias` is another spelling of one of the names. */
type Role = 'host' | 'length' | 'coding' | 'upgrade' | 'expect' | 'type' | 'h2c' | 'alias' | 'other'

const ROLES: ReadonlyMap<string, Role> = new Map([
  ['host', 'host'],
  ['content-length', 'length'],
  ['transfer-encoding', 'coding'],
  ['upgrade', 'upgrade'],
  ['expect', 'expect'],
  ['content-type', 'type'],
  ['http2-settings', 'h2c'],
])
const roleOf = boundedMemo<Role>(judge, { maxEntries: 1000, maxKeyLength: 64 })

/** `2` comes from HTTP/2 only: a request line has a minor version, too. */
const VERSIONS: ReadonlySet<string> = new Set(['1.0', '1.1', '2'])
/**
 * CONNECT asks for a tunnel past the policy; TRACE echoes the caller's secrets (RFC 9110 §9.3.6, §9.3.8). Node's parser
 * also lets in `DESCRIBE / RTSP/1.0` and the like, which is no HTTP.
 */
const METHODS: ReadonlySet<string> = new Set(FORWARDED)

/** 15 digits stay exact in a double; longer ones would be rounded by one parser and not by another. */
const contentLength = /^\d{1,15}$/
/** Stricter than RFC 3986 reg-name: `%`, `,` and other sub-delims appear in no DNS name but in host confusion. */
const hostAndPort = /^(?:[A-Za-z0-9._-]{1,255}|\[([0-9A-Fa-f:.]{2,45})\])(?::(\d{1,5}))?$/

/**
 * @param facts its lines must be complete: the server runs with `maxHeadersCount = 0`
 * @throws {Denial} `headers_too_large`, `request_malformed`, `host_invalid` or `path_invalid`
 */
export function checkHead(facts: RequestFacts, { maxHeaders, maxHeadBytes }: HeadLimits): CheckedHead {
  const { method, target, httpVersion, rawHeaders, hasBody, headBytes } = facts
  const count = rawHeaders.length / 2
  if (headBytes > maxHeadBytes)
    throw new Denial('headers_too_large', { evidence: { head_bytes: headBytes, max_head_bytes: maxHeadBytes } })
  if (count > maxHeaders)
    throw new Denial('headers_too_large', { evidence: { headers: count, max_headers: maxHeaders } })
  if (!VERSIONS.has(httpVersion)) throw malformed('HTTP version')
  if (!METHODS.has(method)) throw malformed('method')

  let host: string | undefined
  let length: string | undefined
  let coding: string | undefined
  let upgrade = ''
  let hasType = false
  const isHttp2 = httpVersion === '2'
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const role = roleOf(rawHeaders[i] as string)
    const value = rawHeaders[i + 1] as string
    // The parser of HTTP/1.1 has cut blanks off.
    if (isHttp2 && hasOuterBlanks(value)) throw malformed('blanks around a value')
    if (role === 'other') continue
    switch (role) {
      case 'host':
        if (host !== undefined) throw hostInvalid('more than one Host')
        host = value
        break
      case 'length':
        if (length !== undefined || !contentLength.test(value)) throw malformed('Content-Length')
        length = value
        break
      case 'coding':
        if (coding !== undefined || value.toLowerCase() !== 'chunked') throw malformed('Transfer-Encoding')
        coding = value
        break
      case 'upgrade':
        upgrade += `,${value}`
        break
      case 'expect':
        if (value.toLowerCase() !== '100-continue') throw malformed('Expect')
        break
      case 'type':
        // One server takes the first for the type of the body, another the last, and a third joins them.
        if (hasType) throw malformed('more than one Content-Type')
        hasType = true
        break
      case 'h2c':
        if (isHttp2) throw malformed('HTTP2-Settings')
        break
      case 'alias':
        throw malformed('alias of a framing header')
    }
  }
  if (coding !== undefined && (length !== undefined || httpVersion !== '1.1')) throw malformed('Transfer-Encoding')
  if (upgrade !== '' && isHttp2) throw malformed('Upgrade')
  const isOpenEnded = coding !== undefined || (hasBody === true && length === undefined)
  const bodyBytes = isOpenEnded ? undefined : Number(length ?? 0)
  if (hasBody === false && bodyBytes !== 0) throw malformed('Content-Length')
  if (upgrade !== '') checkUpgrade(upgrade, bodyBytes)
  const checked = checkedHost(host)
  // RFC 9113 §8.3.1: only HTTP/1.1 has other forms of a target.
  if (isHttp2 && !target.startsWith('/')) throw pathInvalid('target_form')
  return { host: checked, bodyBytes }
}

function judge(name: string): Role {
  const folded = foldedFieldName(name)
  const role = ROLES.get(folded)
  if (role === undefined) return 'other'
  // CGI reads every spelling as the same field. These two are harmless by themselves: the one is a second type where
  // there is another, and the other ends here.
  if (role === 'type' || role === 'h2c') return role
  return folded === name.toLowerCase() ? role : 'alias'
}

/**
 * What follows a WebSocket handshake is read as a body by one server and as frames by another, so it must not have a
 * body. Any other protocol is no error, `h2c` included: clients of Java and Spring offer it with each request. The
 * gateway does not switch to it (RFC 9110 §7.8), and nothing of the offer reaches the service, since `Upgrade` and
 * `HTTP2-Settings` end here.
 */
function checkUpgrade(protocols: string, bodyBytes: number | undefined): void {
  for (const protocol of protocols.toLowerCase().split(',')) {
    const name = protocol.trim().split('/')[0]
    if (name === 'websocket' && bodyBytes !== 0) throw malformed('Upgrade with a body')
  }
}

/** HTTP/1.0 may leave Host out; we do not allow it, because the upstream would then see a name of our making. */
function checkedHost(host: string | undefined): string {
  const parts = host === undefined ? null : hostAndPort.exec(host)
  if (host === undefined || parts === null) throw hostInvalid(host === undefined ? 'no Host' : 'syntax')
  const [, ipv6, port] = parts
  if (ipv6 !== undefined && !isIPv6(ipv6)) throw hostInvalid('IPv6 address')
  if (port !== undefined && Number(port) > 65535) throw hostInvalid('port')
  return host
}

function malformed(what: string): Denial {
  return new Denial('request_malformed', { evidence: { what } })
}

function hostInvalid(reason: string): Denial {
  return new Denial('host_invalid', { evidence: { reason } })
}
