/** The response over HTTP/1.1 (RFC 9112): Node's own class, and what else the gateway asks of a client's response. */
import { type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ClientResponse, HeaderRecord } from '../exchange.ts'
import type { Http1Request } from './http1-request.ts'

const NO_BYTES = Buffer.alloc(0)
/** A status line can carry any three digits. */
const HIGHEST_STATUS = 999

export class Http1Response extends ServerResponse<Http1Request> implements ClientResponse {
  get upgrade(): 'websocket' | null {
    return null
  }

  get highestStatus(): number {
    return HIGHEST_STATUS
  }

  /** Trailers end here, because a client would have to ask for them and hardly any client reads them. */
  get takesTrailers(): boolean {
    return false
  }

  sendHead(status: number, headers: readonly string[] | HeaderRecord): void {
    this.writeHead(status, headers as string[] | OutgoingHttpHeaders)
  }

  refuse(status: number, headers: HeaderRecord, body: string): void {
    this.sendHead(status, headers)
    this.end(body)
  }

  endWithTrailers(chunk: Buffer): void {
    // Node writes a chunk of text together with the head, and latin1 keeps every byte of both.
    if (chunk.length === 0) this.end()
    else this.end(chunk.toString('latin1'), 'latin1')
  }

  /**
   * RFC 9112 §8: over HTTP/1.1 only the end of the connection says that an answer is incomplete. A response that waits
   * for its turn on a pipelined connection has no socket yet. Node would forget it, and the connection would wait for
   * ever for that response to end.
   */
  abort(): void {
    if (this.socket === null) this.once('socket', (socket: Socket) => socket.destroy())
    this.destroy()
  }

  takeEarlyBytes(): Buffer {
    return NO_BYTES
  }
}
