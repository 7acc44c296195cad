/**
 * Writes the head of a request as HTTP/2 has it, and reads the head of an answer like one of HTTP/1.1.
 *
 * RFC 9113 §8.3.1 (pseudo-header fields), §6.5.2 (SETTINGS_MAX_HEADER_LIST_SIZE). The fields that
 * belong to a connection are gone before.
 */
import type { ClientHttp2Session } from 'node:http2'
import { Denial } from '../errors.ts'
import type { UpstreamRequest } from './connections.ts'
import { MAX_HEAD_BYTES } from './http2-session.ts'

/** A line counts this much besides its octets (RFC 9113 §6.5.2). */
const LINE_OVERHEAD_BYTES = 32

/**
 * @param origin `http://host:port` or `https://host:port`
 * @returns flat names and values
 * @throws {Denial} `headers_too_large`: the service would not take it
 */
export function requestHead(request: UpstreamRequest, origin: string, session: ClientHttp2Session): string[] {
  const scheme = origin.startsWith('https:') ? 'https' : 'http'
  const pseudo = [':method', request.method, ':scheme', scheme, ':path', request.path]
  const lines: string[] = []
  for (let i = 0; i < request.headers.length; i += 2) {
    const name = (request.headers[i] as string).toLowerCase()
    const value = request.headers[i + 1] as string
    if (name === 'host') pseudo.push(':authority', value)
    else lines.push(name, value)
  }
  // It says that trailers are welcome (RFC 9110 §10.1.4). Some gRPC servers refuse a call that does not.
  const head = [...pseudo, ...lines, 'te', 'trailers']
  checkSize(head, session)
  return head
}

/** @param received flat names and values */
export function withoutPseudo(received: readonly string[]): string[] {
  const lines: string[] = []
  for (let i = 0; i < received.length; i += 2) {
    const name = received[i] as string
    if (!name.startsWith(':')) lines.push(name, received[i + 1] as string)
  }
  return lines
}

/**
 * Attack on other requests: a head longer than the service allows may cost the connection that all share. Netty's
 * servers allow 8 KiB and end it past 10 KiB.
 */
function checkSize(head: readonly string[], { remoteSettings }: ClientHttp2Session): void {
  const maxBytes = Math.min(MAX_HEAD_BYTES, remoteSettings.maxHeaderListSize ?? MAX_HEAD_BYTES)
  let bytes = (head.length / 2) * LINE_OVERHEAD_BYTES
  for (const part of head) bytes += part.length
  if (bytes > maxBytes)
    throw new Denial('headers_too_large', { evidence: { head_bytes: bytes, service_takes: maxBytes } })
}
