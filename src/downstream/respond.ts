/** Gives an answer of our own that is no refusal, such as that of an endpoint on the traffic listener. */
import type { Exchange } from '../exchange.ts'
import type { Answer } from '../types.ts'

export function respond({ request, response, requestId }: Exchange, { status, headers, body }: Answer): void {
  request.dropRest()
  const lines = [...headers, 'Content-Length', String(Buffer.byteLength(body)), 'X-Request-Id', requestId]
  // The rest of the request is not read after the answer, so this connection cannot carry another one.
  if (!request.complete) lines.push('Connection', 'close')
  response.sendHead(status, lines)
  response.end(body)
}
