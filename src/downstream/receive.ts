/**
 * Begins and ends exchanges: what is noted about a request when it arrives, and who hears of it when it is over.
 *
 * An exchange ends with its response or with its connection, whichever comes first. Everybody who keeps something of it
 * lets it go then.
 */
import { type ClientRequest, type ClientResponse, Exchange } from '../exchange.ts'
import type { Clock } from '../lib/clock.ts'
import type { PolicyStore } from '../policy-store.ts'
import type { RequestFacts } from '../types.ts'
import { requestId } from './request-id.ts'
import { PeerStalled } from './stalled-peers.ts'

/** Nobody waits for the answer any more: the client went away, or the gateway has ended its stream. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone'
}

interface ReceiverOptions {
  readonly policies: Pick<PolicyStore, 'current'>
  readonly clock: Clock
  /** Called when a request has arrived. */
  readonly onBegun: (exchange: Exchange) => void
  /** Called when nobody waits for an answer any more. */
  readonly onEnded: (exchange: Exchange) => void
}

interface Receiver {
  /** Call when the client waits for `100 Continue` before it sends the body of this request. */
  expectContinue(request: object): void
  /**
   * Notes a request. A reload that comes later does not change its policy.
   *
   * @param facts what is asked about; left out, the request itself
   */
  begin(request: ClientRequest, response: ClientResponse, facts?: RequestFacts): Exchange
}

export function receiver({ policies, clock, onBegun, onEnded }: ReceiverOptions): Receiver {
  const waitingForContinue = new WeakSet<object>()

  function end(exchange: Exchange): void {
    const { request, response } = exchange
    exchange.hasEnded = true
    if (!response.writableFinished) {
      exchange.forwarding?.cancel(new ClientGone('the client closed its connection'))
      if (request.failure instanceof PeerStalled) exchange.streamEnd = 'stalled'
    }
    onEnded(exchange)
  }

  return {
    expectContinue: request => void waitingForContinue.add(request),
    begin(request, response, facts = request.facts()) {
      const exchange = new Exchange({
        request,
        response,
        facts,
        policy: policies.current,
        requestId: requestId(facts.rawHeaders),
        startedMs: clock.monotonicMs(),
        expectsContinue: waitingForContinue.has(request),
      })
      onBegun(exchange)
      response.on('close', () => end(exchange))
      return exchange
    },
  }
}
