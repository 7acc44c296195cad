/**
 * Lets a WebSocket handshake take the way of every other request, although Node hands it over as a bare socket.
 *
 * RFC 6455 §4.1, §4.2.1 (handshake), RFC 9110 §7.8 (Upgrade: a server may ignore it). The gateway switches to no other
 * protocol.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { SWITCHING_PROTOCOLS } from '../errors.ts'
import type { Http1Request } from './http1-request.ts'
import { Http1Response } from './http1-response.ts'

/** Is true for a request that may become a tunnel. One that is odd in any way is judged like a plain request. */
export function isHandshake({ method, httpVersion, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['transfer-encoding'] === undefined &&
    (headers['content-length'] ?? '0') === '0'
  )
}

/** RFC 6455 §4.1: a client waits for the answer. A client that does not wait may send a few messages, but no more. */
const MAX_EARLY_BYTES = 64 * 1024

/** The response to a handshake: the one that Node would make for a plain request, but the last of its connection. */
export class HandshakeResponse extends Http1Response {
  readonly #socket: Socket
  readonly #early: Buffer[] = []
  #earlyBytes = 0

  /**
   * @param socket as Node's `upgrade` event gives it: without any listener
   * @param head what the client has sent behind the handshake
   */
  constructor(request: Http1Request, socket: Socket, head: Buffer) {
    super(request)
    this.#socket = socket
    this.shouldKeepAlive = false
    this.assignSocket(socket)
    // A client that resets its connection would end the process, since nobody else listens for errors.
    socket.on('error', () => {})
    socket.on('drain', () => this.emit('drain'))
    // A client that closes its side before there is a tunnel has left.
    socket.on('end', () => {
      if (!this.#isTunnel) socket.destroy()
    })
    this.on('finish', () => {
      if (!this.#isTunnel) socket.destroySoon()
    })
    // The socket is read from the start, because otherwise nobody would notice that the client has left.
    socket.on('data', this.#hold)
    this.#hold(head)
  }

  override get upgrade(): 'websocket' | null {
    return 'websocket'
  }

  override takeEarlyBytes(): Buffer {
    this.#socket.off('data', this.#hold)
    return Buffer.concat(this.#early)
  }

  readonly #hold = (chunk: Buffer): void => {
    this.#early.push(chunk)
    this.#earlyBytes += chunk.length
    if (this.#earlyBytes > MAX_EARLY_BYTES) this.#socket.destroy()
  }

  get #isTunnel(): boolean {
    return this.statusCode === SWITCHING_PROTOCOLS
  }
}
