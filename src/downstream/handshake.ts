/**
 * Lets a WebSocket handshake take the way of every other request, although Node hands it over as a bare socket.
 *
 * RFC 6455 §4.1, §4.2.1 (handshake), RFC 9110 §7.8 (Upgrade: a server may ignore it). No other protocol is switched to.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { SWITCHING_PROTOCOLS } from '../errors.ts'
import type { Http1Request } from './http1-request.ts'
import { Http1Response } from './http1-response.ts'

/** True for a request that may become a tunnel. Whatever is odd about it stays an ordinary request, and is judged as one. */
export function isHandshake({ method, httpVersion, headers }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    headers['transfer-encoding'] === undefined &&
    (headers['content-length'] ?? '0') === '0'
  )
}

/** RFC 6455 §4.1: a client waits for the answer. One that does not may send a few messages ahead, and no more. */
const MAX_EARLY_BYTES = 64 * 1024

/** The response to a handshake: as Node would make it for a plain request, but the last of its connection. */
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
    // Nobody else listens: a client that resets its connection would end the process.
    socket.on('error', () => {})
    socket.on('drain', () => this.emit('drain'))
    // A client that closes its side before there is a tunnel has left.
    socket.on('end', () => {
      if (!this.#isTunnel) socket.destroy()
    })
    this.on('finish', () => {
      if (!this.#isTunnel) socket.destroySoon()
    })
    // Read from the start, or nobody would notice that the client has left.
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
