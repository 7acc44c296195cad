/**
 * The request path on one screen: receive → decide → act: forward, respond, read, judge or refuse.
 *
 * Only the matcher of the compiled policy decides, on what the client sent. How a request gets from its arrival to its
 * decision is in intake.ts.
 */
import type { FastifyInstance } from 'fastify'
import { actor } from './acting.ts'
import type { Exchange } from './exchange.ts'
import { forwardExchanged } from './forward/exchanged.ts'
import { bodyJudge } from './forward/judged-body.ts'
import { streams } from './forward/streams.ts'
import { intake, type ServingOptions } from './intake.ts'
import type { JudgedBody } from './policy.ts'
import type { PolicyStore } from './policy-store.ts'
import type { Revocations } from './revocation/revocations.ts'

interface GatewayOptions extends ServingOptions {
  readonly policies: PolicyStore
  readonly revocations: Pick<Revocations, 'onChange'>
}

export async function gateway(options: GatewayOptions): Promise<FastifyInstance> {
  const { policies, drain, scheduler, clock, revocations, audits } = options
  const { act, pass, refuse, gone } = actor({
    audits,
    onRefused: exchange => requests.refused(exchange),
    onPassed: (exchange, route, body) => forwardExchanged(exchange, route, forwardDeps, body),
    judge,
  })
  const open = streams({ ...options, isRevoked: principal => policies.current.isRevoked?.(principal) === true })
  revocations.onChange(open.revocationsChanged)
  const judgedBody = bodyJudge(open, clock.monotonicMs)
  const requests = await intake({
    ...options,
    onRequest: (request, response) => requests.judge(requests.begin(request, response)),
    act,
    refuse,
    onEnded(exchange) {
      open.ended(exchange)
      if (exchange.streamEnd !== undefined) audits.current?.streamEnded(exchange, exchange.streamEnd)
    },
    // Node waits for the connections of tunnels when it closes the server, but does not close them itself.
    onClosing: () => open.closeAll('shutdown'),
  })
  const forwardDeps = {
    monotonicMs: clock.monotonicMs,
    scheduler,
    streams: open,
    watchWrites: requests.watchWrites,
    isDraining: () => drain.isDraining,
    refuse,
  }
  return requests.app

  /** Forwards the body that was judged, byte for byte, if it may pass. */
  function judge(exchange: Exchange, judged: JudgedBody): void {
    judgedBody(exchange, judged).then(
      ({ body, decision }) => {
        if (exchange.hasEnded) body.onTaken()
        else pass(exchange, decision.route, body)
      },
      (error: unknown) => gone(exchange, error),
    )
  }
}
