/** Joins a route's requirements: each must hold, in the order given, and the first that does not is the refusal. */
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Authorizer, Principal, RequestFacts } from '../types.ts'

/** Without requirements, every verified caller passes. It waits only while a requirement does. */
export function all(...authorizers: readonly Authorizer[]): Authorizer {
  const [first = () => {}, ...others] = authorizers
  if (others.length === 0) return first
  return (principal, facts) => judge(authorizers, 0, principal, facts)
}

/** @param from the first requirement that has not been judged yet */
function judge(
  authorizers: readonly Authorizer[],
  from: number,
  principal: Principal,
  facts: RequestFacts,
): MaybePromise<void> {
  for (let at = from; at < authorizers.length; at++) {
    const waiting = authorizers[at]?.(principal, facts)
    if (waiting instanceof Promise) return waiting.then(() => judge(authorizers, at + 1, principal, facts))
  }
}
