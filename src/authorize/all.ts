/** Joins a route's requirements: each must hold, in the order given, and the first that does not is the refusal. */
import type { MaybePromise } from '../lib/maybe-promise.ts'
import type { Authorizer, Principal, RequestFacts } from '../types.ts'

/** Without requirements, every verified caller passes. It waits only while a requirement does. */
export function all(...authorizers: readonly Authorizer[]): Authorizer {
  const [first = () => {}, ...others] = authorizers
  if (others.length === 0) return first
  return (principal, facts, path) => judge(authorizers, 0, { principal, facts, path })
}

/** @param from the first requirement that has not been judged yet */
function judge(
  authorizers: readonly Authorizer[],
  from: number,
  asked: { readonly principal: Principal; readonly facts: RequestFacts; readonly path: string },
): MaybePromise<void> {
  const { principal, facts, path } = asked
  for (let at = from; at < authorizers.length; at++) {
    const waiting = authorizers[at]?.(principal, facts, path)
    if (waiting instanceof Promise) return waiting.then(() => judge(authorizers, at + 1, asked))
  }
}
