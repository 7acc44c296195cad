/**
 * Compiles a configuration for a tool: the very policy that would serve traffic, with nothing that could send any.
 *
 * Keys come from whoever asks: the provider's own ({@link keySetLeases}), or stand-ins (`stand-in.ts`). Upstreams have
 * a name and an address, but nothing can be sent to them. Nothing listens and nothing is logged.
 */
import { compilePolicy } from '../../config/compile.ts'
import type { Config } from '../../config/schema/schema.ts'
import type { KeySetLease } from '../../keys/registry.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Policy } from '../../policy.ts'
import { keySourceDefinition } from '../../run/key-source.ts'
import { type Services, services } from '../../run/services.ts'
import { createLog } from '../../telemetry/log.ts'
import type { KeySet } from '../../types.ts'
import type { Upstream } from '../../upstream/connections.ts'
import { shownOrigin } from '../../upstream/pool.ts'

export interface ToolServicesOptions {
  readonly clock: Clock
  readonly version: string
  readonly nodeVersion: string
}

/** Makes the services that the gateway has, without a log. Whoever leases keys closes `keySets` in the end. */
export function toolServices(options: ToolServicesOptions): Services {
  return services({ ...options, log: createLog('silent', { write() {} }), tokenCacheEntries: 100 })
}

/** Compiles the configuration with the given keys. @throws {Error} starting would throw the same */
export function toolPolicy(config: Config, keySets: ReadonlyMap<string, KeySet>, services: Services): Policy {
  const upstreams = new Map(Object.entries(config.upstreams).map(([id, upstream]) => [id, namedUpstream(id, upstream)]))
  return compilePolicy(config, '', { keySets, upstreams }, services)
}

/**
 * Leases the providers' own keys from wherever the configuration says. Fetching begins at once; wait for `ready()`.
 * The file of the last good keys (`cacheFile`) is neither read nor written: it belongs to the gateway.
 */
export function keySetLeases(config: Config, { keySets }: Services): ReadonlyMap<string, KeySetLease> {
  return new Map(
    Object.entries(config.providers).map(([provider, { issuer, keys }]) => {
      const definition = keySourceDefinition(keys)
      const source = 'cacheFile' in definition ? { ...definition, cacheFile: undefined } : definition
      return [provider, keySets.acquire({ provider, issuer, source })]
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
