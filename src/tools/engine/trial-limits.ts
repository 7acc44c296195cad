/**
 * Limits for tools: what a request spends is known to that very request alone, and to no store.
 *
 * So each request meets limits that nobody has spent of, and no explanation takes from another one. A request that is
 * put again, as the same object, goes on spending.
 */
import type { Clock } from '../../lib/clock.ts'
import { type FindSpender, type LimitDefinition, type LimitObserver, rateLimit } from '../../limit/rate-limit.ts'
import { limitDefinition, type RateLimits } from '../../run/rate-limits.ts'
import type { RequestFacts } from '../../types.ts'

type TrialLimit = ReturnType<typeof rateLimit>

export function trialLimits(clock: Clock): RateLimits {
  return {
    lease: ({ rateLimits }) => ({
      limits: new Map(
        Object.entries(rateLimits).map(([id, limit]) => [id, trialLimit(limitDefinition(id, limit), clock)]),
      ),
      open() {},
      release() {},
    }),
    async close() {},
  }
}

const NOBODY: LimitObserver = { decided() {}, evicted() {}, synced() {} }

function trialLimit(definition: LimitDefinition, clock: Clock): TrialLimit {
  return {
    definition,
    ledger: undefined,
    debits: undefined,
    forRoute(route, clientAddress) {
      const byRequest = new WeakMap<RequestFacts, FindSpender>()
      return (principal, facts, nowMs) => {
        const known = byRequest.get(facts)
        const find =
          known ?? rateLimit(definition, { clock, observer: NOBODY, shared: undefined }).forRoute(route, clientAddress)
        if (known === undefined) byRequest.set(facts, find)
        return find(principal, facts, nowMs)
      }
    },
    observed() {},
    keys: 0,
    close: async () => {},
  }
}
