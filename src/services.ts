/** What outlives a policy: clock, log and metrics, the key sets, the verified tokens. Made once, when the process starts. */
import { TOKEN_CACHE_RESULTS, type TokenCache, tokenCache } from './authenticate/token-cache.ts'
import { FETCH_RESULTS } from './keys/key-set-events.ts'
import { type KeySetRegistry, keySetRegistry } from './keys/registry.ts'
import type { Clock } from './lib/clock.ts'
import { systemScheduler } from './lib/scheduler.ts'
import { keyEvents } from './telemetry/key-events.ts'
import type { Log } from './telemetry/log.ts'
import { createMetrics, type Metrics } from './telemetry/metrics.ts'

export interface Services {
  readonly clock: Clock
  readonly log: Log
  readonly metrics: Metrics
  readonly keySets: KeySetRegistry
  readonly tokenCache: TokenCache
}

export interface ServicesOptions {
  readonly clock: Clock
  readonly log: Log
  readonly version: string
  readonly nodeVersion: string
  readonly tokenCacheEntries: number
}

export function services({ clock, log, version, nodeVersion, tokenCacheEntries }: ServicesOptions): Services {
  const metrics = createMetrics({
    version,
    node: nodeVersion,
    cacheResults: TOKEN_CACHE_RESULTS,
    fetchResults: FETCH_RESULTS,
  })
  return {
    clock,
    log,
    metrics,
    keySets: keySetRegistry({
      clock,
      scheduler: systemScheduler,
      random: Math.random,
      observer: keyEvents(metrics, log),
    }),
    tokenCache: tokenCache({
      entries: tokenCacheEntries,
      onResult: (provider, result) => metrics.tokenCache.inc({ provider, result }),
    }),
  }
}
