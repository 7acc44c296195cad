/** A request over HTTP/1.1 (RFC 9112): Node's own class, and what else the gateway asks of a client's request. */
import { IncomingMessage } from 'node:http'
import type { ClientRequest } from '../exchange.ts'
import type { RequestFacts } from '../types.ts'
import { peerOf } from './peer.ts'
import { dropUnreadMessage } from './unread-body.ts'

export class Http1Request extends IncomingMessage implements ClientRequest {
  get body(): this {
    return this
  }

  get failure(): Error | null {
    return this.socket.errored
  }

  facts(): RequestFacts {
    return {
      method: this.method ?? '',
      target: this.url ?? '',
      httpVersion: this.httpVersion,
      rawHeaders: this.rawHeaders,
      peer: peerOf(this.socket),
      hasBody: undefined,
      headBytes: 0,
    }
  }

  dropRest(): void {
    dropUnreadMessage(this)
  }

  dropAll(): void {
    this.rawHeaders = []
    // Node has read them for `Expect`, and keeps them in this form, too.
    this.headers = {}
    this.url = ''
    dropUnreadMessage(this)
  }
}
