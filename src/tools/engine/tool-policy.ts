/**
 * Compiles a configuration for a tool: the very policy that would serve traffic, with nothing that could send any.
 *
 * What judges tokens comes from the caller: the providers themselves ({@link leasedProviders}), or stand-ins
 * (`stand-in.ts`). Upstreams have a name and an address and refuse to be dispatched to. Nothing listens and nothing is
 * logged.
 */
import type { TokenVerifier } from '../../authenticate/verifier.ts'
import { compilePolicy } from '../../config/compile.ts'
import type { Config } from '../../config/schema/schema.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Policy } from '../../policy.ts'
import { type LeasedProvider, leaseProvider } from '../../run/providers.ts'
import { type Services, services } from '../../run/services.ts'
import { createLog } from '../../telemetry/log.ts'
import { shownOrigin, type Upstream } from '../../upstream/pool.ts'

export interface ToolServicesOptions {
  readonly clock: Clock
  readonly version: string
  readonly nodeVersion: string
}

/** Services as the gateway has them, silent. Close `keySets` when keys were leased. */
export function toolServices(options: ToolServicesOptions): Services {
  return services({ ...options, log: createLog('silent', { write() {} }), tokenCacheEntries: 100 })
}

/** @throws {Error} what starting would throw, too */
export function toolPolicy(config: Config, verifiers: ReadonlyMap<string, TokenVerifier>, shared: Services): Policy {
  const upstreams = new Map(Object.entries(config.upstreams).map(([id, upstream]) => [id, namedUpstream(id, upstream)]))
  return compilePolicy(config, '', {
    verifiers,
    upstreams,
    tokenCache: shared.tokenCache,
    layers: [],
    routeMetrics: shared.metrics.forRoute,
    mode: shared.mode,
  })
}

/**
 * The providers themselves, with their keys from wherever the configuration says. Fetching begins at once; wait for
 * `ready()`. A last-known-good file is neither read nor written: it is the gateway's.
 */
export function leasedProviders(config: Config, shared: Services): ReadonlyMap<string, LeasedProvider> {
  return new Map(
    Object.entries(config.providers).map(([id, provider]) => {
      const keys = { ...provider.keys, cacheFile: undefined }
      return [id, leaseProvider(id, { ...provider, keys }, shared)]
    }),
  )
}

function namedUpstream(id: string, { url, timeouts }: Config['upstreams'][string]): Upstream {
  return {
    id,
    origin: shownOrigin(url),
    headersTimeoutMs: timeouts.headers,
    dispatch() {
      throw new Error('a tool sends nothing')
    },
    close: async () => {},
  }
}
