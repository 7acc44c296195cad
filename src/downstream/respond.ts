/** Gives an answer of our own that is no refusal, such as that of an endpoint on the traffic listener. */
import type { Exchange } from '../exchange.ts'
import type { Answer } from '../types.ts'

/** Nobody looks at what follows the rest of a request with a body, so its connection carries no other one. */
export function closingLines({ request, findings }: Exchange): readonly string[] {
  return request.complete || findings.bodyBytes === 0 ? [] : ['Connection', 'close']
}

export function respond(exchange: Exchange, { status, headers, body }: Answer): void {
  const { request, response, requestId, facts, findings } = exchange
  const bytes = Buffer.byteLength(body)
  request.dropRest()
  const lines = [...headers, ...findings.responseLines, 'X-Request-Id', requestId]
  // RFC 9110 §8.6: a 204 has no length, and that of a 304 would be taken for the length of what it stands for.
  if (status !== 204 && status !== 304) lines.push('Content-Length', String(bytes))
  lines.push(...closingLines(exchange))
  response.sendHead(status, lines)
  response.end(body)
  if (facts.method !== 'HEAD') exchange.bytesOut = bytes
}
