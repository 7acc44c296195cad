/**
 * The listener that other proxies ask, on one screen: receive → decide → say yes or no.
 *
 * It is the gateway's sibling. What is decided, noted, counted and recorded is the same; a request that may pass is
 * forwarded by whoever asked. It never forwards, and never reads a body.
 */
import type { FastifyInstance } from 'fastify'
import { actor } from './acting.ts'
import { askedFacts } from './decision/asked-facts.ts'
import type { Caller } from './decision/callers.ts'
import { decidedPolicies } from './decision/decided-policy.ts'
import { preflightFor, refusalFor } from './decision/no.ts'
import { uncleared } from './decision/uncleared.ts'
import { YES, yesLines } from './decision/yes.ts'
import type { TrustedProxies } from './downstream/client-address.ts'
import { closingLines, respond } from './downstream/respond.ts'
import type { ClientRequest, ClientResponse, Exchange } from './exchange.ts'
import { intake, type ServingOptions } from './intake.ts'
import type { PolicyStore } from './policy-store.ts'

interface DecisionsOptions extends ServingOptions {
  readonly caller: Caller
  /** Who may ask. */
  readonly trusts: TrustedProxies
  readonly policies: PolicyStore
}

export async function decisions(options: DecisionsOptions): Promise<FastifyInstance> {
  const { caller, policies, metrics, audits } = options
  const asked = askedFacts(caller, options.trusts)
  const policyFor = decidedPolicies()
  const { act, refuse } = actor({
    audits,
    onRefused(exchange) {
      requests.refused(exchange)
      if (!exchange.response.headersSent) metrics.decided('deny')
    },
    onPassed: exchange => letPass(exchange),
    judge(exchange) {
      refuse(exchange, new Error('a body would have to be judged, which the policy of this listener has no route for'))
    },
    respond(exchange, answer) {
      metrics.decided('preflight')
      respond(exchange, preflightFor(caller, answer))
    },
    refusal: refusalFor(caller),
  })
  const requests = await intake({
    ...options,
    policies: {
      get current() {
        return policyFor(policies.current)
      },
    },
    onRequest: receive,
    act,
    refuse,
  })
  metrics.initDecisions(caller)
  return requests.app

  function receive(request: ClientRequest, response: ClientResponse): void {
    const { facts, refusal: unsaid } = asked(request.facts())
    const exchange = requests.begin(request, response, facts)
    const refusal = unsaid ?? uncleared(caller, facts, exchange.policy)
    if (refusal === undefined) requests.judge(exchange)
    else refuse(exchange, refusal)
  }

  function letPass(exchange: Exchange): void {
    const { request, response } = exchange
    const lines = yesLines(caller, exchange)
    metrics.decided('allow')
    request.dropRest()
    response.sendHead(YES, [...lines, ...closingLines(exchange)])
    response.end()
  }
}
