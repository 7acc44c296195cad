/**
 * Bounds how many requests are under way at a time, over all connections of a process.
 *
 * A limit of connections does not bound what they open at the service: over HTTP/2 each of them may carry a hundred
 * requests, and each of those takes a socket. A request that has been refused asks for nothing more, so it gives its
 * place back before its answer has left: clients that do not read their refusals cannot keep others out.
 */
import { Denial } from '../errors.ts'
import type { Exchange } from '../exchange.ts'

interface RequestLimit {
  /** Takes a place for the request. @throws {Denial} none is free */
  take(exchange: Exchange): void
  /** Call when the request is refused. */
  refused(exchange: Exchange): void
  /** Call when the request is over. */
  ended(exchange: Exchange): void
}

export function requestLimit(): RequestLimit {
  let underWay = 0
  const release = (exchange: Exchange): void => {
    if (!exchange.holdsPlace) return
    exchange.holdsPlace = false
    underWay--
  }
  return {
    take(exchange) {
      const most = exchange.policy.limits.requests
      if (underWay >= most) throw new Denial('overloaded', { evidence: { limit: 'requests', most, seen: underWay } })
      underWay++
      exchange.holdsPlace = true
    },
    refused: release,
    ended: release,
  }
}
