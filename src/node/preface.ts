/**
 * Lets one listener without TLS serve HTTP/1.1 and HTTP/2: a connection that begins with the client preface of HTTP/2
 * is handed over, and no other connection costs anything for it (RFC 9113 §3.3 and §3.4, prior knowledge).
 *
 * Node's parser of HTTP/1.1 knows the preface, and fails at its end with a code of its own. So nobody looks at first
 * bytes: until then the connection is one of HTTP/1.1, with its timeouts and limits, however slowly the bytes come.
 * What is left is to make Node let go of the connection. It does so for a request that upgrades, so this file has it
 * believe that it has just read one, and the server's `upgrade` event brings a {@link Preface} in place of a request.
 * Seen on Node 26.10 (`lib/_http_server.js`).
 *
 * Of a preface that comes in several reads, the parser keeps no bytes. It vouches for them, but also takes `/` for `*`
 * and another version for 2.0 there. Such a client has to go on in HTTP/2, too, and the same policy holds for it.
 *
 * Breaks first: `test/raw/preface.test.ts`.
 * Remove when: an HTTP server can hand over connections that begin with the preface.
 */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

/** Where the parser keeps what it calls after each read (`HTTPParser.kOnExecute`). */
const ON_EXECUTE = 5

interface Parser {
  [ON_EXECUTE]?: ((takenBytes: number) => void) | null
  incoming: unknown
}

/** The error with which the parser stops behind a preface, as Node's `clientError` event gives it. */
interface PrefaceError extends Error {
  readonly code: 'HPE_PAUSED_H2_UPGRADE'
  /** What was being read. */
  readonly rawPacket: Buffer
  /** How many bytes of it the parser has taken. */
  readonly bytesParsed: number
}

/** Stands where Node has the last request of HTTP/1.1 of a connection. Its members are those that Node looks at. */
export class Preface {
  readonly method = 'PRI'
  readonly upgrade = true
  readonly complete = true
  parser: unknown
  readonly #bytes: Buffer

  /** @param bytes all that came on the connection */
  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Makes the connection, of which Node has let go, one that has just been accepted by a server of HTTP/2. */
  restore(socket: Socket): void {
    // A server of HTTP/1.1 keeps its side open when the client closes, and nobody would close it any more.
    socket.allowHalfOpen = false
    socket.unshift(this.#bytes)
  }
}

/**
 * Call it with what `clientError` brings. Over TLS the two sides have agreed on a protocol, so no preface counts there.
 *
 * @returns true when the connection began with the preface; then the server's `upgrade` event has brought it
 */
export function handOverPreface(error: Error, socket: Socket): boolean {
  if (!isPrefaceError(error) || socket instanceof TLSSocket) return false
  const { rawPacket, bytesParsed } = error
  // Only the first bytes of a connection can be a preface, and no empty line stands before it.
  if (socket.bytesRead - rawPacket.length + bytesParsed !== PREFACE.length) return false
  const bytes = Buffer.concat([PREFACE.subarray(0, PREFACE.length - bytesParsed), rawPacket])
  if (!bytes.subarray(0, PREFACE.length).equals(PREFACE)) return false
  const { parser } = socket as unknown as { readonly parser?: Parser | null }
  const goOn = parser?.[ON_EXECUTE]
  if (parser === undefined || parser === null || typeof goOn !== 'function') return false
  parser.incoming = new Preface(bytes)
  goOn(bytesParsed)
  return true
}

function isPrefaceError(error: Error): error is PrefaceError {
  return 'code' in error && error.code === 'HPE_PAUSED_H2_UPGRADE'
}
