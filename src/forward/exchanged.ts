/**
 * Forwards a request with the token that was issued for its caller, where the upstream takes no other one.
 *
 * RFC 8693. It stands between the decision and the connection to the service. Nothing of a body is read while the token
 * is waited for. A request without a caller gets no token, and its own never passes.
 */
import type { Exchange } from '../exchange.ts'
import type { Route } from '../policy.ts'
import type { ArrivedBody } from './client-body.ts'
import { type ForwardDeps, forward } from './forward.ts'

/** @param arrived as for `forward` */
export function forwardExchanged(exchange: Exchange, route: Route, deps: ForwardDeps, arrived?: ArrivedBody): void {
  const { issuedTokens } = route
  const { findings } = exchange
  const { principal } = findings
  if (issuedTokens === undefined || principal === undefined) {
    forward(exchange, route, deps, arrived)
    return
  }
  const pass = (lines: readonly string[]): void => {
    if (exchange.hasEnded) {
      arrived?.onTaken()
      return
    }
    findings.identityLines = [...findings.identityLines, ...lines]
    forward(exchange, route, deps, arrived)
  }
  const refuse = (error: unknown): void => {
    arrived?.onTaken()
    if (!exchange.hasEnded) deps.refuse(exchange, error)
  }
  try {
    const lines = issuedTokens.linesFor(principal)
    if (lines instanceof Promise) lines.then(pass, refuse)
    else pass(lines)
  } catch (error) {
    refuse(error)
  }
}
