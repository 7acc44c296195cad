/**
 * Sends over HTTP/2 what a test has written as a request of HTTP/1.1, so that one table of cases serves both.
 *
 * RFC 9113 §8.3.1: `Host` becomes `:authority`, names become lower-case, the rest stays byte for byte. HTTP/2 has no
 * fields of a connection, so a case with such a field cannot be used for it.
 */
import type { RawReply } from '../wire.ts'
import { http2Client, requestHead } from './http2-client.ts'

/** @param ca PEM text of the authority that the server's certificate comes from; undefined without TLS */
export function exchangeOverHttp2(ca: string | undefined) {
  return async (port: number, bytes: string | Buffer): Promise<RawReply | undefined> => {
    const { head, body } = translated(bytes.toString('latin1'))
    const client = http2Client(`${ca === undefined ? 'http' : 'https'}://localhost:${port}`, ca)
    const { status, headers, body: received, complete, errorCode } = await client.send(head, body)
    client.destroy()
    if (status === 0) return errorCode === MALFORMED.errorCode ? MALFORMED.reply : undefined
    const lines = [`HTTP/2 ${status}`, ...[...headers].map(([name, value]) => `${name}: ${value}`)]
    return { status, head: lines.join('\r\n'), headers, body: received, complete }
  }
}

/** Node's http2 answers a malformed head itself, by a reset with PROTOCOL_ERROR (RFC 9113 §8.1.1). */
const MALFORMED = {
  errorCode: 1,
  reply: { status: 400, head: '', headers: new Map(), body: '{"code":"request_malformed"}', complete: true },
} as const

function translated(text: string): { readonly head: readonly string[]; readonly body: string } {
  const end = text.indexOf('\r\n\r\n')
  const [requestLine = '', ...fields] = text.slice(0, end).split('\r\n')
  const [, method, path] = /^(\S+) (.*) HTTP\/1\.1$/.exec(requestLine) ?? []
  if (method === undefined || path === undefined) throw new Error(`no request line for HTTP/2: ${requestLine}`)
  const lines: string[] = []
  let authority: string | undefined
  for (const field of fields) {
    const [name = '', ...value] = field.split(':')
    if (name.toLowerCase() === 'host') authority = trimmed(value.join(':'))
    else lines.push(name.toLowerCase(), trimmed(value.join(':')))
  }
  return { head: requestHead(method, path, authority, lines), body: text.slice(end + 4) }
}

/** RFC 9110 §5.5: blanks around a value are no part of it. */
function trimmed(value: string): string {
  return value.replace(/^[ \t]+|[ \t]+$/g, '')
}
