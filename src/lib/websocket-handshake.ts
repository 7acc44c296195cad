/**
 * Says which requests ask to become a WebSocket, by their facts alone.
 *
 * RFC 6455 §4.1 (handshake), RFC 9110 §7.8 (Upgrade). Over HTTP/2 there is none, since nobody here takes an extended
 * CONNECT (RFC 8441).
 */
import { fieldValues, listMembers } from './field-lines.ts'

interface HandshakeFacts {
  readonly method: string
  readonly httpVersion: string
  /** Flat names and values as received. */
  readonly rawHeaders: readonly string[]
}

/** An `Upgrade` that `Connection` does not name asks for nothing. */
export function isWebSocketHandshake({ method, httpVersion, rawHeaders }: HandshakeFacts): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    fieldValues(rawHeaders, 'upgrade').join().toLowerCase() === 'websocket' &&
    listMembers(rawHeaders, 'connection').includes('upgrade')
  )
}
